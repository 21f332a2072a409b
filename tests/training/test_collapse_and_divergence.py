"""When a training collapses, when it diverges, and that neither is a failure."""

import math
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from student_score.data.article import ARTICLE_ROWS
from student_score.data.rows import Rows, Scale, split_rows
from student_score.model.activations import Activation
from student_score.model.network import ARTICLE_START, Initialisation, Parameters, initialise
from student_score.model.outcome import Outcome
from student_score.model.sampling import Sampling
from student_score.training.train import train

ARTICLE = split_rows(ARTICLE_ROWS)

NAN, INF = math.nan, math.inf


def random_rows(n=12, n_features=2, seed=0):
    """Return rows of uniform numbers in hours and score points."""
    rng = np.random.default_rng(seed)
    return Rows(rng.uniform(0, 9, size=(n, n_features)), rng.uniform(30, 100, size=n))


def one_unit(w1, b1, w2, b2):
    """Return the parameters of a network with one feature and one hidden unit."""
    return Parameters(np.array([[w1]]), np.array([b1]), np.array([w2]), b2)


def one_row(feature, target):
    """Return a split whose only row is a feature and a target."""
    return split_rows(Rows(np.array([[feature]]), np.array([target])))


# Collapse.

COLLAPSES = {
    # h 1, prediction 1, error 11: w1, w2 become -10, b1, b2 -11; from the second epoch on z is -21.
    "in its second epoch": ((1.0, 0.0, 1.0, 0.0), 1.0, -10.0, 2),
    # z is 1 - 2 from the start.
    "before it starts": ((1.0, -2.0, 1.0, 0.0), 1.0, -10.0, 1),
    # z is exactly 0, where the slope is 0.
    "at the kink": ((1.0, -1.0, 1.0, 0.0), 1.0, -10.0, 1),
    # An exact fit: the error is 0 and nothing moves.
    "never": ((1.0, 0.0, 1.0, 0.0), 1.0, 1.0, None),
}


@pytest.mark.parametrize(("start", "feature", "target", "epoch"), COLLAPSES.values(), ids=COLLAPSES.keys())
def test_the_collapse_epoch_is_the_first_without_an_active_unit(start, feature, target, epoch):
    """Epochs count from 1, and each row counts with the weights it met: a last update kills the next epoch."""
    trajectory = train(one_row(feature, target), one_unit(*start), learning_rate=1.0, epochs=6)
    assert trajectory.collapse_epoch == epoch
    assert trajectory.dead_units.tolist() == [epoch is not None]


def test_a_training_that_ends_as_its_unit_dies_has_dead_units_and_no_collapse_epoch():
    """After one epoch of the first case above the unit is dead, but no epoch has passed without it."""
    trajectory = train(one_row(1.0, -10.0), one_unit(1.0, 0.0, 1.0, 0.0), learning_rate=1.0, epochs=1)
    assert trajectory.collapse_epoch is None
    assert trajectory.dead_units.tolist() == [True]


def test_one_active_row_or_unit_prevents_a_collapse():
    """With one row of two active, or one unit of two, no epoch counts as a collapse."""
    rows = Rows(np.array([[1.0], [-1.0]]), np.array([1.0, 0.0]))  # relu(x) fits both, active on the first alone
    trajectory = train(split_rows(rows), one_unit(1.0, 0.0, 1.0, 0.0), learning_rate=0.1, epochs=5)
    assert (trajectory.collapse_epoch, trajectory.dead_units.tolist()) == (None, [False])
    two = Parameters(np.array([[1.0, -1.0]]), np.zeros(2), np.array([1.0, 1.0]), 0.0)  # the second: relu(-x)
    trajectory = train(split_rows(rows.take([0])), two, learning_rate=0.1, epochs=5)
    assert (trajectory.collapse_epoch, trajectory.dead_units.tolist()) == (None, [False, True])


