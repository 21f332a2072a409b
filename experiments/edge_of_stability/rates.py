"""The learning rates that are trained. All are quotients of whole numbers, or neighbours of such, on every machine."""

import numpy as np

from student_score.arrays import Floats
from student_score.data.rows import Rows
from student_score.model.network import ARTICLE_START
from student_score.stability.landscape import Landscape

GRID = np.round(np.linspace(0.0014, 0.0026, 15), 6)
"""Learning rates that are followed step by step, from below the edge to above it."""

FINE = np.arange(1400, 2701) / 1e6
"""Every rate with six decimals from there to where all trainings collapse."""

FINER = np.arange(257_000, 261_001) / 1e8
"""Every rate with eight decimals where collapse begins."""

BEYOND = np.array([0.003, 0.004, 0.006, 0.01, 0.02, 0.05, 0.1])
"""Rates above them."""

MEMBERS = 101
"""Trainings about each rate of the grid: the rate itself is in the middle."""

SPARSE = 5
"""Of them, every fifth is trained for ten times as many steps."""

SPACING = 2
"""Of the trainings within 1e-9 of a rate, in 1e-11."""

DOUBLES = 5
"""Nearest to a rate, it among them, at which trainings show what rounding decides."""

GRID_GROUP, FINE_GROUP, FINER_GROUP = "grid", "fine", "finer"
BEYOND_GROUP, CATAPULT_GROUP = "beyond", "catapult"
NEARBY_GROUP, LAST_BITS_GROUP = "within 1e-9", "last bits"
"""What trainings belong to, in the table's column `group`."""


def nearby(rate: float) -> Floats:
    """Return the rates within 1e-9 of a rate with six decimals, evenly spaced."""
    offsets = SPACING * (np.arange(MEMBERS) - MEMBERS // 2)
    found: Floats = (np.rint(rate * 1e11) + offsets) / 1e11
    return found


def last_bits(rates: Floats) -> Floats:
    """Return the doubles that are nearest to each of some rates: it, and as many below as above."""
    neighbours: Floats = (rates.view(np.int64)[:, None] + np.arange(DOUBLES) - DOUBLES // 2).view(np.float64)
    return neighbours.reshape(-1)


def catapult_rates(rows: Rows) -> Floats:
    """Return rates from 2 / lambda_0 to 4 / lambda_0, the largest eigenvalue of the tangent kernel at the start."""
    kernel = Landscape(rows, ARTICLE_START.hidden_size).gram(ARTICLE_START.flat()) / len(rows)
    limit = four_digits(2 / float(np.linalg.eigvalsh(kernel)[-1]))
    return np.round(np.linspace(limit, 2 * limit, MEMBERS), 8)


def four_digits(value: float) -> float:
    """Return a number with four digits: LAPACK's last ones differ by machine, and training may amplify them."""
    return float(f"{value:.4g}")
