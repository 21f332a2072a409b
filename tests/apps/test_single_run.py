"""`student-score`: what a single training prints, records and costs."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import pytest

from student_score.config.schema import Config, DatasetConfig, TrainingConfig
from student_score.runs.execution import execute
from student_score.runs.recording import record
from student_score.runs.task import prepare
from student_score.tracking.store import Store

ROOT = Path(__file__).resolve().parents[2]

BIN = Path(sys.executable).parent


@pytest.mark.slow
def test_the_articles_training(student_score, store_uri):
    """Without arguments the article's training is printed and recorded as one finished run."""
    done = student_score()
    assert done.returncode == 0, done.stderr
    assert done.stderr == "Training 2 relu units for 1000 epochs at a rate of 0.0001 on student_scores.csv\n"
    lines = done.stdout.splitlines()
    assert lines[1] == "Epoch 100: Avg Loss = 1.59"
    assert "Input: [studied: 5h, slept: 8h] -> Predicted score: 86.1" in lines
    store = Store(store_uri, "student-score")
    [run] = store.search("")
    assert run.run_id in lines[-2]
    assert run.run_id in lines[-1]
    assert (run.status, run.tags["outcome"], run.params["training.epochs"]) == ("FINISHED", "slow", "1000")
    assert run.read_text("transcript.txt").splitlines() == lines[:-3]
    assert run.trajectory().avg_loss.shape == (1000,)


@pytest.mark.slow
def test_a_server_that_is_silent_costs_a_bounded_wait(student_score):
    """A server that accepts and says nothing is given up, before anything is trained; else this test would not end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = student_score(f"tracking.uri=http://127.0.0.1:{server.getsockname()[1]}")
    assert done.returncode == 2
    assert "no answer" in done.stderr
    assert "Nothing was recorded." in done.stderr
    assert done.stdout == ""


@pytest.mark.slow
def test_a_traceback_comes_only_when_asked_for(student_score, monkeypatch):
    """HYDRA_FULL_ERROR=1 shows where an error was raised."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    done = student_score("training.learning_rat=1")
    assert "Traceback" in done.stderr


DATA = DatasetConfig(path=str(ROOT / "data/student_scores.csv"))
RECORDED = Config(dataset=DATA, training=TrainingConfig(epochs=20))

SWEEP = ["-m", "training.learning_rate=0.001,0.002", "training.epochs=20"]

COMMANDS = {
    "one": ["student-score", "training.epochs=20"],
    "sweep": ["student-score", *SWEEP],
    "help": ["student-score", "--help"],
    "rerun": ["student-score-rerun", "RUN"],
    "predict": ["student-score-predict", "RUN", DATA.path],
    "ui": ["student-score-ui", "--link-only"],
    "study": ["student-score-study"],
    "report": ["student-score-report", "--output", "report.html"],
}


def into(reader: str, *arguments: str, folder: Path) -> tuple[int, list[str]]:
    """Run a command whose stdout is a pipe that nobody reads, a full disk, or closed; return its code and complaints.

    What is under way may be said too, on a busy machine.
    """
    ours, pipe = os.pipe()
    os.close(ours)
    full = os.open("/dev/full", os.O_WRONLY)
    done = subprocess.run(
        [BIN / arguments[0], *arguments[1:]],
        cwd=folder,
        stdout={"pipe": pipe, "full": full, "closed": None}[reader],
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        preexec_fn=(lambda: os.close(1)) if reader == "closed" else None,
    )
    os.close(pipe)
    os.close(full)
    return done.returncode, [line for line in done.stderr.splitlines() if not line.startswith(UNDER_WAY)]


UNDER_WAY = ("Training", "Checking", "Compiling")

