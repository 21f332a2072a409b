"""`experiment=own_data`: from a file of one's own to a conclusion, with one command."""

import csv
import re
import time

import numpy as np
import pandas as pd
import pytest

from student_score.tracking.store import Store

FEATURES = ("Hours Studied", "Previous Scores", "Extracurricular Activities", "Sleep Hours", "Papers Practiced")
TARGET = "Performance Index"


def students(n):
    """Return students like those of a public file: four numbers, a Yes or No, and a score nearly straight in them."""
    rng = np.random.default_rng(0)
    hours, earlier, sleep, papers = (rng.integers(low, high, n) for low, high in ((1, 10), (40, 100), (4, 10), (0, 10)))
    active = rng.choice(["Yes", "No"], n)
    score = 2.85 * hours + 1.018 * earlier + 0.61 * (active == "Yes") + 0.48 * sleep + 0.19 * papers - 33.9
    score = (score + rng.normal(0, 2, n)).clip(10, 100).round(1)
    return pd.DataFrame(dict(zip(FEATURES, (hours / 1.0, earlier, active, sleep, papers), strict=True))).assign(
        **{TARGET: score}
    )


def arguments(path, *features):
    """Return what a user types."""
    listed = ",".join(f'"{name}"' for name in features)
    return (
        "-m",
        "experiment=own_data",
        f"dataset.path={path}",
        f"dataset.features=[{listed}]",
        f"dataset.target='{TARGET}'",
    )


def small(rates="0.003,0.03,3.0", seeds="0,1", epochs=5):
    """Return overrides that make the grid small."""
    return f"training.learning_rate={rates}", f"network.seed={seeds}", f"training.epochs={epochs}"


@pytest.mark.slow
@pytest.mark.parametrize(("n", "features", "best"), [(30, FEATURES[1:2], 0.003), (300, FEATURES[:2], 0.03)])
def test_one_command_says_what_learns_breaks_and_beats(cli, folder, store_uri, n, features, best):
    """Of few students too, and of one feature: five sentences at most, and what they rest on beside the runs."""
    students(n).to_csv(folder / "grades.csv", index=False)
    done = cli(*arguments("grades.csv", *features), *small(epochs=50))
    assert done.code == 0, done.err
    said = done.out.rstrip().rsplit("\n\n", 1)[1].splitlines()
    assert len(said) <= 5
    assert said[0].startswith(f"Best of 3 values of learning_rate: {best}, by the validation rows of all 5")
    assert "which choose nothing, test_mse" in said[0]
    assert re.search(r"(linear regression|quadratic regression|ridge regression) \(", done.out)
    assert "fails at every learning_rate tried from 3.0 on" in done.out
    [parent] = Store(store_uri, "own_data").search("tags.kind = 'sweep'")
    rows = list(csv.DictReader(parent.read_text("evaluation.csv").splitlines()))
    assert [row["dataset.fold"] for row in rows] == ["0", "1", "2", "3", "4"]
    mean = np.mean([float(row["test_mse"]) for row in rows])
    assert parent.metrics["evaluation/network/test_mse"] == pytest.approx(mean)
    line = np.mean([float(row["baseline/linear/test_mse"]) for row in rows])
    assert parent.metrics["evaluation/minus_linear/mean"] == pytest.approx(mean - line)
    assert parent.read_text("conclusion.txt").splitlines() == said


def test_without_m_it_says_that_it_needs_it(first_cli, folder):
    """The sentence gives the command."""
    students(30).to_csv(folder / "grades.csv", index=False)
    done = first_cli(*arguments("grades.csv", "Sleep Hours")[1:])
    assert done.code == 2
    assert "which needs -m: student-score -m experiment=own_data" in done.err


def test_fewer_rows_than_folds_get_a_sentence(first_cli, folder):
    """And nothing runs."""
    students(3).to_csv(folder / "grades.csv", index=False)
    done = first_cli(*arguments("grades.csv", "Sleep Hours"))
    assert done.code == 2
    assert "dataset.folds=5: there are 3 rows, and each fold needs one" in done.err


def test_a_bad_file_is_read_once(first_cli, folder):
    """500 jobs on 2,000 rows of words end in one sentence within seconds, not minutes."""
    students(2000).to_csv(folder / "grades.csv", index=False)
    clock = time.perf_counter()
    done = first_cli(*arguments("grades.csv", *FEATURES))
    assert done.code == 2
    assert len(done.err) < 4000
    assert "Extracurricular Activities" in done.err
    assert time.perf_counter() - clock < 10


@pytest.mark.slow
def test_the_file_with_all_warts_comes_to_a_conclusion(cli, folder, store_uri):
    """10,000 students: byte order mark, semicolons, decimal commas, 3 % gaps, Yes and No; to the last sentence."""
    table = students(10_000)
    rng = np.random.default_rng(1)
    for name in (FEATURES[0], FEATURES[1], FEATURES[3], FEATURES[4]):
        table.loc[rng.random(len(table)) < 0.03, name] = np.nan
    table.to_csv(folder / "raw.csv", index=False, sep=";", decimal=",", encoding="utf-8-sig", lineterminator="\r\n")
    given = (*arguments("raw.csv", *FEATURES), "dataset.missing=mean", f'dataset.categorical=["{FEATURES[2]}"]')
    done = cli(*given, *small(epochs=3, seeds="0"))
    assert done.code == 0, done.err
    conclusion = done.out.rstrip().rsplit("\n\n", 1)[1]
    assert "by the validation rows of all 5 splits" in conclusion
    assert "always predicting the mean" in conclusion
    assert "linear regression" in conclusion
    runs = Store(store_uri, "own_data").search("tags.outcome != ''")
    assert len(runs) == 15
    assert len(runs[0].read_text("predictions.csv").splitlines()) == 1  # 10,000 rows in each would fill disks.
    assert f"{FEATURES[2]}=Yes" in runs[0].read_text("predictions.csv")
