"""Train one network, or several of one shape, and return the whole trajectory of each."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from student_score.arrays import Floats, Integers
from student_score.data.rows import Scaling, Split
from student_score.errors import InputError
from student_score.model.activations import Activation
from student_score.model.network import Parameters, dead_units, predict
from student_score.model.outcome import end_state
from student_score.model.sampling import Sampling, row_orders
from student_score.training.reference import Network, train_epochs
from student_score.training.setup import Networks, Observable, Setup, Trainer, check_epochs, check_observe
from student_score.training.trajectory import Trajectory, log_spaced_epochs

ALGORITHM_VERSION = 4
"""Raised whenever the same configuration and data would give other numbers; part of every run's identity."""

RECORDED = 200
"""Log-spaced epochs at most after which `train` takes the mean squared errors, unless it is told which."""


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
    recorded_epochs: ArrayLike | None = None,
    trainer: Trainer = Trainer.compiled,
    observe: Sequence[Observable] = (),
) -> Trajectory:
    """Train by gradient descent on the half loss and return the whole trajectory.

    >>> from student_score import ARTICLE_ROWS, ARTICLE_START, split_rows, train
    >>> trajectory = train(split_rows(ARTICLE_ROWS), ARTICLE_START, learning_rate=0.01, epochs=1000)
    >>> trajectory.outcome.name, trajectory.collapse_epoch, round(float(trajectory.avg_loss[-1]), 2)
    ('collapsed', 2, 218.85)

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
        trainer: which of the two equal trainers runs.
        observe: if not empty, the trajectory keeps the parameters at the recorded epochs. The compiled trainer cannot
            be looked into, so the reference trainer then runs whatever `trainer` says; no bit of the rest changes.

    Raises:
        InputError: a value is outside its range. Divergence is no error: it is the trajectory's outcome.
    """
    check_epochs(epochs)
    setup = Setup(
        split=split,
        hidden_size=start.hidden_size,
        epochs=epochs,
        activation=activation,
        sampling=sampling,
        recorded_epochs=log_spaced_epochs(epochs, RECORDED) if recorded_epochs is None else recorded_epochs,
    )
    networks = Networks(starts=start.flat(), learning_rate=learning_rate, row_order=row_order, seed=seed)
    [trajectory] = train_each(setup, networks, trainer=trainer, observe=observe)
    return trajectory


def train_each(
    setup: Setup, networks: Networks, *, trainer: Trainer = Trainer.compiled, observe: Sequence[Observable] = ()
) -> Iterator[Trajectory]:
    """Train networks together and yield the trajectory of each, as `train` would, bit for bit.

    The whole curves of all of them are in memory at once, networks * epochs doubles.

    Raises:
        InputError: before any is trained, as `train` does.
    """
    check_observe(observe, setup.size)
    each = networks.each(setup)
    if observe or trainer is Trainer.reference:
        if not np.array_equal(each.hidden_rates, each.output_rates):
            raise InputError("output_learning_rate: the reference trainer has one rate for all weights")
        return with_reference(setup, networks, keep_parameters=bool(observe))
    return with_engine(setup, networks)


def with_reference(setup: Setup, networks: Networks, *, keep_parameters: bool) -> Iterator[Trajectory]:
    """Train one network after the other with the reference trainer, and look at each as it trains."""
    each, full_batch = networks.each(setup), setup.sampling is Sampling.full_batch
    lists = [(rows.features.tolist(), rows.targets.tolist()) for rows in setup.scaled]
    n, squared_points = len(setup.split.train), setup.split.scaling.squared_points
    recorded = set(np.asarray(setup.recorded_epochs).tolist())
    for flat, rate, _, order, seed in zip(*each, strict=True):
        start = Parameters.from_flat(flat, n_features=setup.n_features, hidden_size=setup.hidden_size)
        net, avg_loss, errors, states = Network.of(start), list[float](), list[list[float]](), list[Floats]()
        quiet_since = diverged_epoch = None
        fixed = order.tolist() if setup.sampling in {Sampling.cyclic, Sampling.full_batch} else None
        orders = row_orders(setup.sampling, n, setup.epochs, row_order=fixed, seed=int(seed))
        loop = train_epochs(
            *(net, *lists[0]),
            activation=setup.activation,
            learning_rate=float(rate),
            orders=orders,
            full_batch=full_batch,
        )
        for epoch, (loss, active) in enumerate(loop, start=1):
            avg_loss.append(loss)
            quiet_since = None if active else quiet_since or epoch
            if not (math.isfinite(loss * squared_points) and net.is_finite()):
                diverged_epoch = epoch
                break
            if epoch in recorded:
                errors.append([net.mean_squared_error(*rows, setup.activation) for rows in lists])
                if keep_parameters:
                    states.append(net.parameters().flat())
        # Hidden weights rest while no unit is active: where none is on any row now, none was since then. An epoch that
        # diverged was none to collapse in.
        constant = setup.can_collapse and net.is_constant(lists[0][0], setup.activation)
        yield trajectory(
            setup,
            start,
            net.parameters(),
            avg_loss=np.array(avg_loss),
            errors=np.array(errors, dtype=np.float64).reshape(len(errors), len(lists)),
            collapse_epoch=quiet_since if constant and quiet_since != diverged_epoch else None,
            diverged_epoch=diverged_epoch,
            observed=np.array(states, dtype=np.float64).reshape(len(states), setup.size) if keep_parameters else None,
        )


