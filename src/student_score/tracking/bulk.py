"""Writes finished runs into a local SQLite store in one transaction: the rows that MLflow's client writes one by one.

Killed at any moment, it leaves whole runs or none: artifacts are written first, under a journal that names the runs.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from student_score.tracking import internals
from student_score.tracking.journals import Journals
from student_score.tracking.record import JOB_HASH, Input, Record, mlflow_tags

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

AT_ONCE = 100
"""Runs in a transaction: what a kill can cost."""

LOCK_TIMEOUT = 20.0
"""Seconds to wait at a time for another process that is writing to the store: as long as MLflow waits."""

RUNS_PER_INSERT = 20
"""Runs whose rows are collected before they go to the database: some ten thousand rows."""

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class BulkWriter:
    """Writes to an experiment of a SQLite store; `root` is the local folder that `artifact_location` names."""

    engine: "Engine"
    experiment_id: int
    artifact_location: str
    root: Path
    way: str
    at_once: int = AT_ONCE

    @property
    def journals(self) -> Journals:
        """The journals of the artifacts that are being written."""
        return Journals(root=self.root, uncommitted=self.uncommitted)

    def write(self, records: Sequence[Record], parent_run_id: str | None) -> list[str]:
        """Write all of the runs with their artifacts, or none of them, and return their ids.

        A job whose run lies under the parent already is not recorded twice: the id is then that of the first.

        Raises:
            OSError: the artifacts cannot be written.
            SQLAlchemyError: the database cannot be written, or was locked for LOCK_TIMEOUT.
            MlflowException: the experiment has been deleted.
        """
        run_ids = [uuid4().hex for _ in records]
        with self.journals.kept(run_ids):
            for run_id, record in zip(run_ids, records, strict=True):
                write_artifacts(record, self.root / run_id / "artifacts")
            with self.transaction() as connection:
                finished = finished_jobs(connection, parent_run_id)
                kept = run_ids if parent_run_id is None else once(run_ids, records, finished)
                new = [number for number, run_id in enumerate(run_ids) if kept[number] == run_id]
                for first in range(0, len(new), RUNS_PER_INSERT):
                    part = new[first : first + RUNS_PER_INSERT]
                    self.insert(connection, [run_ids[n] for n in part], [records[n] for n in part], parent_run_id)
            for run_id in set(run_ids) - set(kept):
                shutil.rmtree(self.root / run_id, ignore_errors=True)
        return kept

    def reopen(self, run_id: str) -> None:
        """Set a run that has ended back to RUNNING, without an end time, which MLflow's client cannot remove."""
        from sqlalchemy import text

        with self.transaction() as connection:
            connection.execute(
                text("UPDATE runs SET status = 'RUNNING', end_time = NULL WHERE run_uuid = :id"), {"id": run_id}
            )

    def uncommitted(self, run_ids: Sequence[str]) -> list[str]:
        """Return those of the runs that are not in the database."""
        from sqlalchemy import text

        known = text("SELECT count(*) FROM runs WHERE run_uuid = :id")
        with self.engine.connect() as connection:
            return [run_id for run_id in run_ids if not connection.scalar(known, {"id": run_id})]

    def clean(self) -> None:
        """Remove the artifacts of runs whose process died before it had committed them."""
        self.journals.clean()

    @contextmanager
    def transaction(self) -> Iterator["Connection"]:
        """Yield a connection; what it writes is committed at the end, or nothing of it, and nobody writes meanwhile."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy import text

        with self.engine.connect() as connection:
            connection.execute(text(f"PRAGMA busy_timeout = {LOCK_TIMEOUT * 1000:.0f}"))
            connection.execute(text("BEGIN IMMEDIATE"))
            stage = connection.scalar(
                text("SELECT lifecycle_stage FROM experiments WHERE experiment_id = :id"), {"id": self.experiment_id}
            )
            if stage != "active":
                raise MlflowException(
                    f"The experiment {self.experiment_id} must be in the 'active' state. Current state is {stage}."
                )
            yield connection
            connection.commit()

    def insert(
        self, connection: "Connection", run_ids: Sequence[str], records: Sequence[Record], parent_run_id: str | None
    ) -> None:
        """Insert the rows of some runs."""
        models = internals.database_models()
        runs, tags, params, metrics, latest_metrics = [], [], [], [], []
        for run_id, record in zip(run_ids, records, strict=True):
            all_tags = mlflow_tags(record.name, record.tags, record.note, parent_run_id)
            runs.append(self.run_row(run_id, record, all_tags["mlflow.user"]))
            tags += [{"key": key, "value": value, "run_uuid": run_id} for key, value in all_tags.items()]
            params += [{"key": key, "value": value, "run_uuid": run_id} for key, value in record.params.items()]
            rows = metric_rows(run_id, record)
            metrics += rows
            latest_metrics += latest(rows)
        datasets, inputs, input_tags = self.input_rows(connection, run_ids, records)
        # Whatever refers to another table comes after it.
        for model, values in (
            (models.SqlRun, runs),
            (models.SqlTag, tags),
            (models.SqlParam, params),
            (models.SqlMetric, metrics),
            (models.SqlLatestMetric, latest_metrics),
            (models.SqlDataset, datasets),
            (models.SqlInput, inputs),
            (models.SqlInputTag, input_tags),
        ):
            if values:
                connection.execute(model.__table__.insert(), values)

    def run_row(self, run_id: str, record: Record, user: str) -> Row:
        """Return the row of the table `runs`."""
        return {
            "run_uuid": run_id,
            "name": record.name,
            "source_type": "UNKNOWN",  # The source is told by tags; these four columns are MLflow's past.
            "source_name": "",
            "entry_point_name": "",
            "source_version": "",
            "user_id": user,
            "status": record.status,
            "start_time": record.start_time,
            "end_time": record.end_time,
            "deleted_time": None,
            "lifecycle_stage": "active",
            "artifact_uri": f"{self.artifact_location}/{run_id}/artifacts",
            "experiment_id": self.experiment_id,
        }

    def input_rows(
        self, connection: "Connection", run_ids: Sequence[str], records: Sequence[Record]
    ) -> tuple[list[Row], list[Row], list[Row]]:
        """Return the rows of the datasets that the experiment does not have yet, of the runs' inputs and their tags."""
        used = [distinct(record.inputs) for record in records]
        known = self.known_datasets(connection, {key for inputs in used for key in inputs})
        datasets: list[Row] = []
        edges: list[Row] = []
        tags: list[Row] = []
        for run_id, inputs in zip(run_ids, used, strict=True):
            for key, item in inputs.items():
                if key not in known:
                    known[key] = uuid4().hex
                    datasets.append(
                        {
                            "dataset_uuid": known[key],
                            "experiment_id": self.experiment_id,
                            "name": item.name,
                            "digest": item.short_digest,
                            "dataset_source_type": "local",
                            "dataset_source": item.source,
                            "dataset_schema": None,
                            "dataset_profile": item.profile,
                        }
                    )
                edge = uuid4().hex
                edges.append(
                    {
                        "input_uuid": edge,
                        "source_type": "DATASET",
                        "source_id": known[key],
                        "destination_type": "RUN",
                        "destination_id": run_id,
                    }
                )
                tags.append({"input_uuid": edge, "name": "mlflow.data.context", "value": item.context})
        return datasets, edges, tags

    def known_datasets(self, connection: "Connection", keys: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Return the ids of those datasets, by name and digest, that the experiment has."""
        from sqlalchemy import select

        column = internals.database_models().SqlDataset.__table__.c
        found = connection.execute(
            select(column.name, column.digest, column.dataset_uuid).where(
                column.experiment_id == self.experiment_id,
                column.name.in_({name for name, _ in keys}),
                column.digest.in_({digest for _, digest in keys}),
            )
        )
        return {(name, digest): dataset_id for name, digest, dataset_id in found}


def finished_jobs(connection: "Connection", parent_run_id: str | None) -> dict[str, str]:
    """Return the ids of the finished runs under a parent, if there is one, by the hash of their job."""
    from sqlalchemy import text

    found = connection.execute(
        text(
            "SELECT job.value, job.run_uuid FROM tags parent"
            " JOIN tags job ON job.run_uuid = parent.run_uuid AND job.key = :job_hash"
            " JOIN runs ON runs.run_uuid = parent.run_uuid"
            " WHERE parent.key = 'mlflow.parentRunId' AND parent.value = :parent"
            " AND runs.status = 'FINISHED' AND runs.lifecycle_stage = 'active'"
        ),
        {"parent": parent_run_id, "job_hash": JOB_HASH},
    )
    return {str(job_hash): str(run_id) for job_hash, run_id in found}


def once(run_ids: Sequence[str], records: Sequence[Record], finished: Mapping[str, str]) -> list[str]:
    """Return under which id each record is kept: that of the first finished run of the same job, if there is one."""
    known, kept = dict(finished), []
    for run_id, record in zip(run_ids, records, strict=True):
        kept.append(known.get(record.job_hash, run_id))
        if record.job_hash and record.status == "FINISHED":
            known.setdefault(record.job_hash, run_id)
    return kept


def write_artifacts(record: Record, folder: Path) -> None:
    """Write a record's artifacts into a new folder, which goes away again if there are none."""
    folder.mkdir(parents=True)
    record.write_files(folder)
    if not any(folder.iterdir()):
        folder.rmdir()
        folder.parent.rmdir()


def metric_rows(run_id: str, record: Record) -> list[Row]:
    """Return the rows of the table `metrics`; a point that is given twice is kept once."""
    points = dict.fromkeys(record.points())
    return [
        {
            "key": name,
            "value": value,
            "timestamp": record.end_time,
            "step": step,
            "is_nan": False,
            "run_uuid": run_id,
        }
        for name, value, step in points
    ]


def latest(rows: Iterable[Row]) -> list[Row]:
    """Return each metric's row with the highest step, then value; all rows of a record have the same timestamp."""
    found: dict[str, Row] = {}
    for row in rows:
        best = found.get(row["key"])
        if best is None or (row["step"], row["value"]) > (best["step"], best["value"]):
            found[row["key"]] = row
    return list(found.values())


def distinct(inputs: Sequence[Input]) -> Mapping[tuple[str, str], Input]:
    """Return a run's inputs by name and digest: MLflow keeps the first of several with the same."""
    found: dict[tuple[str, str], Input] = {}
    for item in inputs:
        found.setdefault((item.name, item.short_digest), item)
    return found
