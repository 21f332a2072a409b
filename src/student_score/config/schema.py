"""The whole configuration: every key with its default and what `student-score --help` says of it.

YAML files hold only what differs from the defaults here.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from student_score.config.checks import (
    LONGEST_DATASET,
    LONGEST_EXPERIMENT,
    LONGEST_SHOWN,
    SEEDS,
    check_home,
    check_name,
    check_text,
    is_finite_number,
    require,
    require_seed,
)
from student_score.data.article import ARTICLE_FEATURES, ARTICLE_TARGET
from student_score.data.rows import Scale, check_test_fraction
from student_score.errors import InputError
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


def says(about: str, *, allowed: str = "", examples: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what `student-score --help` says of a key, beside its default.

    Args:
        about: what it means.
        allowed: its range, in the words of the message that refuses what lies outside; enums name their values.
        examples: overrides as a shell takes them, where they say more than default and range.
    """
    return {"about": about, "allowed": allowed, "examples": examples}


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


LARGEST_SWEEP = 10_000_000
"""Jobs that a sweep may have at all."""


@dataclass
class DatasetConfig:
    """Which rows, and what is done to them before training."""

    name: str = field(default="student_scores", metadata=says("a name for the rows, which runs record"))
    path: str = field(
        default="${repository:}/data/student_scores.csv",
        metadata=says(
            "a CSV file in UTF-8 with a header line; relative paths start at the current directory",
            examples=("dataset=csv dataset.path=grades.csv",),
        ),
    )
    features: list[str] = field(
        default_factory=lambda: list(ARTICLE_FEATURES),
        metadata=says(
            "the columns that are the network's inputs",
            allowed="at least one column",
            examples=("dataset.features=[reading,maths]", """'dataset.features=["Hours Studied","Sleep Hours"]'"""),
        ),
    )
    target: str = field(
        default=ARTICLE_TARGET, metadata=says("the column to predict", examples=("dataset.target='Exam Score'",))
    )
    test_fraction: float = field(
        default=0.0, metadata=says("the share of the rows held out for testing", allowed="at least 0 and below 1")
    )
    split_seed: int = field(default=0, metadata=says("seed of the choice of the test rows", allowed=SEEDS))
    scale: Scale = field(
        default=Scale.none, metadata=says("what is standardised, by the training rows' mean and standard deviation")
    )
    new_inputs: list[Any] = field(
        default_factory=list,
        metadata=says(
            "rows of further inputs to predict after training",
            allowed="finite numbers, one for each of dataset.features",
            examples=("dataset.new_inputs=[[6,7],[3,5]]",),
        ),
    )

    def __post_init__(self) -> None:
        require(bool(self.features), "dataset.features=[]", "at least one column is needed")
        check_name("dataset.name", self.name, LONGEST_DATASET)
        require(
            all(isinstance(name, str) for name in self.features),
            f"dataset.features={cut(str(self.features), LONGEST_SHOWN)}",
            "it must be a list of columns' names",
        )
        for key, texts in (("path", [self.path]), ("target", [self.target]), ("features", self.features)):
            for text in texts:
                check_text(f"dataset.{key}", text)
        check_home("dataset.path", self.path)
        with keys_of("dataset"):
            check_test_fraction(self.test_fraction)
        require_seed("dataset.split_seed", self.split_seed)
        for row in self.new_inputs:
            require(
                isinstance(row, list) and len(row) == len(self.features) and all(map(is_finite_number, row)),
                f"dataset.new_inputs has the row {cut(str(row), LONGEST_SHOWN)}",
                f"each row needs {len(self.features)} finite numbers, one for each of dataset.features",
            )


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
        known = known_studies()
        said = f"study={cut(str(self.study), LONGEST_SHOWN)}"
        require(self.study is None or self.study in known, said, f"it can be {', '.join(known)}")


def complete(config: Config) -> Config:
    """Return a configuration that names the file of its rows; dataset=csv alone names none.

    Raises:
        InputError: it names none.
    """
    require(
        bool(config.dataset.path),
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
