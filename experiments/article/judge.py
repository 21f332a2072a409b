"""The verdicts on the article's training, from the runs of a sweep."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from student_score.arrays import Floats
from student_score.data.article import ARTICLE_ROWS
from student_score.model.outcome import Outcome
from student_score.stability.collapse import collapsed_avg_loss
from student_score.studies.claims import Judgement
from student_score.studies.numbers import bound, number, percent
from student_score.tracking.record import RecordedRun
from student_score.training.trajectory import Trajectory

from .claims import (
    BIAS_ALONE,
    BIAS_TOLERANCE,
    CLAIMS,
    EXACT,
    EXCESS,
    FITTED,
    LAST_COLLAPSE,
    LINEAR,
    LOSS_INCREASES,
    NOT_CONVERGED,
    PILOT_EPOCH,
    PILOT_TOLERANCE,
    TRANSCRIPTS,
    TWO_LOSSES,
    UNITS_DIE,
)
from .published import EPOCHS, EVERY, PUBLISHED, published_and_computed

SMALL, LARGE, LARGEST = 0.0001, 0.01, 0.1
"""Learning rates: the one that the article recommends, and those that it warns of."""

LONG = 60_000
"""Epochs, enough for SMALL to converge."""


def judge(runs: Sequence[RecordedRun]) -> list[Judgement]:
    """Return a verdict for each claim; without the runs it needs, all are undecided and say what is missing."""
    found = by_rate_and_epochs(runs)
    needed = [(rate, EPOCHS) for rate in (SMALL, LARGE, LARGEST)] + [(SMALL, LONG)]
    if missing := [f"rate {rate:g} for {epochs} epochs" for rate, epochs in needed if (rate, epochs) not in found]:
        return [claim.judge(None, {"missing": missing}) for claim in CLAIMS]
    small, large, largest = (found[rate, EPOCHS].trajectory() for rate in (SMALL, LARGE, LARGEST))
    return [
        judge_transcripts({SMALL: small, LARGE: large}),
        judge_loss_increases({LARGE: large, LARGEST: largest}),
        judge_units_die({LARGE: large, LARGEST: largest}),
        judge_bias_alone({LARGE: large, LARGEST: largest}),
        judge_not_converged(small, found[SMALL, LONG].trajectory()),
        judge_two_losses(small),
        judge_linear(found[SMALL, EPOCHS].metrics["baseline/linear/train_mse"]),
    ]


def by_rate_and_epochs(runs: Sequence[RecordedRun]) -> dict[tuple[float, int], RecordedRun]:
    """Return the finished runs by their learning rate and number of epochs."""
    return {
        (float(run.params["training.learning_rate"]), int(run.params["training.epochs"])): run
        for run in runs
        if run.status == "FINISHED"
    }


def judge_transcripts(trajectories: Mapping[float, Trajectory]) -> Judgement:
    """Compare every published number with the computed one."""
    pairs = [
        pair for run in PUBLISHED["runs"] for pair in published_and_computed(run, trajectories[run["learning_rate"]])
    ]
    different = [f"{name}: {published} != {computed}" for name, published, computed in pairs if published != computed]
    return TRANSCRIPTS.judge(
        not different,
        {"numbers_compared": len(pairs), "different": different},
        {"numbers that come out as published": len(pairs) - len(different), "numbers published": len(pairs)},
        f"{len(different)} of {len(pairs)} numbers come out otherwise: {'; '.join(different[:3])}.",
    )


def judge_loss_increases(trajectories: Mapping[float, Trajectory]) -> Judgement:
    """Count the rises of the series as the article prints it."""
    series = {rate: printed(trajectory) for rate, trajectory in trajectories.items()}
    rises = {rate: count_rises(losses) for rate, losses in series.items()}
    told = " and ".join(
        f"falls from {losses[0]:.2f} to {losses[-1]:.2f} at {rate:g}"
        if losses[0] > losses[-1]
        else f"is {losses[0]:.2f} throughout at {rate:g}"
        for rate, losses in series.items()
    )
    return LOSS_INCREASES.judge(
        True if all(rises.values()) else False if not any(rises.values()) else None,
        {f"printed_rises_at_{rate:g}": count for rate, count in rises.items()},
        {f"rises of the printed loss at {rate:g}": count for rate, count in rises.items()},
        f"The loss as printed never rises: it {told}.",
    )


def printed(trajectory: Trajectory) -> Floats:
    """Return avg_loss every 50 epochs, rounded to two decimals."""
    return np.array([round(float(loss), 2) for loss in trajectory.avg_loss[EVERY - 1 :: EVERY]])


def count_rises(series: Floats) -> int:
    """Return how many values exceed the value before them."""
    return int(np.count_nonzero(series[1:] > series[:-1]))


def judge_units_die(trajectories: Mapping[float, Trajectory]) -> Judgement:
    """Look at when the last unit fell silent, and at what is left."""
    holds = all(
        (t.collapse_epoch or LONG) <= LAST_COLLAPSE and bool(t.dead_units.all()) and t.outcome is Outcome.collapsed
        for t in trajectories.values()
    )
    measured = {f"collapse_epoch_at_{rate:g}": t.collapse_epoch for rate, t in trajectories.items()}
    dead = {f"dead_units_at_{rate:g}": int(t.dead_units.sum()) for rate, t in trajectories.items()}
    ends = "; ".join(
        f"at {rate:g} it ends {t.outcome.name}, {t.dead_units.sum()} of {len(t.dead_units)} units dead, epoch of the "
        f"collapse: {number(t.collapse_epoch)}"
        for rate, t in trajectories.items()
    )
    last = max((t.collapse_epoch or LONG for t in trajectories.values()), default=LONG)
    return UNITS_DIE.judge(
        holds,
        measured | dead,
        {"epoch in which the last unit dies": last if last < LONG else None, "allowed at most": LAST_COLLAPSE},
        f"The training goes otherwise: {ends}.",
    )


def judge_bias_alone(trajectories: Mapping[float, Trajectory]) -> Judgement:
    """Compare the height at which the loss stays with the closed form."""
    measured: dict[str, Any] = {}
    distances = []
    for rate, trajectory in trajectories.items():
        height, closed_form = float(trajectory.avg_loss[-1]), collapsed_avg_loss(ARTICLE_ROWS.targets, rate)
        measured[f"avg_loss_at_{rate:g}"] = round(height, 6)
        measured[f"closed_form_at_{rate:g}"] = round(closed_form, 6)
        distances.append(abs(height - closed_form))
    return BIAS_ALONE.judge(
        max(distances) < BIAS_TOLERANCE,
        measured,
        {"distance from the closed form, below (points²)": bound(distances), "allowed below": BIAS_TOLERANCE},
        f"The loss ends up to {number(max(distances))} points² from what the output bias alone would cost.",
    )


def judge_not_converged(small: Trajectory, long: Trajectory) -> Judgement:
    """Find out how long the recommended rate needs."""
    below = np.flatnonzero(long.avg_loss < FITTED)
    first = int(below[0]) + 1 if len(below) else None
    near = first is not None and abs(first - PILOT_EPOCH) <= PILOT_TOLERANCE * PILOT_EPOCH
    measured = {"outcome_after_1000_epochs": small.outcome.name, "first_epoch_below_0.01": first}
    return NOT_CONVERGED.judge(
        small.outcome is Outcome.slow and near,
        measured,
        {"first epoch with a loss below 0.01": first, "predicted, give or take 2 %": PILOT_EPOCH},
        f"At 0.0001 the outcome is {small.outcome.name}; the first epoch with a loss below 0.01 is {number(first)}.",
    )


def judge_two_losses(small: Trajectory) -> Judgement:
    """Compare the printed loss with the error at the final weights."""
    avg_loss, train_mse = float(small.avg_loss[-1]), float(small.train_mse[-1])
    measured = {"avg_loss": round(avg_loss, 6), "train_mse": round(train_mse, 6)}
    excess = percent(avg_loss / train_mse - 1)
    return TWO_LOSSES.judge(
        avg_loss > (1 + EXCESS) * train_mse,
        measured,
        {"printed loss above the error at the end by (%)": excess, "needed more than": 100 * EXCESS},
        f"The printed loss, {number(avg_loss)}, is {number(excess)} % above the error of the final network.",
    )


def judge_linear(mse: float) -> Judgement:
    """Check the plane, and the error that linear regression left."""
    plane = 20 + ARTICLE_ROWS.features @ np.array([5.0, 5.0])
    residual = float(np.abs(plane - ARTICLE_ROWS.targets).max())
    measured = {"largest_distance_from_plane": residual, "linear_train_mse_below_1e-20": mse < EXACT}
    error = 0.0 if mse < EXACT else float(mse)  # The digits of rounding depend on the machine.
    return LINEAR.judge(
        residual == 0.0 and mse < EXACT,
        measured,
        {
            "largest distance from the plane (points)": residual,
            "linear regression's error, but for rounding (points²)": error,
        },
        f"A score lies {number(residual)} points off the plane, and a straight line leaves {number(error)} points².",
    )
