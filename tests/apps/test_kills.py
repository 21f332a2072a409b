"""Commands that are killed at any moment: the same command again ends well, and the store holds whole runs alone.

STUDENT_SCORE_KILLS says how many kills are spread over the scenarios, STUDENT_SCORE_SEED which ones. A failure names
its seed, scenario and delay; the test of the same name repeats it, at that delay with STUDENT_SCORE_DELAY.
"""

import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from student_score.tracking.environment import server_command

BIN = Path(sys.executable).parent
KILLS = int(os.environ.get("STUDENT_SCORE_KILLS", "4"))
SEED = int(os.environ.get("STUDENT_SCORE_SEED", "0"))
DELAY = os.environ.get("STUDENT_SCORE_DELAY")

pytestmark = pytest.mark.slow

SINGLE = ("training.epochs=20",)
SWEEP = ("-m", "training.learning_rate=logspace(1e-5,1e-3,{runs})", "training.epochs=20")


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A command, the store that it finds, and the share of all kills that it gets.

    `few` says whether it is worth its time among a few kills only.
    """

    arguments: tuple[str, ...]
    runs: int
    share: float
    is_fresh: bool = False
    has_server: bool = False
    ends_server: bool = False
    few: int = 0

    @property
    def is_sweep(self) -> bool:
        """Whether the same command continues, instead of recording another run."""
        return "-m" in self.arguments

    @property
    def command(self) -> list[str]:
        """The whole command line."""
        return [str(BIN / "student-score"), *(each.format(runs=self.runs) for each in self.arguments)]

    @property
    def kills(self) -> int:
        """How many kills it gets."""
        return round(KILLS * self.share) or self.few


LAUNCHED = "hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5"
SCENARIOS = {
    "fresh": Scenario(arguments=SINGLE, runs=1, share=0.4, is_fresh=True),
    "fresh_sweep": Scenario(arguments=SWEEP, runs=3, share=0.1, is_fresh=True),
    "single": Scenario(arguments=SINGLE, runs=1, share=0.1, few=1),
    "sweep": Scenario(arguments=SWEEP, runs=300, share=0.2, few=1),
    "joblib": Scenario(arguments=(*SWEEP, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"), runs=8, share=0.05),
    "submitit": Scenario(arguments=(*SWEEP, *LAUNCHED), runs=4, share=0.05),
    "server": Scenario(arguments=SWEEP, runs=20, share=0.05, has_server=True),
    "server_ends": Scenario(arguments=SWEEP, runs=20, share=0.05, has_server=True, ends_server=True),
}
"""Name -> what is killed; of `server_ends` it is the server, which is started again."""

MOMENTS = "it started", "its first file", "its first byte"
"""From when on the time of a kill is drawn: in its first seconds a store is made."""

SIGNALS = {signal.SIGKILL: 7, signal.SIGTERM: 1, signal.SIGHUP: 1, signal.SIGINT: 1}
"""What is sent -> how often."""

ENDS = {*(-number for number in SIGNALS), *(128 + number for number in SIGNALS)}
"""Exit codes of a process that a signal ended, before and after it has said what to do then."""

IDLE = 20
"""Looks in a row, a twentieth of a second apart, at which nothing worked, so that nothing will."""

LARGE = 100_000
"""Bytes that nothing but the store itself may take beside it."""


@dataclass(frozen=True)
class Place:
    """A folder with a store, in which a command runs."""

    folder: Path
    uri: str
    database: Path
    experiment: str

    def start(self, command: list[str]) -> "subprocess.Popen[bytes]":
        """Start a command in the folder, as a terminal would: every signal ends it."""
        given = {**os.environ, "MLFLOW_TRACKING_URI": self.uri}

        def heed() -> None:
            for each in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
                signal.signal(each, signal.SIG_DFL)

        with self.log.open("a") as log:  # A pipe would be open until a launcher's last task has ended.
            return subprocess.Popen(
                [*command, f"tracking.experiment={self.experiment}"],
                cwd=self.folder,
                env=given,
                stdout=log,
                stderr=log,
                preexec_fn=heed,  # noqa: PLW1509 - it takes no lock
            )

    @property
    def log(self) -> Path:
        """The file that holds everything the commands have said."""
        return self.folder.with_name(f"{self.folder.name}.log")

    def finish(self, command: list[str]) -> None:
        """Run a command to its end, which must be a good one."""
        code = self.start(command).wait(timeout=240)
        assert code == 0, self.log.read_text()

    def wait_for_tasks(self) -> None:
        """Wait until no process works in the folder any more: a launcher's tasks may outlive what started them."""
        idle = 0
        for _ in range(1200):
            idle = 0 if any(map(works, tasks(self.folder))) else idle + 1
            if idle > IDLE:
                return
            time.sleep(0.05)
        pytest.fail(f"still working: {tasks(self.folder)}")

    def has_begun(self, moment: str) -> bool:
        """Whether one of the MOMENTS has come: there is the store or a file beside it, or something in one of them."""
        found = self.folder.glob(f"{self.database.name}*")
        with suppress(FileNotFoundError):  # It went away again, so there will be more.
            return any(moment == "its first file" or path.stat().st_size for path in found)
        return False


