"""The bulk way writes what MLflow's client writes, row for row, and whole runs or none whatever happens meanwhile."""

import json
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from sqlalchemy import event

from student_score.errors import TrackingError
from student_score.tracking import bulk, internals
from student_score.tracking.client import ClientWriter
from student_score.tracking.record import JOB_HASH, Input, Record
from student_score.tracking.store import Store

EPOCHS = [1, 2, 3, 5, *range(10, 3000, 10)]
STUDENTS = Input(name="students", digest="ab" * 32, context="training", source='{"uri": "x.csv"}', profile="{}")
HELD_OUT = Input(name="students", digest="cd" * 32, context="testing", source='{"uri": "x.csv"}', profile='{"rows": 1}')
FOREIGN = Input(name="éleves ☃", digest="ab" * 32, context="testing", source="", profile="x" * 100_000)

CLOCKS = {("experiments", "creation_time"), ("experiments", "last_update_time")}
"""Columns that hold the moment of writing, which no two stores share: when MLflow made an experiment."""

IDS = (("runs", "run_uuid"), ("datasets", "dataset_uuid"), ("inputs", "input_uuid"))
"""Columns that hold random ids: numbered in the order of the rows, wherever in the database they stand."""


def some_record(number: int = 0, **changes: object) -> Record:
    """Return a record with something of everything."""
    values = {
        "name": f"lr=0.1 relu {number}",
        "start_time": 1_000 + number,
        "end_time": 2_000 + number,
        "params": {f"training.{k}": str(k * number) for k in range(20)},
        "tags": {"outcome": "slow", "number": str(number)},
        "metrics": {"baseline/mean/train_mse": 216.5 + number, "seconds": 0.25},
        "curves": {name: (EPOCHS, [number + 1 / e for e in EPOCHS]) for name in ("avg_loss", "train_mse", "test_mse")},
        "inputs": [STUDENTS, HELD_OUT],
        "note": "A note.",
        "write_files": write_files,
    }
    return Record(**{**values, **changes})


def write_files(folder: Path) -> None:
    """Write two artifacts, one of them in a folder."""
    (folder / "config.yaml").write_text("a: 1\n")
    (folder / "plots").mkdir()
    (folder / "plots/loss.bin").write_bytes(bytes(range(256)) * 40)


def fail_for_lack_of_space(folder: Path) -> None:
    """Do what a full disk does."""
    write_files(folder)
    raise OSError(28, "No space left on device")


UNUSUAL = [
    some_record(1, status="FAILED", metrics={}, curves={}),
    some_record(2, params={}, tags={}, metrics={}, curves={}, inputs=[], note="", write_files=lambda _folder: None),
    some_record(3, status="KILLED", metrics={f"m{k}": k / 7 for k in range(1500)}),
    some_record(
        4,
        metrics={"zero": -0.0, "least": 5e-324, "greatest": 1.7976931348623157e308, "whole": 3, "a b/c.d:e-ü": 1e-17},
        params={"empty": "", "signs": "a'b\"c\\d\ne\t☃𝒳 %s :x ?", "k" * 250: "v" * 6000},
        tags={"long": "☃" * 8000, "t" * 250: "", "mlflow.user": "someone", "mlflow.runName": "another name"},
    ),
    some_record(5, params={f"p{k}": str(k) for k in range(250)}, tags={f"t{k}": str(k) for k in range(250)}),
    some_record(
        6,
        metrics={"both": 1.0, "twice": 0.0},
        curves={
            "both": ([0, 0, 0], [1.0, 3.0, 2.0]),
            "twice": ([0], [-0.0]),
            "backwards": ([9, 5, 1, 9, 9, 2], [1.0, 50.0, 90.0, -2.0, 1.0, 70.0]),
            "empty": ([], []),
        },
    ),
    some_record(7, inputs=[STUDENTS, FOREIGN, Input(**{**vars(STUDENTS), "context": "again"})]),
    some_record(8, name="näme ☃ " * 60, note="n" * 8000, inputs=[HELD_OUT]),
]


def table_names(connection: sqlite3.Connection) -> list[str]:
    """Return every table there is in the database."""
    return [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]


