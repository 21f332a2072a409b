"""How a training ended: each rule, each boundary, and the numbers the rules look at."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from student_score.model.activations import Activation
from student_score.model.network import Parameters, dead_units, predict
from student_score.model.outcome import (
    CHANGE,
    CHANGE_OF_SWING,
    COLLAPSED_SPREAD,
    CONVERGED_SHARE,
    FIT_SHARE,
    LOOKS,
    RISE,
    RISING_SHARE,
    WINDOW,
    EndState,
    Outcome,
    classify,
    end_state,
)

NAN, INF = math.nan, math.inf

# A training that ran out of time: the loss fell steadily from 30 to 20 in the last tenth, from 45 to 30 in the tenth
# before; targets vary by 100.
STILL_FALLING = EndState(
    finite=True,
    prediction_spread=40.0,
    train_mse=20.0,
    target_variance=100.0,
    target_spread=50.0,
    random_order=False,
    late_rises=0.0,
    late_rise=0.0,
    late_min=20.0,
    late_max=30.0,
    late_mean=25.0,
    earlier_mean=37.5,
)
AT_REST = {"late_max": 20.0, "late_mean": 20.0, "earlier_mean": 20.0}
SWINGING = {"late_rises": 0.5, "late_rise": 10.0}
DRAWN = {"random_order": True}


def outcome(**changes):
    """Return the outcome of STILL_FALLING with the given fields changed."""
    return classify(replace(STILL_FALLING, **changes))


RULES = {
    # Every case states all that matters to its rule; what later rules would say is made to disagree.
    "still falling": ({}, Outcome.slow),
    "a number was lost": ({"finite": False}, Outcome.diverged),
    "lost, and one prediction": ({"finite": False, "prediction_spread": 0.0}, Outcome.diverged),
    "lost, and nan everywhere": (
        {"finite": False, "prediction_spread": NAN, "train_mse": NAN, "late_rise": NAN, "late_mean": NAN},
        Outcome.diverged,
    ),
    "lost, though it fits": ({"finite": False, "train_mse": 0.0}, Outcome.diverged),
    "one prediction": ({"prediction_spread": 0.0}, Outcome.collapsed),
    "one prediction, at rest": ({"prediction_spread": 0.0, "train_mse": 100.0, **AT_REST}, Outcome.collapsed),
    "one prediction, swinging": ({"prediction_spread": 0.0, **SWINGING}, Outcome.collapsed),
    "one prediction, of targets barely apart": ({"prediction_spread": 0.0, "train_mse": 0.0}, Outcome.collapsed),
    "an exact fit": ({"train_mse": 0.0}, Outcome.converged),
    "an exact fit, swinging": ({"train_mse": 0.001, **SWINGING}, Outcome.converged),
    "swinging": (SWINGING, Outcome.oscillating),
    "swinging around one height": ({**SWINGING, "earlier_mean": 25.0}, Outcome.oscillating),
    "swinging around one height, by the draw": (
        {**DRAWN, "late_rises": 0.5, "late_rise": 0.9, "earlier_mean": 25.0},
        Outcome.settled,
    ),
    "swinging by more than the draw": ({**DRAWN, **SWINGING}, Outcome.oscillating),
    "falling with rises of the draw": ({**DRAWN, "late_rises": 0.5, "late_rise": 0.9}, Outcome.slow),
    "at rest with a fit": (AT_REST, Outcome.settled),
    "at rest no better than the mean": ({"train_mse": 100.0, **AT_REST}, Outcome.stuck),
    "at rest worse than the mean": ({"train_mse": 1e9, **AT_REST}, Outcome.stuck),
    "still rising": ({"earlier_mean": 12.5}, Outcome.slow),
}

BOUNDARIES = {
    # Collapsed: predictions differ by less than 1e-3 points.
    "spread below 1e-3": ({"prediction_spread": 0.000999}, Outcome.collapsed),
    "spread of 1e-3": ({"prediction_spread": 0.001}, Outcome.slow),
    # Converged: train_mse below 1e-4 of the variance, here 1e-4 * 100.
    "mse below 0.01": ({"train_mse": 0.00999}, Outcome.converged),
    "mse of 0.01": ({"train_mse": 0.01}, Outcome.slow),
    # Oscillating: a tenth of the steps rises, and one rise is above 1 % of the lowest loss, here 20.
    "9 rises in 99 steps": ({**SWINGING, "late_rises": 9 / 99}, Outcome.slow),
    "10 rises in 99 steps": ({**SWINGING, "late_rises": 10 / 99}, Outcome.oscillating),
    "1 rise in 9 steps": ({**SWINGING, "late_rises": 1 / 9}, Outcome.oscillating),
    "a rise of 1 %": ({**SWINGING, "late_rise": 0.2}, Outcome.slow),
    "a rise above 1 %": ({**SWINGING, "late_rise": 0.20001}, Outcome.oscillating),
    # Where the order is random, above 1 % of the variance, here 100.
    "a rise of 1 % of the variance": ({**DRAWN, **SWINGING, "late_rise": 1.0}, Outcome.slow),
    "a rise above 1 % of the variance": ({**DRAWN, **SWINGING, "late_rise": 1.0001}, Outcome.oscillating),
    # At rest: the means of the two windows differ by less than 0.1 %, downwards or upwards ...
    "down by less than 0.1 %": ({"earlier_mean": 2000.0, "late_mean": 1998.001}, Outcome.settled),
    "down by 0.1 %": ({"earlier_mean": 2000.0, "late_mean": 1998.0}, Outcome.slow),
    "up by less than 0.1 %": ({"earlier_mean": 2000.0, "late_mean": 2001.999}, Outcome.settled),
    "up by 0.1 %": ({"earlier_mean": 2000.0, "late_mean": 2002.0}, Outcome.slow),
    # ... or by less than a tenth of the swing in the window, here 10.
    "less than a tenth of the swing": ({"earlier_mean": 25.999}, Outcome.settled),
    "a tenth of the swing": ({"earlier_mean": 26.0}, Outcome.slow),
    # A fit: train_mse below the variance by more than 1 %.
    "1.1 % below the variance": ({"train_mse": 98.9, **AT_REST}, Outcome.settled),
    "1 % below the variance": ({"train_mse": 99.0, **AT_REST}, Outcome.stuck),
    "0.9 % below the variance": ({"train_mse": 99.1, **AT_REST}, Outcome.stuck),
}


@pytest.mark.parametrize(("changes", "expected"), RULES.values(), ids=RULES.keys())
def test_the_first_rule_that_applies_decides(changes, expected):
    """Diverged, collapsed, converged, oscillating, at rest (settled or stuck), slow: in this order."""
    assert outcome(**changes) is expected


@pytest.mark.parametrize(("changes", "expected"), BOUNDARIES.values(), ids=BOUNDARIES.keys())
def test_each_threshold_is_where_it_is_said_to_be(changes, expected):
    """Just inside, exactly at and just outside each named constant the outcome is the documented one."""
    assert outcome(**changes) is expected


def test_the_constants_are_the_documented_ones():
    """1e-3 points, 1e-4 of the variance; in a tenth of the epochs a tenth rises by 1 %; 0.1 %, a tenth of the swing."""
    assert (COLLAPSED_SPREAD, CONVERGED_SHARE, FIT_SHARE) == (1e-3, 1e-4, 0.01)
    assert (WINDOW, RISING_SHARE, RISE) == (0.1, 0.1, 0.01)
    assert (CHANGE, CHANGE_OF_SWING) == (1e-3, 0.1)


EQUAL_TARGETS = {"target_variance": 0.0, "target_spread": 0.0, "prediction_spread": 0.0}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"train_mse": 0.0}, Outcome.converged),
        ({"train_mse": 0.99e-10}, Outcome.converged),  # 1e-4 of the smallest spread that counts, squared
        ({"train_mse": 1.01e-10}, Outcome.slow),
        ({"train_mse": 0.98e-6, **AT_REST}, Outcome.settled),
        ({"train_mse": 25.0, **AT_REST}, Outcome.stuck),
    ],
    ids=["exact", "within 1e-5 points", "not quite", "at rest within 1e-3 points", "at rest elsewhere"],
)
def test_one_prediction_for_equal_targets_is_no_collapse(changes, expected):
    """If all targets are the same, so should the predictions be; the yardstick is then a spread of 1e-3 points."""
    assert outcome(**EQUAL_TARGETS, **changes) is expected


def test_targets_closer_than_a_collapse_are_no_collapse():
    """Where targets differ by less than 1e-3 points, predictions may; where they differ by that much, they may not."""
    assert outcome(prediction_spread=0.0, target_spread=0.000999) is Outcome.slow
    assert outcome(prediction_spread=0.0, target_spread=0.001) is Outcome.collapsed


def test_a_dead_unit_beside_a_live_one_that_fits_is_converged():
    """Predictions decide on a collapse, not units: relu(x) fits scores 1, 2, 3 although the other unit is dead."""
    features, targets = np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 3.0])
    parameters = Parameters(np.array([[1.0, -1.0]]), np.zeros(2), np.array([1.0, 5.0]), 0.0)
    assert dead_units(parameters, features, Activation.relu).tolist() == [False, True]
    predictions = predict(parameters, features, Activation.relu)
    state = end_state(np.zeros(50), predictions, targets, train_mse=0.0, finite=True, random_order=False)
    assert classify(state) is Outcome.converged


def test_live_units_that_cancel_are_collapsed():
    """Two live units with opposite output weights predict one score for everyone: a collapse without a dead unit."""
    features, targets = np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 3.0])
    parameters = Parameters(np.array([[1.0, 1.0]]), np.zeros(2), np.array([1.0, -1.0]), 2.0)
    assert dead_units(parameters, features, Activation.relu).tolist() == [False, False]
    predictions = predict(parameters, features, Activation.relu)
    state = end_state(np.ones(50), predictions, targets, train_mse=2 / 3, finite=True, random_order=False)
    assert classify(state) is Outcome.collapsed


def summary(avg_loss, *, train_mse=1.0, finite=True, targets=(1.0, 3.0), predictions=(1.0, 2.0), random_order=False):
    """Return the end of a training of which only the given things matter."""
    return end_state(
        np.array(avg_loss, dtype=float),
        np.array(predictions),
        np.array(targets),
        train_mse=train_mse,
        finite=finite,
        random_order=random_order,
    )


def test_the_end_of_a_training_is_summarised():
    """Of 200 losses the last 20 are looked at, and their mean is compared with that of the 20 before."""
    # 160 losses that matter to nothing, then 20 of 3, then 10, 9, 11, 10, 12, 11, ...: each second step rises, by 2,
    # and the step from 3 into the window is none of its own.
    late = [value for k in range(10) for value in (10.0 + k, 9.0 + k)]
    state = summary(
        [*range(1000, 1160), *([3.0] * 20), *late],
        predictions=[70.0, 85.0, 60.5],
        targets=[85.0, 60.0, 95.0],
        train_mse=7.0,
    )
    assert state.late_rises == 9 / 19  # from each of the 10 pairs to the next
    assert state.late_rise == 10.0  # from the 9 of the first pair to the 19 of the last
    assert (state.late_min, state.late_max) == (9.0, 19.0)
    assert state.late_mean == 14.0  # pairs have the means 9.5, 10.5, ..., 18.5
    assert state.earlier_mean == 3.0
    assert (state.prediction_spread, state.target_spread) == (24.5, 35.0)
    assert state.target_variance == pytest.approx(650 / 3, rel=1e-15)  # mean 80; (25 + 400 + 225) / 3
    assert (state.train_mse, state.finite, state.random_order) == (7.0, True, False)
    assert state.explained == pytest.approx(1 - 7 * 3 / 650, rel=1e-15)


@pytest.mark.parametrize(("epochs", "length"), [(2, 1), (9, 1), (19, 1), (20, 2), (100, 10), (1000, 100), (1009, 100)])
def test_a_tenth_of_the_epochs_is_at_least_one(epochs, length):
    """The window has epochs // 10 epochs, at least one, and so has the one before."""
    state = summary(np.arange(1.0, epochs + 1))
    assert state.late_min == epochs - length + 1
    assert state.late_mean - state.earlier_mean == length


