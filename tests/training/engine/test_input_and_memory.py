"""How the compiled trainer is called: what it refuses, what it reports, and how it is cut into pieces and stopped."""

import math

import numba
import numpy as np
import pytest

from student_score.errors import InputError
from student_score.model.network import ARTICLE_START
from student_score.model.sampling import Sampling
from student_score.training.engine import batch, train_networks
from student_score.training.setup import Effort, Networks, Setup, Trainer
from student_score.training.train import train

START = ARTICLE_START.flat()

REFUSALS = {
    "rate 0": ({"learning_rate": 0.0}, "^learning_rate=0.0: it must be a positive, finite number"),
    "a rate that is none": ({"learning_rate": [1e-3, math.nan]}, "^learning_rate=nan"),
    "output rate": ({"output_learning_rate": -1.0}, "^output_learning_rate=-1.0"),
    "no networks": ({"learning_rate": []}, "at least 1"),
    "two for three": ({"learning_rate": [0.1, 0.2], "seed": [1, 2, 3]}, "number of networks must be the same"),
    "another size": ({"hidden_size": 3}, r"^starts has shape \(9,\)"),
    "no units": ({"hidden_size": 0}, "^hidden_size=0: it must be at least 1"),
    "no epochs": ({"epochs": 0}, "^epochs=0: it must be at least 1"),
    "epoch 0": ({"recorded_epochs": [0]}, r"^recorded_epochs=\[0\] must be whole numbers that increase within 1..300"),
    "epochs twice": ({"recorded_epochs": [5, 5]}, "^recorded_epochs"),
    "half an epoch": ({"recorded_epochs": [1.5]}, "^recorded_epochs"),
    "an epoch's loss too late": ({"loss_epochs": [301]}, r"^loss_epochs=\[301\] must be .* within 1..300"),
    "an order that is none": (
        {"row_order": [0, 0, 1]},
        r"^row_order=\[0, 0, 1\] must name each of the 3 training rows",
    ),
    "a short order": ({"row_order": [0, 1]}, r"^row_order=\[0, 1\] must name each of the 3 training rows"),
    "an order of none": ({"row_order": [0, 1, 2], "sampling": Sampling.shuffled}, "^row_order=.* has no meaning"),
    "half a seed": ({"seed": 0.5}, "^seed=0.5"),
    "no threads": ({"effort": Effort(threads=0)}, r"^threads=0: it must be within 1\.\."),
    "too many threads": ({"effort": Effort(threads=10**6)}, r"^threads=1000000: it must be within 1\.\."),
}


@pytest.mark.parametrize(("changes", "message"), REFUSALS.values(), ids=REFUSALS.keys())
def test_bad_input_is_named_before_anything_is_compiled(article_split, monkeypatch, changes, message):
    """The message names the argument, its value and what is allowed."""
    monkeypatch.setattr(batch, "ready", None)
    given = {"hidden_size": 2, "epochs": 300, "learning_rate": 1e-3, "effort": None, "loss_epochs": None} | changes
    effort, loss_epochs = given.pop("effort"), given.pop("loss_epochs")
    shared = {name: given.pop(name) for name in Setup.__dataclass_fields__ if name in given}
    with pytest.raises(InputError, match=message):
        train_networks(
            Setup(split=article_split, **shared), Networks(starts=START, **given), effort, loss_epochs=loss_epochs
        )


