"""Parameters: where they start, how they lie in a vector, and what they predict."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from student_score.errors import InputError
from student_score.model.activations import Activation
from student_score.model.network import (
    ARTICLE_START,
    Initialisation,
    Parameters,
    dead_units,
    initialise,
    predict,
    weighted_sum,
    weighted_sums,
)
from student_score.training import reference

STUDENTS = np.array([[5.0, 8.0], [2.0, 6.0], [8.0, 7.0]])
COUNTED = Parameters(  # 3 features, 2 units
    w1=np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), b1=np.array([7.0, 8.0]), w2=np.array([9.0, 10.0]), b2=11.0
)


def random_parameters(rng, n_features, hidden_size, size=1.0):
    """Return parameters drawn from a normal distribution of the given standard deviation."""
    flat = rng.normal(size=hidden_size * (n_features + 2) + 1) * size
    return Parameters.from_flat(flat, n_features=n_features, hidden_size=hidden_size)


def test_the_flat_vector_holds_w1_row_by_row_then_b1_w2_b2():
    """Parameters numbered in that order come out as 1, 2, ..., 11."""
    assert COUNTED.flat().tolist() == [float(k) for k in range(1, 12)]
    assert (COUNTED.size, COUNTED.n_features, COUNTED.hidden_size) == (11, 3, 2)


@given(n_features=st.integers(1, 4), hidden_size=st.integers(1, 5), seed=st.integers(0, 99))
def test_a_flat_vector_becomes_the_same_parameters_again(n_features, hidden_size, seed):
    """`from_flat` undoes `flat` in every bit, for every shape, and shares no memory with the vector."""
    vector = np.random.default_rng(seed).normal(size=hidden_size * (n_features + 2) + 1)
    parameters = Parameters.from_flat(vector, n_features=n_features, hidden_size=hidden_size)
    assert parameters.w1.shape == (n_features, hidden_size)
    assert parameters.flat().tobytes() == vector.tobytes()
    vector[:] = 0.0
    assert parameters.flat().all()


@pytest.mark.parametrize("length", [0, 8, 10])
def test_a_flat_vector_of_another_length_is_refused(length):
    """Two features and two units need nine numbers; the message names the shape and the sizes."""
    with pytest.raises(InputError, match=rf"\({length},\).*2 features and 2 units"):
        Parameters.from_flat(np.ones(length), n_features=2, hidden_size=2)


@pytest.mark.parametrize(
    ("b1", "w2", "name"),
    [(np.ones(3), np.ones(2), "b1"), (np.ones(2), np.ones(1), "w2"), (np.ones(2), np.ones((2, 1)), "w2")],
    ids=["b1 too long", "w2 too short", "w2 as a column"],
)
def test_parameters_of_different_hidden_sizes_are_refused(b1, w2, name):
    """The message names the parameter whose shape does not fit w1."""
    with pytest.raises(InputError, match=rf"^{name} has shape .*\(2,\)"):
        Parameters(np.ones((2, 2)), b1, w2, 0.0)


def test_names_count_from_one_as_the_article_does():
    """w1_i_j leads from feature i to unit j; every parameter is named once, in the order of the flat vector."""
    names = ["w1_1_1", "w1_1_2", "w1_2_1", "w1_2_2", "w1_3_1", "w1_3_2", "b1_1", "b1_2", "w2_1", "w2_2", "b2"]
    assert list(COUNTED.named()) == [(name, float(k)) for k, name in enumerate(names, start=1)]


@pytest.mark.parametrize("place", range(11))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_number_decides_that_parameters_are_not_finite(place, value):
    """Wherever an inf or nan stands, both `is_finite` see it, and they see none before."""
    vector = COUNTED.flat()
    assert COUNTED.is_finite()
    assert reference.Network.of(COUNTED).is_finite()
    vector[place] = value
    spoilt = Parameters.from_flat(vector, n_features=3, hidden_size=2)
    assert not spoilt.is_finite()
    assert not reference.Network.of(spoilt).is_finite()


def test_the_article_start_is_the_articles():
    """Rows of w1 are inputs, columns are hidden units; w2 is the article's column [[0.8], [0.5]]."""
    start = initialise(Initialisation.article, n_features=2, hidden_size=2, seed=7)
    assert start.w1.tolist() == [[0.4, 0.6], [0.3, -0.2]]
    assert (start.b1.tolist(), start.w2.tolist(), start.b2) == ([0.5, -0.1], [0.8, 0.5], 10.0)


@pytest.mark.parametrize(("n_features", "hidden_size"), [(2, 3), (1, 2), (3, 3)])
def test_the_article_start_fits_no_other_network(n_features, hidden_size):
    """The message names both sizes and what to use instead."""
    with pytest.raises(InputError, match=rf"{n_features} and {hidden_size}.*he or glorot"):
        initialise(Initialisation.article, n_features=n_features, hidden_size=hidden_size)


