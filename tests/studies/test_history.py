"""What git's history shows: since a certain day a claim is committed before the verdict on it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

from student_score.paths import REPOSITORY, known_studies

SINCE = "2026-11-25T18:12:00+00:00"
"""From then on: most first verdicts of the eight studies there were came in the same commit as their rules."""

COMMIT = "commit "
"""What a line of the log with a commit begins with; names of files have no space."""

pytestmark = pytest.mark.skipif(which("git") is None, reason="there is no git")


def git(folder: Path, *arguments: str) -> str:
    """Return what git prints in a folder."""
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def together(folder: Path, *limits: str) -> Iterator[tuple[str, str]]:
    """Yield (commit, study) where one commit changes both a study's claims and its verdicts."""
    log = git(folder, "log", "--no-renames", f"--format={COMMIT}%h", "--name-only", *limits, "--", "experiments")
    for commit, _, names in (entry.partition("\n") for entry in log.split(COMMIT)[1:]):
        files = set(names.split())
        for study in known_studies():
            if {f"experiments/{study}/claims.py", f"experiments/{study}/results/verdicts.json"} <= files:
                yield commit, study


@pytest.mark.skipif(not (REPOSITORY / ".git").exists(), reason="this is no clone")
def test_claims_are_committed_before_the_verdicts_on_them():
    """No commit changes both, so that the history shows what a claim said before it was judged."""
    if git(REPOSITORY, "rev-parse", "--is-shallow-repository").strip() == "true":
        pytest.skip("the clone is shallow")
    assert list(together(REPOSITORY, f"--since={SINCE}")) == []


def test_a_commit_of_both_is_found(tmp_path):
    """In a repository in which one study's claims come before its verdicts, and another's with them."""
    git(tmp_path, "init", "--quiet")
    steps = (["death/claims.py"], ["death/results/verdicts.json"], ["speed/claims.py", "speed/results/verdicts.json"])
    for names in steps:
        for name in names:
            path = tmp_path / "experiments" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("new")
        git(tmp_path, "add", ".")
        git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "more")
    assert [study for _, study in together(tmp_path)] == ["speed"]
