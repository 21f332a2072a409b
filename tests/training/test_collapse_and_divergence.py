"""When a training collapses, when it diverges, and that neither is a failure."""

import math
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from student_score.data.article import ARTICLE_ROWS
from student_score.data.rows import Rows, Scale, split_rows
from student_score.model.activations import Activation
from student_score.model.network import (
    ARTICLE_START,
    Initialisation,
    Parameters,
    dead_units,
    initialise,
    weighted_sums,
)
from student_score.model.outcome import Outcome
from student_score.model.sampling import Sampling
from student_score.training.many import train_many
from student_score.training.setup import Networks, Observable, Setup, Trainer
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


def rows_of(features, targets):
    """Return a split of rows with one feature each."""
    return split_rows(Rows(np.array(features)[:, None], np.array(targets)))


# Collapse.

COLLAPSES = {
    # h 1, prediction 1, error 11: w1, w2 become -10, b1, b2 -11; from the second row on z is -21.
    "in its second epoch": ((1.0, 0.0, 1.0, 0.0), [1.0, 1.0], 2),
    # z is 1 - 2 from the start.
    "before it starts": ((1.0, -2.0, 1.0, 0.0), [1.0, 1.0], 1),
    # z is exactly 0, where the slope is 0.
    "at the kink": ((1.0, -1.0, 1.0, 0.0), [1.0, 1.0], 1),
    # An exact fit: the error is 0 and nothing moves.
    "never": ((-1.0, 0.0, 1.0, 0.0), [10.0, -10.0], None),
}


@pytest.mark.parametrize(("start", "features", "epoch"), COLLAPSES.values(), ids=COLLAPSES.keys())
def test_the_collapse_epoch_is_the_first_without_an_active_unit(start, features, epoch):
    """Epochs count from 1: a unit that dies in one is dead from the next one on."""
    targets = [-10.0, -11.0] if epoch else [0.0, 10.0]
    trajectory = train(rows_of(features, targets), one_unit(*start), learning_rate=1.0, epochs=6)
    assert trajectory.collapse_epoch == epoch
    assert trajectory.dead_units.tolist() == [epoch is not None]
    assert (trajectory.outcome is Outcome.collapsed) == (epoch is not None)


def test_a_training_that_ends_as_its_unit_dies_has_dead_units_and_no_collapse_epoch():
    """After one epoch of the first case above the unit is dead, but no epoch has passed without it."""
    split = rows_of([1.0, 1.0], [-10.0, -11.0])
    trajectory = train(split, one_unit(1.0, 0.0, 1.0, 0.0), learning_rate=1.0, epochs=1)
    assert (trajectory.collapse_epoch, trajectory.outcome) == (None, Outcome.collapsed)
    assert trajectory.dead_units.tolist() == [True]


@pytest.mark.parametrize("trainer", Trainer)
@pytest.mark.parametrize(("difference", "epoch"), [(0.0, None), (0.0009, None), (0.0011, 1)])
def test_targets_that_do_not_differ_cannot_be_collapsed_to(trainer, difference, epoch):
    """One prediction for rows of one score, or of scores within 0.001 points, is a fit: there is nothing to lose."""
    split = rows_of([1.0, 1.0], [3.0, 3.0 + difference])
    trajectory = train(split, one_unit(-1.0, 0.0, 1.0, 0.0), learning_rate=0.5, epochs=100, trainer=trainer)
    assert trajectory.dead_units.tolist() == [True]
    assert trajectory.collapse_epoch == epoch
    assert (trajectory.outcome is Outcome.collapsed) == (epoch is not None)


@pytest.mark.parametrize("trainer", Trainer)
def test_epochs_that_draw_no_active_row_are_no_collapse(trainer):
    """A unit active on one row of eight is alive in the many epochs, one of three, in which that row is not drawn."""
    split = rows_of([1.0, *[-1.0] * 7], [1.0, *[0.0] * 7])  # relu(x) fits them all: nothing moves
    for seed in range(5):
        trajectory = train(
            *(split, one_unit(1.0, 0.0, 1.0, 0.0)),
            learning_rate=0.1,
            epochs=20,
            sampling=Sampling.with_replacement,
            seed=seed,
            trainer=trainer,
        )
        assert (trajectory.collapse_epoch, trajectory.outcome) == (None, Outcome.converged)


