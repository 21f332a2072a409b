"""A file that has not the columns asked for is refused with what may be meant."""

import pandas as pd
import pytest

from student_score.data.csv_file import read_table
from student_score.errors import InputError

FILE = "Id,Name,Hours Studied,Score\n1,Ann,5,85\n2,Bob,6,60\n"
NUMBERS = "numbers stand in 'Id', 'Hours Studied', 'Score'"

WAYS = {
    "nothing is right": (
        ["x"],
        "y",
        f"{NUMBERS}: say dataset.target=COLUMN and 'dataset.features=[Id,\"Hours Studied\",Score]' without it",
    ),
    "the target is not there": (["Id"], "y", "; numbers stand in 'Hours Studied', 'Score': say dataset.target=COLUMN"),
    "a feature is not there": (
        ["x"],
        "Score",
        "; numbers stand in 'Id', 'Hours Studied': say 'dataset.features=[Id,\"Hours Studied\"]'",
    ),
    "one of two is nearly there": (
        ["hours_studied", "hours_slept"],
        "Score",
        "say 'dataset.features=[Id,\"Hours Studied\"]'; did you mean 'Hours Studied'?",
    ),
    "rows to predict": (["x"], None, "its columns are 'Id', 'Name', 'Hours Studied', 'Score'"),
    "rows to predict, nearly there": (["hours_studied"], None, "'Score'; did you mean 'Hours Studied'?"),
}


def refusal(path, features, target):
    """Return the message with which the columns of a file are refused."""
    with pytest.raises(InputError) as caught:
        read_table(path, features=features, target=target)
    return str(caught.value)


@pytest.mark.parametrize(("features", "target", "said"), WAYS.values(), ids=WAYS.keys())
def test_the_next_step_is_said(tmp_path, features, target, said):
    """What is right already is asked for no more, and of rows to predict no configuration is asked."""
    path = tmp_path / "grades.csv"
    path.write_text(FILE)
    message = refusal(path, features, target)
    assert message.endswith(said)
    assert ("dataset.target" in message) == (target == "y")


ODD = {
    "Excel's own line": (b"sep=;\r\na;y\r\n1;2\r\n", "its first line is one of Excel's own: delete it"),
    "UTF-16 without a mark": ("a,y\n1,2\n".encode("utf-16-le"), "it seems to be UTF-16 text: save it as UTF-8"),
}


@pytest.mark.parametrize(("content", "said"), ODD.values(), ids=ODD.keys())
def test_a_header_that_is_none_is_explained(tmp_path, content, said):
    """What stands in its place are no names of columns."""
    path = tmp_path / "grades.csv"
    path.write_bytes(content)
    assert refusal(path, ["a"], "y").endswith(said)


def test_a_parquet_file_has_columns_that_are_nearly_there(tmp_path):
    """As a text file has."""
    path = tmp_path / "grades.parquet"
    pd.DataFrame({"Hours Studied": [1.0], "Score": [2.0]}).to_parquet(path)
    assert refusal(path, ["hours studied"], "Score").endswith("; did you mean 'Hours Studied'?")
