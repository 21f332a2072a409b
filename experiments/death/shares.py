"""Shares of units and networks: as closed forms predict them, as they were counted, and how far to trust the count."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from student_score.data.article import ARTICLE_ROWS
from student_score.data.rows import Rows

from .claims import CONFIDENCE, SIZES


def opening(rows: Rows) -> float:
    """Return the opening in radians of the cone that rows of two positive features span."""
    directions = np.arctan2(rows.features[:, 1], rows.features[:, 0])
    return float(np.ptp(directions))


def probability_born_dead(rows: Rows) -> float:
    """Return the chance that weights of a uniform direction have no positive sum on any row, without a bias."""
    return 0.5 - opening(rows) / (2 * np.pi)


def probability_born_dead_with_bias(rows: Rows, bias: float, *, directions: int = 200_000) -> float:
    """Return the same chance with a bias above 0, by the midpoint rule over the directions of the weights.

    He's weights into a unit of two features are standard normal, so their length exceeds R with chance exp(-R^2 / 2).
    In a direction u with u x < 0 on every row, the unit is dead from R = max of bias / (-u x) on.
    """
    angles = (np.arange(directions) + 0.5) * 2 * np.pi / directions
    nearest = (np.column_stack([np.cos(angles), np.sin(angles)]) @ rows.features.T).max(axis=1)
    lengths = np.full(directions, np.inf)
    lengths[nearest < 0] = -bias / nearest[nearest < 0]
    return float(np.exp(-(lengths**2) / 2).mean())


def interval(count: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a share."""
    bounds = binomtest(count, total).proportion_ci(confidence_level=confidence, method="exact")
    return float(bounds.low), float(bounds.high)


def share(name: str, count: int, total: int) -> dict[str, Any]:
    """Return a count, its share and the share's interval, for the measured numbers."""
    return {
        name: count,
        f"{name}_of": total,
        f"{name}_share": round(count / total, 6),
        f"{name}_clopper_pearson_99": [round(bound, 6) for bound in interval(count, total)],
    }


def select(table: pd.DataFrame, variant: str, rate: float) -> pd.DataFrame:
    """Return the trainings of a variant at a rate."""
    return table[(table["start"] == variant) & np.isclose(table["learning_rate"], rate, rtol=1e-9, atol=0)]


def alive(table: pd.DataFrame) -> int:
    """Return how many units are alive at the start."""
    return int((table["hidden_size"] - table["born_dead"]).sum())


def seeds_of(table: pd.DataFrame) -> dict[str, str]:
    """Return the first and the last seed of each hidden size."""
    seeds = table.groupby("hidden_size")["seed"]
    return {"seeds": ", ".join(f"{first}-{last}" for first, last in zip(seeds.min(), seeds.max(), strict=True))}


class AllBornDead(NamedTuple):
    """Networks of one hidden size born without a living unit, of how many, as predicted, and the share's interval."""

    number: int
    total: int
    predicted: float
    low: float
    high: float


def born_dead_by_size(table: pd.DataFrame) -> dict[int, AllBornDead]:
    """Count the networks of each hidden size that are born without a living unit."""
    found = {}
    for size in sorted(set(table["hidden_size"].tolist())):
        own = table[table["hidden_size"] == size]
        number = int((own["born_dead"] == size).sum())
        low, high = interval(number, len(own), 1 - (1 - CONFIDENCE) / len(SIZES))
        found[size] = AllBornDead(number, len(own), probability_born_dead(ARTICLE_ROWS) ** size, low, high)
    return found


class Fates(NamedTuple):
    """Shares of units; every hidden size weighs alike."""

    born_dead: float
    killed_by_flow: float
    killed_by_step: float


def mean_fates(table: pd.DataFrame) -> Fates:
    """Return what became of the units; one that dies counts as killed by the flow where the control kills it, too."""
    table = table[table["killed_by_step"].notna()]
    table = table.assign(inactive=table["born_dead"] - table["revived"], flow=table["killed"] - table["killed_by_step"])
    counts = table.groupby("hidden_size")[["hidden_size", "inactive", "flow", "killed_by_step"]].sum()
    return Fates(*(float((counts[part] / counts["hidden_size"]).mean()) for part in counts.columns[1:]))
