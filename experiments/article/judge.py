"""The verdicts on the article's training, from the runs of a sweep."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from student_score.arrays import Floats
from student_score.data.article import ARTICLE_ROWS
from student_score.model.activations import Activation
from student_score.model.network import predict
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
    CREEP,
    EXACT,
    EXCESS,
    FITTED,
    LAST_COLLAPSE,
    LINEAR,
    LOSS_INCREASES,
    NOT_CONVERGED,
    ONE_JUMP,
    PILOT_EPOCH,
    PILOT_TOLERANCE,
    TRANSCRIPTS,
    TWO_LOSSES,
    UNITS_DIE,
)
from .published import EPOCHS, EVERY, PUBLISHED, published_and_computed

NOISE = 2e-11
"""Score points, or points squared: what rounding moves at most, which depends on the machine."""

SMALL, LARGE, LARGEST = 0.0001, 0.01, 0.1
"""Learning rates: the one that the article recommends, and those that it warns of."""

LONG = 60_000
"""Epochs, enough for SMALL to converge."""


def judge(runs: Sequence[RecordedRun]) -> list[Judgement]:
    """Return a verdict for each claim; without the runs it needs, all are undecided and say what is missing."""
    found = by_rate_and_epochs(runs)
    needed = [(rate, EPOCHS) for rate in (SMALL, LARGE, LARGEST)] + [(SMALL, LONG)]
    trajectories = {key: found[key].trajectory() for key in needed if key in found}
    if missing := [
        f"rate {rate:g} for {epochs} epochs{diverged_in(trajectories.get((rate, epochs)))}"
        for rate, epochs in needed
        if (rate, epochs) not in found or trajectories[rate, epochs].diverged_epoch is not None
    ]:
        return [claim.judge(None, {"missing": missing}) for claim in CLAIMS]
    small, large, largest = (trajectories[rate, EPOCHS] for rate in (SMALL, LARGE, LARGEST))
    return [
        judge_transcripts({SMALL: small, LARGE: large}),
        judge_loss_increases({LARGE: large, LARGEST: largest}),
        judge_one_jump({LARGE: large, LARGEST: largest}),
        judge_units_die({LARGE: large, LARGEST: largest}),
        judge_bias_alone({LARGE: large, LARGEST: largest}),
        judge_not_converged(small, trajectories[SMALL, LONG]),
        judge_two_losses(small),
        judge_linear(found[SMALL, EPOCHS].metrics.get("baseline/linear/train_mse")),
    ]


def diverged_in(trajectory: Trajectory | None) -> str:
    """Return in which epoch a training diverged, or nothing where there was none."""
    return "" if trajectory is None else f", which diverged in epoch {trajectory.diverged_epoch}"


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
    """Compare the training error at the end with that at the start; the instead tells the course between them."""
    courses = {rate: course(trajectory) for rate, trajectory in trajectories.items()}
    rose = {rate: found["train_mse_at_the_end"] > found["train_mse_at_the_start"] for rate, found in courses.items()}
    measured = {f"{name}_at_{rate:g}": value for rate, found in courses.items() for name, value in found.items()}
    series = {rate: printed(trajectory) for rate, trajectory in trajectories.items()}
    measured |= {f"printed_rises_at_{rate:g}": count_rises(losses) for rate, losses in series.items()}
    highest = max(courses.values(), key=lambda found: found["train_mse_at_the_end"])
    return LOSS_INCREASES.judge(
        True if all(rose.values()) else False if not any(rose.values()) else None,
        measured,
        {
            "error at the start (points²)": highest["train_mse_at_the_start"],
            "error after 1000 epochs, at most (points²)": highest["train_mse_at_the_end"],
        },
        ends(courses),
    )


def course(trajectory: Trajectory) -> dict[str, Any]:
    """Return the numbers that tell the course of a training's losses, epoch by epoch."""
    losses = trajectory.avg_loss
    steps = np.diff(losses[1:])  # The first epoch's loss is taken before and during the jump.
    errors = predict(trajectory.start, ARTICLE_ROWS.features, Activation.relu) - ARTICLE_ROWS.targets
    return {
        "train_mse_at_the_start": rounded_to(float(np.mean(errors**2))),
        "train_mse_after_epoch_1": rounded_to(float(trajectory.train_mse[0])),
        "train_mse_at_the_end": rounded_to(float(trajectory.train_mse[-1])),
        "avg_loss_at_the_end": rounded_to(float(losses[-1])),
        "avg_loss_lowest": rounded_to(float(losses.min())),
        "epoch_of_the_lowest_avg_loss": int(losses.argmin()) + 1,
        "rises_from_epoch_to_epoch": count_rises(losses),
        "steps_from_epoch_to_epoch": len(losses) - 1,
        "sum_of_rises_after_epoch_2": float(f"{steps[steps > 0].sum():.4g}"),
    }