@pytest.mark.parametrize("sampling", Sampling)
@pytest.mark.parametrize("activation", Activation)
def test_the_collapse_epoch_is_that_of_weights_that_were_looked_at(activation, sampling):
    """The first epoch at whose beginning each unit is flat, slope 0 and one output, on all rows, drawn or not.

    Weights before every epoch are those that a training was observed to have. Starts far from 0 saturate tanh and
    sigmoid, some with outputs that differ: those predict several scores.
    """
    rng, epochs, found = np.random.default_rng(5), 40, []
    for seed in range(30):
        split = split_rows(Rows(rng.uniform(-3, 9, (4, 2)), rng.uniform(30, 100, 4)))
        flat = rng.normal(size=9) * 10.0 ** rng.integers(0, 4)
        start = Parameters.from_flat(flat, n_features=2, hidden_size=2)
        trajectory = train(
            *(split, start),
            learning_rate=10 ** rng.uniform(-4, -1),
            epochs=epochs,
            activation=activation,
            sampling=sampling,
            seed=seed,
            recorded_epochs=np.arange(1, epochs + 1),
            observe=[Observable.sharpness],
        )
        if trajectory.outcome is not Outcome.diverged:
            before = [flat, *trajectory.observed[:-1]]
            flats = [epoch for epoch, weights in enumerate(before, start=1) if is_flat(weights, split, activation)]
            assert trajectory.collapse_epoch == (flats[0] if flats else None)
            assert flats == list(range(flats[0] if flats else epochs + 1, epochs + 1))
            found.append(trajectory)
    ever = {trajectory.collapse_epoch for trajectory in found}
    assert len(found) > 5
    assert None in ever
    assert (len(ever) > 1) == (activation not in {Activation.leaky_relu, Activation.identity})


@pytest.mark.parametrize("trainer", Trainer)
@pytest.mark.parametrize(("seed", "quiet", "epoch"), [(33, 5, 8), (68, 72, 74), (70, 9, 65)])
def test_a_collapse_after_epochs_that_drew_no_active_row(seed, quiet, epoch, trainer):
    """An epoch without activity on the rows drawn is no collapse, though one follows later."""
    settings = {"learning_rate": 0.0018, "sampling": Sampling.with_replacement, "seed": seed, "trainer": trainer}
    assert train(ARTICLE, ARTICLE_START, epochs=300, **settings).collapse_epoch == epoch
    ends = {last: train(ARTICLE, ARTICLE_START, epochs=last, **settings) for last in (quiet - 1, quiet, epoch - 1)}
    assert [trajectory.collapse_epoch for trajectory in ends.values()] == [None] * 3
    flat = {last: is_flat(trajectory.final.flat(), ARTICLE, Activation.relu) for last, trajectory in ends.items()}
    assert flat == {quiet - 1: False, quiet: False, epoch - 1: True}
    before, after = ends[quiet - 1].final, ends[quiet].final
    assert (before.w1.tolist(), before.b1.tolist()) == (after.w1.tolist(), after.b1.tolist())


@pytest.mark.parametrize("trainer", Trainer)
def test_a_slope_that_no_output_shows_is_activity(trainer):
    """At z = 1000 the sigmoid's slope is 0, at z = 40 it is 4e-18, and both outputs round to 1.

    In some first epochs only the first row is drawn: the network is alive on the other, though its predictions agree.
    """
    split = rows_of([1000.0, 40.0], [3.0, 5.0])
    settings = {"activation": Activation.sigmoid, "sampling": Sampling.with_replacement, "trainer": trainer}
    for seed in range(12):
        trajectory = train(split, one_unit(1.0, 0.0, 1.0, 0.0), learning_rate=0.1, epochs=1, seed=seed, **settings)
        assert (trajectory.collapse_epoch, trajectory.outcome) == (None, Outcome.collapsed)


def is_flat(flat, split, activation):
    """Say whether both units of a network have slope 0 and one output on all training rows."""
    parameters = Parameters.from_flat(flat, n_features=2, hidden_size=2)
    z = weighted_sums(parameters, split.train.features)
    return bool((activation.slopes(z) == 0).all() and (np.ptp(activation.outputs(z), axis=0) == 0).all())


