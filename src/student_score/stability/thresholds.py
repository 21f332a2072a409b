"""At which learning rate a minimum turns unstable, for each way of visiting the rows.

For a minimum that fits every row the thresholds are functions of its Gram matrix alone.
"""

from collections.abc import Callable, Sequence

import numpy as np

from student_score.arrays import Floats
from student_score.errors import InputError
from student_score.model.sampling import Sampling, check_row_order
from student_score.stability.landscape import checked_visits, largest_eigenvalues, spectral_radius

RANK_TOLERANCE = 1e-12
"""Eigenvalues of a Gram matrix that are smaller than this, relative to its largest, count as 0."""

SCANNED_RATES = 1000
"""Rates, evenly spaced in their logarithm, at which the search for a threshold looks for instability."""

MOST_SHUFFLED = 8
"""Rows. The mean over their orders takes 2^n * n / 2 products of matrices with n^4 elements."""


def residual_map(gram: Floats, learning_rate: float, row_order: Sequence[int]) -> Floats:
    """Return the matrix, (..., n, n), that per-sample updates of the rows in order apply to the residuals.

    Near a minimum that fits every row, an update of row i takes the residuals r to (I - learning_rate * K e_i e_i^T) r
    up to terms of second order in r; the product has the last row leftmost. It is `Landscape.epoch_map` seen through
    J: residual_map @ J = J @ epoch_map, so the two share their spectrum, but for the size - rank J unit eigenvalues
    of the one and the n - rank J of the other. Where K is regular, the minimum is linearly stable under the repeated
    order if the spectral radius is below 1, and the residuals then shrink by that factor an epoch.

    Args:
        gram: K at the minimum, (..., n, n), from `Landscape.gram`.
        learning_rate: step size of all parameters.
        row_order: rows in the order of their updates: a permutation for an epoch, one row for an update.
    """
    n = gram.shape[-1]
    product: Floats = np.broadcast_to(np.eye(n), gram.shape)
    for i in checked_visits(row_order, n):
        with np.errstate(all="ignore"):  # Overflows shortly before divergence; `spectral_radius` answers NaN.
            product = product - learning_rate * gram[..., :, i, None] * product[..., i, None, :]
    return product


def full_batch_threshold(gram: Floats) -> float:
    """Return 2n / (largest eigenvalue of K): from this rate full-batch descent leaves the minimum.

    The operator is I - learning_rate * K / n on the residuals. At a minimum that fits every row the sharpness is that
    eigenvalue of K / n, so this is the classical 2 / sharpness; elsewhere take `Landscape.sharpness`.
    """
    return float(2 * len(gram) / largest_eigenvalues(checked_gram(gram)))


def per_row_threshold(gram: Floats) -> float:
    """Return 2 / max K_ii: up to this rate no update of a single row expands anything.

    The operators are I - learning_rate * J_i J_i^T, one for each row, with norm 1 as long as learning_rate * K_ii is
    at most 2. Below it, per-sample descent is stable in every order of the rows, fixed or random (Tanabe 1971); the
    thresholds of `cyclic`, `shuffled` and `with_replacement` all lie between this and 2 / min K_ii, from where each
    factor's determinant is at least 1 in modulus.
    """
    return float(2 / np.diag(checked_gram(gram)).max())


def cyclic_threshold(gram: Floats, row_order: Sequence[int]) -> float:
    """Return the smallest rate at which an epoch in this order stops contracting the residuals.

    The operator is `residual_map`, restricted to the residuals that parameters can reach, the range of K; there its
    spectral radius reaches 1. Rotating or reversing the order leaves the spectrum as it is, so the order matters from
    four rows on. An interval of unstable rates narrower than the scan's step can be missed.
    """
    vectors = row_vectors(gram)
    check_row_order(row_order, len(gram), Sampling.cyclic)

    def radius(learning_rate: float) -> float:
        product = np.eye(vectors.shape[1])
        for row in vectors[list(row_order)]:
            product = product - learning_rate * np.outer(row, row @ product)
        return float(spectral_radius(product))

    return first_crossing(radius, gram)


