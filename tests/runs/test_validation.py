"""Validation rows choose between trainings: their error is that of the final weights, and decides."""

import math

import numpy as np
import pytest

from student_score.config.schema import Config, DatasetConfig, NetworkConfig, TrainingConfig
from student_score.data.rows import Scale
from student_score.model.network import Initialisation
from student_score.runs import recording
from student_score.runs.execution import Run, execute, execute_together
from student_score.runs.recording import record
from student_score.runs.task import prepare
from student_score.runs.transcript import transcript
from student_score.training.train import predict_scores


@pytest.fixture
def path(tmp_path):
    """Return a file of 60 students."""
    rng = np.random.default_rng(0)
    pairs = np.column_stack([rng.uniform(0, 8, 60), rng.normal(size=60)]).tolist()
    lines = [f"{hours!r},{20 + 5 * hours + noise!r}" for hours, noise in pairs]
    file = tmp_path / "grades.csv"
    file.write_text("hours,score\n" + "\n".join(lines) + "\n")
    return file


def run(path, rate=0.01, **dataset) -> Run:
    """Train four units on the file."""
    config = Config(
        dataset=DatasetConfig(
            path=str(path), features=["hours"], target="score", scale=Scale.features_and_target, **dataset
        ),
        network=NetworkConfig(initialisation=Initialisation.he, hidden_size=4),
        training=TrainingConfig(epochs=20, learning_rate=rate),
    )
    return execute(prepare(config))


def test_the_validation_error_is_that_of_the_final_weights_on_its_rows(path):
    """Recomputed from the rows; recorded, printed, and what an optimiser makes small, with or without test rows."""
    done = run(path, folds=5, validation_fraction=0.25)
    split, final = done.task.split, done.trajectory.final
    assert (len(split.train), len(split.validation), len(split.test)) == (36, 12, 12)
    activation = done.task.config.network.activation
    scores = predict_scores(final, split.validation.features, activation=activation, scaling=split.scaling)
    expected = float(np.mean((scores - split.validation.targets) ** 2))
    assert done.validation_mse == pytest.approx(expected, rel=1e-12)
    assert done.validation_mse not in (done.test_mse, done.trajectory.end.train_mse)
    assert done.objective == done.validation_mse == record(done).metrics["validation_mse"]
    said = "\n".join(transcript(done))
    assert f"; validation rows: {expected:.4g} (R² " in said
    assert f"; test rows: {done.test_mse:.4g} (R² " in said
    assert {f"baseline/linear/{rows}_mse" for rows in ("train", "validation", "test")} <= set(record(done).metrics)


def test_without_validation_rows_the_test_rows_decide_and_without_any_the_training_rows(path):
    """As optimisers were told before there were validation rows."""
    tested, trained = run(path, test_fraction=0.2), run(path)
    assert tested.validation_mse is None
    assert tested.objective == tested.test_mse
    assert trained.objective == trained.trajectory.end.train_mse
    assert "validation" not in "\n".join(transcript(trained))


def test_a_training_that_diverged_has_no_validation_error(path):
    """Its objective is infinite."""
    done = run(path, rate=1e6, validation_fraction=0.25)
    assert done.trajectory.diverged_epoch is not None
    assert done.validation_mse is None
    assert done.objective == math.inf
    assert "validation_mse" not in record(done).metrics


def test_trained_together_they_have_the_same_error(path):
    """In every bit."""
    done = run(path, folds=3, fold=1, validation_fraction=0.25)
    assert [other.validation_mse for other in execute_together([done.task, done.task])] == [done.validation_mse] * 2


def test_of_many_rows_predictions_csv_keeps_the_new_ones(path, tmp_path, monkeypatch):
    """Those of a file of 10,000 in each of 500 runs would fill 300 MB."""
    done = run(path, new_inputs=[[3.0], [4.0]])
    for most, count in ((60, 62), (59, 2)):
        monkeypatch.setattr(recording, "MOST_PREDICTED", most)
        record(done).write_files(tmp_path)
        assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 1 + count
