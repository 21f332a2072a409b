"""A trained network, or a straight line, as MLflow serves it: a script beside a file of numbers.

MLflow keeps a copy of this file with each model and runs it where the model is used, so that it needs NumPy, pandas
and MLflow alone. It repeats the arithmetic of the training, operation by operation: predictions are equal to the
run's in every bit. The numbers, which `weights.json` of every run holds, are called its weights here:

    kind                                      network or linear
    columns                                   of the rows, in order, as their file has them
    means, categories                         of columns: what fills a gap, and which words become indicators
    feature_means, feature_deviations         standardise the features
    activation, w1, b1, w2, b2                the network; of a straight line, w2 and b2
    target_mean, target_deviation             turn its output into score points
    target_range                              the least and the largest score there is, or null
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Weights = Mapping[str, Any]

LISTED, LONGEST = 10, 40
"""Words that a message lists, and characters of each."""


class ServedModel(PythonModel):
    """What MLflow loads: predicts scores for rows as their file has them."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the weights that lie beside this file."""
        self.weights = json.loads(Path(context.artifacts["weights"]).read_text(encoding="utf-8"))

    def predict(self, context: PythonModelContext, model_input: pd.DataFrame, params: Any = None) -> Floats:  # noqa: ARG002 - MLflow gives three
        """Return the scores (n,) of rows, clipped to the range of scores where there is one.

        Raises:
            MlflowException: a cell cannot be used; a server answers it with 400.
        """
        try:
            return clipped(self.weights, predicted(self.weights, model_input))
        except ValueError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None


def predicted(weights: Weights, frame: pd.DataFrame) -> Floats:
    """Return the scores (n,) of rows, as they come out of the network.

    Raises:
        ValueError: naming the first cell that cannot be used.
    """
    features = np.column_stack([part for name in weights["columns"] for part in parts(weights, name, frame)])
    with np.errstate(all="ignore"):  # What comes of numbers that are too large is refused below.
        inputs = (features - numbers(weights, "feature_means")) / numbers(weights, "feature_deviations")
        hidden = inputs if weights["kind"] == "linear" else hidden_outputs(weights, inputs)
        outputs = weighted_sum(hidden, weights["w2"], weights["b2"])
        scores: Floats = outputs * weights["target_deviation"] + weights["target_mean"]
    if not np.isfinite(scores).all():
        row = int(np.argmin(np.isfinite(scores))) + 1
        raise ValueError(f"row {row}: its prediction is no finite number, as its cells are too large")
    return scores


def clipped(weights: Weights, scores: Floats) -> Floats:
    """Return scores within the range of scores, where there is one."""
    ends = weights.get("target_range")
    return scores if ends is None else np.clip(scores, ends[0], ends[1])


# --- From cells to features.


def parts(weights: Weights, name: str, frame: pd.DataFrame) -> list[Floats]:
    """Return the features, each (n,), that a column becomes: its numbers, or indicators of its categories."""
    cells = frame[name] if name in frame else pd.Series([None] * len(frame), dtype=object)
    if name not in weights["categories"]:
        return [filled(name, cells, weights["means"].get(name))]
    words = np.array(["" if missing else str(cell) for cell, missing in zip(cells, cells.isna(), strict=True)], object)
    known = weights["categories"][name]
    places = set(known)
    if strange := next((row for row, word in enumerate(words, start=1) if word not in places), None):
        listed = ", ".join(shown(word) for word in known[:LISTED])
        more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
        cell = f"is {shown(words[strange - 1])}, which" if words[strange - 1] else "is missing, which"
        raise ValueError(f"{place(strange, name)} {cell} is in no training row; they have {listed}{more}")
    return [(words == word).astype(np.float64) for word in indicated(known)]


def indicated(categories: Sequence[str]) -> Sequence[str]:
    """Return the categories that have an indicator: all, but of two the second alone."""
    return categories[1:] if len(categories) == 2 else categories


