"""Counts, shares and their intervals: what verdicts, figure and report are made of."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import betaincinv

from student_score.data.article import ARTICLE_ROWS
from student_score.studies.numbers import in_percent, percent

from .claims import CONFIDENCE, FEW, LEAST
from .closed_forms import probability_born_dead
from .trainings import ORDERS, SIZES, epochs_at

NAMES = tuple("".join(str(row + 1) for row in order) for order in ORDERS)
"""Of the row orders, as the table has them."""

ARTICLE_ORDER = NAMES[0]
"""The article's."""

INTERVAL = "99 % interval of the share of {} (%)"
"""What an interval that decides is called."""


def select(
    table: pd.DataFrame, variant: str, rate: float, *, order: str = ARTICLE_ORDER, epochs: int | None = None
) -> pd.DataFrame:
    """Return the trainings of a variant at a rate in a row order, as long as belongs to the rate by default."""
    chosen = (
        (table["start"] == variant) & (table["row_order"] == order) & (table["epochs"] == (epochs or epochs_at(rate)))
    )
    return table[chosen & np.isclose(table["learning_rate"], rate, rtol=1e-9, atol=0)]


def in_orders(table: pd.DataFrame, variant: str, rate: float) -> dict[str, pd.DataFrame]:
    """Return the trainings of a variant at a rate by row order, the article's first."""
    return {order: select(table, variant, rate, order=order) for order in NAMES}


def alive(table: pd.DataFrame) -> int:
    """Return how many units are alive at the start."""
    return int((table["hidden_size"] - table["born_dead"]).sum())


def seeds_of(table: pd.DataFrame) -> dict[str, str]:
    """Return the first and the last seed of each hidden size."""
    seeds = table.groupby("hidden_size")["seed"]
    return {"seeds": ", ".join(f"{first}-{last}" for first, last in zip(seeds.min(), seeds.max(), strict=True))}


def interval(number: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a share."""
    tail = (1 - confidence) / 2
    low = float(betaincinv(number, total - number + 1, tail)) if number else 0.0
    high = float(betaincinv(number + 1, total - number, 1 - tail)) if number < total else 1.0
    return low, high


def share(name: str, count: int, total: int) -> dict[str, Any]:
    """Return a count, its share and the share's interval, for the measured numbers."""
    return {
        name: count,
        f"{name}_of": total,
        f"{name}_share": round(count / total, 6),
        f"{name}_clopper_pearson_99": [round(bound, 6) for bound in interval(count, total)],
    }


def missing(found: int, what: str = "networks") -> dict[str, Any]:
    """Return what is missing where fewer than LEAST were found."""
    return {"missing": f"{LEAST - found} more {what}"}


def rare(measured: dict[str, Any], name: str) -> bool | None:
    """Say whether a share's interval lies below FEW; None, noting what is missing, where the interval contains it."""
    low, high = measured[f"{name}_clopper_pearson_99"]
    if low <= FEW <= high:
        measured["missing"] = f"more networks, since the interval of {name} contains {FEW}"
        return None
    return bool(high < FEW)


def share_in_words(share: float) -> str:
    """Return a share in per cent, with three digits or as many more as it takes not to say 100 % of less than all."""
    if share == 1:
        return in_percent(share)
    digits = next(digits for digits in range(3, 18) if float(f"{share:.{digits}g}") < 1)
    return f"{100 * share:.{digits}g} %"


class Counted(NamedTuple):
    """How many networks, of how many, and the share's interval."""

    number: int
    total: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Of the networks."""
        return self.number / self.total

    def told(self) -> str:
        """Return the share with its interval, in words."""
        return "{} ({} to {})".format(*map(share_in_words, (self.share, self.low, self.high)))

    def measured(self, name: str) -> dict[str, Any]:
        """Return the numbers as they are written to verdicts.json."""
        return {name: [self.number, self.total], f"{name}_interval": [round(self.low, 6), round(self.high, 6)]}


def count(happened: "pd.Series[bool]", *, intervals: int = 1) -> Counted:
    """Count networks; each of so many intervals is so wide that all together have the confidence of one."""
    number, total = int(happened.sum()), len(happened)
    return Counted(number, total, *interval(number, total, 1 - (1 - CONFIDENCE) / intervals))


def level(intervals: int) -> str:
    """Return what one of so many intervals is called, which together have the confidence of one."""
    return f"{percent(1 - (1 - CONFIDENCE) / intervals):g} % interval"


def with_living(table: pd.DataFrame) -> pd.DataFrame:
    """Return the networks with a living unit at the start."""
    return table[table["born_dead"] < table["hidden_size"]]


def percents(low: float, high: float) -> list[float]:
    """Return an interval of shares in per cent."""
    return [percent(low), percent(high)]


def few(measured: Mapping[str, Any], name: str, what: str) -> dict[str, Any]:
    """Return the interval of a share, and what it has to lie below."""
    return {
        INTERVAL.format(what): percents(*measured[f"{name}_clopper_pearson_99"]),
        "allowed below (%)": percent(FEW),
    }


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


def farness(found: AllBornDead) -> float:
    """Return how far a prediction lies from the middle of its interval, 1 being the interval's end."""
    return abs(2 * found.predicted - found.low - found.high) / (found.high - found.low)


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