def test_a_single_epoch_is_no_evidence_of_rest():
    """One epoch shows no change, which does not make a network stuck; an exact fit still counts."""
    for train_mse, expected in ((1.0, Outcome.slow), (0.0, Outcome.converged)):
        state = summary([5.0], train_mse=train_mse)
        assert (state.late_rises, state.late_rise, state.late_min, state.late_mean) == (0, 0, 5.0, 5.0)
        assert state.earlier_mean == INF
        assert classify(state) is expected


def test_a_diverged_training_is_summarised_without_a_warning():
    """Losses and predictions that are not finite end as diverged, and explain nothing."""
    state = summary([1.0, 1e300, INF], predictions=[INF, NAN], train_mse=NAN, finite=False)
    assert math.isnan(state.prediction_spread)
    assert math.isnan(state.late_mean)
    assert math.isnan(state.explained)
    assert classify(state) is Outcome.diverged


def test_one_small_rise_in_a_steep_fall_is_no_oscillation():
    """A fall from 100 to 5 in the window with two rises of 1e-12 in ten steps is a fall, however wide it swings."""
    late = [100.0, 50.0, 40.0, 40.0 + 1e-12, 30.0, 20.0, 20.0 + 1e-12, 10.0, 8.0, 5.0]
    assert classify(summary([*np.linspace(900, 110, 90), *late], targets=[0.0, 20.0])) is Outcome.slow