FULL = "the output could not be written: No space left on device; what was recorded stays"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reader", "name"),
    [
        *(("pipe", name) for name in COMMANDS),
        *(("full", "one"), ("full", "ui"), ("closed", "one")),
    ],
)
def test_nothing_is_lost_when_nobody_reads(store_uri, folder, reader, name):
    """Every command does its work; a pipe that closed ends in silence with 141, a full disk in a sentence with 1."""
    store = Store(store_uri, "student-score")
    arguments = COMMANDS[name]
    if "RUN" in arguments:
        recorded = store.record(record(execute(prepare(RECORDED))))
        arguments = [recorded if argument == "RUN" else argument for argument in arguments]
    before = len(store.search(""))
    code, said = into(reader, *arguments, folder=folder)
    assert (code, said) == {
        "pipe": (141, []),
        "full": (1, [f"{arguments[0]}: {FULL}"]),
        "closed": (0, []),
    }[reader]
    runs = store.search("")
    assert len(runs) - before == {"one": 1, "sweep": 3}.get(name, 0)
    assert {run.status for run in runs} <= {"FINISHED"}
    assert (folder / "report.html").exists() == (name == "report")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "code", "said"),
    [
        ([signal.SIGINT], 130, "student-score: interrupted; what was recorded so far stays\n"),
        ([signal.SIGHUP], 129, ""),
        ([signal.SIGHUP, signal.SIGTERM], 143, ""),
    ],
)
def test_an_interruption_ends_a_training_in_order(store_uri, tmp_path, sent, code, said):
    """Ctrl-C is answered by a sentence, and a terminal that closes by nothing; under nohup it changes nothing.

    There is no traceback and no run.
    """
    process = subprocess.Popen(
        [BIN / "student-score", "training.epochs=30000000"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(interruptible, nohup=len(sent) > 1),  # noqa: PLW1509 - it takes no lock
    )
    wait_for_training(process.pid)
    for number in sent:
        process.send_signal(number)
        time.sleep(0.3)
        assert len(sent) == 1 or number == sent[-1] or process.poll() is None
    printed, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert re.fullmatch(f"Training 2 relu units for 30000000 epochs .*\n(Compiling .*\n)?{said}", errors)
    assert printed == ""
    assert Store(store_uri, "student-score").search("") == []


NOBODY = [
    "setpriv",
    *("--reuid=12345", "--regid=12345", "--clear-groups"),
    # May read what lies in root's own folders, as the interpreter may.
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),
]
"""Runs a command as a user whom no file of this machine names, and who may write nothing of others."""


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0 or shutil.which("setpriv") is None, reason="only root can be somebody else")
def test_a_user_without_a_name_and_a_home():
    """Nobody trains, sweeps and draws without HOME, and with one that is read-only, and is told nothing of it."""
    with tempfile.TemporaryDirectory() as name:  # Pytest's own folders are closed to others.
        folder, home, uri = Path(name), Path(name) / "home", f"sqlite:///{name}/mlflow.db"
        home.mkdir(mode=0o555)
        folder.chmod(0o777)
        bare = {"PATH": "/usr/bin:/bin", "TMPDIR": name, "MLFLOW_TRACKING_URI": uri}
        for environment, arguments in ((bare, SWEEP), ({**bare, "HOME": str(home)}, [])):
            command = [*NOBODY, BIN / "student-score", *arguments, "training.trainer=reference"]
            done = subprocess.run(command, env=environment, cwd=name, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert [line for line in done.stderr.splitlines() if not line.startswith(UNDER_WAY)] == []
        runs = Store(uri, "student-score").search("")
        assert len(runs) == 4
        assert {run.tags["mlflow.user"] for run in runs if "outcome" in run.tags} == {"12345"}
        assert list(home.iterdir()) == []


def wait_for_training(process: int) -> None:
    """Wait until a process has loaded the compiler, and a little longer."""
    maps = Path(f"/proc/{process}/maps")
    for _ in range(600):
        if not maps.exists() or "llvmlite" in maps.read_text():
            break
        time.sleep(0.1)
    time.sleep(2)


def seconds(*command: str | Path) -> float:
    """Return the wall time of a command."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "COLUMNS": "200"})
    return time.perf_counter() - begin


@pytest.mark.slow
@pytest.mark.parametrize("argument", ["--help", "training.learning_rat=1"])
def test_help_imports_nothing_slow(argument):
    """The help and a mistyped override answer before mlflow, scikit-learn, pandas, matplotlib or numba are imported."""
    code = (
        "import sys; from student_score.commands.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, argument], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.splitlines()[-1].split())
    assert not loaded & {"mlflow", "sklearn", "pandas", "matplotlib", "numba", "rich"}


@pytest.mark.slow
def test_the_package_is_a_command_too(student_score, store_uri):
    """`python -m student_score` takes the same arguments, -v among them, which shows how runs are recorded."""
    sweep = ["-m", "training.learning_rate=0.0001,0.01", "training.epochs=20", "-v"]
    done = student_score("-m", "student_score", *sweep, command=sys.executable)
    assert done.returncode == 0, done.stderr
    assert "Runs are recorded in one transaction" in done.stderr


@pytest.mark.slow
@pytest.mark.alone
def test_a_tracked_run_costs_little_more_than_the_libraries(store_uri, tmp_path):
    """Side by side: at most 1.5 times a bare script that imports hydra and mlflow and creates one empty run.

    The two are measured in turn, since on a busy machine both take longer; one pair of three must do.
    """
    bare = tmp_path / "bare.py"
    bare.write_text("import hydra\nimport mlflow\n\nwith mlflow.start_run():\n    pass\n")
    commands = [(BIN / "student-score",), (sys.executable, bare)]
    for command in commands:
        seconds(*command)
    ratios: list[float] = []
    while not ratios or (len(ratios) < 3 and ratios[-1] >= 1.5):
        ratios.append(seconds(*commands[0]) / seconds(*commands[1]))
    assert ratios[-1] < 1.5, ratios


def interruptible(*, nohup: bool = False) -> None:
    """Let a child process hear Ctrl-C although a suite in the background ignores it, and a hang-up unless `nohup`."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)
