"""`make verdicts`: what its script says of studies that depend on the machine, or are not those that are committed."""

import shutil
import subprocess

import pytest

from student_score.paths import REPOSITORY

LIST = """#!/bin/sh
echo "student-score experiment=plateau"
echo "student-score experiment=throughput  # a benchmark"
"""
STUDY = """#!/bin/sh
[ "$1" = experiment=plateau ] || exit 3
mkdir -p results/plateau
echo {verdict} > results/plateau/verdicts.json
{more}
"""


@pytest.fixture
def clone(tmp_path):
    """Return a function that makes a clone whose only study, which has been published as `same`, is a script."""

    def make(verdict, more=""):
        for folder in (".ci", "conf", "data", "src", "experiments/plateau/results", ".venv/bin"):
            (tmp_path / folder).mkdir(parents=True)
        shutil.copy(REPOSITORY / ".ci" / "verdicts", tmp_path / ".ci")
        (tmp_path / "experiments" / "plateau" / "results" / "verdicts.json").write_text("same\n")
        for name, text in (("student-score-study", LIST), ("student-score", STUDY.format(verdict=verdict, more=more))):
            path = tmp_path / ".venv" / "bin" / name
            path.write_text(text)
            path.chmod(0o755)
        return tmp_path

    return make


def verdicts(clone):
    """Run the script."""
    return subprocess.run(["bash", clone / ".ci" / "verdicts"], capture_output=True, text=True, timeout=60, check=False)


def test_equal_verdicts_are_fine(clone):
    """Both copies say what is committed."""
    done = verdicts(clone("same"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("All verdicts are the same under both, and as committed\n")
    assert "throughput" not in done.stdout


@pytest.mark.parametrize("variable", ["NUMBA_CPU_NAME", "OPENBLAS_CORETYPE", "NUMBA_NUM_THREADS"])
def test_a_verdict_that_the_processor_decides_is_named(clone, variable):
    """It ends with 1, and shows both."""
    done = verdicts(clone(f"${{{variable}:-same}}"))
    assert done.returncode == 1
    assert "plateau: its verdicts differ from those in " in done.stderr
    assert "< same" in done.stdout


def test_a_verdict_that_is_not_the_committed_one_is_named(clone):
    """Both copies agree on another."""
    done = verdicts(clone("other"))
    assert done.returncode == 1
    assert "plateau: its verdicts differ from those in experiments/plateau/results/verdicts.json" in done.stderr


def test_a_study_that_fails_shows_what_it_said(clone):
    """Its output is not lost, and the script fails."""
    done = verdicts(clone("same", more="echo no memory; exit 1"))
    assert done.returncode == 1
    assert "no memory" in done.stderr
