"""The verdicts on the edge of stability, from the table of trainings alone."""

from typing import Any

import numpy as np
import pandas as pd

from student_score.arrays import Floats
from student_score.studies.claims import Judgement
from student_score.studies.numbers import in_percent, number

from .claims import (
    FROM_BELOW,
    HALF,
    HALF_RISE,
    HOVERING,
    LASTS,
    LEAVES,
    LOWER,
    NEAR,
    NEARLY_ALL,
    NINTH_DECIMAL,
    ROUNDING,
    SOME,
    UPPER,
)
from .ensembles import (
    INSIDE,
    beyond,
    by_rate,
    half_rise,
    hovers,
    in_longest_run,
    is_complete,
    leaves,
    loss_falls,
    meets_and_stays,
    named,
    share,
    shares,
    ways,
    within,
)
from .judge_ends import (
    judge_below,
    judge_catapult,
    judge_flow,
    judge_lower_edge,
    judge_sharp_end,
    judge_start_curvature,
    judge_upper_edge,
)
from .rates import DOUBLES, FINE, FINE_GROUP, FINER_GROUP, GRID, LAST_BITS_GROUP, MEMBERS
from .trainings import CHECKED, DESCENT, LONG, RISES_UNTIL, STEPS

MISSING: dict[str, Any] = {"missing": "the 101 trainings about each rate for 20,000 steps"}
"""Measured where an ensemble is not complete."""


def judge(table: pd.DataFrame) -> list[Judgement]:
    """Return a verdict for each claim, from the table of trainings alone."""
    descent, flow = table[table["method"] == DESCENT], table[table["method"] != DESCENT]
    short, long = descent[descent["steps"] == STEPS], descent[descent["steps"] == LONG]
    inside, fine = within(short, INSIDE), short[short["group"] == FINE_GROUP]
    finer = short[short["group"] == FINER_GROUP]
    return [
        judge_hovering(inside, fine[fine["learning_rate"].between(LOWER, UPPER)]),
        judge_half_rise(inside),
        judge_from_below(inside, fine),
        judge_below(fine),
        judge_upper_edge(fine),
        judge_sharp_end(fine, finer),
        judge_leaves(inside, fine),
        judge_lasts(within(short, GRID.tolist()), within(long, GRID.tolist())),
        judge_flow(flow),
        judge_lower_edge(flow, fine),
        judge_catapult(short),
        judge_start_curvature(short),
        judge_ninth_decimal(within(short, GRID.tolist())),
        judge_rounding(short[short["group"] == LAST_BITS_GROUP]),
    ]


def judge_hovering(inside: pd.DataFrame, fine: pd.DataFrame) -> Judgement:
    """Count the trainings that hover about each rate, and at all those with six decimals."""
    if not is_complete(inside, INSIDE) or fine.empty:
        return HOVERING.judge(None, MISSING)
    found = shares(inside, hovers(inside))
    away = [rate for rate, one in found.items() if one.low <= NEARLY_ALL]
    medians = inside[hovers(inside)].groupby("centre")["late_ratio_median"].agg(["min", "max"])
    measured = {
        "rates": len(INSIDE),
        "hovering": len(INSIDE) - len(away),
        "rates_with_six_decimals": len(fine),
        "hovering_with_six_decimals": int(hovers(fine).sum()),
        **by_rate("hovering", found),
        **{f"medians_at_{rate:.6f}": [round(low, 4), round(high, 4)] for rate, low, high in medians.itertuples()},
    }
    least = min(found.values())
    return HOVERING.judge(
        beyond(list(found.values()), NEARLY_ALL),
        measured,
        {"trainings that hover, at the rate with fewest": least.found, "trainings": least.total},
        f"At {len(INSIDE) - len(away)} of {len(INSIDE)} rates nearly all trainings end up there; not so at "
        f"{named(away)}.",
    )


