"""Where a dead network settles, in closed form.

Its output bias alone still learns: per-sample descent moves b2 by b2 <- q b2 + learning_rate * y with
q = 1 - learning_rate, once a row, a map with one periodic orbit, which attracts for 0 < learning_rate < 2.
"""

import numpy as np

from student_score.arrays import Floats
from student_score.errors import InputError

BIAS_LIMIT = 2.0
"""Learning rate from which the bias of a dead network no longer settles, for per-sample and full-batch descent alike:
the half loss has curvature 1 along b2, and 2 / curvature is the classical limit."""


def collapsed_bias(targets: Floats, learning_rate: float) -> float:
    """Return the b2 at which per-sample epochs of a dead network start and end.

    Solving b2 = q^n b2 + learning_rate * sum_k q^(n-1-k) y_k gives a weighted mean of the targets (n,), in score
    points, in which later rows weigh more: sum_k q^(n-1-k) y_k / sum_k q^(n-1-k).
    """
    weights = decay(learning_rate) ** np.arange(len(targets) - 1, -1, -1)
    return float(weights @ targets / weights.sum())


def collapsed_avg_loss(targets: Floats, learning_rate: float) -> float:
    """Return the height, in score points squared, at which avg_loss of a dead network settles.

    The error before each row's update is the targets' sequence (n,) passed through a linear filter, so Parseval's
    theorem gives its mean square frequency by frequency: with P_m = |DFT(y)_m|^2 / n^2 and w_m = 2 pi m / n,
    sum over m != 0 of P_m (2 - 2 cos w_m) / (1 - 2 q cos w_m + q^2).
    """
    n, q = len(targets), decay(learning_rate)
    power = np.abs(np.fft.fft(targets)[1:]) ** 2 / n**2
    cosine = np.cos(2 * np.pi * np.arange(1, n) / n)
    return float(np.sum(power * (2 - 2 * cosine) / (1 - 2 * q * cosine + q * q)))


def collapsed_avg_loss_of_three(targets: Floats, learning_rate: float) -> float:
    """Return `collapsed_avg_loss` for three rows: 3 Var(y) / (1 + q + q^2), whatever their order."""
    if len(targets) != 3:
        raise InputError(f"this closed form holds for 3 rows, not for {len(targets)}")
    q = decay(learning_rate)
    return float(3 * np.var(targets) / (1 + q + q * q))


def decay(learning_rate: float) -> float:
    """Return q, the factor by which one update shrinks the bias's distance to its target."""
    if not 0 < learning_rate < BIAS_LIMIT:
        raise InputError(f"learning_rate={learning_rate}: a dead network settles only between 0 and {BIAS_LIMIT}")
    return 1.0 - learning_rate
