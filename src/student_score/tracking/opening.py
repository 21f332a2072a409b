"""Opens a store: makes it if it is not there, refuses what this MLflow does not know, chooses how runs are written."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from student_score.tracking import internals
from student_score.tracking.address import local_folder, lock_path, sqlite_path, unusable
from student_score.tracking.bulk import BulkWriter
from student_score.tracking.client import ClientWriter
from student_score.tracking.record import Writer

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment


def open_client(uri: str) -> "MlflowClient":
    """Return a client; a fresh SQLite store is created by one process only, since several at once crash it."""
    from filelock import FileLock
    from mlflow import MlflowClient

    internals.limit_attempts()
    path = sqlite_path(uri)
    if path is None:
        return MlflowClient(uri)
    with FileLock(lock_path(path)):
        revision = schema_revision(path)
        if revision is not None and revision not in internals.REVISIONS:
            refuse_unknown_schema(uri, revision)
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    return client


def schema_revision(path: Path) -> str | None:
    """Return the schema revision of an SQLite store, None for one that is yet to be made."""
    with closing(sqlite3.connect(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def refuse_unknown_schema(uri: str, revision: str) -> None:
    """Raise TrackingError if this MLflow does not know the revision, before it would meddle with the store."""
    from mlflow.version import VERSION

    if revision not in internals.known_revisions():
        raise unusable(uri, f"MLflow {VERSION} does not know its schema revision {revision}; a newer MLflow wrote it")


def choose_writer(uri: str, client: "MlflowClient", experiment: "Experiment") -> Writer:
    """Return what writes runs to an experiment: many in one transaction where that is safe, else MLflow's client."""
    path = sqlite_path(uri)
    root = local_folder(experiment.artifact_location)
    revision = None if path is None else schema_revision(path)
    why = ""
    if path is None:
        why = "the store is no plain SQLite file"
    elif revision not in internals.REVISIONS:
        why = f"the store's schema revision {revision} is not one whose rows were compared"
    elif root is None:
        why = f"the artifacts lie in {experiment.artifact_location}, which is no local folder"
    if path is None or root is None or why:
        way = f"one by one through MLflow's client: {why}"
        return ClientWriter(client=client, experiment_id=str(experiment.experiment_id), way=way)
    return BulkWriter(
        engine=internals.database_engine(client),
        experiment_id=int(experiment.experiment_id),
        artifact_location=experiment.artifact_location,
        root=root,
        store_lock=lock_path(path),
        way=f"in one transaction (SQLite store of schema {revision})",
    )