@pytest.mark.parametrize("noise", [0.0, 1e-3, 0.05, 0.1])
def test_losses_that_only_jump_about_one_height_have_settled(noise):
    """Independent draws about 4 points squared, of a variance of 400: of 200 series at least 99 % are settled."""
    random = np.random.default_rng(0)
    series = 4 * (1 + noise * random.standard_normal((200, 1000)))
    ends = [summary(one, targets=[0.0, 40.0], train_mse=4.0, random_order=True) for one in series]
    assert [classify(end) for end in ends].count(Outcome.settled) >= 198


@pytest.mark.parametrize("noise", [0.0, 1e-4, 1e-3])
def test_a_loss_that_still_falls_is_slow_under_noise(noise):
    """A fall of 2 % in each tenth of the epochs is seen below noise of 0.1 % of the loss, in every of 200 series."""
    random = np.random.default_rng(1)
    series = 8 * 0.98 ** (np.arange(1000) / 100) * (1 + noise * random.standard_normal((200, 1000)))
    ends = [summary(one, targets=[0.0, 40.0], train_mse=4.0, random_order=True) for one in series]
    assert {classify(end) for end in ends} == {Outcome.slow}


def test_every_outcome_has_its_name_and_a_sentence_of_its_own():
    """The vocabulary is the documented one, in the order of the rules, each word with a sentence for people."""
    words = ["diverged", "collapsed", "converged", "oscillating", "settled", "stuck", "slow"]
    assert [member.value for member in Outcome] == [member.name for member in Outcome] == words
    assert len({member.sentence for member in Outcome}) == 7


