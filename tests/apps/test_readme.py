"""The documents tell the truth: their commands and their code run, their links lead somewhere."""

import re
import shlex
import subprocess
import sys

import pytest

from student_score.paths import REPOSITORY

README = (REPOSITORY / "README.md").read_text()
DOCUMENTS = [
    path
    for path in sorted(REPOSITORY.rglob("README.md"))
    if path.relative_to(REPOSITORY).parts[0] in {"README.md", "conf", "data", "experiments", "src"}
]
COMMANDS = re.findall(r"^\$ (.+)$", README, flags=re.MULTILINE)
OWN = "experiment=(article|plateau|own_data)"
"""Commands with a test of their own."""


def test_there_are_commands_to_run():
    """The pattern above still finds the README's commands, and the README is short."""
    assert "make reproduce" in COMMANDS
    assert "student-score" in COMMANDS
    assert len(README.splitlines()) <= 130


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("student-score") and not re.search(OWN, c)])
def test_a_command_of_the_readme_runs(cli, command):
    """Every student-score command of the README ends well; some have a test of their own."""
    done = cli(*shlex.split(command)[1:])
    assert done.code == 0, done.err


@pytest.mark.slow
def test_the_readmes_conclusion_is_what_the_sweep_says(cli, folder):
    """The sweep on a class of 400 ends with the sentences that the README shows, word for word."""
    (folder / "data").symlink_to(REPOSITORY / "data")
    [shown] = [block for block in re.findall(r"```text\n(.*?)```", README, flags=re.DOTALL) if "Best of" in block]
    [command] = [command for command in COMMANDS if "own_data" in command]
    assert f"\n\n{shown}" in cli(*shlex.split(command)[1:]).out


@pytest.mark.slow
def test_the_readmes_commands_are_installed(student_score):
    """In a process of its own, `student-score` of the README is the one that is tested here."""
    done = student_score("training.learning_rate=0.01")
    assert done.returncode == 0, done.stderr
    assert "Outcome: collapsed" in done.stdout


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make")])
def test_a_make_target_of_the_readme_exists(command):
    """Every make command of the README names a target of the Makefile."""
    subprocess.run([*shlex.split(command), "--dry-run"], cwd=REPOSITORY, check=True, capture_output=True)


def test_every_command_of_the_readme_is_covered():
    """A command that is neither of the above would run nowhere."""
    assert all(command.startswith(("make", "student-score")) for command in COMMANDS)


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_the_documents_python_runs(document):
    """Each block, run after those before it, prints what its last comment says."""
    blocks = re.findall(r"```python\n(.*?)```", document.read_text(), flags=re.DOTALL)
    if not blocks:
        return
    done = subprocess.run([sys.executable, "-c", "".join(blocks)], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == [re.search(r"# (.+)$", block.strip())[1] for block in blocks]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_somewhere(document):
    """Every relative link of the documents names a file, a folder, or a heading of a folder's README."""
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        path, _, heading = target.partition("#")
        assert target.startswith("http") or (document.parent / path).exists(), target
        if heading:
            text = (document.parent / path / "README.md").read_text()
            headings = [line.strip("# ").lower().replace(" ", "-") for line in text.splitlines() if line[:1] == "#"]
            assert heading in headings, target
