"""Stores are made, and brought up to date, whole or not at all, whoever comes first and whoever is killed meanwhile."""

import multiprocessing
import os
import random
import re
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import mlflow.store.tracking.sqlalchemy_store  # noqa: F401 - once for all: its import takes longer than what is tested
import pytest
from filelock import FileLock
from mlflow.store.db import utils
from sqlalchemy import Engine, create_engine, event

from student_score.errors import TrackingError
from student_score.tracking import internals, making
from student_score.tracking.record import Record
from student_score.tracking.store import Store

RECORD = Record(name="a", start_time=1, end_time=2, params={"p": "1"}, metrics={"m": 1.0})


def schema(path: Path) -> list[tuple[str, ...]]:
    """Return what a database's tables and indices look like, and its revision; it must be sound."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        made = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
        return [*made, *connection.execute("SELECT version_num FROM alembic_version")]


@contextmanager
def engine_of(path: Path) -> Iterator[Engine]:
    """Yield an engine for a database that does not wait for the disk."""
    engine = create_engine(f"sqlite:///{path}")
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))
    yield engine
    engine.dispose()


def by_mlflow(path: Path) -> None:
    """Make a store as MLflow alone does it."""
    with engine_of(path) as engine:
        utils._initialize_tables(engine)


def set_revision(path: Path, revision: str | None) -> None:
    """Write down another revision than the one that the tables have: what a kill between two migrations leaves."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM alembic_version")
        if revision:
            connection.execute("INSERT INTO alembic_version VALUES (?)", (revision,))


def older_revisions() -> list[str]:
    """Return the revisions of MLflow's schema, newest first."""
    from alembic.script import ScriptDirectory
    from mlflow.store import db_migrations

    return [script.revision for script in ScriptDirectory(db_migrations.__path__[0]).walk_revisions()]


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """Return a store with a run, whose schema is ten revisions old."""
    from alembic import command

    path = tmp_path / "mlflow.db"
    with engine_of(path) as engine:
        utils.InitialBase.metadata.create_all(engine)
        with engine.begin() as connection:
            config = utils._get_alembic_config(str(engine.url))
            config.attributes["connection"] = connection
            command.upgrade(config, older_revisions()[10])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage) "
            "VALUES (1, 'old', ?, 'active')",
            (str(tmp_path / "mlartifacts"),),
        )
        connection.execute(
            "INSERT INTO runs (run_uuid, name, user_id, status, start_time, lifecycle_stage, experiment_id, "
            "artifact_uri) VALUES (?, 'kept', 'me', 'FINISHED', 1, 'active', 1, ?)",
            ("a" * 32, str(tmp_path / "mlartifacts")),
        )
    return path


def test_a_store_is_the_one_that_mlflow_makes(fresh_uri, tmp_path):
    """Tables, indices and revision are MLflow's own; nothing but the store and its lock lies there."""
    by_mlflow(tmp_path / "other.db")
    store = Store(fresh_uri)
    ours, theirs = (
        [sorted(re.split(r",\s*|\n", "".join(map(str, row)))) for row in schema(tmp_path / name)]
        for name in ("mlflow.db", "other.db")
    )
    assert ours == theirs  # But for the order of constraints, which is left to chance.
    assert len(store.client.search_experiments()) == 1
    assert {path.name.removesuffix("-wal").removesuffix("-shm") for path in tmp_path.iterdir()} == {
        "mlflow.db",
        "mlflow.db.lock",
        "other.db",
    }


def test_an_empty_file_is_no_store_yet(fresh_uri, tmp_path):
    """What a process leaves that was killed before it wrote anything, stale companions included, is made a store."""
    (tmp_path / "mlflow.db").touch()
    with closing(sqlite3.connect(tmp_path / "stale.db")) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE stale (a)")
        shutil.copy(tmp_path / "stale.db-wal", tmp_path / "mlflow.db-wal")
    Store(fresh_uri, "tests").record(RECORD)
    assert "stale" not in {name for _, name, *_ in schema(tmp_path / "mlflow.db")[:-1]}
    assert [run.name for run in Store(fresh_uri).search("")] == ["a"]


def open_and_record(uri: str, tell: int) -> None:
    """Say that the work begins, then open a fresh store and record a run."""
    os.write(tell, b"x")
    Store(uri, "tests").record(RECORD)


