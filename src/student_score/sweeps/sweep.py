"""A sweep: many runs under one parent run, continued where it stopped, and summarised.

A sweep is known by its jobs: the same jobs on the same data are the same sweep, in whatever order or process they are
asked for. What its parent run already holds is not trained again.
"""

import json
import logging
import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from student_score.config.jobs import texts
from student_score.errors import InputError, TrackingError
from student_score.masking import cut, masked, visible
from student_score.runs.execution import Run
from student_score.runs.provenance import provenance
from student_score.runs.recording import failure, record
from student_score.runs.task import Task
from student_score.sweeps import summary
from student_score.sweeps.conclusion import conclude
from student_score.sweeps.description import announcement, description
from student_score.sweeps.evaluation import evaluate
from student_score.sweeps.holding import identity, is_held, lock_path
from student_score.sweeps.plan import Member, Plan
from student_score.sweeps.table import curve_reader, lacking, results
from student_score.tracking.address import local_folder, unusable
from student_score.tracking.record import Record, RecordedRun
from student_score.tracking.store import Store

if TYPE_CHECKING:
    import pandas as pd

LOGGER = logging.getLogger(__name__)

LONGEST_JOB, LONGEST_CAUSE = 200, 400
"""Characters of a failed job's overrides, and of its cause, that are shown."""

MEMBERSHIP = "STUDENT_SCORE_SWEEP"
"""Environment variable that tells a job, in whatever process a launcher starts it, which sweep it belongs to."""


@dataclass(frozen=True, kw_only=True)
class Membership:
    """What a job knows of its sweep: the parent run, the sweep's identity, the keys that were swept."""

    parent_run_id: str
    sweep_id: str
    swept: tuple[str, ...]

    @classmethod
    def current(cls) -> "Membership | None":
        """Return the sweep this process works for, or None."""
        text = os.environ.get(MEMBERSHIP)
        if text is None:
            return None
        values = json.loads(text)
        return cls(**{**values, "swept": tuple(values["swept"])})

    @contextmanager
    def announced(self) -> Iterator[None]:
        """Make this membership `current` here and in processes started meanwhile."""
        os.environ[MEMBERSHIP] = json.dumps(asdict(self))
        try:
            yield
        finally:
            del os.environ[MEMBERSHIP]

    def record(self, run: Run) -> Record:
        """Return what MLflow is told about a run of this sweep."""
        return record(run, swept=self.swept, tags={"sweep_id": self.sweep_id})

    def failure(self, task: Task, error: Exception) -> Record:
        """Return what MLflow is told about a job of this sweep that failed."""
        tags = {"sweep_id": self.sweep_id, "error": f"{type(error).__name__}: {cause(error)}"}
        return failure(task, error, swept=self.swept, tags=tags)


