"""`student-score` in this process: results, mistakes and stores that fail, each with its sentence and exit code."""

import errno
import sqlite3
from contextlib import closing
from dataclasses import astuple
from pathlib import Path

import numba
import pytest

from student_score.commands import main
from student_score.errors import TrackingError
from student_score.runs import execution
from student_score.sweeps import sweep
from student_score.tracking.store import Store


def test_divergence_is_a_result(cli, store_uri):
    """At rate 3 the run says diverged, exits with 0 and is finished; at rate 2 it is finite and does not say so."""
    done = cli("training.learning_rate=3")
    assert done.code == 0, done.err
    assert "Outcome: diverged" in done.out
    assert "Outcome: collapsed" in cli("training.learning_rate=2").out
    two, three = sorted(
        Store(store_uri, "student-score").search(""), key=lambda run: run.params["training.learning_rate"]
    )
    assert (three.status, three.tags["outcome"]) == ("FINISHED", "diverged")
    assert three.metrics["diverged_epoch"] > 1
    assert "diverged_epoch" not in two.metrics
    assert two.metrics["avg_loss"] == pytest.approx(1.149e14, rel=1e-3)
    with closing(sqlite3.connect(store_uri.removeprefix("sqlite:///"))) as connection:
        query = "SELECT count(*) FROM metrics WHERE is_nan OR abs(value) > 1.7e308"
        assert connection.execute(query).fetchone() == (0,)


def test_any_csv_file_can_be_trained_on(cli, folder, store_uri):
    """Other columns, a test split, standardised inputs and more units need nothing but overrides."""
    path = folder / "grades.csv"
    path.write_text("reading,maths,age,grade\n" + "".join(f"{k},{k * k % 7},{20 + k},{k + 3}\n" for k in range(20)))
    done = cli(
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
    assert done.code == 0, done.err
    assert "; test rows: " in done.out
    [run] = Store(store_uri, "student-score").search("")
    assert {"test_mse", "baseline/linear/test_mse", "baseline/mean/test_mse"} <= set(run.metrics)
    assert len(run.read_text("predictions.csv").splitlines()) == 21


def test_a_csv_file_has_to_be_named(first_cli, folder, tmp_path):
    """dataset=csv without a file, alone or in a sweep, trains nothing, least of all the article's rows."""
    for arguments in (["dataset=csv"], ["-m", "dataset=csv", "training.learning_rate=0.1,0.2"]):
        done = first_cli(*arguments)
        assert done.code == 2
        assert "dataset.path is empty: name a CSV file and its columns: dataset=csv dataset.path=FILE" in done.err
        assert done.out == ""
    assert not (tmp_path / "mlflow.db").exists()


def test_csv_files_can_be_swept(cli, folder, store_uri):
    """The file may be what is swept: the group alone needs none."""
    for name in ("a", "b"):
        (folder / f"{name}.csv").write_text(f"hours_studied,hours_slept,exam_score\n1,8,5{ord(name) % 10}\n2,6,60\n")
    done = cli("-m", "dataset=csv", "dataset.path=a.csv,b.csv", "training.epochs=5")
    assert done.code == 0, done.err
    paths = {run.params.get("dataset.path", "")[-5:] for run in Store(store_uri, "student-score").search("")}
    assert {"a.csv", "b.csv"} <= paths


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["training.learning_rate=0.1,0.2", "network=he"],
            "several values make a sweep, which needs -m: student-score -m training.learning_rate=0.1,0.2 network=he",
        ),
        (["training.epochs=range(1,3)"], "which needs -m: student-score -m 'training.epochs=range(1,3)'"),
        (["network.seed=choice(1,3)"], "which needs -m: student-score -m 'network.seed=choice(1,3)'"),
        (
            ["training.learning_rate=logspace(0.1,1,3)"],
            "which needs -m: student-score -m 'training.learning_rate=logspace(0.1,1,3)'",
        ),
        (["network=article,he"], "which needs -m: student-score -m network=article,he"),
        (["dataset.features=a,b"], "One list needs brackets: 'dataset.features=[a,b]'"),
    ],
)
def test_several_values_need_m(first_cli, arguments, said):
    """The sentence has the command to type; nothing is trained."""
    done = first_cli(*arguments)
    assert done.code == 2
    assert done.err.rstrip().endswith(said)
    assert done.err.count("\n") == 1
    assert done.out == ""


