"""What tests of the compiled trainer share: the article's network, and a comparison with the reference, bit by bit."""

import numpy as np
import pytest

from student_score.model.network import ARTICLE_START
from student_score.training.engine import train_networks
from student_score.training.setup import Effort, Networks, Setup, Trainer
from student_score.training.train import train_each

END = ("late_rises", "late_rise", "late_min", "late_max", "late_mean", "earlier_mean")


def bit_patterns(values):
    """Return the bit patterns, so that -0.0 and 0.0 differ; every nan counts as the same."""
    values = np.asarray(values, dtype=np.float64)
    return np.where(np.isnan(values), np.nan, values).view(np.int64).tolist()


@pytest.fixture(scope="session")
def bits():
    """Return the function that tells bits."""
    return bit_patterns


@pytest.fixture(scope="session")
def train_article(article_split):
    """Return a function that trains the article's network at these rates, by a special kernel unless told otherwise."""

    def train(rates, *, epochs=300, effort=None, **settings):
        own = {name: settings.pop(name) for name in ("row_order", "seed") if name in settings}
        setup = Setup(split=article_split, hidden_size=2, epochs=epochs, **settings)
        networks = Networks(starts=ARTICLE_START.flat(), learning_rate=rates, **own)
        return train_networks(setup, networks, Effort(special=True) if effort is None else effort)

    return train


@pytest.fixture(scope="session")
def assert_equals_reference():
    """Return a function that trains networks with the reference trainer and with kernels, and compares every bit.

    Kernels are given by the values of `Effort.special`. The reference is the trajectory that `train_each` returns;
    what the engine measures in the networks' own units is taken to score points first.
    """

    def compare(setup, networks, kernels):
        every = np.arange(1, setup.epochs + 1)
        ends = [
            train_networks(setup, networks, Effort(special=special), loss_epochs=every, keep_predictions=True)
            for special in kernels
        ]
        scaling, recorded = setup.split.scaling, np.asarray(setup.recorded_epochs)
        for k, expected in enumerate(train_each(setup, networks, trainer=Trainer.reference)):
            ran, diverged = len(expected.avg_loss), expected.diverged_epoch or 0
            errors = [expected.train_mse] if setup.split.test is None else [expected.train_mse, expected.test_mse]
            for special, end in zip(kernels, ends, strict=True):
                with np.errstate(all="ignore"):  # The last numbers before divergence may exceed a double in points.
                    curves = [end.train_mse] if setup.split.test is None else [end.train_mse, end.test_mse]
                    measured = {
                        "final": (end.finals[k], expected.final.flat()),
                        "avg_loss": (end.avg_loss[k, :ran] * scaling.squared_points, expected.avg_loss),
                        "errors": ([curve[k, : len(errors[0])] * scaling.squared_points for curve in curves], errors),
                        "predictions": (scaling.scores(end.predictions[k]), expected.predictions),
                        "last avg_loss": (end.last_avg_loss[k], expected.avg_loss[-1]),
                        "end": ([getattr(end, n)[k] for n in END], [getattr(expected.end, n) for n in END]),
                    }
                for name, (ours, theirs) in measured.items():
                    assert bit_patterns(ours) == bit_patterns(theirs), (name, k, special, networks)
                epochs = (int(end.collapse_epoch[k]) or None, int(end.diverged_epoch[k]) or None)
                assert epochs == (expected.collapse_epoch, expected.diverged_epoch), (k, special, networks)
                # What divergence left unrun has no loss, and from divergence on there is no mean squared error.
                assert np.isnan(end.avg_loss[k, ran:]).all()
                assert len(errors[0]) == np.count_nonzero((recorded < diverged) | (diverged == 0))
                assert all(np.isnan(curve[k, len(errors[0]) :]).all() for curve in curves)

    return compare
