"""The verdicts on the plateau, from the table of trainings alone."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

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
from student_score.studies.numbers import bound, number

from .claims import ANY_ORDER, FIVE_ROWS, FULL_BATCH, LEAST_COLLAPSED, LIMIT, THREE_ROWS, TOLERANCE
from .trainings import FIVE, FIVE_ORDERS, RATES, ROWS, THREE, THREE_ORDERS


def judge(table: pd.DataFrame) -> list[Judgement]:
    """Return a verdict for each claim, from the table of trainings alone."""
    three = settling(table, Sampling.cyclic, ROWS[THREE])
    five = settling(table, Sampling.cyclic, ROWS[FIVE])
    return [
        judge_heights(THREE_ROWS, three, ROWS[THREE], expected=len(RATES) * len(THREE_ORDERS)),
        judge_any_order(three, expected=len(RATES) * len(THREE_ORDERS)),
        judge_heights(FIVE_ROWS, five, ROWS[FIVE], expected=len(RATES) * len(FIVE_ORDERS)),
        judge_full_batch(settling(table, Sampling.full_batch, ROWS[THREE])),
        judge_limit(table),
    ]


def settling(table: pd.DataFrame, sampling: Sampling, rows: Rows) -> pd.DataFrame:
    """Return the trainings on some rows at the rates at which the bias settles."""
    chosen = (table["sampling"] == sampling.name) & (table["rows"] == len(rows))
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
    measured = {"trainings": len(table), "collapsed": len(collapsed), "largest_distance_below": bound(distances)}
    if len(table) < expected:
        return claim.judge(None, {**measured, "missing": expected - len(table)})
    return claim.judge(
        len(collapsed) == len(table) and max(distances) < TOLERANCE,
        measured,
        within(distances) if len(collapsed) == len(table) else counted(len(collapsed), len(table)),
        f"{len(collapsed)} of {len(table)} trainings collapsed; their heights lie up to "
        f"{number(max(distances, default=0.0))} points² from the closed form.",
    )


def within(distances: Sequence[float]) -> dict[str, float | None]:
    """Return how near the closed form is, and how near it has to be."""
    return {"largest distance from the closed form, below (points²)": bound(distances), "allowed below": TOLERANCE}


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
        "largest_spread_of_heights_below": bound(heights.tolist()),
        "smallest_spread_of_biases": round(float(biases.min()), 6),
        "largest_spread_of_biases": round(float(biases.max()), 6),
        "largest_distance_of_bias_below": bound(distances),
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
        f"{number(apart)} points; the biases lie less than {number(bound(distances))} points from their closed form.",
    )


def judge_full_batch(table: pd.DataFrame) -> Judgement:
    """Compare full-batch heights with the variance."""
    collapsed = table[table["outcome"] == Outcome.collapsed.name]
    variance = float(np.var(ROWS[THREE].targets))
    distances = (collapsed["avg_loss"] - variance).abs().tolist()
    measured = {"collapsed": len(collapsed), "variance": round(variance, 6), "largest_distance_below": bound(distances)}
    if len(collapsed) < LEAST_COLLAPSED:
        return FULL_BATCH.judge(None, {**measured, "missing": LEAST_COLLAPSED - len(collapsed)})
    return FULL_BATCH.judge(
        max(distances) < TOLERANCE,
        measured,
        {"largest distance from the variance, below (points²)": bound(distances), "allowed below": TOLERANCE},
        f"Heights lie up to {number(bound(distances))} points² from the variance, {number(variance)} points².",
    )


def judge_limit(table: pd.DataFrame) -> Judgement:
    """Look for the lowest rate that became non-finite."""
    is_diverged = table["outcome"] == Outcome.diverged.name
    diverged, finite = table.loc[is_diverged, "learning_rate"], table.loc[~is_diverged, "learning_rate"]
    measured = {
        "trainings": len(table),
        "diverged": len(diverged),
        "lowest_diverged_rate": float(diverged.min()) if len(diverged) else None,
        "highest_finite_rate": float(finite.max()) if len(finite) else None,
    }
    if not (table["learning_rate"] > BIAS_LIMIT).any():
        return LIMIT.judge(None, {**measured, "missing": f"rates above {BIAS_LIMIT:g}"})
    lowest = measured["lowest_diverged_rate"]
    return LIMIT.judge(
        len(diverged) > 0 and diverged.min() > BIAS_LIMIT,
        measured,
        {"lowest rate that became non-finite": lowest, "claimed not below": BIAS_LIMIT},
        f"The lowest rate at which a training became non-finite is {number(lowest)}.",
    )
