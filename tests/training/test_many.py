"""Many networks at once end as each would alone."""

import numpy as np
import pytest

from student_score.data.article import ARTICLE_ROWS
from student_score.data.rows import Rows, Scale, split_rows
from student_score.model.network import ARTICLE_START, Initialisation, initialise
from student_score.model.outcome import EndState, Outcome
from student_score.model.sampling import Sampling
from student_score.training.many import train_many
from student_score.training.setup import Effort, Networks, Setup
from student_score.training.train import train

ARTICLE = split_rows(ARTICLE_ROWS)


def random_rows(n=12, n_features=2, seed=0):
    """Return rows of uniform numbers in hours and score points."""
    rng = np.random.default_rng(seed)
    return Rows(rng.uniform(0, 9, size=(n, n_features)), rng.uniform(30, 100, size=n))


@pytest.mark.parametrize("scale", Scale)
def test_train_many_is_train_many_times(scale):
    """Every network of a batch ends, with its outcome, as it does on its own."""
    split = split_rows(random_rows(12), test_fraction=0.25, scale=scale)
    rates = [1e-5, 1e-3, 0.02, 0.3, 2.5, 4.0]
    starts = [initialise(Initialisation.he, n_features=2, hidden_size=2, seed=seed) for seed in range(len(rates))]
    flat = np.array([start.flat() for start in starts])
    epochs = np.array([1, 10, 400])
    setup = Setup(split=split, hidden_size=2, epochs=400, recorded_epochs=epochs)
    many = train_many(setup, Networks(starts=flat, learning_rate=rates))
    assert len(many) == len(rates)
    for k, (start, rate) in enumerate(zip(starts, rates, strict=True)):
        one = train(split, start, learning_rate=rate, epochs=400, recorded_epochs=epochs)
        assert many.outcomes[k] is one.outcome
        assert many.finals[k].tobytes() == one.final.flat().tobytes()
        assert (many.collapse_epoch[k] or None, many.diverged_epoch[k] or None) == (
            one.collapse_epoch,
            one.diverged_epoch,
        )
        recorded = len(one.train_mse)
        assert many.train_mse[k, :recorded].tobytes() == one.train_mse.tobytes()
        assert many.test_mse[k, :recorded].tobytes() == one.test_mse.tobytes()
        assert np.isnan(many.train_mse[k, recorded:]).all()
        ran = epochs[epochs <= len(one.avg_loss)]
        assert many.avg_loss[k, : len(ran)].tobytes() == one.avg_loss[ran - 1].tobytes()
        for name in EndState.__dataclass_fields__:
            np.testing.assert_array_equal(
                np.broadcast_to(getattr(many.end, name), len(many))[k], getattr(one.end, name)
            )


def test_train_many_takes_a_row_order_and_a_rate_of_the_output_layer_for_each_network():
    """Networks of one batch may differ in both; the same values as on their own give the same bits."""
    networks = Networks(
        starts=ARTICLE_START.flat(),
        learning_rate=1e-3,
        output_learning_rate=[1e-3, 2e-3],
        row_order=[[0, 1, 2], [2, 1, 0]],
    )
    many = train_many(Setup(split=ARTICLE, hidden_size=2, epochs=50), networks)
    alone = train(ARTICLE, ARTICLE_START, learning_rate=1e-3, epochs=50)
    assert many.finals[0].tobytes() == alone.final.flat().tobytes()
    assert (many.finals[1] != many.finals[0]).all()


def test_without_test_rows_there_is_no_test_mse_and_without_recorded_epochs_no_curve():
    """Nothing is recorded by default: the curves have no column, and test_mse is None where no rows are for testing."""
    many = train_many(
        Setup(split=ARTICLE, hidden_size=2, epochs=5), Networks(starts=ARTICLE_START.flat(), learning_rate=[1e-3, 0.01])
    )
    assert many.test_mse is None
    assert many.avg_loss.shape == many.train_mse.shape == (2, 0)
    assert many.recorded_epochs.tolist() == []


def test_effort_changes_no_bit():
    """Threads, a report of progress and either kernel leave everything as it is."""
    setup = Setup(split=ARTICLE, hidden_size=2, epochs=100, recorded_epochs=[3, 100])
    networks = Networks(starts=ARTICLE_START.flat(), learning_rate=np.linspace(1.8e-3, 2.2e-3, 7))
    plain, seen = train_many(setup, networks), []
    busy = train_many(setup, networks, Effort(threads=1, progress=lambda *counts: seen.append(counts), special=False))
    assert (seen[0], seen[-1]) == ((0, 7), (7, 7))
    for name in ("finals", "avg_loss", "train_mse", "outcome_codes"):
        assert getattr(plain, name).tobytes() == getattr(busy, name).tobytes()


def test_the_articles_rows_still_oscillate_between_learning_and_collapse():
    """At 0.00184, between rates that converge and rates that collapse, the loss rises by a tenth and more: no noise."""
    [trained] = train_many(
        Setup(split=ARTICLE, hidden_size=2, epochs=1000),
        Networks(starts=ARTICLE_START.flat(), learning_rate=0.00184),
    ).outcomes
    assert trained is Outcome.oscillating


def noisy_scores(n=1000):
    """Return rows of a straight line in four features with noise of 2 points: its best fit leaves a loss of about 4."""
    rng = np.random.default_rng(0)
    features = np.column_stack([rng.uniform(low, high, n) for low, high in ((1, 9), (40, 99), (4, 9), (0, 9))])
    return Rows(features, features @ [2.85, 1.02, 0.48, 0.19] - 33 + rng.normal(0, 2, n))


@pytest.mark.parametrize("sampling", Sampling)
def test_a_training_at_its_noise_floor_has_settled(sampling):
    """Noisy rows cannot be fitted exactly: at rates that learn, 98 % are explained and nothing oscillates."""
    split = split_rows(noisy_scores(), test_fraction=0.25, scale=Scale.features_and_target)
    starts = [initialise(Initialisation.he, n_features=4, hidden_size=4, seed=seed).flat() for seed in range(5)]
    rate = 0.2 if sampling is Sampling.full_batch else 0.003
    trained = train_many(
        Setup(split=split, hidden_size=4, epochs=1000, sampling=sampling),
        Networks(starts=np.array(starts), learning_rate=rate, seed=list(range(5))),
    )
    assert set(trained.outcomes) <= {Outcome.settled, Outcome.slow}
    assert Outcome.settled in trained.outcomes
    assert trained.end.explained == pytest.approx([0.988] * 5, abs=0.01)
