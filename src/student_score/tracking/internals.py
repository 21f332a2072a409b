"""The private names of MLflow that the other modules need, each behind a function of ours; a test pins every one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from student_score.errors import TrackingError
from student_score.tracking.failures import interruption
from student_score.tracking.record import Input, Record, mlflow_tags

if TYPE_CHECKING:
    import sqlite3

    from mlflow import MlflowClient
    from sqlalchemy import Engine

REVISIONS = ("dc11669786a5",)
"""Schema revisions of an SQLite store whose rows were compared with those of MLflow's client, by a test."""

ENGINE_ATTEMPTS = 3
"""How often MLflow tries to reach a database, with a second's wait in all; its own 10 take 100 s."""


def limit_attempts() -> None:
    """Let MLflow give up a database that cannot be reached after ENGINE_ATTEMPTS."""
    import mlflow.store.db.utils

    mlflow.store.db.utils.MAX_RETRY_COUNT = ENGINE_ATTEMPTS


def known_revisions() -> set[str]:
    """Return the schema revisions that this MLflow can open or migrate."""
    from alembic.script import ScriptDirectory
    from mlflow.store import db_migrations

    scripts = ScriptDirectory(db_migrations.__path__[0])
    return {script.revision for script in scripts.walk_revisions()}


def is_newest(revision: str) -> bool:
    """Say whether a schema revision is the one that this MLflow works with."""
    from mlflow.store.db import utils

    return bool(utils._get_latest_schema_revision() == revision)  # type: ignore[no-untyped-call] # noqa: SLF001 - likewise


@contextmanager
def migrated(database: str) -> "Iterator[sqlite3.Connection]":
    """Let MLflow make, or bring up to date, an SQLite database that nobody else uses: a file's name, or :memory:.

    It works without the disk's confirmation, which would take half of the time: should the machine fail, the database
    is lost, which must be no loss.
    """
    import sqlite3

    from mlflow.store.db import utils
    from sqlalchemy import create_engine
    from sqlalchemy.pool import StaticPool

    connection = sqlite3.connect(database, check_same_thread=False)
    connection.execute("PRAGMA synchronous = OFF")
    engine = create_engine(f"sqlite:///{database}", creator=lambda: connection, poolclass=StaticPool)
    try:
        utils._initialize_tables(engine)  # type: ignore[no-untyped-call] # noqa: SLF001 - likewise
        yield connection
    except Exception as error:
        # SQLAlchemy closes the one connection when it is interrupted, and what follows fails on that.
        raise interruption(error) or error from None
    finally:
        engine.dispose()
        connection.close()


def database_engine(client: "MlflowClient") -> "Engine":
    """Return the SQLAlchemy engine of a client whose store is a database."""
    return cast("Engine", client._tracking_client.store.engine)  # noqa: SLF001 - MLflow has no public way to it


def database_models() -> ModuleType:
    """Return the module with MLflow's tables as SQLAlchemy models."""
    from mlflow.store.tracking.dbmodels import models

    return models


def dataset_input(item: Input) -> Any:
    """Return MLflow's entity for rows a run used."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name=item.name, digest=item.short_digest, source_type="local", source=item.source, profile=item.profile
    )
    return DatasetInput(dataset=dataset, tags=[InputTag("mlflow.data.context", item.context)])


def check_limits(record: Record) -> None:
    """Raise TrackingError, with MLflow's reason, for a name or a value that MLflow refuses."""
    from mlflow.exceptions import MlflowException
    from mlflow.utils.validation import _validate_dataset_inputs, _validate_metric, _validate_param, _validate_tag

    tags = mlflow_tags(record.name, record.tags, record.note, None)
    checks: list[tuple[str, Callable[..., object], tuple[Any, ...]]] = [
        ("its datasets", _validate_dataset_inputs, ([dataset_input(item) for item in record.inputs],)),
        *((f"the tag {key!r}", _validate_tag, (key, value)) for key, value in tags.items()),
        *((f"the parameter {key!r}", _validate_param, (key, value)) for key, value in record.params.items()),
        *(
            (f"the metric {key!r}", _validate_metric, (key, 0.0, record.end_time, 0))
            for key in (*record.metrics, *record.curves)
        ),
    ]
    for what, check, arguments in checks:
        try:
            check(*arguments)
        except MlflowException as error:
            reason = error.message.split("\n")[0]
            raise TrackingError(f"the run {record.name!r} cannot be recorded because of {what}: {reason}") from error
