"""What a sweep says at its end is true: on tables of which the answer is known."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from student_score.config.identity import flattened, plain
from student_score.config.schema import Config
from student_score.model.outcome import Outcome
from student_score.sweeps.conclusion import conclude

RATE, SEED, SIZE, ACTIVATION = "training.learning_rate", "network.seed", "network.hidden_size", "network.activation"
SETTINGS = flattened(plain(Config()))
RANDOM = {**SETTINGS, "network.initialisation": "he"}


def table(swept, outcomes="settled", errors=1.0, *, test=True, line=4.0, mean=100.0):
    """Return the table of a grid of swept values; outcomes and errors are given run by run, or for all."""
    rows = [dict(zip(swept, values, strict=True)) for values in itertools.product(*swept.values())]
    runs = pd.DataFrame(rows, index=range(len(rows)))
    column = "test_mse" if test else "train_mse"
    return runs.assign(
        **{
            "outcome": outcomes.split() if " " in outcomes else outcomes,
            "avg_loss": 1.0,
            "train_mse": 1.0,
            "test_mse": None,
            "test_per_train": 0.25,
            f"baseline/linear/{column}": line,
            f"baseline/mean/{column}": mean,
            "run_id": [f"run{place}" for place in range(len(rows))],
        }
    ).assign(**{column: errors})


def said(runs, settings=SETTINGS, **changes):
    """Return the conclusion of a table whose swept keys are its columns in front of the outcome."""
    swept = list(runs.columns[: list(runs.columns).index("outcome")])
    found = conclude(runs, swept, {**settings, **changes})
    assert len(found) <= 5
    assert all(sentence.endswith(".") and "nan" not in sentence and "inf" not in sentence for sentence in found), found
    return " ".join(found)


def test_the_best_configuration_is_named_with_its_error():
    """The mean over the seeds with its interval: 2 and 4 have the mean 3 and, with Student's 12.71, 3 ± 12.71."""
    runs = table({RATE: [0.1, 0.2], SEED: [0, 1]}, errors=[2.0, 4.0, 1.0, 7.0])
    text = said(runs)
    assert text.startswith(
        "Best of 2 values of learning_rate: 0.1, test_mse 3 (mean of 2 runs, 95 % interval -9.706 to 15.71), "
        "R² 0.970, 2 settled; the test rows chose it, so this error is optimistic: dataset.validation_fraction"
    )


def test_without_test_rows_the_error_is_said_to_be_that_of_the_training_rows():
    """train_mse decides, and nobody is left to think that it was measured on other rows."""
    text = said(table({RATE: [0.1, 0.2]}, errors=[2.0, 3.0], test=False))
    assert "learning_rate: 0.1, train_mse 2, R² 0.980, settled; there are no test rows, so this is the error on" in text


def test_a_network_that_beats_linear_regression_does():
    """Paired over five seeds: 4 - (1, 1.1, 1.2, 1.3, 1.4) has the mean 2.8; 1.4 beats 4 in none of five others."""
    runs = table({RATE: [0.1, 0.2], SEED: range(5)}, errors=[1.0, 1.1, 1.2, 1.3, 1.4, *[5.0] * 5])
    text = said(runs)
    assert (
        "It beats always predicting the mean (100) by 98.8 (95 % interval 98.6 to 99 over seeds), and beats linear"
        in text
    )
    assert "beats linear regression (4) by 2.8 (95 % interval 2.6 to 3 over seeds); 5 of 10 runs beat it." in text


def test_a_network_that_does_not_beat_linear_regression_does_not():
    """Nothing is made better than it is: 4.1 is worse than 4, whatever the mean score does."""
    runs = table({RATE: [0.1], SEED: range(5)}, errors=[4.10, 4.11, 4.10, 4.09, 4.10])
    assert "but is worse than linear regression (4) by 0.1 (95 % interval 0.0912 to 0.109" in said(runs)
    assert "none of 5 runs beats it." in said(runs)


def test_a_difference_within_the_interval_is_no_difference():
    """Errors of 3 and 5.2 beside 4 decide nothing."""
    text = said(table({RATE: [0.1], SEED: [0, 1]}, errors=[3.0, 5.2]))
    assert "cannot be told from linear regression (4): the difference is 0.1 (95 % interval" in text


def test_pairs_decide_where_splits_differ():
    """Errors of 1 to 5 beside a line of 1.1 to 5.1: the split moves both, and the network wins on each by 0.1."""
    runs = table({"dataset.split_seed": range(5)}, errors=np.arange(1.0, 6.0)).assign(
        **{"baseline/linear/test_mse": np.arange(1.1, 6.0)}
    )
    assert "beats linear regression (3.1) by 0.1; 5 of 5 runs beat it." in said(runs)


def test_a_line_without_error_cannot_be_beaten():
    """On the tutorial's rows linear regression is exact up to rounding, 1.683e-29."""
    text = said(table({RATE: [0.1, 0.2]}, errors=[1.0, 2.0], test=False, line=1.683e-29))
    assert "linear regression fits these rows exactly, which no network can beat." in text
    exact = said(table({RATE: [0.1, 0.2]}, errors=[1e-29, 2.0], test=False, line=1.683e-29))
    assert "train_mse 0 (exact)" in exact
    assert "linear regression fits these rows exactly, as the network does." in exact


