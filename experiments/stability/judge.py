"""The verdicts on the limits, from the table of trainings alone."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from student_score.model.outcome import Outcome
from student_score.studies.claims import Claim, Judgement
from student_score.studies.numbers import bound, number

from .claims import (
    AT_MINIMUM,
    BATCH_SHARPNESS,
    BEYOND,
    CONFIDENCE,
    FULL_BATCH,
    LIMIT,
    ONE_LIMIT,
    PER_ROW,
    PREDICTED,
    RARE,
    SAME,
    SPECTRAL,
)
from .regrowth import judge_departure, judge_regrowth, rounded
from .trainings import ARTICLE, DEEPLY, FLOW, HE, ORDERS, written

NAMES = {
    "per_row_limit": "2 / max |J_i|², up to which no row's update expands",
    "full_batch_limit": "2 / sharpness, the limit of full-batch descent",
    "batch_sharpness_limit": "2 / batch sharpness",
}
"""Columns of limits -> how they are written."""

ROTATED = ("123", "231", "312")
"""The article's row order and its rotations; the others are these reversed."""

NOISE = 2e-9
"""Relative: a search for a limit ends nearer to it than this, on any machine."""


def judge(table: pd.DataFrame) -> list[Judgement]:
    """Return a verdict for each claim, from the table of trainings alone."""
    is_flow = table["row_order"] == FLOW
    trained, flow = table[~is_flow], table[is_flow]
    article = trained[trained["start"] == ARTICLE]
    limit = None if flow.empty else float(flow["cyclic_limit"].iloc[0])
    minima = at_minimum(trained[trained["start"] != HE])
    return [
        judge_spectral(trained, limit),
        judge_limit(minima, limit),
        judge_one_limit(flow),
        judge_regrowth(article, limit),
        judge_departure(trained[trained["start"].isin([ARTICLE, DEEPLY])], article, limit),
        judge_bound(PER_ROW, minima, "per_row_limit"),
        judge_bound(FULL_BATCH, minima, "full_batch_limit"),
        judge_bound(BATCH_SHARPNESS, minima, "batch_sharpness_limit"),
    ]


def at_minimum(trained: pd.DataFrame) -> pd.DataFrame:
    """Return the trainings that reached a minimum."""
    return trained[(trained["outcome"] == Outcome.converged.name) & (trained["train_mse"] < AT_MINIMUM)]


def judge_spectral(trained: pd.DataFrame, limit: float | None) -> Judgement:
    """Look for a minimum that was reached although it is unstable."""
    minima = at_minimum(trained)
    is_he = minima["start"] == HE
    article, he = minima[~is_he], minima[is_he]
    unstable = int((minima["spectral_radius"] >= 1).sum())
    measured: dict[str, Any] = {"trainings": len(trained), "minima": len(minima), "unstable_minima": unstable}
    for name, part in ((ARTICLE, article), (HE, he)):
        measured[f"trainings_from_{name}_starts"] = int(((trained["start"] == HE) == (name == HE)).sum())
        measured[f"minima_from_{name}_starts"] = len(part)
        if len(part):
            measured[f"smallest_distance_of_a_radius_from_1_from_{name}_starts"] = float(
                f"{(1 - part['spectral_radius']).abs().min():.1e}"
            )
    above = article[article["learning_rate"] > (np.inf if limit is None else limit)]
    share = wilson(int((he["spectral_radius"] >= 1).sum()), len(he)) if len(he) else (0.0, 1.0)
    measured["wilson_99_of_the_share_from_he_starts"] = [float(f"{bound:.3g}") for bound in share]
    if above.empty or share[0] < RARE <= share[1]:
        missing = "minima above the limit of the flow's minimum" if above.empty else "minima from He starts"
        if unstable == 0:
            return SPECTRAL.judge(None, {**measured, "missing": missing})
    else:
        measured |= {
            "minima_above_the_flows_limit": len(above),
            "highest_rate_at_a_minimum": float(article["learning_rate"].max()),
            "smallest_radius_above": float(f"{above['spectral_radius'].min():.3g}"),
            "largest_radius_above": float(f"{above['spectral_radius'].max():.3g}"),
        }
    highest = article.groupby("row_order")["learning_rate"].max()
    measured |= {f"highest_rate_at_a_minimum_in_rows_{order}": float(rate) for order, rate in highest.items()}
    return SPECTRAL.judge(
        unstable == 0,
        measured,
        {f"minima with a radius of 1 or more, of {len(minima):,}": unstable, "claimed": 0},
        f"{unstable:,} of {len(minima):,} minima were reached although the spectral radius is 1 or more there.",
    )


