"""What is kept of a training that is observed."""

import numpy as np
import pytest

from student_score.data.article import ARTICLE_ROWS
from student_score.data.rows import Rows, Scale, split_rows
from student_score.errors import InputError
from student_score.model.network import ARTICLE_START, Initialisation, initialise
from student_score.model.outcome import Outcome
from student_score.model.sampling import Sampling
from student_score.training.setup import Networks, Observable, Setup, Trainer
from student_score.training.train import train, train_each

ARTICLE = split_rows(ARTICLE_ROWS)


def random_rows(n=12, n_features=2, seed=0):
    """Return rows of uniform numbers in hours and score points."""
    rng = np.random.default_rng(seed)
    return Rows(rng.uniform(0, 9, size=(n, n_features)), rng.uniform(30, 100, size=n))


def assert_same_bits(one, other):
    """Assert that two trajectories have the same curves, ends and epochs, in every bit."""
    for name in ("avg_loss", "recorded_epochs", "train_mse", "predictions", "dead_units"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name
    assert one.final.flat().tobytes() == other.final.flat().tobytes()
    assert (one.collapse_epoch, one.diverged_epoch) == (other.collapse_epoch, other.diverged_epoch)
    assert repr(one.end) == repr(other.end)  # the spread of a diverged training is nan, which equals nothing


OBSERVED = [Observable.sharpness]


@pytest.mark.parametrize("trainer", Trainer)
@pytest.mark.parametrize("sampling", Sampling)
@pytest.mark.parametrize("learning_rate", [1e-3, 3.0], ids=["trained", "diverged"])
def test_an_observed_training_has_the_bits_of_one_that_is_not(learning_rate, sampling, trainer):
    """Nothing changes but `observed`, with test rows and scaling, and where the curves stop early."""
    split = split_rows(random_rows(), test_fraction=0.3, scale=Scale.features_and_target)
    start = initialise(Initialisation.he, n_features=2, hidden_size=3, seed=3)
    settings = {"learning_rate": learning_rate, "epochs": 600, "sampling": sampling, "seed": 5, "trainer": trainer}
    alone, observed = (train(split, start, observe=observe, **settings) for observe in ([], OBSERVED))
    assert_same_bits(alone, observed)
    assert alone.test_mse.tobytes() == observed.test_mse.tobytes()
    assert alone.observed is None
    assert (alone.outcome is Outcome.diverged) == (learning_rate == 3.0)
    assert observed.observed.shape == (len(observed.recorded_epochs), start.size)
    assert np.isfinite(observed.observed).all()


def test_the_observed_parameters_are_those_after_the_epoch():
    """They are the final parameters of trainings that end with the epoch; the last are the final ones."""
    recorded = np.array([1, 2, 7, 20])
    whole = train(ARTICLE, ARTICLE_START, learning_rate=0.0019, epochs=20, recorded_epochs=recorded, observe=OBSERVED)
    for epochs, state in zip(recorded.tolist(), whole.observed, strict=True):
        part = train(ARTICLE, ARTICLE_START, learning_rate=0.0019, epochs=epochs)
        assert part.final.flat().tobytes() == state.tobytes()


def test_a_training_that_diverges_at_once_has_nothing_to_observe():
    """The table of parameters has no row, and still a column for each parameter."""
    trajectory = train(ARTICLE, ARTICLE_START, learning_rate=1e308, epochs=3, observe=OBSERVED)
    assert trajectory.observed.shape == (0, 9)


@pytest.mark.parametrize("observe", [OBSERVED, []], ids=["observed", "not observed"])
def test_networks_too_large_for_their_hessian_are_refused_if_observed(observe):
    """With 2 features, 124 units have 497 parameters and 125 units 501; the message names them before any training."""
    small, large = (
        (
            Setup(split=ARTICLE, hidden_size=units, epochs=1),
            Networks(starts=initialise(Initialisation.he, n_features=2, hidden_size=units).flat(), learning_rate=1e-4),
        )
        for units in (124, 125)
    )
    settings = {"trainer": Trainer.reference, "observe": observe}
    assert len(list(train_each(*small, **settings))) == 1
    if observe:
        with pytest.raises(InputError, match=r"^observe=\[sharpness\]: a network of 501 parameters .* at most 500"):
            train_each(*large, **settings)
    else:
        assert len(list(train_each(*large, **settings))) == 1


def test_an_observable_is_named_once():
    """The same curve twice is a mistake."""
    with pytest.raises(InputError, match=r"^observe=\[sharpness,sharpness\]: each can be named only once"):
        train(ARTICLE, ARTICLE_START, learning_rate=1e-4, epochs=1, observe=OBSERVED * 2)
