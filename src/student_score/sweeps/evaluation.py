"""What the chosen configuration does on rows that chose nothing, beside the baselines on the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from student_score.arrays import Floats
from student_score.data.baseline import BASELINES
from student_score.sweeps.failing import FAILED
from student_score.sweeps.ranking import (
    Candidate,
    baseline,
    best,
    candidates,
    decisive_loss,
    difference,
    final_losses,
)
from student_score.sweeps.spread import REPLICATED, RESAMPLED, spread

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The configuration chosen in each split, or data set, and its errors there.

    In each, the configuration with the least mean validation_mse over the seeds of networks is chosen; one of which a
    network diverged comes behind all others, a collapsed network counts with its error. What is reported is its errors
    on the test rows. Without validation rows one configuration is chosen for all by the rows there are; unless it is
    the only one, its error on them is optimistic.

    Attributes:
        chosen: for each split the chosen configuration with its runs there, without those where every network diverged.
        splits: how many there are.
        choices: how many configurations there were to choose from.
        chooser: the error that chose.
        loss: the error that is reported.
    """

    chosen: list[Candidate]
    splits: int
    choices: int
    chooser: str
    loss: str

    @cached_property
    def runs(self) -> "pd.DataFrame":
        """The rows of the sweep's table of all that were chosen."""
        import pandas as pd

        return pd.concat([candidate.runs for candidate in self.chosen])

    @cached_property
    def losses(self) -> Floats:
        """The reported error (n,) of each chosen run, NaN where it has none."""
        return final_losses(self.runs, self.loss)

    @property
    def is_optimistic(self) -> bool:
        """Whether the rows of the reported error chose among several configurations."""
        return self.chooser == self.loss and self.choices > 1

    @property
    def failed(self) -> float:
        """The share of the chosen runs that collapsed or diverged."""
        return float(self.runs["outcome"].isin(FAILED).mean())

    @cached_property
    def counts(self) -> list[tuple[dict[str, Any], int]]:
        """The configurations that were chosen and in how many splits, the most frequent first."""
        found: dict[str, tuple[dict[str, Any], int]] = {}
        for candidate in self.chosen:
            key = repr(candidate.configuration)
            found[key] = candidate.configuration, found.get(key, ({}, 0))[1] + 1
        return sorted(found.values(), key=lambda pair: -pair[1])

    @cached_property
    def baselines(self) -> list[str]:
        """The baselines whose error is known for every chosen run."""
        return [name for name in BASELINES if np.isfinite(self.baseline(name)).all()]

    def baseline(self, name: str) -> Floats:
        """Return a baseline's error (n,) on the same rows as each chosen run's."""
        return baseline(self.runs, name, self.loss)

    def minus(self, name: str) -> tuple[float, float, float]:
        """Return the mean of the paired differences network - baseline, and the ends of its 95 % interval."""
        return difference(self.losses, self.baseline(name), self.runs)

    def table(self) -> "pd.DataFrame":
        """Return a row for each split: its keys, the chosen configuration, runs, share of failed ones, mean errors."""
        import pandas as pd

        return pd.DataFrame([self.row(candidate) for candidate in self.chosen])

    def row(self, candidate: Candidate) -> dict[str, Any]:
        """Return a split's row."""
        runs = candidate.runs
        keys = [key for key in (REPLICATED, *RESAMPLED) if key in runs]
        errors = dict.fromkeys((self.chooser, self.loss, "train_mse"))
        return {
            **{key: runs[key].iloc[0] for key in keys},
            **candidate.configuration,
            "runs": len(runs),
            "failed": float(runs["outcome"].isin(FAILED).mean()),
            **{name: mean_of(final_losses(runs, name)) for name in errors},
            **{f"baseline/{name}/{self.loss}": mean_of(baseline(runs, name, self.loss)) for name in self.baselines},
        }

    def metrics(self) -> dict[str, float]:
        """Return what the parent run is told, in finite numbers."""
        found = {"network/failed": self.failed, f"network/{self.loss}": spread(self.losses, self.runs)[0]}
        for name in self.baselines:
            found[f"{name}/{self.loss}"] = spread(self.baseline(name), self.runs)[0]
            ends = zip(("mean", "ci95_low", "ci95_high"), self.minus(name), strict=True)
            found |= {f"minus_{name}/{part}": value for part, value in ends}
        return {f"evaluation/{name}": value for name, value in found.items() if np.isfinite(value)}


def evaluate(table: "pd.DataFrame", swept: Sequence[str]) -> Evaluation | None:
    """Return the chosen configurations of a sweep and their errors; None if no run has an error."""
    chooser = decisive_loss(table) if len(table) else ""
    found = candidates(table, swept)
    first = best(found)
    if first is None:
        return None
    tested = np.isfinite(final_losses(table, "test_mse")).any()
    parts = list(split_up(table))
    if chooser == "validation_mse" and tested:
        each = [best(candidates(part, swept, chooser)) for part in parts]
        chosen = [candidate for candidate in each if candidate is not None]
    else:
        chosen = [Candidate(first.configuration, part, chooser) for part in split_up(first.runs)]
    return Evaluation(chosen, len(parts), len(found), chooser, "test_mse" if tested else chooser)


def split_up(table: "pd.DataFrame") -> "list[pd.DataFrame]":
    """Return the runs of each split of each data set."""
    keys = [key for key in (REPLICATED, *RESAMPLED) if key in table]
    return [part for _, part in table.groupby(keys, sort=True)] if keys else [table]


def mean_of(values: Floats) -> float:
    """Return the mean of the finite values (n,), NaN without any."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
