"""What MLflow is told about a finished run, and a run as MLflow gives it back, in plain values."""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from getpass import getuser
from io import BytesIO
from pathlib import Path
from typing import Protocol

from student_score.errors import InputError, TrackingError
from student_score.training.trajectory import Trajectory

STATUSES = ("FINISHED", "FAILED", "KILLED")
"""MLflow's words for a run that has ended."""


JOB_HASH = "job_hash"
"""The tag that holds the hash of the job that a run was asked for by."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """Rows a run used: shown by MLflow as a dataset with its digest; `context` is training or testing."""

    name: str
    digest: str
    context: str
    source: str
    profile: str

    @property
    def short_digest(self) -> str:
        """The digest, cut to the 36 characters that MLflow allows."""
        return self.digest[:36]


@dataclass(frozen=True, kw_only=True)
class Record:
    """Everything MLflow is told about one finished run; times in milliseconds since 1970.

    `curves` maps a metric's name to its epochs and values; `write_files` writes the artifacts into a folder; `status`
    is one of STATUSES.
    """

    name: str
    start_time: int
    end_time: int
    status: str = "FINISHED"
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, tuple[Sequence[int], Sequence[float]]] = field(default_factory=dict)
    inputs: Sequence[Input] = ()
    note: str = ""
    write_files: Callable[[Path], None] = lambda _folder: None

    def __post_init__(self) -> None:
        if not self.name or self.start_time <= 0 or self.end_time <= 0 or self.status not in STATUSES:
            # MLflow would make up a name for an empty one and take 0 for the present.
            raise ValueError(f"a record needs a name, times above 0 and one of {STATUSES} as its status")
        values = [*self.metrics.items(), *((name, v) for name, (_, vs) in self.curves.items() for v in vs)]
        if bad := sorted({name for name, value in values if not math.isfinite(value)}):
            # MLflow would store inf as 1.8e308, which then leads every sorted column, and drop nan in silence.
            raise ValueError(f"metrics {bad} are not finite and must not be sent to MLflow")

    @property
    def job_hash(self) -> str:
        """The hash of the job that asked for the run, by which its sweep knows it; empty for a run of none."""
        return self.tags.get(JOB_HASH, "")

    def points(self) -> Iterator[tuple[str, float, int]]:
        """Yield name, value and step of every metric, single numbers at step 0, in Python's own numbers.

        Curves come first: what is written first is first in MLflow's lists, and what its page for comparing runs shows.
        """
        for name, (epochs, values) in self.curves.items():
            for epoch, value in zip(epochs, values, strict=True):
                yield name, float(value), int(epoch)
        for name, value in self.metrics.items():
            yield name, float(value), 0


@dataclass(frozen=True)
class RecordedRun:
    """A run as MLflow holds it."""

    run_id: str
    name: str
    status: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    start_time: int
    """Milliseconds since 1970."""

    content: Callable[[str], bytes]
    """Returns the content of an artifact, given its name; TrackingError if the store cannot be used."""

    experiment_id: str = ""

    def read(self, name: str) -> bytes:
        """Return the content of an artifact; InputError if it cannot be had."""
        try:
            return self.content(name)
        except TrackingError as error:
            raise InputError(f"{name} of run {self.run_id} cannot be fetched: {error.__cause__}") from None

    def read_text(self, name: str) -> str:
        """Return an artifact as text; InputError if it cannot be had or is none."""
        try:
            return self.read(name).decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"{name} of run {self.run_id} is no text: {error}") from None

    def trajectory(self) -> Trajectory:
        """Return the run's recorded trajectory."""
        name = "trajectory.npz"
        return Trajectory.load(BytesIO(self.read(name)), name=f"{name} of run {self.run_id}")


class Writer(Protocol):
    """One of the ways to write runs to a store."""

    @property
    def way(self) -> str:
        """How it writes, and why so, in a sentence."""

    @property
    def at_once(self) -> int:
        """How many finished runs are worth waiting for before they are written together."""

    def write(self, records: Sequence[Record], parent_run_id: str | None) -> list[str]:
        """Write finished runs with their artifacts and return their ids: all of them, or none."""

    def reopen(self, run_id: str) -> None:
        """Set a run that has ended back to RUNNING."""

    def clean(self) -> None:
        """Remove what processes have left behind that died while they wrote."""


def mlflow_tags(name: str, tags: Mapping[str, str], note: str, parent_run_id: str | None) -> dict[str, str]:
    """Return a run's tags together with those that MLflow reads: name, note, parent and source."""
    return {
        "mlflow.source.name": "student-score",
        "mlflow.source.type": "LOCAL",
        "mlflow.user": user(),
        **tags,
        **({"mlflow.note.content": note} if note else {}),
        **({} if parent_run_id is None else {"mlflow.parentRunId": parent_run_id}),
        "mlflow.runName": name,
    }


def user() -> str:
    """Return the name of the user, the number of one who has none."""
    try:
        return getuser()
    except (KeyError, OSError):
        return str(os.getuid())
