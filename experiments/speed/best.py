"""The verdicts on the fastest rates: the single best one of a grid, and the typically best one."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from student_score.arrays import Floats
from student_score.studies.claims import Judgement
from student_score.studies.numbers import number, percent

from .claims import BEST, BEST_NEAR, LOWEST_ERROR, NEAR, NEIGHBOURS, STEP, WITHIN
from .trainings import LENGTHS, ORDERS, error_name, written

OTHER_NEIGHBOURS = (11, 41)
"""How many neighbours the typical rate is told for beside the rule's 21."""


class Best(NamedTuple):
    """Rates with the lowest error in one row order after so many epochs, divided by the limit.

    Attributes:
        order: of the rows.
        length: epochs.
        ratio: of the best of all rates.
        halves: of the best of either half of the rates.
        typical: of the middle of those neighbours whose median error is lowest.
        others: the same for OTHER_NEIGHBOURS.
    """

    order: str
    length: int
    ratio: float
    halves: tuple[float, float]
    typical: float
    others: tuple[float, ...]

    @property
    def farthest(self) -> float:
        """The one farthest from 1."""
        return max((self.ratio, *self.halves, self.typical), key=lambda ratio: abs(ratio - 1))


def best_rates(table: pd.DataFrame, limit: float) -> list[Best]:
    """Find the best rates in each row order and after each length, but for those where rounding decides."""
    found = []
    for order, group in table.sort_values("learning_rate").groupby("row_order"):
        ratios = group["learning_rate"].to_numpy() / limit
        for length in LENGTHS:
            errors = group[error_name(length)].fillna(np.inf).to_numpy()
            if LOWEST_ERROR <= errors.min() < np.inf:
                even, odd = (float(ratios[half::2][errors[half::2].argmin()]) for half in (0, 1))
                typical, *others = (typical_ratio(ratios, errors, each) for each in (NEIGHBOURS, *OTHER_NEIGHBOURS))
                best = float(ratios[errors.argmin()])
                found.append(Best(str(order), length, best, (even, odd), typical, tuple(others)))
    return found


def typical_ratio(ratios: Floats, errors: Floats, neighbours: int) -> float:
    """Return the middle of those neighbours in a row whose median error is lowest."""
    medians = pd.Series(errors).rolling(neighbours, center=True).median().fillna(np.inf)
    return float(ratios[medians.to_numpy().argmin()])


def missing_rates(table: pd.DataFrame, limit: float | None) -> str:
    """Return what is missing to find the best rate, or nothing."""
    if limit is None:
        return "the flow's minimum"
    for order in map(written, ORDERS):
        rates = np.sort(table.loc[table["row_order"] == order, "learning_rate"].to_numpy())
        around = rates[(rates >= 0.5 * limit) & (rates <= 1.5 * limit)]
        gaps = np.diff([0.5 * limit, *around, 1.5 * limit])
        if gaps.max() > STEP * limit or len(around) < 2 * NEIGHBOURS:
            span = f"from {0.5 * limit:.6f} to {1.5 * limit:.6f} in steps of at most {STEP * limit:.6f}"
            return f"rates {span} in rows {order}"
    return ""


def judge_best(table: pd.DataFrame, limit: float | None) -> Judgement:
    """Compare the best rates with the limit; tell the ratios by row order and length."""
    missing = missing_rates(table, limit)
    found = [] if missing or limit is None else best_rates(table, limit)
    if limit is None or not found:
        return BEST.judge(None, {"rates": len(table), "missing": missing or "errors above those of rounding"})
    ratios = [best.ratio for best in found]
    low, high, farthest = (
        significant(ratio) for ratio in (min(ratios), max(ratios), max(ratios, key=lambda ratio: abs(ratio - 1)))
    )
    measured: dict[str, Any] = {
        "rates": int(table["learning_rate"].nunique()),
        "trainings": len(table),
        "limit": significant(limit),
        "orders_and_lengths": len(found),
        "lowest_ratio": low,
        "highest_ratio": high,
    }
    for length in LENGTHS:
        own = {best.order: best.ratio for best in found if best.length == length}
        measured[f"ratios_after_{length}_epochs"] = by_order(own) or "rounding decides"
    return BEST.judge(
        all(abs(ratio - 1) <= WITHIN for ratio in ratios),
        measured,
        {"best rate, away from the limit by (%)": percent(abs(farthest - 1)), "allowed at most": percent(WITHIN)},
        f"From the article's start, of {measured['rates']:,} rates the one with the lowest error is {number(low)} to "
        f"{number(high)} times the spectral limit, by row order and length.",
    )


def by_order(ratios: Mapping[str, float]) -> str:
    """Return ratios by row order, in a line."""
    return ", ".join(f"{order}: {significant(ratio)}" for order, ratio in ratios.items())


def significant(value: float) -> float:
    """Return a number with four significant digits."""
    return float(f"{value:.4g}")


def judge_near(table: pd.DataFrame, limit: float | None) -> Judgement:
    """Compare the best rates of halves of the grid, and the typically best ones, with the limit."""
    missing = missing_rates(table, limit)
    found = [] if missing or limit is None else best_rates(table, limit)
    if not found:
        return BEST_NEAR.judge(None, {"rates": len(table), "missing": missing or "errors above those of rounding"})
    ratios = {
        "best": [best.ratio for best in found],
        "best_of_a_half": [ratio for best in found for ratio in best.halves],
        "typically_best": [best.typical for best in found],
    }
    measured: dict[str, Any] = {"orders_and_lengths": len(found)}
    for name, values in ratios.items():
        measured[f"lowest_ratio_{name}"], measured[f"highest_ratio_{name}"] = map(
            significant, (min(values), max(values))
        )
    away = max(abs(best.farthest - 1) for best in found)
    single, typical = ratios["best"] + ratios["best_of_a_half"], ratios["typically_best"]
    low, high, typically_low, typically_high = (
        number(significant(ratio)) for ratio in (min(single), max(single), min(typical), max(typical))
    )
    outside = sorted({best.length for best in found if abs(best.typical - 1) > NEAR})
    measured["typically_best_outside_after_epochs"] = ", ".join(map(str, outside)) or "none"
    measured |= typical_ones(found)
    return BEST_NEAR.judge(
        away <= NEAR,
        measured,
        {
            "single or typically best rate, away from the limit by (%)": percent(significant(away)),
            "allowed at most": percent(NEAR),
        },
        f"Which single rate is best changes with the grid, from {low} to {high} times the limit; the typically best "
        f"one, in the middle of those {NEIGHBOURS} neighbours whose median error is lowest, is {typically_low} to "
        f"{typically_high} times the limit"
        + (
            f", in some row orders more than {100 * NEAR:g} % away from it after {' and '.join(map(str, outside))} "
            "epochs."
            if outside
            else "."
        ),
    )


def typical_ones(found: Sequence[Best]) -> dict[str, str]:
    """Return the typically best rates by length, row order and number of neighbours, in lines."""
    lines = {}
    for length in sorted({best.length for best in found}):
        own = [best for best in found if best.length == length]
        ratios = {NEIGHBOURS: {best.order: best.typical for best in own}}
        for place, neighbours in enumerate(OTHER_NEIGHBOURS):
            ratios[neighbours] = {best.order: best.others[place] for best in own}
        for neighbours, each in ratios.items():
            lines[f"typical_ratios_after_{length}_epochs_of_{neighbours}_neighbours"] = by_order(each)
    return lines
