"""What is reported of a chosen configuration was measured on rows that chose nothing, beside the baselines."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from student_score.data.division import Division
from student_score.data.preparation import Missing
from student_score.data.rows import Rows, Scale, split_rows
from student_score.data.table import Table, split_table
from student_score.sweeps.conclusion import conclude
from student_score.sweeps.evaluation import evaluate
from student_score.sweeps.spread import t_interval
from student_score.sweeps.table import rows_tested_for_each

RATE, SEED, FOLD = "training.learning_rate", "network.seed", "dataset.fold"
SWEPT = [FOLD, RATE, SEED]
SETTINGS = {
    "training.learning_rate": 0.1,
    "training.epochs": 10,
    "dataset.scale": "features",
    "network.initialisation": "he",
    "training.sampling": "shuffled",
}


def table(validation, test, *, rates=2, folds=3, seeds=1, outcomes="settled", line=4.0):
    """Return a sweep's table, fold by fold, rate by rate, seed by seed."""
    grid = itertools.product(range(folds), [0.1 * (1 + rate) for rate in range(rates)], range(seeds))
    return pd.DataFrame(grid, columns=SWEPT).assign(
        **{
            "outcome": outcomes,
            "train_mse": 1.0,
            "validation_mse": validation,
            "test_mse": test,
            "baseline/linear/test_mse": line,
            "baseline/mean/test_mse": 100.0,
            "baseline/mean/validation_mse": 100.0,
            "test_per_train": 0.5,
            "run_id": "run",
        }
    )


VALIDATION = [1.0, 2.0, 2.0, 1.0, 1.0, 2.0]
TEST = [3.0, 0.1, 0.1, 4.0, 3.5, 0.1]


def test_validation_rows_choose_in_each_fold_and_test_rows_are_reported():
    """Rates 0.1, 0.2 and 0.1 are chosen, of which the test errors are 3, 4 and 3.5, though others have 0.1."""
    found = evaluate(table(VALIDATION, TEST), SWEPT)
    assert [candidate.configuration[RATE] for candidate in found.chosen] == [0.1, 0.2, 0.1]
    assert found.losses.tolist() == [3.0, 4.0, 3.5]
    assert found.counts == [({RATE: 0.1}, 2), ({RATE: 0.2}, 1)]
    assert not found.is_optimistic
    rows = found.table()
    assert rows[[FOLD, RATE, "validation_mse", "test_mse", "failed"]].to_numpy().tolist() == [
        [0, 0.1, 1.0, 3.0, 0.0],
        [1, 0.2, 1.0, 4.0, 0.0],
        [2, 0.1, 1.0, 3.5, 0.0],
    ]
    assert found.minus("linear") == pytest.approx(t_interval(np.array([-1.0, 0.0, -0.5]), overlap=0.5))


def test_test_errors_do_not_take_part_in_the_choice():
    """Whatever the test rows say, the same configurations are chosen: a choice by them would change."""
    chosen = [
        [candidate.configuration for candidate in evaluate(table(VALIDATION, errors), SWEPT).chosen]
        for errors in (TEST, TEST[::-1], [9.0, 0.0] * 3, [0.0, 9.0] * 3)
    ]
    assert all(others == chosen[0] for others in chosen[1:])
    assert evaluate(table(None, [9.0, 0.0] * 3), SWEPT).counts == [({RATE: 0.2}, 3)]  # A choice by them does.


def test_of_useless_networks_the_chosen_one_is_not_better_than_the_mean_score():
    """Fifty configurations of pure noise around an error of 100: validation rows leave 100, test rows promise 98."""
    rng = np.random.default_rng(4)
    honest, leaking = [], []
    for _ in range(30):
        errors = rng.normal(100.0, 1.0, size=(2, 50))
        honest += [evaluate(table(*errors, rates=50, folds=1), [RATE]).losses[0]]
        leaking += [evaluate(table(None, errors[1], rates=50, folds=1), [RATE]).losses[0]]
    assert abs(np.mean(honest) - 100.0) < 4 / math.sqrt(30)
    assert np.mean(leaking) < 98.5


def test_without_validation_rows_the_error_of_the_best_is_called_optimistic():
    """Test rows that chose among two rates; one rate has nothing to choose from."""
    two = table(None, TEST)
    assert evaluate(two, SWEPT).is_optimistic
    assert "the test rows chose it, so this error is optimistic" in conclude(two, SWEPT, SETTINGS)[0]
    one = table(None, TEST[:3], rates=1)
    assert not evaluate(one, SWEPT).is_optimistic
    assert "optimistic" not in conclude(one, SWEPT, SETTINGS)[0]


def test_a_configuration_of_which_a_network_failed_is_chosen_last():
    """Of the seeds of 0.1 one diverged in fold 0: 0.2 is chosen there; a collapse counts with its error."""
    runs = table([1.0, 1.0, 2.0, 2.0, 1.0, 9.0, 6.0, 6.0], [3.0] * 8, folds=2, seeds=2)
    runs.loc[1, "outcome"] = "diverged"
    runs.loc[5, "outcome"] = "collapsed"
    found = evaluate(runs, SWEPT)
    assert [candidate.configuration[RATE] for candidate in found.chosen] == [0.2, 0.1]
    assert found.table()["failed"].tolist() == [0.0, 0.5]
    assert found.metrics()["evaluation/network/failed"] == 0.25


