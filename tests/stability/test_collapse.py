"""Where a dead network settles: closed forms against simulations and trainings."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from student_score.data.rows import Rows, split_rows
from student_score.errors import InputError
from student_score.model.network import Parameters
from student_score.model.sampling import Sampling
from student_score.stability.collapse import (
    BIAS_LIMIT,
    collapsed_avg_loss,
    collapsed_avg_loss_of_three,
    collapsed_bias,
    decay,
)
from student_score.training.train import train

SCORES = np.array([85.0, 60.0, 95.0])
RATES = st.floats(0.05, 1.95)
TARGETS = st.lists(st.floats(0, 100), min_size=1, max_size=8).map(np.array)


def simulated(targets, learning_rate):
    """Return b2 at an epoch's start and the epoch's avg_loss, after so many updates that the start is forgotten."""
    q, bias, mean_square = 1 - learning_rate, 50.0, np.nan
    # 0.95^1000 is 5e-23: of a distance of at most 100 points nothing is left that a double beside 1e-6 could hold.
    for _ in range(-(-1000 // len(targets))):
        errors, before = [], bias
        for y in targets:
            errors.append(bias - y)
            bias = q * bias + learning_rate * y
        mean_square = float(np.mean(np.square(errors)))
    return before, mean_square


@given(targets=TARGETS, learning_rate=RATES)
def test_the_closed_forms_are_what_a_dead_network_settles_at(targets, learning_rate):
    """For one to eight targets in any order, b2 and avg_loss of the simulation end at their closed forms."""
    bias, avg_loss = simulated(targets, learning_rate)
    assert collapsed_bias(targets, learning_rate) == pytest.approx(bias, rel=1e-9, abs=1e-9)
    assert collapsed_avg_loss(targets, learning_rate) == pytest.approx(avg_loss, rel=1e-9, abs=1e-9)


@given(targets=st.lists(st.floats(0, 100), min_size=3, max_size=3).map(np.array), learning_rate=RATES)
def test_the_form_for_three_rows_is_the_general_form(targets, learning_rate):
    """3 Var(y) / (1 + q + q^2) equals the sum over frequencies, for each of the six orders."""
    expected = collapsed_avg_loss_of_three(targets, learning_rate)
    for order in permutations(range(3)):
        assert collapsed_avg_loss(targets[list(order)], learning_rate) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_the_plateau_of_the_articles_rows_by_hand():
    """At rate 0.01 avg_loss is 650 / (1 + 0.99 + 0.9801) = 218.848 and b2 = (0.9801*85 + 0.99*60 + 95) / 2.9701."""
    # Deviations from the mean 80 are 5, -20, 15: 3 Var is 25 + 400 + 225. The sum for b2 is 83.3085 + 59.4 + 95.
    assert collapsed_avg_loss_of_three(SCORES, 0.01) == pytest.approx(650 / 2.9701, rel=1e-13)
    assert collapsed_avg_loss(SCORES, 0.01) == pytest.approx(650 / 2.9701, rel=1e-12)
    assert collapsed_bias(SCORES, 0.01) == pytest.approx(237.7085 / 2.9701, rel=1e-13)


def test_at_rate_1_the_bias_is_the_previous_target():
    """With q = 0 each error is the difference of neighbouring targets, and the epoch ends at the last target."""
    targets = np.array([10.0, 40.0, 20.0, 30.0])
    # Errors before each row: 30-10, 10-40, 40-20, 20-30, squared 400, 900, 400, 100.
    assert collapsed_avg_loss(targets, 1.0) == pytest.approx(450.0, rel=1e-13)
    assert collapsed_bias(targets, 1.0) == 30.0


def test_two_rows_by_hand():
    """For two targets a distance d apart avg_loss is d^2 / (1 + q)^2 and b2 = (q y1 + y2) / (1 + q)."""
    # The first error is (q y1 + y2)/(1 + q) - y1, which is (y2 - y1)/(1 + q); by symmetry the second is its negative.
    assert collapsed_avg_loss(np.array([10.0, 40.0]), 0.5) == pytest.approx(900 / 2.25, rel=1e-13)
    assert collapsed_bias(np.array([10.0, 40.0]), 0.5) == pytest.approx(45 / 1.5, rel=1e-14)


def test_four_rows_depend_on_their_order():
    """From four rows on, the plateau's height is a matter of order: 0, 0, 1, 1 has 2/5 and 0, 1, 0, 1 has 4/9."""
    # At rate 1/2 the bias goes 4/5, 2/5, 1/5, 3/5 and back: errors 4/5, 2/5, -4/5, -2/5. The other is two rows twice.
    assert collapsed_avg_loss(np.array([0.0, 0.0, 1.0, 1.0]), 0.5) == pytest.approx(2 / 5, rel=1e-14)
    assert collapsed_avg_loss(np.array([0.0, 1.0, 0.0, 1.0]), 0.5) == pytest.approx(4 / 9, rel=1e-14)


