"""What several tests need: repeatable property tests, the article's rows, and a store of one's own.

STUDENT_SCORE_RANDOM=1 lets property tests draw other examples each time, and STUDENT_SCORE_EXAMPLES says how many.
"""

import logging
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from student_score.data.csv_file import read_csv
from student_score.data.rows import Rows, Split, split_rows

ROOT = Path(__file__).resolve().parents[1]

settings.register_profile(
    "tests",
    derandomize=not os.environ.get("STUDENT_SCORE_RANDOM"),
    deadline=None,
    max_examples=int(os.environ.get("STUDENT_SCORE_EXAMPLES", "40")),
    database=None,  # Examples that failed once would make two runs differ.
)
settings.load_profile("tests")


@pytest.fixture(scope="session")
def article_rows() -> Rows:
    """Return the article's three students."""
    return read_csv(ROOT / "data/student_scores.csv", features=["hours_studied", "hours_slept"], target="exam_score")


@pytest.fixture(scope="session")
def article_split(article_rows: Rows) -> Split:
    """Return them as training rows, unscaled."""
    return split_rows(article_rows)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a store without runs: MLflow takes most of a second to make one."""
    from student_score.tracking.store import Store

    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    Store(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def fresh_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of a store that does not exist yet, the default one for this test and its subprocesses."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return uri


@pytest.fixture
def store_uri(fresh_uri: str, empty_store: Path) -> str:
    """Return the address of a store without runs, the default one for this test and its subprocesses."""
    shutil.copy(empty_store, fresh_uri.removeprefix("sqlite:///"))
    return fresh_uri


@pytest.fixture(autouse=True)
def committed_results_stay() -> Iterator[None]:
    """Fail a test that writes to the results of a study, which are committed."""
    before = {path: path.stat().st_mtime_ns for path in ROOT.glob("experiments/*/results/*")}
    yield
    assert {path: path.stat().st_mtime_ns for path in ROOT.glob("experiments/*/results/*")} == before


@dataclass(frozen=True)
class Done:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


Command = Callable[..., Done]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty folder in which commands run."""
    path = tmp_path / "elsewhere"
    path.mkdir()
    return path


@pytest.fixture
def in_process(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs `student-score` in this process, in an empty folder.

    A process of its own takes some two seconds longer to import what it needs.
    """
    from student_score.commands.main import student_score

    monkeypatch.chdir(folder)
    # The command silences mlflow before it imports it, which a test's module may have done already.
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)

    def run(*arguments: str) -> Done:
        capsys.readouterr()
        code = student_score(arguments)
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


@pytest.fixture
def cli(store_uri: str, in_process: Command) -> Command:
    """Return that function, and a store without runs for it."""
    return in_process


@pytest.fixture
def first_cli(fresh_uri: str, in_process: Command) -> Command:
    """Return that function, and the address of a store that does not exist yet."""
    return in_process


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder to which studies now write their verdicts and figures: that of a clone may be somebody's."""
    from student_score.studies import study

    monkeypatch.setattr(study, "work_folder", lambda: tmp_path)
    return tmp_path / "results"
