"""What a network has to beat, on the same split with the same metrics: the mean score, straight lines, a parabola."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from student_score.arrays import Floats
from student_score.data.rows import Rows, Split

EXACT = 1e-24
"""Share of the mean score's error below which an error is rounding: predictions right to twelve digits, squared."""

LARGEST_VALUE = 1e150
"""Up to which squares, and sums of many of them, are doubles."""

MOST_COLUMNS, MOST_VALUES = 500, 2**25
"""Columns of the quadratic regression's table, and values: 256 MiB, and a few seconds of work."""

PENALTIES = tuple(float(f"1e{power}") for power in range(-3, 4))
"""Of the ridge regression, which chooses among them; in units in which each feature's variance is 1."""


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline's mean squared errors, in score points squared; None where there are no such rows."""

    train_mse: float
    test_mse: float | None
    validation_mse: float | None = None


def mean_baseline(split: Split) -> Baseline:
    """Predict the training rows' mean score for everyone."""
    with np.errstate(all="ignore"):  # As in `measure`.
        mean = float(np.mean(split.train.targets))
    return measure(split, lambda features: np.full(len(features), mean))


def linear_baseline(split: Split) -> Baseline:
    """Predict by ordinary least squares with an intercept: scikit-learn's `LinearRegression`.

    With fewer rows than coefficients it is the fit with the smallest slopes.
    """
    from sklearn.linear_model import LinearRegression  # Late: it takes a second to import.

    return fitted(LinearRegression(), split)


def quadratic_baseline(split: Split) -> Baseline:
    """Predict by least squares on the features, their squares and their products, all of the standardised features."""
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    powers = PolynomialFeatures(2, include_bias=False)
    return fitted(make_pipeline(StandardScaler(), powers, LinearRegression()), split)


def ridge_baseline(split: Split) -> Baseline:
    """Predict by a straight line with small slopes: the training rows, each left out in turn, choose how small.

    scikit-learn's `RidgeCV` on standardised features.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return fitted(make_pipeline(StandardScaler(), RidgeCV(PENALTIES)), split)


BASELINES: dict[str, tuple[str, Callable[[Split], Baseline]]] = {
    "linear": ("linear regression", linear_baseline),
    "mean": ("mean score", mean_baseline),
    "quadratic": ("quadratic regression", quadratic_baseline),
    "ridge": ("ridge regression", ridge_baseline),
}
"""Name in the metrics -> (name for people, fit). Whatever is shown or recorded of baselines is read from here."""

ALWAYS = ("linear", "mean")
"""Baselines that are fitted without rows to measure them on: of more flexible ones training rows show nothing."""


def fit_baselines(split: Split) -> dict[str, Baseline]:
    """Return the errors of every baseline that can be fitted by its name in the metrics.

    Without test or validation rows these are the straight line and the mean score.
    """
    chosen = BASELINES if is_held_out(split) else ALWAYS
    return {name: BASELINES[name][1](split) for name in chosen if not obstacle(name, split)}


def left_out(split: Split) -> Mapping[str, str]:
    """Return why a baseline is not fitted, by its name, where there are rows to measure it on; "" is never a reason."""
    reasons = {name: obstacle(name, split) for name in (BASELINES if is_held_out(split) else ALWAYS)}
    return {name: reason for name, reason in reasons.items() if reason}


def is_held_out(split: Split) -> bool:
    """Say whether there are rows that take no part in training."""
    return split.test is not None or split.validation is not None


def obstacle(name: str, split: Split) -> str:
    """Return why a baseline cannot be fitted, in words, or nothing."""
    n, n_features = split.train.features.shape
    columns = n_features * (n_features + 3) // 2
    values = max(np.abs(split.train.features).max(), np.abs(split.train.targets).max())
    obstacles = [
        (name != "mean" and values > LARGEST_VALUE, f"the squares of numbers beyond {LARGEST_VALUE:g} are no doubles"),
        (name == "ridge" and n == 1, "one training row is too few to choose a penalty"),
        (
            name == "quadratic" and n <= columns + 1,
            f"{n:,} training rows are too few for its {columns + 1:,} coefficients",
        ),
        (
            name == "quadratic" and (columns > MOST_COLUMNS or columns * n > MOST_VALUES),
            f"its {columns:,} columns of {n:,} training rows are too many",
        ),
    ]
    return next((reason for is_there, reason in obstacles if is_there), "")


def fitted(model: Any, split: Split) -> Baseline:
    """Fit a regression of scikit-learn's to the training rows and measure it."""
    from sklearn import config_context

    model.fit(split.train.features, split.train.targets)
    with config_context(assume_finite=True):  # Rows far from the training rows may have infinite squares.
        return measure(split, model.predict)


def measure(split: Split, predict: Callable[[Floats], Floats]) -> Baseline:
    """Return the mean squared errors of a predictor: features (n, n_features) -> scores (n,)."""

    def mean_squared_error(rows: Rows) -> float:
        with np.errstate(all="ignore"):  # What is too large for a double is infinite: an error, but no fault.
            return float(np.mean((predict(rows.features) - rows.targets) ** 2))

    return Baseline(
        train_mse=mean_squared_error(split.train),
        test_mse=None if split.test is None else mean_squared_error(split.test),
        validation_mse=None if split.validation is None else mean_squared_error(split.validation),
    )