def rounded_to(value: float) -> float:
    """Return a loss to six decimals."""
    return round(value, 6)


def ends(courses: Mapping[float, Mapping[str, Any]]) -> str:
    """Return where the error on the training rows starts, where epoch 1 takes it and where it ends, in a sentence."""
    start = max(found["train_mse_at_the_start"] for found in courses.values())
    after, last = (
        " and ".join(f"{points(found[key])} at {rate:g}" for rate, found in courses.items())
        for key in ("train_mse_after_epoch_1", "train_mse_at_the_end")
    )
    return f"Epoch 1 takes the error on the three students from {points(start)} points² to {after}; it ends at {last}."


def creeps(courses: Mapping[float, Mapping[str, Any]]) -> str:
    """Return where the loss is lowest and how much it rises after epoch 2, in a sentence."""
    each = "; ".join(
        f"at {rate:g} the loss is lowest in epoch {found['epoch_of_the_lowest_avg_loss']} and its rises after epoch 2 "
        f"add up to {number(found['sum_of_rises_after_epoch_2'])} points²"
        for rate, found in courses.items()
    )
    return f"{each[0].upper()}{each[1:]}."


def points(value: float) -> str:
    """Return a loss as it stands in a sentence: with two decimals where it is below 1000, else without."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.2f}"


def judge_one_jump(trajectories: Mapping[float, Trajectory]) -> Judgement:
    """Look for a jump in epoch 1, and for rises after it."""
    courses = {rate: course(trajectory) for rate, trajectory in trajectories.items()}
    holds = all(
        found["train_mse_after_epoch_1"] > found["train_mse_at_the_start"] > found["avg_loss_at_the_end"]
        and found["sum_of_rises_after_epoch_2"] < CREEP
        for found in courses.values()
    )
    keys = ("train_mse_after_epoch_1", "epoch_of_the_lowest_avg_loss", "sum_of_rises_after_epoch_2")
    measured = {f"{key}_at_{rate:g}": found[key] for rate, found in courses.items() for key in keys}
    creep, where = max((found["sum_of_rises_after_epoch_2"], rate) for rate, found in courses.items())
    return ONE_JUMP.judge(
        holds,
        measured,
        {f"all rises of the loss after epoch 2 together, at {where:g} (points²)": creep, "allowed below": CREEP},
        creeps(courses),
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
        {"distance from the closed form, below (points²)": within_noise(distances), "allowed below": BIAS_TOLERANCE},
        f"The loss ends up to {number(max(distances))} points² from what the output bias alone would cost.",
    )


def within_noise(distances: Sequence[float]) -> float | None:
    """Return a power of ten above all distances, the same on every machine where they are rounding alone."""
    return bound([*distances, NOISE]) if distances else None


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
    excess = percent(float(np.float64(avg_loss) / train_mse) - 1)  # Of 0 it is infinity.
    return TWO_LOSSES.judge(
        avg_loss > (1 + EXCESS) * train_mse,
        measured,
        {"printed loss above the error at the end by (%)": excess, "needed more than": 100 * EXCESS},
        f"The printed loss, {number(avg_loss)}, is {number(excess)} % above the error of the final network.",
    )


def judge_linear(mse: float | None) -> Judgement:
    """Check the plane, and the error that linear regression left."""
    if mse is None:
        return LINEAR.judge(None, {"missing": "linear regression's error"})
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
