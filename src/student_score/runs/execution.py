"""Runs: tasks that have been trained, beside their baselines."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from time import perf_counter, time

import numpy as np

from student_score.arrays import Floats
from student_score.data.baseline import Baseline, fit_baselines
from student_score.runs.task import Task
from student_score.stability.landscape import Landscape
from student_score.training.setup import Networks, Observable, Setup
from student_score.training.train import predict_scores, train_each
from student_score.training.trajectory import Trajectory, log_spaced_epochs

HESSIAN_VALUES = 2**22
"""Values (32 MiB) of the Hessians, or of the derivatives of all rows, that are kept at once."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A trained task beside its baselines.

    Attributes:
        task: what was asked for.
        trajectory: what became of it.
        baselines: their errors on the same split, by name.
        predictions: (m,) scores of the task's inputs.
        started: when, in milliseconds since 1970.
        seconds: how long it trained.
        sharpness: (k,) at the recorded epochs, in the network's own units; None unless it is observed.
    """

    task: Task
    trajectory: Trajectory
    baselines: dict[str, Baseline]
    predictions: Floats
    started: int
    seconds: float
    sharpness: Floats | None = None

    @property
    def test_mse(self) -> float | None:
        """The last mean squared error on the test rows; None without any."""
        curve = self.trajectory.test_mse
        return None if curve is None or not len(curve) else float(curve[-1])

    @cached_property
    def validation_mse(self) -> float | None:
        """The mean squared error of the final weights on the validation rows; None without any, or if it diverged."""
        rows = self.task.split.validation
        if rows is None or self.trajectory.diverged_epoch is not None:
            return None
        scores = predict_scores(
            self.trajectory.final,
            rows.features,
            activation=self.task.config.network.activation,
            scaling=self.task.split.scaling,
        )
        with np.errstate(over="ignore"):  # A training that blew up without diverging may err by more than a double.
            return float(np.mean((scores - rows.targets) ** 2))

    @property
    def objective(self) -> float:
        """What an optimiser would make small: the final validation_mse, else test_mse, else train_mse; inf if diverged.

        Where there are validation rows they decide, so that the test rows select nothing.
        """
        if self.trajectory.diverged_epoch is not None:
            return inf
        errors = (self.validation_mse, self.test_mse, self.trajectory.end.train_mse)
        return next(error for error in errors if error is not None)


def execute(task: Task) -> Run:
    """Train the task and fit the baselines on the same split."""
    [run] = execute_together([task])
    return run


def execute_together(tasks: Sequence[Task]) -> list[Run]:
    """Train tasks that agree in `together` at once; return each beside its baselines.

    The time of trainings that run at once cannot be told apart: each is given an equal share.
    """
    config, split = tasks[0].config, tasks[0].split
    network, training = config.network, config.training
    started, clock = int(time() * 1000), perf_counter()
    setup = Setup(
        split=split,
        hidden_size=network.hidden_size,
        epochs=training.epochs,
        activation=network.activation,
        sampling=training.sampling,
        recorded_epochs=log_spaced_epochs(training.epochs, config.tracking.curve_points),
    )
    trajectories = list(train_each(setup, networks(tasks), trainer=training.trainer, observe=training.observe))
    seconds = (perf_counter() - clock) / len(tasks)
    baselines = fit_baselines(split)
    return [
        Run(
            task=task,
            trajectory=trajectory,
            baselines=baselines,
            predictions=predict_scores(
                trajectory.final, task.inputs, activation=network.activation, scaling=split.scaling
            ),
            started=started,
            seconds=seconds,
            sharpness=sharpness(task, trajectory) if Observable.sharpness in training.observe else None,
        )
        for task, trajectory in zip(tasks, trajectories, strict=True)
    ]


def networks(tasks: Sequence[Task]) -> Networks:
    """Return what belongs to each task's network."""
    trainings, own_order = [task.config.training for task in tasks], list(range(len(tasks[0].split.train)))
    orders = None
    if any(training.row_order is not None for training in trainings):
        orders = [own_order if training.row_order is None else training.row_order for training in trainings]
    return Networks(
        starts=np.stack([task.start.flat() for task in tasks]),
        learning_rate=[training.learning_rate for training in trainings],
        row_order=orders,
        seed=[training.seed for training in trainings],
    )


def sharpness(task: Task, trajectory: Trajectory) -> Floats:
    """Return the sharpness (m,) of the half loss on the training rows, as the network sees them, at recorded epochs."""
    if trajectory.observed is None:
        raise TypeError("the trajectory kept no parameters")
    network, split = task.config.network, task.split
    landscape = Landscape(split.scaling.apply(split.train), network.hidden_size, network.activation)
    at_once = max(1, HESSIAN_VALUES // (landscape.size * max(landscape.size, len(split.train))))
    values = np.empty(len(trajectory.observed))
    for first in range(0, len(values), at_once):
        chosen = slice(first, first + at_once)
        values[chosen] = landscape.sharpness(trajectory.observed[chosen])
    return values