def contents(folder: Path) -> dict[str, list[str]]:
    """Return all rows of all tables, as written, and all artifacts of the store in a folder, without ids and clocks."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        connection.row_factory = sqlite3.Row
        names = {folder.as_uri(): "STORE"}
        for table, column in IDS:
            ids = connection.execute(f"SELECT {column} FROM {table} ORDER BY rowid")  # noqa: S608 - names of this file
            names |= {name: f"{table} {number}" for number, (name,) in enumerate(ids)}

        def plain(table: str, column: str, value: object) -> str:
            text = "CLOCK" if (table, column) in CLOCKS else repr(value)
            for name in names if isinstance(value, str) and len(value) >= 32 else ():
                text = text.replace(name, names[name])
            return text

        found = {}
        for table in table_names(connection):
            rows = connection.execute(f"SELECT * FROM {table} ORDER BY rowid")  # noqa: S608 - names the database has
            found[table] = [" | ".join(plain(table, c, row[c]) for c in row.keys()) for row in rows]  # noqa: SIM118 - no dict
    files = [path for path in (folder / "mlartifacts").rglob("*") if ".recording" not in path.parts]
    found["artifacts"] = sorted(
        f"{names[path.relative_to(folder / 'mlartifacts').parts[0]]}: "
        f"{path.relative_to(folder / 'mlartifacts').parts[1:]} {path.read_bytes() if path.is_file() else 'folder'}"
        for path in files
    )
    return found


def left_in(store: Store, folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of all runs, deleted ones too, and the names of all files of a store's artifacts."""
    runs = [*store.search(""), *store.search("", deleted=True)]
    files = [path for path in (folder / "mlartifacts").rglob("*") if path.is_file() and path.name != "guard"]
    return [run.name for run in runs], [str(path) for path in files]


def journals_in(root: Path) -> list[str]:
    """Return the names of the journals, and of their locks, in a folder of artifacts."""
    return [path.name for path in (root / ".recording").glob("*.*")]


def by_client(store: Store) -> ClientWriter:
    """Return the writer that goes through MLflow's client."""
    return ClientWriter(client=store.client, experiment_id=store.experiment_id, way="for this test")


def test_every_row_is_the_one_that_the_client_writes(tmp_path, monkeypatch):
    """The same records, given to MLflow's client and to the bulk writer, lead to the same rows in every table.

    The client's turn comes by a schema revision that has not been compared.
    """
    monkeypatch.setattr(bulk, "RUNS_PER_INSERT", 3)
    for name, revisions in (("client", ()), ("bulk", internals.REVISIONS)):
        (tmp_path / name).mkdir()
        with monkeypatch.context() as patch:
            patch.setattr(internals, "REVISIONS", revisions)
            store = Store(f"sqlite:///{tmp_path / name / 'mlflow.db'}", "tests")
        assert isinstance(store.writer, ClientWriter) == (name == "client")
        parent = store.create("sweep", {"kind": "sweep"}, "", 500)
        store.record_many(UNUSUAL, parent)
        store.record(some_record(9), parent)
        assert store.record_many([]) == []
        store.record_many([some_record(10), some_record(11, inputs=[FOREIGN])])
        store.client.set_terminated(parent, "FINISHED", 600)
    client, written = contents(tmp_path / "client"), contents(tmp_path / "bulk")
    assert client.keys() == written.keys()
    for table, rows in client.items():
        assert written[table] == rows, table
    used = {table for table, rows in client.items() if rows}
    assert used >= {"runs", "tags", "params", "metrics", "latest_metrics", "datasets", "inputs", "input_tags"}
    assert len(client["runs"]) == 1 + len(UNUSUAL) + 3
    assert len(client["datasets"]) == 3


def test_the_way_says_what_it_is_and_why(store_uri, monkeypatch):
    """A compared schema is written in bulk; an unknown one, another kind of address or a remote folder is not."""
    store = Store(store_uri, "tests")
    assert store.writer.way == f"in one transaction (SQLite store of schema {internals.REVISIONS[-1]})"
    store.client.create_experiment("elsewhere", "mlflow-artifacts:/x")
    assert Store(store_uri, "elsewhere").writer.way.endswith(
        "the artifacts lie in mlflow-artifacts:/x, which is no local folder"
    )
    assert Store(f"{store_uri}?timeout=9", "tests").writer.way.endswith("the store is no plain SQLite file")
    revision = internals.REVISIONS[-1]
    monkeypatch.setattr(internals, "REVISIONS", ())
    assert Store(store_uri, "tests").writer.way == (
        "one by one through MLflow's client: "
        f"the store's schema revision {revision} is not one whose rows were compared"
    )


