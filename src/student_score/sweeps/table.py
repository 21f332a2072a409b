"""The table of a sweep: a row for each recorded run."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from student_score.runs.recording import TABLED
from student_score.sweeps.spread import OVERLAP, RESAMPLED
from student_score.tracking.record import RecordedRun

if TYPE_CHECKING:
    import pandas as pd


def results(runs: Sequence[RecordedRun], swept: Sequence[str]) -> "pd.DataFrame":
    """Return a row for each run: swept values, outcome, losses, baselines, epochs, run id."""
    import pandas as pd

    return pd.DataFrame([result_row(recorded_run, swept) for recorded_run in runs])


TRAJECTORY = "trajectory.npz"
"""The artifact that figures and studies read."""


LISTED = 10
"""Runs that one message names."""


def lacking(runs: Sequence[RecordedRun], folder: Path) -> list[str]:
    """Return a sentence if runs whose artifacts lie in a folder have lost their trajectory, none if all have it."""
    bare = [run.run_id for run in runs if not (folder / run.run_id / "artifacts" / TRAJECTORY).exists()]
    return [missed(f"{TRAJECTORY} of run {bare[0]} is gone", bare[1:])] if bare else []


def missed(problem: str, others: Sequence[str]) -> str:
    """Return a sentence on a run that has lost its files, on the ids of others like it, and on the way out."""
    if not others:
        return f"{problem}; delete this run in the UI, and the same command trains it again"
    more = f" and {len(others) - LISTED} more" if len(others) > LISTED else ""
    named = f"and the same is true of {', '.join(others[:LISTED])}{more}"
    return f"{problem}, {named}; delete these runs in the UI, and the same command trains them again"


def curve_reader(runs: Sequence[RecordedRun]) -> Callable[[str], tuple[NDArray[Any], NDArray[Any]]]:
    """Return a function that reads epochs and avg_loss of the run with a given id."""
    by_id = {recorded_run.run_id: recorded_run for recorded_run in runs}

    def read(run_id: str) -> tuple[NDArray[Any], NDArray[Any]]:
        avg_loss = by_id[run_id].trajectory().avg_loss
        return np.arange(1, len(avg_loss) + 1), avg_loss

    return read


def result_row(recorded_run: RecordedRun, swept: Sequence[str]) -> dict[str, Any]:
    """Return a recorded run as a row of results.csv."""
    baselines = [name for name in recorded_run.metrics if name.startswith("baseline/")]
    return {
        **{key: parsed(recorded_run.params[key]) for key in swept},
        "outcome": recorded_run.tags.get("outcome", "unknown"),
        **{name: recorded_run.metrics.get(name) for name in (*TABLED, *sorted(baselines))},
        **({} if set(RESAMPLED).isdisjoint(swept) else {OVERLAP: rows_tested_for_each(recorded_run.params)}),
        "name": recorded_run.name,
        "run_id": recorded_run.run_id,
    }


def rows_tested_for_each(params: Mapping[str, str]) -> float:
    """Return how many test rows a run has for each training row, by the fractions it asked for; 0 without any."""
    fractions = ("dataset.test_fraction", "dataset.validation_fraction")
    test, validation = (float(params.get(name, "0")) for name in fractions)
    folds = parsed(params.get("dataset.folds", "null"))
    share = 1 / folds if isinstance(folds, int | float) else test
    return share / ((1 - share) * (1 - validation))


def parsed(text: str) -> Any:
    """Return a recorded parameter as the number it is, else as text; lists stay text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) else text
