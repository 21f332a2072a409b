"""The verdicts on the limits, from the table of trainings alone."""

from typing import Any

import numpy as np
import pandas as pd

from student_score.model.outcome import Outcome
from student_score.studies.claims import Claim, Judgement
from student_score.studies.numbers import number

from .claims import (
    AT_MINIMUM,
    BATCH_SHARPNESS,
    BEYOND,
    FULL_BATCH,
    LIMIT,
    PER_ROW,
    PREDICTED,
    REGROWTH,
    SPECTRAL,
    TOLERANCE,
)
from .trainings import FLOW

NAMES = {
    "per_row_limit": "2 / max |J_i|²",
    "full_batch_limit": "2 / sharpness",
    "batch_sharpness_limit": "2 / batch sharpness",
}
"""Columns of limits -> how they are written."""


def judge(table: pd.DataFrame) -> list[Judgement]:
    """Return a verdict for each claim, from the table of trainings alone."""
    is_flow = table["row_order"] == FLOW
    trained = table[~is_flow]
    limit = float(table.loc[is_flow, "cyclic_limit"].iloc[0]) if is_flow.any() else None
    minima = trained[(trained["outcome"] == Outcome.converged.name) & (trained["train_mse"] < AT_MINIMUM)]
    return [
        judge_spectral(trained, minima, limit),
        judge_limit(minima, limit),
        judge_regrowth(trained, limit),
        judge_bound(PER_ROW, minima, "per_row_limit"),
        judge_bound(FULL_BATCH, minima, "full_batch_limit"),
        judge_bound(BATCH_SHARPNESS, minima, "batch_sharpness_limit"),
    ]


def judge_spectral(trained: pd.DataFrame, minima: pd.DataFrame, limit: float | None) -> Judgement:
    """Look for a minimum that was reached although it is unstable."""
    converged = trained[trained["outcome"] == Outcome.converged.name]
    measured: dict[str, Any] = {
        "trainings": len(trained),
        "converged": len(converged),
        "of_them_at_a_minimum": len(minima),
        "unstable_minima": int((minima["spectral_radius"] >= 1).sum()),
    }
    if limit is None or not (minima["learning_rate"] > limit).any():
        return SPECTRAL.judge(None, {**measured, "missing": "minima reached above the limit of the flow's minimum"})
    above = minima[minima["learning_rate"] > limit]
    measured |= {
        "minima_above_the_flows_limit": len(above),
        "highest_rate_at_a_minimum": float(minima["learning_rate"].max()),
        "smallest_radius_above": round(float(above["spectral_radius"].min()), 4),
        "largest_radius_above": round(float(above["spectral_radius"].max()), 4),
        "largest_ratio_of_rate_to_limit": round(float((minima["learning_rate"] / minima["cyclic_limit"]).max()), 4),
    }
    unstable = measured["unstable_minima"]
    return SPECTRAL.judge(
        unstable == 0,
        measured,
        {"minima reached although the radius is 1 or more": unstable, "minima reached": len(minima)},
        f"{unstable:,} of {len(minima):,} minima were reached although the spectral radius is 1 or more there.",
    )


def judge_limit(minima: pd.DataFrame, limit: float | None) -> Judgement:
    """Round the limits at the minima of the flow and of the smallest rates."""
    if limit is None or minima.empty:
        return LIMIT.judge(None, {"missing": "the flow's minimum" if limit is None else "trainings at a minimum"})
    smallest = minima.loc[minima.groupby("row_order")["learning_rate"].idxmin()]
    limits = [limit, *smallest["cyclic_limit"]]
    measured = {
        "limit_at_the_flows_minimum": round(limit, 7),
        "smallest_rates": f"{smallest['learning_rate'].min():g} to {smallest['learning_rate'].max():g}",
        "lowest_limit_there": round(float(smallest["cyclic_limit"].min()), 7),
        "highest_limit_there": round(float(smallest["cyclic_limit"].max()), 7),
    }
    farthest = max(limits, key=lambda value: abs(value - PREDICTED))
    return LIMIT.judge(
        all(round(value, 4) == PREDICTED for value in limits),
        measured,
        {"rate at which the radius is 1, farthest from predicted": round(farthest, 7), "predicted": PREDICTED},
        f"The radius becomes 1 at rates from {number(min(limits))} to {number(max(limits))}.",
    )


def judge_regrowth(trained: pd.DataFrame, limit: float | None) -> Judgement:
    """Find the smallest rate with a rise in each row order."""
    if limit is None or trained.empty:
        return REGROWTH.judge(None, {"missing": "the flow's minimum" if limit is None else "trainings"})
    measured: dict[str, Any] = {"limit_at_the_flows_minimum": round(limit, 7)}
    held: list[bool | None] = []
    for order, group in trained.groupby("row_order"):
        rising, failed = group["rise_epoch"] > 0, group["outcome"] != Outcome.converged.name
        first = float(group.loc[rising, "learning_rate"].min())
        measured[f"first_rate_in_rows_{order}"] = None if np.isnan(first) else first
        collapsed = group.loc[failed & (group["learning_rate"] > limit / 2), "learning_rate"].min()
        measured[f"first_failed_rate_in_rows_{order}"] = None if np.isnan(collapsed) else float(collapsed)
        below = group["learning_rate"] < (np.inf if np.isnan(first) else first)
        held.append(near(float(group.loc[below, "learning_rate"].max()), first, limit))
    if None in held and False not in held:
        return REGROWTH.judge(None, {**measured, "missing": f"rates less than {TOLERANCE:.0%} apart around the limit"})
    return REGROWTH.judge(
        False not in held,
        measured,
        {
            f"row orders whose first rise is within {100 * TOLERANCE:g} % of the limit": held.count(True),
            "row orders": len(held),
        },
        f"The limit at the gradient flow's minimum predicts the first rise of a fallen loss, within "
        f"{100 * TOLERANCE:g} %, in {held.count(True)} of {len(held)} row orders.",
    )


def near(below: float, first: float, limit: float) -> bool | None:
    """Say whether the first rate with a rise lies near the limit; None if that depends on rates not trained at.

    Args:
        below: the largest rate trained at below `first`; NaN if there is none.
        first: the smallest rate with a rise; NaN if there is none.
        limit: at the flow's minimum.
    """
    low, high = (1 - TOLERANCE) * limit, (1 + TOLERANCE) * limit
    if first < low or below >= high:
        return False
    return True if below >= low and first <= high else None


def judge_bound(claim: Claim, minima: pd.DataFrame, column: str) -> Judgement:
    """Divide the rates above BEYOND by a limit at the minima that they reached."""
    above = minima[minima["learning_rate"] > BEYOND]
    if above.empty:
        return claim.judge(None, {"missing": f"trainings at a minimum above {BEYOND:g}"})
    ratios = above["learning_rate"] / above[column]
    measured = {
        "minima": len(above),
        "exceeding": int((ratios > 1).sum()),
        "smallest_ratio": round(float(ratios.min()), 4),
        "largest_ratio": round(float(ratios.max()), 4),
    }
    return claim.judge(
        bool((ratios > 1).all()),
        measured,
        {"smallest rate / limit": measured["smallest_ratio"], "needed more than": 1},
        f"{measured['exceeding']} of {len(above)} trainings at a minimum exceed {NAMES[column]}; the smallest rate is "
        f"{number(measured['smallest_ratio'])} times as large.",
    )
