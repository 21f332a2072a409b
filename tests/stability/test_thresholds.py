"""At which rate a minimum turns unstable: against the maps themselves, enumeration and trainings."""

from functools import reduce
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from student_score.errors import InputError
from student_score.model.network import Parameters
from student_score.model.sampling import Sampling
from student_score.stability.landscape import spectral_radius
from student_score.stability.thresholds import (
    MOST_SHUFFLED,
    cyclic_threshold,
    full_batch_threshold,
    per_row_threshold,
    residual_map,
    shuffled_threshold,
    with_replacement_threshold,
)
from student_score.training.train import train


def random_gram(n, seed, rank=None):
    """Return the Gram matrix of n random vectors of `rank` dimensions (n + 1 by default) of unequal lengths."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, n + 1 if rank is None else rank)) * rng.uniform(1, 4, size=(n, 1))
    return vectors @ vectors.T


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_the_order_of_rows_in_a_residual_map(n):
    """The row visited first acts first: the product over the reversed sequence of I - rate K e_i e_i^T."""
    gram, rng = random_gram(n, n), np.random.default_rng(n)
    order = rng.permutation(n).tolist()
    factors = [np.eye(n) - 0.01 * np.outer(gram[:, i], np.eye(n)[i]) for i in order]
    np.testing.assert_allclose(residual_map(gram, 0.01, order), reduce(lambda m, f: f @ m, factors), rtol=1e-13)


@given(seed=st.integers(0, 10**6), n=st.integers(1, 5))
def test_at_the_cyclic_threshold_the_residual_map_stops_contracting(seed, n):
    """Its spectral radius is below 1 at 200 smaller rates and 1 there; both bounds by K_ii hold."""
    gram, order = random_gram(n, seed), np.random.default_rng(seed).permutation(n).tolist()
    threshold = cyclic_threshold(gram, order)
    assert spectral_radius(residual_map(gram, threshold, order)) == pytest.approx(1.0, abs=1e-9)
    assert max(spectral_radius(residual_map(gram, r, order)) for r in threshold * np.linspace(0.005, 0.999, 200)) < 1
    assert spectral_radius(residual_map(gram, threshold * 1.0005, order)) > 1
    assert per_row_threshold(gram) * (1 - 1e-12) <= threshold <= 2 / gram.diagonal().min() * (1 + 1e-6)


def test_the_first_of_several_crossings_is_found():
    """Here the spectral radius rises above 1, returns below it and rises again: the first rate counts."""
    gram, order = random_gram(4, 7, rank=5), [0, 1, 2, 3]
    rates = np.linspace(1, 4, 3001) * per_row_threshold(gram)
    unstable = np.array([spectral_radius(residual_map(gram, rate, order)) >= 1 for rate in rates])
    assert np.count_nonzero(np.diff(unstable)) >= 3
    first = int(unstable.argmax())
    assert rates[first - 1] < cyclic_threshold(gram, order) <= rates[first]


def test_the_order_matters_from_four_rows_on():
    """Rotations and reversals share a threshold: one for all orders of three rows, three for those of four."""
    three = [cyclic_threshold(random_gram(3, 0), order) for order in permutations(range(3))]
    assert max(three) == pytest.approx(min(three), rel=1e-10)
    four = [cyclic_threshold(random_gram(4, 0), order) for order in permutations(range(4))]
    assert len(set(np.round(four, 8))) == 3


def test_dependent_rows_are_restricted_to_what_parameters_reach():
    """Four rows in two dimensions: the residual map keeps two unit eigenvalues, the thresholds ignore them."""
    gram, order = random_gram(4, 6, rank=2), [2, 0, 3, 1]
    threshold = cyclic_threshold(gram, order)
    for factor, stable in ((0.99, True), (1.01, False)):
        moduli = np.abs(np.linalg.eigvals(residual_map(gram, factor * threshold, order)))
        assert np.count_nonzero(np.abs(moduli - 1) < 1e-9) == 2
        assert (moduli.max() < 1 + 1e-9) == stable
    assert shuffled_threshold(gram) > per_row_threshold(gram)
    assert with_replacement_threshold(gram) > per_row_threshold(gram)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_mean_square_thresholds_by_enumeration(n, seed):
    """The means over all orders, and over all rows, of kron(M, M) have spectral radius 1 there and not before."""
    gram = random_gram(n, 10 * n + seed)
    for threshold, sequences in (
        (shuffled_threshold(gram), list(permutations(range(n)))),
        (with_replacement_threshold(gram), [(i,) for i in range(n)]),
    ):

        def radius(rate, sequences=sequences):
            maps = [residual_map(gram, rate, sequence) for sequence in sequences]
            return float(spectral_radius(np.mean([np.kron(m, m) for m in maps], axis=0)))

        assert radius(threshold) == pytest.approx(1.0, abs=1e-9)
        assert max(radius(rate) for rate in threshold * np.linspace(0.01, 0.999, 60)) < 1 < radius(1.001 * threshold)
        assert threshold >= per_row_threshold(gram) * (1 - 1e-12)


def test_mean_squares_of_drawn_updates_follow_the_thresholds():
    """The exact mean over all draws of five epochs of two rows shrinks 5% below the thresholds and grows 5% above."""
    gram = random_gram(2, 7)
    for threshold, sequences in (
        (shuffled_threshold(gram), np.reshape(list(product([(0, 1), (1, 0)], repeat=5)), (-1, 10)).tolist()),
        (with_replacement_threshold(gram), list(product([0, 1], repeat=10))),
    ):
        for factor, grows in ((0.95, False), (1.05, True)):
            squares = [np.sum(residual_map(gram, factor * threshold, list(s)) ** 2) for s in sequences]
            shorter = [np.sum(residual_map(gram, factor * threshold, list(s)[:-2]) ** 2) for s in sequences]
            assert (np.mean(squares) > np.mean(shorter)) == grows


def test_orthogonal_and_single_rows_by_hand():
    """Rows that share nothing each need rate < 2 / K_ii; a single row has 2 / K under every sampling."""
    gram = np.diag([4.0, 1.0, 2.0])
    assert per_row_threshold(gram) == 0.5
    assert full_batch_threshold(gram) == pytest.approx(1.5, rel=1e-15)
    assert cyclic_threshold(gram, [1, 2, 0]) == pytest.approx(0.5, rel=1e-12)
    assert shuffled_threshold(gram) == pytest.approx(0.5, rel=1e-12)
    assert with_replacement_threshold(gram) == pytest.approx(0.5, rel=1e-12)
    one = np.array([[4.0]])
    thresholds = [f(one) for f in (full_batch_threshold, per_row_threshold, shuffled_threshold)]
    assert [*thresholds, cyclic_threshold(one, [0]), with_replacement_threshold(one)] == pytest.approx([0.5] * 5)


def test_thresholds_scale_with_the_gram_matrix():
    """A Gram matrix 10^9 times as large has thresholds 10^9 times smaller, to as many digits."""
    gram = random_gram(4, 1)
    functions = [full_batch_threshold, per_row_threshold, shuffled_threshold, with_replacement_threshold]
    for function in [*functions, lambda k: cyclic_threshold(k, [0, 2, 1, 3])]:
        assert function(1e9 * gram) * 1e9 == pytest.approx(function(gram), rel=1e-11)


def grows(split, p, learning_rate, sampling):
    """Say whether avg_loss near the minimum p ever exceeds a thousand times its start, within 20,000 epochs."""
    start = Parameters.from_flat(p, n_features=2, hidden_size=2)
    avg_loss = train(split, start, learning_rate=learning_rate, epochs=20_000, sampling=sampling).avg_loss
    return bool(avg_loss.max() > 1000 * avg_loss[0])


@pytest.mark.parametrize("sampling", [Sampling.cyclic, Sampling.full_batch], ids=lambda s: s.name)
def test_trainings_turn_unstable_at_the_thresholds(article_split, minimum, sampling):
    """Bisection over trainings near the article's minimum finds the predicted threshold within 0.1%."""
    landscape, p = minimum
    gram, order = landscape.gram(p), [0, 1, 2]
    cyclic = sampling is Sampling.cyclic
    predicted = cyclic_threshold(gram, order) if cyclic else 2 / landscape.sharpness(p)
    near = p + 1e-9 * np.random.default_rng(0).normal(size=9)
    low, high = 0.9 * predicted, 1.1 * predicted
    while high - low > 1e-4 * predicted:
        middle = (low + high) / 2
        low, high = (low, middle) if grows(article_split, near, middle, sampling) else (middle, high)
    assert low == pytest.approx(predicted, rel=1e-3)


