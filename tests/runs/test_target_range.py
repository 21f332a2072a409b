"""dataset.target_range: what people are told of predictions lies within it; what is measured does not change."""

import csv
import json

import numpy as np
import pytest

from student_score.config.schema import Config, DatasetConfig, TrainingConfig
from student_score.paths import REPOSITORY
from student_score.runs.execution import Run, execute
from student_score.runs.recording import record
from student_score.runs.task import prepare
from student_score.runs.transcript import outside, transcript


def trained(ends: list[float] | None) -> Run:
    """Train on the article's rows, with three students more to predict, one of whom studied for 40 hours."""
    dataset = DatasetConfig(
        path=str(REPOSITORY / "data/student_scores.csv"), new_inputs=[[6, 7], [40, 8], [2, 6]], target_range=ends
    )
    return execute(prepare(Config(dataset=dataset, training=TrainingConfig(epochs=20))))


@pytest.fixture(scope="module")
def runs() -> tuple[Run, Run]:
    """Return the same training with a range of scores and without."""
    return trained([0, 100]), trained(None)


def test_printed_predictions_are_clipped_and_counted(runs):
    """A line says how many; without a range there is none, and the others are as they were."""
    clipped, plain = ([*transcript(run)] for run in runs)
    said = "1 of 6 predictions lay outside 0 to 100 and were clipped"
    assert said in clipped
    clipped.remove(said)
    changed = [(a, b) for a, b in zip(clipped, plain, strict=True) if a != b]
    [(ours, theirs)] = changed
    assert ours == "Input: [studied: 40h, slept: 8h] -> Predicted score: 100.0"
    assert float(theirs.rpartition(" ")[2]) > 100


def test_recorded_predictions_are_clipped(runs, tmp_path):
    """predictions.csv holds what was told, weights.json the range."""
    columns, ends = [], []
    for name, run in zip("ab", runs, strict=True):
        (tmp_path / name).mkdir()
        record(run).write_files(tmp_path / name)
        with (tmp_path / name / "predictions.csv").open(newline="") as file:
            columns.append([float(row["prediction"]) for row in csv.DictReader(file)])
        ends.append(json.loads((tmp_path / name / "weights.json").read_text())["target_range"])
    assert ends == [[0, 100], None]
    assert columns[0] == np.clip(columns[1], 0, 100).tolist() != columns[1]


def test_errors_and_outcomes_are_the_networks_own(runs):
    """Every metric, every curve and every bit of the weights is the same."""
    clipped, plain = map(record, runs)
    assert clipped.metrics == plain.metrics
    assert clipped.curves == plain.curves
    assert clipped.tags["config_hash"] == plain.tags["config_hash"]
    assert runs[0].trajectory.final.flat().tobytes() == runs[1].trajectory.final.flat().tobytes()
    assert runs[0].predictions.tobytes() == runs[1].predictions.tobytes()


def test_scores_at_the_ends_lie_within():
    """The least and the largest score are scores."""
    scores = np.array([0.0, 100.0, np.nextafter(100, 101), -1e-300])
    assert outside(scores, [0, 100], "") == "2 of 4 predictions lay outside 0 to 100"
