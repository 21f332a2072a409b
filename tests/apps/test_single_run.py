"""`student-score`: what a single training prints, records and costs."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from student_score.tracking.store import Store

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


@pytest.mark.slow
def test_ctrl_c_ends_with_a_sentence(store_uri, tmp_path):
    """An interrupted training exits with 130, without a traceback and without a run."""
    process = subprocess.Popen(
        [BIN / "student-score", "training.epochs=30000000"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,  # noqa: PLW1509 - it calls nothing that another thread could hold a lock of
    )
    wait_for_training(process.pid)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.splitlines()[0].startswith("Training 2 relu units for 30000000 epochs")
    assert errors.endswith("\nstudent-score: interrupted; what was recorded so far stays\n")
    assert not (tmp_path / "mlflow.db").exists() or Store(store_uri, "student-score").search("") == []


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


def interruptible() -> None:
    """Let a child process hear Ctrl-C although a suite that runs in the background ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
