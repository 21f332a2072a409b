"""Rows of students: read, checked cell by cell, split and standardised."""

import hashlib
import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from student_score.dataset import Rows, Scale, Scaling, read_csv, split_rows
from student_score.errors import InputError

FEATURES = ["studied", "slept"]
NAN, INF = math.nan, math.inf


def written(folder, content):
    """Write text, or bytes as they are, to a CSV file in `folder` and return its path."""
    path = folder / "students.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(folder, content):
    """Return the rows of a CSV file with the given content."""
    return read_csv(written(folder, content), features=FEATURES, target="score")


def refusal(folder, content):
    """Return the message with which a CSV file of the given content is refused."""
    with pytest.raises(InputError) as caught:
        read(folder, content)
    return str(caught.value)


def table(rows):
    """Return the rows as lists: features, then the target."""
    return np.column_stack([rows.features, rows.targets]).tolist()


def random_rows(n, n_features=2, seed=0):
    """Return rows of uniform numbers in hours and score points."""
    rng = np.random.default_rng(seed)
    return Rows(rng.uniform(0, 9, size=(n, n_features)), rng.uniform(30, 100, size=n))


GOOD_FILES = {
    "as simple as can be": "studied,slept,score\n5,8,85\n2,6,60\n",
    "columns in another order, one more": "score,name,slept,studied\n85,Ann,8,5\n60,Bob,6,2\n",
    "Windows line ends": "studied,slept,score\r\n5,8,85\r\n2,6,60\r\n",
    "no newline at the end": "studied,slept,score\n5,8,85\n2,6,60",
    "a byte order mark": b"\xef\xbb\xbfstudied,slept,score\n5,8,85\n2,6,60\n",
    "blank lines": "\n\nstudied,slept,score\n\n5,8,85\n   \n\t\n2,6,60\n\n\n",
    "blanks around names and numbers": " studied , slept,score \n 5,8 , 85\n2 , 6,60\n",
    "other ways to write numbers": "studied,slept,score\n5.0,+8,8.5e1\n2.,06,60.000\n",
    "quotes": '"studied","slept","score"\n"5","8","85"\n2,6,"60"\n',
    "cells over two lines": 'studied,slept,score,"a\nnote"\n5,8,85,"x\ny"\n2,6,60,\n',
    "not only English": "studied,slept,score,prénom\n5,8,85,Zoë\n2,6,60,李\n",
}


@pytest.mark.parametrize("content", GOOD_FILES.values(), ids=GOOD_FILES.keys())
def test_the_named_columns_are_read_in_the_named_order(tmp_path, content):
    """Two students come out as numbers, whatever else a valid CSV file contains."""
    rows = read(tmp_path, content)
    assert table(rows) == [[5.0, 8.0, 85.0], [2.0, 6.0, 60.0]]
    assert rows.features.dtype == rows.targets.dtype == np.float64
    assert len(rows) == 2


def test_columns_come_in_the_order_asked_for(tmp_path):
    """`features` decides the order of the columns, not the file."""
    path = written(tmp_path, GOOD_FILES["as simple as can be"])
    rows = read_csv(path, features=["score", "studied"], target="slept")
    assert table(rows) == [[85.0, 5.0, 8.0], [60.0, 2.0, 6.0]]


