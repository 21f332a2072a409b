"""The reference trainer against hand arithmetic, finite differences, a matrix twin and scikit-learn."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neural_network import MLPRegressor

from student_score.model.activations import Activation
from student_score.model.network import ARTICLE_START, Parameters
from student_score.training.reference import Network, train_epochs

STUDENTS = np.array([[5.0, 8.0], [2.0, 6.0], [8.0, 7.0]])
SCORES = np.array([85.0, 60.0, 95.0])

OUTPUT = {
    Activation.relu: lambda z: np.maximum(z, 0),
    Activation.leaky_relu: lambda z: np.maximum(z, z / 100),
    Activation.tanh: np.tanh,
    Activation.sigmoid: lambda z: 1 / (1 + np.exp(-z)),
    Activation.identity: lambda z: z,
}
SLOPE = {
    Activation.relu: lambda z: (z > 0) * 1.0,
    Activation.leaky_relu: lambda z: np.where(z > 0, 1.0, 0.01),
    Activation.tanh: lambda z: 1 / np.cosh(z) ** 2,
    Activation.sigmoid: lambda z: 1 / (2 + np.exp(z) + np.exp(-z)),
    Activation.identity: np.ones_like,
}


def trained(start, features, targets, *, orders, activation=Activation.relu, learning_rate=1.0, full_batch=False):
    """Return the reference trainer's final parameters, every epoch's avg_loss and whether a unit was active."""
    net = Network.of(start)
    epochs = train_epochs(
        net,
        np.asarray(features, dtype=float).tolist(),
        np.asarray(targets, dtype=float).tolist(),
        activation=activation,
        learning_rate=learning_rate,
        orders=orders,
        full_batch=full_batch,
    )
    losses, active = zip(*epochs, strict=True)
    return net.parameters(), list(losses), list(active)


def random_problem(seed, *, n=4, n_features=2, hidden_size=3):
    """Return parameters, features and targets of size 1 to 3, drawn from normal distributions."""
    rng = np.random.default_rng(seed)
    flat = rng.normal(size=hidden_size * (n_features + 2) + 1)
    start = Parameters.from_flat(flat, n_features=n_features, hidden_size=hidden_size)
    return start, 2 * rng.normal(size=(n, n_features)), 3 * rng.normal(size=n)


# By hand.

ONE = Parameters(np.array([[1.0]]), np.array([0.0]), np.array([1.0]), 0.0)  # prediction = x: one feature, one unit
ROWS, TARGETS = [[1.0], [2.0]], [3.0, 0.0]

BY_HAND = {
    # Row 1 (x 1, score 3): h 1, error -2; gradients w2 -2, b2 -2, hidden error -2, w1 -2, b1 -2, each times 1/2.
    # So w1 2, b1 1, w2 2, b2 1. Row 2 (x 2, score 0): h 5, prediction 11, error 11; gradients w2 55, b2 11,
    # hidden error 22 (by w2 = 2), w1 44, b1 22. avg_loss is (4 + 121) / 2.
    "file order": ([0, 1], False, [-20.0, -10.0, -25.5, -4.5], 62.5),
    # Row 2: h 2, error 2; gradients w2 4, b2 2, hidden error 2, w1 4, b1 2: w1 -1, b1 -1, w2 -1, b2 -1.
    # Row 1: h -2, prediction 2 - 1 = 1, error -2; gradients w2 4, b2 -2, hidden error 2, w1 2, b1 2.
    "reverse order": ([1, 0], False, [-2.0, -2.0, -3.0, 0.0], 4.0),
    # Row 1 twice: w1 2, b1 1, w2 2, b2 1 as above; then h 3, prediction 7, error 4; gradients w2 12, b2 4,
    # hidden error 8, w1 8, b1 8. avg_loss is (4 + 16) / 2.
    "one row twice": ([0, 0], False, [-2.0, -3.0, -4.0, -1.0], 10.0),
    # Errors -2 and 2 at the start. Mean gradients: w2 (-2*1 + 2*2)/2 = 1, b2 0, b1 0, w1 (-2*1 + 2*2)/2 = 1.
    "full batch": ([0, 1], True, [0.5, 0.0, 0.5, 0.0], 4.0),
}


@pytest.mark.parametrize(("order", "full_batch", "flat", "avg_loss"), BY_HAND.values(), ids=BY_HAND.keys())
def test_one_epoch_by_hand(order, full_batch, flat, avg_loss):
    """An identity unit trained for one epoch at rate 1/2 ends exactly where pencil and paper put w1, b1, w2, b2."""
    end, losses, _ = trained(
        ONE,
        ROWS,
        TARGETS,
        orders=[order],
        activation=Activation.identity,
        learning_rate=0.5,
        full_batch=full_batch,
    )
    assert end.flat().tolist() == flat
    assert losses == [avg_loss]


def test_full_batch_epochs_start_afresh():
    """The second full-batch step uses the gradient at the parameters after the first, and nothing of the first's."""
    # After the first: prediction x/4, errors 1/4 - 3 and 1/2; h is x/2. Mean gradients: w2 (-2.75/2 + 1/2)/2 = -0.4375,
    # b2 (-2.75 + 0.5)/2 = -1.125, hidden errors half the errors: b1 -0.5625, w1 (-1.375 + 0.25*2)/2 = -0.4375.
    end, losses, _ = trained(
        ONE,
        ROWS,
        TARGETS,
        orders=[[0, 1], [0, 1]],
        activation=Activation.identity,
        learning_rate=0.5,
        full_batch=True,
    )
    assert end.flat().tolist() == [0.71875, 0.28125, 0.71875, 0.5625]
    assert losses == [4.0, (2.75**2 + 0.5**2) / 2]