@pytest.mark.parametrize("order", [[0, 1], [0, 1, 1], [0, 1, 3]], ids=str)
def test_a_cyclic_order_is_a_permutation(order):
    """Each row once, as in a training."""
    with pytest.raises(InputError, match="exactly once"):
        cyclic_threshold(np.eye(3), order)


BAD_GRAMS = {
    "one axis": np.ones(3),
    "not square": np.ones((2, 3)),
    "empty": np.ones((0, 0)),
    "not symmetric": np.array([[1.0, 0.5], [0.0, 1.0]]),
    "NaN": np.array([[1.0, np.nan], [np.nan, 1.0]]),
    "a row without gradient": np.diag([1.0, 0.0]),
}


@pytest.mark.parametrize("gram", BAD_GRAMS.values(), ids=BAD_GRAMS)
def test_a_threshold_needs_a_gram_matrix(gram):
    """All five refuse what is none."""
    functions = [full_batch_threshold, per_row_threshold, shuffled_threshold, with_replacement_threshold]
    for function in [*functions, lambda k: cyclic_threshold(k, range(len(k)))]:
        with pytest.raises(InputError, match="Gram matrix"):
            function(gram)


def test_too_many_rows_to_average_over_their_orders():
    """The message names the number of rows and the limit."""
    with pytest.raises(InputError, match=f"{MOST_SHUFFLED + 1} rows .* at most {MOST_SHUFFLED}"):
        shuffled_threshold(np.eye(MOST_SHUFFLED + 1))
