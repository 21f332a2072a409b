"""Train one network on a split of the rows, and observe it."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from student_score.activations import Activation
from student_score.dataset import Scaling, Split
from student_score.errors import InputError
from student_score.network import Parameters, dead_units, predict
from student_score.outcome import end_state
from student_score.reference import Network, train_epochs
from student_score.sampling import Sampling, row_orders
from student_score.trajectory import Trajectory, log_spaced_epochs

ALGORITHM_VERSION = 1
"""Raised whenever the same configuration and data would give other numbers; part of every run's identity."""


def train(
    split: Split,
    start: Parameters,
    *,
    learning_rate: float,
    epochs: int,
    activation: Activation = Activation.relu,
    sampling: Sampling = Sampling.cyclic,
    row_order: Sequence[int] | None = None,
    seed: int = 0,
    recorded_epochs: NDArray[np.int64] | None = None,
) -> Trajectory:
    """Train by gradient descent on the half loss and return the whole trajectory.

    Args:
        split: training rows, test rows and scaling; losses come back in score points squared.
        start: the parameters to start from; they are not changed.
        learning_rate: step size, positive and finite.
        epochs: passes over the training rows, at least 1.
        activation: of the hidden units.
        sampling: in which order, and how many rows at a time.
        row_order: a permutation of 0..n-1 for `cyclic` and `full_batch`; the file's order by default.
        seed: of the random orders of `shuffled` and `with_replacement`.
        recorded_epochs: (m,) increasing epochs after which train_mse and test_mse are taken; at most 200
            log-spaced ones by default.

    Raises:
        InputError: a value is outside its range. Divergence is no error: it is the trajectory's outcome.
    """
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise InputError(f"learning_rate={learning_rate} must be a positive, finite number")
    if epochs < 1:
        raise InputError(f"epochs={epochs} must be at least 1")
    if start.n_features != split.train.features.shape[1]:
        raise InputError(f"the start has {start.n_features} features, the rows {split.train.features.shape[1]}")
    wanted = log_spaced_epochs(epochs, 200) if recorded_epochs is None else recorded_epochs
    if not (len(wanted) and wanted[0] >= 1 and wanted[-1] <= epochs and (np.diff(wanted) > 0).all()):
        raise InputError(f"recorded_epochs={wanted} must increase within 1..{epochs}")
    parts = [split.train] if split.test is None else [split.train, split.test]
    scaled = [split.scaling.apply(rows) for rows in parts]
    lists = [(rows.features.tolist(), rows.targets.tolist()) for rows in scaled]
    net = Network.of(start)
    avg_loss: list[float] = []
    errors: list[list[float]] = []
    due = iter([*wanted.tolist(), None])
    next_due = next(due)
    collapse_epoch = diverged_epoch = None
    orders = row_orders(sampling, len(split.train), epochs, row_order=row_order, seed=seed)
    loop = train_epochs(
        net,
        *lists[0],
        activation=activation,
        learning_rate=learning_rate,
        orders=orders,
        full_batch=sampling is Sampling.full_batch,
    )
    squared_points = split.scaling.target_deviation**2
    for epoch, (loss, active) in enumerate(loop, start=1):
        avg_loss.append(loss * squared_points)
        if not (math.isfinite(avg_loss[-1]) and net.is_finite()):
            diverged_epoch = epoch
            break
        if not active and collapse_epoch is None:
            collapse_epoch = epoch
        if epoch == next_due:
            errors.append([net.mean_squared_error(*rows, activation) for rows in lists])
            next_due = next(due)
    return assemble(
        split, start, net.parameters(), activation, np.array(avg_loss), wanted, errors, collapse_epoch, diverged_epoch
    )


def assemble(
    split: Split,
    start: Parameters,
    final: Parameters,
    activation: Activation,
    avg_loss: NDArray[np.float64],
    wanted: NDArray[np.int64],
    errors: list[list[float]],
    collapse_epoch: int | None,
    diverged_epoch: int | None,
) -> Trajectory:
    """Return the trajectory, given avg_loss in score points squared and the errors in the network's own units."""
    with np.errstate(all="ignore"):  # The error of a network about to diverge may exceed the largest double.
        mse = np.array(errors, dtype=np.float64).reshape(len(errors), 1 if split.test is None else 2)
        mse *= split.scaling.target_deviation**2
    predictions = predict_scores(final, split.train.features, activation=activation, scaling=split.scaling)
    with np.errstate(all="ignore"):  # A diverged network's error may be inf or nan.
        train_mse = float(np.mean((predictions - split.train.targets) ** 2))
        end = end_state(avg_loss, predictions, split.train.targets, train_mse=train_mse, finite=diverged_epoch is None)
    return Trajectory(
        avg_loss=avg_loss,
        recorded_epochs=wanted[: len(errors)],
        train_mse=mse[:, 0],
        test_mse=None if split.test is None else mse[:, 1],
        start=start,
        final=final,
        predictions=predictions,
        dead_units=dead_units(final, split.scaling.features(split.train.features), activation),
        end=end,
        collapse_epoch=collapse_epoch,
        diverged_epoch=diverged_epoch,
    )


def predict_scores(
    parameters: Parameters, features: NDArray[np.float64], *, activation: Activation, scaling: Scaling
) -> NDArray[np.float64]:
    """Return predicted scores (n,) in points for features (n, n_features) in their own units."""
    return scaling.scores(predict(parameters, scaling.features(features), activation))