@pytest.mark.parametrize("initialisation", Initialisation)
@pytest.mark.parametrize(("n_features", "hidden_size"), [(0, 2), (2, 0), (2, -1)])
def test_a_network_without_features_or_units_is_refused(initialisation, n_features, hidden_size):
    """Both sizes must be at least 1."""
    with pytest.raises(InputError, match=f"n_features={n_features}, hidden_size={hidden_size}.*at least 1"):
        initialise(initialisation, n_features=n_features, hidden_size=hidden_size)


@pytest.mark.parametrize(
    ("initialisation", "n_features", "hidden_size", "w1_variance", "w2_variance"),
    [
        (Initialisation.he, 1, 1, 2.0, 2.0),  # 2/1, 2/1
        (Initialisation.he, 2, 4, 1.0, 0.5),  # 2/2, 2/4
        (Initialisation.glorot, 1, 1, 1.0, 1.0),  # 2/(1+1), 2/(1+1)
        (Initialisation.glorot, 2, 4, 1 / 3, 0.4),  # 2/(2+4), 2/(4+1)
    ],
)
def test_drawn_starts_have_the_published_variances(initialisation, n_features, hidden_size, w1_variance, w2_variance):
    """Over 4000 seeds weights are normal with mean 0 and variance 2/fan_in or 2/(fan_in + fan_out); biases are 0."""
    starts = [
        initialise(initialisation, n_features=n_features, hidden_size=hidden_size, seed=seed) for seed in range(4000)
    ]
    assert all(not start.b1.any() and start.b2 == 0.0 for start in starts)
    for weights, variance in (
        (np.array([start.w1 for start in starts]), w1_variance),
        (np.array([start.w2 for start in starts]), w2_variance),
    ):
        standardised = weights.ravel() / math.sqrt(variance)
        # With at least 4000 numbers the standard errors are at most 0.016 (mean), 0.022 (variance), 0.0074 (share).
        assert abs(standardised.mean()) < 0.08
        assert abs(standardised.var() - 1) < 0.11
        assert abs(np.mean(np.abs(standardised) < 1) - 0.6827) < 0.037  # a normal distribution's share
        assert np.abs(standardised).max() > 3  # beyond sqrt(3), where a uniform one ends


@pytest.mark.parametrize("initialisation", [Initialisation.he, Initialisation.glorot])
def test_the_seed_decides_a_drawn_start(initialisation):
    """One seed gives one start, another seed another."""
    one, same, other = (initialise(initialisation, n_features=2, hidden_size=3, seed=s).flat() for s in (1, 1, 2))
    assert one.tobytes() == same.tobytes()
    assert (one[:6] != other[:6]).all()


ORDER_CASES = {
    # 1e16 + 1 is a tie that rounds to 1e16, so left to right (1e16 + 1) - 1e16 is 0; any other order gives 1.
    "left to right": ([1e16, 1.0, -1e16], [1.0, 1.0, 1.0], 0.0, 0.0),
    "the bias last": ([1e16, -1e16], [1.0, 1.0], 1.0, 1.0),
    # (1 + 2^-30)(1 - 2^-30) is 1 - 2^-60 and rounds to 1; a fused multiply-add would leave -2^-60.
    "products rounded before they are added": ([1.0, 1 + 2**-30], [-1.0, 1 - 2**-30], 0.0, 0.0),
    "one value": ([3.0], [0.5], 0.25, 1.75),
}


@pytest.mark.parametrize(("values", "weights", "bias", "total"), ORDER_CASES.values(), ids=ORDER_CASES.keys())
def test_a_weighted_sum_runs_left_to_right_and_ends_with_the_bias(values, weights, bias, total):
    """Both implementations give the result that only this order of roundings gives."""
    assert reference.weighted_sum(values, weights, bias) == total
    assert weighted_sum(np.array([values]), np.array(weights), bias).tolist() == [total]


def test_weighted_sums_have_a_row_a_student_and_a_column_a_unit():
    """For the first student z is 5*0.4 + 8*0.3 + 0.5 = 4.9 and 5*0.6 - 8*0.2 - 0.1 = 1.3."""
    z = weighted_sums(ARTICLE_START, STUDENTS)
    # Second student: 0.8 + 1.8 + 0.5 and 1.2 - 1.2 - 0.1; third: 3.2 + 2.1 + 0.5 and 4.8 - 1.4 - 0.1.
    assert z == pytest.approx(np.array([[4.9, 1.3], [3.1, -0.1], [5.8, 3.3]]), rel=1e-14)


def test_the_articles_start_predicts_by_hand():
    """10 + 0.8 h1 + 0.5 h2 is 14.57 for the first student; the second student's h2 is cut off at 0."""
    # 3.92 + 0.65 + 10; 2.48 + 0 + 10; 4.64 + 1.65 + 10
    predictions = predict(ARTICLE_START, STUDENTS, Activation.relu)
    assert predictions == pytest.approx(np.array([14.57, 12.48, 16.29]), rel=1e-14)


