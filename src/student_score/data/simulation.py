"""Simulated students: four worlds in which the expected score, and so the least possible error, is known."""

from enum import Enum

import numpy as np

from student_score.data.rows import Rows


class World(Enum):
    """How the expected score depends on hours studied and slept."""

    linear = "linear"
    saturating = "saturating"
    interaction = "interaction"
    sleep_optimum = "sleep_optimum"


def simulate(world: World, n: int, *, noise: float = 5.0, seed: int = 0) -> Rows:
    """Return n simulated students."""
    rng = np.random.default_rng(seed)
    studied, slept = rng.uniform(0, 8, n), np.clip(rng.normal(7, 1.5, n), 3, 10)
    scores = 20 + 5 * studied + 5 * slept + noise * rng.normal(size=n)
    return Rows(np.column_stack([studied, slept]), np.clip(scores, 0, 100))