def tasks(folder: Path) -> list[Path]:
    """Return the processes in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == folder:
                found.append(process)
    return found


def works(process: Path) -> bool:
    """Say whether a process does not only wait for tasks that nobody will give it, as joblib's do for minutes."""
    with suppress(OSError):
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        waits = state == "S" and b"joblib" in (process / "cmdline").read_bytes()
        return state != "Z" and not waits and b"resource_tracker" not in (process / "cmdline").read_bytes()
    return False


Content = Mapping[str, list[tuple[object, ...]]]
"""A run's job_hash, or its kind -> for each such run how many rows of each table it has, and what artifacts."""


def content(place: Place) -> Content:
    """Return what a store holds, read without this project or MLflow; it must be sound and all of its runs finished."""
    found = defaultdict(list)
    with closing(sqlite3.connect(place.database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        rows = connection.execute(
            "SELECT run_uuid, status, artifact_uri FROM runs JOIN experiments USING (experiment_id) "
            "WHERE runs.lifecycle_stage = 'active' AND experiments.name = ?",
            [place.experiment],
        ).fetchall()
        for run_id, status, address in rows:
            tags = dict(connection.execute("SELECT key, value FROM tags WHERE run_uuid = ?", [run_id]))
            name = tags.get("job_hash") or tags["kind"]
            assert status == "FINISHED", (name, status, tags.get("mlflow.runName"))
            sizes = [
                connection.execute(f"SELECT count(*) FROM {table} WHERE {column} = ?", [run_id]).fetchone()[0]  # noqa: S608
                for table, column in (
                    ("params", "run_uuid"),
                    ("latest_metrics", "run_uuid"),
                    ("inputs", "destination_id"),
                )
            ]
            curves = "SELECT count(*) FROM (SELECT DISTINCT key, step FROM metrics WHERE run_uuid = ?)"
            sizes += connection.execute(curves, [run_id]).fetchone()
            found[name].append((*sizes, tuple(sorted(tags)), artifacts(place, address)))
    return dict(found)


def artifacts(place: Place, address: str) -> tuple[str, ...]:
    """Return the names of a run's artifacts; there are some, none is empty, and its trajectory can be read."""
    path = Path(urlsplit(address).path)
    folder = place.database.parent / "mlartifacts" / path.relative_to("/") if address.startswith("mlflow-") else path
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files, address
    assert all(path.stat().st_size for path in files)
    for path in files:
        if path.suffix == ".npz":
            assert zipfile.ZipFile(path).testzip() is None
    return tuple(sorted(str(path.relative_to(folder)) for path in files))


def check_files(place: Place) -> None:
    """Check that a local store has a folder for each run and no other, and that nothing large lies beside it."""
    with closing(sqlite3.connect(place.database)) as connection:
        known = {run_id for (run_id,) in connection.execute("SELECT run_uuid FROM runs")}
    folders = {path.name for path in (place.folder / "mlartifacts").iterdir() if path.name[0] != "."}
    assert folders == known
    assert not [*place.folder.glob("mlartifacts/.recording/*.json")]  # Journals; the next command settles them.
    own = {"mlartifacts", *(f"{place.database.name}{end}" for end in ("", "-wal", "-shm"))}  # -wal: a task has it open
    beside = [path for path in place.folder.iterdir() if path.name not in own]
    large = [each for path in beside for each in (path, *path.rglob("*")) if each.is_file()]
    assert {path.name: path.stat().st_size for path in large if path.stat().st_size > LARGE} == {}


@dataclass(frozen=True)
class Quiet:
    """How long a command takes that nobody kills, when each of the MOMENTS is over, and what it leaves."""

    seconds: float
    moments: Mapping[str, float]
    content: Content


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Callable[[], str]]:
    """Return a function that starts a tracking server, ending the one before, and returns its address."""
    folder = tmp_path_factory.mktemp("server")
    started: list[subprocess.Popen[bytes]] = []
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    def end() -> None:
        for process in started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=30)

    def serve() -> str:
        end()
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        command = server_command(f"sqlite:///{folder / 'server.db'}", port=port)
        started.append(subprocess.Popen(command, cwd=folder, start_new_session=True, **quiet))
        for _ in range(300):
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return f"http://127.0.0.1:{port}"
            time.sleep(0.2)
        pytest.fail("the server does not answer")

    serve.folder = folder
    serve.running = cache(serve)  # Started once for all kills.
    yield serve
    end()


