"""A task: a checked configuration with its rows and its start, ready to train."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from student_score.arrays import Floats
from student_score.config.identity import Description, describe
from student_score.config.schema import Config, DatasetConfig, keys_of
from student_score.data.csv_file import read_csv
from student_score.data.rows import Split, split_rows
from student_score.errors import InputError
from student_score.model.network import Parameters, initialise
from student_score.model.sampling import check_row_order
from student_score.training.setup import Trainer, check_observe
from student_score.training.train import ALGORITHM_VERSION

LISTED_ROWS = 10
"""Up to so many training rows are predicted one by one; more are in predictions.csv."""

LARGEST = 2**28
"""Epochs, and parameters, of a run: each takes 2 GiB as doubles, and a run keeps the loss of every epoch."""

CURVE_VALUES = 2**21
"""Values of avg_loss (16 MiB) that are kept at once when several tasks are executed together."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A checked configuration with its rows and its start."""

    config: Config
    split: Split
    start: Parameters
    data_digest: str

    @cached_property
    def description(self) -> Description:
        """The configuration as it is recorded, and the hashes that identify training and run."""
        return describe(self.config, data_digest=self.data_digest, algorithm_version=ALGORITHM_VERSION)

    @property
    def new_inputs(self) -> Floats:
        """Further inputs (m, n_features) to predict."""
        return np.array(self.config.dataset.new_inputs, dtype=np.float64).reshape(-1, self.start.n_features)

    @property
    def inputs(self) -> Floats:
        """Inputs (m, n_features) that are predicted one by one: the training rows, if few, then the new ones."""
        listed = self.split.train.features if len(self.split.train) <= LISTED_ROWS else self.new_inputs[:0]
        return np.concatenate([listed, self.new_inputs])

    @property
    def together(self) -> tuple[object, ...]:
        """What tasks must have in common to be executed together."""
        network, training = self.config.network, self.config.training
        shared = (network.hidden_size, network.activation, training.epochs, training.sampling, training.trainer)
        return (repr(self.config.dataset), *shared, self.config.tracking.curve_points, *training.observe)

    @property
    def most_together(self) -> int:
        """How many tasks like this one to execute together: their whole curves are kept in memory."""
        training = self.config.training
        if training.observe or training.trainer is Trainer.reference:  # That trainer gains nothing from company.
            return 1
        return max(1, CURVE_VALUES // training.epochs)


Splits = dict[str, tuple[Split, str]]
"""Rows that were read already, with the digest of their content, by what was asked for."""


def prepare(config: Config, known: Splits | None = None) -> Task:
    """Read the rows and check everything that can be wrong before training starts.

    Args:
        config: what is to be trained.
        known: what earlier calls have read; extended by what this call reads.

    Raises:
        InputError: what is wrong, with its value, what is allowed and where.
    """
    network, training = config.network, config.training
    known = {} if known is None else known
    asked = repr(config.dataset)
    if asked not in known:
        known[asked] = read_split(config.dataset)
    split, data_digest = known[asked]
    with keys_of("training"):
        check_row_order(training.row_order, len(split.train), training.sampling)
    check_size(config)
    with keys_of("network"):
        start = initialise(
            network.initialisation,
            n_features=len(config.dataset.features),
            hidden_size=network.hidden_size,
            seed=network.seed,
        )
    return Task(config=config, split=split, start=start, data_digest=data_digest)


def read_split(dataset: DatasetConfig) -> tuple[Split, str]:
    """Return the rows a configuration names, split and scaled, and the digest of their content."""
    with keys_of("dataset"):
        rows = read_csv(Path(dataset.path).expanduser(), features=dataset.features, target=dataset.target)
        split = split_rows(rows, test_fraction=dataset.test_fraction, seed=dataset.split_seed, scale=dataset.scale)
    return split, rows.digest()


def check_size(config: Config) -> None:
    """Raise InputError if a run's curve, its parameters or the Hessians to observe could not be held in memory."""
    if config.training.epochs > LARGEST:
        raise InputError(
            f"training.epochs={config.training.epochs}: it must be at most {LARGEST}; a run keeps every epoch's loss"
        )
    parameters = config.network.hidden_size * (len(config.dataset.features) + 2) + 1
    if parameters > LARGEST:
        raise InputError(
            f"network.hidden_size={config.network.hidden_size}: {parameters} parameters are more than {LARGEST}"
        )
    with keys_of("training"):
        check_observe(config.training.observe, parameters)
