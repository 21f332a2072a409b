"""The verdicts on speed, from the table of trainings alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from student_score.studies.claims import Claim, Judgement
from student_score.studies.numbers import number, percent

from .claims import (
    BEST,
    DECAY,
    DECAY_ERROR,
    DECAY_JUDGED,
    FACTOR,
    LEAST_POINTS,
    LEAST_RATES,
    RISE_READING,
    STEEPEST_READING,
    STEP,
    WITHIN,
)
from .trainings import RAMP_LENGTHS, SHAPES


def judge(table: pd.DataFrame) -> list[Judgement]:
    """Return a verdict for each claim, from the table of trainings alone."""
    flow, rate, decay, ramp = (table[table["part"] == part] for part in ("flow", "rate", "decay", "ramp"))
    limit = None if flow.empty else float(flow["limit"].iloc[0])
    return [
        judge_best(rate, limit),
        judge_decay(decay),
        judge_range(RISE_READING, ramp, ("rise", "fourfold"), limit),
        judge_range(STEEPEST_READING, ramp, ("steepest",), limit),
    ]


def judge_best(table: pd.DataFrame, limit: float | None) -> Judgement:
    """Find the rate with the lowest error."""
    if limit is None:
        return BEST.judge(None, {"missing": "the flow's minimum"})
    rates = np.sort(table["learning_rate"].to_numpy())
    around = rates[(rates >= 0.5 * limit) & (rates <= 1.5 * limit)]
    gaps = np.diff([0.5 * limit, *around, 1.5 * limit])
    if len(rates) == 0 or gaps.max() > STEP * limit:
        missing = f"rates from {0.5 * limit:.6f} to {1.5 * limit:.6f} in steps of at most {STEP * limit:.6f}"
        return BEST.judge(None, {"rates": len(rates), "missing": missing})
    best = table.iloc[int(table["train_mse"].argmin())]
    at_limit = table.iloc[int((table["learning_rate"] - limit).abs().argmin())]
    ratio = float(best["learning_rate"]) / limit
    ten = table.nsmallest(10, "train_mse")
    measured = {
        "rates": len(table),
        "limit": round(limit, 7),
        "best_rate": float(best["learning_rate"]),
        "best_rate_over_limit": round(ratio, 4),
        "ten_best_from": float(ten["learning_rate"].min()),
        "ten_best_to": float(ten["learning_rate"].max()),
        "train_mse_there": float(f"{best['train_mse']:.3g}"),
        "train_mse_at_the_limit": float(f"{at_limit['train_mse']:.3g}"),
    }
    away = percent(abs(ratio - 1))
    return BEST.judge(
        abs(ratio - 1) <= WITHIN,
        measured,
        {"best rate, away from the limit by (%)": away, "allowed at most": percent(WITHIN)},
        f"The best rate, {number(measured['best_rate'])}, is {number(round(ratio, 4))} times the spectral limit.",
    )


def judge_decay(table: pd.DataFrame) -> Judgement:
    """Compare fitted and predicted slopes."""
    inside = table[table["learning_rate"].between(*DECAY_JUDGED)]
    measured: dict[str, Any] = {"rates": len(inside)}
    if len(inside) < LEAST_RATES:
        return DECAY.judge(None, {**measured, "missing": LEAST_RATES - len(inside)})
    if (short_of := inside["points"] < LEAST_POINTS).any():
        rates = inside.loc[short_of, "learning_rate"].tolist()
        return DECAY.judge(None, {**measured, "missing": f"a fit of {LEAST_POINTS} points at {len(rates)} rates"})
    errors = (inside["slope"] / inside["predicted_slope"] - 1).abs()
    above = table[(table["learning_rate"] > DECAY_JUDGED[1]) & (table["points"] >= LEAST_POINTS)]
    beyond = (above["slope"] / above["predicted_slope"] - 1).abs()
    measured |= {
        "largest_relative_error": float(f"{errors.max():.1e}"),
        "at_rate": float(inside["learning_rate"].iloc[int(errors.argmax())]),
        "not_judged_above": len(above),
        "largest_relative_error_above": float(f"{beyond.max():.1e}") if len(above) else None,
    }
    largest = percent(measured["largest_relative_error"])
    return DECAY.judge(
        bool(errors.max() < DECAY_ERROR),
        measured,
        {"largest error of the slope (%)": largest, "allowed below": percent(DECAY_ERROR)},
        f"The slope of the logarithm is off by up to {number(largest)} %, at a rate of {number(measured['at_rate'])}.",
    )


def judge_range(claim: Claim, table: pd.DataFrame, readings: Sequence[str], limit: float | None) -> Judgement:
    """Divide the largest reading by the smallest; the first of `readings` is judged, the others are only shown."""
    measured: dict[str, Any] = {"ramps": len(table)}
    factors = {}
    for shape in SHAPES:
        ramp = table[table["shape"] == shape]
        if not {min(RAMP_LENGTHS), max(RAMP_LENGTHS)} <= set(ramp["epochs"]) or ramp[readings[0]].isna().any():
            return claim.judge(None, {**measured, "missing": f"readings of {shape} ramps of 100 to 10,000 epochs"})
        for reading in readings:
            low, high = float(ramp[reading].min()), float(ramp[reading].max())
            factors[shape, reading] = high / low
            name = f"{shape}_{reading}"
            measured[f"{name}_from"], measured[f"{name}_to"] = float(f"{low:.3g}"), float(f"{high:.3g}")
            measured[f"{name}_factor"] = float(f"{high / low:.3g}")
            if limit is not None:
                near = (ramp[reading] / limit - 1).abs() <= 0.1
                measured[f"{name}_within_10_percent_of_the_limit"] = int(near.sum())
    own = [measured[f"{shape}_{readings[0]}_factor"] for shape in SHAPES]
    return claim.judge(
        all(factors[shape, readings[0]] >= FACTOR for shape in SHAPES),
        measured,
        {"smaller of the factors on two kinds of ramps": min(own), "needed at least": FACTOR},
        "What the range test reads moves by "
        + " and ".join(f"a factor of {number(x)} on {shape} ramps" for x, shape in zip(own, SHAPES, strict=True))
        + ".",
    )
