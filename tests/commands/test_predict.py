"""`student-score-predict`: rows of a file with the predictions of a recorded run, or a sentence."""

import csv
import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from student_score.commands import predict
from student_score.commands.terminal import guarded
from student_score.config.schema import Config, DatasetConfig, NetworkConfig, TrainingConfig
from student_score.data.dialect import Decimal
from student_score.data.preparation import Missing
from student_score.model.network import Initialisation
from student_score.paths import REPOSITORY
from student_score.runs.execution import Run, execute
from student_score.runs.recording import record
from student_score.runs.task import prepare
from student_score.tracking.address import local_folder
from student_score.tracking.store import Store
from student_score.training.train import predict_scores

DATA = str(REPOSITORY / "data/student_scores.csv")

NEW = 'name,hours_slept,hours_studied\n"Smith, Ann",8,5.50\n\nBob,6,2\nCy,1e1,40\n'
"""Columns in another order, one more, an empty line, numbers as people write them."""

FEATURES = [[5.5, 8.0], [2.0, 6.0], [40.0, 10.0]]


def trained(rate: float = 0.0001, **dataset: object) -> Run:
    """Train on the article's rows."""
    config = Config(dataset=DatasetConfig(path=DATA, **dataset), training=TrainingConfig(epochs=30, learning_rate=rate))
    return execute(prepare(config))


def own(run: Run) -> list[float]:
    """Return what a run itself predicts for the rows of NEW."""
    task = run.task
    activation, scaling = task.config.network.activation, task.split.scaling
    return predict_scores(run.trajectory.final, np.array(FEATURES), activation=activation, scaling=scaling).tolist()


@pytest.fixture
def store(store_uri: str) -> Store:
    """Return a store without runs."""
    return Store(store_uri, "tests")