def test_the_gradients_of_hidden_weights_use_the_output_weights_before_the_step():
    """All gradients of a row are formed before any weight moves."""
    # z = h = 2, prediction 2, error 2. w2 moves by 4 to -3, and the hidden error is 2 * 1, not 2 * -3.
    end, _, _ = trained(ONE, [[2.0]], [0.0], orders=[[0]])
    assert end.flat().tolist() == [1.0 - 4.0, -2.0, -3.0, -2.0]


@pytest.mark.parametrize(
    ("activation", "w1", "active"),
    [(Activation.relu, 1.0, False), (Activation.leaky_relu, 1.0 + 2 * 0.01 * 2, True)],
    ids=["relu", "leaky_relu"],
)
def test_at_the_kink_the_slope_is_that_of_the_flat_side(activation, w1, active):
    """A sum of exactly 0 counts as not positive, as in the article."""
    # z = 2*1 - 2 = 0, so prediction 0, error -2 and hidden error -2 * slope; w1 moves by 2 * slope * 2.
    start = Parameters(np.array([[1.0]]), np.array([-2.0]), np.array([1.0]), 0.0)
    end, _, was_active = trained(start, [[2.0]], [2.0], orders=[[0]], activation=activation)
    assert end.w1[0, 0] == pytest.approx(w1, rel=1e-15)
    assert (end.w2.tolist(), end.b2) == ([1.0], 2.0)
    assert was_active == [active]


def test_an_epoch_is_active_if_any_unit_was_on_any_row_as_seen():
    """Activity is that of the weights each row met: the last update of an epoch shows in the next."""
    # h 1, prediction 1, error 11: all of w1, w2 become 1 - 11 = -10, b1 and b2 -11; then z is -21, error -1.
    _, losses, active = trained(ONE, [[1.0]], [-10.0], orders=[[0]] * 3)
    assert active == [True, False, False]
    assert losses == [121.0, 1.0, 0.0]  # b2 goes from -11 to -10 in the second epoch


def test_mean_squared_error_by_hand():
    """Predictions 1 and 2 against 3 and 0 have squared errors 4 and 4; relu cuts a negative sum off."""
    assert Network.of(ONE).mean_squared_error(ROWS, TARGETS, Activation.relu) == 4.0
    # Predictions 0 and 2 against 3 and 1: (9 + 1) / 2.
    assert Network.of(ONE).mean_squared_error([[-5.0], [2.0]], [3.0, 1.0], Activation.relu) == 5.0


def test_training_leaves_the_start_alone():
    """The trainer works on a copy, and `parameters` returns w1 with a row a feature and a column a unit."""
    before = ARTICLE_START.flat().tobytes()
    end, _, _ = trained(ARTICLE_START, STUDENTS, SCORES, orders=[[0, 1, 2]], learning_rate=1e-3)
    assert ARTICLE_START.flat().tobytes() == before != end.flat().tobytes()
    start, _, _ = random_problem(0, n_features=3, hidden_size=2)
    assert Network.of(start).parameters().flat().tobytes() == start.flat().tobytes()


