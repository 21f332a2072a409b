"""The script that MLflow runs predicts, from its file of numbers, what the run predicts: in every bit."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from student_score.config.schema import Config, DatasetConfig, NetworkConfig
from student_score.data.baseline import linear_baseline
from student_score.data.division import Division
from student_score.data.preparation import Missing
from student_score.data.rows import Scale
from student_score.data.table import Table, split_table
from student_score.model.activations import Activation
from student_score.model.network import Initialisation, Parameters
from student_score.runs import recording
from student_score.runs.task import Task
from student_score.serving.keeping import SCRIPT
from student_score.serving.model import ServedModel, clipped, predicted
from student_score.serving.weights import linear_weights
from student_score.training.train import predict_scores

WORDS = ["school", "club"]


def students(n: int, seed: int = 0) -> Table:
    """Return students with two numbers, one of them missing now and then, one of three schools, and a club or none."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"hours": rng.normal(3, 40, n), "school": rng.choice(["a b", "c", "é,'"], n)})
    frame["club"], frame["sleep"] = rng.choice(["No", "Yes"], n), rng.normal(7, 1, n)
    frame.loc[rng.random(n) < 0.1, "sleep"] = np.nan
    return Table(frame, rng.uniform(0, 100, n), tuple(WORDS))


def numbers(n: int, seed: int = 0) -> Table:
    """Return the same students with nothing but numbers, none missing."""
    rows = students(n, seed)
    return Table(rows.frame[["hours", "sleep"]].fillna(7.0), rows.targets)


def task(rows: Table, scale: Scale = Scale.none, **dataset: Any) -> Task:
    """Return a task on rows, of which a third tests."""
    config = DatasetConfig(
        **{"features": list(rows.frame), "target": "score", "scale": scale, "new_inputs": [], **dataset},
        categorical=list(rows.categorical),
        missing=Missing.mean if rows.categorical else Missing.error,
    )
    split, preparation = split_table(rows, Division(test_fraction=0.3), scale=scale, missing=config.missing)
    network = NetworkConfig(hidden_size=5, initialisation=Initialisation.he)
    return Task(config=Config(dataset=config, network=network), split=split, preparation=preparation, data_digest="")


def untrained(asked: Task, activation: Activation = Activation.relu, *, size: float = 1.0, seed: int = 0) -> Any:
    """Return what of a run its weights are made from: a task, and a network of random weights."""
    final = Parameters.from_flat(
        np.random.default_rng(seed).normal(size=asked.size) * size,
        n_features=len(asked.feature_names),
        hidden_size=asked.config.network.hidden_size,
    )
    config = replace(asked.config, network=replace(asked.config.network, activation=activation))
    return SimpleNamespace(task=replace(asked, config=config), trajectory=SimpleNamespace(final=final))


def kept(weights: dict[str, Any]) -> dict[str, Any]:
    """Return weights as a file gives them back."""
    return dict(json.loads(json.dumps(weights)))


@pytest.fixture(scope="module")
def weights() -> dict[str, Any]:
    """Return the weights of a network on rows with words and gaps."""
    return kept(recording.weights(untrained(task(students(60)))))


@pytest.mark.parametrize("rows", [students, numbers])
@pytest.mark.parametrize(("activation", "scale"), [*product(Activation, Scale)])
def test_predictions_are_the_runs_bit_by_bit(rows, activation, scale):
    """On 1,000 new rows with words and gaps, and sums from tiny to those at which tanh and sigmoid end at a limit."""
    for size in (0.01, 1.0, 30.0):
        run = untrained(task(rows(200), scale), activation, size=size)
        new = rows(1000, seed=1).frame
        ours = predict_scores(
            run.trajectory.final,
            run.task.preparation.features(new),
            activation=activation,
            scaling=run.task.split.scaling,
        )
        assert predicted(kept(recording.weights(run)), new).tobytes() == ours.tobytes()
        assert len(np.unique(ours)) > 100 or size == 30.0


def test_the_line_is_linear_regression():
    """Its errors are those of the baseline on the same rows, but for rounding."""
    asked = task(students(200), Scale.features_and_target)
    line = kept(linear_weights(recording.weights(untrained(asked)), asked))
    indices = np.array(asked.split.train_indices)
    scores = predicted(line, students(200).frame.iloc[indices])
    error = np.mean((scores - asked.split.train.targets) ** 2)
    assert error == pytest.approx(linear_baseline(asked.split).train_mse, rel=1e-9)


