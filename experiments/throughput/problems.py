"""What is trained, and how much of it is measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from student_score.arrays import Floats
from student_score.data.article import ARTICLE_ROWS
from student_score.data.rows import Rows
from student_score.model.activations import Activation
from student_score.model.network import ARTICLE_START, Initialisation, Parameters, initialise

EPOCHS = 1000
"""Of the training whose cost is given."""

MANY = 10_000
"""Networks: enough for the engine to be at its best."""

FEW_ROWS = 3
"""Rows of the sweep over hidden units: as many as the article's."""

ROWS = "student_scores"
"""The name of the article's rows."""


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much is measured; a test measures less, and a table from less decides no claim.

    Attributes:
        rounds: in which the methods are measured.
        sweep_rounds, slow_rounds: the same for the engine's sweeps, and for what takes seconds.
        least_seconds: quicker calls are repeated until they have taken about this long.
        epochs: of most trainings; slow methods run a fraction of them.
        networks: of the batches that are compared between methods.
        sweep_networks: of the sweeps over other sizes; by default ten blocks of the engine.
        network_counts, row_counts, hidden_sizes, epoch_counts: the sizes that the engine's sweeps go through.
        activations: with which the engine is compared with the reference trainer.
        large_rows: on which a single larger network trains.
        million: trainings in a process of their own.
        first_calls: networks whose special kernels are compiled for the first time.
    """

    rounds: int = 9
    sweep_rounds: int = 5
    slow_rounds: int = 3
    least_seconds: float = 0.05
    epochs: int = EPOCHS
    networks: int = MANY
    sweep_networks: int = 1280
    network_counts: Sequence[int] = (1, 4, 16, 64, 256, 1024, 10_000, 100_000)
    row_counts: Sequence[int] = (3, 10, 30, 100, 300, 1000)
    hidden_sizes: Sequence[int] = (1, 2, 4, 8, 16, 32, 64)
    epoch_counts: Sequence[int] = (100, 300, 1000, 3000, 10_000)
    activations: Sequence[Activation] = tuple(Activation)
    large_rows: int = 10_000
    million: int = 1_000_000
    first_calls: Sequence[tuple[Activation, int]] = ((Activation.relu, 2), (Activation.tanh, 16))

    def rows(self) -> dict[str, Rows]:
        """Return the rows that are trained on, by their names."""
        counts = sorted({FEW_ROWS, *self.row_counts, self.large_rows})
        return {ROWS: ARTICLE_ROWS} | {simulated_name(n): simulated(n) for n in counts}


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem:
    """A training to be timed: its rows, its start, and the hidden units' activation."""

    rows: Rows
    start: Parameters
    activation: Activation = Activation.relu


def article_problem(
    rows: Mapping[str, Rows], *, activation: Activation = Activation.relu, hidden_size: int = ARTICLE_START.hidden_size
) -> Problem:
    """Return the article's students with the article's start, or with He's of another size."""
    start = ARTICLE_START if hidden_size == ARTICLE_START.hidden_size else he_start(hidden_size)
    return Problem(rows=rows[ROWS], start=start, activation=activation)


def simulated_problem(rows: Mapping[str, Rows], n: int, hidden_size: int) -> Problem:
    """Return n simulated rows with He's start."""
    return Problem(rows=rows[simulated_name(n)], start=he_start(hidden_size))


def he_start(hidden_size: int) -> Parameters:
    """Return He's start for two features."""
    return initialise(Initialisation.he, n_features=2, hidden_size=hidden_size)


def simulated_name(n: int) -> str:
    """Return the name of n simulated rows."""
    return f"simulated_{n}"


def simulated(n: int) -> Rows:
    """Return n rows of two standard normal features and a noisy linear target."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(n, 2))
    return Rows(features, features @ np.array([2.0, -1.0]) + rng.normal(size=n))


def rates(networks: int) -> Floats:
    """Return rates (networks,) at which none of the networks measured here becomes non-finite and stops early."""
    return np.geomspace(1e-5, 1e-3, networks) if networks > 1 else np.array([1e-4])
