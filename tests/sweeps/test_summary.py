"""What a sweep's table leaves in the parent run: counts, the best configuration, means over seeds."""

import math

import numpy as np
import pandas as pd

from student_score.sweeps import summary
from student_score.sweeps.words import counts

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
            "baseline/mean/train_mse": 10.0,
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


def test_the_parent_run_is_told_finite_numbers_and_words():
    """Every outcome is counted, also at 0, in the vocabulary's order; the best is a mean over the runs with an error.

    Both configurations have diverged runs: 0.1 one of three, so that its mean of 1 and 4 is the best; the run nearest
    to it, the first of two, stands for it.
    """
    runs = table(*SMALL)
    words = ["diverged", "collapsed", "converged", "oscillating", "settled", "stuck", "slow"]
    assert list(counts(runs)) == words
    numbers = summary.metrics(runs, (RATE, SEED), failed=2)
    assert (numbers["runs"], numbers["runs/diverged"], numbers["runs/stuck"], numbers["runs/failed"]) == (6, 3, 0, 2)
    assert (numbers["best/train_mse"], numbers["best/avg_loss"]) == (2.5, 5.0)
    assert numbers["best/r2"] == 1 - 2.5 / 10
    assert "best/test_mse" not in numbers
    assert all(math.isfinite(value) for value in numbers.values())
    assert summary.tags(runs, (RATE, SEED)) == {
        "outcomes": "3 diverged, 2 converged, 1 slow",
        "best": "learning_rate=0.1",
        "best.run_id": "run0",
    }


def test_a_sweep_without_runs_is_summarised():
    """Nothing ran, or everything diverged: zeros and no best."""
    nothing = pd.DataFrame()
    assert summary.metrics(nothing, (RATE,), failed=1)["runs"] == 0
    assert summary.tags(nothing, (RATE,)) == {"outcomes": "no runs"}
    gone = table((0.1, 0, "diverged", 1e300))
    assert not [name for name in summary.metrics(gone, (RATE,), failed=0) if name.startswith("best")]
    assert summary.tags(gone, (RATE,)) == {"outcomes": "1 diverged"}