@pytest.mark.slow
def test_a_kill_in_a_stores_first_second_leaves_a_store_that_can_be_used(tmp_path):
    """Processes that make a store are killed all over the time that takes; the next one uses it as if nothing were."""
    chance = random.Random(11)  # noqa: S311 - no secret
    context = multiprocessing.get_context("fork")
    killed = 0
    for number in range(int(os.environ.get("STUDENT_SCORE_KILLS", "24")) // 2):
        folder = tmp_path / str(number)
        uri = f"sqlite:///{folder / 'mlflow.db'}"
        ready, tell = os.pipe()
        process = context.Process(target=open_and_record, args=(uri, tell))
        process.start()
        os.read(ready, 1)
        time.sleep(chance.uniform(0.0, 0.7))
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.join()
        store = Store(uri, "tests")
        store.record(RECORD)
        assert {run.name for run in store.search("")} == {"a"}
        assert schema(folder / "mlflow.db")[-1] == (internals.REVISIONS[-1],)
        assert not (folder / "mlflow.db.new").exists()
    assert killed > 0


@pytest.mark.parametrize("statements", [3, 100, 300])
def test_an_interruption_while_a_store_is_made_stays_one(statements, fresh_uri):
    """SQLAlchemy fails on what an interruption leaves behind: the Ctrl-C is what counts, and no store is half made."""
    left = iter(range(statements))

    def interrupt(*_: object) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    event.listen(Engine, "before_cursor_execute", interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            Store(fresh_uri)
    finally:
        event.remove(Engine, "before_cursor_execute", interrupt)
    assert Store(fresh_uri, "tests").search("") == []


@pytest.mark.slow
def test_sixty_processes_at_once_lose_nothing(fresh_uri):
    """They open a store that is not there yet, and record, at the same moment; each run is kept."""
    context = multiprocessing.get_context("fork")
    start = context.Barrier(60)

    def work(number: int) -> None:
        start.wait()
        Store(fresh_uri, "tests").record(replace(RECORD, name=str(number)))

    processes = [context.Process(target=work, args=(number,)) for number in range(60)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 60
    assert sorted(int(run.name) for run in Store(fresh_uri, "tests").search("")) == list(range(60))


def test_a_half_made_store_without_a_run_is_made_anew(fresh_uri, tmp_path, caplog):
    """What MLflow alone leaves when it is ended among its migrations is no obstacle; a word says so."""
    by_mlflow(tmp_path / "mlflow.db")
    set_revision(tmp_path / "mlflow.db", older_revisions()[-3])
    Store(fresh_uri, "tests").record(RECORD)
    assert schema(tmp_path / "mlflow.db")[-1] == (internals.REVISIONS[-1],)
    assert "was half made, without a run" in caplog.text


@pytest.mark.parametrize("revision", [None, -3])
def test_a_half_migrated_store_with_runs_is_left_as_it_is(revision, store_uri, tmp_path):
    """Nothing of it is lost, and nothing guessed: a sentence says that it cannot be brought up to date."""
    Store(store_uri, "tests").record(RECORD)
    path = tmp_path / "mlflow.db"
    set_revision(path, None if revision is None else older_revisions()[revision])
    with closing(sqlite3.connect(path)) as connection:
        before = list(connection.iterdump())
    with pytest.raises(TrackingError, match=r"cannot be brought up to date, and was left as it is: [^\n]*$"):
        Store(store_uri, "tests")
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before
    assert not path.with_name("mlflow.db.new").exists()


def test_an_older_store_is_brought_up_to_date_with_its_runs(older, monkeypatch):
    """MLflow's migrations are done aside; killed among them, the store is as it was."""
    uri = f"sqlite:///{older}"
    before = older.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(making, "copy_into", lambda *_: os._exit(9))
        process = multiprocessing.get_context("fork").Process(target=Store, args=(uri,))
        process.start()
        process.join()
    assert process.exitcode == 9
    assert older.read_bytes() == before
    assert older.with_name("mlflow.db.new").exists()
    assert [run.name for run in Store(uri).search("")] == ["kept"]
    assert schema(older)[-1] == (internals.REVISIONS[-1],)
    assert not older.with_name("mlflow.db.new").exists()


def test_another_programs_database_is_refused(fresh_uri, tmp_path):
    """MLflow would put its tables beside those of an address book."""
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE people (name)")
    before = path.read_bytes()
    with pytest.raises(TrackingError, match="it is a database of something else, with the tables people"):
        Store(fresh_uri, "tests")
    assert path.read_bytes() == before


def test_a_store_is_opened_while_another_process_makes_one_or_records(store_uri, tmp_path):
    """Opening an existing store takes no lock that making one, or recording, could keep."""
    store = Store(store_uri, "tests")
    with making.making_lock(tmp_path / "mlflow.db"), FileLock(tmp_path / "mlartifacts/.recording/other.lock"):
        opened = threading.Event()
        thread = threading.Thread(target=lambda: (Store(store_uri, "tests").record(RECORD), opened.set()), daemon=True)
        thread.start()
        assert opened.wait(20)
    assert [run.name for run in store.search("")] == ["a"]