def shuffled_threshold(gram: Floats) -> float:
    """Return the smallest rate at which the mean square of the residuals stops shrinking, a new random order an epoch.

    The operator is the mean of kron(M, M) over all n! orders, M being the epoch's matrix as in `cyclic_threshold`; its
    spectral radius reaches 1. The mean over the orders of a set of rows is the mean, over which of them comes last, of
    that row's factor times the mean over the orders of the others. Needs n <= MOST_SHUFFLED.
    """
    vectors, n = row_vectors(gram), len(gram)
    if n > MOST_SHUFFLED:
        raise InputError(f"the mean over all orders of {n} rows is too large; at most {MOST_SHUFFLED} rows")

    def radius(learning_rate: float) -> float:
        factors = np.eye(vectors.shape[1]) - learning_rate * vectors[:, :, None] * vectors[:, None, :]
        squares = [np.kron(factor, factor) for factor in factors]
        means = [np.eye(vectors.shape[1] ** 2)]  # of the sets of rows 0..2^n-1, written in binary
        for members in range(1, 2**n):
            last = [i for i in range(n) if members >> i & 1]
            means.append(np.mean([squares[i] @ means[members ^ 1 << i] for i in last], axis=0))
        return float(spectral_radius(means[-1]))

    return first_crossing(radius, gram)


def with_replacement_threshold(gram: Floats) -> float:
    """Return the rate from which the mean square of the residuals grows when each update's row is drawn anew.

    The operator is the mean over the rows of kron(F_i, F_i), F_i = I - learning_rate * J_i J_i^T restricted as in
    `cyclic_threshold`; its spectral radius reaches 1. It is symmetric, I - 2 learning_rate C + learning_rate^2 D, which
    gives 2 / (largest eigenvalue of C^-1 D) (Mulayoff and Michaeli 2024). C is diagonal where J^T J is, and D has
    rank n, so an n x n matrix has that eigenvalue.
    """
    vectors = row_vectors(gram)
    powers = np.sum(vectors**2, axis=0)
    products = vectors[:, None, :] * vectors[None, :, :]
    matrix = 2 * np.einsum("ija,ab,ijb->ij", products, 1 / (powers[:, None] + powers), products, optimize=True)
    return float(2 / largest_eigenvalues(matrix))


def checked_gram(gram: Floats) -> Floats:
    """Return the Gram matrix, or raise InputError if it is none: (n, n), finite, symmetric, positive diagonal."""
    if gram.ndim != 2 or gram.shape[0] != gram.shape[1] or not gram.size:
        raise InputError(f"a Gram matrix of shape {gram.shape} must be (n, n)")
    if not np.isfinite(gram).all() or not np.allclose(gram, gram.T) or not (np.diag(gram) > 0).all():
        raise InputError("a Gram matrix must be finite and symmetric, with a positive diagonal")
    return gram


def row_vectors(gram: Floats) -> Floats:
    """Return vectors (n, rank K) with the inner products K and orthogonal columns: the rows of J in fewer dimensions.

    Products of I - learning_rate * v_i v_i^T have the spectrum of `residual_map` on the range of K.
    """
    values, columns = np.linalg.eigh(checked_gram(gram))
    kept = values > RANK_TOLERANCE * values[-1]
    vectors: Floats = columns[:, kept] * np.sqrt(values[kept])
    return vectors


def first_crossing(radius: Callable[[float], float], gram: Floats) -> float:
    """Return the first rate, among those that are scanned, from which `radius` is at least 1, refined.

    The scan runs from 2 / max K_ii to just above 2 / min K_ii, where `radius` is at least 1 (see `per_row_threshold`).
    """
    from scipy.optimize import brentq  # Late: it takes a third of a second to import.

    rates = np.geomspace(2 / np.diag(gram).max(), (2 + 1e-6) / np.diag(gram).min(), SCANNED_RATES)
    first = next(k for k, rate in enumerate(rates) if radius(rate) >= 1)
    if first == 0:
        return float(rates[0])
    return float(brentq(lambda rate: radius(rate) - 1, rates[first - 1], rates[first], xtol=1e-14 * rates[first]))