@pytest.fixture(scope="module")
def at(tmp_path_factory, empty_store, server) -> Callable[[str, str], Place]:
    """Return a function that makes a place for a scenario, with the store that it is to find."""

    def make(name: str, experiment: str) -> Place:
        scenario, folder = SCENARIOS[name], tmp_path_factory.mktemp(name)
        if scenario.has_server:
            return Place(folder, server.running(), server.folder / "server.db", experiment)
        database = folder / "mlflow.db"
        if not scenario.is_fresh:
            shutil.copy(empty_store, database)
        return Place(folder, f"sqlite:///{database}", database, experiment)

    return make


@pytest.fixture(scope="module")
def quiet(at) -> Callable[[str], Quiet]:
    """Return a function that runs a scenario once without a kill."""

    @cache
    def measure(name: str) -> Quiet:
        place, scenario = at(name, f"quiet_{name}"), SCENARIOS[name]
        clock = time.perf_counter()
        process = place.start(scenario.command)
        moments = {MOMENTS[0]: 0.0}
        for moment in MOMENTS[1:]:
            while process.poll() is None and not place.has_begun(moment):
                time.sleep(0.001)
            moments[moment] = time.perf_counter() - clock
        code = process.wait(timeout=240)
        seconds = time.perf_counter() - clock
        assert code == 0, place.log.read_text()
        place.wait_for_tasks()
        return Quiet(seconds, moments, content(place))

    return measure


def kill(
    place: Place, scenario: Scenario, quiet: Quiet, draw: random.Random, server: Callable[[], str]
) -> tuple[str, "subprocess.Popen[bytes]"]:
    """Start a command, signal it or end its server at a random time, and return what was done and the process."""
    [sent] = draw.choices([*SIGNALS], [*SIGNALS.values()])
    moment = draw.choice(MOMENTS if scenario.is_fresh else MOMENTS[:1])
    delay = float(DELAY) if DELAY else draw.uniform(0, quiet.seconds - quiet.moments[moment])
    process = place.start(scenario.command)
    while moment != MOMENTS[0] and process.poll() is None and not place.has_begun(moment):
        time.sleep(0.001)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=delay)
    if scenario.ends_server:
        server()
    else:
        process.send_signal(sent)
    done = "the server ended" if scenario.ends_server else sent.name
    return f"seed {SEED}, {done} {delay:.4f} s after {moment} (of {quiet.seconds:.2f} s)", process


def check(found: Content, expected: Content, *, again: int) -> None:
    """Check that there is all that a quiet command leaves, in every detail, and each of it once, or `again`."""
    assert found.keys() == expected.keys()
    assert Counter({name: len(runs) for name, runs in found.items() if len(runs) > again}) == Counter()
    for name, runs in found.items():
        assert set(runs) == set(expected[name]), name


@pytest.mark.parametrize(
    ("name", "number"), [(name, number) for name, scenario in SCENARIOS.items() for number in range(scenario.kills)]
)
def test_a_killed_command_can_be_repeated(at, quiet, server, name, number):
    """Whatever it was doing, the same command then ends well, and what the store holds is whole."""
    scenario, place = SCENARIOS[name], at(name, f"{name}_{number}")
    draw = random.Random(f"{SEED} {name} {number}")  # noqa: S311 - moments to kill at, nothing secret
    told, process = kill(place, scenario, quiet(name), draw, server)
    try:
        assert process.wait(timeout=120) in ({0, 1, 2} if scenario.ends_server else {0, *ENDS}), place.log.read_text()
        assert process.returncode < 0 or "Traceback" not in place.log.read_text(), place.log.read_text()
        place.finish(scenario.command)
        place.wait_for_tasks()
        check(content(place), quiet(name).content, again=1 if scenario.is_sweep else 2)
        if not scenario.has_server:
            check_files(place)
    except BaseException as error:
        error.add_note(f"{name} {number}: {told}")
        raise
    finally:
        for task in tasks(place.folder):
            with suppress(ProcessLookupError):
                os.kill(int(task.name), signal.SIGKILL)
