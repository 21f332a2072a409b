"""Makes stores, and brings their schema up to date, such that an accident at any moment costs nothing.

MLflow makes its tables in some fifty migrations without a transaction: ended among them, it leaves a database that
neither it nor anybody else can use. So here it works on a database aside. What comes of it is copied into its place by
SQLite in one transaction, of which a killed process leaves nothing.
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from student_score.tracking import internals
from student_score.tracking.address import is_empty, is_lock, unusable

if TYPE_CHECKING:
    from filelock import FileLock

LOGGER = logging.getLogger(__name__)

ADVISORY_LOCK = 7_338_113_905_413_620_083
"""Known to all who make a schema in a PostgreSQL database with this project, and to nobody else."""


def making_lock(path: Path) -> "FileLock":
    """Return the lock of the process that makes or migrates an SQLite store; recording takes others."""
    from filelock import FileLock

    return FileLock(path.with_name(f"{path.name}.lock"))


def ensure_schema(uri: str, path: Path) -> None:
    """Make an SQLite store if there is none, bring it up to date if it is older, and let readers in while one writes.

    Raises:
        TrackingError: a newer MLflow wrote it, it belongs to another program, or it cannot be brought up to date.
        OSError, sqlite3.Error, SQLAlchemyError: it cannot be written.
    """
    if schema_revision(path) not in internals.REVISIONS:
        with making_lock(path):
            bring_up_to_date(uri, path)
    with closing(sqlite3.connect(path)) as connection:
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            with suppress(sqlite3.OperationalError):  # Somebody uses the store; it can be done another time.
                connection.execute("PRAGMA journal_mode=WAL")


def bring_up_to_date(uri: str, path: Path) -> None:
    """Make a store, or migrate it, aside; call it under the `making_lock`."""
    revision = schema_revision(path)
    if revision in internals.REVISIONS or (revision is not None and internals.is_newest(revision)):
        return
    if is_empty(path):
        make(path)
        return
    refuse_foreign(uri, path, revision)
    aside = path.with_name(f"{path.name}.new")
    aside.unlink(missing_ok=True)  # A killed process left it.
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(aside)) as copy:
            source.backup(copy)
        with internals.migrated(str(aside)) as connection:
            copy_into(path, connection)
    except Exception as error:
        if is_lock(error):
            raise
        if holds_runs(path):
            reason = getattr(error, "orig", error)  # SQLAlchemy's error has the statement and a link as well.
            raise unusable(uri, f"its schema cannot be brought up to date, and was left as it is: {reason}") from error
        LOGGER.warning("The store %s was half made, without a run; it is made anew", path)
        make(path)
    finally:
        aside.unlink(missing_ok=True)


def make(path: Path) -> None:
    """Make an empty store, whatever lies there."""
    with internals.migrated(":memory:") as connection:
        copy_into(path, connection)


def copy_into(path: Path, connection: sqlite3.Connection) -> None:
    """Put the content of a database in the place of a file's, in one transaction."""
    with closing(sqlite3.connect(path)) as target:
        connection.backup(target)


def schema_revision(path: Path) -> str | None:
    """Return the schema revision of an SQLite store, None for one that is yet to be made."""
    if is_empty(path):
        return None
    with closing(sqlite3.connect(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def refuse_foreign(uri: str, path: Path, revision: str | None) -> None:
    """Raise TrackingError for a store that a newer MLflow wrote, and for a database that is no store."""
    if revision is not None and revision not in internals.known_revisions():
        from mlflow.version import VERSION

        raise unusable(uri, f"MLflow {VERSION} does not know its schema revision {revision}; a newer MLflow wrote it")
    tables = table_names(path)
    if tables and "experiments" not in tables:
        raise unusable(uri, f"it is a database of something else, with the tables {', '.join(sorted(tables)[:5])}")


def table_names(path: Path) -> set[str]:
    """Return the names of a database's tables."""
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def holds_runs(path: Path) -> bool:
    """Say whether anything was ever recorded in a store: a run, or an experiment beside MLflow's own."""
    counts = {"runs": 0, "experiments": 1}
    with closing(sqlite3.connect(path)) as connection:
        return any(
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > few  # noqa: S608 - the names above
            for table, few in counts.items()
            if table in table_names(path)
        )


@contextmanager
def alone_in(uri: str) -> Iterator[None]:
    """Let one process at a time make the schema of a PostgreSQL database: two that come first make one fail."""
    if not uri.startswith("postgresql"):
        yield
        return
    from sqlalchemy import create_engine, text

    engine = create_engine(uri)
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
            yield
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_LOCK})
    finally:
        engine.dispose()  # A session that ends gives up its locks.
