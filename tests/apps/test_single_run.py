"""`student-score`: what a single training prints, records and costs."""

import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from student_score.tracking import Store

BIN = Path(sys.executable).parent


def test_the_articles_training(student_score, store_uri):
    """Without arguments the article's training is printed and recorded as one finished run."""
    done = student_score()
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[1] == "Epoch 100: Avg Loss = 1.59"
    assert "Input: [studied: 5h, slept: 8h] -> Predicted score: 86.1" in lines
    store = Store(store_uri, "student-score")
    [run] = store.search("")
    assert run.run_id in lines[-1]
    assert (run.status, run.tags["outcome"], run.params["training.epochs"]) == ("FINISHED", "slow", "1000")
    assert run.artifact("transcript.txt").read_text().splitlines() == lines[:-2]
    assert run.trajectory().avg_loss.shape == (1000,)


def test_divergence_is_a_result(student_score, store_uri):
    """At rate 3 the run says diverged, exits with 0 and is finished; at rate 2 it is finite and does not say so."""
    done = student_score("training.learning_rate=3")
    assert done.returncode == 0, done.stderr
    assert "Outcome: diverged" in done.stdout
    assert "Outcome: collapsed" in student_score("training.learning_rate=2").stdout
    two, three = sorted(
        Store(store_uri, "student-score").search(""), key=lambda run: run.params["training.learning_rate"]
    )
    assert (three.status, three.tags["outcome"], three.metrics["diverged"]) == ("FINISHED", "diverged", 1)
    assert two.metrics["diverged"] == 0
    assert two.metrics["avg_loss"] == pytest.approx(1.149e14, rel=1e-3)
    with closing(sqlite3.connect(store_uri.removeprefix("sqlite:///"))) as connection:
        query = "SELECT count(*) FROM metrics WHERE is_nan OR abs(value) > 1.7e308"
        assert connection.execute(query).fetchone() == (0,)


def test_any_csv_file_can_be_trained_on(student_score, tmp_path, store_uri):
    """Other columns, a test split, standardised inputs and more units need nothing but overrides."""
    path = tmp_path / "elsewhere/grades.csv"
    path.write_text("reading,maths,age,grade\n" + "".join(f"{k},{k * k % 7},{20 + k},{k + 3}\n" for k in range(20)))
    done = student_score(
        "dataset=csv",
        "dataset.path=grades.csv",
        "dataset.features=[reading,maths,age]",
        "dataset.target=grade",
        "dataset.test_fraction=0.25",
        "dataset.scale=features",
        "network=he",
        "network.hidden_size=4",
        "training.epochs=200",
    )
    assert done.returncode == 0, done.stderr
    assert "(test rows: " in done.stdout
    [run] = Store(store_uri, "student-score").search("")
    assert {"test_mse", "baseline/linear/test_mse", "baseline/mean/test_mse"} <= set(run.metrics)
    assert len(run.artifact("predictions.csv").read_text().splitlines()) == 21


BAD_CSV = {
    "empty": "",
    "header_only": "hours_studied,hours_slept,exam_score\n",
    "no_column": "hours_studied,exam_score\n5,85\n",
    "text": "hours_studied,hours_slept,exam_score\n5,eight,85\n2,6,sixty\n",
    "not_finite": "hours_studied,hours_slept,exam_score\n5,inf,85\n2,nan,60\n",
    "duplicate": "hours_studied,hours_slept,hours_slept,exam_score\n5,8,8,85\n",
}


