"""The chance that a ReLU unit is born dead: its weights have a uniform direction, its sums are never positive."""

import numpy as np

from student_score.data.rows import Rows


def opening(rows: Rows) -> float:
    """Return the opening in radians of the cone that rows of two positive features span."""
    directions = np.arctan2(rows.features[:, 1], rows.features[:, 0])
    return float(np.ptp(directions))


def probability_born_dead(rows: Rows) -> float:
    """Return the chance that weights of a uniform direction have no positive sum on any row, without a bias."""
    return 0.5 - opening(rows) / (2 * np.pi)


def probability_born_dead_with_bias(rows: Rows, bias: float, *, directions: int = 200_000) -> float:
    """Return the same chance with a bias above 0, by the midpoint rule over the directions of the weights.

    He's weights into a unit of two features are standard normal, so their length exceeds R with chance exp(-R^2 / 2).
    In a direction u with u x < 0 on every row, the unit is dead from R = max of bias / (-u x) on.
    """
    angles = (np.arange(directions) + 0.5) * 2 * np.pi / directions
    nearest = (np.column_stack([np.cos(angles), np.sin(angles)]) @ rows.features.T).max(axis=1)
    lengths = np.full(directions, np.inf)
    lengths[nearest < 0] = -bias / nearest[nearest < 0]
    return float(np.exp(-(lengths**2) / 2).mean())
