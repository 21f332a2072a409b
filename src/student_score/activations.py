"""Activation functions of the hidden units: one enum, and one table with each member's function and slope."""

import math
from collections.abc import Callable
from enum import Enum

import numpy as np
from numpy.typing import NDArray

LEAKY_SLOPE = 0.01
"""Slope of leaky_relu for negative sums; 0.01 is the value of its first description (Maas et al., 2013)."""


class Activation(Enum):
    """What a hidden unit does with its weighted sum z."""

    relu = "relu"
    leaky_relu = "leaky_relu"
    tanh = "tanh"
    sigmoid = "sigmoid"
    identity = "identity"

    @property
    def evaluate(self) -> Callable[[float], tuple[float, float]]:
        """Return the scalar function z -> (output, slope), the only definition both trainers use."""
        return TABLE[self]

    def outputs(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the output for each element of `z`, equal in every bit to the scalar function's."""
        return self.each(z, 0)

    def slopes(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the slope for each element of `z`."""
        return self.each(z, 1)

    def each(self, z: NDArray[np.float64], part: int) -> NDArray[np.float64]:
        """Return the output (part 0) or the slope (part 1) for each element of `z`."""
        values = [self.evaluate(value)[part] for value in z.ravel().tolist()]
        return np.array(values, dtype=np.float64).reshape(z.shape)


def relu(z: float) -> tuple[float, float]:
    """Rectify: the slope is 1 above 0 and, as in the article, 0 at the kink and below."""
    return (z, 1.0) if z > 0.0 else (0.0, 0.0)


def leaky_relu(z: float) -> tuple[float, float]:
    """Return z above zero, LEAKY_SLOPE * z below."""
    return (z, 1.0) if z > 0.0 else (LEAKY_SLOPE * z, LEAKY_SLOPE)


def tanh(z: float) -> tuple[float, float]:
    """Return the hyperbolic tangent and its slope, one minus its square.

    Written with expm1 it takes less time than the C library's tanh and is wrong by at most three units in the last
    place, where that is by two.
    """
    decay = math.expm1(-2.0 * abs(z))
    output = math.copysign(decay / (2.0 + decay), z)
    return output, 1.0 - output * output


def sigmoid(z: float) -> tuple[float, float]:
    """Return 1 / (1 + e^-z) and its slope, from e^-|z|, which never overflows."""
    decay = math.exp(-abs(z))
    output = 1.0 / (1.0 + decay) if z >= 0.0 else decay / (1.0 + decay)
    return output, decay / ((1.0 + decay) * (1.0 + decay))


def identity(z: float) -> tuple[float, float]:
    """Return z: the network becomes a linear one."""
    return z, 1.0


TABLE: dict[Activation, Callable[[float], tuple[float, float]]] = {
    Activation.relu: relu,
    Activation.leaky_relu: leaky_relu,
    Activation.tanh: tanh,
    Activation.sigmoid: sigmoid,
    Activation.identity: identity,
}


def step(z: float, *, threshold: float = 0.0) -> float:
    """Return 1 if z exceeds the threshold, else 0: the article's first activation.

    Its slope is 0 wherever it has one, so gradient descent cannot train through it and it is no `Activation`.
    """
    return 1.0 if z > threshold else 0.0
