"""What a sweep's table says: counts, the best run, means over seeds with intervals that cover what they claim to."""

import math

import numpy as np
import pandas as pd
import pytest

from student_score.sweeps import summary

RATE, SEED = "training.learning_rate", "network.seed"


def table(*rows: tuple[float, int, str, float | None], **columns: list[object]) -> pd.DataFrame:
    """Return a sweep's table of (rate, seed, outcome, train_mse); avg_loss is twice train_mse."""
    entries = [
        {
            RATE: rate,
            SEED: seed,
            "outcome": outcome,
            "avg_loss": None if loss is None else 2 * loss,
            "train_mse": loss,
            "test_mse": None,
            "baseline/linear/train_mse": 0.25,
            "name": f"lr={rate} seed={seed}",
            "run_id": f"run{place}",
        }
        for place, (rate, seed, outcome, loss) in enumerate(rows)
    ]
    return pd.DataFrame(entries).assign(**columns)


SMALL = (
    (0.1, 0, "converged", 1.0),
    (0.1, 1, "converged", 4.0),
    (0.1, 2, "diverged", 1e300),
    (0.2, 0, "slow", 7.0),
    (0.2, 1, "diverged", None),
    (0.2, 2, "diverged", None),
)


def test_configurations_are_the_closed_form():
    """Two values a, b have the interval (a + b) / 2 ± tan(0.475 pi) |a - b| / 2; one has none, diverged ones count not.

    Student's t with one degree of freedom is Cauchy's distribution, whose 97.5 % point is tan(0.475 pi).
    """
    found = summary.configurations(table(*SMALL), (RATE, SEED)).set_index(RATE)
    assert found["runs"].tolist() == [3, 3]
    assert found["runs/diverged"].tolist() == [1, 2]
    assert found["train_mse/runs"].tolist() == [2, 1]
    assert found["train_mse/mean"].tolist() == [2.5, 7.0]
    half = math.tan(0.475 * math.pi) * 1.5
    ends = found.loc[0.1, ["train_mse/ci95_low", "train_mse/ci95_high"]].astype(float)
    np.testing.assert_allclose(ends, [2.5 - half, 2.5 + half], rtol=1e-12)
    assert found.loc[0.2, ["train_mse/ci95_low", "train_mse/ci95_high"]].isna().all()
    assert found.loc[0.1, "avg_loss/mean"] == 5.0
    assert "test_mse/mean" not in found


def test_the_interval_is_students():
    """Five values against a table of Student's t: 2.776 for four degrees of freedom."""
    values = np.array([1.0, 2.0, 4.0, 4.0, 9.0])
    mean, low, high = summary.t_interval(values)
    half = 2.7764451051977987 * math.sqrt(np.var(values, ddof=1) / 5)
    np.testing.assert_allclose([mean, low, high], [4.0, 4.0 - half, 4.0 + half], rtol=1e-12)


def test_the_interval_covers_the_mean_as_often_as_it_says():
    """Of 4000 samples of three normal values each, 95 % ± 1.4 % (four standard errors) of the intervals hold the mean.

    A normal interval, with 1.96 in place of 4.30, would cover it in 81 %.
    """
    samples = np.random.default_rng(7).normal(5.0, 2.0, size=(4000, 3))
    covered = [low <= 5.0 <= high for _, low, high in map(summary.t_interval, samples)]
    assert abs(np.mean(covered) - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 4000)


def test_losses_near_the_largest_double_have_an_interval():
    """A run may blow up without diverging; its loss is squared without overflow."""
    mean, low, high = summary.t_interval(np.array([1e300, 3e300]))
    assert mean == pytest.approx(2e300)
    assert low < mean < high < math.inf


def test_without_a_swept_seed_there_are_no_configurations():
    """Every run is then a configuration of its own; so it is where nothing ran."""
    assert summary.configurations(table(*SMALL), (RATE,)) is None
    assert summary.configurations(pd.DataFrame(), (RATE, SEED)) is None


def test_a_sweep_of_seeds_alone_is_one_configuration():
    """Its row has no key and all the runs."""
    found = summary.configurations(table(*SMALL), (SEED,))
    assert found["runs"].tolist() == [6]
    assert found["train_mse/mean"].tolist() == [4.0]