def judge_half_rise(inside: pd.DataFrame) -> Judgement:
    """Count the trainings in which half of the steps raise a loss that falls."""
    if not is_complete(inside, INSIDE):
        return HALF_RISE.judge(None, MISSING)
    rising, both = shares(inside, half_rise(inside)), shares(inside, loss_falls(inside))
    holding = {rate: one for rate, one in both.items() if one.low > NEARLY_ALL}
    not_falling = sum(rising[rate].found - one.found for rate, one in both.items())
    measured = {
        "rates": len(INSIDE),
        "about_half_and_falling": len(holding),
        **by_rate("about_half", rising),
        **by_rate("about_half_and_falling", both),
        "rising_over_many_steps": not_falling,
    }
    return HALF_RISE.judge(
        beyond(list(both.values()), NEARLY_ALL),
        measured,
        {"rates at which nearly all trainings do both": len(holding), "rates in the range": len(INSIDE)},
        f"At {len(holding)} of {len(INSIDE)} rates half of the last steps raise a loss that falls, in nearly all "
        f"trainings; not so at {named([rate for rate in INSIDE if rate not in holding])}.",
    )


def judge_from_below(inside: pd.DataFrame, fine: pd.DataFrame) -> Judgement:
    """Count the trainings in which the sharpness meets the edge from below and stays near it; the first steps apart."""
    if not is_complete(inside, INSIDE):
        return FROM_BELOW.judge(None, MISSING)
    found = shares(inside, meets_and_stays(inside))
    holding = [rate for rate, one in found.items() if one.low > NEARLY_ALL]
    early, later = extremes(inside, "early_ratio_largest"), extremes(inside, "later_ratio_largest")
    over = [one for one in later.values() if one[1] > NEAR[1]]
    inner = meets_and_stays(fine) & fine["learning_rate"].between(LOWER, UPPER)
    return FROM_BELOW.judge(
        beyond(list(found.values()), NEARLY_ALL),
        {
            "rates": len(INSIDE),
            "meeting_and_staying": len(holding),
            "overshooting": len(over),
            "never_meeting": sum(most < 1 for _, most in later.values()),
            **by_rate("meeting_and_staying", found),
            **{f"largest_ratio_after_200_steps_at_{rate:.6f}": one for rate, one in later.items()},
            **{f"largest_ratio_until_then_at_{rate:.6f}": one for rate, one in early.items()},
            "meeting_and_staying_with_six_decimals": int(inner.sum()),
            "they_lie_within": first_and_last(fine.loc[inner, "learning_rate"]),
            "all_with_six_decimals": len(fine),
            "of_which_above_1_until_then": int((fine["early_ratio_largest"] > 1).sum()),
        },
        {"rates at which nearly all trainings do both": len(holding), "rates in the range": len(INSIDE)},
        "After the first 200 steps the sharpness rises until it meets 2 / rate, and stays near it, at "
        f"{len(holding)} of {len(INSIDE)} rates; at {len(over)} it exceeds 2 / rate by more than 20 %, and is up to "
        f"{number(max(most for _, most in later.values()))} times as large.",
    )


def extremes(ensemble: pd.DataFrame, column: str, decimals: int = 3) -> dict[float, list[float]]:
    """Return, by the rate in the middle, the smallest and the largest of a column, rounded."""
    found = ensemble.groupby("centre")[column].agg(["min", "max"]).round(decimals)
    return dict(zip(found.index.tolist(), found.to_numpy().tolist(), strict=True))


def first_and_last(rates: "pd.Series[float]") -> list[float] | None:
    """Return the smallest and the largest of some rates with six decimals; None if there is none."""
    return [round(float(rates.min()), 6), round(float(rates.max()), 6)] if len(rates) else None


def judge_leaves(inside: pd.DataFrame, fine: pd.DataFrame) -> Judgement:
    """Look for trainings that were at the edge and descend quietly at the end."""
    if not is_complete(inside, INSIDE):
        return LEAVES.judge(None, MISSING)
    found = shares(inside, leaves(inside))
    leaving = [rate for rate, one in found.items() if one.low > SOME]
    fine = fine.sort_values("learning_rate")
    left = fine.loc[leaves(fine), "learning_rate"]
    stretch = fine[in_longest_run(leaves(fine).to_numpy())]["learning_rate"]
    measured = {
        "rates": len(found),
        "rates_where_some_leave": len(leaving),
        **by_rate("leaving", found),
        "leaving_with_six_decimals": len(left),
        "they_lie_within": first_and_last(left),
        "longest_stretch_where_all_leave": first_and_last(stretch),
        "rates_of_that_stretch": len(stretch),
    }
    fewer = share(sum(one.found for one in found.values()), sum(one.total for one in found.values())).high < SOME
    return LEAVES.judge(
        True if leaving else False if fewer else None,
        measured,
        {"rates where some leave": len(leaving), "needed at least": 1},
        f"At none of {len(found)} rates do trainings leave the edge again.",
    )


