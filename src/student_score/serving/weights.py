"""The weights that models predict from: a recorded network's, and those of the straight line it has to beat."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from student_score.errors import InputError
from student_score.model.outcome import Outcome
from student_score.runs.task import Task
from student_score.tracking.record import RecordedRun

if TYPE_CHECKING:
    import pandas as pd

NETWORK, LINEAR = "network", "linear"
"""The two kinds, and the names of a run's two models."""

SHARED = ("columns", "means", "categories", "target", "target_range", "target_seen")
"""What a line has of a network trained on the same rows."""

EXAMPLE_ROWS = 2
"""Training rows that are kept with a model as an example of its input."""


def recorded_weights(run: RecordedRun) -> dict[str, Any]:
    """Return the weights of a recorded run.

    Raises:
        InputError: it has none to predict with.
    """
    if run.tags.get("outcome") == Outcome.diverged.name:
        raise InputError(f"the run {run.run_id} diverged and predicts nothing; a smaller learning rate may help")
    if "outcome" not in run.tags:
        raise InputError(f"the run {run.run_id} is no finished training: it has no weights")
    try:
        weights = json.loads(run.read_text("weights.json"))
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"weights.json of run {run.run_id} is no JSON: {error}") from None
    return dict(weights)


def linear_weights(network: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """Return the weights of linear regression on the training rows, for the columns that a network takes."""
    from sklearn.linear_model import LinearRegression  # Late: it takes a second to import.

    rows = task.split.train
    line = LinearRegression().fit(rows.features, rows.targets)
    return {
        "kind": LINEAR,
        **{key: network[key] for key in SHARED},
        "w2": line.coef_.tolist(),
        "b2": float(line.intercept_),
        "feature_means": [0.0] * len(line.coef_),
        "feature_deviations": [1.0] * len(line.coef_),
        "target_mean": 0.0,
        "target_deviation": 1.0,
    }


def example(weights: Mapping[str, Any], task: Task) -> "pd.DataFrame":
    """Return the first training rows as their file has them, gaps filled."""
    import pandas as pd

    from student_score.serving.model import indicated

    left = task.split.train.features[:EXAMPLE_ROWS].T.tolist()
    columns: dict[str, list[Any]] = {}
    for name in weights["columns"]:
        known = weights["categories"].get(name)
        if known is None:
            columns[name] = left.pop(0)
            continue
        having = indicated(known)
        flags, left = left[: len(having)], left[len(having) :]
        columns[name] = [
            next((word for word, flag in zip(having, row, strict=True) if flag), known[0])
            for row in zip(*flags, strict=True)
        ]
    frame = pd.DataFrame(columns)
    frame.columns = frame.columns.astype(object)  # MLflow compares names with a range, of which pandas' strings warn.
    return frame