def test_every_outcome_has_looks_of_its_own():
    """Legends list them from best to worst; no two share a colour or a marker, and the properties read the table."""
    assert [member.name for member in LOOKS] == [
        "converged",
        "settled",
        "slow",
        "oscillating",
        "stuck",
        "collapsed",
        "diverged",
    ]
    assert {member: (member.sentence, member.colour, member.marker) for member in Outcome} == LOOKS
    assert len({member.colour for member in Outcome}) == len({member.marker for member in Outcome}) == 7


NUMBERS = sorted(set(EndState.__dataclass_fields__) - {"finite", "random_order"})


def numbers(**changes):
    """Return an end whose numbers are 0 but for the given ones: nothing moves, and nothing has been learned."""
    return EndState(**{"finite": True, "random_order": False, **dict.fromkeys(NUMBERS, 0.0), **changes})


@given(
    state=st.builds(
        EndState,
        finite=st.booleans(),
        random_order=st.booleans(),
        **dict.fromkeys(NUMBERS, st.floats(0, INF)),
    )
)
@example(state=numbers(earlier_mean=1.7e308, late_mean=1.7e308))
@example(state=numbers(late_min=INF, late_max=INF, late_mean=INF, earlier_mean=INF))  # inf - inf
def test_every_end_has_an_outcome(state):
    """Whatever the numbers, there is an outcome and no warning; it is `diverged` if and only if one was lost.

    Infinities are among them, and losses so large that no double holds 1 % more.
    """
    assert (classify(state) is Outcome.diverged) == (not state.finite)


@given(
    scale=st.sampled_from([2.0**-6, 0.5, 4.0, 2.0**10]),
    share=st.floats(1e-3, 1.5),
    rises=st.floats(0, 1),
    rise=st.floats(0, 2),
    change=st.floats(0.9, 1.1),
    random_order=st.booleans(),
)
def test_losses_in_other_units_give_the_same_outcome(scale, share, rises, rise, change, random_order):
    """All rules but the collapse compare losses with each other, so a common factor (a power of 2) cancels."""
    state = replace(
        STILL_FALLING,
        train_mse=100 * share,
        random_order=random_order,
        late_rises=rises,
        late_rise=rise,
        earlier_mean=25 * change,
    )
    losses = ("train_mse", "target_variance", "late_rise", "late_min", "late_max", "late_mean", "earlier_mean")
    scaled = replace(state, **{name: getattr(state, name) * scale for name in losses})
    assert classify(scaled) is classify(state)
