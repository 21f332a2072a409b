"""The verdicts on the plateau, from the table of trainings alone."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from student_score.arrays import Floats
from student_score.data.rows import Rows
from student_score.model.outcome import Outcome
from student_score.model.sampling import Sampling
from student_score.stability.collapse import (
    BIAS_LIMIT,
    collapsed_avg_loss,
    collapsed_avg_loss_of_three,
    collapsed_bias,
)
from student_score.studies.claims import Claim, Judgement
from student_score.studies.numbers import bound, in_percent, number, percent

from .claims import (
    ALL_COLLAPSE,
    ANY_ORDER,
    BIAS_SETTLES,
    CONFIDENCE,
    EARLY,
    FEW,
    FIVE_ROWS,
    FULL_BATCH,
    HEIGHTS_OF_STARTS,
    LEAST_COLLAPSED,
    NONE_DIVERGES,
    SURELY,
    THREE_ROWS,
    TOLERANCE,
)
from .trainings import ARTICLE, BEYOND, FIVE, FIVE_ORDERS, RATES, ROWS, SEEDS, SIZES, THREE, THREE_ORDERS, WIDE

NOISE = 2e-11
"""Score points, or points squared: what rounding moves at most, which depends on the machine."""


def judge(table: pd.DataFrame) -> list[Judgement]:
    """Return a verdict for each claim, from the table of trainings alone."""
    three = settling(table, Sampling.cyclic, ROWS[THREE])
    five = settling(table, Sampling.cyclic, ROWS[FIVE])
    drawn = table[table["start"] != ARTICLE]
    return [
        judge_heights(THREE_ROWS, three, ROWS[THREE], expected=len(RATES) * len(THREE_ORDERS)),
        judge_any_order(three, expected=len(RATES) * len(THREE_ORDERS)),
        judge_heights(FIVE_ROWS, five, ROWS[FIVE], expected=len(RATES) * len(FIVE_ORDERS)),
        judge_full_batch(settling(table, Sampling.full_batch, ROWS[THREE])),
        judge_bias_settles(table[(table["start"] == ARTICLE) & (table["rows"] == len(ROWS[THREE]))]),
        judge_starts(ALL_COLLAPSE, drawn, drawn["outcome"] == Outcome.collapsed.name, wanted=True),
        judge_starts(NONE_DIVERGES, drawn, drawn["outcome"] == Outcome.diverged.name, wanted=False),
        judge_heights_of_starts(drawn),
    ]


def settling(table: pd.DataFrame, sampling: Sampling, rows: Rows) -> pd.DataFrame:
    """Return the trainings from the article's start on some rows at the rates at which the bias settles."""
    chosen = (table["start"] == ARTICLE) & (table["sampling"] == sampling.name) & (table["rows"] == len(rows))
    return table[chosen & (table["learning_rate"] <= float(RATES.max()))]


def judge_heights(claim: Claim, table: pd.DataFrame, rows: Rows, *, expected: int) -> Judgement:
    """Compare every training's final avg_loss with the closed form for its order and rate."""
    collapsed = table[table["outcome"] == Outcome.collapsed.name]
    distances = [
        abs(loss - closed_height(rows, order, rate))
        for loss, order, rate in zip(
            collapsed["avg_loss"], collapsed["row_order"], collapsed["learning_rate"], strict=True
        )
    ]
    measured = {"trainings": len(table), "collapsed": len(collapsed), "largest_distance_below": within_noise(distances)}
    if len(table) < expected:
        return claim.judge(None, {**measured, "missing": expected - len(table)})
    return claim.judge(
        len(collapsed) == len(table) and max(distances) < TOLERANCE,
        measured,
        within(distances) if len(collapsed) == len(table) else counted(len(collapsed), len(table)),
        f"{len(collapsed)} of {len(table)} trainings collapsed; their heights lie up to "
        f"{number(max(distances, default=0.0))} points² from the closed form.",
    )


def within_noise(distances: Sequence[float]) -> float | None:
    """Return a power of ten above all distances, the same on every machine where they are rounding alone."""
    return bound([*distances, NOISE]) if distances else None


def within(distances: Sequence[float]) -> dict[str, float | None]:
    """Return how near the closed form is, and how near it has to be."""
    return {
        "largest distance from the closed form, below (points²)": within_noise(distances),
        "allowed below": TOLERANCE,
    }


