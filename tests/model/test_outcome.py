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
    COLLAPSED_SPREAD,
    CONVERGED_SHARE,
    FIT_SHARE,
    LOOKS,
    OSCILLATION_RISES,
    OSCILLATION_SWING,
    OSCILLATION_WINDOW,
    STATIONARY_CHANGE,
    STATIONARY_WINDOW,
    EndState,
    Outcome,
    classify,
    end_state,
)

NAN, INF = math.nan, math.inf

# A training that ran out of time: the loss fell from 30 to 20 in the last tenth, targets vary by 100, no rises.
STILL_FALLING = EndState(
    finite=True,
    prediction_spread=40.0,
    train_mse=20.0,
    target_variance=100.0,
    target_spread=50.0,
    late_rises=0,
    late_min=20.0,
    late_max=30.0,
    tenth_avg_loss=30.0,
    last_avg_loss=20.0,
)
AT_REST = {"tenth_avg_loss": 20.0, "late_max": 20.0}
SWINGING = {"late_rises": 50, "late_min": 20.0, "late_max": 30.0}


def outcome(**changes):
    """Return the outcome of STILL_FALLING with the given fields changed."""
    return classify(replace(STILL_FALLING, **changes))


RULES = {
    # Every case states all that matters to its rule; what later rules would say is made to disagree.
    "still falling": ({}, Outcome.slow),
    "a number was lost": ({"finite": False}, Outcome.diverged),
    "lost, and one prediction": ({"finite": False, "prediction_spread": 0.0}, Outcome.diverged),
    "lost, and nan everywhere": (
        {"finite": False, "prediction_spread": NAN, "train_mse": NAN, "last_avg_loss": NAN, "late_max": NAN},
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
    "swinging around one height": ({**SWINGING, "tenth_avg_loss": 20.0}, Outcome.oscillating),
    "at rest with a fit": (AT_REST, Outcome.converged),
    "at rest no better than the mean": ({"train_mse": 100.0, **AT_REST}, Outcome.stuck),
    "at rest worse than the mean": ({"train_mse": 1e9, **AT_REST}, Outcome.stuck),
    "still rising": ({"tenth_avg_loss": 10.0}, Outcome.slow),
}

BOUNDARIES = {
    # Collapsed: predictions differ by less than 1e-3 points.
    "spread below 1e-3": ({"prediction_spread": 0.000999}, Outcome.collapsed),
    "spread of 1e-3": ({"prediction_spread": 0.001}, Outcome.slow),
    # Converged: train_mse below 1e-4 of the variance, here 1e-4 * 100.
    "mse below 0.01": ({"train_mse": 0.00999}, Outcome.converged),
    "mse of 0.01": ({"train_mse": 0.01}, Outcome.slow),
    # Oscillating: at least 10 rises, and the largest more than 1 % above the smallest.
    "9 rises": ({**SWINGING, "late_rises": 9}, Outcome.slow),
    "10 rises": ({**SWINGING, "late_rises": 10}, Outcome.oscillating),
    "a swing below 1 %": ({**SWINGING, "late_min": 1000.0, "late_max": 1009.9}, Outcome.slow),
    "a swing of 1 %": ({**SWINGING, "late_min": 1000.0, "late_max": 1010.0}, Outcome.slow),
    "a swing above 1 %": ({**SWINGING, "late_min": 1000.0, "late_max": 1010.1}, Outcome.oscillating),
    # Stationary: less than 0.1 % change over the last tenth, downwards or upwards.
    "down by less than 0.1 %": ({"tenth_avg_loss": 2000.0, "last_avg_loss": 1998.001}, Outcome.converged),
    "down by 0.1 %": ({"tenth_avg_loss": 2000.0, "last_avg_loss": 1998.0}, Outcome.slow),
    "up by less than 0.1 %": ({"tenth_avg_loss": 2000.0, "last_avg_loss": 2001.999}, Outcome.converged),
    "up by 0.1 %": ({"tenth_avg_loss": 2000.0, "last_avg_loss": 2002.0}, Outcome.slow),
    # A fit: train_mse below the variance by more than 1 %.
    "1.1 % below the variance": ({"train_mse": 98.9, **AT_REST}, Outcome.converged),
    "1 % below the variance": ({"train_mse": 99.0, **AT_REST}, Outcome.stuck),
    "0.9 % below the variance": ({"train_mse": 99.1, **AT_REST}, Outcome.stuck),
}


@pytest.mark.parametrize(("changes", "expected"), RULES.values(), ids=RULES.keys())
def test_the_first_rule_that_applies_decides(changes, expected):
    """Diverged, collapsed, converged, oscillating, at rest (converged or stuck), slow: in this order."""
    assert outcome(**changes) is expected


@pytest.mark.parametrize(("changes", "expected"), BOUNDARIES.values(), ids=BOUNDARIES.keys())
def test_each_threshold_is_where_it_is_said_to_be(changes, expected):
    """Just inside, exactly at and just outside each named constant the outcome is the documented one."""
    assert outcome(**changes) is expected


def test_the_constants_are_the_documented_ones():
    """1e-3 points, 1e-4 of the variance, 10 rises of 1 % in 100 epochs, 0.1 % in a tenth, 1 % of the variance."""
    assert (COLLAPSED_SPREAD, CONVERGED_SHARE, FIT_SHARE) == (1e-3, 1e-4, 0.01)
    assert (OSCILLATION_WINDOW, OSCILLATION_RISES, OSCILLATION_SWING) == (100, 10, 0.01)
    assert (STATIONARY_WINDOW, STATIONARY_CHANGE) == (0.1, 1e-3)


EQUAL_TARGETS = {"target_variance": 0.0, "target_spread": 0.0, "prediction_spread": 0.0}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"train_mse": 0.0}, Outcome.converged),
        ({"train_mse": 0.99e-10}, Outcome.converged),  # 1e-4 of the smallest spread that counts, squared
        ({"train_mse": 1.01e-10}, Outcome.slow),
        ({"train_mse": 0.98e-6, **AT_REST}, Outcome.converged),
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
    state = end_state(np.zeros(50), predictions, targets, train_mse=0.0, finite=True)
    assert classify(state) is Outcome.converged