@pytest.mark.parametrize("activation", Activation)
@given(
    seed=st.integers(0, 2**32),
    n_features=st.integers(1, 4),
    hidden_size=st.integers(1, 6),
    size=st.sampled_from([1e-3, 1.0, 30.0, 1e60]),
)
def test_predictions_are_the_trainers_own_in_every_bit(activation, seed, n_features, hidden_size, size):
    """The predictions of numpy and the reference's forward pass in Python floats are the same numbers."""
    rng = np.random.default_rng(seed)
    parameters = random_parameters(rng, n_features, hidden_size, size)
    features = rng.normal(size=(5, n_features)) * 6
    predictions = predict(parameters, features, activation)
    net = reference.Network.of(parameters)
    for row, prediction in zip(features.tolist(), predictions.tolist(), strict=True):
        hidden = [
            activation.evaluate(reference.weighted_sum(row, weights, bias))[0]
            for weights, bias in zip(net.units, net.b1, strict=True)
        ]
        assert reference.weighted_sum(hidden, net.w2, net.b2) == prediction
        # The error against its own prediction is 0 only if the trainer's prediction has the same bits.
        assert net.mean_squared_error([row], [prediction], activation) == 0.0


def test_a_diverged_network_predicts_without_a_warning():
    """Infinities and nan come out as they are."""
    huge = Parameters(np.full((2, 2), 1e308), np.zeros(2), np.array([1.0, -1.0]), 0.0)
    assert np.isnan(predict(huge, STUDENTS, Activation.relu)).all()  # inf - inf
    assert predict(huge, STUDENTS, Activation.tanh).tolist() == [0.0, 0.0, 0.0]  # 1 - 1
    lost = Parameters(np.full((2, 2), math.nan), np.zeros(2), np.ones(2), 0.0)
    assert np.isnan(predict(lost, STUDENTS, Activation.identity)).all()
    assert predict(lost, STUDENTS, Activation.relu).tolist() == [0.0, 0.0, 0.0]  # relu hides nan
    assert dead_units(huge, STUDENTS, Activation.sigmoid).tolist() == [True, True]


@pytest.mark.parametrize("activation", Activation)
@given(seed=st.integers(0, 2**32), hidden_size=st.integers(2, 6))
def test_the_order_of_hidden_units_does_not_matter(activation, seed, hidden_size):
    """Renumbering the units leaves the predictions alone: in every bit for two units, as a + b is b + a.

    With more, the sum over units is rounded in another order, by at most the number of units times half a unit in the
    last place of its largest part.
    """
    rng = np.random.default_rng(seed)
    original = random_parameters(rng, 2, hidden_size)
    order = rng.permutation(hidden_size)
    renumbered = Parameters(original.w1[:, order], original.b1[order], original.w2[order], original.b2)
    before, after = (predict(parameters, STUDENTS, activation) for parameters in (original, renumbered))
    if hidden_size == 2:
        assert before.tobytes() == after.tobytes()
    size = np.abs(activation.outputs(weighted_sums(original, STUDENTS))) @ np.abs(original.w2) + abs(original.b2)
    assert (np.abs(before - after) <= hidden_size * 2.3e-16 * size).all()
    dead, dead_after = (dead_units(parameters, STUDENTS, activation) for parameters in (original, renumbered))
    assert dead[order].tolist() == dead_after.tolist()


UNITS = Parameters(  # z on the rows (1), (2): 1, 2; 0, 1; -1, 0; -2, -1
    w1=np.array([[1.0, 1.0, 1.0, 1.0]]), b1=np.array([0.0, -1.0, -2.0, -3.0]), w2=np.ones(4), b2=0.0
)


@pytest.mark.parametrize(
    ("activation", "dead"),
    [
        (Activation.relu, [False, False, True, True]),  # dead where no z exceeds 0
        (Activation.leaky_relu, [False] * 4),
        (Activation.identity, [False] * 4),
        (Activation.tanh, [False] * 4),
        (Activation.sigmoid, [False] * 4),
    ],
)
def test_a_unit_is_dead_if_it_is_flat_on_every_row(activation, dead):
    """One active row keeps a unit alive; a sum of exactly 0 does not; leaky units never die."""
    assert dead_units(UNITS, np.array([[1.0], [2.0]]), activation).tolist() == dead


@pytest.mark.parametrize("activation", [Activation.tanh, Activation.sigmoid])
def test_saturated_units_are_dead(activation):
    """A unit at z = 1000 or -1000 on all rows is constant to the last bit; one unsaturated row keeps it alive."""
    # The last unit's z is the feature itself: 1000 on the first row and 0, where both are steepest, on the second.
    parameters = Parameters(np.array([[0.0, 0.0, 1.0]]), np.array([1000.0, -1000.0, 0.0]), np.ones(3), 0.0)
    assert dead_units(parameters, np.array([[1000.0], [0.0]]), activation).tolist() == [True, True, False]
