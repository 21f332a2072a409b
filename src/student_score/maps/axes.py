"""Axes of a map: what varies along them, and the value at each pixel, which depends on nothing but its index."""

from dataclasses import dataclass
from decimal import Context, Decimal
from enum import Enum
from functools import cached_property
from itertools import pairwise
from math import isfinite, nextafter

import numpy as np

from student_score.arrays import Floats
from student_score.errors import InputError

RATES = ("learning_rate", "hidden_learning_rate", "output_learning_rate")
"""Names of axes along which a rate varies: of all parameters, of w1 and b1, of w2 and b2."""

SEED = "seed"
"""Name of the axis along which the seed of training and start varies; its values are whole numbers."""

LARGEST_SEED = 2**32 - 1

EXACT = Context(prec=60)
"""Decimals are computed with so many digits, and rounded to a double once: a pixel has the same bits everywhere.
Logarithms and powers of the machine's own library differ in their last bits."""


class Spacing(Enum):
    """How pixels are spaced between the ends of an axis."""

    linear = "linear"
    log = "log"


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of a map. The ends are those of its first and its last pixel; values are taken in their middles.

    Attributes:
        name: what varies: one of RATES, SEED, or a parameter of the start such as w1_1_2.
        low, high: the ends, in the units of what varies, as decimals: 0.1 is one tenth.
        pixels: how many there are.
        spacing: even steps, or even ratios.

    Raises:
        InputError: there is no such axis, or doubles cannot tell its pixels apart.
    """

    name: str
    low: Decimal
    high: Decimal
    pixels: int
    spacing: Spacing = Spacing.linear

    def __post_init__(self) -> None:
        for end in (self.low, self.high):
            if not (end.is_finite() and isfinite(float(end))):
                raise InputError(f"{self.name}: {end} is no finite number, and cannot be an end of an axis")
        if self.pixels < 1:
            raise InputError(f"{self.name}: an axis of {self.pixels} pixels; at least 1 is needed")
        if not self.low < self.high:
            raise InputError(f"{self.name}: from {self.low} to {self.high}; the first end must lie below the second")
        if self.spacing is Spacing.log and self.low <= 0:
            raise InputError(f"{self.name}: a log axis from {self.low}; it must begin above 0")
        self.check_domain()
        self.check_resolution()

    def check_domain(self) -> None:
        """Raise InputError if a rate is not positive, or a seed no whole number."""
        if self.name in RATES and self.low < 0:
            raise InputError(f"{self.name}: from {self.low}; a rate must be positive")
        if self.name == SEED:
            whole = self.high - self.low == self.pixels and self.low == self.low.to_integral_value()
            if not whole or self.spacing is Spacing.log or not 0 <= self.low <= self.high <= LARGEST_SEED:
                raise InputError(
                    f"seed: {self.pixels} pixels from {self.low} to {self.high}; seeds are the whole numbers from the "
                    f"first end on, a pixel each, at most {LARGEST_SEED}"
                )

    def check_resolution(self) -> None:
        """Raise InputError if neighbouring pixels are the same double."""
        if self.name == SEED:
            return
        if any(one >= other for one, other in pairwise(self.values.tolist())):
            middle = float((self.low + self.high) / 2)
            step = nextafter(middle, float("inf")) - middle
            raise InputError(
                f"{self.name}: {self.pixels} pixels from {self.low} to {self.high} are closer than doubles can tell "
                f"apart there; a width of at least {step * self.pixels * 2:.2g} is needed, or fewer pixels"
            )

    @cached_property
    def values(self) -> Floats:
        """The value (pixels,) at the middle of each pixel; a seed is the pixel's lower end."""
        return np.array([self.value(index) for index in range(self.pixels)])

    def value(self, index: int) -> float:
        """Return the value at the middle of a pixel, the double nearest to it."""
        if self.name == SEED:
            return float(self.low + index)
        share = EXACT.divide(Decimal(2 * index + 1), Decimal(2 * self.pixels))
        if self.spacing is Spacing.linear:
            return float(EXACT.add(self.low, EXACT.multiply(share, EXACT.subtract(self.high, self.low))))
        ratio = EXACT.power(EXACT.divide(self.high, self.low), share)
        return float(EXACT.multiply(self.low, ratio))

    @classmethod
    def about(cls, name: str, *, centre: Decimal, width: Decimal, pixels: int) -> "Axis":
        """Return the linear axis of a zoom: so wide about a centre."""
        half = EXACT.divide(width, Decimal(2))
        return cls(name=name, low=EXACT.subtract(centre, half), high=EXACT.add(centre, half), pixels=pixels)