@pytest.mark.parametrize("activation", [Activation.sigmoid, Activation.tanh])
def test_saturated_units_count_as_dead(activation):
    """At z = 1000 slopes are 0 to the last bit: only the output layer learns, and the first epoch is a collapse."""
    trajectory = train(
        one_row(1.0, 3.0), one_unit(0.0, 1000.0, 1.0, 0.0), learning_rate=0.1, epochs=300, activation=activation
    )
    assert trajectory.collapse_epoch == 1
    assert trajectory.dead_units.tolist() == [True]
    assert (trajectory.final.w1.tolist(), trajectory.final.b1.tolist()) == ([[0.0]], [1000.0])
    # h is 1, so w2 and b2 share the error 2 in equal parts: 1 + 1 and 0 + 1.
    assert (trajectory.final.w2[0], trajectory.final.b2) == pytest.approx((2.0, 1.0), rel=1e-14)


@pytest.mark.parametrize("activation", [Activation.leaky_relu, Activation.identity])
def test_units_that_never_flatten_never_collapse(activation):
    """Slopes 0.01 and 1 are not 0, whatever the sum."""
    trajectory = train(
        one_row(1.0, 3.0), one_unit(1.0, -50.0, 1.0, 0.0), learning_rate=1e-4, epochs=20, activation=activation
    )
    assert (trajectory.collapse_epoch, trajectory.dead_units.tolist()) == (None, [False])


def exact_epochs(learning_rate):
    """Yield avg_loss and activity of the article's training, epoch by epoch, in exact rational arithmetic."""
    rate = Fraction(learning_rate)
    w1 = [[Fraction(2, 5), Fraction(3, 10)], [Fraction(3, 5), Fraction(-1, 5)]]  # unit by unit
    b1, w2, b2 = [Fraction(1, 2), Fraction(-1, 10)], [Fraction(4, 5), Fraction(1, 2)], Fraction(10)
    while True:
        squares, active = Fraction(0), False
        for x, y in (((5, 8), 85), ((2, 6), 60), ((8, 7), 95)):
            z = [x[0] * w1[j][0] + x[1] * w1[j][1] + b1[j] for j in (0, 1)]
            error = sum(max(z[j], 0) * w2[j] for j in (0, 1)) + b2 - y
            hidden_errors = [error * w2[j] if z[j] > 0 else Fraction(0) for j in (0, 1)]
            for j in (0, 1):
                w2[j] -= rate * error * max(z[j], 0)
                b1[j] -= rate * hidden_errors[j]
                w1[j] = [w1[j][i] - rate * hidden_errors[j] * x[i] for i in (0, 1)]
            b2 -= rate * error
            squares += error**2
            active = active or z[0] > 0 or z[1] > 0
        yield squares / 3, active


@pytest.mark.parametrize("learning_rate", ["0.01", "0.1", "2"])
def test_the_articles_network_collapses_when_exact_arithmetic_says_so(learning_rate):
    """The first epoch without an active unit, and the losses up to there, are those of rational arithmetic."""
    losses = []
    for loss, active in exact_epochs(learning_rate):
        losses.append(float(loss))
        if not active:
            break
    trajectory = train(ARTICLE, ARTICLE_START, learning_rate=float(learning_rate), epochs=20)
    assert trajectory.collapse_epoch == len(losses) < 20
    assert trajectory.avg_loss[: len(losses)] == pytest.approx(losses, rel=1e-9)
    assert trajectory.outcome is Outcome.collapsed


def test_at_rate_2_the_dead_networks_loss_stays_where_exact_arithmetic_has_it():
    """At rate 2 the error of a dead network changes only its sign: after 1000 epochs it is still in its millions."""
    losses = [float(loss) for loss, _ in islice(exact_epochs("2"), 1000)]
    trajectory = train(ARTICLE, ARTICLE_START, learning_rate=2.0, epochs=1000)
    assert trajectory.avg_loss == pytest.approx(losses, rel=1e-9)
    assert trajectory.diverged_epoch is None


# Divergence.


