"""Models are kept beside a recorded run: whole, readable, and without a change to the run."""

import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
import pytest

from student_score.errors import InputError, TrackingError
from student_score.runs.execution import execute
from student_score.runs.recording import record
from student_score.serving import keeping
from student_score.serving.keeping import keep_models
from student_score.serving.weights import recorded_weights
from student_score.tracking.address import local_folder


@pytest.fixture
def at_store(store, monkeypatch):
    """Let MLflow's own functions use the tests' store."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(store.uri)
    yield
    mlflow.set_tracking_uri(before)


def folder(store, run_id: str, name: str) -> Path:
    """Return where a model lies."""
    [model] = store.client.search_logged_models(
        [store.experiment_id], f"source_run_id = '{run_id}' AND name = '{name}'"
    )
    path = local_folder(model.artifact_location)
    assert path is not None
    return path


def test_the_model_predicts_what_the_run_does(kept, at_store):
    """Loaded by its address it gives the run's predictions in every bit, words and gaps included."""
    model = mlflow.pyfunc.load_model(kept.address)
    assert model.predict(kept.new).tolist() == kept.own
    assert len(set(kept.own)) == len(kept.own)


def test_the_straight_line_is_kept_beside_it(kept, at_store):
    """Loaded, its errors on the test rows are those that the run recorded for linear regression."""
    split = kept.run.task.split
    line = mlflow.pyfunc.load_model(f"runs:/{kept.run_id}/linear")
    slopes = line.unwrap_python_model().weights
    scores = split.test.features @ np.array(slopes["w2"]) + slopes["b2"]
    error = float(np.mean((scores - split.test.targets) ** 2))
    assert error == pytest.approx(kept.run.baselines["linear"].test_mse, rel=1e-9)
    assert line.predict(kept.new).shape == (50,)


@pytest.mark.parametrize("name", ["network", "linear"])
def test_what_lies_in_the_folder(kept, name):
    """No pickle, nothing but text: the script, the weights, and what is needed in its versions."""
    files = {path.name: path.read_text() for path in folder(kept.store, kept.run_id, name).rglob("*") if path.is_file()}
    assert {"MLmodel", "model.py", "weights.json", "requirements.txt", "input_example.json"} <= set(files)
    assert not [file for file in files if file.endswith((".pkl", ".pickle", ".joblib", ".npy", ".npz", ".bin"))]
    assert not [file for file, text in files.items() if "\0" in text]
    assert files["requirements.txt"].split() == [f"{library}=={version(library)}" for library in keeping.REQUIRED]
    assert json.loads(files["weights.json"])["kind"] == name
    assert files["model.py"] == keeping.SCRIPT.read_text()


def test_the_signature_says_what_to_send(kept, at_store):
    """Numbers are doubles, words strings; a column whose gaps are filled may be left out."""
    info = mlflow.models.get_model_info(kept.address)
    columns = [(column.name, column.type.name, column.required) for column in info.signature.inputs]
    assert columns == [("Hours Studied", "double", False), ("club", "string", True), ("slept", "double", False)]
    example, task = mlflow.pyfunc.load_model(kept.address).input_example, kept.run.task
    features = task.preparation.features(example)
    assert features.tobytes() == task.split.train.features[:2].tobytes()


def test_the_run_stays_as_it_is(kept, store, task):
    """Neither its status nor its times, tags, parameters or metrics change; it has two models among its outputs."""
    run_id = store.record(record(kept.run))
    before = store.client.get_run(run_id)
    keep_models(store, run_id, task)
    after = store.client.get_run(run_id)
    assert (after.info.status, after.info.end_time) == (before.info.status, before.info.end_time)
    assert dict(after.info) == dict(before.info)
    assert after.data.to_dictionary() == before.data.to_dictionary()
    assert len(after.outputs.model_outputs) == 2


def test_models_are_kept_once(kept, store, task):
    """Asked for once more, nothing is added."""
    assert keep_models(store, kept.run_id, task) == kept.address
    for name in ("network", "linear"):
        folder(store, kept.run_id, name)


def test_a_model_that_cannot_be_written_is_not_left_behind(kept, store, task, monkeypatch):
    """A full disk ends in a TrackingError, no half of a model is there, and the next attempt succeeds."""
    run_id = store.record(record(kept.run))
    with monkeypatch.context() as broken:

        def full(*_arguments):
            raise OSError(28, "No space left on device")

        broken.setattr(keeping, "write", full)
        with pytest.raises(TrackingError, match="No space left on device"):
            keep_models(store, run_id, task)
    condition = f"source_run_id = '{run_id}'"
    assert not list(store.client.search_logged_models([store.experiment_id], condition))
    assert store.client.get_run(run_id).outputs is None or not store.client.get_run(run_id).outputs.model_outputs
    keep_models(store, run_id, task)
    assert len(store.client.search_logged_models([store.experiment_id], condition)) == 2


def test_a_run_that_diverged_has_no_model(store, task):
    """It says so, and what may help."""
    config = replace(task.config, training=replace(task.config.training, learning_rate=100.0))
    diverged = replace(task, config=config)
    run_id = store.record(record(execute(diverged)))
    with pytest.raises(InputError, match=rf"the run {run_id} diverged and predicts nothing; a smaller"):
        keep_models(store, run_id, diverged)


def test_a_run_without_weights_has_no_model(store):
    """A parent of a sweep, a run of somebody else's: no training."""
    run_id = store.create("parent", {"kind": "sweep"}, "", 1)
    with pytest.raises(InputError, match="is no finished training"):
        recorded_weights(store.run(run_id))
