"""From what a file has to what a network takes: gaps filled, categories as indicators, all learned on training rows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from student_score.arrays import Floats
from student_score.data.cells import heading
from student_score.errors import InputError
from student_score.masking import cut

if TYPE_CHECKING:
    import pandas as pd

LISTED_CATEGORIES, LONGEST_CATEGORY = 10, 40
"""Categories that a message lists, and characters of each."""


class Missing(Enum):
    """What becomes of missing cells: a mistake, their rows left out, or the training rows' mean in their place."""

    error = "error"
    drop = "drop"
    mean = "mean"


@dataclass(frozen=True, eq=False)
class Preparation:
    """What was learned of each column on the training rows: a mean to fill gaps with, or its categories.

    Attributes:
        columns: of the file (n_columns,), in their order.
        imputer: scikit-learn's `SimpleImputer`, fitted on the columns of numbers; None where they stay as they are.
        encoder: its `OneHotEncoder`, fitted on the columns of words; None where there are none.
        names: of the features (n_features,) that it makes: the column's, or `column=category` for an indicator.
        means: of each column of numbers in which gaps are filled, by its name.
        categories: of each column of words, by its name, sorted. Two categories have one indicator, that of the second.
    """

    columns: tuple[str, ...]
    imputer: Any
    encoder: Any
    names: tuple[str, ...]
    means: dict[str, float]
    categories: dict[str, tuple[str, ...]]

    @classmethod
    def fit(cls, frame: "pd.DataFrame", categorical: Sequence[str] = (), *, fill: bool = False) -> "Preparation":
        """Learn from training rows, of which `categorical` columns hold words and the others numbers.

        Args:
            frame: of training rows alone.
            categorical: columns of words.
            fill: whether gaps in the numbers are filled with their mean.

        Raises:
            InputError: a column has no number at all.
        """
        columns = tuple(map(str, frame.columns))
        if not categorical and not fill:
            return cls(columns, None, None, columns, {}, {})
        from sklearn.impute import SimpleImputer  # Late: they take a second to import.
        from sklearn.preprocessing import OneHotEncoder

        numeric, words = [name for name in columns if name not in categorical], [*categorical]
        means, categories, names = {}, {}, {name: [name] for name in numeric}
        imputer = encoder = None
        if fill and numeric:
            numbers = frame[numeric].to_numpy(dtype=np.float64)
            for name, column in zip(numeric, numbers.T, strict=True):
                check_mean(name, column[~np.isnan(column)])
            imputer = SimpleImputer().fit(numbers)
            means = dict(zip(numeric, imputer.statistics_.tolist(), strict=True))
        if words:
            encoder = OneHotEncoder(drop="if_binary", sparse_output=False).fit(frame[words].to_numpy(dtype=object))
            categories = {name: tuple(map(str, of)) for name, of in zip(words, encoder.categories_, strict=True)}
            names |= {name: labels(name, categories[name]) for name in words}
        made = tuple(label for name in columns for label in names[name])
        if repeated := [name for name, count in Counter(made).items() if count > 1]:
            raise InputError(f"categorical: two features would be called {listed(repeated)}; rename a column")
        return cls(columns, imputer, encoder, made, means, categories)

    def features(self, frame: "pd.DataFrame") -> Floats:
        """Return a frame with the columns that were learned of as features (n, n_features).

        Raises:
            InputError: it has a category that no training row had.
        """
        numeric = [name for name in self.columns if name not in self.categories]
        numbers = frame[numeric].to_numpy(dtype=np.float64)
        if self.imputer is not None:
            numbers = self.imputer.transform(numbers)
        if self.encoder is None:
            return np.ascontiguousarray(numbers)
        for name, known in self.categories.items():
            if unseen := sorted(set(frame[name]) - set(known)):
                raise InputError(
                    f"categorical: the column {heading(name)} has {listed(unseen)}, which no training row has; they "
                    f"have {listed(known)}: write it as one of them, or leave its rows out"
                )
        indicators = self.encoder.transform(frame[[*self.categories]].to_numpy(dtype=object))
        made = [*numeric, *(label for name, known in self.categories.items() for label in labels(name, known))]
        features = np.column_stack([numbers, indicators])
        return np.ascontiguousarray(features[:, order(made, self.names)])


def order(made: Sequence[str], names: Sequence[str]) -> list[int]:
    """Return the place in `made` of each of `names`."""
    places = {name: place for place, name in enumerate(made)}
    return [places[name] for name in names]


def check_mean(name: str, numbers: Floats) -> None:
    """Raise InputError unless the numbers of a column, (n,), have a finite mean."""
    if not len(numbers):
        raise InputError(f"missing=mean: no training row has a number in the column {heading(name)}")
    with np.errstate(all="ignore"):  # What is too large gets a sentence.
        finite = np.isfinite(np.sum(numbers))
    if not finite:
        raise InputError(
            f"missing=mean: numbers of the column {heading(name)} reach {np.abs(numbers).max():.3g}, too large for a "
            "mean; correct or leave out what is no measurement"
        )


def labels(name: str, categories: Sequence[str]) -> list[str]:
    """Return the names of the features that are made of a column; two categories make one, that of the second."""
    return [f"{name}={category}" for category in (categories[1:] if len(categories) == 2 else categories)]


def listed(categories: Sequence[str]) -> str:
    """Return the first categories for a message."""
    first = ", ".join(cut(repr(value), LONGEST_CATEGORY) for value in categories[:LISTED_CATEGORIES])
    more = len(categories) - LISTED_CATEGORIES
    return first + (f" and {more} more" if more > 0 else "")
