"""The whole configuration: every key with its default and what `student-score --help` says of it.

YAML files hold only what differs from the defaults here.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from student_score.config.checks import (
    LONGEST_EXPERIMENT,
    LONGEST_SHOWN,
    SEEDS,
    check_name,
    keyed,
    require,
    require_seed,
    says,
)
from student_score.config.dataset import DatasetConfig
from student_score.masking import cut
from student_score.model.activations import Activation
from student_score.model.network import Initialisation
from student_score.model.sampling import Sampling
from student_score.paths import known_studies, work_folder
from student_score.training.setup import (
    Observable,
    Trainer,
    check_epochs,
    check_hidden_size,
    check_learning_rate,
    check_observe,
)


@contextmanager
def keys_of(group: str) -> Iterator[None]:
    """Turn the argument that an InputError begins with into the configuration's key: epochs=0 -> training.epochs=0."""
    with keyed(group, GROUPS[group].__dataclass_fields__):
        yield


LARGEST_SWEEP = 10_000_000
"""Jobs that a sweep may have at all."""


@dataclass
class NetworkConfig:
    """One hidden layer, one linear output, and where the weights start."""

    hidden_size: int = field(default=2, metadata=says("hidden units; 2 for the article's start", allowed="at least 1"))
    activation: Activation = field(default=Activation.relu, metadata=says("what a hidden unit makes of its input"))
    initialisation: Initialisation = field(default=Initialisation.article, metadata=says("where the weights start"))
    seed: int = field(default=0, metadata=says("seed of he and glorot", allowed=SEEDS))

    def __post_init__(self) -> None:
        with keys_of("network"):
            check_hidden_size(self.hidden_size)
        require_seed("network.seed", self.seed)


@dataclass
class TrainingConfig:
    """Gradient descent on the half loss."""

    learning_rate: float = field(
        default=0.0001, metadata=says("the size of a step", allowed="a positive, finite number")
    )
    epochs: int = field(default=1000, metadata=says("passes over the training rows", allowed="at least 1"))
    sampling: Sampling = field(default=Sampling.cyclic, metadata=says("in which order, and how many rows at a time"))
    row_order: list[int] | None = field(
        default=None,
        metadata=says(
            "the order of the training rows for cyclic and full_batch; that of the file by default",
            allowed="each row, counted from 0, exactly once",
            examples=("training.row_order=[2,1,0]",),
        ),
    )
    seed: int = field(default=0, metadata=says("seed of shuffled and with_replacement", allowed=SEEDS))
    trainer: Trainer = field(
        default=Trainer.compiled, metadata=says("both give the same bits; reference is slow, and the one to read")
    )
    observe: list[Observable] = field(
        default_factory=list,
        metadata=says("further curves; the reference trainer then runs", examples=("training.observe=[sharpness]",)),
    )

    def __post_init__(self) -> None:
        with keys_of("training"):
            check_learning_rate(self.learning_rate)
            check_epochs(self.epochs)
            check_observe(self.observe, 0)
        require_seed("training.seed", self.seed)


@dataclass
class TrackingConfig:
    """Where runs are recorded."""

    uri: str | None = field(
        default=None,
        metadata=says(
            "the store; by default what MLFLOW_TRACKING_URI names, else mlflow.db of the clone or current directory",
            examples=("tracking=server tracking.uri=http://localhost:5000",),
        ),
    )
    experiment: str = field(default="student-score", metadata=says("the MLflow experiment that holds the runs"))
    curve_points: int = field(
        default=200, metadata=says("epochs at most in a recorded curve, log-spaced", allowed="2..10000")
    )

    log_model: bool = field(
        default=False,
        metadata=says(
            "keep the network and linear regression as models that MLflow serves, beside the run or a sweep's best run"
        ),
    )

    @property
    def store_uri(self) -> str:
        """The store that `uri` and its defaults mean."""
        own = str(work_folder() / "mlflow.db").replace("%", "%25").replace("?", "%3F")
        return self.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{own}"

    def __post_init__(self) -> None:
        check_name("tracking.experiment", self.experiment, LONGEST_EXPERIMENT)
        require(
            2 <= self.curve_points <= 10_000,
            f"tracking.curve_points={self.curve_points}",
            "it must lie in 2..10000",
        )


@dataclass
class SweepConfig:
    """How a sweep (-m) is conducted; it leaves no trace in the runs."""

    fresh: bool = field(
        default=False, metadata=says("start over under a new parent run, although this sweep was begun before")
    )
    dry_run: bool = field(
        default=False, metadata=says("say what would run, what is done already, and how long it may take")
    )
    fail_fast: bool = field(default=False, metadata=says("stop at the first job that fails"))
    most_jobs: int = field(
        default=100_000,
        metadata=says(
            "how many jobs a sweep may have; more are refused before they are listed", allowed=f"1..{LARGEST_SWEEP}"
        ),
    )

    def __post_init__(self) -> None:
        require(
            1 <= self.most_jobs <= LARGEST_SWEEP,
            f"sweep.most_jobs={self.most_jobs}",
            f"it must lie in 1..{LARGEST_SWEEP}",
        )


@dataclass
class Config:
    """One training run."""

    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    print_every: int = field(default=50, metadata=says("epochs between two printed lines", allowed="at least 1"))
    study: str | None = field(
        default=None, metadata=says("the study that judges this run or sweep; experiment=NAME sets it")
    )

    def __post_init__(self) -> None:
        require(self.print_every >= 1, f"print_every={self.print_every}", "it must be at least 1")
        if self.study is not None:  # Looked for on the disk, which a sweep of thousands should not do for each job.
            known = known_studies()
            said = f"study={cut(str(self.study), LONGEST_SHOWN)}"
            require(self.study in known, said, f"it can be {', '.join(known)}")


def complete(config: Config) -> Config:
    """Return a configuration that names the file of its rows; dataset=csv alone names none.

    Raises:
        InputError: it names none.
    """
    require(
        bool(config.dataset.path) or config.dataset.simulation is not None,
        "dataset.path is empty",
        "name a CSV file and its columns: dataset=csv dataset.path=FILE 'dataset.features=[COLUMN,...]' "
        "dataset.target=COLUMN",
    )
    return config


GROUPS: dict[str, Any] = {
    "dataset": DatasetConfig,
    "network": NetworkConfig,
    "training": TrainingConfig,
    "tracking": TrackingConfig,
}
"""The schema of each group of conf/."""
