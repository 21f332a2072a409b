"""A recorded run on rows with words and gaps, and its models."""

import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from student_score.config.schema import Config, DatasetConfig, NetworkConfig, TrainingConfig
from student_score.data.division import Division
from student_score.data.preparation import Missing
from student_score.data.rows import Scale
from student_score.data.table import Table, split_table
from student_score.model.activations import Activation
from student_score.model.network import Initialisation
from student_score.runs.execution import Run, execute
from student_score.runs.recording import record
from student_score.runs.task import Task
from student_score.serving.keeping import keep_models
from student_score.tracking.store import Store


def rows(n: int, seed: int) -> Table:
    """Return students with a column whose name is no word, a club or none, and gaps in their hours slept."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"Hours Studied": rng.uniform(0, 8, n), "club": rng.choice(["No", "Yes"], n)})
    frame["slept"] = np.where(rng.random(n) < 0.1, np.nan, rng.normal(7, 1, n))
    return Table(frame, 10 * frame["Hours Studied"].to_numpy() + rng.normal(size=n), ("club",))


@dataclass(frozen=True)
class Kept:
    """A run whose models are kept."""

    store: Store
    run_id: str
    run: Run
    address: str
    new: pd.DataFrame

    @property
    def own(self) -> list[float]:
        """What the run itself predicts for the new rows."""
        from student_score.training.train import predict_scores

        task = self.run.task
        features, activation = task.preparation.features(self.new), task.config.network.activation
        final, scaling = self.run.trajectory.final, task.split.scaling
        return predict_scores(final, features, activation=activation, scaling=scaling).tolist()


@pytest.fixture(scope="session")
def free_port() -> int:
    """Return a port of loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Store:
    """Return a store for the runs of these tests."""
    return Store(f"sqlite:///{shutil.copy(empty_store, tmp_path_factory.mktemp('store') / 'mlflow.db')}", "tests")


@pytest.fixture(scope="session")
def task() -> Task:
    """Return a task on such rows."""
    table = rows(100, 0)
    dataset = DatasetConfig(
        features=list(table.frame),
        target="score",
        categorical=["club"],
        missing=Missing.mean,
        scale=Scale.features_and_target,
        new_inputs=[],
    )
    split, preparation = split_table(table, Division(test_fraction=0.2), scale=dataset.scale, missing=dataset.missing)
    network = NetworkConfig(hidden_size=4, activation=Activation.tanh, initialisation=Initialisation.he)
    config = Config(dataset=dataset, network=network, training=TrainingConfig(learning_rate=0.01, epochs=20))
    return Task(config=config, split=split, preparation=preparation, data_digest="0")


@pytest.fixture(scope="session")
def kept(store: Store, task: Task) -> Kept:
    """Return a recorded run with its models, and rows that it has not seen."""
    run = execute(task)
    run_id = store.record(record(run))
    return Kept(store, run_id, run, keep_models(store, run_id, task), rows(50, 1).frame)