@pytest.fixture
def new(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file of new students in the current directory, which is empty but for it."""
    monkeypatch.chdir(folder)
    path = folder / "new.csv"
    path.write_text(NEW)
    return path


Said = tuple[int, list[str], str]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Return the command: its exit code, the lines that it printed, and its error."""

    def command(*arguments: object) -> Said:
        capsys.readouterr()
        code = guarded(lambda: predict.predict([*map(str, arguments)]), name="student-score-predict")
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err.strip()

    return command


def table(path: Path) -> list[list[str]]:
    """Return the cells of a CSV file."""
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_rows_come_back_as_they_were_with_the_runs_predictions(store, new, ask, folder):
    """Cells are the file's own, further columns too; every prediction has the run's bits; the target is not needed."""
    run = trained()
    code, out, err = ask(run_id := store.record(record(run)), "new.csv")
    assert (code, err) == (0, "")
    assert out == [
        f"Run {run_id} (lr=0.0001 relu h=2 seed=0): slow - the loss had not come to rest when the epochs ran out",
        "2 of 3 predictions lay outside 60 to 95, the scores of the training rows",
        "3 predictions of exam_score: predictions.csv",
    ]
    scores = [[repr(score)] for score in own(run)]
    cells = [["Smith, Ann", "8", "5.50"], ["Bob", "6", "2"], ["Cy", "1e1", "40"]]
    header = ["name", "hours_slept", "hours_studied", "prediction"]
    assert table(folder / "predictions.csv") == [header, *(a + b for a, b in zip(cells, scores, strict=True))]


def test_predictions_beyond_the_range_of_scores_are_clipped_and_counted(store, new, ask, folder):
    """dataset.target_range of the run holds for its new rows; --output names another file."""
    run = trained(target_range=[0, 100])
    code, out, _ = ask(store.record(record(run)), "new.csv", "--output", "told.csv")
    assert (code, out[1:]) == (
        0,
        ["1 of 3 predictions lay outside 0 to 100 and were clipped", "3 predictions of exam_score: told.csv"],
    )
    assert max(own(run)) > 100
    assert [float(row[-1]) for row in table(folder / "told.csv")[1:]] == [min(score, 100.0) for score in own(run)]
    assert sorted(path.name for path in folder.iterdir()) == ["new.csv", "told.csv"]


WARTS = 'Name;Club;Slept;Hours Studied\r\nÄnne;Yes;7,5;6,0\r\n"Bob; B";No;;3,25\r\n'
"""Semicolons, decimal commas, a gap, quotes, Windows' ends of lines, words."""


@pytest.fixture
def german(store, folder, monkeypatch) -> Callable[..., tuple[str, Run]]:
    """Return a function that trains on a file with such warts and records the run."""
    monkeypatch.chdir(folder)
    rows = (f"{k % 7},5;{('Yes', 'No')[k % 2]};{'' if k == 9 else 6 + k % 3};{30 + k}\n" for k in range(20))
    (folder / "grades.csv").write_text("Hours Studied;Club;Slept;Score\n" + "".join(rows))
    dataset = {"path": "grades.csv", "target": "Score", "features": ["Hours Studied", "Club", "Slept"]}

    def train(missing: Missing, **more: object) -> tuple[str, Run]:
        config = Config(
            dataset=DatasetConfig(**dataset, **more, categorical=["Club"], missing=missing, new_inputs=[]),
            network=NetworkConfig(initialisation=Initialisation.he),
            training=TrainingConfig(epochs=5),
        )
        run = execute(prepare(config))
        return store.record(record(run)), run

    return train


def test_files_are_read_as_the_runs_own_and_written_in_their_dialect(german, ask, folder):
    """With a byte order mark or packed; a gap gets the training rows' mean, words their indicator; Parquet, too."""
    run_id, run = german(Missing.mean)
    frame = pd.DataFrame({"Hours Studied": [6.0, 3.25], "Club": ["Yes", "No"], "Slept": [7.5, np.nan]})
    final, scaling = run.trajectory.final, run.task.split.scaling
    features, activation = run.task.preparation.features(frame), run.task.config.network.activation
    scores = predict_scores(final, features, activation=activation, scaling=scaling).tolist()
    (folder / "new.csv").write_bytes(b"\xef\xbb\xbf" + WARTS.encode())
    (folder / "new.csv.gz").write_bytes(gzip.compress(WARTS.encode()))
    for name in ("new.csv", "new.csv.gz"):
        code, out, err = ask(run_id, name)
        assert (code, err) == (0, "")
        assert out[1] == f"{name}: semicolons between cells; decimal commas; 2 rows; missing cells: Slept 1"
        with (folder / "predictions.csv").open(newline="") as file:
            written = list(csv.reader(file, delimiter=";"))
        assert [row[-1] for row in written[1:]] == [repr(score).replace(".", ",") for score in scores]
        assert [row[:-1] for row in written] == list(csv.reader(WARTS.splitlines(), delimiter=";"))
    frame.assign(name=["Änne", "Bob"]).to_parquet(folder / "new.parquet")
    assert ask(run_id, "new.parquet")[0] == 0
    assert table(folder / "predictions.csv")[1] == ["6.0", "Yes", "7.5", "Änne", repr(scores[0])]


def test_settings_of_the_run_that_tell_cells_apart_hold_for_new_rows(german, ask, folder):
    """1,234 could be a thousand: what the run was told of commas decides, as it does in training."""
    (folder / "new.csv").write_text("Hours Studied;Club;Slept\n1,234;No;7\n")
    code, _, err = ask(german(Missing.mean)[0], "new.csv")
    assert (code, "decimal=auto: new.csv has '1,234'" in err) == (2, True), err
    (folder / "same.csv").write_text("Hours Studied;Club;Slept\n1,2340;No;7\n")
    run_id, _ = german(Missing.mean, decimal=Decimal.comma)
    scores = []
    for name in ("new.csv", "same.csv"):
        assert ask(run_id, name)[0] == 0
        scores.append((folder / "predictions.csv").read_text().rpartition(";")[2])
    assert scores[0] == scores[1]


def test_a_gap_is_filled_left_without_a_prediction_or_refused(german, ask, folder):
    """As the run's own missing=drop says, the row has none, and is counted; a category is never filled."""
    (folder / "new.csv").write_text(WARTS)
    run_id, _ = german(Missing.drop)
    code, out, _ = ask(run_id, "new.csv")
    assert code == 0
    assert out[2] == "1 of 2 rows have a missing cell and no prediction"
    assert out[-1] == "1 prediction of Score: predictions.csv"
    assert (folder / "predictions.csv").read_text().endswith('\n"Bob; B";No;;3,25;\n')
    (folder / "new.csv").write_text(WARTS.replace("No;;", ";;"))
    run_id, _ = german(Missing.mean)
    code, _, err = ask(run_id, "new.csv")
    said = "missing cells: 'Club' 1 (the first in line 3); this run, trained with dataset.missing=mean, fills gaps in"
    assert (code, said in err) == (2, True), err


def test_a_word_that_no_training_row_had_is_named(german, ask, folder):
    """The sentence has the row, the word, and what was known."""
    (folder / "new.csv").write_text(WARTS.replace("No;;", "Maybe;;"))
    code, _, err = ask(german(Missing.mean)[0], "new.csv")
    assert (code, "row 2: the column 'Club' is 'Maybe', which is in no training row; they have 'No', 'Yes'" in err) == (
        2,
        True,
    )


def test_a_gap_is_refused_where_the_run_knew_none(store, new, ask):
    """missing=error holds for new rows, too."""
    new.write_text(NEW.replace("5.50", "NA"))
    code, _, err = ask(store.record(record(trained())), "new.csv")
    assert code == 2
    assert err.endswith(
        "new.csv has missing cells: 'hours_studied' 1 (the first in line 2); this run, trained with "
        "dataset.missing=error, fills no gap"
    )


def test_a_sweep_predicts_with_its_best_run(store, new, ask):
    """The command says which one it is; a sweep that has none says so."""
    best = store.record(record(trained()))
    for tags, expected in (({"best.run_id": best}, 0), ({}, 2)):
        parent = store.create("sweep", {"kind": "sweep", **tags}, "", 1)
        code, out, err = ask(parent, "new.csv")
        assert code == expected
        assert out[:1] == ([f"The best run of this sweep is {best}, trained on 3 rows"] if tags else [])
    assert err.endswith(f"the sweep {parent} has no best run: it has not ended, or no run of it has an error")


def test_runs_of_earlier_versions_predict_too(store, new, ask, folder):
    """Their weights name no columns; their configuration does."""
    run = trained()
    run_id = store.record(record(run))
    file = local_folder(store.client.get_run(run_id).info.artifact_uri) / "weights.json"
    new_keys = ("kind", "columns", "means", "categories", "target", "target_range", "target_seen")
    old = {key: value for key, value in json.loads(file.read_text()).items() if key not in new_keys}
    file.write_text(json.dumps(old))
    code, out, _ = ask(run_id, "new.csv")
    assert (code, len(out)) == (0, 2)
    assert [float(row[-1]) for row in table(folder / "predictions.csv")[1:]] == own(run)


def test_a_run_that_diverged_predicts_nothing(store, new, ask, folder):
    """The command says so, and writes nothing."""
    code, _, err = ask(store.record(record(trained(1e9))), "new.csv")
    assert code == 2
    assert "diverged and predicts nothing; a smaller learning rate may help" in err
    assert not (folder / "predictions.csv").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "path: there is no file new.csv"),
        ("hours_studied,slept\n1,2\n", "has no column 'hours_slept'"),
        ("hours_studied,hours_slept\n1,x\n", "line 2, column hours_slept: 'x' is not a finite number"),
        ("hours_studied,hours_slept,prediction\n1,2,3\n", "new.csv has a column 'prediction' already; rename it"),
        ("hours_studied,hours_slept\n1,1e308\n", "its prediction is no finite number"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(store, new, ask, folder, content, said):
    """A sentence, exit code 2, and no file, not even a part of one."""
    if content is None:
        new.unlink()
    else:
        new.write_text(content)
    run_id = store.record(record(trained()))
    code, _, err = ask(run_id, "new.csv")
    assert (code, said in err) == (2, True), err
    assert [path.name for path in folder.iterdir() if path != new] == []


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("new.csv", "--output new.csv is the file of the rows"),
        (".", "--output . is no file"),
        ("nowhere/told.csv", "--output nowhere/told.csv cannot be written: No such file or directory"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused(store, new, ask, folder, output, said):
    """The rows are never overwritten, and a folder is no file."""
    code, _, err = ask(store.record(record(trained())), "new.csv", "--output", output)
    assert (code, err) == (2, f"student-score-predict: {said}")
    assert new.read_text() == NEW
    assert [*folder.iterdir()] == [new]


def test_a_store_or_a_run_that_is_not_there_is_said(store, new, ask, folder):
    """Neither is made."""
    assert ask("nonsense", "new.csv")[2].startswith("student-score-predict: there is no run 'nonsense' in ")
    code, _, err = ask("nonsense", "new.csv", "--uri", "sqlite:///none.db")
    assert (code, "there is no such file" in err, (folder / "none.db").exists()) == (2, True, False)
    assert ask()[0] == 2


def test_help_is_there_at_once():
    """It says what there is before anything slow is imported."""
    code = "import sys; from student_score.commands.predict import predict\ntry: predict(['--help'])\n"
    code += "finally: print({'mlflow', 'pandas', 'sklearn', 'hydra'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "usage: student-score-predict" in done.stdout
    assert done.stdout.endswith("set()\n")
