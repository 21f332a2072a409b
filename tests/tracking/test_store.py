"""Recording in MLflow: whole or not at all, nothing that is not finite, clear sentences when the store fails."""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.db import utils

from student_score.errors import InputError, TrackingError
from student_score.tracking import internals
from student_score.tracking.environment import server_command
from student_score.tracking.record import Input, Record
from student_score.tracking.store import Store, store_errors
from student_score.tracking.views import LOSS_LIMITS, view_tag


def some_record(**changes: object) -> Record:
    """Return a small record with something of everything."""
    values = {
        "name": "lr=0.1 relu",
        "start_time": 1_000,
        "end_time": 2_000,
        "params": {"training.epochs": "10"},
        "tags": {"outcome": "slow"},
        "metrics": {"baseline/mean/train_mse": 216.5},
        "curves": {"avg_loss": ([1, 5, 10], [3.0, 2.0, 1.0])},
        "inputs": [
            Input(name="students", digest="ab" * 32, context="training", source='{"uri": "x.csv"}', profile="{}")
        ],
        "note": "A note.",
        "write_files": lambda folder: (folder / "config.yaml").write_text("a: 1\n"),
    }
    return Record(**{**values, **changes})


def test_a_record_comes_back_as_it_was_written(store_uri):
    """Everything a record says can be read back from MLflow, and the run is finished."""
    store = Store(store_uri, "tests")
    run_id = store.record(some_record())
    run = store.run(run_id)
    assert (run.name, run.status) == ("lr=0.1 relu", "FINISHED")
    assert run.params == {"training.epochs": "10"}
    assert run.metrics == {"baseline/mean/train_mse": 216.5, "avg_loss": 1.0}
    assert run.tags["outcome"] == "slow"
    assert run.tags["mlflow.note.content"] == "A note."
    assert run.read_text("config.yaml") == "a: 1\n"
    history = store.client.get_metric_history(run_id, "avg_loss")
    assert [(point.step, point.value) for point in history] == [(1, 3.0), (5, 2.0), (10, 1.0)]
    [shown] = store.client.get_run(run_id).inputs.dataset_inputs
    assert (shown.dataset.name, shown.dataset.digest) == ("students", ("ab" * 32)[:36])
    assert [(tag.key, tag.value) for tag in shown.tags] == [("mlflow.data.context", "training")]


def test_curves_longer_than_one_batch_are_kept_whole(store_uri):
    """MLflow takes 1000 metrics a call; a curve of 2500 points needs three and loses none."""
    epochs = list(range(1, 2501))
    store = Store(store_uri, "tests")
    run_id = store.record(some_record(curves={"avg_loss": (epochs, [1.0 / e for e in epochs])}))
    assert len(store.client.get_metric_history(run_id, "avg_loss")) == 2500


def test_children_are_found_under_their_parent(store_uri):
    """A parent's children come back oldest first; other runs do not."""
    store = Store(store_uri, "tests")
    parent = store.create("sweep", {"kind": "sweep"}, "", 1)
    late = store.record(some_record(start_time=30), parent)
    early = store.record(some_record(start_time=20), parent)
    store.record(some_record())
    store.end(parent, "FINISHED")
    assert [run.run_id for run in store.children(parent)] == [early, late]
    assert store.run(parent).status == "FINISHED"


def test_a_run_that_cannot_be_written_whole_is_not_left_behind(store_uri):
    """A record whose files fail leaves no active run."""

    def fail(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    store = Store(store_uri, "tests")
    with pytest.raises(TrackingError, match="No space left on device"):
        store.record(some_record(write_files=fail))
    assert store.search("") == []


def test_the_store_is_in_wal_mode_with_artifacts_beside_it(fresh_uri, tmp_path):
    """A local store lets readers in while a run is written, and keeps its artifacts in its own folder."""
    store = Store(fresh_uri, "tests")
    run_id = store.record(some_record())
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert (tmp_path / "mlartifacts" / run_id / "artifacts/config.yaml").read_text() == "a: 1\n"


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (
            "NewConnectionError(\"HTTPConnection(host='h', port=1): Failed: [Errno 111] Connection refused\")",
            "[Errno 111] Connection refused",
        ),
        (
            "ReadTimeoutError(\"HTTPConnectionPool(host='h', port=1): Read timed out. (read timeout=20)\")",
            "Read timed out",
        ),
    ],
)
def test_a_server_that_goes_away_is_named_in_one_sentence(cause, reason):
    """Of MLflow's report on a request that failed, the cause is what a user needs."""
    text = f"API request to http://h:1/api failed with exception Pool(...): Max retries exceeded (Caused by {cause})"
    with pytest.raises(TrackingError) as failed, store_errors("http://h:1"):
        raise MlflowException(text)
    assert str(failed.value) == f"the tracking store http://h:1 cannot be used: no answer ({reason})"