def test_configurations_keep_the_order_and_the_missing_values():
    """Configurations stand as they first ran, one for a key that some runs lack."""
    runs = table((0.2, 0, "slow", 1.0), (0.1, 0, "slow", 1.0), (0.2, 1, "slow", 1.0))
    assert summary.configurations(runs, (RATE, SEED))[RATE].tolist() == [0.2, 0.1]
    words = runs.assign(**{RATE: [None, "a", None]})
    assert summary.configurations(words, (RATE, SEED))["runs"].tolist() == [2, 1]


def test_the_best_run_has_the_lowest_loss():
    """train_mse decides without test rows, test_mse with; diverged runs never win, the first of equals does."""
    runs = table(*SMALL, (0.3, 0, "slow", 1.0), (0.4, 0, "diverged", 0.0))
    assert summary.best(runs)["run_id"] == "run0"
    assert summary.best(runs.assign(test_mse=[9.0, 8.0, 0.0, 7.0, None, None, 7.0, 0.0]))["run_id"] == "run3"
    assert summary.best(table((0.1, 0, "diverged", 1.0))) is None
    assert summary.best(pd.DataFrame()) is None


def test_the_parent_run_is_told_finite_numbers_and_words():
    """Every outcome is counted, also at 0, in the vocabulary's order."""
    runs = table(*SMALL)
    assert list(summary.counts(runs)) == ["diverged", "collapsed", "converged", "oscillating", "stuck", "slow"]
    numbers = summary.metrics(runs, failed=2)
    assert (numbers["runs"], numbers["runs/diverged"], numbers["runs/stuck"], numbers["runs/failed"]) == (6, 3, 0, 2)
    assert (numbers["best/train_mse"], numbers["best/avg_loss"]) == (1.0, 2.0)
    assert "best/test_mse" not in numbers
    assert all(math.isfinite(value) for value in numbers.values())
    assert summary.tags(runs) == {
        "outcomes": "3 diverged, 2 converged, 1 slow",
        "best.run_id": "run0",
        "best.name": "lr=0.1 seed=0",
    }


def test_a_sweep_without_runs_is_summarised():
    """Nothing ran: zeros, no best run, an empty listing."""
    nothing = pd.DataFrame()
    assert summary.metrics(nothing, failed=1)["runs"] == 0
    assert summary.tags(nothing) == {"outcomes": "no runs"}
    assert summary.listing(nothing, (RATE,)).rows == []


def test_few_runs_are_all_listed():
    """A row a run, numbers with four digits, nothing where nothing is known, and no remark."""
    shown = summary.listing(table(*SMALL), (RATE, SEED))
    assert shown.title == "6 runs"
    assert shown.headings == ["learning_rate", "seed", "outcome", "avg_loss", "train_mse", "linear regression"]
    assert shown.rows[1] == ["0.1", "1", "converged", "8", "4", "0.25"]
    assert shown.rows[4] == ["0.2", "1", "diverged", "", "", "0.25"]
    assert shown.remark == ""


def test_many_runs_are_listed_as_configurations_or_cut():
    """Above 50 runs come the means over the seeds, or the first 50 and how many there are."""
    many = table(*((rate, seed, "slow", rate + seed) for rate in (0.5, 1.5) for seed in range(30)))
    grouped = summary.listing(many, (RATE, SEED))
    assert grouped.title == "2 configurations, 60 runs: means over the seeds"
    assert grouped.headings[:5] == ["learning_rate", "runs", "outcomes", "avg_loss, mean", "95 % interval"]
    assert grouped.rows[1][:4] == ["1.5", "30", "30 slow", "32"]
    assert grouped.remark == "results.csv has every run."
    cut = summary.listing(many, (RATE,))
    assert len(cut.rows) == 50
    assert cut.remark == "The first 50 of 60 runs; results.csv has them all."


def test_keys_that_end_alike_keep_their_whole_name():
    """Two columns called seed could not be told apart."""
    assert summary.short_names((RATE, SEED)) == ["learning_rate", "seed"]
    assert summary.short_names((SEED, "training.seed", RATE)) == [SEED, "training.seed", "learning_rate"]
