"""A task: a checked configuration with its rows and its start, ready to train."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from student_score.arrays import Floats
from student_score.config.dataset import DatasetConfig
from student_score.config.identity import Description, describe
from student_score.config.schema import Config, keys_of
from student_score.data.csv_file import read_table
from student_score.data.preparation import Missing, Preparation
from student_score.data.rows import Split
from student_score.data.simulation import least_error, simulate
from student_score.data.table import Table, split_table
from student_score.errors import InputError
from student_score.model.network import Parameters, initialise
from student_score.model.sampling import check_row_order
from student_score.runs.needs import WORTH_SAYING, check_memory, duration, gibibytes, memory, parameters, seconds_needed
from student_score.training.setup import Trainer, check_observe
from student_score.training.train import ALGORITHM_VERSION

LISTED_ROWS = 10
"""Up to so many training rows are predicted one by one; more are in predictions.csv."""

LARGEST = 2**28
"""Epochs, and parameters, of a run: each takes 2 GiB as doubles, and a run keeps the loss of every epoch."""

CURVE_VALUES = 2**21
"""Values (16 MiB) of avg_loss, and parameters, that are kept at once when several tasks are executed together."""

PLACE = 40
"""Bytes to keep where in its file a row stands."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A checked configuration with its rows and its start.

    Attributes:
        notes: what was found out of the rows' file, a sentence each.
    """

    config: Config
    split: Split
    preparation: Preparation
    data_digest: str
    notes: tuple[str, ...] = ()

    @property
    def start(self) -> Parameters:
        """Where the network starts; drawn whenever it is asked for, as a sweep holds thousands of tasks."""
        network = self.config.network
        with keys_of("network"):
            return initialise(
                network.initialisation,
                n_features=len(self.feature_names),
                hidden_size=network.hidden_size,
                seed=network.seed,
            )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the network's inputs: the columns', or `column=category` for an indicator."""
        return self.preparation.names

    @property
    def size(self) -> int:
        """Weights and biases of the network."""
        return parameters(self.config, len(self.feature_names))

    @cached_property
    def description(self) -> Description:
        """The configuration as it is recorded, and the hashes that identify training and run."""
        return describe(self.config, data_digest=self.data_digest, algorithm_version=ALGORITHM_VERSION)

    @property
    def new_inputs(self) -> Floats:
        """Further inputs (m, n_features) to predict, as the network takes them."""
        return inputs(self.config.dataset, self.preparation)

    @property
    def least_error(self) -> float | None:
        """The mean squared error on new students of the best prediction there is; None unless they are simulated."""
        dataset = self.config.dataset
        return None if dataset.simulation is None else least_error(dataset.simulation, dataset.noise)

    @property
    def inputs(self) -> Floats:
        """Inputs (m, n_features) that are predicted one by one: the training rows, if few, then the new ones."""
        listed = self.split.train.features if len(self.split.train) <= LISTED_ROWS else self.new_inputs[:0]
        return np.concatenate([listed, self.new_inputs])

    def within(self, scores: Floats) -> Floats:
        """Return predicted scores (n,) as people are told them: those beyond dataset.target_range stand at its ends."""
        ends = self.config.dataset.target_range
        return scores if ends is None else np.clip(scores, ends[0], ends[1])

    @property
    def together(self) -> tuple[object, ...]:
        """What tasks must have in common to be executed together."""
        network, training = self.config.network, self.config.training
        shared = (network.hidden_size, network.activation, training.epochs, training.sampling, training.trainer)
        return (repr(self.config.dataset), *shared, self.config.tracking.curve_points, *training.observe)

    @property
    def most_together(self) -> int:
        """How many tasks like this one to execute together: their whole curves and weights are kept in memory."""
        training = self.config.training
        if training.observe or training.trainer is Trainer.reference:  # That trainer gains nothing from company.
            return 1
        return max(1, CURVE_VALUES // max(training.epochs, self.size))

    @property
    def takes(self) -> str:
        """How long the run takes, in words; nothing if nobody would wonder."""
        seconds = seconds_needed(self.config, len(self.split.train), len(self.feature_names))
        return "" if seconds < WORTH_SAYING else f"This takes about {duration(seconds)}"


def inputs(dataset: DatasetConfig, preparation: Preparation) -> Floats:
    """Return the new inputs (m, n_features) that a configuration names, as the network takes them."""
    if not dataset.new_inputs:
        return np.empty((0, len(preparation.names)))
    import pandas as pd  # Late: it takes a third of a second to import.

    with keys_of("dataset"):
        return preparation.features(pd.DataFrame(dataset.new_inputs, columns=dataset.features))


class Known(NamedTuple):
    """What was read for earlier tasks: tables by what was asked of a file, and splits by what was asked at all.

    What was wrong with one is known too, or a thousand jobs would read a bad file a thousand times.
    """

    tables: dict[str, tuple[Table, str]]
    splits: dict[str, tuple[Split, Preparation, str]]
    problems: dict[str, str]

    @classmethod
    def nothing(cls) -> "Known":
        """Return that nothing was read yet."""
        return cls({}, {}, {})

    @contextmanager
    def problem(self, asked: str) -> Iterator[None]:
        """Remember what is wrong with what was asked; if it is known, say so without any work."""
        if asked in self.problems:
            raise InputError(self.problems[asked])
        try:
            yield
        except InputError as error:
            self.problems[asked] = str(error)
            raise


def prepare(config: Config, known: Known | None = None) -> Task:
    """Read the rows and check everything that can be wrong before training starts.

    Args:
        config: what is to be trained.
        known: what earlier calls have read; extended by what this call reads.

    Raises:
        InputError: what is wrong, with its value, what is allowed and where.
    """
    training = config.training
    known = Known.nothing() if known is None else known
    asked = repr(config.dataset)
    if asked not in known.splits:
        with known.problem(asked):
            found = read_split(config.dataset, known)
        check_total(len(known.splits) + 1, found[0])
        _ = inputs(config.dataset, found[1])  # Whether they can be prepared shows when they are.
        known.splits[asked] = found
    split, preparation, data_digest = known.splits[asked]
    with keys_of("training"):
        check_row_order(training.row_order, len(split.train), training.sampling)
    check_size(config, len(preparation.names))
    check_memory(config, len(split) + len(config.dataset.new_inputs), len(preparation.names))
    notes = read(config.dataset, known)[0].notes
    task = Task(config=config, split=split, preparation=preparation, data_digest=data_digest, notes=notes)
    _ = task.start  # Whether there is such a start shows when it is made.
    return task


def read_split(dataset: DatasetConfig, known: Known) -> tuple[Split, Preparation, str]:
    """Return the rows a configuration names, divided, prepared and scaled, and the digest of their content."""
    with keys_of("dataset"):
        table, digest = read(dataset, known)
        split, preparation = split_table(table, dataset.division, scale=dataset.scale, missing=dataset.missing)
    return split, preparation, digest


def read(dataset: DatasetConfig, known: Known) -> tuple[Table, str]:
    """Return the rows of a file or a simulated world, and the digest of their content."""
    asked = repr(
        (dataset.simulation, dataset.n, dataset.noise, dataset.seed)
        if dataset.simulation
        else (
            *(dataset.path, dataset.features, dataset.target, dataset.categorical),
            *(dataset.delimiter, dataset.decimal),
        )
    )
    if asked not in known.tables:
        with known.problem(asked):
            table = read_rows(dataset)
        for note in table.notes:  # What was found out is visible before anything is trained on it.
            logging.getLogger(__name__).warning(note)
        if dataset.missing is Missing.drop and table.missing:
            rows = f"{len(table) - len(table.whole()):,} of {len(table):,} rows"
            logging.getLogger(__name__).warning("%s are left out: a cell is missing", rows)
        known.tables[asked] = table, table.digest()
    return known.tables[asked]


def read_rows(dataset: DatasetConfig) -> Table:
    """Read or simulate what a configuration names."""
    if dataset.simulation is not None:
        rows = simulate(dataset.simulation, dataset.n, noise=dataset.noise, seed=dataset.seed)
        return Table.of(rows, dataset.features)
    return read_table(
        Path(dataset.path).expanduser(),
        features=dataset.features,
        target=dataset.target,
        categorical=dataset.categorical,
        delimiter=dataset.delimiter,
        decimal=dataset.decimal,
    )


def check_total(sets: int, split: Split) -> None:
    """Raise InputError if so many sets of rows as large as this one would not fit the memory there is, side by side."""
    row = PLACE + split.train.features.itemsize * (split.train.features.shape[1] + 1)
    needed, there = sets * row * len(split), memory()
    if needed > there:
        raise InputError(
            f"dataset: the jobs of this sweep need about {gibibytes(needed)} of memory for more than {sets - 1} sets "
            f"of rows, but {gibibytes(there)} are there; sweep fewer files, columns, seeds or scales of rows at once"
        )


def check_size(config: Config, n_features: int) -> None:
    """Raise InputError if a run's curve, its parameters or the Hessians to observe could not be held in memory."""
    if config.training.epochs > LARGEST:
        raise InputError(
            f"training.epochs={config.training.epochs}: it must be at most {LARGEST}; a run keeps every epoch's loss"
        )
    size = parameters(config, n_features)
    if size > LARGEST:
        raise InputError(f"network.hidden_size={config.network.hidden_size}: {size} parameters are more than {LARGEST}")
    with keys_of("training"):
        check_observe(config.training.observe, size)
