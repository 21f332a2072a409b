"""Columns of which nothing can be made, and rows of which nothing is learned."""

import pytest

from student_score.data.csv_file import read_table
from student_score.data.division import Division
from student_score.data.preparation import Missing
from student_score.data.rows import Scale
from student_score.data.table import split_table
from student_score.errors import InputError

EMPTY = {
    "a feature": ("a,m,y\n1,,3\n2,NA,5\n", (), "features: the column m of grades.csv has missing cells alone; leave"),
    "words": (
        "a,m,y\n1,,3\n2,,5\n",
        ("m",),
        "features: the column m of grades.csv has missing cells alone; leave it out",
    ),
    "the target": ("a,m,y\n1,5,\n2,6,\n", (), "target: the column y of grades.csv has missing cells alone; choose"),
}


@pytest.mark.parametrize("missing", Missing)
@pytest.mark.parametrize(("content", "categorical", "said"), EMPTY.values(), ids=EMPTY.keys())
def test_a_column_without_a_cell_is_named(tmp_path, monkeypatch, content, categorical, said, missing):
    """Neither way to treat gaps is proposed for it: the one leaves no row, the other has no mean."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grades.csv").write_text(content)
    table = read_table(
        (tmp_path / "grades.csv").relative_to(tmp_path), features=["a", "m"], target="y", categorical=categorical
    )
    with pytest.raises(InputError) as caught:
        split_table(table, Division(), scale=Scale.none, missing=missing)
    assert str(caught.value).startswith(said)
    assert "missing=" not in str(caught.value)


def test_of_rows_to_predict_none_has_to_vary(tmp_path):
    """Nothing is learned of them."""
    path = tmp_path / "new.csv"
    path.write_text("a;m\n1;2\n1;3\n")
    assert read_table(path, features=["a", "m"], target=None).notes == ("new.csv: semicolons between cells; 2 rows",)
