"""Paired differences of errors with their intervals: what verdicts, figure and report are made of."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import betaincinv
from scipy.stats import bootstrap

from student_score.arrays import Floats
from student_score.data.simulation import World
from student_score.model.outcome import Outcome
from student_score.studies.numbers import number

from .claims import CONFIDENCE, LEAST
from .trainings import LINEAR, MEAN, NUMBERS, QUADRATIC, RIDGE, SIZES, network

RESAMPLES = 9999
"""Of each bootstrap, drawn with the same seed."""

LARGEST = 1e90
"""Points squared; the cubes of larger errors, which the bootstrap takes, are no doubles."""

FAILED = (Outcome.collapsed.name, Outcome.stuck.name, Outcome.diverged.name)
"""Outcomes of networks that are no better than the mean score on the rows they were trained on."""

MODELS = (MEAN, LINEAR, RIDGE, QUADRATIC, *map(network, SIZES))
"""As tables list them."""

NETWORKS = tuple(map(network, SIZES))
"""What networks of all sizes are called."""


class Estimate(NamedTuple):
    """A mean over the replicates with its interval, and the median; NaN where a value is none, or huge."""

    mean: float
    low: float
    high: float
    median: float

    @classmethod
    def of(cls, values: Floats) -> "Estimate":
        """Estimate the mean of values (n,) of independent replicates, with a BCa bootstrap interval."""
        if not (len(values) and (np.abs(values) < LARGEST).all()):  # Neither is NaN.
            return cls(*[float("nan")] * 4)
        mean, median = float(np.mean(values)), float(np.median(values))
        if np.ptp(values) == 0:
            return cls(mean, mean, mean, median)
        rng = np.random.default_rng(0)
        resampled = bootstrap(
            (values,), np.mean, confidence_level=CONFIDENCE, n_resamples=RESAMPLES, method="BCa", rng=rng
        )
        found = resampled.confidence_interval
        return cls(mean, float(found.low), float(found.high), median)

    def told(self) -> str:
        """Return the mean with its interval and the median, in words."""
        mean, low, high, median = (number(four(value)) for value in self)
        return f"{mean} ({low} to {high}), median {median}"

    @property
    def interval(self) -> list[float]:
        """The interval with four digits."""
        return [four(self.low), four(self.high)]


class Case(NamedTuple):
    """A world, a number of students, and the two whose errors are compared."""

    world: World
    n: int
    ours: str
    theirs: str

    @property
    def name(self) -> str:
        """The case in words, without what is compared with."""
        return f"{self.ours} in the world {self.world.name} with {self.n} students"


def cases(worlds: Sequence[World], numbers: Sequence[int], ours: Sequence[str], theirs: str) -> Iterator[Case]:
    """Yield every combination."""
    yield from (Case(world, n, one, theirs) for world in worlds for n in numbers for one in ours)


def four(value: float) -> float:
    """Return a number with four significant digits."""
    return float(f"{value:.4g}")


class Errors:
    """The errors of a table of trainings: of each model in each world, with each number of students."""

    def __init__(self, table: pd.DataFrame) -> None:
        by_seed = table.set_index("seed").sort_index()
        self.groups = dict(list(by_seed.groupby(["world", "n", "model"])))

    def of(self, world: World, n: int, model: str, column: str = "error") -> "pd.Series[float]":
        """Return the errors of a model by the seed of the replicate, after all epochs or those of a column."""
        return self.groups[world.name, n, model][column]


def difference(errors: Errors, case: Case, column: str = "error") -> Estimate:
    """Estimate how much larger our errors are than theirs, with the same students, in those replicates that have both.

    `column` is where our errors stand: after all epochs or after fewer.
    """
    world, n, ours, theirs = case
    pairs = pd.concat([errors.of(world, n, ours, column), errors.of(world, n, theirs)], axis=1, join="inner")
    values: Floats = pairs.to_numpy(dtype=np.float64)
    return Estimate.of(values[:, 0] - values[:, 1])


def missing(table: pd.DataFrame) -> str:
    """Return what is missing, or nothing: each model in each world and with each number of students."""
    found = table.groupby(["world", "n", "model"])["seed"].nunique()
    for world in World:
        for n in NUMBERS:
            for model in MODELS:
                if (have := int(found.get((world.name, n, model), 0))) < LEAST:
                    return f"{LEAST - have} replicates of {model} in the world {world.name} with {n} students"
    return ""


def failed(table: pd.DataFrame) -> "pd.Series[bool]":
    """Say of each training whether it failed."""
    return table["outcome"].isin(FAILED)


def share_interval(count: int, total: int) -> list[float]:
    """Return the Clopper-Pearson interval of a share."""
    tail = (1 - CONFIDENCE) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return [round(low, 6), round(high, 6)]


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return the mean and the median excess over the least possible error, and the share of failed trainings."""
    excess = table.assign(excess=table["error"] - table["least"], failed=failed(table))
    grouped = excess.groupby(["world", "n", "model"], sort=False)
    found: Any = grouped.agg(mean=("excess", "mean"), median=("excess", "median"), failed=("failed", "mean"))
    return pd.DataFrame(found)
