"""`student-score -m`: a real Hydra multirun whose records are read back from MLflow."""

import os
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from student_score.tracking.environment import server_command
from student_score.tracking.record import RecordedRun
from student_score.tracking.store import Store

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.slow
def test_a_multirun_puts_its_runs_under_one_parent(student_score, store_uri):
    """Four jobs give four finished children of one finished parent, each equal in every bit to the run on its own."""
    done = student_score("-m", "training.learning_rate=0.0001,0.01", "network.activation=relu,tanh")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "Checking the jobs of training.learning_rate=0.0001,0.01 network.activation=relu,tanh\n"
    store = Store(store_uri, "student-score")
    [parent] = store.search("tags.kind = 'sweep'")
    children = sorted(store.children(parent.run_id), key=lambda run: run.name)
    assert parent.status == "FINISHED"
    assert [(run.status, run.name) for run in children] == [
        ("FINISHED", "lr=0.0001 relu h=2 seed=0"),
        ("FINISHED", "lr=0.0001 tanh h=2 seed=0"),
        ("FINISHED", "lr=0.01 relu h=2 seed=0"),
        ("FINISHED", "lr=0.01 tanh h=2 seed=0"),
    ]
    assert {run.tags["sweep_id"] for run in children} == {parent.tags["sweep_id"]}
    assert parent.metrics["runs/collapsed"] == [run.tags["outcome"] for run in children].count("collapsed")
    assert "4 runs" in done.stdout
    student_score("training.learning_rate=0.01")
    [alone] = [run for run in store.search("tags.outcome != ''") if "mlflow.parentRunId" not in run.tags]
    first, second = (run.trajectory() for run in (alone, children[2]))
    assert first.avg_loss.tobytes() == second.avg_loss.tobytes()
    assert first.final.flat().tobytes() == second.final.flat().tobytes()
    assert alone.tags["config_hash"] == children[2].tags["config_hash"]


SLOW = [f"training.learning_rate={','.join(f'{k / 1e5}' for k in range(1, 121))}", "training.epochs=4000"]
"""120 runs that the reference trainer takes some three seconds for."""


def heed() -> None:
    """Hear Ctrl-C and a terminal that closes, which a suite in the background, or under nohup, ignores."""
    for kind in (signal.SIGINT, signal.SIGHUP):
        signal.signal(kind, signal.SIG_DFL)


