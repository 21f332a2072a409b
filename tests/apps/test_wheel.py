"""The wheel: installed elsewhere it does what a clone does, and writes nothing into its environment."""

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from student_score.tracking.store import Store

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
LIBRARIES = Path(sysconfig.get_path("purelib"))

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, the home of its user, and what lay in it when the wheel had been installed."""

    wheel: Path
    environment: Path
    home: Path
    before: dict[str, tuple[int, int]]

    def run(self, folder: Path, command: str, *arguments: str, **variables: str) -> str:
        """Return what a command of the environment prints, in a folder and with no variables but these."""
        given = {"PATH": os.environ["PATH"], "HOME": str(self.home), **variables}
        done = subprocess.run(
            [self.environment / "bin" / command, *arguments],
            cwd=folder,
            env=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def is_untouched(self) -> bool:
        """Whether every file and folder of the environment is as it was."""
        return listing(self.environment) == self.before


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the time and the size of everything in a folder."""
    found = ((path, path.lstat()) for path in [folder, *folder.rglob("*")])
    return {str(path): (state.st_mtime_ns, state.st_size) for path, state in found}


def pip(*arguments: object) -> None:
    """Run pip without an index."""
    options = ["--disable-pip-version-check", "--quiet", "--no-index", "--no-deps"]
    command = [sys.executable, "-m", "pip", *map(str, arguments), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Installed:
    """Build the wheel and install it into an environment within a git repository that is not this one.

    Everything else the environment has from the one that runs the tests, except for what is installed there to be
    edited: files that add paths are not read from a folder that is itself added by such a file.
    """
    top = tmp_path_factory.mktemp("installed")
    pip("wheel", ROOT, "--no-build-isolation", "--wheel-dir", top)
    [wheel] = top.glob("*.whl")
    author = ["-c", "user.name=someone", "-c", "user.email=someone@localhost"]
    for command in (["init", "--quiet"], [*author, "commit", "--quiet", "--allow-empty", "--message", "another"]):
        subprocess.run(["git", *command], cwd=top, check=True)
    environment, home = top / "environment", top / "home"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    home.mkdir()
    pip("--python", environment / "bin/python", "install", wheel)
    [libraries] = environment.glob("lib/python*/site-packages")
    (libraries / "others.pth").write_text(f"{LIBRARIES}\n")
    return Installed(wheel, environment, home, listing(environment))


@pytest.fixture(scope="module")
def reproduced(installed, tmp_path_factory) -> Path:
    """Return a folder, empty before, in which the article was reproduced."""
    folder = tmp_path_factory.mktemp("work")
    (folder.parent / f"{folder.name}.txt").write_text(
        installed.run(folder, "student-score", "-m", "experiment=article")
    )
    return folder


def test_the_wheel_brings_what_a_clone_has(installed):
    """Its `shipped` holds all of conf, data and experiments but documents, pictures and results."""
    wanted = {
        str(path.relative_to(ROOT))
        for top in ("conf", "data", "experiments")
        for path in (ROOT / top).rglob("*")
        if path.is_file() and path.suffix not in {".md", ".png", ".pyc"} and path.parent.name != "results"
    }
    names = zipfile.ZipFile(installed.wheel).namelist()
    shipped = "student_score/shipped/"
    assert {name.removeprefix(shipped) for name in names if name.startswith(shipped)} == wanted
    assert {"student_score/py.typed", "hydra_plugins/student_score_sweeper.py"} <= set(names)


def test_the_wheel_is_what_runs(installed, tmp_path):
    """The environment imports the package from within itself, with the version of pyproject.toml."""
    code = "import student_score; print(student_score.__version__, student_score.__file__)"
    version, file = installed.run(tmp_path, "python", "-c", code).split()
    assert version == VERSION
    assert Path(file).is_relative_to(installed.environment)


def test_the_wheel_reproduces_the_article(reproduced):
    """In an empty folder every published digit comes out, and every verdict is the one that this repository holds."""
    printed = (reproduced.parent / f"{reproduced.name}.txt").read_text()
    [line] = [line for line in printed.splitlines() if line.startswith("Epoch 250: Avg Loss ")]
    assert line.split()[-4:] == ["0.88", "0.88", "218.85", "218.85"]
    here, there = (
        {claim["name"]: (claim["verdict"], claim["measured"]) for claim in json.loads(path.read_text())["claims"]}
        for path in (ROOT / "experiments/article/results/verdicts.json", reproduced / "results/article/verdicts.json")
    )
    assert there == here


def test_what_is_made_lies_in_the_working_directory(installed, reproduced):
    """The store, its artifacts and the study's results do; the kernels lie in the user's cache."""
    made = {path.name for path in reproduced.iterdir()}
    assert "mlflow.db" in made
    rest = {name for name in made if not name.startswith("mlflow.db")}
    assert rest - {"report.html"} == {"mlartifacts", "results"}
    assert (reproduced / "results/article/figure.png").exists()
    assert list(installed.home.glob(".cache/student-score/numba/*/*.nbc"))
    assert installed.is_untouched


def test_a_run_says_which_version_it_was(reproduced):
    """It does not name the commit of a repository that the environment happens to lie in."""
    store = Store(f"sqlite:///{reproduced / 'mlflow.db'}")
    run = store.search("tags.outcome = 'converged'")[0]
    assert run.tags["student-score"] == VERSION
    assert "git.commit" not in run.tags


def test_the_other_commands_run(installed, reproduced):
    """A single training, the list of the studies and the report do, and leave the environment as it was."""
    assert "Epoch 100: Avg Loss = 1.59" in installed.run(reproduced, "student-score")
    assert "student-score -m experiment=article" in installed.run(reproduced, "student-score-study").splitlines()
    told = installed.run(reproduced, "student-score-report")
    assert "article: 3 claims supported, 2 refuted; 3 checks passed" in told
    assert "<h1" in (reproduced / "report.html").read_text()
    assert installed.is_untouched


def test_a_user_whose_home_is_unusable_trains(installed, tmp_path):
    """Kernels and locks then lie in the temporary directory, in a folder of this user's."""
    installed.run(tmp_path, "student-score", HOME="/dev/null", TMPDIR=str(tmp_path))
    folder = tmp_path / f"student-score-{os.getuid()}"
    assert list(folder.glob("numba/*/*.nbc"))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert installed.is_untouched


def test_numba_may_have_been_imported_before(installed, tmp_path):
    """It would then keep the kernels beside their source; they lie in the cache all the same."""
    training = "train(split_rows(ARTICLE_ROWS), ARTICLE_START, learning_rate=0.0001, epochs=1)"
    code = f"import numba; from student_score import *; {training}"
    installed.run(tmp_path, "python", "-c", code, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert list(tmp_path.glob("cache/student-score/numba/*/*.nbc"))
    assert installed.is_untouched