@pytest.fixture
def bad_csv(tmp_path) -> Path:
    """Return a folder with every file of BAD_CSV."""
    for name, text in BAD_CSV.items():
        (tmp_path / f"{name}.csv").write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("training.rate=1", "Key 'rate' not in"),
        ("training.epochs=many", "could not be converted to Integer"),
        ("training.learning_rate=0", "it must be a positive, finite number"),
        ("training.learning_rate=-1", "it must be a positive, finite number"),
        ("training.learning_rate=nan", "it must be a positive, finite number"),
        ("training.learning_rate=inf", "it must be a positive, finite number"),
        ("training.epochs=0", "it must be at least 1"),
        ("network.hidden_size=0", "it must be at least 1"),
        ("network.activation=swish", "expected one of [relu, leaky_relu, tanh, sigmoid, identity]"),
        ("network.hidden_size=3", "article has 2 features and 2 hidden units"),
        ("dataset.features=[hours_slept]", "each row needs 1 finite number"),
        ("training.row_order=[0,0,1]", "must name each of the 3 training rows 0..2 exactly once"),
        ("dataset.test_fraction=1", "at least 0 and below 1"),
        ("dataset.test_fraction=0.99", "leaves no row to train on"),
        ("dataset.path=none.csv", "there is no file none.csv"),
        ("dataset.path=.", "is a directory"),
        ("dataset.path=../empty.csv", "is empty"),
        ("dataset.path=../header_only.csv", "has a header but no rows"),
        ("dataset.path=../no_column.csv", "has no column 'hours_slept'; its columns are 'hours_studied', 'exam_score'"),
        ("dataset.path=../text.csv", "line 2, column hours_slept: 'eight' is not a finite number; line 3, column exam"),
        ("dataset.path=../not_finite.csv", "line 2, column hours_slept: 'inf'"),
        ("dataset.path=../duplicate.csv", "duplicate column names: 'hours_slept'"),
        ("training.epochs=[", "cannot parse the override 'training.epochs=['"),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(student_score, bad_csv, override, said):
    """One or two sentences on stderr, nothing on stdout, exit code 2, no traceback, no store, no file."""
    done = student_score(override)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.startswith("student-score: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert not list(bad_csv.glob("mlflow.db*"))
    assert not list((bad_csv / "elsewhere").iterdir())


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("sqlite:////proc/none/mlflow.db", "cannot be used"),
        ("sqlite:///file:{store}?mode=ro&uri=true", "attempt to write a readonly database"),
        ("nonsense://x", "unsupported URI 'nonsense://x'"),
    ],
)
def test_a_store_that_fails_is_named(student_score, store_uri, uri, said):
    """The sentence names the store and says that the training was not recorded."""
    Store(store_uri, "student-score")
    done = student_score(f"tracking.uri='{uri.format(store=store_uri.removeprefix('sqlite:///'))}'")
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.rstrip().endswith("The training was not recorded.")
    assert "Traceback" not in done.stderr
    assert Store(store_uri, "student-score").search("") == []


def test_a_server_that_is_silent_costs_a_bounded_wait(student_score):
    """A server that accepts and says nothing is given up after some seconds, before anything is trained."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        begin = time.perf_counter()
        done = student_score(f"tracking.uri=http://127.0.0.1:{server.getsockname()[1]}")
        assert time.perf_counter() - begin < 15
    assert done.returncode == 2
    assert "no answer" in done.stderr
    assert "The training was not recorded." in done.stderr
    assert done.stdout == ""


def test_a_traceback_comes_only_when_asked_for(student_score, monkeypatch):
    """HYDRA_FULL_ERROR=1 shows where an error was raised."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    done = student_score("training.learning_rat=1")
    assert "Traceback" in done.stderr


def test_ctrl_c_ends_with_a_sentence(store_uri, tmp_path):
    """An interrupted training exits with 130, without a traceback and without a run."""
    process = subprocess.Popen(
        [BIN / "student-score", "training.epochs=30000000"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == "student-score: interrupted; what was recorded so far stays\n"
    assert not (tmp_path / "mlflow.db").exists() or Store(store_uri, "student-score").search("") == []


def seconds(*command: str | Path) -> float:
    """Return the wall time of a command."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "COLUMNS": "200"})
    return time.perf_counter() - begin


def test_help_imports_nothing_slow():
    """The help and a mistyped override answer before mlflow, scikit-learn, pandas, matplotlib or numba are imported."""
    code = (
        "import sys; from student_score.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    for argument in ("--help", "training.learning_rat=1"):
        done = subprocess.run([sys.executable, "-c", code, argument], capture_output=True, text=True, check=True)
        loaded = set(done.stderr.splitlines()[-1].split())
        assert not loaded & {"mlflow", "sklearn", "pandas", "matplotlib", "numba", "rich"}
    assert min(seconds(BIN / "student-score", "--help") for _ in range(3)) < 1.2


def test_a_tracked_run_costs_little_more_than_the_libraries(store_uri, tmp_path):
    """Side by side: at most 1.5 times a bare script that imports hydra and mlflow and creates one empty run."""
    bare = tmp_path / "bare.py"
    bare.write_text("import hydra\nimport mlflow\n\nwith mlflow.start_run():\n    pass\n")
    commands = [(BIN / "student-score",), (sys.executable, bare)]
    for command in commands:
        seconds(*command)
    ratios = [seconds(*commands[0]) / seconds(*commands[1]) for _ in range(3)]
    assert statistics.median(ratios) < 1.5, ratios
