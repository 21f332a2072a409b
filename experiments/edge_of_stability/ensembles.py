"""How trainings end, and in which share of an ensemble, with its interval."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from student_score.arrays import Mask
from student_score.model.outcome import Outcome
from student_score.studies.numbers import percent

from .claims import CONFIDENCE, HALF, HOVERS, LOWER, NEAR, UPPER
from .rates import GRID, MEMBERS, NEARBY_GROUP

INSIDE = [float(rate) for rate in GRID if LOWER < rate < UPPER]
"""The rates of the grid within the range."""

AT_THE_EDGE, RESTS, FAILS, OTHER = "at the edge", "rests", "fails", "none of these"
"""How a training ends; see the rule of `claims.NINTH_DECIMAL`."""


def ends(table: pd.DataFrame) -> "pd.Series[str]":
    """Return how each training ends."""
    chosen = np.select(
        [fails(table), half_rise(table), table["late_rises"] == 0], [FAILS, AT_THE_EDGE, RESTS], default=OTHER
    )
    return pd.Series(chosen, table.index, dtype=str)


def fails(table: pd.DataFrame) -> "pd.Series[bool]":
    """Return which trainings collapse or diverge."""
    return table["outcome"].isin([Outcome.collapsed.name, Outcome.diverged.name])


def half_rise(table: pd.DataFrame) -> "pd.Series[bool]":
    """Return in which trainings about half of the last steps raise the loss."""
    return table["late_rises"].between(*HALF) & ~fails(table)


def hovers(table: pd.DataFrame) -> "pd.Series[bool]":
    """Return in which trainings, beside that, the sharpness ends at 2 / rate."""
    return half_rise(table) & ((table["late_ratio_median"] - 1).abs() <= HOVERS)


def loss_falls(table: pd.DataFrame) -> "pd.Series[bool]":
    """Return in which trainings about half of the last steps raise a loss that falls over many of them."""
    return half_rise(table) & (table["late_loss_last_tenth"] < table["late_loss_first_tenth"])


def leaves(table: pd.DataFrame) -> "pd.Series[bool]":
    """Return which trainings were at the edge and come to rest."""
    return table["reaches_edge_after_step"].notna() & (ends(table) == RESTS)


def meets_and_stays(table: pd.DataFrame) -> "pd.Series[bool]":
    """Return in which trainings the sharpness meets 2 / rate from below, and stays near it from then on."""
    return (table["met_ratio_smallest"] >= NEAR[0]) & (table["met_ratio_largest"] <= NEAR[1])


def in_longest_run(chosen: Mask) -> Mask:
    """Return which places belong to the longest run of chosen ones in a row; none if none is chosen."""
    ends = np.flatnonzero(np.diff(np.concatenate([[0], chosen, [0]]))).reshape(-1, 2)
    first, last = max(ends.tolist(), key=lambda run: run[1] - run[0], default=(0, 0))
    places = np.arange(len(chosen))
    return (places >= first) & (places < last)


class Share(NamedTuple):
    """How many of so many, and Wilson's interval of the share."""

    found: int
    total: int
    low: float
    high: float

    @property
    def percents(self) -> list[float]:
        """The interval in per cent."""
        return [percent(self.low), percent(self.high)]


def share(count: int, total: int) -> Share:
    """Return a share with its interval; all shares are possible where nothing was counted."""
    if not total:
        return Share(0, 0, 0.0, 1.0)
    bounds = binomtest(count, total).proportion_ci(confidence_level=CONFIDENCE, method="wilson")
    return Share(count, total, float(bounds.low), float(bounds.high))


def shares(ensemble: pd.DataFrame, which: "pd.Series[bool]") -> dict[float, Share]:
    """Return, by the rate in the middle, the share of the trainings about it."""
    return {
        float(str(centre)): share(int(group.sum()), len(group)) for centre, group in which.groupby(ensemble["centre"])
    }


def beyond(found: list[Share], limit: float) -> bool | None:
    """Say whether all intervals lie above a limit: True, or False if one lies below, None if it is open."""
    if any(one.high < limit for one in found):
        return False
    return True if all(one.low > limit for one in found) else None


def by_rate(name: str, found: dict[float, Share]) -> dict[str, Any]:
    """Return counts by rate and the intervals of those that are neither none nor all, for the measured numbers."""
    counts = {f"{name}_at_{rate:.6f}": one.found for rate, one in found.items()}
    mixed = {rate: one for rate, one in found.items() if 0 < one.found < one.total}
    return counts | {f"{name}_at_{rate:.6f}_wilson_99_percent": one.percents for rate, one in mixed.items()}


def is_complete(ensemble: pd.DataFrame, rates: list[float], members: int = MEMBERS) -> bool:
    """Say whether there are all trainings about each of the rates, and none about others."""
    counts = ensemble.groupby("centre").size()
    return counts.index.tolist() == rates and bool((counts == members).all())


def ways(ensemble: pd.DataFrame) -> pd.DataFrame:
    """Return how many trainings end in each way, by the rate in the middle, where there is more than one way."""
    counts = pd.crosstab(ensemble["centre"], ends(ensemble))
    return counts[(counts > 0).sum(axis=1) > 1]


def within(table: pd.DataFrame, rates: list[float]) -> pd.DataFrame:
    """Return the trainings about some rates of the grid."""
    return table[(table["group"] == NEARBY_GROUP) & table["centre"].isin(rates)]


def named(rates: list[float]) -> str:
    """Return rates in words, the first three of many."""
    words = [f"{rate:.6f}" for rate in sorted(rates)]
    return ", ".join(words[:3]) + (f" and {len(words) - 3} more rates" if len(words) > 3 else "")
