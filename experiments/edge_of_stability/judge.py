"""The verdicts on the edge of stability, from the table of trainings alone."""

from typing import Any

import numpy as np
import pandas as pd

from student_score.model.outcome import Outcome
from student_score.studies.claims import Judgement
from student_score.studies.numbers import number, percent

from .claims import (
    AGREE,
    BELOW,
    CATAPULT,
    FLOW,
    FROM_BELOW,
    HALF,
    HALF_RISE,
    HOVERING,
    HOVERS,
    LASTS,
    LEAVES,
    LOWER,
    LOWER_EDGE,
    OVERSHOOT,
    SETTLED,
    UPPER,
    UPPER_EDGE,
)
from .trainings import DESCENT, LONG, NEAR, RADAU, RATES, RUNGE_KUTTA, STEPS

WITHOUT_RANGE: dict[str, Any] = {"missing": "trainings at rates of the 15 between 0.00148 and 0.00258 for 20,000 steps"}
"""Measured by claims on trainings within the range where there are none."""


def judge(table: pd.DataFrame) -> list[Judgement]:
    """Return a verdict for each claim, from the table of trainings alone."""
    descent = table[table["method"] == DESCENT]
    short, long = descent[descent["steps"] == STEPS], descent[descent["steps"] == LONG]
    grid = short[in_grid(short)]
    inside = grid[grid["learning_rate"].between(LOWER, UPPER)]
    flow = flows(table)
    return [
        judge_hovering(inside),
        judge_half_rise(inside),
        judge_from_below(inside),
        judge_below(grid[grid["learning_rate"] < LOWER]),
        judge_upper_edge(short),
        judge_leaves(short[short["learning_rate"].between(LOWER, UPPER)]),
        judge_lasts(grid, long[in_grid(long)]),
        judge_flow(flow, inside),
        judge_lower_edge(flow, short),
        judge_catapult(short),
    ]


