"""The README tells the truth: its commands and its code run, its links lead somewhere."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "experiments").glob("*/README.md")), ROOT / "data/README.md"]
COMMANDS = re.findall(r"^\$ (.+)$", README, flags=re.MULTILINE)


def test_there_are_commands_to_run():
    """The pattern above still finds the README's commands."""
    assert "make reproduce" in COMMANDS
    assert "student-score" in COMMANDS


@pytest.mark.parametrize(
    "command",
    [c for c in COMMANDS if c.startswith("student-score") and "experiment=article" not in c and "plateau" not in c],
)
def test_a_command_of_the_readme_runs(student_score, command):
    """Every student-score command of the README ends well; the studies' have a test of their own."""
    done = student_score(*shlex.split(command)[1:])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make")])
def test_a_make_target_of_the_readme_exists(command):
    """Every make command of the README names a target of the Makefile."""
    subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, check=True, capture_output=True)


def test_every_command_of_the_readme_is_covered():
    """A command that is neither of the above would run nowhere."""
    assert all(command.startswith(("make", "student-score")) for command in COMMANDS)


def test_the_readmes_csv_example_runs(student_score, tmp_path):
    """The example for one's own data works as written."""
    [example] = [block for block in re.findall(r"```text\n(.*?)```", README, flags=re.DOTALL) if "grades.csv" in block]
    rows = "".join(f"{k},{k * k % 7},{k + 3}\n" for k in range(20))
    (tmp_path / "elsewhere/grades.csv").write_text("reading,maths,grade\n" + rows)
    done = student_score(*shlex.split(example.replace("\\\n", " "))[1:])
    assert done.returncode == 0, done.stderr


def test_the_readmes_python_runs():
    """Each block, run after those before it, prints what its last comment says."""
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    done = subprocess.run([sys.executable, "-c", "".join(blocks)], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == [re.search(r"# (.+)$", block.strip())[1] for block in blocks]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    """Every relative link of the documents names a file or folder of the repository."""
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        assert target.startswith("http") or (document.parent / target).exists(), target