BAD_FILES = {
    "an empty file": ("", ["is empty", "'studied', 'slept', 'score'"]),
    "blank lines only": ("\n \n\n", ["is empty"]),
    "a header only": ("studied,slept,score\n", ["header but no rows"]),
    "a header and blank lines": ("studied,slept,score\n\n  \n", ["header but no rows"]),
    "one column missing": ("studied,score\n5,85\n", ["no column 'slept'", "'studied', 'score'"]),
    "two columns missing": ("studied,points\n5,85\n", ["no column 'slept', 'score'", "'studied', 'points'"]),
    "semicolons": ("studied;slept;score\n5;8;85\n", ["no column 'studied', 'slept', 'score'"]),
    "no header": ("5,8,85\n2,6,60\n", ["no column 'studied', 'slept', 'score'", "'5', '8', '85'"]),
    "names in capitals": ("Studied,slept,score\n5,8,85\n", ["no column 'studied'"]),
    "a column name twice": ("studied,slept,score,slept\n5,8,85,8\n", ["duplicate column names: 'slept'"]),
    "a name twice but for blanks": ("studied,slept,score, score\n5,8,85,8\n", ["duplicate column names: 'score'"]),
    "an open quote": ('studied,slept,score\n5,8,"85\n', ["is not a CSV file", "line 2"]),
    "text after a quote": ('studied,slept,score\n5,8,85\n5,8,"8"5\n', ["is not a CSV file", "line 3"]),
    "text in a number column": ("studied,slept,score\n5,8,85\n2,six,60\n", ["1 bad cell: line 3, column slept: 'six'"]),
    "an empty cell": ("studied,slept,score\n5,,85\n", ["1 bad cell: line 2, column slept: ''"]),
    "nan": ("studied,slept,score\nnan,8,85\n", ["1 bad cell: line 2, column studied: 'nan'"]),
    "inf": ("studied,slept,score\n5,8,inf\n", ["1 bad cell: line 2, column score: 'inf'"]),
    "minus infinity": ("studied,slept,score\n5,-Infinity,85\n", ["1 bad cell: line 2, column slept: '-Infinity'"]),
    "too large a number": ("studied,slept,score\n5,8,1e309\n", ["1 bad cell: line 2, column score: '1e309'"]),
    "a decimal comma": ('studied,slept,score\n"5,5",8,85\n', ["1 bad cell: line 2, column studied: '5,5'"]),
    "a unit": ("studied,slept,score\n5h,8,85\n", ["1 bad cell: line 2, column studied: '5h'"]),
    "digits grouped by underscores": ("studied,slept,score\n5,8,8_5\n", ["1 bad cell: line 2, column score: '8_5'"]),
    "hexadecimal": ("studied,slept,score\n0x5,8,85\n", ["1 bad cell: line 2, column studied: '0x5'"]),
    "a short line": ("studied,slept,score\n5,8,85\n2,6\n", ["1 bad cell: line 3 has 2 cells", "header has 3"]),
    "a long line": ("studied,slept,score\n5,8,85,9\n", ["1 bad cell: line 2 has 4 cells", "header has 3"]),
}


