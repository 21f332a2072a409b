"""Activation functions of the hidden units: one enum, and one table with each member's function and derivatives.

The trainers, the derivatives and the messages read the table; another activation needs an entry here and nothing
elsewhere. The tutorial's first activation, `step`, is no entry: its slope is 0 wherever it has one, so no gradient
passes through it and the weights into a unit would never move.
"""

import math
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

import numpy as np

from student_score.arrays import Floats

LEAKY_SLOPE = 0.01
"""Slope of leaky_relu for negative sums; 0.01 is the value of its first description (Maas et al., 2013)."""

LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
"""The natural logarithm of 2 in two parts; the first has 20 zeros at its end, so that k * LN2_HIGH is exact."""

PER_LN2 = 1.4426950408889634
"""1 / ln 2."""

ROUNDER = 1.5 * 2.0**52
"""Added and taken away again, it rounds to a whole number: the last digit of the sum stands for 1."""

LOWEST = -708.0
"""e to the power of this, 3e-308, is the last that has all its digits."""


class Activation(Enum):
    """What a hidden unit does with its weighted sum z.

    >>> from student_score import Activation
    >>> Activation.relu.evaluate(1.3), Activation.relu.evaluate(-1.3)
    ((1.3, 1.0), (0.0, 0.0))
    >>> Activation.sigmoid.evaluate(0.0)  # output and slope
    (0.5, 0.25)
    """

    relu = "relu"
    leaky_relu = "leaky_relu"
    tanh = "tanh"
    sigmoid = "sigmoid"
    identity = "identity"

    @property
    def evaluate(self) -> Callable[[float], tuple[float, float]]:
        """Return the scalar function z -> (output, slope), the only definition both trainers use."""
        return TABLE[self].evaluate

    def outputs(self, z: Floats) -> Floats:
        """Return the output for each element of `z`, equal in every bit to the scalar function's."""
        return self.each(z, 0)

    def slopes(self, z: Floats) -> Floats:
        """Return the slope for each element of `z`."""
        return self.each(z, 1)

    def bends(self, outputs: Floats, slopes: Floats) -> Floats:
        """Return the second derivative for each output and its slope; 0 everywhere if the function has kinks."""
        return TABLE[self].bend(outputs, slopes)

    @property
    def has_kinks(self) -> bool:
        """Whether the slope jumps where the weighted sum is 0."""
        return TABLE[self].has_kinks

    def each(self, z: Floats, part: int) -> Floats:
        """Return the output (part 0) or the slope (part 1) for each element of `z`."""
        evaluate = self.evaluate  # Once, not for each element.
        values = [evaluate(value)[part] for value in z.ravel().tolist()]
        return np.array(values, dtype=np.float64).reshape(z.shape)


def relu(z: float) -> tuple[float, float]:
    """Rectify: the slope is 1 above 0 and, as in the article, 0 at the kink and below."""
    return (z, 1.0) if z > 0.0 else (0.0, 0.0)


def leaky_relu(z: float) -> tuple[float, float]:
    """Return z above zero, LEAKY_SLOPE * z below."""
    return (z, 1.0) if z > 0.0 else (LEAKY_SLOPE * z, LEAKY_SLOPE)


def power_of_two(k: float) -> float:
    """Return 2^k for a whole number k within -1022..0; of nan, anything."""
    return math.ldexp(1.0, int(k)) if k <= 0.0 else k


def exponential(t: float) -> tuple[float, float]:
    """Return (power, rest) with e^t = power + power * rest, for t <= 0; power is 0 below LOWEST, e^t 3e-308 there.

    Additions and multiplications alone, and no branch: the bits are the same on every machine, where those of the C
    library's exp are not, and compiled code computes several values at once. With k = t / ln 2, rounded, power is 2^k
    and rest is e^r - 1, |r| <= ln(2) / 2, by its Taylor series, whose first term left out is below 2^-56 of it.
    """
    within = LOWEST if t < LOWEST else t  # noqa: FURB136 - max treats nan otherwise where it is compiled
    k = (within * PER_LN2 + ROUNDER) - ROUNDER
    r = (within - k * LN2_HIGH) - k * LN2_LOW
    series = 1.0 / 6227020800.0  # 1 / 13!
    series = series * r + 1.0 / 479001600.0
    series = series * r + 1.0 / 39916800.0
    series = series * r + 1.0 / 3628800.0
    series = series * r + 1.0 / 362880.0
    series = series * r + 1.0 / 40320.0
    series = series * r + 1.0 / 5040.0
    series = series * r + 1.0 / 720.0
    series = series * r + 1.0 / 120.0
    series = series * r + 1.0 / 24.0
    series = series * r + 1.0 / 6.0
    series = series * r + 0.5
    return 0.0 if t < LOWEST else power_of_two(k), r + r * r * series


