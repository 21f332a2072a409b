"""What several tests need: repeatable property tests, the article's rows, and a store of one's own."""

from pathlib import Path

import pytest
from hypothesis import settings

from student_score.data.csv_file import read_csv
from student_score.data.rows import Rows, Split, split_rows

ROOT = Path(__file__).resolve().parents[1]

# Property tests draw the same examples on every machine.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=40)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def article_rows() -> Rows:
    """Return the article's three students."""
    return read_csv(ROOT / "data/student_scores.csv", features=["hours_studied", "hours_slept"], target="exam_score")


@pytest.fixture(scope="session")
def article_split(article_rows: Rows) -> Split:
    """Return them as training rows, unscaled."""
    return split_rows(article_rows)


@pytest.fixture
def store_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of a store that does not exist yet, the default one for this test and its subprocesses."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return uri