def test_what_the_seeds_do_not_tell_apart_is_as_good():
    """0.2 is worse by 1 and -1 over the pairs, which is no difference; 0.3 is worse by 1 in each."""
    runs = table({RATE: [0.1, 0.2, 0.3], SEED: [0, 1]}, errors=[2.0, 4.0, 3.0, 3.1, 3.0, 5.0])
    text = said(runs)
    assert "As good within the spread of the seeds: learning_rate=0.2. It" in text
    assert "Try smaller" not in text  # The best rate is the smallest, but not shown to be better than the next.
    many = table({RATE: [0.1, 0.2, 0.3, 0.4, 0.5], SEED: [0, 1]}, errors=[2.0, 4.0] + [4.0, 2.1] * 4)
    assert "4 others are as good within the spread of the seeds." in said(many)


BOUNDARIES = {
    "none": ("settled settled slow settled", "None of 4 runs collapsed or diverged."),
    "clean": (
        "settled settled collapsed diverged",
        "Training fails at every learning_rate tried from 0.3 on, at none up to 0.2; in all, 2 of",
    ),
    "at the low end": (
        "collapsed collapsed settled settled",
        "Training fails at every learning_rate tried up to 0.2, at none from 0.3 on; in all, 2 of 4 runs",
    ),
    "interleaved, then always": (
        "settled collapsed settled collapsed",
        "Training begins to fail at learning_rate=0.2 and fails in every run from 0.4 on, without a single boundary: 1",
    ),
    "interleaved to the end": (
        "settled collapsed diverged settled",
        "Training begins to fail at learning_rate=0.2, without a single boundary: 2 of 3 runs from there on fail",
    ),
    "everywhere": ("collapsed collapsed diverged collapsed", "Every run failed: 3 collapsed, 1 diverged."),
}


@pytest.mark.parametrize(("outcomes", "sentence"), BOUNDARIES.values(), ids=BOUNDARIES)
def test_where_training_fails(outcomes, sentence):
    """The first rate with a failure, whether all fail beyond, and no boundary where there is none."""
    order = [0.2, 0.4, 0.1, 0.3]  # Rates need not come in rising order.
    by_rate = dict(zip([0.1, 0.2, 0.3, 0.4], outcomes.split(), strict=True))
    assert sentence in said(table({RATE: order}, " ".join(by_rate[rate] for rate in order)))


def test_a_share_that_rises_with_the_rate_is_a_boundary_with_a_width():
    """0 of 2, 1 of 2, 2 of 2 seeds fail: where it begins, and from where all do."""
    runs = table({RATE: [0.1, 0.2, 0.3], SEED: [0, 1]}, "slow slow collapsed slow collapsed collapsed")
    assert (
        "Training begins to fail at learning_rate=0.2 (1 of 2 runs there) and fails in every run from 0.3 on; in all, "
        "3 of 6 runs failed (3 collapsed)." in said(runs)
    )


def test_a_share_that_falls_is_no_boundary_either():
    """Small networks are born dead more often: 2 of 2 with one unit, 1 of 2 with two, none with four."""
    runs = table({SIZE: [1, 2, 4], SEED: [0, 1]}, "collapsed collapsed slow collapsed slow slow")
    assert (
        "Training fails no more often at any larger hidden_size tried: 2 of 2 runs at 1, 0 at 4; in all, 3 of"
        in said(runs)
    )


def test_repetitions_that_are_all_the_same_are_said_to_be():
    """A fixed order of the rows has no seed: five runs are one."""
    text = said(table({RATE: [0.1], "training.seed": range(5)}, errors=2.0))
    assert "test_mse 2 (mean of 5 runs, all the same), R² 0.980" in text


def test_a_last_rate_that_fails_in_part_is_said_to():
    """1 of 2 seeds fails at the largest rate: no more is known."""
    runs = table({RATE: [0.1, 0.2], SEED: [0, 1]}, "slow slow collapsed slow")
    assert (
        "Training begins to fail at learning_rate=0.2 (1 of 2 runs there); in all, 1 of 4 runs failed (1 collapsed)."
        in said(runs)
    )


def test_boundaries_are_told_apart_by_what_else_was_swept():
    """ReLU fails from 0.2 on and tanh never: each is said of its own."""
    runs = table({RATE: [0.1, 0.2], ACTIVATION: ["relu", "tanh"]}, "slow slow collapsed slow")
    assert (
        "Training fails at every learning_rate tried from 0.2 on, at none up to 0.1 (activation=relu), and fails at "
        "no learning_rate tried up to 0.2 (activation=tanh); in all, 1 of 4 runs failed (1 collapsed)." in said(runs)
    )


