"""Tables as files have them: dialects, gaps and words; what they become is learned on the training rows."""

import csv
import dataclasses
import gzip
import shlex
import warnings

import numpy as np
import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from student_score.data import csv_file, text_file
from student_score.data.cells import in_shell
from student_score.data.csv_file import read_table
from student_score.data.dialect import Decimal, Delimiter
from student_score.data.division import Division
from student_score.data.preparation import Missing
from student_score.data.rows import Scale
from student_score.data.table import split_table
from student_score.errors import InputError

FEATURES = ["Hours Studied", "Active"]
PLAIN = "Hours Studied,Active,Score\n1.5,Yes,50\n2.25,No,60.5\n8,Yes,95\n"


def read(folder, content, *, features=FEATURES, categorical=("Active",), name="grades.csv", target="Score", **options):
    """Return the table of a file with the given content."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, features=features, target=target, categorical=categorical, **options)


def refusal(folder, content, **options):
    """Return the message with which such a file is refused, whatever is printed about it before."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError) as caught:
            read(folder, content, **options)
    message = str(caught.value)
    assert len(message) <= 2000
    assert message.isprintable()
    return message


DIALECTS = {
    "semicolons": (PLAIN.replace(",", ";"), ("semicolons between cells",)),
    "tabs": (PLAIN.replace(",", "\t"), ("tabs between cells",)),
    "pipes": (PLAIN.replace(",", "|"), ("pipes between cells",)),
    "decimal commas": (
        PLAIN.replace(",", ";").replace(".", ","),
        ("semicolons between cells", "decimal commas"),
    ),
    "tabs and decimal commas, quoted": (
        '"Hours Studied"\t"Active"\t"Score"\r\n"1,5"\tYes\t50\r\n"2,25"\tNo\t"60,5"\r\n8\tYes\t95\r\n',
        ("tabs between cells", "decimal commas"),
    ),
    "commas": (PLAIN, ()),
    "packed": (gzip.compress(PLAIN.encode()), ()),
    "a mark, Windows ends": (b"\xef\xbb\xbf" + PLAIN.replace("\n", "\r\n").encode(), ()),
    "unused columns of one name": ("x,Hours Studied,x,Active,Score\n?,1.5,,Yes,50\n,2.25,,No,60.5\n,8,,Yes,95\n", ()),
}


@pytest.mark.parametrize(("content", "said"), DIALECTS.values(), ids=DIALECTS.keys())
def test_a_dialect_is_found_out_and_said(tmp_path, content, said):
    """The same three students from each, and one sentence where anything is not plain."""
    table = read(tmp_path, content)
    assert table.frame["Hours Studied"].tolist() == [1.5, 2.25, 8.0]
    assert table.frame["Active"].tolist() == ["Yes", "No", "Yes"]
    assert table.targets.tolist() == [50.0, 60.5, 95.0]
    assert table.notes == ((f"grades.csv: {'; '.join([*said, '3 rows'])}",) if said else ())


def test_a_dialect_that_is_given_is_taken(tmp_path):
    """Semicolons are no commas where commas are asked for, nor a decimal comma a point."""
    content = PLAIN.replace(",", ";").replace(".", ",")
    assert len(read(tmp_path, content, delimiter=Delimiter.semicolon, decimal=Decimal.comma)) == 3
    assert "no column" in refusal(tmp_path, content, delimiter=Delimiter.comma)
    assert "line 2, column Score: '5.000' is" in refusal(
        tmp_path, content.replace("50", "5.000"), decimal=Decimal.comma
    )
    assert "'Hours Studied' has decimal commas: 1,5, 2,25; dataset.decimal=comma" in refusal(
        tmp_path, content, decimal=Decimal.point
    )


def test_what_may_be_thousands_is_not_guessed(tmp_path):
    """1,234 alone is a sentence; beside 0,5 it is a number with decimals; said to be decimals it is taken."""
    ambiguous = "Hours Studied;Score\n1,234;50\n2;60\n"
    options = {"features": ["Hours Studied"], "categorical": ()}
    assert "decimal=auto: " in refusal(tmp_path, ambiguous, **options)
    assert "dataset.decimal=comma or dataset.decimal=point" in refusal(tmp_path, ambiguous, **options)
    assert refusal(tmp_path, ambiguous, **options).endswith("one cell with another number of decimals decides, too")
    assert read(tmp_path, ambiguous, **options, decimal=Decimal.comma).frame.iloc[0, 0] == 1.234
    assert read(tmp_path, ambiguous + "0,5;70\n", **options).frame.iloc[0, 0] == 1.234