def tanh(z: float) -> tuple[float, float]:
    """Return the hyperbolic tangent and its slope, one minus its square.

    With d = e^(-2|z|) - 1 it is -d / (2 + d), with the sign of z; wrong by at most three units in the last place.
    """
    power, rest = exponential(-2.0 * abs(z))
    decay = power * rest + (power - 1.0)
    output = math.copysign(decay / (2.0 + decay), z)
    return output, 1.0 - output * output


def sigmoid(z: float) -> tuple[float, float]:
    """Return 1 / (1 + e^-z) and its slope, from e^-|z|, which never overflows."""
    power, rest = exponential(-abs(z))
    decay = power + power * rest
    output = (1.0 if z >= 0.0 else decay) / (1.0 + decay)
    return output, decay / ((1.0 + decay) * (1.0 + decay))


def identity(z: float) -> tuple[float, float]:
    """Return z: the network becomes a linear one."""
    return z, 1.0


TERMS = [1.0 / math.factorial(order) for order in range(13, 2, -1)] + [0.5]
"""Of the series in `exponential`."""

Both = tuple[Floats, Floats]
"""Outputs and slopes of whole arrays: by the operations of the functions above in their order, so with their bits."""


def relus(z: Floats) -> Both:
    """Rectify each element."""
    return np.where(z > 0.0, z, 0.0), np.where(z > 0.0, 1.0, 0.0)


def leaky_relus(z: Floats) -> Both:
    """Return each element above zero, LEAKY_SLOPE times the others."""
    return np.where(z > 0.0, z, LEAKY_SLOPE * z), np.where(z > 0.0, 1.0, LEAKY_SLOPE)


def exponentials(t: Floats) -> Both:
    """Return (power, rest) as `exponential` does."""
    within = np.where(t < LOWEST, LOWEST, t)
    k = (within * PER_LN2 + ROUNDER) - ROUNDER
    r = (within - k * LN2_HIGH) - k * LN2_LOW
    series = np.full_like(r, TERMS[0])
    for term in TERMS[1:]:
        series = series * r + term
    power = np.where(k <= 0.0, np.ldexp(1.0, np.where(k <= 0.0, k, 0.0).astype(np.int64)), k)
    return np.where(t < LOWEST, 0.0, power), r + r * r * series


def tanhs(z: Floats) -> Both:
    """Return the hyperbolic tangents and their slopes."""
    power, rest = exponentials(-2.0 * np.abs(z))
    decay = power * rest + (power - 1.0)
    output = np.copysign(decay / (2.0 + decay), z)
    return output, 1.0 - output * output


def sigmoids(z: Floats) -> Both:
    """Return 1 / (1 + e^-z) and its slopes."""
    power, rest = exponentials(-np.abs(z))
    decay = power + power * rest
    return np.where(z >= 0.0, 1.0, decay) / (1.0 + decay), decay / ((1.0 + decay) * (1.0 + decay))


def identities(z: Floats) -> Both:
    """Return the elements as they are, and slopes of 1."""
    return z.copy(), np.ones_like(z)


class Entry(NamedTuple):
    """What is known of an activation."""

    evaluate: Callable[[float], tuple[float, float]]
    """z -> (output, slope), in operations that compiled code repeats bit by bit."""

    evaluate_all: Callable[[Floats], Both]
    """The same of each element of an array, a hundred times as fast."""

    bend: Callable[[Floats, Floats], Floats]
    """(outputs, slopes) -> second derivatives."""

    has_kinks: bool = False


def straight(outputs: Floats, _slopes: Floats) -> Floats:
    """Return 0: the function is linear, piece by piece."""
    return np.zeros_like(outputs)


TABLE: dict[Activation, Entry] = {
    Activation.relu: Entry(relu, relus, straight, has_kinks=True),
    Activation.leaky_relu: Entry(leaky_relu, leaky_relus, straight, has_kinks=True),
    Activation.tanh: Entry(tanh, tanhs, lambda outputs, slopes: -2.0 * outputs * slopes),
    Activation.sigmoid: Entry(sigmoid, sigmoids, lambda outputs, slopes: (1.0 - 2.0 * outputs) * slopes),
    Activation.identity: Entry(identity, identities, straight),
}


def step(z: float, *, threshold: float = 0.0) -> float:
    """Return 1 if z exceeds the threshold, else 0: the article's first activation.

    No `Activation`, since gradient descent cannot train through it: its slope is 0 wherever it has one.
    """
    return 1.0 if z > threshold else 0.0
