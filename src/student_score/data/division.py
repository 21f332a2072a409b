"""How rows are divided: which train, which choose between trainings, and which test the one that was chosen."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from student_score.errors import InputError

Indices = NDArray[np.intp]


class Parts(NamedTuple):
    """Indices of the rows that train, validate and test; each row is in one of them."""

    train: Indices
    validation: Indices
    test: Indices


@dataclass(frozen=True, kw_only=True)
class Division:
    """How rows are divided; by default all of them train, in their order.

    Attributes:
        test_fraction: share of the rows that test, chosen by scikit-learn's `train_test_split`.
        folds: the rows are shuffled and cut into so many parts by its `KFold`; None for no folds.
        fold: the part that tests, counted from 0; the others train.
        validation_fraction: share of the rows that do not test which choose between trainings.
        seed: of all these choices.

    Raises:
        InputError: a value is outside its range.
    """

    test_fraction: float = 0.0
    folds: int | None = None
    fold: int = 0
    validation_fraction: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("test_fraction", "validation_fraction"):
            check_fraction(name, getattr(self, name))
        if self.folds is None:
            if self.fold:
                raise InputError(
                    f"fold={self.fold}: it must lie in 0..folds - 1, and there are no folds; folds=5 makes five"
                )
            return
        if self.folds < 2:
            raise InputError(f"folds={self.folds}: it must be at least 2")
        if not 0 <= self.fold < self.folds:
            raise InputError(f"fold={self.fold}: it must lie in 0..folds - 1, here in 0..{self.folds - 1}")
        if self.test_fraction:
            raise InputError(
                f"test_fraction={self.test_fraction}: with folds={self.folds} the test rows are a fold; leave one out"
            )

    def parts(self, n: int) -> Parts:
        """Return which of n rows train, validate and test.

        Raises:
            InputError: there are too few.
        """
        rest, test = self.without_test(np.arange(n))
        if not self.validation_fraction:
            return Parts(rest, rest[:0], test)
        train, validation = cut_off("validation_fraction", self.validation_fraction, rest, self.seed)
        return Parts(train, validation, test)

    def without_test(self, indices: Indices) -> tuple[Indices, Indices]:
        """Return the indices that do not test, and those that do."""
        if self.folds is not None:
            from sklearn.model_selection import KFold  # Late: it takes a second to import.

            if self.folds > len(indices):
                raise InputError(f"folds={self.folds}: there are {len(indices)} rows, and each fold needs one")
            folds = KFold(self.folds, shuffle=True, random_state=self.seed).split(indices)
            rest, test = list(folds)[self.fold]
            return rest, test
        if self.test_fraction:
            return cut_off("test_fraction", self.test_fraction, indices, self.seed)
        return indices, indices[:0]


def check_fraction(name: str, fraction: float) -> None:
    """Raise InputError unless the fraction leaves rows to train on."""
    if not 0 <= fraction < 1:
        raise InputError(f"{name}={fraction}: it must be at least 0 and below 1, or no row is left to train on")


def cut_off(name: str, fraction: float, indices: Indices, seed: int) -> tuple[Indices, Indices]:
    """Return the indices without a random share of them, and that share.

    Raises:
        InputError: no row would be left.
    """
    from sklearn.model_selection import train_test_split  # Late: it takes a second to import.

    if not 1 <= math.ceil(fraction * len(indices)) < len(indices):
        raise InputError(
            f"{name}={fraction} of {len(indices)} rows leaves no row to train on; lower it or use more rows"
        )
    left, taken = train_test_split(indices, test_size=fraction, random_state=seed)
    return left, taken
