"""Records refuse what MLflow would change in silence."""

import math
import os

import numpy as np
import pytest

from student_score.tracking import record
from student_score.tracking.record import Record


def some_record(**changes: object) -> Record:
    """Return a small record."""
    return Record(**{"name": "lr=0.1 relu", "start_time": 1_000, "end_time": 2_000, **changes})


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_cannot_be_sent(value):
    """MLflow would store inf as the largest double and lose nan: a record refuses both."""
    with pytest.raises(ValueError, match=r"\['train_mse'\] are not finite"):
        some_record(metrics={"train_mse": value})
    with pytest.raises(ValueError, match=r"\['avg_loss'\] are not finite"):
        some_record(curves={"avg_loss": ([1], [value])})


def test_metrics_are_finite_numbers_of_numpy_too():
    """NumPy's scalars are accepted like Python's."""
    assert some_record(metrics={"a": np.float64(1)}).metrics["a"] == 1


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_user_without_a_name_is_a_number(monkeypatch, error):
    """In a container the user may be in no list of users; which error says so depends on the version of Python."""

    def getuser() -> str:
        raise error

    monkeypatch.setattr(record, "getuser", getuser)
    assert record.mlflow_tags("a", {}, "", None)["mlflow.user"] == str(os.getuid())
