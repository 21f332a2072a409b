"""The trainings that the plateau is judged on: the article's network at rates that kill it."""

from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np
import pandas as pd

from student_score.data.article import ARTICLE_ROWS
from student_score.data.rows import Rows, split_rows
from student_score.model.network import ARTICLE_START
from student_score.model.sampling import Sampling
from student_score.training.many import train_many
from student_score.training.setup import Networks, Setup

EPOCHS = 1000
"""Of per-sample training; a full batch takes one step where three rows take three, so it gets three times as many."""

RATES = np.linspace(0.01, 1.9, 25)
"""Learning rates at which the bias settles."""

BEYOND = (1.95, 1.99, 2.0, 2.01, 2.1, 2.2, 2.5, 3.0)
"""Around the limit at which the bias itself no longer settles."""

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
    """Train the article's network at every rate, row order and sampling of the study; a row for each training."""
    three, settling = rows[THREE], RATES.tolist()
    parts = [
        train_grid(three, [*settling, *BEYOND], THREE_ORDERS, Sampling.cyclic, epochs=EPOCHS),
        train_grid(three, [*settling, *BEYOND], [range(3)], Sampling.full_batch, epochs=3 * EPOCHS),
        train_grid(rows[FIVE], settling, FIVE_ORDERS, Sampling.cyclic, epochs=EPOCHS),
    ]
    return pd.concat(parts, ignore_index=True)


def train_grid(
    rows: Rows, rates: Sequence[float], orders: Sequence[Sequence[int]], sampling: Sampling, *, epochs: int
) -> pd.DataFrame:
    """Train once at every rate and row order, and return what the claims need to know."""
    grid = [(rate, order) for rate in rates for order in orders]
    trained = train_many(
        Setup(split=split_rows(rows), hidden_size=ARTICLE_START.hidden_size, epochs=epochs, sampling=sampling),
        Networks(
            starts=ARTICLE_START.flat(),
            learning_rate=[rate for rate, _ in grid],
            row_order=[order for _, order in grid],
        ),
    )
    return pd.DataFrame(
        {
            "rows": len(rows),
            "sampling": sampling.name,
            "row_order": ["".join(str(row + 1) for row in order) for _, order in grid],
            "learning_rate": [rate for rate, _ in grid],
            "outcome": [outcome.name for outcome in trained.outcomes],
            "collapse_epoch": trained.collapse_epoch,
            "diverged_epoch": trained.diverged_epoch,
            "avg_loss": trained.last_avg_loss,
            "train_mse": trained.end.train_mse,
            "b2": trained.finals[:, -1],
        }
    )