def wilson(count: int, total: int) -> tuple[float, float]:
    """Return the Wilson interval of a share."""
    bounds = binomtest(count, total).proportion_ci(confidence_level=CONFIDENCE, method="wilson")
    return float(bounds.low), float(bounds.high)


def judge_limit(minima: pd.DataFrame, limit: float | None) -> Judgement:
    """Round the limits at the minima of the flow and of the smallest rates."""
    minima = minima[minima["cyclic_limit"].notna()]
    if limit is None or minima.empty:
        return LIMIT.judge(None, {"missing": "the flow's minimum" if limit is None else "trainings at a minimum"})
    smallest = minima.loc[minima.groupby("row_order")["learning_rate"].idxmin()]
    limits = [limit, *smallest["cyclic_limit"]]
    measured = {
        "limit_at_the_flows_minimum": rounded(limit),
        "row_orders": len(smallest),
        "smallest_rates": f"{smallest['learning_rate'].min():g} to {smallest['learning_rate'].max():g}",
        "lowest_limit_there": rounded(smallest["cyclic_limit"].min()),
        "highest_limit_there": rounded(smallest["cyclic_limit"].max()),
    }
    farthest = max(limits, key=lambda value: abs(value - PREDICTED))
    return LIMIT.judge(
        all(round(value, 4) == PREDICTED for value in limits),
        measured,
        {
            "rate at which the radius is 1, farthest from predicted": rounded(farthest),
            "predicted, to four decimals": PREDICTED,
        },
        f"The radius becomes 1 at rates from {number(rounded(min(limits)))} to {number(rounded(max(limits)))}.",
    )


def judge_one_limit(flow: pd.DataFrame) -> Judgement:
    """Compare the limits of the row orders at the flow's minimum."""
    columns = [f"cyclic_limit_{written(order)}" for order in ORDERS]
    if flow.empty or not set(columns) <= set(flow):
        return ONE_LIMIT.judge(None, {"missing": "the flow's minimum"})
    limits = flow[columns].iloc[0].to_numpy(dtype=float)
    differ = bound([float(np.ptp(limits) / limits.max()), NOISE])
    return ONE_LIMIT.judge(
        bool(np.ptp(limits) < SAME * limits.max()),
        {"row_orders": len(limits), "limit": rounded(limits.max()), "limits_differ_by_less_than": differ},
        {"relative difference of the limits, below": differ, "allowed below": SAME},
        f"The limits range from {number(rounded(limits.min()))} to {number(rounded(limits.max()))}.",
    )


def judge_bound(claim: Claim, minima: pd.DataFrame, column: str) -> Judgement:
    """Divide the rates above BEYOND by a limit at the minima that they reached."""
    above = minima[minima["learning_rate"] > BEYOND]
    if above.empty:
        return claim.judge(None, {"missing": f"trainings at a minimum above {BEYOND:g}"})
    ratios = above["learning_rate"] / above[column]
    rotated, smallest = above["row_order"].isin(ROTATED), above.iloc[int(ratios.to_numpy().argmin())]
    below = (ratios <= 1).groupby(above["row_order"]).sum()
    measured = {
        "minima": len(above),
        "row_orders": int(above["row_order"].nunique()),
        "highest_rate": float(above["learning_rate"].max()),
        "exceeding": int((ratios > 1).sum()),
        "smallest_ratio": float(f"{ratios.min():.4g}"),
        "largest_ratio": float(f"{ratios.max():.4g}"),
        "at_the_smallest": f"{smallest['learning_rate']:.8g} in rows {smallest['row_order']}",
        **({"smallest_ratio_in_rotated_orders": float(f"{ratios[rotated].min():.4g}")} if rotated.any() else {}),
        **{f"not_exceeding_in_rows_{order}": int(count) for order, count in below.items() if count},
    }
    return claim.judge(
        bool((ratios > 1).all()),
        measured,
        {"smallest rate / limit": measured["smallest_ratio"], "needed more than": 1},
        f"{measured['exceeding']:,} of {len(above):,} minima that were reached at rates above {BEYOND:g} lie beyond "
        f"{NAMES[column]}: the rates are {number(measured['smallest_ratio'])} to {number(measured['largest_ratio'])} "
        "times as large.",
    )