@pytest.mark.parametrize("sampling", Sampling)
@pytest.mark.parametrize("activation", Activation)
def test_a_collapse_epoch_and_the_outcome_never_contradict_each_other(activation, sampling):
    """Of a thousand trainings at random, those with a collapse epoch end collapsed or diverged.

    Of ReLU units that all die, one in an epoch before the last, the epoch is known.
    """
    rng, networks, epochs = np.random.default_rng(3), 1000, 200
    setup = Setup(split=ARTICLE, hidden_size=2, epochs=epochs, activation=activation, sampling=sampling)
    starts = rng.normal(size=(networks, 9)) * 10.0 ** rng.integers(-1, 4, (networks, 1))
    rates, seeds = 10 ** rng.uniform(-4, 0.5, networks), np.arange(networks)
    many = train_many(setup, Networks(starts=starts, learning_rate=rates, seed=seeds))
    with_epoch = many.collapse_epoch > 0
    assert {many.outcomes[k] for k in np.flatnonzero(with_epoch)} <= {Outcome.collapsed, Outcome.diverged}
    collapsed = np.array([outcome is Outcome.collapsed for outcome in many.outcomes])
    if activation is Activation.relu:
        dead = [
            dead_units(Parameters.from_flat(flat, n_features=2, hidden_size=2), ARTICLE_ROWS.features, activation)
            for flat in many.finals
        ]
        assert (with_epoch & collapsed).sum() > 100
        assert np.array_equal(with_epoch[collapsed], np.all(dead, axis=1)[collapsed])


def test_the_share_of_collapses_is_that_of_the_outcome():
    """Rows drawn with replacement, at 0.0018: every seed has a collapse epoch or none as its outcome says.

    Of 2,000 networks 747 collapse; 215 more live through some epoch that draws no row on which a unit is active.
    """
    setup = Setup(split=ARTICLE, hidden_size=2, epochs=1000, sampling=Sampling.with_replacement)
    seeds = np.arange(2000)
    many = train_many(setup, Networks(starts=ARTICLE_START.flat(), learning_rate=0.0018, seed=seeds))
    collapsed = [outcome is Outcome.collapsed for outcome in many.outcomes]
    assert (many.collapse_epoch > 0).tolist() == collapsed
    assert sum(collapsed) == 747
    assert (many.collapse_epoch[15], many.outcomes[15]) == (0, Outcome.oscillating)


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
        *(rows_of([1.0, 2.0], [3.0, 3.5]), one_unit(0.0, 1000.0, 1.0, 0.0)),
        learning_rate=0.1,
        epochs=300,
        activation=activation,
        sampling=Sampling.full_batch,
    )
    assert (trajectory.collapse_epoch, trajectory.outcome) == (1, Outcome.collapsed)
    assert trajectory.dead_units.tolist() == [True]
    assert (trajectory.final.w1.tolist(), trajectory.final.b1.tolist()) == ([[0.0]], [1000.0])
    # h is 1, so w2 and b2 share the mean error 2.25 in equal parts.
    assert (trajectory.final.w2[0], trajectory.final.b2) == pytest.approx((2.125, 1.125), rel=1e-14)


@pytest.mark.parametrize("trainer", Trainer)
@pytest.mark.parametrize(("activation", "fit"), [(Activation.sigmoid, (2.0, 1.0)), (Activation.tanh, (1.0, 2.0))])
def test_saturated_units_that_tell_rows_apart_have_not_collapsed(activation, fit, trainer):
    """At z = 1000 and -1000 slopes are 0, but the outputs differ: the output layer fits two rows, 3 and 1, exactly."""
    split = rows_of([1.0, -1.0], [3.0, 1.0])
    start = one_unit(1000.0, 0.0, 1.0, 0.0)
    trajectory = train(split, start, learning_rate=0.1, epochs=500, activation=activation, trainer=trainer)
    assert trajectory.dead_units.tolist() == [True]
    assert (trajectory.collapse_epoch, trajectory.outcome) == (None, Outcome.converged)
    assert (trajectory.final.w2[0], trajectory.final.b2) == pytest.approx(fit, rel=1e-9)


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
    assert trajectory.collapse_epoch is None  # of one row


@pytest.mark.parametrize("trainer", Trainer)
def test_a_collapsed_network_may_diverge_later(trainer):
    """Its collapse epoch stays, though weights that are not numbers are among those it ends with."""
    start = one_unit(-1.0, 0.0, 1.0, 1.0)
    trajectory = train(rows_of([1.0, 2.0], [0.0, 1.0]), start, learning_rate=3.0, epochs=2000, trainer=trainer)
    assert (trajectory.collapse_epoch, trajectory.outcome) == (1, Outcome.diverged)


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