def test_live_units_that_cancel_are_collapsed():
    """Two live units with opposite output weights predict one score for everyone: a collapse without a dead unit."""
    features, targets = np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 3.0])
    parameters = Parameters(np.array([[1.0, 1.0]]), np.zeros(2), np.array([1.0, -1.0]), 2.0)
    assert dead_units(parameters, features, Activation.relu).tolist() == [False, False]
    predictions = predict(parameters, features, Activation.relu)
    assert classify(end_state(np.ones(50), predictions, targets, train_mse=2 / 3, finite=True)) is Outcome.collapsed


def test_the_end_of_a_training_is_summarised():
    """The last 100 of 200 losses are looked at, and the loss a tenth, that is 20 epochs, before the last."""
    # Rises every epoch up to the 100th, so 99 rises that no longer count; then 10, 9, 11, 10, 12, 11, ... : each
    # second step rises, and the window's first step, from outside, is none of its own.
    late = [value for k in range(50) for value in (10.0 + k, 9.0 + k)]
    avg_loss = np.array([*range(1000, 1100), *late], dtype=float)
    predictions, targets = np.array([70.0, 85.0, 60.5]), np.array([85.0, 60.0, 95.0])
    state = end_state(avg_loss, predictions, targets, train_mse=7.0, finite=True)
    assert state.late_rises == 49  # from each of the 50 pairs to the next
    assert (state.late_min, state.late_max) == (9.0, 59.0)
    assert (state.tenth_avg_loss, state.last_avg_loss) == (48.0, 58.0)  # pairs 40 and 50 end at 9 + 39 and 9 + 49
    assert (state.prediction_spread, state.target_spread) == (24.5, 35.0)
    assert state.target_variance == pytest.approx(650 / 3, rel=1e-15)  # mean 80; (25 + 400 + 225) / 3
    assert (state.train_mse, state.finite) == (7.0, True)