def test_the_diverged_epoch_is_the_first_whose_loss_overflows():
    """A dead network's error doubles at rate 3: its square is 4^(k-1) in epoch k and overflows in epoch 513."""
    # b2 - 0 starts at 1 and is multiplied by 1 - 3 = -2 an epoch; 4^512 = 2^1024 is the first power beyond a double,
    # while b2 after that epoch, -2^513, is far from it.
    trajectory = train(one_row(1.0, 0.0), one_unit(-1.0, 0.0, 1.0, 1.0), learning_rate=3.0, epochs=2000)
    assert trajectory.diverged_epoch == 513
    assert trajectory.avg_loss.tolist() == [4.0**k for k in range(512)] + [INF]
    assert trajectory.final.b2 == -(2.0**513)
    assert trajectory.outcome is Outcome.diverged
    assert trajectory.collapse_epoch == 1


@pytest.mark.parametrize(
    ("start", "sampling"),
    [((-1.0, 0.0, 1.0, 10.0), Sampling.cyclic), ((1.0, 0.0, 1.0, 10.0), Sampling.full_batch)],
    ids=["the output bias", "all weights, in a full batch"],
)
def test_the_diverged_epoch_is_the_first_whose_weights_overflow(start, sampling):
    """A step of 1e308 times an error above 10 overflows at once, while the loss of that epoch is an ordinary number."""
    trajectory = train(one_row(1.0, 0.0), one_unit(*start), learning_rate=1e308, epochs=5, sampling=sampling)
    assert (trajectory.diverged_epoch, len(trajectory.avg_loss)) == (1, 1)
    assert trajectory.avg_loss[0] in {100.0, 121.0}  # error 10 of a dead unit, 11 of a live one
    assert trajectory.final.b2 == -INF
    assert trajectory.outcome is Outcome.diverged
    assert trajectory.recorded_epochs.tolist() == trajectory.train_mse.tolist() == []


@pytest.mark.parametrize("activation", Activation)
@pytest.mark.parametrize("sampling", Sampling)
def test_divergence_is_a_result_with_every_activation_and_sampling(activation, sampling):
    """At rate 1e3 every training ends as diverged, without an exception or a warning, and its curves stop there."""
    split = split_rows(random_rows(), test_fraction=0.3)
    start = initialise(Initialisation.he, n_features=2, hidden_size=3, seed=1)
    trajectory = train(split, start, learning_rate=1e3, epochs=500, activation=activation, sampling=sampling)
    assert trajectory.outcome is Outcome.diverged
    assert len(trajectory.avg_loss) == trajectory.diverged_epoch < 500
    assert np.isfinite(trajectory.avg_loss[:-1]).all()
    assert not (np.isfinite(trajectory.avg_loss[-1]) and trajectory.final.is_finite())
    assert (trajectory.recorded_epochs < trajectory.diverged_epoch).all()
    assert len(trajectory.recorded_epochs) == len(trajectory.train_mse) == len(trajectory.test_mse)
    assert math.isnan(trajectory.end.prediction_spread)


@pytest.mark.parametrize("learning_rate", [2.5, 3.0, 3.5, 4.0])
def test_the_diverged_epoch_is_that_of_losses_in_points(learning_rate):
    """With a standardised target, too, the first loss that is not finite is the last, and no warning is given."""
    dead = Parameters(np.array([[-1.0], [0.0]]), np.array([-100.0]), np.array([1.0]), 1.0)
    split = split_rows(ARTICLE_ROWS, scale=Scale.features_and_target)
    trajectory = train(split, dead, learning_rate=learning_rate, epochs=2000)
    assert trajectory.outcome is Outcome.diverged
    assert np.flatnonzero(~np.isfinite(trajectory.avg_loss)).tolist() == [trajectory.diverged_epoch - 1]


@pytest.mark.parametrize("learning_rate", [2.5, 3.0, 3.5, 4.0])
def test_the_diverged_epoch_without_scaling_is_that_of_losses_in_points(learning_rate):
    """Without scaling, the first loss that is not finite is the last."""
    dead = Parameters(np.array([[-1.0], [0.0]]), np.array([-100.0]), np.array([1.0]), 1.0)
    trajectory = train(ARTICLE, dead, learning_rate=learning_rate, epochs=2000)
    assert np.flatnonzero(~np.isfinite(trajectory.avg_loss)).tolist() == [trajectory.diverged_epoch - 1]
