"""The networks and the regressions that are compared: a row of the table for each."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtri

from student_score.data.baseline import fit_baselines
from student_score.data.rows import Rows, Scale, Split, split_rows
from student_score.data.simulation import (
    LONGEST_SLEEP,
    LONGEST_STUDY,
    SHORTEST_SLEEP,
    SLEEP,
    SLEEP_DEVIATION,
    World,
    expected_score,
    least_error,
    simulate,
)
from student_score.model.network import Initialisation, initialise
from student_score.model.sampling import Sampling
from student_score.training.many import train_many
from student_score.training.setup import Effort, Networks, Setup

NUMBERS = (10, 30, 100, 300)
"""Of students to train on."""

SEEDS = range(2000, 2200)
"""Of the replicates: `dataset=simulated dataset.seed=2017` gives the students of one.

Those of 0 to 199 were a pilot's; those of 1000 to 1199 were looked at before the claims were committed.
"""

SIZES = (2, 8)
"""Hidden units."""

NOISE = 5.0
"""Standard deviation of the scores, in points."""

RATE, EPOCHS, EARLIER = 0.01, 200, (20, 50, 100)
"""Of every training, as `StudentScoreRegressor` trains by default; and epochs after which errors are taken, too."""

GRID = (25, 80)
"""Hours studied and hours slept of the students on whom errors are measured."""

PLACES = 4
"""To which errors, in points squared, are rounded: processors and linear algebra differ at 1e-9."""

LINEAR, MEAN, QUADRATIC, RIDGE = "linear", "mean", "quadratic", "ridge"
"""What regressions are called in the table, as in every run's metrics."""


def network(size: int) -> str:
    """Return what networks of a size are called in the table."""
    return f"network of {size}"


ROWS: Mapping[str, Rows] = {
    world.name: Rows(
        *(
            np.concatenate(parts)
            for parts in zip(
                *(
                    (rows.features, rows.targets)
                    for rows in (simulate(world, max(NUMBERS), noise=NOISE, seed=seed) for seed in SEEDS)
                ),
                strict=True,
            )
        )
    )
    for world in World
}
"""The students of every replicate after each other, by world. The first 10 of a replicate's 300 are its 10."""


class Case(NamedTuple):
    """A world, how many students of it, and the seed of the replicate."""

    world: World
    n: int
    seed: int


def trainings(rows: Mapping[str, Rows], *, seeds: Sequence[int] = SEEDS) -> pd.DataFrame:
    """Train networks and fit regressions in each world, on each number of students and in each replicate.

    The table has a row for each: its error is the mean squared error on new students, in points squared.
    """
    cases = [Case(*case) for case in product(World, NUMBERS, seeds)]
    with ThreadPoolExecutor() as pool:  # The compiled trainer and linear algebra let other threads run.
        found = pool.map(lambda case: list(compared(rows[case.world.name], case)), cases, chunksize=1)
        return pd.DataFrame([row for each in found for row in each])


def students(rows: Rows, case: Case) -> Rows:
    """Return the students of a case."""
    first = SEEDS.index(case.seed) * max(NUMBERS)
    return rows.take(range(first, first + case.n))


@cache
def everyone(world: World) -> Rows:
    """Return students spread evenly over all there are, with their expected scores.

    Those of hours studied, and of quantiles of hours slept, are the middles of parts of equal probability.
    """
    middles = [(np.arange(parts) + 0.5) / parts for parts in GRID]
    slept = np.clip(SLEEP + SLEEP_DEVIATION * ndtri(middles[1]), SHORTEST_SLEEP, LONGEST_SLEEP)
    features = np.column_stack([np.repeat(LONGEST_STUDY * middles[0], GRID[1]), np.tile(slept, GRID[0])])
    return Rows(features, expected_score(world, features, noise=NOISE))


def compared(rows: Rows, case: Case) -> Iterator[dict[str, Any]]:
    """Yield the errors of every regression and every network in a case.

    Both are standardised by the rows they are trained on. The error on a new student is the least possible one, and
    the squared distance of the prediction from the expected score.
    """
    split = replace(split_rows(students(rows, case), scale=Scale.features_and_target), test=everyone(case.world))
    least = least_error(case.world, NOISE)
    common = {"world": case.world.name, "n": case.n, "seed": case.seed, "least": round(least, PLACES)}
    for name, found in fit_baselines(split).items():
        if found.test_mse is None:
            raise TypeError("there are no students to measure on")
        yield {**common, "model": name, "error": round(least + found.test_mse, PLACES), "outcome": "fitted"}
    for size in SIZES:
        yield {**common, "model": network(size), **trained(split, size, case.seed, least)}


def trained(split: Split, size: int, seed: int, least: float) -> dict[str, Any]:
    """Return how a network from He's start ended, and its errors after fewer epochs and after all."""
    setup = Setup(
        split=split,
        hidden_size=size,
        epochs=EPOCHS,
        sampling=Sampling.shuffled,
        recorded_epochs=[*EARLIER, EPOCHS],
    )
    start = initialise(Initialisation.he, n_features=setup.n_features, hidden_size=size, seed=seed)
    one = train_many(setup, Networks(starts=start.flat(), learning_rate=RATE, seed=seed), Effort(threads=1))
    if one.test_mse is None:
        raise TypeError("there are no students to measure on")
    *earlier, error = (least + one.test_mse[0]).round(PLACES).tolist()
    errors = {error_after(epochs): value for epochs, value in zip(EARLIER, earlier, strict=True)}
    return {"error": error, **errors, "outcome": one.outcomes[0].name}


def error_after(epochs: int) -> str:
    """Return the column of the errors of networks after so many epochs."""
    return f"error_after_{epochs}"