def test_a_database_that_cannot_be_reached_is_not_tried_for_long(tmp_path, monkeypatch):
    """MLflow alone would try ten times, waiting for 100 s in all; here it waits twice, for a second."""
    monkeypatch.chdir(tmp_path)  # MLflow takes such an address for a relative path and makes its folder.
    waits: list[float] = []
    monkeypatch.setattr(utils.time, "sleep", waits.append)
    with pytest.raises(TrackingError, match="unable to open database file"):
        Store(f"sqlite:///file:{tmp_path}/none/mlflow.db?mode=ro&uri=true", "tests")
    assert len(waits) == internals.ENGINE_ATTEMPTS - 1
    assert sum(waits) < 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to read-only files; the next test uses a read-only URI")
def test_a_read_only_file_is_named(store_uri, tmp_path):
    """A store without write permission is refused before anything is trained."""
    Store(store_uri, "tests")
    (tmp_path / "mlflow.db").chmod(0o444)
    with pytest.raises(TrackingError, match=r"read-only|readonly"):
        Store(store_uri, "tests")


def test_a_read_only_store_records_nothing(store_uri, tmp_path, monkeypatch):
    """A store opened read-only is named with its reason."""
    monkeypatch.chdir(tmp_path)  # MLflow takes such an address for a relative path and makes its folder.
    Store(store_uri, "tests")
    read_only = f"sqlite:///file:{tmp_path / 'mlflow.db'}?mode=ro&uri=true"
    with pytest.raises(TrackingError, match="readonly"):
        Store(read_only, "tests").record(some_record())


def test_a_deleted_experiment_is_named(store_uri):
    """An experiment deleted in the UI is not written to behind the user's back."""
    store = Store(store_uri, "tests")
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(TrackingError, match="the experiment 'tests' was deleted"):
        Store(store_uri, "tests")


@pytest.mark.slow
def test_a_store_of_a_newer_mlflow_is_named(store_uri, tmp_path):
    """A schema revision that this MLflow does not know is refused with MLflow's reason."""
    Store(store_uri, "tests")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    code = f"from student_score.tracking.store import Store; Store({store_uri!r}, 'tests')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "TrackingError" in done.stderr
    assert done.stderr.splitlines()[-1].endswith(
        "does not know its schema revision ffffffffffff; a newer MLflow wrote it"
    )


def test_an_experiment_and_its_sweeps_are_shared_with_the_ui(store_uri):
    """The view of the whole comes with the experiment; those of a sweep have links of their own."""
    store = Store(store_uri, "x")
    parent = store.create("sweep of a", {}, "Two runs.", 1)
    for _ in range(2):
        store.share_sweep(parent, swept=["a"], runs=[])
    tags = store.client.get_experiment(store.experiment_id).tags
    views = {key: json.loads(json.loads(tags[view_tag(key)])["state"]) for key in ("curves", parent)}
    assert views["curves"]["compareRunCharts"][0]["range"]["yMax"] == pytest.approx(np.log10(LOSS_LIMITS[1]))
    assert views[parent]["searchFilter"] == f"tags.`mlflow.parentRunId` = '{parent}'"
    chart, table = store.sweep_links(parent, base="")
    assert chart.endswith(f"compareRunsMode=CHART&viewStateShareKey={parent}")
    assert table.endswith(f"compareRunsMode=TABLE&viewStateShareKey={parent}.table")
    assert view_tag(f"{parent}.table") in tags
    assert store.sweep_links(parent) == (f"http://127.0.0.1:5000/{chart}", f"http://127.0.0.1:5000/{table}")


