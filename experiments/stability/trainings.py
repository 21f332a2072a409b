"""The trainings that the limits are judged on, and the minimum of the gradient flow: a row of the table for each."""

from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

from student_score.arrays import Floats, Integers
from student_score.data.rows import Rows, Split, split_rows
from student_score.model.network import ARTICLE_START, Initialisation, initialise
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
from student_score.training.many import Trainings, train_many
from student_score.training.setup import Networks, Setup

from .claims import AT_MINIMUM, DEEP, FALL, LOSS_FLOOR, RISE

COARSE = tuple(round(5e-5 * k, 6) for k in range(1, 49))
"""Learning rates from 0.00005 to 0.0024, at whose minima the epoch's limit is searched for, which takes long."""

FINE = tuple(round(2e-7 * k, 7) for k in range(7500, 8501))
"""From 0.0015 to 0.0017, 6 % to either side of the limit."""

RATES = tuple(
    sorted(
        {*COARSE, *FINE, *(round(1e-5 * k, 6) for k in range(5, 151)), *(round(5e-6 * k, 6) for k in range(340, 481))}
    )
)
"""All of them; beside the fine ones every 0.00001 below and every 0.000005 above."""

CLOSE = tuple(sorted({round(1e-8 * k, 8) for k in range(165_001, 167_001)} - set(RATES)))
"""From where the simpler bounds are tried, the other rates: there the reversed orders reach few minima, not alike."""

CLOSEST = tuple(sorted({round(2e-8 * k, 8) for k in range(75_000, 85_001)} - set(RATES)))
"""From 0.0015 to 0.0017, too: among the reversed orders' collapses rises after a deep fall are rare."""

TOGETHER = 1000
"""Networks whose losses are kept at once."""

ORDERS = tuple(permutations(range(3)))
"""Of the article's three rows."""

EPOCHS = 60_000
"""Enough for every stable rate from 0.00035 to reach a minimum."""

DENSE, STRIDE = 2000, 7
"""The losses are taken after each of the first epochs, then after every seventh."""

HE_NETWORKS, HE_RATES = 2000, (0.0005, 0.0025)
"""Random starts, and between which rates theirs are evenly spaced."""

TRAIN_MSE, AVG_LOSS = "train_mse", "avg_loss"
"""Losses whose rises are looked for."""

THRESHOLDS = tuple((fall, rise) for fall in (0.1 * DEEP, DEEP, FALL) for rise in (1.1, RISE, 3.0))
"""Definitions of a fall and a rise: those that decide, and some around them."""

NOT_FALLEN = -1
"""Stands for the epoch of a rise where a training ended before its loss had fallen."""

FLOW_TIME = 300.0
"""As much as a million epochs at a rate of 0.0001: the flow's residuals are then zero but for rounding."""

ARTICLE, CLOSELY, DEEPLY, HE = "article", "article, minima", "article, deep falls", "he"
"""Starts; the second at the close rates, where minima alone are looked at, the third where rises after a deep fall are.
"""

FLOW = "flow"
"""Stands for the row order of the gradient flow, which has none."""


def trainings(
    rows: Mapping[str, Rows],
    *,
    rates: Sequence[float] = RATES,
    close: Sequence[float] = CLOSE,
    closest: Sequence[float] = CLOSEST,
    orders: Sequence[Sequence[int]] = ORDERS,
    epochs: int = EPOCHS,
    he_networks: int = HE_NETWORKS,
) -> pd.DataFrame:
    """Train from the article's start at every rate and row order, and from He starts; the first row is the flow's."""
    split = split_rows(rows["student_scores"])
    landscape = Landscape(split.train, ARTICLE_START.hidden_size)
    parts = [[flow_row(landscape)]]
    parts += [article_rows(landscape, split, rates, order, epochs) for order in orders]
    parts += [close_rows(landscape, split, close, order, epochs) for order in orders]
    parts += [deep_rows(split, closest, order, epochs) for order in orders]
    parts += [he_rows(landscape, split, he_networks, epochs)]
    return pd.DataFrame([row for part in parts for row in part])


def article_rows(
    landscape: Landscape, split: Split, rates: Sequence[float], order: Sequence[int], epochs: int
) -> list[dict[str, Any]]:
    """Train from the article's start in one row order; a row for each rate, with the rises of its loss."""
    recorded = recorded_epochs(epochs)
    setup = Setup(split=split, hidden_size=ARTICLE_START.hidden_size, epochs=epochs, recorded_epochs=recorded)
    networks = Networks(starts=ARTICLE_START.flat(), learning_rate=rates, row_order=order)
    trained = train_many(setup, networks)
    variance = float(np.var(split.train.targets))
    table = ended(landscape, trained, rates, order)
    for row, train_mse, avg_loss in zip(table, trained.train_mse, trained.avg_loss, strict=True):
        found = rises(TRAIN_MSE, recorded, train_mse, variance) | rises(AVG_LOSS, recorded, avg_loss, variance)
        row |= {"start": ARTICLE, **found}
    return table


def close_rows(
    landscape: Landscape, split: Split, rates: Sequence[float], order: Sequence[int], epochs: int
) -> list[dict[str, Any]]:
    """Train from the article's start in one row order; a row for each rate, without the rises of its loss."""
    if not rates:
        return []
    setup = Setup(split=split, hidden_size=ARTICLE_START.hidden_size, epochs=epochs)
    trained = train_many(setup, Networks(starts=ARTICLE_START.flat(), learning_rate=rates, row_order=order))
    return [{**row, "start": CLOSELY} for row in ended(landscape, trained, rates, order)]