SEEMING = {
    "words of German": (["Schüler", "Lehrer"], "'Hours Studied' is text: Schüler, Lehrer; 'dataset.categorical="),
    "points between thousands": (['"5.062,81"'] * 3, "'Hours Studied' has points between thousands: 5.062,81; write"),
    "a name for each": ([f"student {k}" for k in range(120)], "is text, more than 100 different: student 0, student 1"),
    "words": (
        ["Yes", "No", "Yes"],
        "'Hours Studied' is text: Yes, No; 'dataset.categorical=[\"Hours Studied\"]' makes",
    ),
    "dates": (["2024-01-31", "2024-02-01", "2024-02-02"], "has dates: 2024-01-31, "),
    "thousands": (['"1,234"', '"12,345"', '"1,234,567.5"'], "has thousands separators: 1,234, "),
    "per cent": (["5%", "7.5 %", "8%"], "has per cent: 5%, "),
    "times": (["7:30", "8:00", "6:15"], "has times: 7:30, "),
    "huge": (["1e400", "inf", "5"], "has infinite or too large numbers: 1e400, inf"),
    "a word among numbers": (["1", "two", "3"], "has words among its numbers: two; "),
}


@pytest.mark.parametrize(("cells", "said"), SEEMING.values(), ids=SEEMING.keys())
def test_what_a_column_seems_to_be_is_said(tmp_path, cells, said):
    """With its first different cells, and the way out."""
    content = "Hours Studied,Active,Score\n" + "".join(f"{cell},Yes,50\n" for cell in cells)
    assert said in refusal(tmp_path, content)


def test_a_column_of_words_is_one_sentence(tmp_path):
    """Of 10,000 cells that are no numbers at most twenty are listed, and the message has an end."""
    message = refusal(tmp_path, "Hours Studied,Active,Score\n" + "1,Yes,50\n1,No,60\n" * 5000, categorical=())
    assert message.split(".csv has ")[1].startswith(
        "10,000 bad cells, by column: Active 10,000. 'Active' is text: Yes, No; dataset.categorical=[Active] makes "
        "indicators of it. The first are: line 2, column Active: 'Yes' is not a finite number; "
    )
    assert message.count("line ") == 5


NEAR = [("hours studied", "Hours Studied"), ("hours_studied", "Hours Studied"), ("HOURS-STUDIED", "Hours Studied")]


@pytest.mark.parametrize(("asked", "there"), NEAR)
def test_a_column_that_is_nearly_there_is_named(tmp_path, asked, there):
    """Names match exactly; case, blanks and underscores are easily mistaken."""
    message = refusal(tmp_path, PLAIN, features=[asked, "Active"])
    assert f"no column '{asked}'" in message
    assert message.endswith(f"did you mean '{there}'?")


def test_columns_to_choose_from_are_proposed(tmp_path):
    """Columns of numbers are named, with the override that takes them; words and the target are not among them."""
    message = refusal(tmp_path, "Id,Name,Hours Studied,Score\n1,Ann,5,85\n2,Bob,6,60\n", features=["x"], categorical=())
    assert "numbers stand in 'Id', 'Hours Studied': " in message
    assert "'dataset.features=[Id,\"Hours Studied\"]'" in message