def cause(error: Exception) -> str:
    """Return what an error says as it can be shown and stored; the name of its kind if it says nothing."""
    said = str(error)[: 20 * LONGEST_CAUSE] or type(error).__name__  # Libraries put whole arrays into their errors.
    return cut(visible(masked(said)), LONGEST_CAUSE)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A job that failed, and what it raised."""

    member: Member
    error: Exception

    @property
    def sentence(self) -> str:
        """The job's overrides and the cause."""
        job = cut(visible(masked(" ".join(texts(self.member.job)))), LONGEST_JOB)
        return f"{job}: {cause(self.error)}"


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep that this process may work on: its plan, its parent run, and what is left to do."""

    plan: Plan
    store: Store
    membership: Membership
    todo: Sequence[Member]
    remarks: Sequence[str]
    closed: bool
    """Whether the parent run was finished before and is finished still."""

    file: tuple[int, int] | None
    """Which file the store was when the sweep was opened; None where it is no file."""

    @property
    def parent_run_id(self) -> str:
        """The run under which the others lie."""
        return self.membership.parent_run_id

    def runs(self) -> list[RecordedRun]:
        """Return the recorded runs in the order of the plan."""
        places = {member.job_hash: place for place, member in enumerate(self.plan.members)}
        found = self.store.finished(self.parent_run_id)
        return sorted(found, key=lambda child: places.get(child.tags.get("job_hash", ""), len(places)))

    def conclusion(self, table: "pd.DataFrame") -> list[str]:
        """Return what the sweep found, in sentences."""
        return conclude(table, self.plan.swept, self.plan.members[0].task.description.flat)

    def lacking(self, runs: Sequence[RecordedRun]) -> list[str]:
        """Return a sentence if runs lack their trajectory, as far as their files lie on this machine."""
        place = "" if self.store.experiment is None else str(self.store.experiment.artifact_location)
        folder = local_folder(place)
        return [] if folder is None else lacking(runs, folder)

    def is_in_place(self) -> bool:
        """Say whether the store is still the file that was opened: one that was removed can be written all the same."""
        return identity(self.store.uri) == self.file

    def check_place(self) -> None:
        """Raise TrackingError if the store's file was removed or replaced, and what was written to it with it."""
        if not self.is_in_place():
            raise unusable(self.store.uri, "its file was removed or replaced while the sweep ran")

    def close(self, failures: Sequence[Failure]) -> list[RecordedRun]:
        """Write the summary to the parent run, end it, and return its runs.

        Raises:
            TrackingError: the store cannot be written, or there is no temporary folder that can.
        """
        self.check_place()
        runs, swept = self.runs(), self.plan.swept
        table = results(runs, swept)
        conclusion = self.conclusion(table)
        self.store.share_sweep(self.parent_run_id, swept=swept, runs=runs)
        told = description(self.plan, table, conclusion, self.store, self.parent_run_id)
        with summary_folder() as folder:
            for sentence in write_summary(table, swept, failures, runs, folder):
                LOGGER.warning(sentence)
            (folder / "conclusion.txt").write_text("".join(f"{sentence}\n" for sentence in conclusion))
            self.store.finish(  # Last: a parent that is finished is not closed again.
                self.parent_run_id,
                "FAILED" if failures else "FINISHED",
                tags=summary.tags(table, swept) | {"mlflow.note.content": told},
                metrics=summary.metrics(table, swept, failed=len(failures)) | measured(table, swept, folder),
                folder=folder,
            )
        self.check_place()
        return runs


@contextmanager
def summary_folder() -> Iterator[Path]:
    """Yield a temporary folder; TrackingError if it cannot be made or has no room."""
    try:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise TrackingError(
            f"the summary cannot be written to a temporary folder ({reason}); TMPDIR names another"
        ) from error


def write_summary(
    table: "pd.DataFrame",
    swept: Sequence[str],
    failures: Sequence[Failure],
    runs: Sequence[RecordedRun],
    folder: Path,
) -> list[str]:
    """Write the tables of a sweep, what failed, and the figures into a folder; return what could not be drawn."""
    from student_score.sweeps import figures  # Late: importing matplotlib takes a second.

    table.to_csv(folder / "results.csv", index=False)
    table.to_parquet(folder / "results.parquet", index=False)
    grouped = summary.configurations(table, swept)
    if grouped is not None:
        grouped.to_csv(folder / "configurations.csv", index=False)
    if failures:
        (folder / "failures.txt").write_text("".join(f"{failure.sentence}\n" for failure in failures))
    undrawn = figures.draw_all(table, swept, curve_reader(runs), folder) if len(table) else []
    if undrawn:
        (folder / "undrawn.txt").write_text("".join(f"{sentence}\n" for sentence in undrawn))
    return undrawn


def measured(table: "pd.DataFrame", swept: Sequence[str], folder: Path) -> dict[str, float]:
    """Write evaluation.csv into a folder and return its means; neither if no run has an error."""
    evaluation = evaluate(table, swept)
    if evaluation is None:
        return {}
    evaluation.table().to_csv(folder / "evaluation.csv", index=False)
    return evaluation.metrics()