@given(targets=TARGETS)
def test_small_rates_settle_near_mean_and_variance(targets):
    """At rate 1e-6, b2 is within 1e-3 points of the mean target, and avg_loss within 1e-5 of the variance."""
    # Weights of eight targets differ by 7e-6 at most, times 100 points. Each frequency's factor is about 1 + 1e-6.
    assert collapsed_bias(targets, 1e-6) == pytest.approx(targets.mean(), rel=0, abs=1e-3)
    assert collapsed_avg_loss(targets, 1e-6) == pytest.approx(targets.var(), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("learning_rate", [1e-9, 1e-12])
def test_the_smallest_rates_settle_at_the_variance(learning_rate):
    """Where 1 - 2q + q^2 rounds to 0, avg_loss is the variance 650/3 as for any small rate, without a warning."""
    assert collapsed_avg_loss(SCORES, learning_rate) == pytest.approx(650 / 3, rel=1e-8)


@given(learning_rate=RATES, order=st.permutations(range(3)))
def test_the_bias_depends_on_the_order_of_rows(learning_rate, order):
    """b2 weighs the targets 1, q, q^2 from the last row back, so rotating rows is one more update."""
    y = SCORES[list(order)]
    before = collapsed_bias(y, learning_rate)
    after = (1 - learning_rate) * before + learning_rate * y[0]
    assert collapsed_bias(np.roll(y, -1), learning_rate) == pytest.approx(after, rel=1e-12)


@pytest.mark.parametrize("learning_rate", [0.01, 0.3, 1.0, 1.7])
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 0, 2]], ids=str)
def test_the_trainers_dead_network_settles_there(learning_rate, order):
    """A network whose unit is dead from the start ends, after 1200 epochs, at the closed forms."""
    dead = Parameters(np.array([[-1.0]]), np.zeros(1), np.ones(1), 10.0)
    rows = Rows(np.array([[5.0], [2.0], [8.0]]), SCORES)
    trajectory = train(split_rows(rows), dead, learning_rate=learning_rate, epochs=1200, row_order=order)
    # 0.99^3600 is 2e-16 of a distance of 70 points.
    assert trajectory.final.b2 == pytest.approx(collapsed_bias(SCORES[order], learning_rate), rel=1e-12)
    assert trajectory.avg_loss[-1] == pytest.approx(collapsed_avg_loss_of_three(SCORES, learning_rate), rel=1e-10)


@pytest.mark.parametrize("learning_rate", [0.03, 1.0, 1.9])
def test_in_a_full_batch_the_plateau_is_the_variance(learning_rate):
    """Full-batch descent of a dead network ends at the mean score and at Var(y) = 650/3 for every rate below 2."""
    dead = Parameters(np.array([[-1.0]]), np.zeros(1), np.ones(1), 10.0)
    rows = Rows(np.array([[5.0], [2.0], [8.0]]), SCORES)
    trajectory = train(split_rows(rows), dead, learning_rate=learning_rate, epochs=1200, sampling=Sampling.full_batch)
    assert trajectory.final.b2 == pytest.approx(80.0, rel=1e-13)
    assert trajectory.avg_loss[-1] == pytest.approx(650 / 3, rel=1e-13)


@pytest.mark.parametrize("form", [collapsed_bias, collapsed_avg_loss, collapsed_avg_loss_of_three])
@pytest.mark.parametrize("learning_rate", [0.0, -0.1, 2.0, 2.5, np.inf, np.nan])
def test_rates_at_which_nothing_settles_are_refused(form, learning_rate):
    """Only between 0 and 2 does the bias settle; the message names the rate and the limits."""
    with pytest.raises(InputError, match=rf"learning_rate={learning_rate}: .* between 0 and 2"):
        form(SCORES, learning_rate)


def test_rates_just_inside_the_limits_are_accepted():
    """The factor q is 1 - rate, from just below 1 down to just above -1."""
    assert BIAS_LIMIT == 2.0
    assert decay(2**-20) == 1 - 2**-20
    assert decay(2 - 2**-20) == -1 + 2**-20


@pytest.mark.parametrize("n", [1, 2, 4])
def test_the_form_for_three_rows_is_for_three_rows(n):
    """The message names the number of rows."""
    with pytest.raises(InputError, match=f"3 rows, not for {n}"):
        collapsed_avg_loss_of_three(np.ones(n), 0.1)
