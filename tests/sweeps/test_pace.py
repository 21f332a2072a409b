"""How long a sweep takes is told from a little of its work, without a trace in its store."""

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from student_score.config.schema import Config, DatasetConfig, NetworkConfig, TrackingConfig, TrainingConfig
from student_score.model.activations import Activation
from student_score.model.network import Initialisation
from student_score.model.sampling import Sampling
from student_score.paths import REPOSITORY
from student_score.runs.task import prepare
from student_score.sweeps import pace
from student_score.sweeps.outlook import outlook
from student_score.sweeps.plan import Member, Plan
from student_score.tracking.store import Store
from student_score.training.engine import batch, compiling
from student_score.training.setup import Networks, Trainer

UPDATE = 5e-8


def members(count: int, uri: str | None = None, **training: object) -> list[Member]:
    """Return so many runs that differ in their seed."""
    dataset = DatasetConfig(path=str(REPOSITORY / "data/student_scores.csv"))
    network = NetworkConfig(initialisation=Initialisation.he, hidden_size=3)
    return [
        Member(
            job=(),
            task=prepare(
                Config(
                    dataset=dataset,
                    network=replace(network, seed=seed),
                    training=TrainingConfig(**training),  # type: ignore[arg-type] # each test passes its fields
                    tracking=TrackingConfig(uri=uri),
                )
            ),
        )
        for seed in range(count)
    ]


def test_an_outlook_writes_nothing_to_the_store(empty_store, tmp_path):
    """The store, with and without the sweep's experiment, is byte for byte what it was, and its folder too."""
    path = tmp_path / "mlflow.db"
    path.write_bytes(empty_store.read_bytes())
    uri = f"sqlite:///{path}"
    plan = Plan(members=members(2, uri, epochs=5), swept=("network.seed",), repeated=0)
    before = path.read_bytes()
    assert "0 recorded already, 2 to run" in next(outlook(plan))
    assert path.read_bytes() == before
    assert not (tmp_path / "mlartifacts").exists()
    assert [item.name for item in Store(uri).client.search_experiments()] == ["Default"]


def test_a_sweep_that_is_done_takes_no_calibration(monkeypatch, store_uri):
    """Only runs that are left are tried."""
    plan = Plan(members=members(2, epochs=5), swept=("network.seed",), repeated=0)
    monkeypatch.setattr("student_score.sweeps.outlook.finished_jobs", lambda _: {m.job_hash for m in plan.members})
    monkeypatch.setattr(pace, "seconds", None)
    assert list(outlook(plan)) == ["sweep of seed (2 runs): 2 recorded already, 0 to run, about 1 s"]


def test_the_runs_that_are_tried_are_short_and_from_all_over_the_sweep():
    """Twenty at most, each with few updates; one alone if its epochs are long."""
    tried = pace.sample(members(50, epochs=10**6))
    assert [member.task.config.network.seed for member in tried][:4] == [0, 2, 5, 7]
    assert len(tried) == 20
    assert pace.shortened(tried[0]).task.config.training.epochs == pace.SAMPLE_UPDATES // (3 * 13)
    assert pace.shortened(members(1, epochs=7)[0]).task.config.training.epochs == 7
    assert len(pace.sample(members(3, epochs=5))) == 3


def test_more_work_takes_longer():
    """Time grows with epochs beyond those tried, and the reference trainer has no threads to share them."""
    _, short = pace.training_seconds(members(10, epochs=100), UPDATE)
    _, long = pace.training_seconds(members(10, epochs=5000), UPDATE)
    _, slow = pace.training_seconds(members(10, epochs=5000, trainer=Trainer.reference), UPDATE)
    assert short == 0
    assert 0 < long <= slow == pytest.approx(10 * (5000 * 39 - pace.SAMPLE_UPDATES) * UPDATE)


def test_kernels_that_have_to_be_compiled_are_counted(monkeypatch):
    """One for work that pays for it and lies on no disk; its updates then cost a fiftieth."""
    much = members(10, epochs=2 * 10**6)
    for compiled in (False, True):
        monkeypatch.setattr(compiling, "is_compiled", lambda _, found=compiled: found)
        kernels, took = pace.training_seconds(much, UPDATE)
        assert kernels == (not compiled)
        assert took <= 10 * 2 * 10**6 * 39 * UPDATE / batch.GENERAL_COST
    monkeypatch.setattr(compiling, "is_compiled", lambda _: False)
    assert pace.training_seconds(members(10, epochs=100), UPDATE)[0] == 0


@pytest.mark.parametrize(
    ("networks", "settings"),
    [(1, {}), (4, {}), (5, {}), (70, {"activation": Activation.tanh}), (5, {"sampling": Sampling.full_batch})],
)
def test_the_constants_of_a_kernel_are_those_that_train(monkeypatch, networks, settings):
    """What is looked for on the disk is what the trainer would look for."""
    setup = replace(pace.setup_of(members(1, epochs=2)[0].task), **settings)
    asked = []
    monkeypatch.setattr(batch, "is_worth_compiling", lambda constants, _: asked.append(constants))
    batch.train_networks(setup, Networks(starts=np.zeros((networks, setup.size)), learning_rate=0.001))
    assert asked == [batch.special_constants(setup, networks)]
    assert asked[0][-1] == (64 if networks >= 5 else 1)


def test_a_kernel_that_is_compiled_now_is_not_counted(monkeypatch):
    """The sweep will find it on the disk, so that the first training counts as one that loads it."""
    [member] = members(1, epochs=2)
    monkeypatch.setattr(pace, "trained", lambda _: [__import__("numba").njit(lambda x: x)(1)])
    assert pace.first_seconds(member) == pace.FIRST


def test_an_estimate_needs_no_temporary_folder(monkeypatch):
    """Where a temporary store cannot be made, this machine is taken for that of the constants."""

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pace.tempfile, "TemporaryDirectory", full)
    assert pace.recording_seconds([]) == (0.0, pace.RECORDING)


@pytest.mark.slow
def test_an_estimate_is_of_the_right_size(fresh_uri: str):
    """Three short runs take seconds, a thousand more; nothing is left behind where the store would be."""
    few, many = (pace.seconds(members(count, fresh_uri, epochs=50), None) for count in (3, 1000))
    assert 1 < few < many < 500
    assert not Path(fresh_uri.removeprefix("sqlite:///")).exists()
