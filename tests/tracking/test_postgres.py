"""A PostgreSQL database as a store: whoever comes first makes the schema, and the others wait for it."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from student_score.config.schema import Config, DatasetConfig, TrainingConfig
from student_score.paths import REPOSITORY
from student_score.runs.execution import execute
from student_score.runs.recording import record
from student_score.runs.task import prepare
from student_score.serving.keeping import keep_models
from student_score.tracking.address import check_reachable
from student_score.tracking.store import Store

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not PROGRAMS, reason="no PostgreSQL server is installed")]

RECORDED = """
import sys
from student_score.tracking.record import Record
from student_score.tracking.store import Store
store = Store(sys.argv[1], "tests")
store.record(Record(name=sys.argv[2], start_time=1, end_time=2, params={"p": "1"}, metrics={"m": 1.0}))
"""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Yield the address of an empty database, served on loopback for this module; its server does not run as root."""
    programs, port = PROGRAMS[-1], free_port()
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    user = pwd.getpwnam("nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name)
    if os.geteuid() == 0:
        os.chown(folder, user.pw_uid, user.pw_gid)
    run = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    made = [programs / "initdb", "-D", folder / "data", "-U", "ann", "-A", "trust", "--no-sync"]
    subprocess.run(made, check=True, capture_output=True, cwd=folder, **run)
    options = ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-F"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", *options], stderr=log, cwd=folder, **run
        )
        until = time.monotonic() + 60
        while subprocess.run(
            [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False
        ).returncode:
            assert time.monotonic() < until, (folder / "log").read_text()
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
        yield f"postgresql://ann:secret@127.0.0.1:{port}/postgres"
        server.send_signal(signal.SIGINT)  # The kind of end that does not wait for clients.
        server.wait()
    shutil.rmtree(folder)


def test_first_users_at_once_make_one_store(address, tmp_path, monkeypatch):
    """Four processes that come first all record; nothing fails, and no password is shown."""
    monkeypatch.chdir(tmp_path)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RECORDED, address, str(number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(4)
    ]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, said
    check_reachable(address)
    store = Store(address, "tests")
    assert sorted(run.name for run in store.search("")) == ["0", "1", "2", "3"]
    assert store.writer.way == "one by one through MLflow's client: the store is no plain SQLite file"
    parent = store.create("sweep", {"kind": "sweep"}, "", 1)
    assert store.finished(parent) == []


def test_models_are_kept_there(address, tmp_path, monkeypatch):
    """A run's network and line are whole, and found by the run's id; asked for again, nothing is added."""
    monkeypatch.chdir(tmp_path)  # Artifacts lie beside it.
    dataset = DatasetConfig(path=str(REPOSITORY / "data/student_scores.csv"))
    run = execute(prepare(Config(dataset=dataset, training=TrainingConfig(epochs=5))))
    store = Store(address, "models")
    run_id = store.record(record(run))
    for _ in range(2):
        assert keep_models(store, run_id, run.task) == f"runs:/{run_id}/network"
    found = store.client.search_logged_models([store.experiment_id])
    assert {(model.name, model.source_run_id, str(model.status)) for model in found} == {
        ("network", run_id, "READY"),
        ("linear", run_id, "READY"),
    }
    assert len(found) == 2
