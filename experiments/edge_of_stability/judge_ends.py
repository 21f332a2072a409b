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
from .ensembles import INSIDE, beyond, fails, hovers, share
from .rates import (
    BEYOND,
    BEYOND_GROUP,
    CATAPULT_GROUP,
    FINE,
    FINE_GROUP,
    FINER,
    FINER_GROUP,
    MEMBERS,
    four_digits,
)
from .trainings import RADAU, RUNGE_KUTTA

MISSING = {"missing": "trainings for 20,000 steps at all rates from 0.0014 to 0.0027, 1e-6 or 1e-8 apart"}
"""Measured where some of them are missing."""

NEAR = 0.05
"""Relative distance from the flow's limit within which the rates reach the edge, or not, as it says."""


def integrations(flow: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the rows of the integrations of the flow by their method."""
    return {str(row["method"]): {str(key): value for key, value in row.items()} for row in flow.to_dict("records")}


def decimals(rate: float) -> float | None:
    """Return a rate with its eight decimals; None where there was none to be found."""
    return round(rate, 8) if np.isfinite(rate) else None


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
    highest = decimals(float(hovering.max()))
    return UPPER_EDGE.judge(
        hovering.empty,
        {"rates": len(above), "hovering": len(hovering), "highest_rate_that_hovers": highest},
        {"highest rate that hovers": UPPER if highest is None else highest, "claimed at most": UPPER},
        f"Of {len(above)} rates above {UPPER}, {len(hovering)} hover, up to {number(highest)}.",
    )


def judge_sharp_end(fine: pd.DataFrame, finer: pd.DataFrame) -> Judgement:
    """Look for rates that survive above rates that fail."""
    whole = pd.concat([fine, finer])
    if (len(fine), len(finer)) != (len(FINE), len(FINER)) or fails(whole).nunique() < 2:
        return SHARP_END.judge(None, MISSING)
    first, last = lowest_that_fails(whole), highest_that_survives(whole)
    coarse, close = alternation(fine), alternation(finer)
    return SHARP_END.judge(
        last < first,
        {
            **{f"{name}_1e-6_apart": value for name, value in coarse.items()},
            **{f"{name}_1e-8_apart": value for name, value in close.items()},
        },
        {"lowest rate that fails": decimals(first), "highest rate that survives": decimals(last)},
        f"Collapses and survivors alternate: 1e-6 apart {told(coarse)}; 1e-8 apart {told(close)}.",
    )


def lowest_that_fails(table: pd.DataFrame) -> float:
    """Return the lowest rate that fails; NaN if none does."""
    return float(table.loc[fails(table), "learning_rate"].min())


def highest_that_survives(table: pd.DataFrame) -> float:
    """Return the highest rate that does not fail; NaN if all do."""
    return float(table.loc[~fails(table), "learning_rate"].max())


def alternation(table: pd.DataFrame) -> dict[str, Any]:
    """Return from where to where trainings that fail alternate with others, and how often."""
    first, last = lowest_that_fails(table), highest_that_survives(table)
    found = table.sort_values("learning_rate")
    between = found["learning_rate"].between(first, last)
    return {
        "lowest_rate_that_fails": decimals(first),
        "highest_rate_that_survives": decimals(last),
        "rates_from_one_to_the_other": int(between.sum()),
        "failing_among_them": int((fails(found) & between).sum()),
        "switches": int(np.count_nonzero(np.diff(fails(found).to_numpy()))),
    }


def told(found: dict[str, Any]) -> str:
    """Return an alternation in words."""
    first, last, *counts = found.values()
    among, failing, switches = map(number, counts)
    ends = " to ".join("none" if rate is None else f"{rate:g}" for rate in (first, last))
    return f"{failing} of {among} rates from {ends} fail, with {switches} switches"


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
    quiet = decimals(float(found.loc[~reaches, "learning_rate"].max()))
    reaching = decimals(float(found.loc[reaches, "learning_rate"].min()))
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
        f"survive{'' if surviving.found > 1 else 's'}.",
    )


def judge_start_curvature(short: pd.DataFrame) -> Judgement:
    """Compare which trainings fail with the sharpness at the start."""
    found = short[short["group"].isin([FINE_GROUP, FINER_GROUP, BEYOND_GROUP, CATAPULT_GROUP])]
    start = float(found["start_sharpness"].max())
    if len(found) != len(FINE) + len(FINER) + len(BEYOND) + MEMBERS or not start > 0:
        return START_CURVATURE.judge(None, MISSING)
    limit = four_digits(2 / start)
    failing, above = fails(found), found["learning_rate"] > limit
    trains, fail = decimals(highest_that_survives(found)), decimals(lowest_that_fails(found))
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
