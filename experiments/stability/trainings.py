"""What is trained: every rate in every row order; and the stability limits at the minima that are reached."""

from collections.abc import Mapping, Sequence

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

from .claims import AT_MINIMUM, EPOCHS, FIRST_EPOCHS, FLOW, FLOW_TIME, LOSS_FLOOR, ORDERS, RATES, RISE


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
    flow = landscape.gradient_flow(ARTICLE_START.flat(), [FLOW_TIME])[0]
    table = [
        {
            "row_order": FLOW,
            "learning_rate": 0.0,
            "outcome": Outcome.converged.name,
            "train_mse": float(np.mean(landscape.residuals(flow) ** 2)),
            "rise_epoch": 0,
            **at_minimum(landscape, flow, 0.0, range(len(split.train))),
            **other_limits(landscape, flow),
        }
    ]
    grid = [(rate, tuple(order)) for rate in rates for order in orders]
    setup = Setup(split=split, hidden_size=ARTICLE_START.hidden_size, epochs=epochs)
    networks = Networks(
        starts=ARTICLE_START.flat(), learning_rate=[rate for rate, _ in grid], row_order=[order for _, order in grid]
    )
    for (rate, order), trained in zip(grid, train_each(setup, networks), strict=True):
        minimum = trained.outcome is Outcome.converged and trained.end.train_mse < AT_MINIMUM
        final = trained.final.flat()
        table.append(
            {
                "row_order": "".join(str(row + 1) for row in order),
                "learning_rate": rate,
                "outcome": trained.outcome.name,
                "train_mse": trained.end.train_mse,
                "rise_epoch": rise_epoch(trained.avg_loss),
                **(at_minimum(landscape, final, rate, order) if minimum else {}),
            }
        )
    return pd.DataFrame(table)


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


def other_limits(landscape: Landscape, p: Floats) -> dict[str, float]:
    """Return the limits of random orders at a minimum, and how far it is from the nearest kink of the half loss.

    Linear stability speaks of a neighbourhood without a kink.
    """
    gram = landscape.gram(p)
    return {
        "shuffled_limit": shuffled_threshold(gram),
        "with_replacement_limit": with_replacement_threshold(gram),
        "kink_distance": float(landscape.kink_distance(p)),
    }


def rise_epoch(avg_loss: Floats) -> int:
    """Return the epoch of the first rise, as the claim `regrowth` defines it; 0 if there is none."""
    late = avg_loss[FIRST_EPOCHS:]
    lowest = np.maximum(np.fmin.accumulate(late), LOSS_FLOOR)
    rises = np.flatnonzero(late > (1 + RISE) * lowest)
    return FIRST_EPOCHS + int(rises[0]) + 1 if len(rises) else 0