def test_gaps_are_counted_and_left_out_or_filled(tmp_path):
    """Every way to write one; as a mistake with their number by column and the ways out."""
    cells = ["", "NA", "N/A", "NaN", "null", "None", "?", "-", " NA "]
    content = "Hours Studied,Active,Score\n1,Yes,50\n3,No,60\n" + "".join(f"{cell},Yes,70\n" for cell in cells)
    table = read(tmp_path, content)
    assert table.gaps == {"Hours Studied": 9, "Active": 0, "": 0}
    assert table.notes == ("grades.csv: 11 rows; missing cells: Hours Studied 9",)
    with pytest.raises(
        InputError, match=r"Hours Studied 9 \(the first in line 4\); dataset.missing=drop .* 2 of 11 st"
    ):
        split_table(table, Division(), scale=Scale.none, missing=Missing.error)
    split, _ = split_table(table, Division(), scale=Scale.none, missing=Missing.drop)
    assert split.train.features.tolist() == [[1.0, 1.0], [3.0, 0.0]]
    split, preparation = split_table(table, Division(), scale=Scale.none, missing=Missing.mean)
    assert split.train.features[:, 0].tolist() == [1.0, 3.0] + [2.0] * 9
    assert preparation.means == {"Hours Studied": 2.0}
    assert preparation.names == ("Hours Studied", "Active=Yes")


@pytest.mark.parametrize("row", ["5,Yes,\n", "5,,60\n"], ids=["a score", "a category"])
def test_no_mean_stands_for_a_score_or_a_category(tmp_path, row):
    """They are refused with the way out."""
    table = read(tmp_path, PLAIN + row)
    with pytest.raises(InputError, match=r"^missing=mean: no mean .* 1 \(the first in line 5\); dataset.missing=drop"):
        split_table(table, Division(), scale=Scale.none, missing=Missing.mean)
    assert len(split_table(table, Division(), scale=Scale.none, missing=Missing.drop)[0]) == 3


def test_everything_is_learned_on_the_training_rows(tmp_path):
    """Means and scaling are those of the training rows, and of all rows they would be others."""
    rng = np.random.default_rng(0)
    lines = [f"{hours:.3f},{score:.3f}\n" for hours, score in rng.normal(5, 3, (40, 2))]
    lines[::7] = [",1.0\n" for _ in lines[::7]]
    table = read(tmp_path, "Hours Studied,Score\n" + "".join(lines), features=["Hours Studied"], categorical=())
    options = {"scale": Scale.features_and_target, "missing": Missing.mean}
    for fold in range(4):
        split, preparation = split_table(table, Division(folds=4, fold=fold, validation_fraction=0.2), **options)
        train = table.take(np.array(split.train_indices))
        filled = train.frame["Hours Studied"].fillna(train.frame["Hours Studied"].mean())
        assert preparation.means["Hours Studied"] == pytest.approx(train.frame["Hours Studied"].mean(), rel=1e-12)
        assert split.scaling.feature_means[0] == pytest.approx(filled.mean(), rel=1e-12)
        assert split.scaling.feature_deviations[0] == pytest.approx(filled.std(ddof=0), rel=1e-12)
        assert split.scaling.target_mean == pytest.approx(train.targets.mean(), rel=1e-12)
        assert abs(preparation.means["Hours Studied"] - table.frame["Hours Studied"].mean()) > 1e-3
        assert abs(split.scaling.target_mean - table.targets.mean()) > 1e-3


def test_test_rows_change_nothing_that_is_learned(tmp_path):
    """Other numbers in the test rows leave means, scaling and training rows as they are, bit for bit."""
    table = read(tmp_path, PLAIN * 1 + "4,No,70\n,Yes,80\n6,No,75\n")
    division = Division(test_fraction=0.3, seed=1)
    options = {"scale": Scale.features_and_target, "missing": Missing.mean}
    first, learned = split_table(table, division, **options)
    spoiled = pd.DataFrame(table.frame)
    spoiled.loc[list(first.test_indices), "Hours Studied"] = 1e6
    targets = table.targets.copy()
    targets[list(first.test_indices)] = -1e6
    second, again = split_table(dataclasses.replace(table, frame=spoiled, targets=targets), division, **options)
    assert again.means == learned.means
    assert first.scaling.feature_means.tobytes() == second.scaling.feature_means.tobytes()
    assert first.scaling.target_mean == second.scaling.target_mean
    assert first.train.features.tobytes() == second.train.features.tobytes()


