"""From what a file has to what a network takes: gaps filled, categories as indicators, all learned on training rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from student_score.arrays import Floats
from student_score.errors import InputError
from student_score.masking import cut, visible

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
        transformer: scikit-learn's `ColumnTransformer`, fitted; None where numbers stay as they are.
        names: of the features (n_features,) that it makes: the column's, or `column=category` for an indicator.
        means: of each column of numbers in which gaps are filled, by its name.
        categories: of each column of words, by its name, sorted. Two categories have one indicator, that of the second.
    """

    transformer: Any
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
        if not categorical and not fill:
            return cls(None, tuple(frame.columns), {}, {})
        from sklearn.compose import ColumnTransformer  # Late: they take a second to import.
        from sklearn.impute import SimpleImputer
        from sklearn.preprocessing import OneHotEncoder

        for name in frame.columns:
            if fill and name not in categorical and frame[name].isna().all():
                raise InputError(f"missing=mean: no training row has a number in the column {shown(name)}")
        steps = [
            (
                str(place),
                OneHotEncoder(drop="if_binary", sparse_output=False)
                if name in categorical
                else (SimpleImputer() if fill else "passthrough"),
                [name],
            )
            for place, name in enumerate(frame.columns)
        ]
        transformer = ColumnTransformer(steps).fit(frame)
        fitted = {step[2][0]: step[1] for step in transformer.transformers_[: len(steps)]}
        return cls(
            transformer=transformer,
            names=tuple(label for name, step in fitted.items() for label in labels(name, step)),
            means={name: float(step.statistics_[0]) for name, step in fitted.items() if hasattr(step, "statistics_")},
            categories={name: tuple(map(str, fitted[name].categories_[0])) for name in categorical},
        )

    def features(self, frame: "pd.DataFrame") -> Floats:
        """Return a frame with the columns that were learned of as features (n, n_features).

        Raises:
            InputError: it has a category that no training row had.
        """
        if self.transformer is None:
            plain: Floats = frame.to_numpy(dtype=np.float64)
            return plain
        for name, known in self.categories.items():
            if unseen := sorted(set(frame[name]) - set(known)):
                raise InputError(
                    f"categorical: the column {shown(name)} has {listed(unseen)}, which no training row has; they have "
                    f"{listed(known)}"
                )
        features: Floats = np.ascontiguousarray(self.transformer.transform(frame), dtype=np.float64)
        return features


def labels(name: str, step: Any) -> list[str]:
    """Return the names of the features that a fitted step makes of a column."""
    if not hasattr(step, "categories_"):
        return [name]
    [categories] = step.categories_
    dropped = step.drop_idx_[0] if step.drop_idx_ is not None else None
    return [f"{name}={category}" for place, category in enumerate(categories) if place != dropped]


def shown(name: str) -> str:
    """Return a column's name for a message."""
    return cut(visible(name), LONGEST_CATEGORY)


def listed(categories: Sequence[str]) -> str:
    """Return the first categories for a message."""
    first = ", ".join(cut(repr(value), LONGEST_CATEGORY) for value in categories[:LISTED_CATEGORIES])
    more = len(categories) - LISTED_CATEGORIES
    return first + (f" and {more} more" if more > 0 else "")
