"""A CSV file of students: read, and every bad cell named."""

import io
import os
import socket
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from student_score.data import text_file
from student_score.data.article import ARTICLE_FEATURES, ARTICLE_ROWS, ARTICLE_TARGET
from student_score.data.csv_file import read_csv
from student_score.errors import InputError
from student_score.paths import REPOSITORY

FEATURES = ["studied", "slept"]


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


def test_the_articles_rows_are_those_of_its_file():
    """ARTICLE_ROWS and data/student_scores.csv hold the same three students, in every bit and in one order."""
    path = REPOSITORY / "data/student_scores.csv"
    rows = read_csv(path, features=ARTICLE_FEATURES, target=ARTICLE_TARGET)
    assert table(ARTICLE_ROWS) == [[5.0, 8.0, 85.0], [2.0, 6.0, 60.0], [8.0, 7.0, 95.0]]
    assert ARTICLE_ROWS.digest() == rows.digest()


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
    "colons": ("studied:slept:score\n5:8:85\n", ["no column 'studied', 'slept', 'score'"]),
    "no header": ("5,8,85\n2,6,60\n", ["no column 'studied', 'slept', 'score'", "'5', '8', '85'"]),
    "names in capitals": ("Studied,slept,score\n5,8,85\n", ["no column 'studied'", "did you mean 'Studied'?"]),
    "a column name twice": ("studied,slept,score,slept\n5,8,85,8\n", ["duplicate column names: 'slept'"]),
    "a name twice but for blanks": ("studied,slept,score, score\n5,8,85,8\n", ["duplicate column names: 'score'"]),
    "an open quote": ('studied,slept,score\n5,8,"85\n', ["is not a CSV file", "line 2"]),
    "text after a quote": ('studied,slept,score\n5,8,85\n5,8,"8"5\n', ["is not a CSV file", "line 3"]),
    "text in a number column": ("studied,slept,score\n5,8,85\n2,six,60\n", ["1 bad cell: line 3, column slept: 'six'"]),
    "an empty cell": ("studied,slept,score\n5,,85\n", ["missing=error: ", "slept 1 (the first in line 2)"]),
    "nan": ("studied,slept,score\nnan,8,85\n", ["missing=error: ", "studied 1 (the first in line 2)"]),
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
    content = "name,score,slept,studied\nAnn,x,y,1\nBob,60,6,2\nCid,1\nDan,inf,5,!\n"
    cells, _, seeming = refusal(tmp_path, content).split("has 5 bad cells: ")[1].partition(". ")
    assert seeming.count("is text: ") == 1 + seeming.count("dataset.categorical=")  # Not said of the target.
    assert cells.split("; ") == [
        "line 2, column slept: 'y' is not a finite number",
        "line 2, column score: 'x' is not a finite number",
        "line 4 has 2 cells where the header has 4",
        "line 5, column studied: '!' is not a finite number",
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


BAD_NAMES = {
    "absent": ("absent.csv", "there is no file .*absent.csv"),
    "a directory": ("", "is a directory; a CSV file is needed"),
    "too long a name": ("x" * 200 + "y" * 100, "cannot be read: File name too long"),
    "too long a path": ("folder/" * 700, "cannot be read: File name too long"),
    "a NUL": ("a\0b.csv", "cannot be the name of a file: embedded null byte"),
    "half a letter": ("a\ud800.csv", "cannot be the name of a file: .*surrogates not allowed"),
    "below a file": ("students.csv/more.csv", "cannot be read: Not a directory"),
    "a link to itself": ("loop.csv", "cannot be read: Too many levels of symbolic links"),
    "a pipe": ("pipe", "is a pipe; a CSV file is needed"),
    "a socket": ("socket", "is a socket; a CSV file is needed"),
    "a device": ("/dev/zero", "is a device; a CSV file is needed"),
}


@pytest.mark.parametrize(("name", "reason"), BAD_NAMES.values(), ids=BAD_NAMES.keys())
def test_what_cannot_be_opened_is_named(tmp_path, monkeypatch, name, reason):
    """What is missing, no file or no name is bad input, said with the beginning of the path, and never waited for."""
    monkeypatch.chdir(tmp_path)  # The address of a socket is short.
    written(tmp_path, "studied,slept,score\n5,8,85\n")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    path = tmp_path / name
    with pytest.raises(InputError, match=rf"^path: .*{reason}$") as caught:
        read_csv(path, features=FEATURES, target="score")
    message = str(caught.value)
    assert str(path) in message or (str(tmp_path) in message and ("..." in message or "\\" in message))
    assert message.isprintable()
    assert len(message) < 450


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    """Without permission, and where the disk fails while it is read."""
    path = written(tmp_path, "studied,slept,score\n5,8,85\n")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    class Failing(io.BytesIO):
        def read(self, *_):
            raise OSError(5, "Input/output error")

    for method, stand_in, reason in (
        ("stat", refuse, "Permission denied"),
        ("open", refuse, "Permission denied"),
        ("open", lambda *_, **__: Failing(), "Input/output error"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(Path, method, stand_in)
            with pytest.raises(InputError, match=rf"^path: .*students.csv cannot be read: {reason}$"):
                read_csv(path, features=FEATURES, target="score")


def test_too_large_a_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    """The message has its size and what is allowed; a sparse file of 3 TiB takes no time."""
    path = written(tmp_path, "studied,slept,score\n5,8,85\n")
    monkeypatch.setattr(text_file, "LARGEST_FILE", 27)
    assert len(read_csv(path, features=FEATURES, target="score")) == 1
    monkeypatch.setattr(text_file, "LARGEST_FILE", 26)
    with pytest.raises(InputError, match=r"students.csv has 0.00 GiB; a CSV file of at most 0.00 GiB can be read"):
        read_csv(path, features=FEATURES, target="score")
    monkeypatch.undo()
    os.truncate(path, 3 * 2**40)  # A sparse file: it takes no place.
    with pytest.raises(InputError, match=r"students.csv has 3072.00 GiB; a CSV file of at most 1.00 GiB can be read"):
        read_csv(path, features=FEATURES, target="score")


def test_a_file_is_read_in_little_memory(tmp_path):
    """20,000 lines take no more than three times their 480 kB of numbers, where their cells would take 3 MB."""
    path = written(tmp_path, "studied,slept,score\n" + "5,8,85.5\n" * 20_000)
    tracemalloc.start()
    rows = read_csv(path, features=FEATURES, target="score")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(rows) == 20_000
    assert peak < 3 * 20_000 * 3 * 8


def test_many_bad_cells_are_counted(tmp_path):
    """Of 854 the first are named, all counted by column, those of short lines apart; what the columns seem is first."""
    lines = ["x,8,85"] * 600 + ["5,8,!"] * 250 + ["5"] * 4
    message = refusal(tmp_path, "studied,slept,score\n" + "\n".join(lines) + "\n")
    assert message.split(".csv has ")[1].startswith(
        "854 bad cells, by column: studied 600, score 250, lines of another length 4. "
        "'studied' is text: x; dataset.categorical=[studied] makes indicators of it. "
        "'score' has words among its numbers: !; correct the cells or empty them. "
        "The first are: line 2, column studied: 'x' is not a finite number; line 3, column studied: "
    )
    assert message.count("line ") == 5


def test_up_to_twenty_bad_cells_are_all_named(tmp_path):
    """Twenty are; of one more the first five."""
    for bad, named in ((20, 20), (21, 5)):
        message = refusal(tmp_path, "studied,slept,score\n" + "5,8,!\n" * bad)
        assert message.count("line ") == named


LONG = "long " * 2000

ENDLESS_FILES = {
    "many bad cells, names of many letters": ",".join([f"{k}{LONG}" for k in range(9)])
    + "\n"
    + ("!," * 8 + "!\n") * 99,
    "many other columns": ",".join(f"column {k}" for k in range(10_000)) + "\n",
    "many columns twice": ",".join(f"column {k % 5000}" for k in range(10_000)) + "\n",
    "long other columns": ",".join(f"{k}{LONG}" for k in range(50)) + "\n",
    "a number of 5,000 digits": "studied,slept,score\n5,8," + "9" * 5000 + "\n",
    "an endless word": f"studied,slept,score\n5,8,{LONG}\n",
    "an escape in a name": "\x1b[31mstudied,slept,score\n!,8,85\n",
    "NULs": "studied,slept,score\n5,8," + "\0" * 5000 + "\n",
    "a cell of more than csv takes": "studied,slept,score\n5,8," + "9" * 200_000 + "\n",
    "a quote that never ends": 'studied,slept,score\n5,8,"' + "9\n" * 100_000,
}


@pytest.mark.parametrize("content", ENDLESS_FILES.values(), ids=ENDLESS_FILES.keys())
def test_no_message_is_endless(tmp_path, content):
    """Whatever a file holds, what is said of it can be read, and none of it reaches a terminal unquoted."""
    path, header = written(tmp_path, content), content.split("\n", 1)[0].split(",")
    columns = [name.strip() for name in header[:9]] if "!" in content else [*FEATURES, "score"]
    with pytest.raises(InputError) as caught:
        read_csv(path, features=columns[:-1], target=columns[-1])
    message = str(caught.value)
    assert str(path) in message
    assert len(message) <= 2000
    assert message.isprintable()


def test_many_features_are_not_all_listed(tmp_path):
    """Of 10,000 columns that are missing ten are named."""
    columns = [f"column {k}" for k in range(10_000)]
    for features, content in ((columns, "a,b\n1,2\n"), (columns, ""), ([*columns, columns[0]], "a,b\n")):
        with pytest.raises(InputError, match=r"'column 9' and 999\d more") as caught:
            read_csv(written(tmp_path, content), features=features, target="score")
        assert len(str(caught.value)) < 1000


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
    with pytest.raises(InputError, match=rf"^features: {repeated} stands more than once in "):
        read_csv(tmp_path / "absent.csv", features=features, target=target)


def test_rows_need_a_feature(tmp_path):
    """A file read without feature columns is refused."""
    with pytest.raises(InputError, match="at least one column"):
        read_csv(written(tmp_path, GOOD_FILES["as simple as can be"]), features=[], target="score")
