"""What a network has to beat: the mean score and the straight line, on the same split with the same metrics."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from student_score.dataset import Rows, Split


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


BASELINES = {"mean": mean_baseline, "linear": linear_baseline}


def measure(split: Split, predict: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Baseline:
    """Return the mean squared errors of a predictor: features (n, n_features) -> scores (n,)."""

    def mean_squared_error(rows: Rows) -> float:
        return float(np.mean((predict(rows.features) - rows.targets) ** 2))

    return Baseline(
        train_mse=mean_squared_error(split.train),
        test_mse=None if split.test is None else mean_squared_error(split.test),
    )