def test_a_column_that_never_varies_is_said(tmp_path):
    """Numbers and words alike; of one row nothing is said."""
    assert read(tmp_path, "Hours Studied,Active,Score\n1,Yes,5\n1,Yes,6\n").notes == (
        "grades.csv: 2 rows; columns that never vary, of which nothing can be learned: Hours Studied, Active",
    )
    assert read(tmp_path, "Hours Studied,Active,Score\n1,Yes,5\n").notes == ()


@pytest.mark.parametrize("missing", [Missing.mean, Missing.drop])
def test_numbers_too_large_for_a_mean_are_a_sentence(tmp_path, missing):
    """1e308 is a number; three of them have no mean. Nothing is printed before it is said."""
    content = "Hours Studied,Score\n1e308,5\n1e308,6\n1e308,7\n-1e308,8\n,9\n"
    table = read(tmp_path, content, features=["Hours Studied"], categorical=())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=r"too large for a (mean|standard deviation)"):
            split_table(table, Division(), scale=Scale.features, missing=missing)


def test_a_role_is_one_and_a_category_a_feature(tmp_path):
    """Before the file is looked at."""
    assert refusal(tmp_path, PLAIN, features=["Score"], categorical=()).startswith("features: 'Score' stands more than")
    assert refusal(tmp_path, PLAIN, categorical=("Score",)) == "categorical: 'Score' is none of the features"
    assert refusal(tmp_path, PLAIN, features=[], categorical=()) == "features: at least one column is needed"


def test_a_category_that_no_training_row_has_is_named(tmp_path):
    """It has no indicator."""
    table = read(tmp_path, PLAIN + "4,Maybe,70\n5,Yes,75\n6,No,80\n")
    folds = [Division(folds=3, fold=fold) for fold in range(3)]
    problems = []
    for division in folds:
        try:
            split_table(table, division, scale=Scale.none, missing=Missing.error)
        except InputError as error:
            problems.append(str(error))
    [problem] = problems
    assert problem.startswith("categorical: the column Active has 'Maybe', which no training row has; they have 'No', ")
    assert problem.endswith("'No', 'Yes': write it as one of them, or leave its rows out")


def test_many_categories_are_none(tmp_path):
    """A name of each student is no category; the limit is said, and a column at the limit is taken."""
    rows = [f"1,name {k},50\n" for k in range(101)]
    assert "Active has 101 categories" in refusal(tmp_path, "Hours Studied,Active,Score\n" + "".join(rows))
    assert len(read(tmp_path, "Hours Studied,Active,Score\n" + "".join(rows[:100]))) == 100


def test_a_file_without_scores_is_read(tmp_path):
    """New rows to predict have none."""
    table = read(tmp_path, "Hours Studied,Active\n1,Yes\n", target=None)
    assert np.isnan(table.targets).all()
    assert table.notes == ()


ODD = {
    "UTF-16": (PLAIN.encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
    "Latin-1": (PLAIN.replace("Yes", "Où").encode("latin-1"), "byte 32 cannot be decoded; it is 0xf9, in Latin-1 'ù'"),
    "an Excel workbook": (b"PK\x03\x04\x14\x00\x06\x00", "is an Excel workbook, or a zip archive; save the sheet as"),
    "an old Excel workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an Excel workbook, or a zip archive; save"),
    "half a gzip file": (gzip.compress(PLAIN.encode() * 9)[:-12], "is a damaged gzip file: "),
    "a broken Parquet file": (b"PAR1" + b"x" * 99, "is no readable Parquet file: "),
}


@pytest.mark.parametrize(("content", "said"), ODD.values(), ids=ODD.keys())
def test_files_of_another_kind_are_named(tmp_path, content, said):
    """UTF-16, Latin-1, and files that break off."""
    assert said in refusal(tmp_path, content)


def test_a_packed_file_may_not_unpack_without_an_end(tmp_path, monkeypatch):
    """Lines, or one line, of more than a file may have are refused while they are read."""
    monkeypatch.setattr(text_file, "LARGEST_FILE", 10_000)
    assert "has more, unpacked, than 0.00 GiB" in refusal(tmp_path, gzip.compress(PLAIN.encode() + b"1,No,5\n" * 9999))
    monkeypatch.setattr(text_file, "LONGEST_LINE", 1000)
    assert "has a line of more than 1,000 characters; leave out columns" in refusal(
        tmp_path, gzip.compress(b"\0" * 5000)
    )


