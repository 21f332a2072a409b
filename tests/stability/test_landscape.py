"""Derivatives of the half loss against derivatives taken another way, and descent along them."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from student_score.data.rows import Rows
from student_score.errors import InputError
from student_score.model.activations import LEAKY_SLOPE, Activation
from student_score.model.network import Parameters, predict
from student_score.stability.landscape import STATES_AT_ONCE, Landscape, spectral_radius
from student_score.stability.thresholds import (
    full_batch_threshold,
    residual_map,
)
from student_score.training.reference import Network, train_epochs

SMOOTH = (Activation.tanh, Activation.sigmoid, Activation.identity)
ACTIVATIONS = pytest.mark.parametrize("activation", list(Activation), ids=lambda a: a.name)


def drawn(seed, activation, *, away=0.05):
    """Return a landscape of one to five rows and one to three features and units, and parameters away from kinks."""
    rng = np.random.default_rng(seed)
    n, n_features, hidden_size = rng.integers(1, [6, 4, 4])
    landscape = Landscape(Rows(rng.normal(size=(n, n_features)), rng.normal(size=n)), int(hidden_size), activation)
    while True:
        p = rng.normal(size=landscape.size)
        if landscape.kink_distance(p) > away:
            return landscape, p


def plain_half_loss(landscape, p):
    """Return the half loss, spelled out weight by weight, of real or complex parameters."""
    functions = {
        Activation.relu: lambda z: z if z.real > 0 else 0.0,
        Activation.leaky_relu: lambda z: z if z.real > 0 else LEAKY_SLOPE * z,
        Activation.tanh: np.tanh,
        Activation.sigmoid: lambda z: 1 / (1 + np.exp(-z)),
        Activation.identity: lambda z: z,
    }
    hidden, n_features = landscape.hidden_size, landscape.rows.features.shape[1]
    total = 0.0
    for x, y in zip(landscape.rows.features, landscape.rows.targets, strict=True):
        error = p[-1] - y
        for j in range(hidden):
            z = sum(x[i] * p[i * hidden + j] for i in range(n_features)) + p[n_features * hidden + j]
            error = error + p[(n_features + 1) * hidden + j] * functions[landscape.activation](z)
        total = total + error * error
    return total / (2 * len(landscape.rows))


def plain_gradient(landscape, p):
    """Return the gradient of `plain_half_loss` by complex steps, which lose no digits (Squire and Trapp 1998)."""
    steps = 1e-30j * np.eye(len(p))
    return np.array([plain_half_loss(landscape, p + step).imag / 1e-30 for step in steps])


def differences(function, p, step=1e-3):
    """Return the derivatives (len(p), ...) of `function` at p by central differences of fourth order."""
    far = [sum(w * function(p + k * e) for k, w in ((-2, 1), (-1, -8), (1, 8), (2, -1))) for e in step * np.eye(len(p))]
    return np.array(far) / (12 * step)


@ACTIVATIONS
@given(seed=st.integers(0, 10**6))
def test_gradient_and_hessian_are_the_derivatives_of_the_half_loss(activation, seed):
    """Complex steps and differences of a half loss written out weight by weight give the same, to 1e-13 and 1e-8."""
    landscape, p = drawn(seed, activation)
    slope = plain_gradient(landscape, p)
    np.testing.assert_allclose(landscape.gradient(p), slope, rtol=1e-13, atol=1e-13 * np.abs(slope).max())
    bend = differences(lambda q: plain_gradient(landscape, q), p)
    np.testing.assert_allclose(landscape.hessian(p), bend, rtol=1e-8, atol=1e-8 * np.abs(bend).max())
    assert np.array_equal(landscape.hessian(p), landscape.hessian(p).T)
    np.testing.assert_allclose(landscape.jacobian(p), differences(landscape.residuals, p).T, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(np.mean(landscape.residuals(p) ** 2) / 2, plain_half_loss(landscape, p), rtol=1e-13)


@ACTIVATIONS
@given(seed=st.integers(0, 10**6))
def test_the_updates_of_the_reference_trainer_follow_the_gradient(activation, seed):
    """At rate 1 a full-batch step is minus the gradient, and a per-sample update minus that of its row."""
    landscape, p = drawn(seed, activation)
    rows, shape = landscape.rows, {"n_features": landscape.rows.features.shape[1], "hidden_size": landscape.hidden_size}
    data = (rows.features.tolist(), rows.targets.tolist())
    start = Parameters.from_flat(p, **shape)
    for part, order, full_batch in ((landscape, range(len(rows)), True), (landscape.row(-1), [len(rows) - 1], False)):
        net = Network.of(start)
        list(train_epochs(net, *data, activation=activation, learning_rate=1.0, orders=[order], full_batch=full_batch))
        np.testing.assert_allclose(p - net.parameters().flat(), part.gradient(p), rtol=1e-12, atol=1e-13)
    predictions = predict(start, rows.features, activation)
    np.testing.assert_allclose(landscape.residuals(p), predictions - rows.targets, rtol=1e-13, atol=1e-13)


@ACTIVATIONS
def test_sharpness_is_the_largest_eigenvalue_and_at_least_1(activation):
    """It equals the top of the spectrum of a differenced Hessian, also where another eigenvalue is larger in size."""
    most_negative = 0.0
    for seed in range(12):
        landscape, p = drawn(seed, activation)
        # Targets moved by 30 points make the residual term the larger one.
        for rows in (landscape.rows, Rows(landscape.rows.features, landscape.rows.targets - 30.0)):
            moved = Landscape(rows, landscape.hidden_size, activation)
            spectrum = np.sort(np.linalg.eigvals(differences(lambda q, m=moved: plain_gradient(m, q), p)).real)
            assert moved.sharpness(p) == pytest.approx(spectrum[-1], rel=1e-7)
            assert moved.sharpness(p) >= 1.0
            most_negative = min(most_negative, spectrum[0] / spectrum[-1])
    assert most_negative < -1.0 or activation not in {Activation.tanh, Activation.sigmoid}


@ACTIVATIONS
def test_leading_axes_are_kept(activation):
    """Each method gives for an array of parameter vectors what it gives for each of them, over all pieces of it."""
    landscape, _ = drawn(3, activation)
    p = np.random.default_rng(1).normal(size=(2, STATES_AT_ONCE // 2 + 3, landscape.size))
    for name in (
        "residuals",
        "jacobian",
        "gradient",
        "hessian",
        "sharpness",
        "batch_sharpness",
        "gram",
        "kink_distance",
    ):
        method = getattr(landscape, name)
        many = method(p)
        assert many.shape[:2] == p.shape[:2]
        for at in ((0, 0), (1, 0), (1, -1)):
            np.testing.assert_allclose(many[at], method(p[at]), rtol=1e-12, atol=1e-12)
    grams = landscape.gram(p)
    maps = residual_map(grams, 0.1, [0])
    np.testing.assert_allclose(maps[1, -1], residual_map(grams[1, -1], 0.1, [0]), rtol=1e-14)
    assert spectral_radius(maps)[1, -1] == pytest.approx(spectral_radius(maps[1, -1]), rel=1e-14)
    assert landscape.sharpness(p[:0]).shape == p[:0].shape[:2]


def test_states_that_are_not_finite_have_no_sharpness():
    """After divergence there is NaN, not a number that a dead relu unit would hide, and no failure."""
    landscape = Landscape(Rows(np.ones((2, 2)), np.zeros(2)), 2)
    p = np.ones((4, 9))
    p[1, 0], p[2, 8], p[3] = np.nan, np.inf, 1e200
    assert np.isfinite(landscape.sharpness(p)).tolist() == [True, False, False, False]
    assert np.isfinite(landscape.batch_sharpness(p)).tolist() == [True, False, False, False]
    assert np.isfinite(spectral_radius(residual_map(landscape.gram(p), 0.1, [0, 1]))).tolist() == [True, *3 * [False]]


def test_gram_and_kink_distance_by_hand():
    """One unit with sums 5 and -1: only the first row reaches it, and the second lies sqrt(1/2) from its kink."""
    landscape = Landscape(Rows(np.array([[2.0], [-1.0]]), np.zeros(2)), 1)
    p = np.array([2.0, 1.0, 3.0, 0.5])
    # Gradients of the predictions: (w2 x, w2, h, 1) = (6, 3, 5, 1) and (0, 0, 0, 1).
    assert landscape.gram(p).tolist() == [[71.0, 1.0], [1.0, 1.0]]
    assert landscape.residuals(p).tolist() == [15.5, 0.5]
    assert landscape.kink_distance(p) == pytest.approx(1 / np.sqrt(2), rel=1e-15)


@pytest.mark.parametrize("activation", [Activation.relu, Activation.leaky_relu], ids=lambda a: a.name)
def test_the_nearest_kink_is_where_the_distance_says(activation):
    """A step of that length can put a unit on a kink; no shorter one in 4000 directions changes a sign."""
    landscape, p = drawn(5, activation)
    distance, signs = landscape.kink_distance(p), np.sign(landscape.weighted_sums(p)[0])
    steps = np.random.default_rng(0).normal(size=(4000, landscape.size))
    steps *= 0.999 * distance / np.linalg.norm(steps, axis=1, keepdims=True)
    assert (np.sign(landscape.weighted_sums(p + steps)[0]) == signs).all()
    towards = differences(landscape.kink_distance, p)
    assert np.linalg.norm(towards) == pytest.approx(1.0, rel=1e-9)
    assert landscape.kink_distance(p - distance * towards) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("activation", SMOOTH, ids=lambda a: a.name)
def test_smooth_activations_have_no_kinks(activation):
    """Their distance is infinite, whatever the weighted sums."""
    assert Landscape(Rows(np.ones((1, 1)), np.ones(1)), 1, activation).kink_distance(np.zeros(4)) == np.inf


@ACTIVATIONS
def test_batch_sharpness_is_the_mean_curvature_along_the_rows_gradients(activation):
    """Second differences of each row's half loss along its own gradient have that mean."""
    landscape, p = drawn(8, activation)
    curvatures = []
    for i in range(len(landscape.rows)):
        part = landscape.row(i)
        direction = plain_gradient(part, p) / np.linalg.norm(plain_gradient(part, p))
        along = differences(lambda t, a=part, d=direction: np.array([plain_gradient(a, p + t[0] * d) @ d]), np.zeros(1))
        curvatures.append(along.item())
    assert len(curvatures) > 1
    assert landscape.batch_sharpness(p) == pytest.approx(np.mean(curvatures), rel=1e-8)


