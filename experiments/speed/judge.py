"""The verdicts on speed, from the table of trainings alone."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t

from student_score.studies.claims import Claim, Judgement
from student_score.studies.numbers import bound, number, percent

from .claims import (
    BEST,
    BEST_NEAR,
    CONFIDENCE,
    DECAY,
    DECAY_ERROR,
    DECAY_JUDGED,
    EXPONENT,
    EXPONENT_ERROR,
    FACTOR,
    FOURFOLD_READING,
    LEAST_POINTS,
    LEAST_RATES,
    LOWEST_ERROR,
    NEAR,
    NEIGHBOURS,
    POWER,
    RISE_READING,
    STEEPEST_READING,
    STEP,
    WITHIN,
)
from .trainings import LENGTHS, ORDERS, RAMP_LENGTHS, SHAPES, error_name, written


def judge(table: pd.DataFrame) -> list[Judgement]:
    """Return a verdict for each claim, from the table of trainings alone."""
    flow, rate, decay, ramp = (table[table["part"] == part] for part in ("flow", "rate", "decay", "ramp"))
    limit = None if flow.empty else float(flow["limit"].iloc[0])
    return [
        judge_best(rate, limit),
        judge_near(rate, limit),
        judge_decay(decay),
        judge_range(RISE_READING, ramp, "rise", limit),
        judge_range(STEEPEST_READING, ramp, "steepest", limit),
        judge_range(FOURFOLD_READING, ramp, "fourfold", limit),
        judge_power(ramp),
    ]


class Best(NamedTuple):
    """Rates with the lowest error in one row order after so many epochs, divided by the limit.

    Attributes:
        order: of the rows.
        length: epochs.
        ratio: of the best of all rates.
        halves: of the best of either half of the rates.
        typical: of the middle of those neighbours whose median error is lowest.
    """

    order: str
    length: int
    ratio: float
    halves: tuple[float, float]
    typical: float

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
                medians = pd.Series(errors).rolling(NEIGHBOURS, center=True).median().fillna(np.inf).to_numpy()
                halves = [ratios[half][errors[half].argmin()] for half in (slice(0, None, 2), slice(1, None, 2))]
                best, typical = ratios[errors.argmin()], ratios[medians.argmin()]
                found.append(
                    Best(str(order), length, float(best), (float(halves[0]), float(halves[1])), float(typical))
                )
    return found


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
        own = [f"{best.order}: {significant(best.ratio)}" for best in found if best.length == length]
        measured[f"ratios_after_{length}_epochs"] = ", ".join(own) or "rounding decides"
    article = [best for best in found if best.order == written(ORDERS[0])]
    told = ", ".join(f"{number(significant(best.ratio))} times after {best.length:,}" for best in article)
    told = f"; in the order of the table {told} epochs" if told else ""
    return BEST.judge(
        all(abs(ratio - 1) <= WITHIN for ratio in ratios),
        measured,
        {"best rate, away from the limit by (%)": percent(abs(farthest - 1)), "allowed at most": percent(WITHIN)},
        f"From the article's start, of {measured['rates']:,} rates the one with the lowest error is {number(low)} to "
        f"{number(high)} times the spectral limit, by row order and length{told}.",
    )


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
    return BEST_NEAR.judge(
        away <= NEAR,
        measured,
        {"best rate, away from the limit by (%)": percent(significant(away)), "allowed at most": percent(NEAR)},
        f"Which single rate is best changes with the grid, from {low} to {high} times the limit; the typically best "
        f"one, judged with its neighbours, is {typically_low} to {typically_high} times the limit"
        + (
            f", and further away than {100 * NEAR:g} % after {' and '.join(map(str, outside))} epochs."
            if outside
            else "."
        ),
    )


def judge_decay(table: pd.DataFrame) -> Judgement:
    """Compare fitted and predicted slopes."""
    inside = table[table["learning_rate"].between(*DECAY_JUDGED)]
    measured: dict[str, Any] = {"trainings": len(inside), "row_orders": int(inside["row_order"].nunique())}
    fewest = min((inside["row_order"] == written(order)).sum() for order in ORDERS)
    if fewest < LEAST_RATES:
        return DECAY.judge(None, {**measured, "missing": f"{LEAST_RATES} rates in each row order"})
    if (short_of := inside["points"] < LEAST_POINTS).any():
        rates = inside.loc[short_of, "learning_rate"].tolist()
        return DECAY.judge(None, {**measured, "missing": f"a fit of {LEAST_POINTS} points in {len(rates)} trainings"})
    errors = (inside["slope"] / inside["predicted_slope"] - 1).abs()
    above = table[(table["learning_rate"] > DECAY_JUDGED[1]) & (table["points"] >= LEAST_POINTS)]
    beyond = (above["slope"] / above["predicted_slope"] - 1).abs()
    measured |= {
        "largest_relative_error_below": bound([float(errors.max())]),
        "not_judged_above": len(above),
        "largest_relative_error_above": float(f"{beyond.max():.1e}") if len(above) else None,
    }
    largest = percent(measured["largest_relative_error_below"])
    return DECAY.judge(
        bool(errors.max() < DECAY_ERROR),
        measured,
        {"largest error of the slope, below (%)": largest, "allowed below": percent(DECAY_ERROR)},
        f"The slope of the logarithm is off by up to {number(percent(float(f'{errors.max():.1g}')))} %.",
    )


def judge_range(claim: Claim, table: pd.DataFrame, reading: str, limit: float | None) -> Judgement:
    """Divide the largest reading by the smallest, for each shape of ramp and row order."""
    measured: dict[str, Any] = {"ramps": len(table)}
    factors: dict[str, list[float]] = {shape: [] for shape in SHAPES}
    if lacks := missing_ramps(table, reading):
        return claim.judge(None, {**measured, "missing": lacks})
    for shape, own in factors.items():
        ramp = table[table["shape"] == shape]
        for _, group in ramp.groupby("row_order"):
            own.append(float(group[reading].max() / group[reading].min()))
        measured[f"{shape}_from"], measured[f"{shape}_to"] = three(ramp[reading].min()), three(ramp[reading].max())
        measured[f"{shape}_smallest_factor"], measured[f"{shape}_largest_factor"] = three(min(own)), three(max(own))
        exponents = [power(group, reading) for _, group in ramp.groupby("row_order")]
        measured[f"{shape}_exponent_95"] = [
            float(f"{min(low for low, _ in exponents):.2g}"),
            float(f"{max(high for _, high in exponents):.2g}"),
        ]
        if limit is not None:
            near = (ramp[reading] / limit - 1).abs() <= NEAR
            measured[f"{shape}_within_10_percent_of_the_limit"] = int(near.sum())
    said = {shape: f"{number(three(min(own)))} to {number(three(max(own)))}" for shape, own in factors.items()}
    return claim.judge(
        min(map(min, factors.values())) >= FACTOR,
        measured,
        {"smallest of the factors": three(min(map(min, factors.values()))), "needed at least": FACTOR},
        f"{claim.sentence.split(' moves ')[0]} moves by factors of "
        + " and of ".join(f"{said[shape]} on {shape} ramps" for shape in SHAPES)
        + ", by row order.",
    )


def missing_ramps(table: pd.DataFrame, reading: str) -> str:
    """Return which readings are missing, or nothing."""
    for shape in SHAPES:
        for order in map(written, ORDERS):
            ramp = table[(table["shape"] == shape) & (table["row_order"] == order)]
            if not set(RAMP_LENGTHS) <= set(ramp["epochs"]) or ramp[reading].isna().any():
                return f"readings of {shape} ramps of 100 to 10,000 epochs in rows {order}"
    return ""


def three(value: float) -> float:
    """Return a number with three significant digits."""
    return float(f"{value:.3g}")


def power(group: pd.DataFrame, reading: str) -> tuple[float, float]:
    """Return the interval of the power of the ramp's length that a reading goes with, by least squares."""
    lengths, readings = (np.log(group[name].to_numpy(dtype=float)) for name in ("epochs", reading))
    x, y = lengths - lengths.mean(), readings - readings.mean()
    slope = float(x @ y / (x @ x))
    error = float(np.sqrt(np.sum((y - slope * x) ** 2) / (len(x) - 2) / (x @ x)))
    half = float(t.ppf((1 + CONFIDENCE) / 2, len(x) - 2)) * error
    return slope - half, slope + half


def judge_power(table: pd.DataFrame) -> Judgement:
    """Fit the power of the length that the steepest fall on linear ramps goes with, in each row order."""
    if lacks := missing_ramps(table, "steepest"):
        return POWER.judge(None, {"ramps": len(table), "missing": lacks})
    ramp = table[table["shape"] == "linear"]
    intervals = {str(order): power(group, "steepest") for order, group in ramp.groupby("row_order")}
    ends = [end for interval in intervals.values() for end in interval]
    farthest = max(ends, key=lambda end: abs(end - EXPONENT))
    measured = {
        f"exponent_95_in_rows_{order}": [float(f"{end:.3g}") for end in interval]
        for order, interval in intervals.items()
    }
    return POWER.judge(
        abs(farthest - EXPONENT) <= EXPONENT_ERROR,
        {"ramps": len(ramp), **measured},
        {"farthest end of an interval": three(farthest), "allowed within 0.1 of": EXPONENT},
        f"On linear ramps that rate goes with the ramp's length to a power between {number(three(min(ends)))} and "
        f"{number(three(max(ends)))}.",
    )