def counted(collapsed: int, total: int) -> dict[str, float | None]:
    """Return how many trainings collapsed, of how many."""
    return {"trainings that collapsed": collapsed, "trainings that had to": total}


def closed_height(rows: Rows, order: str, rate: float) -> float:
    """Return the closed form for the height: the special one where there are three rows, else the general one."""
    targets = ordered(rows, order)
    return collapsed_avg_loss_of_three(targets, rate) if len(rows) == 3 else collapsed_avg_loss(targets, rate)


def ordered(rows: Rows, order: str) -> Floats:
    """Return the scores in a row order written as 231."""
    return rows.targets[[int(row) - 1 for row in order]]


def judge_any_order(three: pd.DataFrame, *, expected: int) -> Judgement:
    """Compare heights and biases of the six orders at each rate."""
    if len(three) < expected:
        return ANY_ORDER.judge(None, {"missing": expected - len(three)})
    by_rate = three.groupby("learning_rate")
    heights, biases = (by_rate[column].agg(np.ptp) for column in ("avg_loss", "b2"))
    distances = [
        abs(b2 - collapsed_bias(ordered(ROWS[THREE], order), rate))
        for b2, order, rate in zip(three["b2"], three["row_order"], three["learning_rate"], strict=True)
    ]
    holds = heights.max() < TOLERANCE < biases.min() and max(distances) < TOLERANCE
    measured = {
        "largest_spread_of_heights_below": within_noise(heights.tolist()),
        "smallest_spread_of_biases": round(float(biases.min()), 6),
        "largest_spread_of_biases": round(float(biases.max()), 6),
        "largest_distance_of_bias_below": within_noise(distances),
    }
    same, apart = measured["largest_spread_of_heights_below"], measured["smallest_spread_of_biases"]
    return ANY_ORDER.judge(
        bool(holds),
        measured,
        {
            "orders change the height by less than (points²)": same,
            "orders change the bias by at least (points)": apart,
        },
        f"Between the orders the heights differ by less than {number(same)} points² and the biases by at least "
        f"{number(apart)} points; the biases lie less than {number(measured['largest_distance_of_bias_below'])} points "
        "from their closed form.",
    )


def judge_full_batch(table: pd.DataFrame) -> Judgement:
    """Compare full-batch heights with the variance."""
    collapsed = table[table["outcome"] == Outcome.collapsed.name]
    variance = float(np.var(ROWS[THREE].targets))
    distances = (collapsed["avg_loss"] - variance).abs().tolist()
    measured = {
        "collapsed": len(collapsed),
        "variance": round(variance, 6),
        "largest_distance_below": within_noise(distances),
    }
    if len(collapsed) < LEAST_COLLAPSED:
        return FULL_BATCH.judge(None, {**measured, "missing": LEAST_COLLAPSED - len(collapsed)})
    return FULL_BATCH.judge(
        max(distances) < TOLERANCE,
        measured,
        {"largest distance from the variance, below (points²)": within_noise(distances), "allowed below": TOLERANCE},
        f"Heights lie up to {number(within_noise(distances))} points² from the variance, {number(variance)} points².",
    )


def judge_bias_settles(table: pd.DataFrame) -> Judgement:
    """Count the trainings that stay finite below the limit and those that become non-finite well above it."""
    is_diverged, rates = table["outcome"] == Outcome.diverged.name, table["learning_rate"]
    is_claimed = (rates < BIAS_LIMIT) | (rates >= SURELY)
    as_claimed = is_diverged[is_claimed] == (rates[is_claimed] >= SURELY)
    expected = (len(THREE_ORDERS) + 1) * sum(not BIAS_LIMIT <= rate < SURELY for rate in [*RATES, *BEYOND])
    diverged, finite = rates[is_diverged], rates[~is_diverged]
    lowest = float(diverged.min()) if len(diverged) else None
    highest = float(finite.max()) if len(finite) else None
    measured = {
        "trainings": len(table),
        "diverged": len(diverged),
        "lowest_diverged_rate": lowest,
        "highest_finite_rate": highest,
    }
    if len(as_claimed) < expected:
        return BIAS_SETTLES.judge(None, {**measured, "missing": expected - len(as_claimed)})
    return BIAS_SETTLES.judge(
        bool(as_claimed.all()),
        measured,
        {"trainings that end as claimed": int(as_claimed.sum()), "trainings at these rates": len(as_claimed)},
        f"The lowest rate at which a training became non-finite is {number(lowest)}, the highest at which one stayed "
        f"finite {number(highest)}.",
    )