# The order of operations, spelled out.


def spelled_out(start, rows, targets, *, activation, learning_rate, epochs, full_batch):
    """Train a network of two features and two units in single operations; return its nine parameters as a list."""
    (u, v), (s, t) = start.w1.T.tolist()  # first unit: u * studied + v * slept + a; second: s * studied + t * slept + c
    (a, c), (p, q), b = start.b1.tolist(), start.w2.tolist(), start.b2
    for _ in range(epochs):
        sums = [0.0] * 9
        for (x, y), target in zip(rows, targets, strict=True):
            h, slope_h = activation.evaluate((x * u + y * v) + a)
            k, slope_k = activation.evaluate((x * s + y * t) + c)
            error = ((h * p + k * q) + b) - target
            eh, ek = (error * p) * slope_h, (error * q) * slope_k
            gradient = [eh * x, ek * x, eh * y, ek * y, eh, ek, error * h, error * k, error]
            if full_batch:
                sums = [total + g for total, g in zip(sums, gradient, strict=True)]
            else:
                old = [u, s, v, t, a, c, p, q, b]
                u, s, v, t, a, c, p, q, b = (w - learning_rate * g for w, g in zip(old, gradient, strict=True))
        if full_batch:
            old = [u, s, v, t, a, c, p, q, b]
            u, s, v, t, a, c, p, q, b = (w - learning_rate * (g / len(rows)) for w, g in zip(old, sums, strict=True))
    return [u, s, v, t, a, c, p, q, b]


@pytest.mark.parametrize("full_batch", [False, True], ids=["per sample", "full batch"])
@pytest.mark.parametrize("activation", Activation)
@given(seed=st.integers(0, 2**32), learning_rate=st.sampled_from([0.003, 0.03, 0.1]))
def test_operations_come_in_the_defined_order(activation, full_batch, seed, learning_rate):
    """Every parameter has, in every bit, the value that the spelled-out operations give after twenty epochs."""
    start, features, targets = random_problem(seed, hidden_size=2)
    end, _, _ = trained(
        start,
        features,
        targets,
        orders=[range(4)] * 20,
        activation=activation,
        learning_rate=learning_rate,
        full_batch=full_batch,
    )
    expected = spelled_out(
        start,
        features.tolist(),
        targets.tolist(),
        activation=activation,
        learning_rate=learning_rate,
        epochs=20,
        full_batch=full_batch,
    )
    np.testing.assert_array_equal(end.flat(), expected)


@pytest.mark.parametrize("full_batch", [False, True], ids=["per sample", "full batch"])
def test_operations_come_in_the_defined_order_where_the_last_bit_decides(full_batch):
    """Also on the article's rows inside its unstable band, for 1000 epochs at rate 0.0019."""
    end, _, _ = trained(
        ARTICLE_START, STUDENTS, SCORES, orders=[range(3)] * 1000, learning_rate=0.0019, full_batch=full_batch
    )
    expected = spelled_out(
        ARTICLE_START,
        STUDENTS.tolist(),
        SCORES.tolist(),
        activation=Activation.relu,
        learning_rate=0.0019,
        epochs=1000,
        full_batch=full_batch,
    )
    np.testing.assert_array_equal(end.flat(), expected)


# Finite differences.

STEP = 1e-5


def half_loss(vector, features, targets, activation):
    """Return (1/2n) times the sum of squared errors, in matrices, for parameters in a flat vector."""
    n_features = features.shape[1]
    hidden_size = (len(vector) - 1) // (n_features + 2)
    parameters = Parameters.from_flat(vector, n_features=n_features, hidden_size=hidden_size)
    hidden = OUTPUT[activation](features @ parameters.w1 + parameters.b1)
    return np.mean((hidden @ parameters.w2 + parameters.b2 - targets) ** 2) / 2


def distance_to_kink(start, features, activation):
    """Return the smallest |z| of any unit on any row, infinity for activations without a kink."""
    if activation not in {Activation.relu, Activation.leaky_relu}:
        return math.inf
    return float(np.abs(features @ start.w1 + start.b1).min())


