"""The trainings that the limits are judged on, and the minimum of the gradient flow: a row of the table for each."""

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

from student_score.arrays import Floats
from student_score.data.rows import Rows, split_rows
from student_score.model.network import ARTICLE_START
from student_score.model.outcome import Outcome
from student_score.stability.landscape import Landscape, spectral_radius
from student_score.stability.thresholds import (
    cyclic_threshold,
    full_batch_threshold,
    per_row_threshold,
    residual_map,
    shuffled_threshold,
    with_replacement_threshold,
)
from student_score.training.setup import Networks, Setup
from student_score.training.train import train_each
from student_score.training.trajectory import Trajectory

from .claims import AT_MINIMUM

RATES = tuple(round(5e-5 * k, 6) for k in range(1, 49))
"""Learning rates, from 0.00005 to 0.0024."""

ORDERS = tuple(permutations(range(3)))
"""Of the article's three rows."""

EPOCHS = 60_000
"""Enough for every stable rate from 0.00035 to reach a minimum."""

FLOW_TIME = 300.0
"""As much as a million epochs at a rate of 0.0001: the flow's residuals are then zero but for rounding."""

FIRST_EPOCHS = 100
"""In which a loss falls for the first time; the claim `regrowth` leaves them out."""

RISE = 0.01
"""Share by which a loss exceeds the lowest before it where it grows again."""

LOSS_FLOOR = 1e-12
"""Score points squared; below it rounding moves avg_loss."""

FLOW = "flow"
"""Stands for the row order of the gradient flow, which has none."""


def trainings(
    rows: Mapping[str, Rows],
    *,
    rates: Sequence[float] = RATES,
    orders: Sequence[Sequence[int]] = ORDERS,
    epochs: int = EPOCHS,
) -> pd.DataFrame:
    """Train the article's network at every rate and row order; a row for each training, the first for the flow."""
    split = split_rows(rows["student_scores"])
    landscape = Landscape(split.train, ARTICLE_START.hidden_size)
    grid = [(rate, tuple(order)) for rate in rates for order in orders]
    setup = Setup(split=split, hidden_size=ARTICLE_START.hidden_size, epochs=epochs)
    networks = Networks(
        starts=ARTICLE_START.flat(), learning_rate=[rate for rate, _ in grid], row_order=[order for _, order in grid]
    )
    trained = zip(grid, train_each(setup, networks), strict=True)
    return pd.DataFrame([flow_row(landscape), *(training_row(landscape, *each, end) for each, end in trained)])


def flow_row(landscape: Landscape) -> dict[str, Any]:
    """Follow the gradient flow from the article's start to its minimum, and return its row of the table.

    It alone has the limits of random orders, and the distance to the nearest kink, within which linear stability
    speaks.
    """
    minimum = landscape.gradient_flow(ARTICLE_START.flat(), [FLOW_TIME])[0]
    gram = landscape.gram(minimum)
    return {
        "row_order": FLOW,
        "learning_rate": 0.0,
        "outcome": Outcome.converged.name,
        "train_mse": float(np.mean(landscape.residuals(minimum) ** 2)),
        "rise_epoch": 0,
        **at_minimum(landscape, minimum, 0.0, range(len(gram))),
        "shuffled_limit": shuffled_threshold(gram),
        "with_replacement_limit": with_replacement_threshold(gram),
        "kink_distance": float(landscape.kink_distance(minimum)),
    }


def training_row(landscape: Landscape, rate: float, order: Sequence[int], trained: Trajectory) -> dict[str, Any]:
    """Return a training's row of the table, with the limits of the minimum that it reached if it reached one."""
    reached = trained.outcome is Outcome.converged and trained.end.train_mse < AT_MINIMUM
    return {
        "row_order": "".join(str(row + 1) for row in order),
        "learning_rate": rate,
        "outcome": trained.outcome.name,
        "train_mse": trained.end.train_mse,
        "rise_epoch": rise_epoch(trained.avg_loss),
        **(at_minimum(landscape, trained.final.flat(), rate, order) if reached else {}),
    }


def at_minimum(landscape: Landscape, p: Floats, rate: float, order: Sequence[int]) -> dict[str, float]:
    """Return the spectral radius at a minimum, and the rates at which the four operators reach their limits there."""
    gram = landscape.gram(p)
    return {
        "spectral_radius": float(spectral_radius(residual_map(gram, rate, order))),
        "sharpness": float(landscape.sharpness(p)),
        "cyclic_limit": cyclic_threshold(gram, order),
        "per_row_limit": per_row_threshold(gram),
        "full_batch_limit": full_batch_threshold(gram),
        "batch_sharpness_limit": 2 / float(landscape.batch_sharpness(p)),
    }


def rise_epoch(avg_loss: Floats) -> int:
    """Return the epoch of the first rise, as the claim `regrowth` defines it; 0 if there is none."""
    late = avg_loss[FIRST_EPOCHS:]
    lowest = np.maximum(np.fmin.accumulate(late), LOSS_FLOOR)
    rises = np.flatnonzero(late > (1 + RISE) * lowest)
    return FIRST_EPOCHS + int(rises[0]) + 1 if len(rises) else 0