def open_sweep(plan: Plan, store: Store) -> Sweep:
    """Find the sweep's parent run or create it, and see what is left to do; call it while the sweep is `held`."""
    end_dead(store)
    remarks = []
    if plan.repeated:
        remarks.append(f"Jobs that ask for a run that another asks for too: {plan.repeated}. Each run is done once.")
    if not plan.config.sweep.fresh:
        if found := earlier(plan, store):
            return resumed(plan, store, found, remarks)
        if deleted := earlier(plan, store, deleted=True):
            remarks.append(f"Run {deleted.run_id}, under which this sweep was begun, was deleted: it starts over.")
    return opened(plan, store, create_parent(plan, store), todo=plan.members, remarks=remarks, closed=False)


def resumed(plan: Plan, store: Store, parent: RecordedRun, remarks: Sequence[str]) -> Sweep:
    """Return a sweep that was begun before; runs that failed, or were cut short, are deleted and done again.

    Raises:
        InputError: it is running on another machine.
    """
    if parent.status == "RUNNING" and parent.tags.get("host") != socket.gethostname():
        raise InputError(
            f"this sweep is running on the machine {parent.tags.get('host')} under run {parent.run_id}; should that "
            "machine have died, sweep.fresh=true starts over"
        )
    finished = set()
    for child in store.children(parent.run_id):
        if child.status == "FINISHED":
            finished.add(child.tags.get("job_hash"))
        else:
            store.delete(child.run_id)
    todo = [member for member in plan.members if member.job_hash not in finished]
    closed = parent.status == "FINISHED" and not todo
    if done := len(plan.members) - len(todo):
        left = f"; {len(todo)} are left." if todo else "; sweep.fresh=true repeats them."
        remarks = [
            *remarks,
            f"{done} of {len(plan.members)} runs are recorded already, under run {parent.run_id}{left}",
        ]
    if not closed:
        store.reopen(parent.run_id)
        store.set_tags(parent.run_id, {"host": socket.gethostname()})
    return opened(plan, store, parent.run_id, todo=todo, remarks=remarks, closed=closed)


def opened(
    plan: Plan, store: Store, parent_run_id: str, *, todo: Sequence[Member], remarks: Sequence[str], closed: bool
) -> Sweep:
    """Return a sweep with its membership."""
    membership = Membership(parent_run_id=parent_run_id, sweep_id=plan.sweep_id, swept=plan.swept)
    return Sweep(
        plan=plan,
        store=store,
        membership=membership,
        todo=todo,
        remarks=remarks,
        closed=closed,
        file=identity(store.uri),
    )


def create_parent(plan: Plan, store: Store) -> str:
    """Create the run under which the sweep's runs will lie and return its id."""
    tags = {
        "kind": "sweep",
        "sweep_id": plan.sweep_id,
        "swept": json.dumps(plan.swept),
        "data": plan.data,
        "host": socket.gethostname(),
        **({"study": plan.config.study} if plan.config.study else {}),
        **provenance(),
    }
    return store.create(plan.name, tags, announcement(plan), int(time() * 1000))


def earlier(plan: Plan, store: Store, *, deleted: bool = False) -> RecordedRun | None:
    """Return the latest parent run of the same sweep, or None."""
    found = store.search(f"tags.kind = 'sweep' and tags.sweep_id = '{plan.sweep_id}'", deleted=deleted)
    return found[-1] if found else None


def end_dead(store: Store) -> None:
    """End as KILLED the sweeps of this machine that are RUNNING although no process holds them any more."""
    for parent in store.search("tags.kind = 'sweep' and attributes.status = 'RUNNING'"):
        here = parent.tags.get("host") == socket.gethostname()
        if here and not is_held(lock_path(store.uri, parent.tags.get("sweep_id", ""))):
            store.end(parent.run_id, "KILLED")