def judge_lasts(short: pd.DataFrame, long: pd.DataFrame) -> Judgement:
    """Compare the last steps of the long trainings with those of the short ones."""
    hovering = short.loc[half_rise(short), "learning_rate"]
    later = long[long["learning_rate"].isin(hovering)]
    found = share(int(half_rise(later).sum()), len(later))
    if not found.total:
        missing = {"missing": "trainings with rising and falling losses after 20,000 steps, continued to 200,000"}
        return LASTS.judge(None, missing)
    still = {step: int(later[f"{RISES_UNTIL}{step}"].between(*HALF).sum()) for step in CHECKED}
    latest = float(later["last_rise_step"].max())
    return LASTS.judge(
        beyond([found], NEARLY_ALL),
        {
            "at_the_edge": found.total,
            "still_there": found.found,
            "still_there_wilson_99_percent": found.percents,
            **{f"still_there_after_{step}": count for step, count in still.items()},
            **by_rate("still_there_after_80000", shares(later, later[f"{RISES_UNTIL}80000"].between(*HALF))),
            "last_rise": latest,
            **{f"last_rise_at_{rate:.6f}": steps for rate, steps in extremes(later, "last_rise_step").items()},
            **{f"loss_after_it_at_{rate:.6f}": losses for rate, losses in extremes(later, "last_rise_loss", 7).items()},
        },
        {
            f"trainings with half of the steps rising after {LONG:,}": found.found,
            f"trainings with that after {STEPS:,}": found.total,
        },
        f"Of {found.total} trainings in which half of the last steps raise the loss after {STEPS:,}, they still do in "
        f"{found.found or 'none'} after {LONG:,}; the last rise is at step {number(latest)}.",
    )


def judge_ninth_decimal(ensemble: pd.DataFrame) -> Judgement:
    """Count the rates about which trainings end in more than one way."""
    if not is_complete(ensemble, GRID.tolist()):
        return NINTH_DECIMAL.judge(None, MISSING)
    mixed, rates = ways(ensemble), len(GRID)
    measured: dict[str, Any] = {"rates": rates, "rates_with_one_end": rates - len(mixed)}
    for end in mixed:
        found = {float(str(rate)): share(int(count), MEMBERS) for rate, count in mixed[end].items()}
        measured |= by_rate(str(end).replace(" ", "_"), found)
    rarer = [share(int(MEMBERS - count), MEMBERS) for count in mixed.max(axis=1)]
    said = " and ".join(f"{in_percent(one.low)} to {in_percent(one.high)}" for one in rarer)
    return NINTH_DECIMAL.judge(
        mixed.empty,
        measured,
        {"rates around which all trainings end alike": rates - len(mixed), "rates": rates},
        f"Around {len(mixed)} of {rates} rates, {named([float(str(rate)) for rate in mixed.index])}, trainings end in "
        f"different ways: the rarer way has a share of {said} (99 % interval).",
    )


def judge_rounding(ensemble: pd.DataFrame) -> Judgement:
    """Count the rates whose neighbours among the doubles end otherwise, and find where there are none."""
    if not is_complete(ensemble, FINE.tolist(), DOUBLES):
        return ROUNDING.judge(None, {"missing": "trainings at the five doubles nearest to 1,301 rates"})
    mixed, rates = ways(ensemble).index.to_numpy(dtype=float), len(FINE)
    stretches = two_stretches(np.round(mixed, 6))
    measured = {
        "rates": rates,
        "decided_by_rounding": len(mixed),
        "they_lie": stretches,
    }
    return ROUNDING.judge(
        not len(mixed),
        measured,
        {"rates at which all doubles end alike": rates - len(mixed), "rates": rates},
        f"At {len(mixed)} of {rates:,} rates rounding decides how a training ends; they lie from "
        f"{' and from '.join(map(number, stretches))}.",
    )


def two_stretches(rates: Floats) -> list[list[float]]:
    """Return the first and the last of sorted rates below the widest gap between them, and of those above it."""
    cut = int(np.diff(rates).argmax()) + 1 if len(rates) > 1 else len(rates)
    return [[float(part[0]), float(part[-1])] for part in (rates[:cut], rates[cut:]) if len(part)]
