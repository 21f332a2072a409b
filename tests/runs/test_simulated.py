"""Runs on simulated students: their known error stands beside what was measured."""

import json
from dataclasses import replace

import numpy as np
import pytest

from student_score.config.compose import read_config
from student_score.config.schema import Config, DatasetConfig, NetworkConfig, TrainingConfig
from student_score.data.rows import Scale
from student_score.data.simulation import World, least_error, simulate
from student_score.errors import InputError
from student_score.model.network import Initialisation
from student_score.paths import REPOSITORY
from student_score.runs.execution import Run, execute
from student_score.runs.recording import LEAST_ERROR, inputs, note, record, scalars, write_files
from student_score.runs.task import prepare
from student_score.runs.transcript import transcript


def configured(**changes: object) -> Config:
    """Return a configuration of 60 students of the saturating world, some fields of the data set changed."""
    dataset = DatasetConfig(
        name="simulated", path="", simulation=World.saturating, n=60, scale=Scale.features_and_target
    )
    return Config(
        dataset=replace(dataset, **changes),  # type: ignore[arg-type] # each test passes fields of DatasetConfig
        network=NetworkConfig(initialisation=Initialisation.he),
        training=TrainingConfig(epochs=20, learning_rate=0.01),
    )


def done(config: Config) -> Run:
    """Return the run of a configuration."""
    return execute(prepare(config))


def test_the_rows_are_those_of_the_world():
    """With the number of students, noise and seed that were asked for."""
    task = prepare(configured(n=7, noise=2.0, seed=5))
    rows = simulate(World.saturating, 7, noise=2.0, seed=5)
    assert task.split.train.features.tolist() == rows.features.tolist()
    assert task.split.train.targets.tolist() == rows.targets.tolist()
    assert task.data_digest == rows.digest()


def test_the_least_possible_error_is_printed_and_recorded():
    """Below the baselines, of new students, and with the world's own noise; of a file there is none."""
    run = done(configured(noise=3.0))
    known = least_error(World.saturating, 3.0)
    assert f"Least possible on new students of this world: {known:.4g}" in list(transcript(run))
    assert record(run).metrics[LEAST_ERROR] == known
    rows = DatasetConfig(path=str(REPOSITORY / "data/student_scores.csv"))
    article = done(Config(dataset=rows, training=TrainingConfig(epochs=20)))
    assert "Least possible" not in "\n".join(transcript(article))
    assert LEAST_ERROR not in record(article).metrics


def test_where_rows_are_held_out_all_baselines_are_shown_and_recorded():
    """Else the straight line and the mean alone, in the lines, the metrics and the note."""
    run = done(configured(test_fraction=0.25, validation_fraction=0.25))
    text = "\n".join(transcript(run))
    for name, label in (("quadratic", "Quadratic regression"), ("ridge", "Ridge regression")):
        [line] = [line for line in text.splitlines() if line.startswith(f"{label} on the same rows: ")]
        found = run.baselines[name]
        for error in (found.train_mse, found.validation_mse, found.test_mse):
            assert f"{error:.4g} (R²" in line
        assert f"{label.lower()} {found.train_mse:.4g}" in note(run)
        metrics = scalars(run)
        for rows in ("train", "validation", "test"):
            assert metrics[f"baseline/{name}/{rows}_mse"] == getattr(found, f"{rows}_mse")
    without = done(configured())
    assert list(without.baselines) == ["linear", "mean"]
    assert "uadratic" not in "\n".join(transcript(without)) + note(without)
    assert not [name for name in record(without).metrics if "quadratic" in name or "ridge" in name]


def test_a_baseline_that_is_left_out_is_said():
    """With the reason; the run is whole without it."""
    run = done(configured(n=8, test_fraction=0.25))
    said = "Quadratic regression is left out: 6 training rows are too few for its 6 coefficients"
    assert said in list(transcript(run))
    assert not [name for name in record(run).metrics if "quadratic" in name]


def test_a_record_says_where_students_come_from_and_is_read_again(tmp_path):
    """They have no file: the world stands in its place."""
    run = done(configured(seed=5))
    [source] = [json.loads(each.source) for each in inputs(run.task)]
    assert source == {"uri": "60 simulated students (saturating, noise 5, seed 5)"}
    write_files(run, tmp_path)
    again = prepare(read_config((tmp_path / "config.yaml").read_text(), name="config.yaml"))
    assert again.description.job_hash == run.task.description.job_hash
    assert np.array_equal(execute(again).trajectory.avg_loss, run.trajectory.avg_loss)


@pytest.mark.parametrize("changes", [{"noise": 4.0}, {"seed": 1}, {"n": 61}, {"simulation": World.linear}])
def test_other_students_are_another_run(changes):
    """Whatever tells them apart is part of a run's identity."""
    one, other = (prepare(configured(**each)).description for each in ({}, changes))
    assert one.config_hash != other.config_hash
    assert one.job_hash != other.job_hash


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": ["a", "b", "c"]}, r"dataset\.features=\['a', 'b', 'c'\]: simulated students have two, hours"),
        ({"categorical": ["hours_slept"]}, r"dataset\.features=.*both of them numbers"),
        ({"path": "x.csv"}, r"dataset\.path=x\.csv: simulated students come from no file: dataset=simulated, or leave"),
        ({"noise": 1000.5}, r"dataset\.noise=1000\.5: it must lie in 0\.\.1000, in points"),
        ({"noise": float("nan")}, r"dataset\.noise=nan: it must lie in 0\.\.1000"),
    ],
)
def test_what_no_world_has(changes, message):
    """Is refused, and not ignored."""
    with pytest.raises(InputError, match=message):
        configured(**changes)
