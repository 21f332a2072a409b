"""The trainings that the plateau is judged on: the article's network at rates that kill it."""

from collections.abc import Mapping, Sequence
from itertools import permutations
from types import MappingProxyType

import numpy as np
import pandas as pd

from student_score.data.article import ARTICLE_ROWS
from student_score.data.rows import Rows, split_rows
from student_score.model.network import ARTICLE_START, Initialisation, Parameters, initialise
from student_score.model.sampling import Sampling
from student_score.training.many import train_many
from student_score.training.setup import Networks, Setup

EPOCHS = 1000
"""Of per-sample training; a full batch takes one step where three rows take three, so it gets three times as many."""

EPOCHS_OF_STARTS = 1500
"""Of the trainings from He's starts, whose first steps may throw the bias far away."""

RATES = np.linspace(0.01, 1.9, 25)
"""Learning rates at which the bias settles."""

WIDE = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 1.9)
"""Learning rates at which He's starts are trained."""

SIZES, SEEDS = (1, 2, 4, 8), 250
"""Hidden units of He's starts, and how many of each."""

BEYOND = (1.95, 1.99, 2.0, 2.01, 2.1, 2.2, 2.5, 3.0)
"""Around the limit at which the bias itself no longer settles."""

ARTICLE = -1
"""What stands for the seed of the article's start, which was not drawn."""

THREE, FIVE = "student_scores", "five"
"""What the two sets of rows are called."""

ROWS: Mapping[str, Rows] = {
    THREE: ARTICLE_ROWS,
    FIVE: Rows(
        features=np.vstack([ARTICLE_ROWS.features, [[6.0, 7.0], [3.0, 5.0]]]),
        targets=np.append(ARTICLE_ROWS.targets, [80.0, 55.0]),
    ),
}
"""The article's three rows, and with two of its further inputs, whose scores are made up for this study."""

THREE_ORDERS = tuple(permutations(range(3)))
"""All there are."""

FIVE_ORDERS = tuple(dict.fromkeys(tuple(np.random.default_rng(seed).permutation(5).tolist()) for seed in range(11)))
"""Ten different ones: two of these seeds draw the same."""


def trainings(rows: Mapping[str, Rows]) -> pd.DataFrame:
    """Train the article's network at every rate, row order and sampling of the study, and He's starts at fewer rates.

    The table has a row for each training; the start is a seed, or -1 for the article's.
    """
    three, settling = rows[THREE], RATES.tolist()
    parts = [
        train_grid(three, [*settling, *BEYOND], THREE_ORDERS, Sampling.cyclic, epochs=EPOCHS),
        train_grid(three, [*settling, *BEYOND], [range(3)], Sampling.full_batch, epochs=3 * EPOCHS),
        train_grid(rows[FIVE], settling, FIVE_ORDERS, Sampling.cyclic, epochs=EPOCHS),
        *(
            train_grid(three, WIDE, THREE_ORDERS, Sampling.cyclic, epochs=EPOCHS_OF_STARTS, starts=he_starts(n))
            for n in SIZES
        ),
    ]
    return pd.concat(parts, ignore_index=True)


def he_starts(hidden_size: int) -> dict[int, Parameters]:
    """Return starts from He's initialisation by their seeds, which no two sizes share."""
    seeds = range(1_000_000 * hidden_size, 1_000_000 * hidden_size + SEEDS)
    return {seed: initialise(Initialisation.he, n_features=2, hidden_size=hidden_size, seed=seed) for seed in seeds}


def train_grid(
    rows: Rows,
    rates: Sequence[float],
    orders: Sequence[Sequence[int]],
    sampling: Sampling,
    *,
    epochs: int,
    starts: Mapping[int, Parameters] = MappingProxyType({ARTICLE: ARTICLE_START}),
) -> pd.DataFrame:
    """Train once at every rate and row order from every start, and return what the claims need to know."""
    grid = [(seed, rate, order) for seed in starts for rate in rates for order in orders]
    hidden_size = next(iter(starts.values())).hidden_size
    trained = train_many(
        Setup(split=split_rows(rows), hidden_size=hidden_size, epochs=epochs, sampling=sampling),
        Networks(
            starts=np.stack([starts[seed].flat() for seed, _, _ in grid]),
            learning_rate=[rate for _, rate, _ in grid],
            row_order=[order for _, _, order in grid],
        ),
    )
    return pd.DataFrame(
        {
            "start": [seed for seed, _, _ in grid],
            "hidden_size": hidden_size,
            "rows": len(rows),
            "sampling": sampling.name,
            "row_order": ["".join(str(row + 1) for row in order) for _, _, order in grid],
            "learning_rate": [rate for _, rate, _ in grid],
            "outcome": [outcome.name for outcome in trained.outcomes],
            "collapse_epoch": trained.collapse_epoch,
            "diverged_epoch": trained.diverged_epoch,
            "avg_loss": trained.last_avg_loss,
            "train_mse": trained.end.train_mse,
            "b2": trained.finals[:, -1],
        }
    )