def judge_starts(claim: Claim, table: pd.DataFrame, is_so: "pd.Series[bool]", *, wanted: bool) -> Judgement:
    """Count the starts of which something is true in every training, or in any, and compare the interval of the share.

    Args:
        claim: that is judged.
        table: all trainings from He's starts.
        is_so: of each training, whether it is true.
        wanted: whether nearly all starts are to be so in every training; else almost none is to be so in any.
    """
    expected = len(SIZES) * SEEDS * len(WIDE) * len(THREE_ORDERS)
    if len(table) < expected:
        return claim.judge(None, {"missing": expected - len(table)})
    by_start = is_so.groupby(table["start"])
    of_starts = by_start.all() if wanted else by_start.any()
    count, total = int(of_starts.sum()), len(of_starts)
    low, high = wilson(count, total)
    limit = 1 - FEW if wanted else FEW
    holds = None if low <= limit <= high else (low > limit) == wanted
    differ = table[is_so != wanted]
    rates = sorted(differ["learning_rate"].unique().tolist())
    measured = {
        "starts": total,
        "starts_counted": count,
        "share": round(count / total, 6),
        "wilson_99": [round(low, 6), round(high, 6)],
        "trainings": len(table),
        "trainings_otherwise": len(differ),
        "rates_of_these": rates,
        "last_collapse_epoch": int(table["collapse_epoch"].max()),
        **{f"share_in_hidden_size_{size}": share_of(of_starts, table, size) for size in SIZES},
    }
    return claim.judge(
        holds,
        measured,
        {
            f"99 % interval of the share of {total:,} starts (%)": [percent(low), percent(high)],
            f"has to lie {'above' if wanted else 'below'} (%)": percent(limit),
        },
        f"{in_percent(count / total)} of {total:,} starts {'collapse in all' if wanted else 'diverge in any of'} their "
        f"trainings, {in_percent(low)} to {in_percent(high)} with 99 % confidence; {len(differ):,} of {len(table):,} "
        f"trainings {'do not collapse' if wanted else 'diverge'}, at rates of {span(rates)}.",
    )


def judge_heights_of_starts(drawn: pd.DataFrame) -> Judgement:
    """Compare the final avg_loss of He's starts that were soon dead with the closed form for their rates."""
    early = drawn[(drawn["outcome"] == Outcome.collapsed.name) & (drawn["collapse_epoch"] <= EARLY)]
    fewest = int(early.groupby("learning_rate").size().reindex(list(WIDE), fill_value=0).min())
    closed = {rate: collapsed_avg_loss_of_three(ROWS[THREE].targets, rate) for rate in WIDE}
    distances = (early["avg_loss"] - early["learning_rate"].map(closed)).abs().tolist()
    measured = {
        "trainings": len(drawn),
        "collapsed_early": len(early),
        "fewest_at_a_rate": fewest,
        "largest_distance_below": within_noise(distances),
    }
    if fewest < LEAST_COLLAPSED:
        return HEIGHTS_OF_STARTS.judge(None, {**measured, "missing": LEAST_COLLAPSED - fewest})
    return HEIGHTS_OF_STARTS.judge(
        max(distances) < TOLERANCE,
        measured,
        within(distances),
        f"The heights of {len(early):,} trainings lie up to {number(max(distances))} points² from the closed form.",
    )


def share_of(of_starts: "pd.Series[bool]", table: pd.DataFrame, size: int) -> float:
    """Return the share of the starts of one hidden size of which something is true."""
    own = table.loc[table["hidden_size"] == size, "start"].unique()
    return round(float(of_starts[own].mean()), 6)


def span(rates: Sequence[float]) -> str:
    """Return the range that rates lie in."""
    return f"{min(rates):g} to {max(rates):g}" if rates else "none"


def wilson(count: int, total: int) -> tuple[float, float]:
    """Return the Wilson interval of a share."""
    bounds = binomtest(count, total).proportion_ci(confidence_level=CONFIDENCE, method="wilson")
    return float(bounds.low), float(bounds.high)
