"""The verdicts on where the edge begins and ends, and on what predicts it."""

from typing import Any

import numpy as np
import pandas as pd

from student_score.studies.claims import Judgement
from student_score.studies.numbers import number, percent

from .claims import (
    AGREE,
    BELOW,
    CATAPULT,
    FLOW,
    HOVERS,
    LOWER,
    LOWER_EDGE,
    MOST,
    SETTLED,
    SHARP_END,
    START_CURVATURE,
    UPPER,
    UPPER_EDGE,
)
from .ensembles import INSIDE, beyond, ends, fails, hovers, share
from .rates import BEYOND, BEYOND_GROUP, CATAPULT_GROUP, FINE, FINE_GROUP, MEMBERS, four_digits
from .trainings import RADAU, RUNGE_KUTTA

MISSING = {"missing": "trainings for 20,000 steps at the rates with six decimals, 0.0014 to 0.0027"}
"""Measured where some of them are missing."""

NEAR = 0.05
"""Relative distance from the flow's limit within which the rates reach the edge, or not, as it says."""


def integrations(flow: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the rows of the integrations of the flow by their method."""
    return {str(row["method"]): {str(key): value for key, value in row.items()} for row in flow.to_dict("records")}


def six_decimals(rate: float) -> float | None:
    """Return a rate with six decimals; None where there was none to be found."""
    return round(rate, 6) if np.isfinite(rate) else None


def judge_below(fine: pd.DataFrame) -> Judgement:
    """Look at the trainings that should end before the edge."""
    below = fine[fine["learning_rate"] < LOWER]
    if len(below) != int((FINE < LOWER).sum()):
        return BELOW.judge(None, MISSING)
    ratio = below["end_sharpness"] * below["learning_rate"] / 2
    holds = (ratio < 1) & (below["late_rises"] == 0)
    largest, rises = round(float(ratio.max()), 4), percent(float(below["late_rises"].max()))
    return BELOW.judge(
        bool(holds.all()),
        {"rates": len(below), "holds_at": int(holds.sum()), "largest_ratio": largest, "most_rises_percent": rises},
        {"last steps that raise the loss (%)": rises, "claimed": 0}
        if rises
        else {"largest sharpness × rate / 2 at the end": largest, "allowed below": 1},
        f"At {len(below) - int(holds.sum())} of {len(below)} rates not: the sharpness ends at up to {number(largest)} "
        f"times 2 / rate, and up to {number(rises)} % of the last steps raise the loss.",
    )


def judge_upper_edge(fine: pd.DataFrame) -> Judgement:
    """Look for hovering above the range, and for where it ends."""
    above = fine[fine["learning_rate"] > UPPER]
    if len(above) != int((FINE > UPPER).sum()):
        return UPPER_EDGE.judge(None, MISSING)
    hovering = above.loc[hovers(above), "learning_rate"]
    highest = six_decimals(float(hovering.max()))
    return UPPER_EDGE.judge(
        hovering.empty,
        {"rates": len(above), "hovering": len(hovering), "highest_rate_that_hovers": highest},
        {"highest rate that hovers": UPPER if highest is None else highest, "claimed at most": UPPER},
        f"Of {len(above)} rates above {UPPER}, {len(hovering)} hover, up to {number(highest)}.",
    )


def judge_sharp_end(fine: pd.DataFrame) -> Judgement:
    """Look for rates that survive above rates that fail."""
    failing = fails(fine)
    if len(fine) != len(FINE) or failing.all() or not failing.any():
        return SHARP_END.judge(None, MISSING)
    rates = fine["learning_rate"]
    first, last = float(rates[failing].min()), float(rates[~failing].max())
    between = rates.between(first, last)
    switches = int(np.count_nonzero(np.diff(failing.to_numpy()[np.argsort(rates.to_numpy())])))
    return SHARP_END.judge(
        last < first,
        {
            "lowest_rate_that_fails": six_decimals(first),
            "highest_rate_that_survives": six_decimals(last),
            "rates_from_one_to_the_other": int(between.sum()),
            "failing_among_them": int((failing & between).sum()),
            "switches": switches,
        },
        {"lowest rate that fails": six_decimals(first), "highest rate that survives": six_decimals(last)},
        f"From {number(first)} to {number(last)} collapses and survivors alternate: of {int(between.sum())} rates "
        f"there, 1e-6 apart, {int((failing & between).sum())} fail, with {switches} switches.",
    )


def judge_flow(flow: pd.DataFrame) -> Judgement:
    """Compare the sharpness at the flow's end with the edge of each rate."""
    rows = integrations(flow)
    if {RADAU, RUNGE_KUTTA} - set(rows):
        return FLOW.judge(None, {"missing": "both integrations of the flow"})
    radau, other = (float(rows[method]["end_sharpness"]) for method in (RADAU, RUNGE_KUTTA))
    agree, settled = abs(radau - other) <= AGREE * radau, all(row["end_loss"] < SETTLED for row in rows.values())
    ratio = round(radau * min(INSIDE) / 2, 4)
    return FLOW.judge(
        agree and settled and ratio > 1 + HOVERS,
        {
            "end_sharpness": round(radau, 2),
            "start_sharpness": round(float(rows[RADAU]["start_sharpness"]), 2),
            "largest_sharpness": round(float(rows[RADAU]["largest_sharpness"]), 2),
            "integrators_agree_within_1e-6": agree,
            "settled": settled,
            "smallest_ratio": ratio,
        },
        {"smallest sharpness × rate / 2 at the flow's end": ratio, "needed more than": 1 + HOVERS},
        f"The flow ends at a sharpness of {number(radau)}, {number(ratio)} times 2 / rate of the lowest rate; settled: "
        f"{number(settled)}, integrators agree: {number(agree)}.",
    )


def judge_lower_edge(flow: pd.DataFrame, fine: pd.DataFrame) -> Judgement:
    """Compare which trainings reach the edge with the flow's limit."""
    rows = integrations(flow)
    if RADAU not in rows:
        return LOWER_EDGE.judge(None, {"missing": "the gradient flow"})
    limit = 2 / float(rows[RADAU]["end_sharpness"])
    found = fine[(fine["learning_rate"] / limit - 1).abs() <= NEAR]
    expected = (FINE >= 0.0014) & (np.abs(FINE / limit - 1) <= NEAR)
    if not expected.any() or len(found) != int(expected.sum()):
        return LOWER_EDGE.judge(None, MISSING)
    above, reaches = found["learning_rate"] > limit, found["reaches_edge_after_step"].notna()
    quiet = six_decimals(float(found.loc[~reaches, "learning_rate"].max()))
    reaching = six_decimals(float(found.loc[reaches, "learning_rate"].min()))
    late = percent((reaching or np.inf) / limit - 1)
    return LOWER_EDGE.judge(
        bool((reaches == above).all()),
        {
            "limit": four_digits(limit),
            "highest_rate_that_stays_below": quiet,
            "lowest_rate_that_reaches_the_edge": reaching,
            "that_rate_above_the_limit_percent": round(late, 1) if np.isfinite(late) else None,
        },
        {"lowest rate that reaches the edge": reaching, "limit of the flow": four_digits(limit)},
        f"The end of gradient flow gives {number(four_digits(limit))}; the highest rate that stays below the edge is "
        f"{number(quiet)}, the lowest that reaches it {number(reaching)}.",
    )


def judge_catapult(short: pd.DataFrame) -> Judgement:
    """Count the trainings that survive beyond the limit of the tangent kernel."""
    found = short[short["group"] == CATAPULT_GROUP]
    if len(found) != MEMBERS:
        return CATAPULT.judge(None, {"missing": "101 trainings from 2 / lambda_0 to 4 / lambda_0"})
    surviving = share(int((~fails(found)).sum()), len(found))
    limit = float(found["learning_rate"].min())
    return CATAPULT.judge(
        beyond([surviving], MOST),
        {
            "limit": limit,
            "rates": surviving.total,
            "surviving": surviving.found,
            "surviving_wilson_99_percent": surviving.percents,
        },
        {"rates beyond 2 / lambda_0 that survive": surviving.found, "rates": surviving.total},
        f"Of {surviving.total} rates from 2 / lambda_0 = {number(limit)} to twice that, {surviving.found or 'none'} "
        f"survive{'s' if surviving.found == 1 else ''}.",
    )


def judge_start_curvature(short: pd.DataFrame) -> Judgement:
    """Compare which trainings fail with the sharpness at the start."""
    found = short[short["group"].isin([FINE_GROUP, BEYOND_GROUP, CATAPULT_GROUP])]
    start = float(found["start_sharpness"].max())
    if len(found) != len(FINE) + len(BEYOND) + MEMBERS or not start > 0:
        return START_CURVATURE.judge(None, MISSING)
    limit = four_digits(2 / start)
    failing, above = ends(found) == "fails", found["learning_rate"] > limit
    trains = six_decimals(float(found.loc[~failing, "learning_rate"].max()))
    fail = six_decimals(float(found.loc[failing, "learning_rate"].min()))
    return START_CURVATURE.judge(
        bool((failing == above).all()),
        {
            "start_sharpness": round(start, 2),
            "limit": limit,
            "failing_below": int((failing & ~above).sum()),
            "surviving_above": int((~failing & above).sum()),
            "highest_rate_that_survives": trains,
            "lowest_rate_that_fails": fail,
        },
        {"highest rate that survives": trains, "limit at the start": limit}
        if (above & ~failing).any()
        else {"lowest rate that fails": fail, "limit at the start": limit},
        f"The sharpness at the start gives {number(limit)}; the highest rate that survives is {number(trains)}, the "
        f"lowest that fails {number(fail)}.",
    )