@pytest.mark.parametrize("keep_predictions", [True, False])
def test_memory_is_counted_in_gibibytes(article_split, monkeypatch, keep_predictions):
    """By hand, for 1e6 networks of 9 parameters, 2 recorded epochs and 3 losses: 184 or, with predictions, 208 MB.

    Each has 9 parameters, 3 losses, 2 mean squared errors and 9 numbers of its end, 23 doubles, and 3 predictions.
    One block adds 2 * 3 rows, 2 * 9 parameters and 256 table values, no more than 2240 bytes.
    """
    setup = Setup(split=article_split, hidden_size=2, epochs=5, recorded_epochs=[1, 5])
    shared = batch.shared_values(setup, [1, 2, 3])
    needed = 8 * (23_000_000 + 3_000_000 * keep_predictions) + 8 * (6 + 18 + 256)
    for memory, fits in ((needed, True), (needed - 1, False)):
        monkeypatch.setattr(batch.os, "sysconf", {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": memory}.get)
        if fits:
            batch.check_memory(shared, 1_000_000, 9, blocks=1, keep_predictions=keep_predictions)
        else:
            with pytest.raises(InputError, match=rf"2 recorded_epochs and 3 loss_epochs .* {needed / 2**30:.1f} GiB"):
                batch.check_memory(shared, 1_000_000, 9, blocks=1, keep_predictions=keep_predictions)


def test_progress_counts_networks_and_an_interrupt_stops_the_training(train_article):
    """An exception in the callback, as on Ctrl-C, ends the call although 1.6e10 updates were asked for."""
    calls = []
    report = Effort(progress=lambda done, networks: calls.append((done, networks)), special=True)
    train_article(np.full(300, 1e-3), epochs=5, effort=report)
    assert (calls[0], calls[-1]) == ((0, 300), (300, 300))

    def interrupt(done, _):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_article(np.full(20_000, 1e-4), epochs=30_000, effort=Effort(progress=interrupt, special=True))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("networks", [129, 300, 128 * 20, 128 * 37 + 5])
def test_no_network_is_left_out_when_a_call_takes_many_chunks(
    monkeypatch, article_split, bits, train_article, threads, networks
):
    """However many chunks a call is cut into, every network is trained, and progress counts them all."""
    if threads > numba.config.NUMBA_NUM_THREADS:
        pytest.skip("one thread only")
    rates, seen = np.geomspace(1e-5, 1e-2, networks), []
    whole = train_article(rates, epochs=3)
    monkeypatch.setattr(batch, "CHUNK_UPDATES", 1.0)  # One block of lanes a chunk.
    monkeypatch.setattr(batch, "DIRECT_UPDATES", 1.0)
    effort = Effort(threads=threads, progress=lambda *counts: seen.append(counts), special=True)
    trained = train_article(rates, epochs=3, effort=effort)
    assert (seen[0], seen[-1]) == ((0, networks), (networks, networks))
    assert sorted(seen) == seen
    assert bits(trained.finals) == bits(whole.finals)
    for k in (0, 127, 128, networks // 2, networks - 2, networks - 1):
        alone = train(article_split, ARTICLE_START, learning_rate=rates[k], epochs=3, trainer=Trainer.reference)
        assert bits(trained.finals[k]) == bits(alone.final.flat())


def test_a_short_call_starts_no_thread(monkeypatch, bits, train_article):
    """A network alone trains in the calling thread, a long training in another, where Ctrl-C can stop it."""
    expected, seen = train_article(2e-3, epochs=100).finals, []
    monkeypatch.setattr(batch, "ThreadPoolExecutor", None)
    effort = Effort(progress=lambda *counts: seen.append(counts), special=True)
    assert bits(train_article(2e-3, epochs=100, effort=effort).finals) == bits(expected)
    assert seen == [(0, 1), (1, 1)]
    with pytest.raises(TypeError):
        train_article(2e-3, epochs=1_000_000)


def test_results_are_kept_only_where_asked_for(article_split):
    """Losses of the recorded epochs by default or of others, no test_mse without test rows, no predictions unasked."""
    networks = Networks(starts=START, learning_rate=[1e-4, 1e-3])
    setup = Setup(split=article_split, hidden_size=2, epochs=9, recorded_epochs=[2, 9])
    plain = train_networks(setup, networks)
    assert (plain.loss_epochs.tolist(), plain.recorded_epochs.tolist()) == ([2, 9], [2, 9])
    assert plain.predictions.shape == (2, 0)
    assert plain.test_mse is None
    asked = train_networks(setup, networks, loss_epochs=[1, 2, 3, 9], keep_predictions=True)
    assert asked.predictions.shape == (2, 3)
    assert asked.avg_loss[:, [1, 3]].tobytes() == plain.avg_loss.tobytes()
    assert asked.train_mse.tobytes() == plain.train_mse.tobytes()