def check_gradient(gradient, loss, point):
    """Raise AssertionError naming the components in which `gradient` differs from central differences of `loss`."""
    moves = STEP * np.eye(len(point))
    numeric = np.array([(loss(point + move) - loss(point - move)) / (2 * STEP) for move in moves])
    # Losses are below 1e3 here: rounding gives up to 1e3 * 1e-16 / 1e-5 = 1e-8, truncation less than 1e-5 of the size.
    wrong = np.flatnonzero(np.abs(gradient - numeric) > 1e-5 * np.abs(numeric) + 1e-7)
    assert not len(wrong), f"components {wrong.tolist()}: {gradient[wrong]} where differences give {numeric[wrong]}"


def trainer_gradient(start, features, targets, activation, *, order, full_batch):
    """Return the gradient that one update at learning rate 1 subtracts from the parameters."""
    end, _, _ = trained(start, features, targets, orders=[order], activation=activation, full_batch=full_batch)
    return start.flat() - end.flat()


def steps(activation, full_batch, seed):
    """Yield each single update's gradient, the half loss it belongs to, and the point, away from all kinks."""
    start, features, targets = random_problem(seed)
    distance = distance_to_kink(start, features, activation)
    reach = STEP * (1 + np.abs(features).max())
    assert distance > reach, f"nearest kink at |z| = {distance}, differences reach {reach}"
    parts = [[0, 1, 2, 3]] if full_batch else [[0], [1], [2], [3]]
    for order in parts:
        gradient = trainer_gradient(start, features, targets, activation, order=order, full_batch=full_batch)
        loss = partial(half_loss, features=features[order], targets=targets[order], activation=activation)
        yield gradient, loss, start.flat()


@pytest.mark.parametrize("full_batch", [False, True], ids=["per sample", "full batch"])
@pytest.mark.parametrize("activation", Activation)
@pytest.mark.parametrize("seed", range(3))
def test_updates_follow_the_gradient_of_the_half_loss(activation, full_batch, seed):
    """A full-batch update is the gradient of (1/2n) sum error^2, a row's update that of half its squared error."""
    for gradient, loss, point in steps(activation, full_batch, seed):
        check_gradient(gradient, loss, point)


@pytest.mark.parametrize("full_batch", [False, True], ids=["per sample", "full batch"])
@pytest.mark.parametrize("activation", Activation)
def test_a_gradient_wrong_by_a_thousandth_is_noticed(activation, full_batch):
    """The check above rejects a gradient in which any one component is off by 0.1 %, and names the component."""
    noticed = 0
    for gradient, loss, point in steps(activation, full_batch, seed=0):
        for k in np.flatnonzero(np.abs(gradient) > 1e-3):
            wrong = gradient.copy()
            wrong[k] *= 1.001
            with pytest.raises(AssertionError, match=rf"components \[{k}\]"):
                check_gradient(wrong, loss, point)
            noticed += 1
    assert noticed >= 8


def test_a_kink_within_reach_is_reported():
    """The distance to the nearest kink is that of the unit and row whose sum is closest to 0."""
    # For the article's start z is 4.9, 1.3; 3.1, -0.1; 5.8, 3.3: the second student's second unit is nearest.
    assert distance_to_kink(ARTICLE_START, STUDENTS, Activation.relu) == pytest.approx(0.1, rel=1e-14)
    assert distance_to_kink(ARTICLE_START, STUDENTS, Activation.tanh) == math.inf


# A twin in matrices.


def twin(start, features, targets, *, orders, activation, learning_rate, full_batch):
    """Train in matrices: return final parameters as a flat vector, and every epoch's avg_loss and activity."""
    w1, b1, w2, b2 = start.w1.copy(), start.b1.copy(), start.w2.copy(), start.b2
    losses, active = [], []
    for order in orders:
        squares, slopes = [], []
        for batch in [order] if full_batch else [[row] for row in order]:
            x = features[batch]
            z = x @ w1 + b1
            h, slope = OUTPUT[activation](z), SLOPE[activation](z)
            error = h @ w2 + b2 - targets[batch]
            delta = np.outer(error, w2) * slope
            rate = learning_rate / len(batch)
            w1, b1 = w1 - rate * x.T @ delta, b1 - rate * delta.sum(axis=0)
            w2, b2 = w2 - rate * h.T @ error, b2 - rate * error.sum()
            squares.extend(error**2)
            slopes.append(slope)
        losses.append(np.mean(squares))
        active.append(bool(np.any(slopes)))
    return np.concatenate([w1.ravel(), b1, w2, [b2]]), losses, active