@ACTIVATIONS
def test_where_all_rows_are_fitted_the_gram_matrix_says_it_all(activation):
    """Sharpness is the largest eigenvalue of K/n there, batch sharpness the mean of K_ii."""
    landscape, p = fitted(8, activation)
    gram = landscape.gram(p)
    assert not landscape.residuals(p).any()
    assert landscape.batch_sharpness(p) == pytest.approx(np.trace(gram) / len(gram), rel=1e-13)
    assert 2 / landscape.sharpness(p) == pytest.approx(full_batch_threshold(gram), rel=1e-12)


def fitted(seed, activation):
    """Return parameters and a landscape whose targets are what they predict."""
    landscape, p = drawn(seed, activation)
    predictions = landscape.residuals(p) + landscape.rows.targets
    rows = Rows(landscape.rows.features, predictions)
    landscape = Landscape(rows, landscape.hidden_size, activation)
    rows.targets[:] += landscape.residuals(p)  # What rounding left of the residuals.
    return landscape, p


@ACTIVATIONS
@given(seed=st.integers(0, 10**6))
def test_the_epoch_map_is_the_derivative_of_an_epoch(activation, seed):
    """Differences of the reference trainer's epochs, two of them, give it, wherever they start."""
    landscape, p = drawn(seed, activation, away=0.1)
    rows, shape = landscape.rows, {"n_features": landscape.rows.features.shape[1], "hidden_size": landscape.hidden_size}
    order = np.random.default_rng(seed).permutation(len(rows)).tolist()

    def after(q):
        net = Network.of(Parameters.from_flat(q, **shape))
        data = (rows.features.tolist(), rows.targets.tolist())
        list(train_epochs(net, *data, activation=activation, learning_rate=0.003, orders=[order, order]))
        return net.parameters().flat()

    moved = landscape.epoch_map(p, 0.003, order * 2)
    np.testing.assert_allclose(moved, differences(after, p).T, rtol=1e-7, atol=1e-7)