@pytest.mark.parametrize(("content", "parts"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_bad_file_is_refused_with_place_and_reason(tmp_path, content, parts):
    """The message names the file and what is wrong with it; a bad cell by line, column and content."""
    message = refusal(tmp_path, content)
    for part in (str(tmp_path / "students.csv"), *parts):
        assert part in message


def test_all_bad_cells_are_named_in_one_message(tmp_path):
    """Five faults in three lines come in the order of the file, columns in the order asked for."""
    content = "name,score,slept,studied\nAnn,x,,1\nBob,60,6,2\nCid,1\nDan,inf,5,?\n"
    assert refusal(tmp_path, content).split("has 5 bad cells: ")[1].split("; ") == [
        "line 2, column slept: '' is not a finite number",
        "line 2, column score: 'x' is not a finite number",
        "line 4 has 2 cells where the header has 4",
        "line 5, column studied: '?' is not a finite number",
        "line 5, column score: 'inf' is not a finite number",
    ]


def test_columns_that_are_not_used_may_hold_anything(tmp_path):
    """Only the named columns have to be numbers."""
    assert table(read(tmp_path, "studied,slept,score,remark\n5,8,85,nan and _ and ?\n")) == [[5.0, 8.0, 85.0]]


def test_line_numbers_are_those_of_the_file(tmp_path):
    """Blank lines and quoted cells with line breaks count, as they do in an editor."""
    # Lines: 1 blank, 2-3 header, 4-6 first student, 7 blank, 8 second student, 9 third student.
    content = '\nstudied,slept,score,"a\nnote"\n5,8,85,"x\ny\nz"\n\n2,six,60,\n8,7,y,\n'
    assert "2 bad cells: line 8, column slept: 'six' " in refusal(tmp_path, content)
    assert "; line 9, column score: 'y' " in refusal(tmp_path, content)


@pytest.mark.parametrize(
    ("name", "reason"), [("absent.csv", "there is no file"), ("", "is a directory"), ("x" * 300, "cannot be read")]
)
def test_what_cannot_be_opened_is_named(tmp_path, name, reason):
    """A missing file, a directory and a name that the file system refuses are bad input, not crashes."""
    with pytest.raises(InputError, match=rf"dataset\.path: .*{reason}|dataset\.path: {reason}") as caught:
        read_csv(tmp_path / name, features=FEATURES, target="score")
    assert str(tmp_path / name) in str(caught.value)


def test_text_that_is_not_utf_8_is_named_by_its_byte(tmp_path):
    """The message counts the bytes before the first that cannot be decoded."""
    content = b"studied,slept,score\n5,8,85\xff\n"  # 20 bytes in the first line, 6 before the bad one
    assert "not UTF-8 text: byte 26 " in refusal(tmp_path, content)


@pytest.mark.parametrize(
    ("before", "place"), [(b"5,8,85\n" * 3000, 21020), (b"", 20)], ids=["far into the file", "behind a mark"]
)
def test_the_bad_byte_is_counted_from_the_start_of_the_file(tmp_path, before, place):
    """The place of a bad byte is right in a file of any length, with or without a byte order mark."""
    mark = b"" if before else b"\xef\xbb\xbf"
    # The header is 20 bytes, each student 7: 20 + 3000 * 7 is 21020; behind the mark of 3 bytes it is 20 + 3.
    message = refusal(tmp_path, mark + b"studied,slept,score\n" + before + b"\xff,8,85\n")
    assert f"byte {place + len(mark)} " in message


@pytest.mark.parametrize(
    ("features", "target", "repeated"),
    [(["slept", "slept"], "score", "'slept'"), (["studied", "score"], "score", "'score'")],
    ids=["a feature twice", "the target among the features"],
)
def test_a_column_has_one_role(tmp_path, features, target, repeated):
    """Naming a column more than once is refused before the file is looked at."""
    with pytest.raises(InputError, match=rf"{repeated} more than once"):
        read_csv(tmp_path / "absent.csv", features=features, target=target)


def test_rows_need_a_feature(tmp_path):
    """A file read without feature columns is refused."""
    with pytest.raises(InputError, match="at least one column"):
        read_csv(written(tmp_path, GOOD_FILES["as simple as can be"]), features=[], target="score")


@pytest.mark.parametrize(
    ("features", "targets"),
    [
        (np.ones((3, 2)), np.ones(2)),
        (np.ones((3, 2)), np.ones((3, 1))),
        (np.ones(3), np.ones(3)),
        (np.ones((0, 2)), np.ones(0)),
        (np.ones((3, 0)), np.ones(3)),
    ],
    ids=["too few targets", "targets as a column", "features as a vector", "no rows", "no features"],
)
def test_rows_of_the_wrong_shape_are_refused(features, targets):
    """The message names both shapes."""
    with pytest.raises(InputError) as caught:
        Rows(features, targets)
    assert str(features.shape) in str(caught.value)
    assert str(targets.shape) in str(caught.value)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_rows_are_finite(value):
    """One number that is not finite, in a feature or a target, is refused."""
    with pytest.raises(InputError, match="finite"):
        Rows(np.array([[1.0, value]]), np.ones(1))
    with pytest.raises(InputError, match="finite"):
        Rows(np.ones((2, 1)), np.array([1.0, value]))


def test_taken_rows_come_in_the_order_asked_for():
    """Rows 2, 0 of the article's students are [8, 7] -> 95 and [5, 8] -> 85."""
    rows = Rows(np.array([[5.0, 8], [2, 6], [8, 7]]), np.array([85.0, 60, 95]))
    assert table(rows.take([2, 0])) == [[8.0, 7.0, 95.0], [5.0, 8.0, 85.0]]


def test_the_digest_is_the_sha_256_of_the_numbers():
    """The digest hashes features and target of each row in turn as little-endian doubles, independent of memory."""
    rows = Rows(np.array([[5.0, 8], [2, 6]]), np.array([85.0, 60]))
    expected = hashlib.sha256(struct.pack("<6d", 5, 8, 85, 2, 6, 60)).hexdigest()
    assert rows.digest() == expected
    assert Rows(np.asfortranarray(rows.features), rows.targets.astype(">f8")).digest() == expected


def test_another_number_another_order_another_digest():
    """One last bit, two swapped rows or two swapped columns change the digest."""
    rows = random_rows(4)
    nudged = rows.features.copy()
    nudged[2, 1] = np.nextafter(nudged[2, 1], 10.0)
    digests = {
        rows.digest(),
        Rows(nudged, rows.targets).digest(),
        rows.take([1, 0, 2, 3]).digest(),
        Rows(rows.features[:, ::-1], rows.targets).digest(),
        rows.take([0, 1, 2]).digest(),
    }
    assert len(digests) == 5


def test_without_a_test_fraction_all_rows_train_in_their_order():
    """A fraction of 0 leaves no test rows and moves none; the seed then has no effect."""
    rows = random_rows(7)
    split = split_rows(rows, seed=3)
    assert split.test is None
    assert (split.train_indices, split.test_indices) == (tuple(range(7)), ())
    assert split.train.digest() == rows.digest()


@given(n=st.integers(2, 30), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 1000))
def test_the_split_is_scikit_learns(n, fraction, seed):
    """Both parts equal `train_test_split` of the rows themselves, and the indices say where they came from."""
    rows = random_rows(n)
    # scikit-learn rounds the number of test rows up.
    if math.ceil(fraction * n) == n:
        with pytest.raises(InputError, match=rf"test_fraction={fraction} of {n} rows leaves no row"):
            split_rows(rows, test_fraction=fraction, seed=seed)
        return
    split = split_rows(rows, test_fraction=fraction, seed=seed)
    expected = train_test_split(rows.features, rows.targets, test_size=fraction, random_state=seed)
    for ours, theirs in zip(
        (split.train.features, split.test.features, split.train.targets, split.test.targets), expected, strict=True
    ):
        assert ours.tobytes() == theirs.tobytes()
    assert sorted(split.train_indices + split.test_indices) == list(range(n))
    assert rows.take(list(split.train_indices)).digest() == split.train.digest()
    assert rows.take(list(split.test_indices)).digest() == split.test.digest()


@pytest.mark.parametrize(
    ("n", "fraction", "n_test"),
    [(10, 1e-9, 1), (10, 0.1, 1), (10, 0.11, 2), (10, 0.9, 9), (2, 0.5, 1), (3, 0.5, 2), (4, 0.25, 1)],
)
def test_the_number_of_test_rows_is_rounded_up(n, fraction, n_test):
    """The test part has ceil(fraction * n) rows, so any fraction above 0 has at least one."""
    split = split_rows(random_rows(n), test_fraction=fraction)
    assert (len(split.test), len(split.train)) == (n_test, n - n_test)


@pytest.mark.parametrize(("n", "fraction"), [(1, 0.5), (1, 1e-9), (2, 0.51), (10, 0.91)])
def test_a_test_fraction_leaves_a_row_to_train_on(n, fraction):
    """The message names the fraction and the number of rows."""
    with pytest.raises(InputError, match=rf"test_fraction={fraction} of {n} rows"):
        split_rows(random_rows(n), test_fraction=fraction)


@pytest.mark.parametrize("fraction", [-0.5, 1.0, 1.5, 7, NAN, INF])
def test_a_test_fraction_is_a_share(fraction):
    """A fraction that is negative, 1 or more, or not a number is refused."""
    with pytest.raises(InputError, match="test_fraction"):
        split_rows(random_rows(10), test_fraction=fraction)


def test_the_seed_decides_the_split():
    """One seed gives one split, another seed another."""
    one, same, other = (split_rows(random_rows(20), test_fraction=0.3, seed=seed) for seed in (1, 1, 2))
    assert one.test_indices == same.test_indices != other.test_indices


def test_standardised_features_by_hand():
    """Features 1, 3 and target 10, 30 become -1, 1 as their means are 2, 20 and their deviations 1, 10."""
    rows = Rows(np.array([[1.0], [3.0]]), np.array([10.0, 30.0]))
    both = Scaling.fit(rows, Scale.features_and_target)
    assert table(both.apply(rows)) == [[-1.0, -1.0], [1.0, 1.0]]
    assert (both.target_mean, both.target_deviation) == (20.0, 10.0)
    # A new feature becomes (7 - 2) / 1, a new score 0.3 * 10 + 20.
    assert both.features(np.array([[7.0]])).tolist() == [[5.0]]
    assert both.scores(np.array([0.3])).tolist() == [23.0]
    assert table(Scaling.fit(rows, Scale.features).apply(rows)) == [[-1.0, 10.0], [1.0, 30.0]]
    assert Scaling.fit(rows, Scale.features).scores(np.array([0.3])).tolist() == [0.3]


def test_without_scaling_every_bit_stays():
    """`Scale.none` returns features, targets and outputs as they are."""
    rows = random_rows(50)
    scaling = split_rows(rows).scaling
    assert scaling.apply(rows).digest() == rows.digest()
    assert scaling.scores(rows.targets).tobytes() == rows.targets.tobytes()
    assert (scaling.target_mean, scaling.target_deviation) == (0.0, 1.0)


@pytest.mark.parametrize("scale", Scale)
@given(n=st.integers(2, 20), seed=st.integers(0, 1000))
def test_scores_undo_the_scaling_of_targets(scale, n, seed):
    """Standardised targets, taken back to score points, are the targets up to rounding."""
    rows = random_rows(n, seed=seed)
    scaling = Scaling.fit(rows, scale)
    assert scaling.scores(scaling.apply(rows).targets) == pytest.approx(rows.targets, rel=1e-14)


@given(n=st.integers(2, 20), n_features=st.integers(1, 4), seed=st.integers(0, 1000))
def test_standardised_rows_have_mean_zero_and_deviation_one(n, n_features, seed):
    """On the rows it was fitted on, every scaled column has mean 0 and standard deviation 1 (divisor n)."""
    rows = random_rows(n, n_features, seed)
    columns = np.array(table(Scaling.fit(rows, Scale.features_and_target).apply(rows))).T
    # Deviations of two uniform numbers can be small, and rounding grows by range over deviation.
    assert columns.mean(axis=1) == pytest.approx(0.0, abs=1e-10)
    assert columns.std(axis=1) == pytest.approx(1.0, rel=1e-10)


def test_a_constant_column_is_only_centred():
    """A feature or target that does not vary becomes 0: its deviation counts as 1, so nothing is divided by 0."""
    rows = Rows(np.array([[4.0, 1.0], [4.0, 3.0]]), np.array([60.0, 60.0]))
    scaling = Scaling.fit(rows, Scale.features_and_target)
    assert table(scaling.apply(rows)) == [[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]]
    assert scaling.scores(np.array([0.0, 2.0])).tolist() == [60.0, 62.0]


@pytest.mark.parametrize("scale", [Scale.features, Scale.features_and_target])
def test_standardising_is_fitted_on_training_rows_only(scale):
    """Means and deviations are those of the training part; no test row, however far off, has a say in them."""
    rows = random_rows(20)
    split = split_rows(rows, test_fraction=0.4, seed=2, scale=scale)
    assert split.scaling.feature_means == pytest.approx(split.train.features.mean(axis=0), rel=1e-14)
    assert split.scaling.feature_deviations == pytest.approx(split.train.features.std(axis=0), rel=1e-14)
    if scale is Scale.features_and_target:
        assert split.scaling.target_mean == pytest.approx(split.train.targets.mean(), rel=1e-14)
        assert split.scaling.target_deviation == pytest.approx(split.train.targets.std(), rel=1e-14)
    features, targets = rows.features.copy(), rows.targets.copy()
    features[list(split.test_indices)] += 1e6
    targets[list(split.test_indices)] -= 1e6
    other = split_rows(Rows(features, targets), test_fraction=0.4, seed=2, scale=scale)
    assert other.test_indices == split.test_indices
    assert other.scaling.apply(other.train).digest() == split.scaling.apply(split.train).digest()