def filled(name: str, cells: pd.Series, mean: float | None) -> Floats:
    """Return a column's numbers (n,), a gap filled with the mean, where there is one."""
    given = cells.tolist()
    values = np.array([number(cell) for cell in given], dtype=np.float64)
    gaps = cells.isna().to_numpy()
    if mean is not None:
        values[gaps] = mean
    wrong = ~np.isfinite(values)
    if wrong.any():
        row = int(np.argmax(wrong))
        if gaps[row]:
            raise ValueError(f"{place(row + 1, name)} is missing, and this model has no mean to put in its place")
        raise ValueError(f"{place(row + 1, name)} is {shown(given[row])}, not a finite number")
    return values


def number(cell: object) -> float:
    """Return a cell as a number, NaN if it is none."""
    try:
        return float("nan") if isinstance(cell, str) else float(cell)  # type: ignore[arg-type] # see below
    except (TypeError, ValueError):  # It is no number.
        return float("nan")


def place(row: int, name: str) -> str:
    """Return where a cell stands, rows counted from 1."""
    return f"row {row}: the column {shown(name)}"


def shown(value: object) -> str:
    """Return a value for a message."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


# --- The arithmetic of the training, in its order.


def numbers(weights: Weights, name: str) -> Floats:
    """Return a list of the weights as an array."""
    return np.array(weights[name], dtype=np.float64)


def weighted_sum(values: Floats, weights: Sequence[float], bias: float) -> Floats:
    """Return v0*w0 + v1*w1 + ... + bias for each row of `values` (n, k), summed strictly left to right."""
    total: Floats = values[:, 0] * weights[0]
    for k in range(1, len(weights)):
        total = total + values[:, k] * weights[k]
    return total + bias


def hidden_outputs(weights: Weights, inputs: Floats) -> Floats:
    """Return what the hidden units (n, hidden_size) make of standardised features (n, n_features)."""
    columns = zip(*weights["w1"], strict=True)
    sums = [weighted_sum(inputs, column, bias) for column, bias in zip(columns, weights["b1"], strict=True)]
    return ACTIVATIONS[weights["activation"]](np.stack(sums, axis=1))


LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
PER_LN2 = 1.4426950408889634
ROUNDER = 1.5 * 2.0**52
LOWEST = -708.0
FACTORIALS = (479001600.0, 39916800.0, 3628800.0, 362880.0, 40320.0, 5040.0, 720.0, 120.0, 24.0, 6.0)


def exponential(t: Floats) -> tuple[Floats, Floats]:
    """Return (power, rest) with e^t = power + power * rest, for t <= 0."""
    within = np.where(t < LOWEST, LOWEST, t)
    k = (within * PER_LN2 + ROUNDER) - ROUNDER
    r = (within - k * LN2_HIGH) - k * LN2_LOW
    series = np.full_like(t, 1.0 / 6227020800.0)
    for factorial in FACTORIALS:
        series = series * r + 1.0 / factorial
    series = series * r + 0.5
    power = np.ldexp(1.0, np.nan_to_num(k).astype(np.int64))
    return np.where(t < LOWEST, 0.0, power), r + r * r * series


def tanh(z: Floats) -> Floats:
    """Return the hyperbolic tangent."""
    power, rest = exponential(-2.0 * np.abs(z))
    decay = power * rest + (power - 1.0)
    return np.copysign(decay / (2.0 + decay), z)


def sigmoid(z: Floats) -> Floats:
    """Return 1 / (1 + e^-z)."""
    power, rest = exponential(-np.abs(z))
    decay = power + power * rest
    return np.where(z >= 0.0, 1.0, decay) / (1.0 + decay)


ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "relu": lambda z: np.where(z > 0.0, z, 0.0),
    "leaky_relu": lambda z: np.where(z > 0.0, z, 0.01 * z),
    "tanh": tanh,
    "sigmoid": sigmoid,
    "identity": lambda z: z,
}

mlflow.models.set_model(ServedModel())