@ACTIVATIONS
@given(seed=st.integers(0, 10**6))
def test_residual_map_and_epoch_map_share_their_spectrum_but_for_ones(activation, seed):
    """At a fitted point J intertwines the two; their spectra differ by size - n unit eigenvalues."""
    landscape, p = fitted(seed, activation)
    n, order = len(landscape.rows), np.random.default_rng(seed).permutation(len(landscape.rows)).tolist()
    rate = 1.3 / landscape.gram(p).diagonal().max()
    small, large = residual_map(landscape.gram(p), rate, order), landscape.epoch_map(p, rate, order)
    jacobian = landscape.jacobian(p)
    np.testing.assert_allclose(small @ jacobian, jacobian @ large, rtol=1e-11, atol=1e-11)
    # det(z - large) = (z - 1)^(size - n) det(z - small) for every z; two complex ones tell.
    for z in (0.3 + 0.7j, -0.9 + 0.2j):
        left, right = np.linalg.det(z * np.eye(landscape.size) - large), np.linalg.det(z * np.eye(n) - small)
        assert left == pytest.approx((z - 1) ** float(landscape.size - n) * right, rel=1e-9)


@ACTIVATIONS
def test_gradient_flow_follows_small_steps_of_descent(activation):
    """Descent's distance to the flow is proportional to its rate; extrapolated to rate 0 it is gone."""
    landscape, p = drawn(2, activation)
    ends = []
    for steps in (1000, 2000):
        q = p
        for _ in range(steps):
            q = q - 0.5 / steps * landscape.gradient(q)
        ends.append(q)
    [start, half, flow] = landscape.gradient_flow(p, [0.0, 0.25, 0.5], relative=1e-11, absolute=1e-11)
    assert np.array_equal(start, p)
    assert np.array_equal(half, landscape.gradient_flow(p, [0.25, 0.5], relative=1e-11, absolute=1e-11)[0])
    assert np.abs(ends[1] - flow).max() > 1e-6
    np.testing.assert_allclose(2 * ends[1] - ends[0], flow, rtol=0, atol=1e-6)


