"""From texts to numbers: what is missing, what is none, and what the column then seems to be."""

import math
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from student_score.arrays import Floats
from student_score.data.dialect import Decimal
from student_score.data.text_file import listing
from student_score.masking import cut, visible

MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?", "-"})
"""Cells that stand for a number or a word that is not there."""

MOST_CATEGORIES = 100
"""Different words of a column that becomes indicators; one with more, say of names, tells students apart, not kinds."""

LISTED_CELLS, FIRST_OF_MANY, LISTED_COLUMNS, LISTED_VALUES = 20, 5, 5, 4
"""Bad cells, if there are no more, else the first of them, columns, and values of a column that a message lists; of
others it says how many they are."""

LONGEST_CELL, LONGEST_MESSAGE = 40, 1900
"""Characters that are shown of a cell or a column's name, and of all that is said."""

VALUES = {"true", "false", "null", "nan", "inf"}
"""Words that Hydra reads as values."""

SEEMS = (
    ("dates", re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([ T].*)?"), "write them as numbers, say of days"),
    ("thousands separators", re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?"), "write 1234 instead of 1,234"),
    ("points between thousands", re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+"), "write 1234,5 instead of 1.234,5"),
    ("decimal commas", re.compile(r"[+-]?\d+,\d+"), "dataset.decimal=comma reads them"),
    ("thousands or decimal points", re.compile(r"[+-]?\d*\.\d+"), "dataset.decimal=point reads them as decimals"),
    ("per cent", re.compile(r"[+-]?\d+([.,]\d+)? ?%"), "leave out the sign %"),
    ("times", re.compile(r"\d{1,2}:\d{2}(:\d{2})?"), "write them as numbers, say of hours"),
    (
        "infinite or too large numbers",
        re.compile(r"[+-]?(inf(inity)?|\d+(\.\d*)?(e[+-]?\d+)?)", re.IGNORECASE),
        "correct the cells",
    ),
)
"""What cells that are no numbers look like, and the way out; the first that fits every one is said."""


@dataclass
class Faults:
    """What is wrong with the cells of a file: the first in words, all of them counted by column.

    Attributes:
        listed: what is wrong with the first ones, a sentence each.
        counts: how many there are by column.
        values: the first different ones of each column, one more than a column of categories may have.
        rows: how many rows were looked at.
        target: the column that cannot hold words.
    """

    listed: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    values: dict[str, dict[str, None]] = field(default_factory=dict)
    rows: int = 0
    target: str | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return self.counts.total()

    def add(self, sentence: str, *, where: str) -> None:
        """Note one of them."""
        self.counts[where] += 1
        if len(self.listed) < LISTED_CELLS:
            self.listed.append(sentence)

    def add_cell(self, place: str, name: str, cell: str) -> None:
        """Note a cell that is no number; `place` is its line or row."""
        text = cut(repr(cell[: LONGEST_CELL + 1]), LONGEST_CELL)
        self.add(f"{place}, column {heading(name)}: {text} is not a finite number", where=name)
        seen = self.values.setdefault(name, {})
        if len(seen) <= MOST_CATEGORIES:
            seen.setdefault(cell[: LONGEST_CELL + 1])

    def described(self) -> str:
        """Return them in words, of which there is an end: of many, what their columns seem to be comes first."""
        columns = [name for name, _ in self.counts.most_common(LISTED_COLUMNS)]
        said = " ".join(f"{self.seeming(name)}." for name in columns if name in self.values)
        counts = listing([f"{heading(name)} {self.counts[name]:,}" for name in columns], len(self.counts))
        room = LONGEST_MESSAGE - len(said) - len(counts) - 400  # A path takes 300.
        listed = [self.listed[0]]
        for sentence in self.listed[1:]:
            if sum(map(len, listed)) + 2 * len(listed) + len(sentence) > room:
                break
            listed.append(sentence)
        if len(listed) == self.count:
            return f": {'; '.join(listed)}. {said}".removesuffix(".").rstrip()
        first = "; ".join(listed[:FIRST_OF_MANY])
        return f", by column: {counts}. {said} The first are: {first}".replace("  ", " ")

    def seeming(self, name: str) -> str:
        """Return what a column seems to be, and the way out."""
        values = list(self.values[name])
        for kind, pattern, way_out in SEEMS:
            if all(pattern.fullmatch(value) for value in values):
                return f"{heading(name)!r} has {kind}: {self.first(name)}; {way_out}"
        if self.counts[name] < self.rows / 2:
            return f"{heading(name)!r} has words among its numbers: {self.first(name)}; correct the cells or empty them"
        if name == self.target:
            return f"{heading(name)!r} is text: {self.first(name)}; the target has to be numbers"
        if len(values) > MOST_CATEGORIES:
            return f"{heading(name)!r} is text, more than {MOST_CATEGORIES} different: {self.first(name)}; leave it out"
        way_out = in_shell("dataset.categorical", [name])
        return f"{heading(name)!r} is text: {self.first(name)}; {way_out} makes indicators of it"

    def first(self, name: str) -> str:
        """Return the first different values of a column for a message."""
        values = list(self.values[name])
        texts = [cut(visible(value), LONGEST_CELL) for value in values[:LISTED_VALUES]]
        return ", ".join(texts) + (", ..." if len(values) > LISTED_VALUES else "")


def heading(name: str) -> str:
    """Return a column's name for a message."""
    return cut(visible(name), LONGEST_CELL)


def in_shell(key: str, names: Sequence[str]) -> str:
    """Return an override that sets a list of columns, as a shell takes it."""
    listed = ",".join(name if is_plain(name) else f'"{escaped(heading(name))}"' for name in names)
    return shlex.quote(f"{key}=[{listed}]") if '"' in listed else f"{key}=[{listed}]"


def is_plain(name: str) -> bool:
    """Say whether Hydra reads a name without quotes as a text."""
    return (
        bool(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)) and name.lower() not in VALUES and len(name) < LONGEST_CELL
    )


def escaped(name: str) -> str:
    """Return a name as it stands between quotes."""
    return name.replace('"', '\\"').replace("${", "\\${")


def numbers(texts: Sequence[str], decimal: Decimal) -> Floats | None:
    """Return cells as the doubles that Python's float() makes, NaN where one is missing; None if any is no number."""
    joined = "\n".join(texts)
    if "_" in joined or (decimal is Decimal.comma and "." in joined):  # Python groups digits with _.
        return None
    cells = texts
    if decimal is Decimal.comma:
        cells = joined.replace(",", ".").split("\n")
        if len(cells) != len(texts):
            return None
    gaps = [place for place, text in enumerate(texts) if text in MISSING]
    if gaps:
        cells = list(cells)
        for place in gaps:
            cells[place] = "nan"
    try:
        found = np.array(list(map(float, cells)))
    except ValueError:
        return None
    return found if np.count_nonzero(np.isfinite(found)) == len(texts) - len(gaps) else None


def number(text: str, decimal: Decimal) -> float | None:
    """Return one cell as a number, NaN if it is missing; None if it is neither."""
    text = text.strip()
    if text in MISSING:
        return math.nan
    if decimal is Decimal.comma:
        text = "_" if "." in text else text.replace(",", ".")
    try:
        value = math.inf if "_" in text else float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