def start(*arguments: str, folder: Path) -> "subprocess.Popen[str]":
    """Start `student-score` in the background."""
    return subprocess.Popen(
        [BIN / "student-score", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed,  # noqa: PLW1509 - it takes no lock
    )


def wait_for_children(uri: str) -> None:
    """Wait until the store holds a finished child."""
    path = uri.removeprefix("sqlite:///")
    for _ in range(600):
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as reader:
            if reader.execute("SELECT count(*) FROM tags WHERE key = 'mlflow.parentRunId'").fetchone()[0]:
                return
        time.sleep(0.05)
    pytest.fail("no run was recorded")


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupted_sweep_is_closed(store_uri, tmp_path, sent, code):
    """Ctrl-C, an end or a hang-up leaves the parent run KILLED and says how to go on; what was recorded is whole."""
    process = start("-m", "training.trainer=reference", *SLOW, folder=tmp_path)
    wait_for_children(store_uri)
    process.send_signal(sent)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in errors
    assert re.search(
        r"^student-score: \d+ of 120 runs are recorded; the same command runs the others$", errors, re.MULTILINE
    )
    store = Store(store_uri, "student-score")
    [parent] = store.search("tags.kind = 'sweep'")
    assert parent.status == "KILLED"
    children = store.children(parent.run_id)
    assert 0 < len(children) < 120
    assert {run.status for run in children} == {"FINISHED"}
    assert all(run.read("trajectory.npz") for run in children)


@pytest.mark.slow
def test_sweeps_that_start_at_once_on_a_fresh_store_all_run(store_uri, tmp_path):
    """Eight processes, eight sweeps, one SQLite file that none of them has seen: no error, every run is there."""
    processes = [
        start("-m", f"training.learning_rate={k}e-5,{k}e-6", "training.epochs=20", folder=tmp_path) for k in range(1, 9)
    ]
    ends = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, ends
    store = Store(store_uri, "student-score")
    parents = store.search("tags.kind = 'sweep'")
    assert [parent.status for parent in parents] == ["FINISHED"] * 8
    assert [len(store.children(parent.run_id)) for parent in parents] == [2] * 8


@pytest.mark.slow
def test_the_same_sweep_started_twice_runs_once(store_uri, tmp_path):
    """The second start says which process holds the sweep, and exits with 2."""
    first = start("-m", "training.trainer=reference", *SLOW, folder=tmp_path)
    wait_for_children(store_uri)
    second = start("-m", "training.trainer=reference", *SLOW, folder=tmp_path)
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 2
    assert f"this sweep is already running: process {first.pid} has held it since" in errors
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert len(Store(store_uri, "student-score").search("tags.outcome != ''")) == 120


@pytest.mark.slow
def test_a_full_disk_ends_a_sweep_with_a_sentence(student_score, store_uri, tmp_path):
    """What cannot be written whole is not there; with room again the same command runs the others."""
    student_score("training.epochs=20")
    kilobytes = (tmp_path / "mlflow.db").stat().st_size // 1024 + 300
    command = shlex.join([str(BIN / "student-score"), "-m", "training.trainer=reference", *SLOW])
    process = subprocess.Popen(
        ["bash", "-c", f"ulimit -f {kilobytes}; exec {command}"], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    last = errors.splitlines()[-1]
    assert re.fullmatch(
        rf"student-score: the tracking store {re.escape(store_uri)} cannot be used: .+\. "
        r"\d+ of 120 runs are recorded; the same command runs the others",
        last,
    ), errors
    assert "Traceback" not in errors
    done = student_score("-m", "training.trainer=reference", *SLOW)
    assert done.returncode == 0, done.stderr
    store = Store(store_uri, "student-score")
    [parent] = store.search("tags.kind = 'sweep'")
    assert parent.status == "FINISHED"
    assert [child.status for child in store.children(parent.run_id)] == ["FINISHED"] * 120


def in_namespace(script: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a shell script that may mount file systems which nobody else sees; skip where the system forbids it."""
    unshare = shutil.which("unshare")
    allowed = unshare and subprocess.run([unshare, "-rm", "true"], capture_output=True, check=False).returncode == 0
    if not allowed:
        pytest.skip("this system lets no user mount a file system of their own")
    return subprocess.run(
        [str(unshare), "-rm", "bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | environment,
    )


@pytest.mark.slow
def test_full_and_read_only_disks_are_met_with_sentences(store_uri, tmp_path, folder):
    """A read-only store: exit code 2. A full temporary folder: 1, and the same command then ends the sweep."""
    (tmp_path / "temporary").mkdir()
    command = f"{BIN / 'student-score'} -m training.learning_rate=0.0001,0.0002 training.epochs=20"
    script = f"""
        cd {folder}
        mount --bind {tmp_path} {tmp_path} && mount -o remount,ro,bind {tmp_path}
        {command} >/dev/null; echo $?
        umount {tmp_path}
        mount -t tmpfs -o size=8k tmpfs {tmp_path}/temporary
        TMPDIR={tmp_path}/temporary {command} >/dev/null; echo $?
        umount {tmp_path}/temporary
        {command} >/dev/null; echo $?
    """
    done = in_namespace(script)
    assert done.stdout.split() == ["2", "1", "0"], done.stderr
    locked, unsaid = (line for line in done.stderr.splitlines() if line.startswith("student-score: "))
    assert locked == (
        f"student-score: the sweep cannot be locked: {tmp_path}/mlflow.db.sweeps cannot be written: Read-only file "
        "system. Nothing was recorded."
    )
    assert unsaid == (
        "student-score: the summary cannot be written to a temporary folder (No space left on device); TMPDIR names "
        "another. 2 of 2 runs are recorded; the same command does what is left to do"
    )
    assert [run.status for run in Store(store_uri, "student-score").search("")] == ["FINISHED"] * 3


def tasks_of(folder: Path) -> list[int]:
    """Return the living processes of submitit's tasks in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (path / "cmdline").read_bytes().decode(errors="replace")
            if "submitit.core._submit" in words and str(folder) in words:
                found.append(int(path.name))
    return found


@pytest.mark.slow
def test_an_interrupted_launcher_says_what_its_jobs_recorded(store_uri, tmp_path):
    """The jobs record in processes of their own: the store knows how many, and tells it while they run."""
    jobs = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    process = start("-m", "training.trainer=reference", *SLOW, *jobs, folder=tmp_path)
    wait_for_children(store_uri)
    time.sleep(1)
    store = Store(store_uri, "student-score")
    [parent] = store.search("tags.kind = 'sweep'")
    before = len(store.finished(parent.run_id))
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    [told] = re.findall(r"^student-score: (\d+) of 120 runs are recorded; the same", errors, re.MULTILINE)
    assert 0 < before <= int(told) <= len(store.finished(parent.run_id)) < 120
    assert "Traceback" not in errors


@pytest.mark.slow
def test_tasks_that_outlive_their_sweep_do_not_count_twice(store_uri, student_score, tmp_path):
    """SIGKILL for the sweep alone, whose tasks go on, and the same command at once: each job is there once."""
    left = tmp_path / "tasks"
    jobs = ["training.learning_rate=0.0001,0.0002", "hydra/launcher=submitit_local"]
    sweep = ["-m", *jobs, "hydra.launcher.timeout_min=5", f"hydra.launcher.submitit_folder={left}"]
    process = start(*sweep, folder=tmp_path)
    with process:
        for _ in range(600):
            if len(tasks_of(left)) == 2:
                break
            time.sleep(0.05)
        process.kill()
        process.wait()
        assert tasks_of(left), "no task has outlived the sweep"
        done = student_score(*sweep)
    assert done.returncode == 0, done.stderr
    assert "None of 2 runs collapsed or diverged" in done.stdout
    for _ in range(600):
        if not tasks_of(left):
            break
        time.sleep(0.1)
    store = Store(store_uri, "student-score")
    [parent] = store.search("tags.kind = 'sweep'")
    assert (parent.status, parent.metrics["runs"]) == ("FINISHED", 2)
    assert [run.status for run in store.children(parent.run_id)] == ["FINISHED"] * 2


LAUNCHERS = ("basic", "joblib", "submitit_local")


@pytest.mark.slow
def test_every_launcher_gives_the_same_records(student_score, store_uri, tmp_path):
    """Hydra's launchers, one process or many: the same bits, params, metrics and tags under a parent like any other."""
    sweep = ["-m", "training.learning_rate=0.0019,3", "network.activation=relu,tanh", "training.epochs=300"]
    store = None
    expected = {}
    for launcher in ("student_score", *LAUNCHERS):
        done = student_score(*sweep, f"hydra/launcher={launcher}", "sweep.fresh=true", *EXTRA.get(launcher, []))
        assert done.returncode == 0, done.stderr
        store = store or Store(store_uri, "student-score")
        parent = store.search("tags.kind = 'sweep'")[-1]
        assert parent.status == "FINISHED"
        children = store.children(parent.run_id)
        assert len(children) == 4
        found = {child.name: comparable(child) for child in children}
        expected = expected or found
        assert found == expected


EXTRA = {"joblib": ["hydra.launcher.n_jobs=2"], "submitit_local": ["hydra.launcher.timeout_min=5"]}


def comparable(run: RecordedRun) -> tuple[object, ...]:
    """Return all of a run but its ids and its clock."""
    trajectory = run.trajectory()
    metrics = {name: value for name, value in run.metrics.items() if name != "seconds"}
    tags = {name: value for name, value in run.tags.items() if name != "mlflow.parentRunId"}
    return run.params, metrics, tags, trajectory.avg_loss.tobytes(), trajectory.final.flat().tobytes()


@pytest.fixture
def server(tmp_path) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """Return a function that starts a tracking server at `server.uri`, and waits until it answers."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    started = []

    def serve() -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            server_command(f"sqlite:///{tmp_path / 'server.db'}", port=port),
            cwd=tmp_path,
            text=True,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        for _ in range(300):
            with suppress(OSError), urllib.request.urlopen(f"{serve.uri}/health", timeout=5):
                return process
            time.sleep(0.2)
        pytest.fail("the server does not answer")

    serve.uri = f"http://127.0.0.1:{port}"
    yield serve
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)


@pytest.mark.slow
def test_a_sweep_on_a_tracking_server_survives_the_servers_end(student_score, server, tmp_path):
    """The server goes away in mid-sweep: one sentence, exit code 1; back again, the same command ends the sweep."""
    process = server()
    sweep = ["-m", "tracking=server", f"tracking.uri={server.uri}", "training.learning_rate=" + RATES_ON_SERVER]
    running = start(*sweep, folder=tmp_path)
    wait_for_children(f"sqlite:///{tmp_path / 'server.db'}")
    os.killpg(process.pid, signal.SIGKILL)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 1, errors
    assert errors.splitlines()[-1].startswith(f"student-score: the tracking store {server.uri} cannot be used: ")
    assert "of 30 runs are recorded; the same command runs the others" in errors
    assert "Traceback" not in errors
    server()
    done = student_score(*sweep)
    assert done.returncode == 0, done.stderr
    store = Store(server.uri, "student-score")
    [parent] = store.search("tags.kind = 'sweep'")
    children = store.children(parent.run_id)
    assert parent.status == "FINISHED"
    assert [child.status for child in children] == ["FINISHED"] * 30
    assert {child.params["training.learning_rate"] for child in children} == {
        child.params["training.learning_rate"] for child in children if len(child.trajectory().avg_loss) == 1000
    }


RATES_ON_SERVER = ",".join(f"{k / 1e5}" for k in range(1, 31))
