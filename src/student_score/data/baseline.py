"""What a network has to beat: the mean score and the straight line, on the same split with the same metrics."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from student_score.arrays import Floats
from student_score.data.rows import Rows, Split

EXACT = 1e-24
"""Share of the mean score's error below which an error is rounding: predictions right to twelve digits, squared."""


@dataclass(frozen=True)
class Baseline:
    """A fitted baseline's mean squared errors, in score points squared; `test_mse` is None without test rows."""

    train_mse: float
    test_mse: float | None


def mean_baseline(split: Split) -> Baseline:
    """Predict the training rows' mean score for everyone."""
    mean = float(np.mean(split.train.targets))
    return measure(split, lambda features: np.full(len(features), mean))


def linear_baseline(split: Split) -> Baseline:
    """Predict by ordinary least squares with an intercept: scikit-learn's `LinearRegression`."""
    from sklearn.linear_model import LinearRegression  # Late: it takes a second to import.

    return measure(split, LinearRegression().fit(split.train.features, split.train.targets).predict)


BASELINES: dict[str, tuple[str, Callable[[Split], Baseline]]] = {
    "linear": ("linear regression", linear_baseline),
    "mean": ("mean score", mean_baseline),
}
"""Name in the metrics -> (name for people, fit). Whatever is shown or recorded of baselines is read from here."""


def fit_baselines(split: Split) -> dict[str, Baseline]:
    """Return every baseline's errors by its name in the metrics."""
    return {name: fit(split) for name, (_, fit) in BASELINES.items()}


def measure(split: Split, predict: Callable[[Floats], Floats]) -> Baseline:
    """Return the mean squared errors of a predictor: features (n, n_features) -> scores (n,)."""

    def mean_squared_error(rows: Rows) -> float:
        return float(np.mean((predict(rows.features) - rows.targets) ** 2))

    return Baseline(
        train_mse=mean_squared_error(split.train),
        test_mse=None if split.test is None else mean_squared_error(split.test),
    )