@pytest.mark.slow
def test_the_script_needs_nothing_of_this_project():
    """Run alone it imports neither this package nor what only this package needs."""
    code = f"import runpy, sys; sys.modules['student_score'] = None; runpy.run_path({str(SCRIPT)!r})"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_scores_are_clipped_where_there_is_a_range(weights):
    """Scores beyond the range stand at its ends, others as they are; without a range all do."""
    scores = np.array([-5.0, 50.0, 101.0])
    assert clipped({**weights, "target_range": [0, 100]}, scores).tolist() == [0.0, 50.0, 100.0]
    assert clipped(weights, scores).tolist() == scores.tolist()


ROW = {"hours": 1.0, "school": "c", "club": "No", "sleep": 7.0}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"school": "z"},
            "row 2: the column 'school' is 'z', which is in no training row; they have 'a b', 'c', \"é,'\"",
        ),
        ({"club": None}, "row 2: the column 'club' is missing, which is in no training row; they have 'No', 'Yes'"),
        ({"hours": "five"}, "row 2: the column 'hours' is 'five', not a finite number"),
        ({"hours": "5"}, "row 2: the column 'hours' is '5', not a finite number"),
        ({"hours": np.inf}, "row 2: the column 'hours' is inf, not a finite number"),
        ({"sleep": -np.inf}, "row 2: the column 'sleep' is -inf, not a finite number"),
        ({"hours": 1e308}, "row 2: its prediction is no finite number, as its cells are too large"),
        ({"school": "z" * 1000}, f"row 2: the column 'school' is '{'z' * 36}..., which is in no training row"),
    ],
)
def test_a_cell_that_cannot_be_used_is_named(weights, change, said):
    """The sentence names the row, the column, the cell, and for words what was known."""
    with pytest.raises(ValueError, match="row 2") as refused:
        predicted({**weights, "target_deviation": 1e3}, pd.DataFrame([ROW, ROW | change]))
    assert str(refused.value).startswith(said)


def test_a_gap_without_a_mean_is_named(weights):
    """Where training rows had no gap to fill there is no mean, and a gap is no number."""
    with pytest.raises(ValueError, match="row 1: the column 'hours' is missing, and this model has no mean"):
        predicted({**weights, "means": {}}, pd.DataFrame([ROW | {"hours": None}]))


def test_what_may_be_left_out(weights):
    """A column whose gaps are filled may be missing as a whole: None, NaN and no column at all are the same."""
    without = {name: value for name, value in ROW.items() if name != "sleep"}
    scores = [predicted(weights, pd.DataFrame([row]))[0] for row in (without, ROW | {"sleep": None})]
    scores.append(predicted(weights, pd.DataFrame([ROW | {"sleep": np.nan}]))[0])
    mean = predicted(weights, pd.DataFrame([ROW | {"sleep": weights["means"]["sleep"]}]))[0]
    assert scores == [mean] * 3
    assert mean != predicted(weights, pd.DataFrame([ROW]))[0]


def test_whole_numbers_and_further_columns_do_no_harm(weights):
    """Integers are numbers, and columns that the model does not know are left alone."""
    whole = predicted(weights, pd.DataFrame([ROW | {"hours": 1, "sleep": 7, "name": "Ann"}]))
    assert whole.tobytes() == predicted(weights, pd.DataFrame([ROW])).tobytes()


def test_no_rows_have_no_predictions(weights):
    """An empty frame gives an empty list."""
    assert predicted(weights, pd.DataFrame([ROW])[:0]).tolist() == []


def test_mlflow_gets_an_error_that_a_server_answers_with_400(weights, tmp_path):
    """What is wrong with a cell is an invalid parameter, not a failure of the server."""
    file = tmp_path / "weights.json"
    file.write_text(json.dumps({**weights, "target_range": [40, 41]}))
    model, context = ServedModel(), SimpleNamespace(artifacts={"weights": str(file)})
    model.load_context(context)
    assert model.predict(context, pd.DataFrame([ROW]))[0] in (40.0, 41.0)
    with pytest.raises(MlflowException, match="which is in no training row") as refused:
        model.predict(context, pd.DataFrame([ROW | {"school": "z"}]))
    assert refused.value.get_http_status_code() == 400