def test_a_bomb_is_refused_before_a_row_is_read(tmp_path, monkeypatch):
    """To read hundreds of millions of rows, and then refuse them, would take minutes and gigabytes."""
    monkeypatch.setattr(text_file, "LARGEST_FILE", 10_000)
    monkeypatch.setattr(csv_file, "read_cells", None)
    assert "has more, unpacked, than 0.00 GiB" in refusal(tmp_path, gzip.compress(PLAIN.encode() + b"1,No,5\n" * 9999))


def test_a_parquet_file_is_read_as_a_text_file_is(tmp_path):
    """The same table; wrong cells are named by row, absent columns by name."""
    frame = pd.DataFrame({"Hours Studied": [1.5, None, 8.0], "Active": ["Yes", "No", None], "Score": [50, 60, 95]})
    frame["When"] = pd.to_datetime(["2024-01-31"] * 3)
    frame.to_parquet(tmp_path / "grades.parquet")
    content = (tmp_path / "grades.parquet").read_bytes()
    table = read(tmp_path, content)
    assert table.gaps == {"Hours Studied": 1, "Active": 1, "": 0}
    assert table.frame["Active"].tolist() == ["Yes", "No", ""]
    assert table.targets.tolist() == [50.0, 60.0, 95.0]
    assert "row 1, column When: '2024-01-31 00:00:00' is not" in refusal(tmp_path, content, features=["When", "Active"])
    assert "'When' has dates: " in refusal(tmp_path, content, features=["When", "Active"])
    assert "no column 'Slept'; its columns are " in refusal(tmp_path, content, features=["Slept"], categorical=())


def test_numbers_are_those_of_python(tmp_path):
    """Every double as float() has it, whichever way it is written, with points and with commas."""
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(size=3000) * 10.0 ** rng.integers(-300, 300, 3000), [5e-324, 1.7e308, 0.1]])
    texts = [repr(float(value)) for value in values]
    for separator, comma in ((",", "."), (";", ",")):
        path = tmp_path / "numbers.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file, delimiter=separator)
            writer.writerow(["a", "b"])
            writer.writerows([text.replace(".", comma), 1] for text in texts)
        assert read_table(path, features=["a"], target="b").frame["a"].tolist() == [float(text) for text in texts]


def test_features_come_in_the_order_of_the_columns(tmp_path):
    """Three categories make three indicators, two make one; columns of words may stand before those of numbers."""
    content = "Town,Active,Hours Studied,Score\nRome,Yes,1,5\nOslo,No,2,6\nBern,No,,7\n"
    table = read(tmp_path, content, features=["Town", "Hours Studied", "Active"], categorical=("Active", "Town"))
    split, preparation = split_table(table, Division(), scale=Scale.none, missing=Missing.mean)
    assert preparation.names == ("Town=Bern", "Town=Oslo", "Town=Rome", "Hours Studied", "Active=Yes")
    assert split.train.features.tolist() == [[0, 0, 1, 1, 1], [0, 1, 0, 2, 0], [1, 0, 0, 1.5, 0]]
    assert preparation.features(table.frame.iloc[[0]]).tolist() == [[0, 0, 1, 1, 1]]


@pytest.mark.parametrize(
    ("name", "override"),
    [
        ("school", "dataset.categorical=[school]"),
        ("Schüler", """'dataset.categorical=["Schüler"]'"""),
        ("null", """'dataset.categorical=["null"]'"""),
        ("my school", """'dataset.categorical=["my school"]'"""),
        ('a "b"', """'dataset.categorical=["a \\"b\\""]'"""),
        ("${x}", """'dataset.categorical=["\\${x}"]'"""),
    ],
)
def test_an_override_that_is_proposed_can_be_typed(name, override):
    """A shell takes the quotes off, and Hydra and OmegaConf read the name that it was."""
    assert in_shell("dataset.categorical", [name]) == override
    [typed] = shlex.split(override)
    parsed = OverridesParser.create().parse_override(typed).value()
    assert str(OmegaConf.create({"found": parsed}).found[0]) == name