@pytest.mark.slow
@pytest.mark.parametrize("launched", ["hydra/launcher=basic", "hydra/launcher=joblib", "hydra/sweeper=basic"])
def test_a_logspace_is_swept_however_jobs_are_launched(cli, store_uri, launched):
    """Other launchers get plain values; Hydra's basic sweeper calls the function itself."""
    done = cli("-m", "training.learning_rate=logspace(0.0001,0.01,3)", "training.epochs=20", launched)
    assert done.code == 0, done.err
    runs = Store(store_uri, "student-score").search("tags.outcome != ''")
    assert sorted(run.params["training.learning_rate"] for run in runs) == ["0.0001", "0.001", "0.01"]


def test_compiling_is_said_only_when_something_is_compiled(cli, monkeypatch):
    """A training whose kernel is there is silent about it; stdout holds the results alone either way."""
    cli()
    assert "Compiling" not in cli().err
    from student_score.runs import execution

    train_each = execution.train_each

    def compiled(*arguments, **settings):
        numba.njit(lambda x: x + 1)(1)
        numba.njit(lambda x: x + 2)(1)
        return train_each(*arguments, **settings)

    monkeypatch.setattr(execution, "train_each", compiled)
    done = cli()
    assert done.err.count("Compiling the trainer, once on this machine; it takes some seconds\n") == 1
    assert done.out.startswith("Epoch 50: ")
    assert "Compiling" not in cli("training.trainer=reference").err


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
def test_bad_input_is_named_and_leaves_nothing(first_cli, bad_csv, override, said):
    """One or two sentences on stderr, nothing on stdout, exit code 2, no traceback, no store, no file."""
    done = first_cli(override)
    assert done.code == 2
    assert said in done.err
    # On a busy machine a line before it may say what is under way.
    [sentence] = [line for line in done.err.splitlines() if not line.startswith("Training ")]
    assert sentence.startswith("student-score: ")
    assert done.out == ""
    assert not list(bad_csv.glob("mlflow.db*"))
    assert not list((bad_csv / "elsewhere").iterdir())


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("sqlite:////proc/none/mlflow.db", "cannot be used"),
        ("sqlite:///file:{store}?mode=ro&uri=true", "attempt to write a readonly database"),
        ("nonsense://x", "nonsense://x cannot be used: it is no address of a store"),
    ],
)
def test_a_store_that_fails_is_named(cli, store_uri, uri, said):
    """The sentence names the store and says that the training was not recorded."""
    Store(store_uri, "student-score")
    done = cli(f"tracking.uri='{uri.format(store=store_uri.removeprefix('sqlite:///'))}'")
    assert done.code == 2
    assert said in done.err
    assert done.err.rstrip().endswith("Nothing was recorded.")
    assert "Traceback" not in done.err
    assert Store(store_uri, "student-score").search("") == []


def test_a_training_is_recorded_before_it_is_printed(cli, store_uri, monkeypatch):
    """Whoever reads its first line finds the run; one that could not be recorded is printed all the same."""
    found = []

    def seen(run):
        found.append(len(Store(store_uri, "student-score").search("")))
        yield "The transcript"

    monkeypatch.setattr("student_score.runs.transcript.transcript", seen)
    assert cli().out.startswith("The transcript\n\nRecorded as run ")
    assert found == [1]

    def failing(*_):
        raise TrackingError("gone")

    monkeypatch.setattr(Store, "record", failing)
    assert astuple(cli()) == (2, "The transcript\n", "student-score: gone. Nothing was recorded.\n")