def test_gradient_flow_ends_at_a_minimum(article_split, minimum):
    """From the article's minimum, moved by 0.01, the flow comes back to fitting every row and stays there."""
    landscape, p = minimum
    [near, far] = landscape.gradient_flow(p + 0.01, [0.0, 300.0])
    assert np.abs(landscape.residuals(near)).max() > 0.5
    assert np.abs(landscape.residuals(far)).max() < 1e-7


def test_a_flow_caught_on_a_kink_is_an_error():
    """The second row pulls the unit's sum on the first row up to 0, where the first row pushes it back down."""
    landscape = Landscape(Rows(np.array([[1.0], [0.0]]), np.array([3.0, 0.0])), 1)
    with pytest.raises(ArithmeticError, match=r"stops before time 30\.0"):
        landscape.gradient_flow([-1.0, 0.5, -1.0, 0.0], [30.0])


@pytest.mark.parametrize("times", [[], [1.0, 1.0], [2.0, 1.0], [-1.0, 0.0], [0.0, np.nan], [0.0, np.inf], [[0.0, 1.0]]])
def test_times_of_a_flow_increase_from_0(times):
    """The message shows them."""
    with pytest.raises(InputError, match="times="):
        Landscape(Rows(np.ones((1, 1)), np.zeros(1)), 1).gradient_flow(np.ones(4), times)


@pytest.mark.parametrize(
    "start", [np.ones(5), np.ones((1, 4)), [1.0, np.nan, 1.0, 1.0]], ids=["long", "two axes", "NaN"]
)
def test_a_flow_starts_from_one_finite_vector(start):
    """The message says how many parameters the network has."""
    with pytest.raises(InputError, match="4 finite parameters"):
        Landscape(Rows(np.ones((1, 1)), np.zeros(1)), 1).gradient_flow(start, [1.0])


def test_parameters_of_another_shape_are_refused():
    """Every method names the shape it got and the length it needs; there is no network without units."""
    landscape = Landscape(Rows(np.ones((3, 2)), np.ones(3)), 2)
    names = ("residuals", "jacobian", "gradient", "hessian", "sharpness", "batch_sharpness", "gram", "kink_distance")
    for name, shape in product(names, [(), (8,), (9, 10)]):
        with pytest.raises(InputError, match=r"shape .* last axis of 9"):
            getattr(landscape, name)(np.ones(shape))
    with pytest.raises(InputError, match=r"shape .* last axis of 9"):
        landscape.epoch_map(np.ones(8), 0.1, [0])
    with pytest.raises(InputError, match="hidden_size=0"):
        Landscape(Rows(np.ones((3, 2)), np.ones(3)), 0)


@pytest.mark.parametrize("order", [[], [3], [-1], [0, 1, 4]], ids=str)
def test_updates_name_rows_that_exist(order):
    """Both linear maps refuse rows outside 0..n-1 and an epoch without rows."""
    with pytest.raises(InputError, match=r"rows 0\.\.2"):
        residual_map(np.eye(3), 0.1, order)
    with pytest.raises(InputError, match=r"rows 0\.\.2"):
        Landscape(Rows(np.ones((3, 2)), np.ones(3)), 2).epoch_map(np.ones(9), 0.1, order)
