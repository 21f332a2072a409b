"""The half loss of a network as a function of its flat parameters: exact derivatives, and descent along them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from student_score.arrays import Floats
from student_score.data.rows import Rows
from student_score.errors import InputError
from student_score.model.activations import Activation

STATES_AT_ONCE = 4096
"""Parameter vectors whose Hessians are in memory together."""


@dataclass(frozen=True, eq=False)
class Landscape:
    """The half loss (sum of squared errors) / (2n) of networks of one shape on fixed rows, and its derivatives.

    Every method takes flat parameter vectors p (..., size), ordered as `Parameters.flat`, keeps their leading axes, and
    raises InputError if the last axis has another length. A vector with a value that is not finite counts as NaN
    throughout. Values agree with the trainers' to rounding. On a kink the slope is that of `activations`; the second
    derivative of the piecewise linear activations is 0 everywhere.

    Attributes:
        rows: the n training rows as the network sees them, scaled where it trains on scaled ones; every loss,
            gradient and curvature is in the units of their targets.
        hidden_size: hidden units, at least 1.
        activation: of the hidden units.

    >>> from student_score import ARTICLE_ROWS, ARTICLE_START, Landscape
    >>> landscape = Landscape(ARTICLE_ROWS, hidden_size=2)
    >>> landscape.residuals(ARTICLE_START.flat()).round(2).tolist()
    [-70.43, -47.52, -78.71]
    >>> limit = 2 / landscape.sharpness(ARTICLE_START.flat())  # of the learning rate, for a full batch
    >>> f"{limit:.4f}"
    '0.0034'
    """

    rows: Rows
    hidden_size: int
    activation: Activation = Activation.relu

    def __post_init__(self) -> None:
        if self.hidden_size < 1:
            raise InputError(f"hidden_size={self.hidden_size}: it must be at least 1")

    @property
    def size(self) -> int:
        """Number of weights and biases."""
        return self.hidden_size * (int(self.rows.features.shape[1]) + 2) + 1

    @cached_property
    def inputs(self) -> Floats:
        """The rows' features with a 1 for the bias, (n, n_features + 1)."""
        return np.column_stack([self.rows.features, np.ones(len(self.rows))])

    def row(self, index: int) -> "Landscape":
        """Return the half loss of one row, error^2 / 2: what one per-sample update descends."""
        return Landscape(self.rows.take([index]), self.hidden_size, self.activation)

    def states(self, p: ArrayLike) -> Floats:
        """Return p (..., size), all NaN where a value is not finite, or raise InputError for another shape."""
        p = np.asarray(p, dtype=np.float64)
        if p.shape[-1:] != (self.size,):
            raise InputError(f"parameters of shape {p.shape} need a last axis of {self.size} for this network")
        return np.where(np.isfinite(p).all(axis=-1, keepdims=True), p, np.nan)

    def weighted_sums(self, p: ArrayLike) -> tuple[Floats, Floats, Floats]:
        """Return the units' weighted sums z (..., n, hidden_size), w2 (..., hidden_size) and b2 (...)."""
        p = self.states(p)
        first, w2, b2 = p[..., : -self.hidden_size - 1], p[..., -self.hidden_size - 1 : -1], p[..., -1]
        with np.errstate(all="ignore"):  # A network about to diverge has huge weights: a result, not a fault.
            return self.inputs @ first.reshape(*p.shape[:-1], self.inputs.shape[1], self.hidden_size), w2, b2

    def residuals(self, p: ArrayLike) -> Floats:
        """Return the predictions minus the targets, (..., n)."""
        z, w2, b2 = self.weighted_sums(p)
        with np.errstate(all="ignore"):
            predictions: Floats = np.einsum("...nj,...j->...n", self.activation.outputs(z), w2) + b2[..., None]
            return predictions - self.rows.targets

    def jacobian(self, p: ArrayLike) -> Floats:
        """Return the derivatives J of the predictions by the parameters, (..., n, size)."""
        z, w2, _ = self.weighted_sums(p)
        with np.errstate(all="ignore"):
            hidden = self.activation.slopes(z) * w2[..., None, :]
            first = (self.inputs[:, :, None] * hidden[..., None, :]).reshape(
                *z.shape[:-1], self.size - 1 - self.hidden_size
            )
        return np.concatenate([first, self.activation.outputs(z), np.ones((*z.shape[:-1], 1))], axis=-1)

    def gradient(self, p: ArrayLike) -> Floats:
        """Return the gradient J^T r / n of the half loss, (..., size)."""
        with np.errstate(all="ignore"):
            total: Floats = np.einsum("...np,...n->...p", self.jacobian(p), self.residuals(p))
            return total / len(self.rows)

    def hessian(self, p: ArrayLike) -> Floats:
        """Return the Hessian of the half loss, (..., size, size), symmetric.

        It is (J^T J + sum_i r_i H_i) / n, where H_i holds the second derivatives of row i's prediction: only weights
        of the same hidden unit meet there, by its second derivative, and its w2 with the weights into it, by its slope.
        """
        z, w2, _ = self.weighted_sums(p)
        outputs, slopes, inputs = self.activation.outputs(z), self.activation.slopes(z), self.inputs
        with np.errstate(all="ignore"):
            jacobian, weights = self.jacobian(p), self.residuals(p)[..., None] / len(self.rows)
            total: Floats = np.swapaxes(jacobian, -1, -2) @ jacobian / len(self.rows)
            bends = weights * self.activation.bends(outputs, slopes) * w2[..., None, :]
            within = np.einsum("...nj,na,nb->...jab", bends, inputs, inputs, optimize=True)
            across = np.einsum("...nj,na->...ja", weights * slopes, inputs)
            for j in range(self.hidden_size):
                into = np.arange(inputs.shape[1]) * self.hidden_size + j
                out = self.size - 1 - self.hidden_size + j
                total[..., into[:, None], into] += within[..., j, :, :]
                total[..., into, out] += across[..., j, :]
                total[..., out, into] += across[..., j, :]
        return (total + np.swapaxes(total, -1, -2)) / 2  # Exactly symmetric, as the sums above are only to rounding.

    def sharpness(self, p: ArrayLike) -> Floats:
        """Return the largest eigenvalue of the Hessian of the half loss, (...); NaN where that is not finite.

        It is at least 1, the curvature along b2. Full-batch descent near a minimum is stable below 2 / sharpness
        (Cohen et al. 2021).
        """
        p = self.states(p)
        flat = p.reshape(-1, self.size)
        pieces = np.array_split(flat, 1 + len(flat) // STATES_AT_ONCE)
        largest = np.concatenate([where_finite(largest_eigenvalues, self.hessian(piece)) for piece in pieces])
        return largest.reshape(p.shape[:-1])[()]

    def batch_sharpness(self, p: ArrayLike) -> Floats:
        """Return the batch sharpness for batches of one row, (...).

        Its definition (Andreyev and Beneventano 2024) is the mean over the rows of g^T H g / g^T g, with the gradient
        g = r_i J_i and the Hessian H = J_i J_i^T + r_i H_i of the row's own half loss. A fitted row, r_i = 0, has no
        gradient; it counts with the limit, the curvature along J_i, which is |J_i|^2. So does every row here: r_i
        cancels from the ratio, and |J_i| is at least 1, the derivative by b2.
        """
        total = np.zeros(self.states(p).shape[:-1])
        for part in map(self.row, range(len(self.rows))):
            direction = part.jacobian(p)[..., 0, :]
            with np.errstate(all="ignore"):
                curvature = np.einsum("...p,...pq,...q->...", direction, part.hessian(p), direction)
                total = total + curvature / np.sum(direction**2, axis=-1)
        return total / len(self.rows)

    def gram(self, p: ArrayLike) -> Floats:
        """Return K = J J^T, (..., n, n); K_ii is the squared norm of the gradient of row i's prediction."""
        jacobian = self.jacobian(p)
        with np.errstate(all="ignore"):
            return jacobian @ np.swapaxes(jacobian, -1, -2)

    def epoch_map(self, p: ArrayLike, learning_rate: float, row_order: Sequence[int]) -> Floats:
        """Return the derivative, (..., size, size), of p after per-sample updates of the rows in order, by p before.

        It is the product, last row leftmost, of I - learning_rate * (J_i J_i^T + r_i H_i), each factor at the point
        that the updates have reached. At a minimum that fits every row nothing moves and r_i = 0. There the
        directions along the minima, size - rank J of them, have eigenvalue 1 whatever the rate, so the spectral
        radius says nothing of stability; the other eigenvalues are those of `residual_map`.

        Args:
            p: where the updates start.
            learning_rate: step size of all parameters.
            row_order: rows in the order of their updates; a repeated permutation for several epochs.
        """
        p, derivative = self.states(p), np.eye(self.size)
        for part in map(self.row, checked_visits(row_order, len(self.rows))):
            with np.errstate(all="ignore"):
                derivative = derivative - learning_rate * part.hessian(p) @ derivative
                p = p - learning_rate * part.gradient(p)
        return derivative

    def kink_distance(self, p: ArrayLike) -> Floats:
        """Return the Euclidean distance, (...), from p to the nearest point where a unit's weighted sum is 0 on a row.

        For unit j and row i that is a plane in (w1[:, j], b1[j]), at distance |z_ij| / |(x_i, 1)|. Infinite for the
        smooth activations.
        """
        z, _, _ = self.weighted_sums(p)
        if not self.activation.has_kinks:
            return np.full(z.shape[:-2], np.inf)[()]
        distances: Floats = np.min(np.abs(z) / np.linalg.norm(self.inputs, axis=1)[:, None], axis=(-2, -1))
        return distances

    def gradient_flow(
        self, start: ArrayLike, times: ArrayLike, *, relative: float = 1e-9, absolute: float = 1e-9
    ) -> Floats:
        """Return the states (m, size) of dp/dt = -gradient of the half loss at `times` (m,), from `start` at time 0.

        t full-batch steps of descent at a small learning_rate take the flow's time t * learning_rate. The integrator
        is Radau's implicit method of order 5 (Hairer and Wanner 1996), made for stiff equations, with the exact
        Hessian. It takes no notice of kinks except by its error control, which shortens the steps there; where a kink
        attracts from both sides it creeps along it or gives up.

        Args:
            start: (size,) parameters.
            times: not negative, increasing.
            relative: tolerance of each step's error, relative to each parameter.
            absolute: the same, in the parameters' own units.

        Raises:
            InputError: wrong shapes or times.
            ArithmeticError: the integrator gave up.
        """
        from scipy.integrate import solve_ivp  # Late: it takes a third of a second to import.

        start, times = np.asarray(start, dtype=np.float64), np.asarray(times, dtype=np.float64)
        if start.shape != (self.size,) or not np.isfinite(start).all():
            raise InputError(f"a start of shape {start.shape} must hold {self.size} finite parameters")
        if (
            times.ndim != 1
            or not times.size
            or not (np.diff(times) > 0).all()
            or not 0 <= times[0] <= times[-1] < np.inf
        ):
            raise InputError(f"times={times} must be finite, not negative, and increase")
        solution = solve_ivp(
            lambda _, p: -self.gradient(p),
            (0.0, times[-1]),
            start,
            method="Radau",
            t_eval=times,
            jac=lambda _, p: -self.hessian(p),
            rtol=relative,
            atol=absolute,
        )
        if not solution.success:
            raise ArithmeticError(f"the gradient flow stops before time {times[-1]}: {solution.message}")
        return np.asarray(solution.y.T)


def where_finite(function: Callable[[Floats], Floats], matrices: Floats) -> Floats:
    """Return function(matrices), one number for each matrix of (..., k, k); NaN for those that are not finite."""
    finite = np.isfinite(matrices).all(axis=(-2, -1))
    values = np.full(finite.shape, np.nan)
    values[finite] = function(matrices[finite])
    return values[()]


def largest_eigenvalues(matrices: Floats) -> Floats:
    """Return the largest eigenvalue, by sign and not by modulus, of each symmetric matrix of (..., k, k)."""
    return np.asarray(np.linalg.eigvalsh(matrices)[..., -1], dtype=np.float64)


def spectral_radius(matrices: Floats) -> Floats:
    """Return the largest modulus of the eigenvalues of each matrix of (..., k, k); NaN where one is not finite."""
    return where_finite(lambda m: np.abs(np.linalg.eigvals(m)).max(axis=-1), matrices)


def checked_visits(row_order: Sequence[int], n: int) -> list[int]:
    """Return the rows visited, or raise InputError if they are not some of 0..n-1."""
    visits = list(row_order)
    if not visits or not set(visits) <= set(range(n)):
        raise InputError(f"row_order={visits} must name at least one row, and only rows 0..{n - 1}")
    return visits
