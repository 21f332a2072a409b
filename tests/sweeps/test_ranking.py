"""Which configuration is best: means over seeds with intervals that cover what they claim to, against baselines."""

import math

import numpy as np
import pandas as pd
import pytest

from student_score.sweeps import ranking

RATE, SEED = "training.learning_rate", "network.seed"


def table(*rows, **columns):
    """Return a sweep's table of (rate, seed, outcome, train_mse); the mean score's error is 10."""
    entries = [
        {RATE: rate, SEED: seed, "outcome": outcome, "train_mse": loss, "test_mse": None, "run_id": f"run{place}"}
        for place, (rate, seed, outcome, loss) in enumerate(rows)
    ]
    return pd.DataFrame(entries).assign(**{"baseline/mean/train_mse": 10.0, **columns})


def best(runs, swept=(RATE, SEED)):
    """Return the best configuration's rate, None without any."""
    found = ranking.best(ranking.candidates(runs, swept))
    return None if found is None else found.configuration.get(RATE)


def test_the_interval_is_students():
    """Five values against a table of Student's t: 2.776 for four degrees of freedom."""
    values = np.array([1.0, 2.0, 4.0, 4.0, 9.0])
    mean, low, high = ranking.t_interval(values)
    half = 2.7764451051977987 * math.sqrt(np.var(values, ddof=1) / 5)
    np.testing.assert_allclose([mean, low, high], [4.0, 4.0 - half, 4.0 + half], rtol=1e-12)


def test_the_interval_covers_the_mean_as_often_as_it_says():
    """Of 4000 samples of three normal values each, 95 % ± 1.4 % (four standard errors) of the intervals hold the mean.

    A normal interval, with 1.96 in place of 4.30, would cover it in 81 %.
    """
    samples = np.random.default_rng(7).normal(5.0, 2.0, size=(4000, 3))
    covered = [low <= 5.0 <= high for _, low, high in map(ranking.t_interval, samples)]
    assert abs(np.mean(covered) - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 4000)


def test_losses_near_the_largest_double_have_an_interval():
    """A run may blow up without diverging; its loss is squared without overflow."""
    mean, low, high = ranking.t_interval(np.array([1e300, 3e300]))
    assert mean == pytest.approx(2e300)
    assert low < mean < high < math.inf


def test_one_lucky_seed_does_not_make_the_best():
    """0.1 has the lowest error of all, 1, and with 9 a mean of 5; 0.2 has 4 and 4."""
    assert (
        best(table((0.1, 0, "slow", 1.0), (0.1, 1, "slow", 9.0), (0.2, 0, "slow", 4.0), (0.2, 1, "slow", 4.0))) == 0.2
    )


def test_a_configuration_that_diverged_is_best_only_among_its_like():
    """Whatever its survivors reach, a configuration of which every run has an error goes first."""
    runs = [(0.1, 0, "slow", 1.0), (0.1, 1, "diverged", 1e300), (0.2, 0, "diverged", None), (0.2, 1, "diverged", 0.0)]
    assert best(table(*runs, (0.3, 0, "slow", 9.0), (0.3, 1, "slow", 9.0))) == 0.3
    assert best(table(*runs)) == 0.1
    assert best(table(*runs[2:])) is None
    assert best(pd.DataFrame()) is None


def test_test_rows_decide_where_there_are_any():
    """train_mse decides without them; the first of equals is the best."""
    runs = table((0.1, 0, "slow", 1.0), (0.2, 0, "slow", 2.0), (0.3, 0, "slow", 1.0))
    assert best(runs, (RATE,)) == 0.1
    assert ranking.decisive_loss(runs) == "train_mse"
    tested = runs.assign(test_mse=[3.0, 2.0, math.nan])
    assert best(tested, (RATE,)) == 0.2
    assert ranking.decisive_loss(tested) == "test_mse"


def test_explained_variance_is_a_share_of_the_mean_scores_error():
    """Errors of 1 and 3 of 10 explain 90 and 70 %, so 80 %; unknown where no mean score is recorded."""
    [found] = ranking.candidates(table((0.1, 0, "slow", 1.0), (0.1, 1, "slow", 3.0)), (SEED,))
    assert found.explained == pytest.approx(0.8, rel=1e-15)
    assert found.run_id == "run0"
    assert not found.is_exact
    assert math.isnan(ranking.explained(np.array([1.0]), np.array([np.nan])))
    assert ranking.explained(np.array([1e300]), np.array([1e-300])) == -math.inf


def test_an_error_of_rounding_is_exact():
    """Twelve digits, squared: below 1e-24 of the mean score's error nothing was missed."""
    for error, exact in ((1.683e-29, True), (0.99e-23, True), (1.01e-23, False)):
        [found] = ranking.candidates(table((0.1, 0, "converged", error)), (RATE,))
        assert found.is_exact is exact


def test_differences_are_paired():
    """Errors that rise by 1 from run to run beside baselines that do too differ by 0.5 each, without any doubt."""
    theirs = np.arange(5.0)
    assert ranking.difference(theirs + 0.5, theirs, pd.DataFrame(index=range(5))) == (0.5, 0.5, 0.5)
    assert ranking.difference(np.array([1.0, np.nan]), np.array([0.5, 0.5]), pd.DataFrame(index=range(2)))[0] == 0.5