def test_mlflow_reads_back_what_was_written_in_bulk(store_uri):
    """MLflow's client sorts, filters, deletes and restores the runs, and returns curves and datasets."""
    store = Store(store_uri, "tests")
    run_ids = store.record_many([some_record(number) for number in (2, 3, 1)])
    ordered = store.client.search_runs(
        [store.experiment_id], "params.`training.1` != '2'", order_by=["metrics.avg_loss DESC"]
    )
    assert [run.info.run_id for run in ordered] == [run_ids[1], run_ids[2]]
    history = store.client.get_metric_history(run_ids[0], "avg_loss")
    assert [(point.step, point.value) for point in history] == [(e, 2 + 1 / e) for e in EPOCHS]
    shown = store.client.get_run(run_ids[0]).inputs.dataset_inputs
    assert [(item.dataset.digest, item.tags[0].value) for item in shown] == [
        (STUDENTS.short_digest, "training"),
        (HELD_OUT.short_digest, "testing"),
    ]
    store.delete(run_ids[0])
    assert {run.run_id for run in store.search("")} == set(run_ids[1:])
    assert [run.run_id for run in store.search("", deleted=True)] == [run_ids[0]]
    store.client.restore_run(run_ids[0])
    assert len(store.search("")) == 3


def test_a_run_can_be_reopened(store_uri):
    """A reopened run is running and has not ended; the client alone can set only the status."""
    store = Store(store_uri, "tests")
    run_id = store.record(some_record())
    store.reopen(run_id)
    assert (store.client.get_run(run_id).info.status, store.client.get_run(run_id).info.end_time) == ("RUNNING", None)
    store.end(run_id, "FINISHED")
    store.writer = by_client(store)
    store.reopen(run_id)
    assert store.client.get_run(run_id).info.status == "RUNNING"


TOO_MUCH = {
    "parameter 'p': 'Param value' exceeds the maximum length of 6000 characters": {"params": {"p": "v" * 6001}},
    "tag 't': 'value' exceeds the maximum length of 8000 characters": {"tags": {"t": "v" * 8001}},
    "exceeds the maximum length of 250 characters": {"metrics": {"m" * 251: 1.0}},
    "Names may only contain alphanumerics": {"params": {"a=b": "1"}},
    "tag 'mlflow.note.content': 'value' exceeds": {"note": "v" * 8001},
    "its datasets: 'source' exceeds": {"inputs": [Input(**{**vars(STUDENTS), "source": "v" * 65_536})]},
    "surrogates not allowed": {"params": {"path": "\udcff"}},
}


@pytest.mark.parametrize("reason", TOO_MUCH)
def test_what_mlflow_refuses_is_refused_with_the_same_words(reason, store_uri):
    """A name or value beyond MLflow's limits stops the records before anything is written, whichever way is taken."""
    records = [some_record(1), some_record(2, **TOO_MUCH[reason])]
    store = Store(store_uri, "tests")
    sentences = []
    for writer in (store.writer, by_client(store)):
        store.writer = writer
        with pytest.raises(TrackingError, match=reason) as refused:
            store.record_many(records)
        sentences.append(str(refused.value))
        assert store.search("") == []
    assert sentences[0] == sentences[1]


def make_full(connection: sqlite3.Connection) -> None:
    """Let the database grow no more."""
    [pages] = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")


def make_read_only(connection: sqlite3.Connection) -> None:
    """Refuse to write."""
    connection.execute("PRAGMA query_only = ON")


@pytest.mark.parametrize(
    ("spoil", "reason"), [(make_full, "database or disk is full"), (make_read_only, "attempt to write a readonly")]
)
def test_a_database_that_cannot_be_written_is_left_as_it_was(spoil, reason, store_uri, tmp_path):
    """A full disk or a read-only database costs all of the runs, artifacts included, and is named in one sentence."""
    store = Store(store_uri, "tests")
    engine = store.writer.engine

    def connect(connection: sqlite3.Connection, _record: object) -> None:
        spoil(connection)

    engine.dispose()
    event.listen(engine, "connect", connect)
    with pytest.raises(TrackingError, match=rf"^the tracking store {store_uri} cannot be used: {reason}[^\n]*$"):
        store.record_many([some_record(number) for number in range(50)])
    event.remove(engine, "connect", connect)
    engine.dispose()
    assert left_in(store, tmp_path) == ([], [])


