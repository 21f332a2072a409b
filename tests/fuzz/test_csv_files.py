"""CSV files of any content: read, or refused with a short sentence; what is read is what stands there.

STUDENT_SCORE_FUZZ=5000 tries that many files, and other ones each time.
"""

import csv
import gzip
import io
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from student_score.data.csv_file import read_csv, read_table
from student_score.data.dialect import Decimal, Delimiter
from student_score.data.rows import Rows
from student_score.errors import InputError

FUZZ = os.environ.get("STUDENT_SCORE_FUZZ")
EXAMPLES = int(FUZZ or 300)
LONGEST = 2000
"""Characters of a sentence."""


def examples(count: int) -> settings:
    """Return settings for so many examples, the same ones each time unless more are asked for."""
    return settings(
        max_examples=max(1, count),
        derandomize=not FUZZ,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


ODD_CELLS = [
    *("", " ", "nan", "inf", "-inf", "1e400", "1e-400", "1_000", "0x1", "1,5", "1;5", '"', '""', "'", "5 ", " 6", "+7"),
    *(
        "1" * 400,
        "9" * 5000,
        "x" * 300,
        "\0",
        "\x1b[31m",
        "é",
        "٣",
        "½",
        "true",
        "None",
        "#",
        "-",
        "--",
        "1e",
        "\ufeff",
    ),
]
NAMES = ["a", "b", "y", "a", "", " a", '"a"', "a b", "A", "é", "\x1b[31m", "\ufeffa", "0", "x" * 200]
numbers = st.one_of(st.integers(-100, 100).map(str), st.floats(width=32).map(str), st.floats().map(str))


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """Draw a table: mostly regular, with a flaw here and there."""
    width = draw(st.integers(1, 50)) if not draw(st.integers(0, 3)) else 3
    regular = draw(st.booleans())
    header = ["a", "b", "y"] if draw(st.booleans()) else draw(st.lists(st.sampled_from(NAMES), max_size=width))
    cells = (
        numbers if regular else st.one_of(numbers, numbers, numbers, st.sampled_from(ODD_CELLS), st.text(max_size=4))
    )
    size = len(header) if regular else width
    rows = draw(st.lists(st.lists(cells, min_size=size if draw(st.booleans()) else 0, max_size=size), max_size=5))
    comma = draw(st.sampled_from([","] * 6 + [";", "\t", ", ", "|"]))
    newline = draw(st.sampled_from(["\n"] * 4 + ["\r\n", "\r", "\n\n", "\x0b", "\u2028"]))
    text = newline.join(comma.join(row) for row in [header, *rows]) + draw(st.sampled_from(["", newline]))
    encoding = draw(st.sampled_from(["utf-8"] * 6 + ["utf-8-sig", "utf-16", "latin-1"]))
    return text.encode(encoding, errors="surrogatepass" if encoding == "utf-8" else "replace")


files = st.one_of(tables(), tables(), tables(), st.binary(max_size=200))


def attempt(path: Path) -> tuple[Rows | None, str]:
    """Return the rows of a file, or what is said of it."""
    try:
        return read_csv(path, features=["a", "b"], target="y"), ""
    except InputError as error:
        return None, str(error)


@examples(EXAMPLES)
@given(content=files)
def test_any_file_is_read_or_refused(tmp_path, content):
    """Finite numbers in three columns, or InputError with a sentence."""
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    rows, sentence = attempt(path)
    if rows is None:
        assert 0 < len(sentence) <= LONGEST
    else:
        assert rows.features.shape == (len(rows), 2)
        assert np.isfinite(rows.features).all()
        assert np.isfinite(rows.targets).all()


WORDS = ["Yes", "No", "", "NA", "-", "a b", "ü", "x;y", "1,5", "NaN "]
GAPS = {"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?", "-"}


@st.composite
def students(draw: st.DrawFn) -> tuple[str, str, list[list[str]], bool]:
    """Draw signs between cells and before decimals, rows of a number, a word and a score, and whether to pack them."""
    delimiter, comma = draw(st.sampled_from([(",", "."), (";", "."), (";", ","), ("\t", ","), ("|", ".")]))
    number = st.one_of(
        st.floats(allow_nan=False, allow_infinity=False).map(repr), st.sampled_from(["", "?", "NA", " 5 ", "-3", "x"])
    )
    rows = draw(st.lists(st.tuples(number, st.sampled_from(WORDS), number).map(list), min_size=1, max_size=8))
    return (
        delimiter,
        comma,
        [[a.replace(".", comma), word, y.replace(".", comma)] for a, word, y in rows],
        draw(st.booleans()),
    )


def by_hand(cell: str, comma: str) -> float:
    """Return a cell as a number, NaN where it is missing; ValueError if it is neither."""
    return math.nan if cell.strip() in GAPS else float(cell.strip().replace(comma, "."))


@examples(EXAMPLES)
@given(drawn=students(), told=st.booleans())
def test_what_is_read_is_what_stands_there(tmp_path, drawn, told):
    """Numbers, words and gaps are those of an independent reading, or a sentence says why there are none."""
    delimiter, comma, rows, packed = drawn
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([["a", "word", "y"], *rows])
    content = text.getvalue().encode()
    path = tmp_path / "rows.csv"
    path.write_bytes(gzip.compress(content) if packed else content)
    given_signs = {"delimiter": Delimiter(delimiter), "decimal": Decimal(comma)} if told else {}
    try:
        table = read_table(path, features=["a", "word"], target="y", categorical=["word"], **given_signs)
    except InputError as error:
        table, sentence = None, str(error)
    if table is None:
        assert 0 < len(sentence) <= LONGEST
        bad = any("x" in (a, y) for a, _, y in rows)
        assert bad or "decimal=auto" in sentence, sentence
        return
    assert table.frame["a"].tolist() == pytest.approx(
        [by_hand(a, comma) for a, _, _ in rows], rel=0, abs=0, nan_ok=True
    )
    assert table.targets.tolist() == pytest.approx([by_hand(y, comma) for _, _, y in rows], rel=0, abs=0, nan_ok=True)
    assert table.frame["word"].tolist() == ["" if word.strip() in GAPS else word.strip() for _, word, _ in rows]


@pytest.mark.slow
@examples(EXAMPLES // 20)
@given(content=files)
def test_the_command_reads_a_file_or_refuses_it(cli, folder, content):
    """Exit code 0, or 2 with a short sentence in printable letters, whatever stands in the file."""
    (folder / "rows.csv").write_bytes(content)
    done = cli("dataset.path=rows.csv", "dataset.features=[a,b]", "dataset.target=y", "training.epochs=2")
    assert done.code in (0, 2), done.err
    assert not [words for words in ("unexpected", "Traceback", "Error executing job") if words in done.err], done.err
    assert len(done.err) <= LONGEST
    assert all(line.isprintable() for line in done.err.split("\n"))
