"""The reference trainer: the article's arithmetic in plain Python, to be read.

Every other trainer must agree with this one bit for bit, so the order of its operations is the definition: sums run
left to right and end with the bias; all gradients of a row are formed before any weight they depend on moves; a
weight moves by `w -= learning_rate * gradient`, where the gradient of the half loss is `error * h` for the output
layer and `(error * w2) * slope * x` for the hidden layer. Python's own `sum` is avoided on purpose: since 3.12 it
compensates rounding errors and returns other bits.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import add, mul

import numpy as np

from student_score.model.activations import Activation
from student_score.model.network import Parameters

Row = Sequence[float]


class Network:
    """The parameters as lists of Python floats, changed in place; `units[j][i]` is w1[i, j]."""

    def __init__(self, units: list[list[float]], b1: list[float], w2: list[float], b2: float) -> None:
        self.units, self.b1, self.w2, self.b2 = units, b1, w2, b2

    @classmethod
    def of(cls, parameters: Parameters) -> "Network":
        """Return a copy of the parameters that can be trained."""
        return cls(parameters.w1.T.tolist(), parameters.b1.tolist(), parameters.w2.tolist(), parameters.b2)

    def parameters(self) -> Parameters:
        """Return the parameters as they are now."""
        return Parameters(np.array(self.units).T, np.array(self.b1), np.array(self.w2), self.b2)

    def zeros(self) -> "Network":
        """Return a network of the same shape whose parameters are all 0."""
        return Network([[0.0] * len(w) for w in self.units], [0.0] * len(self.b1), [0.0] * len(self.w2), 0.0)

    def is_finite(self) -> bool:
        """Say whether every parameter is a finite number: w - w is 0 for those, nan for inf and nan."""
        return all(w - w == 0.0 for group in (*self.units, self.b1, self.w2, [self.b2]) for w in group)

    def mean_squared_error(self, rows: Sequence[Row], targets: Sequence[float], activation: Activation) -> float:
        """Return the mean squared error over the rows at the parameters as they are now."""
        total = 0.0
        for x, target in zip(rows, targets, strict=True):
            h = [activation.evaluate(weighted_sum(x, w, b))[0] for w, b in zip(self.units, self.b1, strict=True)]
            error = weighted_sum(h, self.w2, self.b2) - target
            total += error * error
        return total / len(rows)

    def is_constant(self, rows: Sequence[Row], activation: Activation) -> bool:
        """Say whether every hidden unit has slope 0 and one and the same output on all rows.

        The network then predicts one score for all of them, and ever will: no gradient reaches a hidden weight.
        """
        for w, b in zip(self.units, self.b1, strict=True):
            outputs, slopes = zip(*(activation.evaluate(weighted_sum(x, w, b)) for x in rows), strict=True)
            if any(slopes) or any(output != outputs[0] for output in outputs):
                return False
        return True


def weighted_sum(values: Sequence[float], weights: Sequence[float], bias: float) -> float:
    """Return v0*w0 + v1*w1 + ... + bias, summed strictly left to right."""
    return float(reduce(add, map(mul, values, weights)) + bias)


def train_epochs(
    net: Network,
    rows: Sequence[Row],
    targets: Sequence[float],
    *,
    activation: Activation,
    learning_rate: float,
    orders: Iterable[Sequence[int]],
    full_batch: bool = False,
) -> Iterator[tuple[float, bool]]:
    """Train `net` in place, one epoch for each order of the rows.

    Yields after every epoch its avg_loss (mean of the squared errors, each taken before its row's update) and
    whether any hidden unit had a slope on any row as that row was seen.
    """
    evaluate, (units, b1, w2) = activation.evaluate, (net.units, net.b1, net.w2)
    hidden, inputs = range(len(w2)), range(len(rows[0]))
    h, slope = [0.0] * len(w2), [0.0] * len(w2)
    # A row's gradients move the network at once or, in a full batch, add up in `into`: x -= -1.0 * g is x += g.
    into, rate = (net, learning_rate) if not full_batch else (net.zeros(), -1.0)
    for order in orders:
        total, active = 0.0, False
        for row in order:
            x = rows[row]
            for j in hidden:
                h[j], slope[j] = evaluate(reduce(add, map(mul, x, units[j])) + b1[j])
            error = reduce(add, map(mul, h, w2)) + net.b2 - targets[row]
            total += error * error
            active = active or any(slope)
            for j in hidden:
                hidden_error = error * w2[j] * slope[j]
                into.w2[j] -= rate * (error * h[j])
                into.b1[j] -= rate * hidden_error
                w = into.units[j]
                for i in inputs:
                    w[i] -= rate * (hidden_error * x[i])
            into.b2 -= rate * error
        if full_batch:
            step(net, into, learning_rate, len(order))
            into = net.zeros()
        yield total / len(order), active


def step(net: Network, sums: Network, learning_rate: float, n_rows: int) -> None:
    """Move every parameter against the mean of its gradients, given their sums over the rows."""
    groups = zip((*net.units, net.b1, net.w2), (*sums.units, sums.b1, sums.w2), strict=True)
    for weights, gradients in groups:
        for k, gradient in enumerate(gradients):
            weights[k] -= learning_rate * (gradient / n_rows)
    net.b2 -= learning_rate * (sums.b2 / n_rows)