@pytest.mark.parametrize(
    ("epochs", "place"), [(2, 1), (9, 8), (10, 9), (19, 18), (20, 18), (100, 90), (1000, 900), (1009, 909)]
)
def test_a_tenth_of_the_epochs_is_at_least_one(epochs, place):
    """The loss that the last is compared with lies epochs // 10 epochs back, at least one."""
    state = end_state(np.arange(1.0, epochs + 1), np.zeros(2), np.zeros(2), train_mse=1.0, finite=True)
    assert state.tenth_avg_loss == place


def test_a_single_epoch_is_no_evidence_of_rest():
    """One epoch shows no change, which does not make a network stuck; an exact fit still counts."""
    targets = np.array([1.0, 3.0])
    for train_mse, expected in ((1.0, Outcome.slow), (0.0, Outcome.converged)):
        state = end_state(np.array([5.0]), np.array([1.0, 2.0]), targets, train_mse=train_mse, finite=True)
        assert (state.late_rises, state.late_min, state.late_max) == (0, 5.0, 5.0)
        assert state.tenth_avg_loss == INF
        assert classify(state) is expected


def test_a_diverged_training_is_summarised_without_a_warning():
    """Losses and predictions that are not finite end as diverged."""
    state = end_state(
        np.array([1.0, 1e300, INF]), np.array([INF, -INF, NAN]), np.array([1.0, 2.0, 3.0]), train_mse=NAN, finite=False
    )
    assert math.isnan(state.prediction_spread)
    assert state.last_avg_loss == INF
    assert classify(state) is Outcome.diverged


def test_every_outcome_has_its_name_and_a_sentence_of_its_own():
    """The vocabulary is the documented one, in the order of the rules, each word with a sentence for people."""
    words = ["diverged", "collapsed", "converged", "oscillating", "stuck", "slow"]
    assert [member.value for member in Outcome] == [member.name for member in Outcome] == words
    assert len({member.sentence for member in Outcome}) == 6


def test_every_outcome_has_looks_of_its_own():
    """Legends list them from best to worst; no two share a colour or a marker, and the properties read the table."""
    assert [member.name for member in LOOKS] == ["converged", "slow", "oscillating", "stuck", "collapsed", "diverged"]
    assert {member: (member.sentence, member.colour, member.marker) for member in Outcome} == LOOKS
    assert len({member.colour for member in Outcome}) == len({member.marker for member in Outcome}) == 6


def numbers(**changes):
    """Return an end whose numbers are 0 but for the given ones: nothing moves, and nothing has been learned."""
    fields = dict.fromkeys(set(EndState.__dataclass_fields__) - {"finite", "late_rises"}, 0.0)
    return EndState(**{"finite": True, "late_rises": 0, **fields, **changes})


@given(
    state=st.builds(
        EndState,
        finite=st.booleans(),
        late_rises=st.integers(0, 99),
        **dict.fromkeys(set(EndState.__dataclass_fields__) - {"finite", "late_rises"}, st.floats(0, INF)),
    )
)
@example(state=numbers(late_min=1.779894192932986e308))  # 1 % more is beyond a double
@example(state=numbers(late_min=INF, late_max=INF, tenth_avg_loss=INF, last_avg_loss=INF))  # inf - inf
def test_every_end_has_an_outcome(state):
    """Whatever the numbers, there is an outcome and no warning; it is `diverged` if and only if one was lost.

    Infinities are among them, and losses so large that no double holds 1 % more.
    """
    assert (classify(state) is Outcome.diverged) == (not state.finite)


@given(
    scale=st.sampled_from([2.0**-6, 0.5, 4.0, 2.0**10]),
    share=st.floats(1e-3, 1.5),
    rises=st.integers(0, 99),
    swing=st.floats(1, 1.1),
    change=st.floats(0.99, 1.01),
)
def test_losses_in_other_units_give_the_same_outcome(scale, share, rises, swing, change):
    """All rules but the collapse compare losses with each other, so a common factor (a power of 2) cancels."""
    state = replace(
        STILL_FALLING,
        train_mse=100 * share,
        late_rises=rises,
        late_max=20 * swing,
        last_avg_loss=30 * change,
    )
    losses = ("train_mse", "target_variance", "late_min", "late_max", "tenth_avg_loss", "last_avg_loss")
    scaled = replace(state, **{name: getattr(state, name) * scale for name in losses})
    assert classify(scaled) is classify(state)