@pytest.mark.parametrize("in_bulk", [True, False])
def test_a_locked_database_is_waited_for(in_bulk, store_uri, tmp_path, monkeypatch, caplog):
    """Another process that does not stop writing is waited for, with a word, for as long as it takes."""
    store = Store(store_uri, "tests")
    if in_bulk:
        monkeypatch.setattr(bulk, "LOCK_TIMEOUT", 0.1)
    else:
        store.writer = by_client(store)
        limit_mlflows_wait(store.writer.client)
    with closing(sqlite3.connect(tmp_path / "mlflow.db", check_same_thread=False)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(1.5, connection.rollback)
        timer.start()
        run_id = store.record(some_record())
        timer.join()
    assert store.run(run_id).read_text("config.yaml") == "a: 1\n"
    assert [record.getMessage() for record in caplog.records if record.name.startswith("student_score")] == [
        f"the tracking store {store_uri} cannot be used: database is locked; waiting for the process that writes to it"
    ]


def limit_mlflows_wait(client: MlflowClient) -> None:
    """Let SQLite give up at once where MLflow would have it wait for 20 s."""

    @event.listens_for(internals.database_engine(client), "before_cursor_execute", retval=True)
    def shorten(_connection, _cursor, statement, parameters, _context, _many):
        return statement.replace("busy_timeout = 20000", "busy_timeout = 50"), parameters


@pytest.mark.parametrize("in_bulk", [True, False])
def test_a_job_is_recorded_once_under_a_parent(in_bulk, store_uri, tmp_path):
    """What has the hash of a finished run is not recorded again; failures, and runs elsewhere, are no obstacle."""
    store = Store(store_uri, "tests")
    if not in_bulk:
        store.writer = by_client(store)
    one, two = (store.create("sweep", {"kind": "sweep"}, "", 1) for _ in range(2))
    job, other = ({"tags": {JOB_HASH: letter * 64}} for letter in "ab")
    failed = store.record(some_record(1, **job, status="FAILED"), one)
    first = store.record(some_record(2, **job), one)
    assert store.record(some_record(3, **job), one) == first
    assert store.record(some_record(4, **job, status="FAILED"), one) == first
    again, new, twice = store.record_many(
        [some_record(5, **job), some_record(6, **other), some_record(7, **other)], one
    )
    assert (again, new) == (first, twice)
    elsewhere = [store.record(some_record(8, **job), two), store.record(some_record(9, **job))]
    assert [run.run_id for run in store.children(one)] == [failed, first, new]
    assert len({*elsewhere, first}) == 3
    assert {path.name for path in (tmp_path / "mlartifacts").iterdir()} - {".recording"} >= {failed, first, new}
    if in_bulk:
        names = {failed, first, new, *elsewhere, ".recording"}
        assert {path.name for path in (tmp_path / "mlartifacts").iterdir()} == names
    store.delete(first)
    assert store.record(some_record(10, **job), one) not in {first, failed}


def test_two_that_record_a_job_through_the_client_at_once_leave_one(store_uri, monkeypatch):
    """Whoever sees two finished runs of a job keeps the one that the other would keep; reading takes one too."""
    store = Store(store_uri, "tests")
    parent = store.create("sweep", {"kind": "sweep"}, "", 1)
    job = {"tags": {JOB_HASH: "a" * 64}}
    one, two = by_client(store), by_client(store)
    with monkeypatch.context() as patch:
        patch.setattr(ClientWriter, "finished", lambda *_: [])  # Neither sees the other before it has recorded.
        ids = [writer.write([some_record(number, **job)], parent)[0] for number, writer in enumerate((one, two))]
    assert len(store.children(parent)) == 2
    assert [run.run_id for run in store.finished(parent)] == ids[:1]
    answers = [[], None]

    def late(writer, record, parent_run_id):
        answer = answers.pop(0) if answers else None
        return known(writer, record, parent_run_id) if answer is None else answer

    known = ClientWriter.finished
    monkeypatch.setattr(ClientWriter, "finished", late)
    [kept] = one.write([some_record(3, **job)], parent)
    assert [run.run_id for run in store.children(parent)] == [kept]
    assert kept <= min(ids)


@pytest.mark.parametrize("in_bulk", [True, False])
def test_files_that_cannot_be_written_cost_all_runs_of_the_call(in_bulk, store_uri, tmp_path):
    """A disk that fills up while artifacts are written leaves no active run, and in bulk no folder either."""
    store = Store(store_uri, "tests")
    if not in_bulk:
        store.writer = by_client(store)
    with pytest.raises(TrackingError, match="No space left on device"):
        store.record_many([some_record(1), some_record(2, write_files=fail_for_lack_of_space), some_record(3)])
    assert store.search("") == []
    if in_bulk:
        assert left_in(store, tmp_path) == ([], [])


def test_a_folder_that_cannot_be_made_is_named(store_uri, tmp_path):
    """Where a file stands in the artifacts' place, nothing is recorded."""
    store = Store(store_uri, "tests")
    (tmp_path / "mlartifacts").write_text("")
    with pytest.raises(TrackingError, match=f"{store_uri} cannot be used: .*mlartifacts"):
        store.record(some_record())
    assert store.search("") == []


def test_an_experiment_deleted_meanwhile_is_not_written_to(store_uri, tmp_path):
    """Both ways refuse with MLflow's words, and leave nothing."""
    store = Store(store_uri, "tests")
    store.client.delete_experiment(store.experiment_id)
    sentences = set()
    for writer in (store.writer, by_client(store)):
        store.writer = writer
        with pytest.raises(TrackingError, match="must be in the 'active' state") as refused:
            store.record(some_record())
        sentences.add(str(refused.value))
    assert len(sentences) == 1
    assert left_in(store, tmp_path) == ([], [])


@pytest.mark.slow
def test_what_another_process_is_recording_is_not_cleaned_away(store_uri, tmp_path):
    """A store that opens while a record is written leaves its artifacts alone."""
    store = Store(store_uri, "tests")

    def write_and_open(folder: Path) -> None:
        write_files(folder)
        code = f"from student_score.tracking.store import Store; Store({store_uri!r}, 'tests')"
        subprocess.run([sys.executable, "-c", code], check=True)

    run_id = store.record(some_record(write_files=write_and_open))
    assert store.run(run_id).read_text("config.yaml") == "a: 1\n"
    assert journals_in(tmp_path / "mlartifacts") == []


def test_a_journal_that_is_left_over_tells_what_was_committed(store_uri, tmp_path):
    """Cleaning keeps the artifacts of committed runs, removes those of others, and copes with a torn journal."""
    store = Store(store_uri, "tests")
    run_id = store.record(some_record())
    root = tmp_path / "mlartifacts"
    (root / "lost/artifacts").mkdir(parents=True)
    for name, text in {
        "done": json.dumps([run_id]),
        "dead": json.dumps(["lost", "never begun"]),
        "torn": '["lo',
    }.items():
        (root / ".recording" / f"{name}.json").write_text(text)
    (root / ".recording/alone.lock").write_text("")
    store.writer.clean()
    assert sorted(path.name for path in root.iterdir()) == sorted([".recording", run_id])
    assert store.run(run_id).read("config.yaml")
    assert journals_in(root) == []


KILLED = """
import os, random, signal, sys, time
sys.path.insert(0, {tests!r})
import mlflow.store.tracking.sqlalchemy_store  # Once for all: the connections of a store must not go through a fork.
from test_bulk import some_record, write_files
from student_score.tracking.store import Store

def write_slowly(folder):
    write_files(folder)
    time.sleep(0.002)

random.seed(7)
for _ in range(12):
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        store = Store({uri!r}, "tests")
        os.write(tell, b"x")
        while True:
            store.record_many([some_record(k, write_files=write_slowly) for k in range(3)])
    os.read(ready, 1)
    time.sleep(random.uniform(0.0, 0.25))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


@pytest.mark.slow
def test_a_killed_process_leaves_whole_runs_or_none(store_uri, tmp_path):
    """Twelve processes killed at random moments of recording leave whole runs; the next opening removes the rest."""
    code = KILLED.format(uri=store_uri, tests=str(Path(__file__).parent))
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    root = tmp_path / "mlartifacts"
    folders = {path.name for path in root.iterdir()} - {".recording"}
    store = Store(store_uri, "tests")
    runs = store.search("")
    assert folders > {run.run_id for run in runs}  # Some were killed after their artifacts and before their rows.
    assert {path.name for path in root.iterdir()} - {".recording"} == {run.run_id for run in runs}
    assert journals_in(root) == []
    assert len(runs) % 3 == 0
    expected = some_record()
    for run in runs:
        assert run.status == "FINISHED"
        assert run.params.keys() == expected.params.keys()
        assert run.metrics.keys() == {*expected.metrics, *expected.curves}
        assert len(store.client.get_run(run.run_id).inputs.dataset_inputs) == 2
        assert len(run.read("plots/loss.bin")) == 256 * 40
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        points = len(runs) * (len(expected.metrics) + 3 * len(EPOCHS))
        assert connection.execute("SELECT count(*) FROM metrics").fetchone() == (points,)


@pytest.mark.slow
def test_four_processes_record_into_one_fresh_store_at_once(fresh_uri):
    """Initialising a fresh store from several processes crashes MLflow; here one does it, and all record."""
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_bulk import some_record
from student_score.tracking.store import Store
store = Store({fresh_uri!r}, "tests")
for number in range(3):
    store.record_many([some_record(number), some_record(number + 3)])
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    results = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, results
    assert len(Store(fresh_uri, "tests").search("")) == 4 * 3 * 2
