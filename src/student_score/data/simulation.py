"""Simulated students: four worlds in which the expected score, and so the least possible error, is known."""

from enum import Enum
from functools import cache

import numpy as np

from student_score.arrays import Floats
from student_score.data.rows import Rows
from student_score.errors import InputError

LEAST_SCORE, LARGEST_SCORE = 0.0, 100.0
"""Points; scores beyond are cut off."""

LONGEST_STUDY = 8.0
"""Hours studied are uniform between 0 and this."""

SLEEP, SLEEP_DEVIATION, SHORTEST_SLEEP, LONGEST_SLEEP = 7.0, 1.5, 3.0, 10.0
"""Hours slept are normal with this mean and standard deviation, cut off at both ends."""

LARGEST_NOISE = 1000.0
"""Points: with ten times the range of scores nearly all of them are 0 or 100."""

DECIMALS = 9
"""Of a simulated score: processors differ in the last digit of an exponential."""

NODES = 64
"""Of the quadrature, in each of the two features."""

TAIL = 38.0
"""Standard deviations beyond which a normal distribution has nothing left that a double could hold."""


class World(Enum):
    """How the expected score depends on hours studied and slept."""

    linear = "linear"
    saturating = "saturating"
    interaction = "interaction"
    sleep_optimum = "sleep_optimum"


def simulate(world: World, n: int, *, noise: float = 5.0, seed: int = 0) -> Rows:
    """Return n simulated students: hours studied and slept, and scores with normal noise, cut off at 0 and 100.

    Hours studied, hours slept and noise have a random stream each. The first students of more are those of fewer, and
    the same seed gives the same students in every world and with every noise.

    >>> from student_score.data.simulation import World, simulate
    >>> few, many = (simulate(World.saturating, n, seed=1) for n in (2, 300))
    >>> few.targets.tolist() == many.targets[:2].tolist()
    True

    Args:
        world: how the score depends on the hours.
        n: students, at least 1.
        noise: its standard deviation in points, in 0..1000.
        seed: of all three streams, at least 0.

    Raises:
        InputError: an argument is outside its range.
    """
    check_noise(noise)
    if n < 1:
        raise InputError(f"n={n}: it must be at least 1")
    if seed < 0:
        raise InputError(f"seed={seed}: it must be at least 0")
    of_study, of_sleep, of_noise = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(3))
    studied = of_study.uniform(0, LONGEST_STUDY, n)
    slept = np.clip(of_sleep.normal(SLEEP, SLEEP_DEVIATION, n), SHORTEST_SLEEP, LONGEST_SLEEP)
    features = np.column_stack([studied, slept])
    scores = np.round(score(world, features) + noise * of_noise.normal(size=n), DECIMALS)
    return Rows(features, np.clip(scores, LEAST_SCORE, LARGEST_SCORE))


def check_noise(noise: float) -> None:
    """Raise InputError unless scores can have so much noise."""
    if not 0 <= noise <= LARGEST_NOISE:
        raise InputError(f"noise={noise}: it must lie in 0..{LARGEST_NOISE:g}, in points")


def score(world: World, features: Floats) -> Floats:
    """Return the scores (n,) of hours studied and slept (n, 2) before noise is added and before they are cut off."""
    studied, slept = features.T
    scores: Floats
    match world:
        case World.linear:
            scores = 20 + 5 * studied + 5 * slept
        case World.saturating:
            scores = 30 + 60 * (1 - np.exp(-studied / 3))
        case World.interaction:
            scores = 35 + 0.75 * studied * slept
        case World.sleep_optimum:
            scores = 40 + 4 * studied - 3 * (slept - 7.5) ** 2
    return scores


def expected_score(world: World, features: Floats, *, noise: float = 5.0) -> Floats:
    """Return the expected scores (n,) of hours studied and slept (n, 2): no prediction has a smaller expected error.

    Cutting off moves them: near 100 points noise can only lower a score.

    Raises:
        InputError: the noise is outside its range.
    """
    expected, _ = censored(score(world, features), noise)
    return expected


@cache
def least_error(world: World, noise: float = 5.0) -> float:
    """Return the mean squared error on new students of the best prediction there is, in points squared.

    It is the variance of a score about its expectation, averaged over all students. Without cutting off it would be
    the square of the noise.

    >>> from student_score.data.simulation import World, least_error
    >>> round(least_error(World.interaction, noise=5.0), 2), least_error(World.interaction, noise=0.0)
    (25.0, 0.0)

    Raises:
        InputError: the noise is outside its range.
    """
    features, weights = everyone()
    _, variances = censored(score(world, features), noise)
    return float(np.sum(weights * variances))


def censored(scores: Floats, noise: float) -> tuple[Floats, Floats]:
    """Return expectations and variances of scores (n,) that get normal noise and are then cut off at 0 and 100."""
    from scipy.special import ndtr  # Late: scipy takes its time to import.

    check_noise(noise)
    if noise == 0:
        return np.clip(scores, LEAST_SCORE, LARGEST_SCORE), np.zeros_like(scores)
    # In units of the noise around the score the noise is cut off at these two.
    low, high = (np.clip((end - scores) / noise, -TAIL, TAIL) for end in (LEAST_SCORE, LARGEST_SCORE))
    below, above, inside = ndtr(low), ndtr(-high), ndtr(high) - ndtr(low)
    at_low, at_high = (np.exp(-end * end / 2) / np.sqrt(2 * np.pi) for end in (low, high))
    first = low * below + high * above + at_low - at_high
    second = low * low * below + high * high * above + inside + low * at_low - high * at_high
    expected = np.clip(scores + noise * first, LEAST_SCORE, LARGEST_SCORE)
    return expected, noise * noise * np.maximum(second - first * first, 0.0)


def everyone() -> tuple[Floats, Floats]:
    """Return students (m, 2) and weights (m,) that add up to 1: weighted sums over them are means over all students.

    Gauss and Legendre's rule in hours studied, and in hours slept between the ends, which have weights of their own.
    """
    from scipy.special import ndtr

    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    studied, of_study = (nodes + 1) / 2 * LONGEST_STUDY, weights / 2
    width = LONGEST_SLEEP - SHORTEST_SLEEP
    slept = SHORTEST_SLEEP + (nodes + 1) / 2 * width
    density = np.exp(-(((slept - SLEEP) / SLEEP_DEVIATION) ** 2) / 2) / (SLEEP_DEVIATION * np.sqrt(2 * np.pi))
    ends = ndtr(np.array([SHORTEST_SLEEP - SLEEP, SLEEP - LONGEST_SLEEP]) / SLEEP_DEVIATION)
    slept = np.concatenate([slept, [SHORTEST_SLEEP, LONGEST_SLEEP]])
    of_sleep = np.concatenate([density * weights / 2 * width, ends])
    features = np.column_stack([np.repeat(studied, len(slept)), np.tile(slept, len(studied))])
    return features, np.outer(of_study, of_sleep).ravel()