def test_a_full_disk_is_no_bug(cli, monkeypatch):
    """Nor is a lack of memory: a sentence each, without a line of Hydra's; a traceback comes if it is asked for."""
    for error, said in (
        (OSError(errno.ENOSPC, "No space left on device", "/a/b"), "/a/b cannot be used: No space left on device"),
        (MemoryError(), "there is not enough memory"),
    ):
        monkeypatch.setattr(main, "run_alone", raising(error))
        assert astuple(cli()) == (2, "", f"student-score: {said}\n")
        monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
        with pytest.raises(type(error)):
            cli()
        monkeypatch.delenv("HYDRA_FULL_ERROR")


def raising(error: Exception):
    """Return a function that raises."""

    def function(_):
        raise error

    return function


@pytest.mark.parametrize("before", [[], ["-m", "training.learning_rate=0.1,0.2"], ["training.epochs="]])
def test_a_password_is_not_said(first_cli, before):
    """Neither in what is under way nor in what went wrong."""
    done = first_cli(*before, "tracking.uri=http://ann:s3cret@127.0.0.1:1/")
    assert done.code == 2
    assert "s3cret" not in done.out + done.err
    assert "http://ann:***@127.0.0.1:1/" in done.err or before == ["training.epochs="]


@pytest.mark.slow
def test_a_password_is_not_recorded(in_process, store_uri, folder, monkeypatch):
    """No file and no table of a store holds it after a training, and a sweep of which one run failed on it."""
    path = store_uri.removeprefix("sqlite:///")
    address = f"sqlite:///file:{path}?uri=true&password=s3cret"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    quick = ["training.epochs=5", f"tracking.uri='{address}'"]
    assert in_process(*quick).code == 0
    execute = execution.execute_together

    def failing(tasks):
        if any(task.config.print_every == 2 for task in tasks):
            raise ValueError(f"no answer from {tasks[0].config.tracking.uri}")
        return execute(tasks)

    monkeypatch.setattr(execution, "execute_together", failing)
    done = in_process("-m", *quick, "print_every=1,2")
    assert done.code == 1
    assert "no answer from" in done.err
    assert "password=***" in done.out
    assert "s3cret" not in done.out + done.err
    runs = Store(store_uri, "student-score").search("")
    assert sorted(run.status for run in runs) == ["FAILED", "FAILED", "FINISHED", "FINISHED"]
    assert {run.params["tracking.uri"] for run in runs if run.params} == {address.replace("s3cret", "***")}
    files = [file for file in folder.parent.rglob("*") if file.is_file()]
    assert len(files) > 10
    assert [file for file in files if b"s3cret" in file.read_bytes()] == []


def test_a_job_of_a_sweep_is_known_by_the_sweeps_own_variable():
    """The command looks for it before it imports the module that announces it."""
    assert main.MEMBERSHIP == sweep.MEMBERSHIP


def test_an_experiment_that_sweeps_is_not_trained_once(cli):
    """Without -m its list of rates would be left out in silence."""
    done = cli("experiment=rates", "training.epochs=10")
    assert done.code == 2
    assert "it sweeps training.learning_rate, which needs -m: student-score -m experiment=rates training" in done.err


def test_what_is_wrong_with_many_jobs_is_said_once(cli):
    """What all have in common is no job's own; else the first of them stands for the others."""
    done = cli("-m", "dataset=csv", "training.epochs=1,2,3")
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("student-score: dataset.path is empty: name a CSV file")
    done = cli("-m", "training.learning_rate=0.1,-1", "training.epochs=1,2,3")
    assert done.code == 2
    assert done.err.count("it must be a positive, finite number") == 1
    assert (
        "3 of 6 jobs cannot run, so none was started. training.learning_rate=-1 training.epochs=1 and 2 more:"
        in done.err
    )
