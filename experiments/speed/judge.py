"""The verdicts on speed, from the table of trainings alone."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t

from student_score.studies.claims import Claim, Judgement
from student_score.studies.numbers import bound, number, percent

from .best import judge_best, judge_near
from .claims import (
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
    NEAR,
    POWER,
    RISE_READING,
    STEEPEST_READING,
)
from .trainings import ORDERS, RAMP_LENGTHS, SHAPES, written


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
        {
            f"end of an interval farthest from {EXPONENT:g}": three(farthest),
            "allowed": [round(EXPONENT - EXPONENT_ERROR, 6), round(EXPONENT + EXPONENT_ERROR, 6)],
        },
        f"On linear ramps that rate goes with the ramp's length to a power between {number(three(min(ends)))} and "
        f"{number(three(max(ends)))}.",
    )