def test_a_fold_in_which_every_network_diverged_chooses_nothing():
    """The others are reported, and of none at all nothing is."""
    runs = table(VALIDATION, TEST)
    runs.loc[runs[FOLD] == 1, "outcome"] = "diverged"
    found = evaluate(runs, SWEPT)
    assert (len(found.chosen), found.splits) == (2, 3)
    assert evaluate(runs.assign(outcome="diverged"), SWEPT) is None
    assert evaluate(runs.iloc[:0], SWEPT) is None
    assert "Every run failed" in conclude(runs.assign(outcome="diverged"), SWEPT, SETTINGS)[0]


def test_the_conclusion_says_how_often_what_was_chosen_and_the_error_on_the_other_rows():
    """3, 4 and 3.5 have the mean 3.5 and, with the folds' overlap, ± 4.303 * 0.5 * sqrt(1/3 + 1/2) = 1.964."""
    said = conclude(table(VALIDATION, TEST), SWEPT, SETTINGS)
    assert said[0] == (
        "Best of 2 values of learning_rate: 0.1, by the validation rows of all 3 splits; each split chooses for "
        "itself, learning_rate=0.1 in 2 of 3: on the test rows, which choose nothing, test_mse 3.5 (mean of 3 runs, "
        "95 % interval 1.536 to 5.464 over folds), R² 0.965, 3 settled."
    )
    assert "cannot be told from linear regression (4): the difference is -0.5 (95 % interval -2.46 to 1.46" in said[2]
    assert len(said) <= 5


def test_the_metrics_are_the_means_and_the_ends():
    """Of the network and each baseline, and their paired differences."""
    metrics = evaluate(table(VALIDATION, TEST), SWEPT).metrics()
    low, high = t_interval(np.array([-1.0, 0.0, -0.5]), overlap=0.5)[1:]
    assert metrics == pytest.approx(
        {
            "evaluation/network/failed": 0.0,
            "evaluation/network/test_mse": 3.5,
            "evaluation/linear/test_mse": 4.0,
            "evaluation/mean/test_mse": 100.0,
            "evaluation/minus_linear/mean": -0.5,
            "evaluation/minus_linear/ci95_low": low,
            "evaluation/minus_linear/ci95_high": high,
            "evaluation/minus_mean/mean": -96.5,
            "evaluation/minus_mean/ci95_low": low - 96.0,
            "evaluation/minus_mean/ci95_high": high - 96.0,
        }
    )


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"dataset.folds": "5", "dataset.validation_fraction": "0.2", "dataset.test_fraction": "0.0"}, 0.2 / 0.64),
        ({"dataset.folds": "null", "dataset.validation_fraction": "0.0", "dataset.test_fraction": "0.25"}, 1 / 3),
        ({}, 0.0),  # Recorded before there were such keys.
    ],
)
def test_how_many_test_rows_there_are_for_each_training_row(params, expected):
    """A fifth tests, and of the others four fifths train; a quarter tests and the others train."""
    assert rows_tested_for_each(params) == pytest.approx(expected)


def test_the_best_of_the_other_baselines_is_named():
    """Ridge, with 3, beside a parabola with 5; one that some runs lack is no rival."""
    others = {"baseline/ridge/test_mse": 3.0, "baseline/quadratic/test_mse": 5.0}
    said = conclude(table(VALIDATION, TEST).assign(**others), SWEPT, SETTINGS)[2]
    assert "; of the other baselines, it cannot be told from ridge regression (3): the difference is 0.5" in said
    others["baseline/ridge/test_mse"] = [None, *[3.0] * 5]
    assert "quadratic regression (5)" in conclude(table(VALIDATION, TEST).assign(**others), SWEPT, SETTINGS)[2]


@pytest.mark.parametrize("fold", range(5))
def test_scaling_and_imputation_know_the_training_rows_alone(fold):
    """Test and validation rows a thousand times as large, and of other categories' share, change no number learned.

    What leaks on purpose, fitted on all rows, does change: the check would see it.
    """
    rng = np.random.default_rng(fold)
    division = Division(folds=5, fold=fold, validation_fraction=0.25)
    frame = pd.DataFrame({"hours": rng.normal(size=40), "school": rng.choice(["a", "b"], 40)})
    frame.loc[rng.random(40) < 0.2, "hours"] = np.nan
    targets = rng.normal(size=40)
    others = np.concatenate(division.parts(40)[1:])
    moved_frame, moved_targets = frame.copy(), targets.copy()
    moved_frame.loc[others, "hours"] *= 1000
    moved_frame.loc[others, "school"] = "a"
    moved_targets[others] *= 1000

    def learned(frame, targets, division):
        data = Table(frame, targets, ("school",))
        split, preparation = split_table(data, division, scale=Scale.features_and_target, missing=Missing.mean)
        scaling = split.scaling
        numbers = [*preparation.means.values(), *scaling.feature_means, *scaling.feature_deviations]
        return [*numbers, scaling.target_mean, scaling.target_deviation], split.train.features.tobytes()

    assert learned(frame, targets, division) == learned(moved_frame, moved_targets, division)
    everything = Division()
    assert learned(frame, targets, everything) != learned(moved_frame, moved_targets, everything)


def test_no_row_is_in_two_parts_and_every_row_tests_once():
    """Over five folds, each with validation rows."""
    rows = Rows(np.arange(23.0)[:, None], np.arange(23.0))
    splits = [split_rows(rows, folds=5, fold=fold, validation_fraction=0.2) for fold in range(5)]
    for split in splits:
        assert sorted(split.train_indices + split.validation_indices + split.test_indices) == list(range(23))
    assert sorted(index for split in splits for index in split.test_indices) == list(range(23))