@pytest.mark.parametrize("full_batch", [False, True], ids=["per sample", "full batch"])
@pytest.mark.parametrize("activation", Activation)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 5), n_features=st.integers(1, 3), hidden_size=st.integers(1, 4))
def test_training_agrees_with_matrices(activation, full_batch, seed, n, n_features, hidden_size):
    """Five epochs in random orders, row by row or in one batch, end where matrix algebra ends."""
    start, features, targets = random_problem(seed, n=n, n_features=n_features, hidden_size=hidden_size)
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(n).tolist() for _ in range(5)]
    settings = {"orders": orders, "activation": activation, "learning_rate": 0.01, "full_batch": full_batch}
    end, losses, active = trained(start, features, targets, **settings)
    twin_end, twin_losses, twin_active = twin(start, features, targets, **settings)
    # Some hundred roundings of 1.1e-16 in numbers up to some tens.
    assert end.flat() == pytest.approx(twin_end, rel=1e-11, abs=1e-11)
    assert losses == pytest.approx(twin_losses, rel=1e-11, abs=1e-11)
    assert active == twin_active


# scikit-learn.

SKLEARN_NAMES = {
    Activation.relu: "relu",
    Activation.tanh: "tanh",
    Activation.sigmoid: "logistic",
    Activation.identity: "identity",
}


def sklearn_trained(start, features, targets, *, activation, learning_rate, epochs):
    """Return the flat parameters after `epochs` of scikit-learn's stochastic gradient descent, and its loss."""
    model = MLPRegressor(
        hidden_layer_sizes=(start.hidden_size,),
        activation=SKLEARN_NAMES[activation],
        solver="sgd",
        alpha=0.0,
        batch_size=1,
        learning_rate_init=learning_rate,
        momentum=0.0,
        nesterovs_momentum=False,
        shuffle=False,
        random_state=0,
    )
    model.partial_fit(features, targets)  # creates the arrays that the start is now written into
    for array, values in zip(
        (*model.coefs_, *model.intercepts_), (start.w1, start.w2[:, None], start.b1, np.array([start.b2])), strict=True
    ):
        array[...] = values
    for _ in range(epochs):
        model.partial_fit(features, targets)
    (w1, w2), (b1, b2) = model.coefs_, model.intercepts_
    return np.concatenate([w1.ravel(), b1, w2.ravel(), b2]), model.loss_


@pytest.mark.parametrize("activation", SKLEARN_NAMES)
def test_a_single_step_is_scikit_learns(activation):
    """From the article's start, one step on one student agrees with MLPRegressor to the last bits."""
    end, losses, _ = trained(
        ARTICLE_START, STUDENTS[:1], SCORES[:1], orders=[[0]], activation=activation, learning_rate=1e-4
    )
    flat, loss = sklearn_trained(
        ARTICLE_START, STUDENTS[:1], SCORES[:1], activation=activation, learning_rate=1e-4, epochs=1
    )
    # Matrix products may round differently from machine to machine: by one or two units of 2.2e-16 here.
    assert end.flat() == pytest.approx(flat, rel=5e-16, abs=0.0)
    # Its loss is half the squared error, taken before the step, as avg_loss is.
    assert losses[0] == pytest.approx(2 * loss, rel=1e-15)