def deep_rows(split: Split, rates: Sequence[float], order: Sequence[int], epochs: int) -> list[dict[str, Any]]:
    """Train from the article's start in one row order; a row for each rate, with the rises after a deep fall alone."""
    recorded, variance = recorded_epochs(epochs), float(np.var(split.train.targets))
    setup = Setup(split=split, hidden_size=ARTICLE_START.hidden_size, epochs=epochs, recorded_epochs=recorded)
    table: list[dict[str, Any]] = []
    for first in range(0, len(rates), TOGETHER):
        some = rates[first : first + TOGETHER]
        trained = train_many(setup, Networks(starts=ARTICLE_START.flat(), learning_rate=some, row_order=order))
        curves = zip(some, trained.outcomes, trained.train_mse, trained.avg_loss, strict=True)
        table += [
            {
                "row_order": written(order),
                "learning_rate": rate,
                "outcome": outcome.name,
                "start": DEEPLY,
                rise_name(TRAIN_MSE, DEEP, RISE): rise_epoch(recorded, train_mse, DEEP * variance, RISE),
                rise_name(AVG_LOSS, DEEP, RISE): rise_epoch(recorded, avg_loss, DEEP * variance, RISE),
            }
            for rate, outcome, train_mse, avg_loss in curves
        ]
    return table


def he_rows(landscape: Landscape, split: Split, networks: int, epochs: int) -> list[dict[str, Any]]:
    """Train from He starts, each at a rate of its own, in the order of the table; a row for each."""
    if networks == 0:
        return []
    size = ARTICLE_START.hidden_size
    starts = [
        initialise(Initialisation.he, n_features=2, hidden_size=size, seed=seed).flat() for seed in range(networks)
    ]
    rates = np.linspace(*HE_RATES, networks).round(9).tolist()
    setup = Setup(split=split, hidden_size=size, epochs=epochs)
    trained = train_many(setup, Networks(starts=np.stack(starts), learning_rate=rates))
    table = ended(landscape, trained, rates, range(len(split.train)))
    return [{**row, "start": HE, "seed": seed} for seed, row in enumerate(table)]


def recorded_epochs(epochs: int) -> Integers:
    """Return the epochs after which the losses are taken."""
    return np.concatenate([np.arange(1, min(DENSE, epochs) + 1), np.arange(DENSE + STRIDE, epochs + 1, STRIDE)])


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
        "start": ARTICLE,
        **at_minimum(landscape, minimum, 0.0, range(len(gram))),
        **{f"cyclic_limit_{written(order)}": cyclic_threshold(gram, order) for order in ORDERS},
        "shuffled_limit": shuffled_threshold(gram),
        "with_replacement_limit": with_replacement_threshold(gram),
        "kink_distance": float(landscape.kink_distance(minimum)),
    }


def written(order: Sequence[int]) -> str:
    """Return a row order as it is written: 123 is the table's."""
    return "".join(str(row + 1) for row in order)


def ended(
    landscape: Landscape, trained: Trainings, rates: Sequence[float], order: Sequence[int]
) -> list[dict[str, Any]]:
    """Return a row for each training, with the limits of the minimum that it reached if it reached one."""
    table: list[dict[str, Any]] = []
    ends = zip(rates, trained.outcomes, trained.end.train_mse.tolist(), trained.finals, strict=True)
    for rate, outcome, train_mse, final in ends:
        reached = outcome is Outcome.converged and train_mse < AT_MINIMUM
        table.append(
            {
                "row_order": written(order),
                "learning_rate": rate,
                "outcome": outcome.name,
                "train_mse": train_mse,
                **(at_minimum(landscape, final, rate, order) if reached else {}),
            }
        )
    return table


def at_minimum(landscape: Landscape, p: Floats, rate: float, order: Sequence[int]) -> dict[str, float]:
    """Return the spectral radius at a minimum, and the rates at which the four operators reach their limits there.

    The epoch's limit is left out at rates that are not coarse.
    """
    gram = landscape.gram(p)
    return {
        "spectral_radius": float(spectral_radius(residual_map(gram, rate, order))),
        "sharpness": float(landscape.sharpness(p)),
        "per_row_limit": per_row_threshold(gram),
        "full_batch_limit": full_batch_threshold(gram),
        "batch_sharpness_limit": 2 / float(landscape.batch_sharpness(p)),
        **({"cyclic_limit": cyclic_threshold(gram, order)} if rate in (0.0, *COARSE) else {}),
    }


def rises(loss: str, epochs: Integers, curve: Floats, variance: float) -> dict[str, int]:
    """Return the epoch of the first rise of a fallen loss by each definition; 0 if there is none."""
    return {rise_name(loss, *each): rise_epoch(epochs, curve, each[0] * variance, each[1]) for each in THRESHOLDS}


def rise_name(loss: str, fall: float, rise: float) -> str:
    """Return the column of a loss's rises by one definition."""
    return f"rise_of_{loss}_{fall:g}_{rise:g}"


def rise_epoch(epochs: Integers, curve: Floats, level: float, rise: float) -> int:
    """Return the first epoch at which a loss that fell below a level has risen, as the claim `regrowth` defines it.

    Args:
        epochs: at which the loss was taken.
        curve: the loss; NaN after divergence.
        level: below which it has fallen.
        rise: how many times its lowest value since it must exceed.

    Returns:
        0 if it never rises, NOT_FALLEN if it never falls.
    """
    fallen = np.flatnonzero(curve < level)
    if not len(fallen):
        return NOT_FALLEN
    late = np.maximum(curve[fallen[0] :], LOSS_FLOOR)
    risen = np.flatnonzero(~(late <= rise * np.fmin.accumulate(late)))  # What is not a number has risen, too.
    return int(epochs[fallen[0] + risen[0]]) if len(risen) else 0
