"""The whole configuration on one screen; defaults live here, YAML files hold only what differs from them."""

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from student_score.data.article import ARTICLE_FEATURES, ARTICLE_TARGET
from student_score.data.rows import Scale, check_test_fraction
from student_score.errors import InputError
from student_score.model.activations import Activation
from student_score.model.network import Initialisation
from student_score.model.sampling import Sampling
from student_score.paths import REPOSITORY, known_studies
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
    try:
        yield
    except InputError as error:
        argument = re.match(r"(\w+)[=:]", str(error))
        if argument and argument[1] in GROUPS[group].__dataclass_fields__:
            raise InputError(f"{group}.{error}") from None
        raise


@dataclass
class DatasetConfig:
    """Which rows, and what is done to them before training."""

    name: str = "student_scores"
    path: str = "${repository:}/data/student_scores.csv"  # relative paths start at the current directory
    features: list[str] = field(default_factory=lambda: list(ARTICLE_FEATURES))
    target: str = ARTICLE_TARGET
    test_fraction: float = 0.0  # share of the rows held out for testing, 0 <= share < 1
    split_seed: int = 0
    scale: Scale = Scale.none  # what is standardised, by the training rows' mean and standard deviation
    new_inputs: list[Any] = field(default_factory=list)  # rows of further inputs to predict after training

    def __post_init__(self) -> None:
        require(bool(self.features), "dataset.features=[]", "at least one column is needed")
        with keys_of("dataset"):
            check_test_fraction(self.test_fraction)
        require_seed("dataset.split_seed", self.split_seed)
        for row in self.new_inputs:
            require(
                isinstance(row, list) and len(row) == len(self.features) and all(map(is_finite_number, row)),
                f"dataset.new_inputs has the row {row}",
                f"each row needs {len(self.features)} finite numbers, one for each of dataset.features",
            )


@dataclass
class NetworkConfig:
    """One hidden layer, one linear output, and where the weights start."""

    hidden_size: int = 2
    activation: Activation = Activation.relu
    initialisation: Initialisation = Initialisation.article
    seed: int = 0  # of he and glorot

    def __post_init__(self) -> None:
        with keys_of("network"):
            check_hidden_size(self.hidden_size)
        require_seed("network.seed", self.seed)


@dataclass
class TrainingConfig:
    """Gradient descent on the half loss."""

    learning_rate: float = 0.0001
    epochs: int = 1000
    sampling: Sampling = Sampling.cyclic
    row_order: list[int] | None = None  # of cyclic and full_batch; the order of the training rows by default
    seed: int = 0  # of shuffled and with_replacement
    trainer: Trainer = Trainer.compiled  # both give the same bits; reference is the one to read
    observe: list[Observable] = field(default_factory=list)  # further curves; the reference trainer then runs

    def __post_init__(self) -> None:
        with keys_of("training"):
            check_learning_rate(self.learning_rate)
            check_epochs(self.epochs)
            check_observe(self.observe, 0)
        require_seed("training.seed", self.seed)


@dataclass
class TrackingConfig:
    """Where runs are recorded."""

    uri: str | None = None  # MLFLOW_TRACKING_URI by default, else sqlite:///<repository>/mlflow.db
    experiment: str = "student-score"
    curve_points: int = 200  # epochs at most in a recorded curve, log-spaced

    @property
    def store_uri(self) -> str:
        """The store that `uri` and its defaults mean."""
        return self.uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{REPOSITORY / 'mlflow.db'}"

    def __post_init__(self) -> None:
        require(bool(self.experiment.strip()), "tracking.experiment", "it must not be empty")
        require(
            2 <= self.curve_points <= 10_000,
            f"tracking.curve_points={self.curve_points}",
            "it must lie in 2..10000",
        )


@dataclass
class SweepConfig:
    """How a sweep (-m) is conducted; it leaves no trace in the runs."""

    fresh: bool = False  # start over under a new parent run, although this sweep was begun before
    dry_run: bool = False  # say what would run, and how much is done already
    fail_fast: bool = False  # stop at the first job that fails


@dataclass
class Config:
    """One training run."""

    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    sweep: SweepConfig = field(default_factory=SweepConfig)
    print_every: int = 50  # epochs between two printed lines
    study: str | None = None  # the folder of experiments/ whose claims this run or sweep is to judge

    def __post_init__(self) -> None:
        require(self.print_every >= 1, f"print_every={self.print_every}", "it must be at least 1")
        known = known_studies()
        require(self.study is None or self.study in known, f"study={self.study}", f"it can be {', '.join(known)}")


def require(condition: bool, value: str, allowed: str) -> None:
    """Raise InputError saying what the value is and what is allowed, unless the condition holds."""
    if not condition:
        raise InputError(f"{value}: {allowed}")


def is_finite_number(value: object) -> bool:
    """Say whether a value is an int or a float, and finite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def require_seed(name: str, seed: int) -> None:
    """Raise InputError unless the seed fits scikit-learn's and NumPy's generators."""
    require(0 <= seed < 2**32, f"{name}={seed}", "it must lie in 0..4294967295")


GROUPS: dict[str, Any] = {
    "dataset": DatasetConfig,
    "network": NetworkConfig,
    "training": TrainingConfig,
    "tracking": TrackingConfig,
}
"""The schema of each group of conf/."""
