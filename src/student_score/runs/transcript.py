"""What people read of a run: the article's lines, then what the article does not say."""

from collections.abc import Iterator, Sequence

import numpy as np

from student_score.arrays import Floats
from student_score.data.baseline import BASELINES, EXACT, Baseline, left_out
from student_score.masking import visible
from student_score.model.network import Parameters
from student_score.model.outcome import COLLAPSED_SPREAD, Outcome, r_squared
from student_score.runs.execution import Run
from student_score.runs.task import LISTED_ROWS
from student_score.training.trajectory import Trajectory

LISTED_PARAMETERS = 50
"""Up to so many weights are printed, and recorded as metrics, one by one; larger networks keep them in files."""


def transcript(run: Run) -> Iterator[str]:
    """Yield the lines a run prints."""
    config, trajectory = run.task.config, run.trajectory
    yield from epoch_lines(trajectory, config.print_every)
    yield from weight_lines(trajectory.final, run.task.feature_names)
    for values, score in zip(run.task.inputs, run.task.within(run.predictions), strict=True):
        described = ", ".join(described_input(n, v) for n, v in zip(run.task.feature_names, values, strict=True))
        yield f"Input: [{described}] -> Predicted score: {rounded(score, 1)}"
    if config.dataset.target_range is not None and len(run.predictions):
        yield outside(run.predictions, config.dataset.target_range, " and were clipped")
    yield ""
    yield f"Outcome: {trajectory.outcome.name} - {trajectory.outcome.sentence}"
    if trajectory.diverged_epoch is not None:
        yield f"Diverged in epoch: {trajectory.diverged_epoch}"
    yield f"Collapsed in epoch: {described_collapse(trajectory) or 'never'}"
    yield f"Avg Loss, each error before its row's update: {trajectory.avg_loss[-1]:.4g}"
    mean = run.baselines["mean"]
    ours = Baseline(trajectory.end.train_mse, run.test_mse, run.validation_mse)
    yield f"Mean squared error at the final weights: {described_errors(ours, mean)}"
    for name, baseline in run.baselines.items():
        label = BASELINES[name][0]
        yield f"{label[0].upper()}{label[1:]} on the same rows: {described_errors(baseline, mean)}"
    yield from least_possible(run)
    yield from reservations(run)


def outside(scores: Floats, ends: Sequence[float], rest: str) -> str:
    """Return in words how many predictions (n,) lie outside a range; the sentence ends with `rest`."""
    low, high = ends
    count = int(np.count_nonzero((scores < low) | (scores > high)))
    return f"{count:,} of {len(scores):,} predictions lay outside {low:g} to {high:g}{rest}"


def described_collapse(trajectory: Trajectory) -> str:
    """Return since when no hidden unit has been active, or how a training collapsed without such an epoch, or ""."""
    if trajectory.collapse_epoch is not None:
        return f"{trajectory.collapse_epoch} (first epoch without a hidden unit active on any training row)"
    if trajectory.outcome is not Outcome.collapsed:
        return ""
    return (
        f"no single one (the predictions ended within {COLLAPSED_SPREAD:g} points of each other; hidden units were "
        "active up to the last epoch)"
    )


def least_possible(run: Run) -> Iterator[str]:
    """Yield the error of the best prediction there is, where students are simulated."""
    if run.task.least_error is not None:
        yield f"Least possible on new students of this world: {run.task.least_error:.4g}"


def reservations(run: Run) -> Iterator[str]:
    """Yield what the numbers above do not show, where the rows leave something open."""
    split = run.task.split
    for name, reason in left_out(split).items():
        label = BASELINES[name][0]
        yield f"{label[0].upper()}{label[1:]} is left out: {reason}"
    if len(split.train) == 1:
        yield "Trained on one row: its score has no variance, so that the outcome says nothing about fit"
    elif split.test is None and len(split.train) > LISTED_ROWS:
        yield "No row was held out for testing: dataset.test_fraction=0.25 shows the error on rows not trained on"


def epoch_lines(trajectory: Trajectory, every: int) -> Iterator[str]:
    """Yield the article's line for every `every`-th epoch."""
    for epoch in range(every, len(trajectory.avg_loss) + 1, every):
        yield f"Epoch {epoch}: Avg Loss = {rounded(trajectory.avg_loss[epoch - 1], 2)}"


def weight_lines(parameters: Parameters, features: Sequence[str]) -> Iterator[str]:
    """Yield the final weights, three decimals, of a network small enough to list."""
    if parameters.size > LISTED_PARAMETERS:
        yield f"Final weights: {parameters.size} numbers, see weights.json"
        return
    yield "Final weights:"
    for name, row in zip(features, parameters.w1, strict=True):
        yield f"  {label(name)} -> " + ", ".join(f"h{j}: {rounded(w, 3)}" for j, w in enumerate(row, start=1))
    for j, weight in enumerate(parameters.w2, start=1):
        yield f"  h{j} -> score: {rounded(weight, 3)}"
    yield f"  b1 = [{', '.join(rounded(b, 3) for b in parameters.b1)}], b2 = [{rounded(parameters.b2, 3)}]"


def rounded(value: float, digits: int) -> str:
    """Return a number as the article prints it: rounded, without trailing zeros, but never without a decimal."""
    return repr(round(float(value), digits))


def label(feature: str) -> str:
    """Return a column's name as the article says it: studied for hours_studied."""
    return visible(feature.removeprefix("hours_"))


def described_input(feature: str, value: float) -> str:
    """Return one input as the article prints it: studied: 5h."""
    return f"{label(feature)}: {value:g}{'h' if feature.startswith('hours_') else ''}"


def described_errors(errors: Baseline, mean: Baseline) -> str:
    """Return mean squared errors in a line's form, each with the share of the mean score's that it explains."""
    said = described_error(errors.train_mse, mean.train_mse)
    for rows in ("validation", "test"):
        error, of_mean = getattr(errors, f"{rows}_mse"), getattr(mean, f"{rows}_mse")
        if error is not None and of_mean is not None:
            said += f"; {rows} rows: {described_error(error, of_mean)}"
    return said


def described_error(mse: float, mean_mse: float) -> str:
    """Return a mean squared error and its R²; nothing more of the mean score itself, and 0 where all is rounding."""
    if mse < EXACT * mean_mse:
        return "0 (exact)"
    share = r_squared(1 - mse / mean_mse) if mean_mse > 0 and mse != mean_mse else ""
    return f"{mse:.4g}{f' (R² {share})' if share else ''}"