def with_engine(setup: Setup, networks: Networks) -> Iterator[Trajectory]:
    """Train all at once with the compiled trainer."""
    from student_score.training.engine import train_networks  # Late: importing numba takes half a second.

    trained = train_networks(setup, networks, loss_epochs=np.arange(1, setup.epochs + 1))
    curves = [trained.train_mse] if trained.test_mse is None else [trained.train_mse, trained.test_mse]
    shape = {"n_features": setup.n_features, "hidden_size": setup.hidden_size}
    for k, start in enumerate(networks.each(setup).starts):
        diverged = int(trained.diverged_epoch[k])
        ran, recorded = diverged or setup.epochs, trained.recorded_epochs
        # An epoch that ends in divergence has a loss and no mean squared error.
        records = int(np.count_nonzero(recorded < diverged)) if diverged else len(recorded)
        yield trajectory(
            setup,
            Parameters.from_flat(start, **shape),
            Parameters.from_flat(trained.finals[k], **shape),
            avg_loss=trained.avg_loss[k, :ran].copy(),
            errors=np.stack([curve[k, :records] for curve in curves], axis=1),
            collapse_epoch=int(trained.collapse_epoch[k]) or None,
            diverged_epoch=diverged or None,
        )


def trajectory(
    setup: Setup,
    start: Parameters,
    final: Parameters,
    *,
    avg_loss: Floats,
    errors: Floats,
    collapse_epoch: int | None,
    diverged_epoch: int | None,
    observed: Floats | None = None,
) -> Trajectory:
    """Return the trajectory, in score points, of what a trainer measured in the network's own units.

    Args:
        setup: what was trained.
        start: where it started.
        final: where it ended.
        avg_loss: (epochs run,) of every epoch.
        errors: (k, 1) train_mse, or (k, 2) with test_mse, at the first k recorded epochs, as far as it ran.
        collapse_epoch: as in `Trajectory`.
        diverged_epoch: likewise.
        observed: likewise.
    """
    split, activation = setup.split, setup.activation
    recorded: Integers = np.asarray(setup.recorded_epochs)[: len(errors)]
    with np.errstate(all="ignore"):  # The errors of a network about to diverge may exceed the largest double.
        errors, avg_loss = errors * split.scaling.squared_points, avg_loss * split.scaling.squared_points
    predictions = predict_scores(final, split.train.features, activation=activation, scaling=split.scaling)
    with np.errstate(all="ignore"):  # A diverged network's error may be inf or nan.
        train_mse = float(np.mean((predictions - split.train.targets) ** 2))
        end = end_state(
            avg_loss,
            predictions,
            split.train.targets,
            train_mse=train_mse,
            finite=diverged_epoch is None,
            random_order=setup.sampling.is_random,
        )
    return Trajectory(
        avg_loss=avg_loss,
        recorded_epochs=recorded,
        train_mse=errors[:, 0],
        test_mse=None if split.test is None else errors[:, 1],
        start=start,
        final=final,
        predictions=predictions,
        dead_units=dead_units(final, setup.scaled[0].features, activation),
        end=end,
        collapse_epoch=collapse_epoch,
        diverged_epoch=diverged_epoch,
        observed=observed,
    )


def predict_scores(parameters: Parameters, features: Floats, *, activation: Activation, scaling: Scaling) -> Floats:
    """Return predicted scores (n,) in points for features (n, n_features) in their own units."""
    return scaling.scores(predict(parameters, scaling.features(features), activation))