def test_a_sweep_of_an_older_version_keeps_its_links(store_uri):
    """Where there is one view of charts and table, both links name it; where there is none, they lead to the parent."""
    store = Store(store_uri, "x")
    parent = store.create("sweep of a", {}, "", 1)
    page = f"http://127.0.0.1:5000/#/experiments/{store.experiment_id}/runs/{parent}?workflowType=machine_learning"
    assert store.sweep_links(parent) == (page, page) == (store.run_link(parent),) * 2
    store.client.set_experiment_tag(store.experiment_id, view_tag(parent), "{}")
    assert all(link.endswith(f"viewStateShareKey={parent}") for link in store.sweep_links(parent))


def test_an_experiment_says_what_it_holds_unless_somebody_wrote_something_else(store_uri):
    """An experiment of an older version is brought up to date when it is opened, but for its description."""
    client = Store(store_uri, "x").client
    bare = client.create_experiment("older", tags={view_tag("curves"): "{}"})
    written = client.create_experiment("described", tags={"mlflow.note.content": "Mine."})
    for name in ("older", "described"):
        Store(store_uri, name)
    older, described = (client.get_experiment(number).tags for number in (bare, written))
    assert older["mlflow.note.content"].startswith("Trainings of tiny networks")
    assert older[view_tag("curves")] != "{}"
    assert described["mlflow.note.content"] == "Mine."
    assert described["mlflow.experimentKind"] == "custom_model_development"


def test_the_server_listens_on_loopback_with_one_worker():
    """The UI is for this machine alone."""
    command = server_command("sqlite:///x.db", port=5001)
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--workers") + 1] == "1"


def test_a_store_opened_to_be_read_finds_runs_of_all_experiments_and_makes_none(store_uri):
    """Without an experiment every run is found, whatever it lies in; nothing is added to the store."""
    ids = [Store(store_uri, name).record(some_record(start_time=number + 1)) for number, name in enumerate("ab")]
    reader = Store(store_uri)
    before = {experiment.name for experiment in reader.client.search_experiments()}
    assert [run.run_id for run in reader.search("")] == ids
    assert [run.start_time for run in reader.search("")] == [1, 2]
    assert {experiment.name for experiment in Store(store_uri).client.search_experiments()} == before
    with pytest.raises(TypeError, match="without an experiment"):
        reader.create("a", {}, "", 1)


def test_a_run_that_is_not_there_is_named(store_uri):
    """Unknown, ill-formed and deleted runs are bad input; a deleted one can be restored."""
    store = Store(store_uri, "tests")
    for unknown in ("0" * 32, "no such run"):
        with pytest.raises(InputError, match=f"there is no run '{unknown}' in {store_uri}"):
            store.run(unknown)
    run_id = store.record(some_record())
    store.delete(run_id)
    with pytest.raises(InputError, match=f"the run {run_id} was deleted; `mlflow runs restore"):
        store.run(run_id)


def test_an_artifact_that_has_vanished_is_named(store_uri, tmp_path):
    """The run and the artifact are in the sentence."""
    run = (store := Store(store_uri, "tests")).run(store.record(some_record()))
    (tmp_path / "mlartifacts" / run.run_id / "artifacts/config.yaml").unlink()
    with pytest.raises(InputError, match=f"config.yaml of run {run.run_id} cannot be fetched"):
        run.read("config.yaml")


def test_what_a_remote_store_sends_leaves_no_folder(store_uri, tmp_path, monkeypatch):
    """An artifact passes through a temporary folder, and that is gone when its content is there."""
    store = Store(store_uri, "tests")
    run_id = store.record(some_record())
    passing = tmp_path / "passing"
    passing.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(passing))
    monkeypatch.setattr("student_score.tracking.artifacts.local_folder", lambda _: None)  # As if it were elsewhere.
    assert store.run(run_id).read_text("config.yaml") == "a: 1\n"
    assert list(passing.iterdir()) == []


def test_an_experiment_of_a_study_says_its_question(store_uri):
    """The question stands first, also after the experiment was opened again; what somebody wrote stays."""
    store = Store(store_uri, "asked")
    store.describe_experiment(store.experiment, "Why?")

    def note():
        return Store(store_uri, "asked").experiment.tags["mlflow.note.content"]

    assert note().startswith("Why?\n\nTrainings of tiny networks")
    store.client.set_experiment_tag(store.experiment_id, "mlflow.note.content", "Mine.")
    again = Store(store_uri, "asked")
    again.describe_experiment(again.experiment, "Why?")
    assert note() == "Mine."
