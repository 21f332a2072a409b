"""Which configuration of a sweep is best: repetitions averaged, by the error that decides, against the baselines.

A sweep's table has a row for each run: the swept keys, `outcome`, losses and baselines' errors in score points squared,
`name`, `run_id`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from student_score.arrays import Floats
from student_score.data.baseline import EXACT
from student_score.model.outcome import Outcome
from student_score.sweeps.spread import REPLICATED, RESAMPLED, spread, t_interval

if TYPE_CHECKING:
    import pandas as pd

SEED_KEYS = ("network.seed", "training.seed", *RESAMPLED, REPLICATED)
"""Runs that differ in nothing else are repetitions of one configuration."""

DECISIVE = ("validation_mse", "test_mse", "train_mse")
"""Errors that choose, the first that any run has: where there are validation rows, test rows choose nothing."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A configuration of a sweep with its repetitions.

    Attributes:
        configuration: the swept keys that are no seeds, and their values.
        runs: the rows of the table that have them.
        loss: the error that decides, one of DECISIVE.
    """

    configuration: dict[str, Any]
    runs: "pd.DataFrame"
    loss: str

    @cached_property
    def losses(self) -> Floats:
        """The error (n,) of each run, NaN where it has none."""
        return final_losses(self.runs, self.loss)

    @cached_property
    def interval(self) -> tuple[float, float, float]:
        """The mean error over the runs that have one, and the ends of its 95 % interval."""
        return spread(self.losses, self.runs)

    @property
    def rank(self) -> tuple[float, float]:
        """What is smaller for the better: first the share of runs without an error, then the mean error."""
        known = np.isfinite(self.losses)
        return float(np.mean(~known)), t_interval(self.losses[known])[0] if known.any() else inf

    def baseline(self, name: str) -> Floats:
        """Return a baseline's error (n,) on the rows of each run; NaN where it is not recorded."""
        return baseline(self.runs, name, self.loss)

    @cached_property
    def explained(self) -> float:
        """The mean over the runs of R², 1 - error / the mean score's error; NaN where neither is known."""
        return explained(self.losses, self.baseline("mean"))

    @property
    def is_exact(self) -> bool:
        """Whether every run's error is no more than rounding."""
        return bool(np.all(self.losses <= EXACT * self.baseline("mean")))

    @property
    def run_id(self) -> str | None:
        """The run whose error is nearest to the mean, which stands for the others; None without any error."""
        if not np.isfinite(self.losses).any():
            return None
        return str(self.runs["run_id"].iloc[int(np.nanargmin(np.abs(self.losses - self.interval[0])))])


def decisive_loss(table: "pd.DataFrame") -> str:
    """Return which error decides: validation_mse where any run has such rows, else test_mse, else train_mse."""
    return next((name for name in DECISIVE if np.isfinite(final_losses(table, name)).any()), DECISIVE[-1])


def candidates(table: "pd.DataFrame", swept: Sequence[str], loss: str | None = None) -> list[Candidate]:
    """Return the configurations of a sweep in the order they appear; of a part of it, `loss` says what decides."""
    keys, loss = [key for key in swept if key not in SEED_KEYS], loss or decisive_loss(table)
    if table.empty:
        return []
    groups = table.groupby(keys, sort=False, dropna=False) if keys else [((), table)]
    return [Candidate(dict(zip(keys, values, strict=True)), runs, loss) for values, runs in groups]


def best(found: Sequence[Candidate]) -> Candidate | None:
    """Return the best configuration, the first of several; None if no run has an error.

    The mean over the seeds decides, among the configurations of which every run has an error, where there are any.
    """
    first = min(found, key=lambda candidate: candidate.rank, default=None)
    return first if first is not None and first.rank[0] < 1 else None


def ties(first: Candidate, found: Sequence[Candidate], swept: Sequence[str]) -> list[Candidate]:
    """Return the other configurations that their repetitions, paired by seed, do not show to be worse than the best."""
    seeds = [key for key in swept if key in SEED_KEYS]
    if len(first.runs) < 2 or not seeds:
        return []

    def is_as_good(other: Candidate) -> bool:
        same = len(other.runs) == len(first.runs) and np.array_equal(other.runs[seeds], first.runs[seeds])
        if other is first or not same or other.rank[0] > 0:
            return False
        return difference(other.losses, first.losses, first.runs)[1] <= 0

    return [other for other in found if is_as_good(other)]


def final_losses(table: "pd.DataFrame", name: str) -> Floats:
    """Return a loss (n,) of every run, NaN where there is none.

    A diverged run has none: what is recorded of it is its last finite loss, which says nothing but when it was taken.
    """
    if name not in table:
        return np.full(len(table), nan)
    losses = table[name].to_numpy(dtype=np.float64)
    diverged = (table["outcome"] == Outcome.diverged.name).to_numpy()
    return np.where(np.isfinite(losses) & ~diverged, losses, nan)


def explained(losses: Floats, mean_errors: Floats) -> float:
    """Return the mean R² of errors (n,), given the mean score's error (n,) on the same rows; NaN without both."""
    known = np.isfinite(losses) & np.isfinite(mean_errors) & (mean_errors > 0)
    if not known.any():
        return nan
    with np.errstate(over="ignore"):  # A run that blew up without diverging explains less than any double can say.
        return float(1 - np.mean(losses[known] / mean_errors[known]))


def difference(ours: Floats, theirs: Floats, runs: "pd.DataFrame") -> tuple[float, float, float]:
    """Return the mean of paired differences (n,) of runs and its 95 % interval, over the pairs that have both."""
    both = np.isfinite(ours) & np.isfinite(theirs)
    return spread(np.where(both, ours, nan) - np.where(both, theirs, 0.0), runs)


def baseline(runs: "pd.DataFrame", which: str, name: str) -> Floats:
    """Return a baseline's error (n,) on the rows of each run, NaN where it is not recorded."""
    column = f"baseline/{which}/{name}"
    return runs[column].to_numpy(dtype=np.float64) if column in runs else np.full(len(runs), nan)