@pytest.mark.parametrize("activation", SKLEARN_NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_sixty_epochs_are_scikit_learns(activation, seed):
    """With six rows of size 2 and four units, weights agree with MLPRegressor to 1e-12 after 360 steps."""
    start, features, targets = random_problem(seed, n=6, hidden_size=4)
    end, losses, _ = trained(
        start, features, targets, orders=[range(6)] * 60, activation=activation, learning_rate=0.005
    )
    flat, loss = sklearn_trained(start, features, targets, activation=activation, learning_rate=0.005, epochs=60)
    assert end.flat() == pytest.approx(flat, rel=1e-12, abs=1e-13)
    assert losses[-1] == pytest.approx(2 * loss, rel=1e-11)
    assert np.abs(end.flat() - start.flat()).max() > 0.1


def test_the_articles_training_is_scikit_learns():
    """At rate 0.0001, fifty epochs on the article's students agree with MLPRegressor to 1e-12."""
    end, losses, _ = trained(ARTICLE_START, STUDENTS, SCORES, orders=[range(3)] * 50, learning_rate=1e-4)
    flat, loss = sklearn_trained(
        ARTICLE_START, STUDENTS, SCORES, activation=Activation.relu, learning_rate=1e-4, epochs=50
    )
    assert end.flat() == pytest.approx(flat, rel=1e-12)
    assert losses[-1] == pytest.approx(2 * loss, rel=1e-12)


# Invariants.


@pytest.mark.parametrize("activation", Activation)
@pytest.mark.parametrize("full_batch", [False, True], ids=["per sample", "full batch"])
@given(seed=st.integers(0, 2**32), hidden_size=st.integers(2, 5))
def test_renumbered_units_train_alike(activation, full_batch, seed, hidden_size):
    """Training renumbered units gives the renumbered result: in every bit for two units, where a + b is b + a.

    With more units the prediction sums them in another order and rounds differently, so there the results agree to
    1e-11 only.
    """
    start, features, targets = random_problem(seed, hidden_size=hidden_size)
    order = np.random.default_rng(seed).permutation(hidden_size)
    renumbered = Parameters(start.w1[:, order], start.b1[order], start.w2[order], start.b2)
    settings = {"orders": [[2, 0, 3, 1]] * 5, "activation": activation, "learning_rate": 0.01, "full_batch": full_batch}
    end, losses, _ = trained(start, features, targets, **settings)
    other, other_losses, _ = trained(renumbered, features, targets, **settings)
    expected = Parameters(end.w1[:, order], end.b1[order], end.w2[order], end.b2).flat()
    if hidden_size == 2:
        assert other.flat().tobytes() == expected.tobytes()
        assert losses == other_losses
    assert other.flat() == pytest.approx(expected, rel=1e-11, abs=1e-11)


def test_renumbered_units_train_alike_where_the_last_bit_decides():
    """At rate 0.0019, inside the unstable band, swapping the article's two units changes no bit in 1000 epochs."""
    swapped = Parameters(ARTICLE_START.w1[:, ::-1], ARTICLE_START.b1[::-1], ARTICLE_START.w2[::-1], ARTICLE_START.b2)
    (end, losses, _), (other, other_losses, _) = (
        trained(start, STUDENTS, SCORES, orders=[range(3)] * 1000, learning_rate=0.0019)
        for start in (ARTICLE_START, swapped)
    )
    assert losses == other_losses
    assert end.w1[:, ::-1].tobytes() == other.w1.tobytes()
    assert end.w2[::-1].tobytes() == other.w2.tobytes()


@pytest.mark.parametrize("activation", Activation)
@given(seed=st.integers(0, 2**32), order=st.permutations(range(4)))
def test_a_full_batch_does_not_depend_on_the_order_of_its_rows(activation, seed, order):
    """Mean gradients are the same in every order, up to the rounding of their sums."""
    start, features, targets = random_problem(seed)
    settings = {"activation": activation, "learning_rate": 0.01, "full_batch": True}
    end, losses, _ = trained(start, features, targets, orders=[range(4)] * 5, **settings)
    other, other_losses, _ = trained(start, features, targets, orders=[order] * 5, **settings)
    assert other.flat() == pytest.approx(end.flat(), rel=1e-11, abs=1e-11)
    assert other_losses == pytest.approx(losses, rel=1e-11)


@given(seed=st.integers(0, 2**32), order=st.permutations(range(4)), full_batch=st.booleans())
def test_an_order_of_rows_means_the_rows_in_that_order(seed, order, full_batch):
    """Visiting rows in an order gives the bits of rearranged rows visited one after another."""
    start, features, targets = random_problem(seed)
    settings = {"learning_rate": 0.01, "full_batch": full_batch}
    end, losses, _ = trained(start, features, targets, orders=[order] * 3, **settings)
    other, other_losses, _ = trained(start, features[order], targets[order], orders=[range(4)] * 3, **settings)
    assert end.flat().tobytes() == other.flat().tobytes()
    assert losses == other_losses


@given(seed=st.integers(0, 2**32))
def test_full_batch_and_one_row_are_the_same_training(seed):
    """With a single row, a batch of all rows and a step for each row have the same bits."""
    start, features, targets = random_problem(seed, n=1)
    one, batch = (
        trained(start, features, targets, orders=[[0]] * 5, learning_rate=0.01, full_batch=full_batch)
        for full_batch in (False, True)
    )
    assert one[0].flat().tobytes() == batch[0].flat().tobytes()
    assert one[1:] == batch[1:]