def test_groups_that_fail_alike_are_named_together():
    """Two of three activations share a boundary."""
    activations = {ACTIVATION: ["relu", "tanh", "sigmoid"], RATE: [0.1, 0.2]}
    text = said(table(activations, "slow collapsed collapsed collapsed slow collapsed"))
    assert (
        "0.2 on, at none up to 0.1 (activation=relu, sigmoid), and fails at every learning_rate tried (activation=tanh)"
        in text
    )


def test_many_different_boundaries_are_told_by_their_range():
    """Five sizes that fail from different rates on, and one that never does."""
    sizes, rates = [1, 2, 3, 4, 5], [0.1, 0.2, 0.3, 0.4, 0.5]
    outcomes = ["collapsed" if rate >= size / 10 and size < 5 else "slow" for size in sizes for rate in rates]
    text = said(table({SIZE: sizes, RATE: rates}, " ".join(outcomes)))
    assert (
        "Training begins to fail at learning_rate=0.1 to 0.4, by what else was swept, 1 of 5 groups never; in" in text
    )


def test_failures_of_words_are_counted_by_word():
    """Activations have no order: who failed, and how often."""
    runs = table({ACTIVATION: ["relu", "tanh"], SEED: [0, 1]}, "collapsed slow slow slow")
    assert "1 of 4 runs failed (1 collapsed), 1 of 2 with activation=relu." in said(runs)


ADVICE = {
    "the largest rate": ([1.0, 2.0, 0.5], "settled settled settled", "Try larger rates: 0.3, the best, is the largest"),
    "the smallest rate": ([0.5, 2.0, 1.0], "settled settled settled", "Try smaller rates: 0.1, the best, is the small"),
    "in between": ([1.0, 0.5, 2.0], "settled settled settled", ""),
    "out of time": ([1.0, 0.5, 2.0], "settled slow settled", "Try more than 1,000 epochs: its loss had not come to"),
    "all failed": ([100.0] * 3, "collapsed collapsed diverged", "Try rates below 0.1, and dataset.scale=features_and"),
}


@pytest.mark.parametrize(("errors", "outcomes", "advice"), ADVICE.values(), ids=ADVICE)
def test_advice_is_given_where_it_is_certain(errors, outcomes, advice):
    """A best rate at the end of those tried, a loss that still moves, failure everywhere; else nothing."""
    text = said(table({RATE: [0.1, 0.2, 0.3]}, outcomes, errors=errors))
    assert advice in text
    assert ("Try" in text) == bool(advice)


def test_rates_beside_a_failure_are_not_pushed_further():
    """The largest rate is best with one size and collapses with the other: nothing is certain."""
    runs = table({RATE: [0.1, 0.2], SIZE: [2, 4]}, "settled settled settled collapsed", errors=[3.0, 3.0, 1.0, 100.0])
    assert "Try" not in said(runs)


def test_a_single_start_is_called_one():
    """Where seeds matter and were not swept, one run cannot tell; the tutorial's start has no seed."""
    runs = table({RATE: [0.1, 0.2, 0.3]}, errors=[2.0, 1.0, 2.0])
    assert "one run cannot tell luck from merit" in said(runs, RANDOM)
    assert "luck" not in said(runs)
    assert "one run" in said(runs, **{"training.sampling": "shuffled"})


def test_nothing_learned_is_said_first():
    """All collapsed to the mean: no best, but nothing learned; R² is no more than rounding, and not minus 0."""
    text = said(table({RATE: [0.1, 0.2]}, "collapsed", errors=[100.001, 100.002]))
    assert text.startswith(
        "Nothing was learned; the least error, of learning_rate=0.1, is test_mse 100, R² 0, collapsed."
    )
    assert "It is worse than always predicting the mean (100) by 0.001, and is worse than linear regression (4)" in text


def test_all_diverged_has_no_best():
    """No loss is left to compare: where it failed and what to try is all there is."""
    text = said(table({RATE: [1.0, 10.0]}, "diverged", errors=[1e300, 1e308], test=False))
    assert text == "Every run failed: 2 diverged. Try rates below 1.0, and dataset.scale=features_and_target."
    assert said(pd.DataFrame({"outcome": []})) == ""


@given(
    data=st.data(),
    rates=st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=6, unique=True),
    seeds=st.integers(1, 3),
    mean=st.one_of(st.floats(1e-300, 1e300), st.just(0.0), st.just(math.nan)),
)
def test_every_table_has_a_conclusion(data, rates, seeds, mean):
    """Whatever the numbers: at most five sentences, none with nan or inf, no warning, no error."""
    size = len(rates) * seeds
    outcomes = data.draw(st.lists(st.sampled_from([o.name for o in Outcome]), min_size=size, max_size=size))
    number = st.one_of(st.floats(1e-300, 1e300), st.just(0.0), st.none())
    errors = data.draw(st.lists(number, min_size=size, max_size=size))
    line = data.draw(st.one_of(st.floats(0, 1e300), st.just(math.nan)))
    swept = {RATE: rates, SEED: range(seeds)} if seeds > 1 else {RATE: rates}
    runs = table(swept, "slow", np.array(errors, dtype=float), line=line, mean=mean, test=data.draw(st.booleans()))
    said(runs.assign(outcome=outcomes), RANDOM)