def flows(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return the rows of the integrations of the flow by their method."""
    return {
        str(row["method"]): {str(key): value for key, value in row.items()}
        for row in table[table["method"] != DESCENT].to_dict("records")
    }


def in_grid(table: pd.DataFrame) -> "pd.Series[bool]":
    """Return which trainings are at a rate of the 15."""
    found = [bool(np.isclose(RATES, rate, rtol=1e-9).any()) for rate in table["learning_rate"]]
    return pd.Series(found, table.index, dtype=bool)


def by_rate(table: pd.DataFrame, column: str, digits: int = 5) -> dict[str, float | None]:
    """Return a column's values by rate, for the measured numbers."""
    pairs = sorted(zip(table["learning_rate"].tolist(), table[column].tolist(), strict=True))
    return {f"{column}_at_{rate:.6f}": round(value, digits) if np.isfinite(value) else None for rate, value in pairs}


def hovers(table: pd.DataFrame) -> "pd.Series[bool]":
    """Return which trainings end at the edge."""
    return (table["late_ratio_median"] - 1).abs() <= HOVERS


def half_rise(table: pd.DataFrame) -> "pd.Series[bool]":
    """Return in which trainings about half of the last steps raise the loss."""
    return table["late_rises"].between(*HALF)


def extreme(table: pd.DataFrame, which: str) -> float | None:
    """Return the smallest ("min") or largest ("max") rate of a table, None of an empty one."""
    return round(float(table["learning_rate"].agg(which)), 7) if len(table) else None


def judge_hovering(inside: pd.DataFrame) -> Judgement:
    """Compare the medians with 1."""
    if inside.empty:
        return HOVERING.judge(None, WITHOUT_RANGE)
    counts = {"rates": len(inside), "hovering": int(hovers(inside).sum())}
    spread = by_rate(inside, "late_ratio_1_percent", 3) | by_rate(inside, "late_ratio_99_percent", 3)
    away = inside[~hovers(inside)]
    return HOVERING.judge(
        bool(hovers(inside).all()),
        counts | by_rate(inside, "late_ratio_median") | spread,
        {"rates whose sharpness ends up at 2 / rate": counts["hovering"], "rates in the range": len(inside)},
        f"The sharpness ends up there at {counts['hovering']} of {len(inside)} rates, elsewhere at {rates_of(away)}.",
    )


def rates_of(table: pd.DataFrame) -> str:
    """Return the rates of a table in words, the first three of many."""
    rates = [f"{rate:.6f}" for rate in sorted(table["learning_rate"])]
    return ", ".join(rates[:3]) + (f" and {len(rates) - 3} more rates" if len(rates) > 3 else "")


def judge_half_rise(inside: pd.DataFrame) -> Judgement:
    """Count the steps that raise the loss."""
    if inside.empty:
        return HALF_RISE.judge(None, WITHOUT_RANGE)
    falls = inside["late_loss_last_tenth"] < inside["late_loss_first_tenth"]
    counts = {"rates": len(inside), "about_half": int(half_rise(inside).sum()), "loss_falls": int(falls.sum())}
    both = half_rise(inside) & falls
    return HALF_RISE.judge(
        bool(both.all()),
        counts | by_rate(inside, "late_rises", 4),
        {
            "rates at which half of the steps raise a loss that falls": int(both.sum()),
            "rates in the range": len(inside),
        },
        f"At {counts['about_half']} of {len(inside)} rates half of the last steps raise the loss, and at "
        f"{counts['loss_falls']} it falls; not both at {rates_of(inside[~both])}.",
    )


def judge_from_below(inside: pd.DataFrame) -> Judgement:
    """Look for the largest sharpness on the way."""
    if inside.empty:
        return FROM_BELOW.judge(None, WITHOUT_RANGE)
    found = inside.assign(largest_ratio=inside["largest_sharpness"] * inside["learning_rate"] / 2)
    holds = found["largest_ratio"] <= OVERSHOOT
    counts = {"rates": len(found), "from_below": int(holds.sum())}
    least, largest = (float(found["largest_ratio"].agg(which)) for which in ("min", "max"))
    return FROM_BELOW.judge(
        bool(holds.all()),
        counts | by_rate(found, "largest_ratio", 4),
        {"largest sharpness × rate / 2": round(largest, 4), "allowed at most": OVERSHOOT},
        f"The sharpness overshoots at {len(found) - int(holds.sum())} of {len(found)} rates: at its largest it is "
        f"{number(round(least, 2))} to {number(round(largest, 2))} times 2 / rate.",
    )


def judge_below(below: pd.DataFrame) -> Judgement:
    """Look at the trainings that should end before the edge."""
    if below.empty:
        return BELOW.judge(None, {"missing": "trainings at rates of the 15 below 0.00148 for 20,000 steps"})
    found = below.assign(end_ratio=below["end_sharpness"] * below["learning_rate"] / 2)
    holds = (found["end_ratio"] < 1) & (found["late_rises"] == 0)
    largest, rises = float(found["end_ratio"].max()), percent(float(found["late_rises"].max()))
    return BELOW.judge(
        bool(holds.all()),
        by_rate(found, "end_ratio") | by_rate(found, "late_rises", 4),
        {"last steps that raise the loss (%)": rises, "claimed": 0}
        if rises
        else {"largest sharpness × rate / 2 at the end": round(largest, 5), "allowed below": 1},
        f"The sharpness ends at up to {number(round(largest, 5))} times 2 / rate, and up to {number(rises)} % of the "
        "last steps raise the loss.",
    )


def judge_upper_edge(short: pd.DataFrame) -> Judgement:
    """Look for hovering above the range, and for where it ends."""
    above = short[short["learning_rate"] > UPPER]
    if above.empty:
        return UPPER_EDGE.judge(None, {"missing": "trainings at rates above 0.00258 for 20,000 steps"})
    measured = {
        "highest_rate_that_hovers": extreme(short[hovers(short)], "max"),
        "lowest_rate_that_collapses": extreme(short[short["outcome"] == Outcome.collapsed.name], "min"),
    }
    highest, collapses = measured["highest_rate_that_hovers"], measured["lowest_rate_that_collapses"]
    return UPPER_EDGE.judge(
        not hovers(above).any(),
        measured | by_rate(above, "late_ratio_median"),
        {"highest rate that hovers": highest, "claimed at most": UPPER},
        f"The highest rate that hovers is {number(highest)}, the lowest that collapses {number(collapses)}.",
    )


def judge_leaves(inside: pd.DataFrame) -> Judgement:
    """Look for trainings that were at the edge and descend quietly at the end."""
    if inside.empty:
        return LEAVES.judge(None, WITHOUT_RANGE)
    left = inside[inside["reaches_edge_after_step"].notna() & (inside["late_rises"] == 0)]
    counts = {"rates": len(inside), "left_the_edge": len(left)}
    return LEAVES.judge(
        len(left) > 0,
        counts | by_rate(left, "late_ratio_median"),
        {"rates that leave the edge": len(left), "needed at least": 1},
        f"None of {len(inside)} rates leaves the edge again.",
    )


def judge_lasts(grid: pd.DataFrame, long: pd.DataFrame) -> Judgement:
    """Compare the last steps of the long trainings with those of the short ones."""
    hovering = grid[half_rise(grid)]
    later = long[long["learning_rate"].isin(hovering["learning_rate"])]
    if hovering.empty or len(later) < len(hovering):
        missing = {"missing": "trainings with rising and falling losses after 20,000 steps, continued to 200,000"}
        return LASTS.judge(None, missing)
    counts = {"at_the_edge": len(hovering), "still_there": int(half_rise(later).sum())}
    measured = counts | by_rate(later, "late_ratio_median", 7) | by_rate(later, "late_rises", 4)
    return LASTS.judge(
        bool(half_rise(later).all()),
        measured,
        {
            f"rates with half of the steps rising after {LONG:,}": counts["still_there"],
            f"rates with that after {STEPS:,}": len(hovering),
        },
        f"Of {len(hovering)} rates at which half of the steps raise the loss after {STEPS:,} steps, "
        f"{counts['still_there'] or 'none'} still do after {LONG:,}.",
    )


def judge_flow(flow: dict[str, dict[str, Any]], inside: pd.DataFrame) -> Judgement:
    """Compare the sharpness at the flow's end with the edge of each rate."""
    if {RADAU, RUNGE_KUTTA} - set(flow) or inside.empty:
        return FLOW.judge(None, {"missing": "both integrations of the flow, and trainings within the range"})
    radau, other = (float(flow[method]["end_sharpness"]) for method in (RADAU, RUNGE_KUTTA))
    lowest = float(inside["learning_rate"].min())
    measured = {
        "end_sharpness": round(radau, 4),
        "integrators_agree_within": 10.0 ** np.ceil(np.log10(max(abs(radau - other) / radau, 1e-15))),
        "start_sharpness": round(float(flow[RADAU]["start_sharpness"]), 4),
        "largest_sharpness": round(float(flow[RADAU]["largest_sharpness"]), 4),
        "settled": all(row["end_loss"] < SETTLED for row in flow.values()),
        "smallest_ratio": round(radau * lowest / 2, 5),
    }
    agree = abs(radau - other) <= AGREE * radau
    return FLOW.judge(
        agree and measured["settled"] and radau * lowest / 2 > 1 + HOVERS,
        measured,
        {
            "smallest sharpness × rate / 2 at the flow's end": round(radau * lowest / 2, 5),
            "needed more than": 1 + HOVERS,
        },
        f"The flow ends at a sharpness of {number(radau)}, {number(round(radau * lowest / 2, 5))} times 2 / rate of "
        f"the lowest rate; settled: {number(measured['settled'])}, integrators agree: {number(agree)}.",
    )


def judge_lower_edge(flow: dict[str, dict[str, Any]], short: pd.DataFrame) -> Judgement:
    """Compare which trainings reach the edge with the flow's limit."""
    if RADAU not in flow:
        return LOWER_EDGE.judge(None, {"missing": "the gradient flow"})
    limit = 2 / float(flow[RADAU]["end_sharpness"])
    is_near = [bool(np.isclose(rate / limit, NEAR).any()) for rate in short["learning_rate"]]
    near = pd.Series(is_near, short.index, dtype=bool)
    found = short[in_grid(short) | near]
    above = found["learning_rate"] > limit
    if not (near.sum() == len(NEAR) and above.any() and not above.all()):
        return LOWER_EDGE.judge(None, {"missing": "trainings 2 % below and 2 % above the flow's limit"})
    reaches = found["reaches_edge_after_step"].notna()
    measured = {
        "limit": round(limit, 7),
        "highest_rate_that_stays_below": extreme(found[~reaches], "max"),
        "lowest_rate_that_reaches_the_edge": extreme(found[reaches], "min"),
    }
    quiet, reaching = measured["highest_rate_that_stays_below"], measured["lowest_rate_that_reaches_the_edge"]
    return LOWER_EDGE.judge(
        bool((reaches == above).all()),
        measured,
        {"highest rate that stays below the edge": quiet, "limit of the flow": round(limit, 7)}
        if (above & ~reaches).any()
        else {"lowest rate that reaches the edge": reaching, "limit of the flow": round(limit, 7)},
        f"The end of gradient flow gives {number(limit)}; the highest rate that stays below the edge is "
        f"{number(quiet)}, the lowest that reaches it {number(reaching)}.",
    )


def judge_catapult(short: pd.DataFrame) -> Judgement:
    """Compare which trainings fail with the curvature at the start."""
    if short.empty:
        return CATAPULT.judge(None, {"missing": "trainings for 20,000 steps"})
    start = float(short["start_sharpness"].iloc[0])
    limit = 2 / start
    fails = short["outcome"].isin([Outcome.collapsed.name, Outcome.diverged.name])
    above = short["learning_rate"] > limit
    if above.all() or not above.any():
        return CATAPULT.judge(None, {"missing": f"trainings on both sides of {limit:.6f}"})
    measured = {
        "start_sharpness": round(start, 4),
        "limit": round(limit, 6),
        "failed_below": int((fails & ~above).sum()),
        "trained_above": int((~fails & above).sum()),
        "highest_rate_that_trains": extreme(short[~fails], "max"),
        "lowest_rate_that_fails": extreme(short[fails], "min"),
    }
    trains, failing = measured["highest_rate_that_trains"], measured["lowest_rate_that_fails"]
    return CATAPULT.judge(
        bool((fails == above).all()),
        measured,
        {"highest rate that trains": trains, "limit at the start": round(limit, 6)}
        if (above & ~fails).any()
        else {"lowest rate that fails": failing, "limit at the start": round(limit, 6)},
        f"The curvature at the start gives {number(round(limit, 6))}; the highest rate that trains is "
        f"{number(trains)}, the lowest that fails {number(failing)}.",
    )
