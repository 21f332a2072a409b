"""What may be meant where a file has not the columns asked for, and the override that takes what it has."""

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from student_score.data.cells import in_shell, number
from student_score.data.dialect import Decimal
from student_score.data.text_file import LISTED_NAMES, opened, quoted

FIRST_ROWS = 1000
"""Rows by which decimals are found out, and columns described."""


def proposal(
    path: Path,
    header: Sequence[str],
    missing: Sequence[str],
    *,
    target: str | None,
    wanted: Sequence[str],
    separator: str,
) -> str:
    """Return what to do about columns that a header does not have; nothing where it is not known.

    Args:
        path: the file.
        header: its columns.
        missing: those that it does not have.
        target: the column of the scores; None where rows are predicted, whose columns nobody can choose.
        wanted: all that were asked for.
        separator: what stands between two cells.
    """
    if "\0" in "".join(header):
        return "; it seems to be UTF-16 text: save it as UTF-8"
    if header[0].casefold() == "sep=":
        return "; its first line is one of Excel's own: delete it"
    meant = near(missing, header)
    if target is None or all(near([name], header) for name in missing):
        return meant
    taken = wanted if [*missing] == [target] else [target]
    good = of_numbers(path, header, [name for name in header if name and name not in taken], separator)
    if not good:
        return meant
    features, scores = in_shell("dataset.features", good[:LISTED_NAMES]), "dataset.target=COLUMN"
    if [*missing] == [target]:
        way_out = scores
    else:
        way_out = f"{scores} and {features} without it" if target in missing else features
    return f"; numbers stand in {quoted(good)}: say {way_out}{meant}"


def near(missing: Sequence[str], header: Sequence[str]) -> str:
    """Return which columns differ from the missing ones in case, blanks and underscores alone."""
    plain = {simplified(name): name for name in header}
    found = [plain[simplified(name)] for name in missing if simplified(name) in plain]
    return f"; did you mean {quoted(found)}?" if found else ""


def simplified(name: str) -> str:
    """Return a name without what is easily mistaken."""
    return re.sub(r"[\s_-]+", "", name).casefold()


def of_numbers(path: Path, header: Sequence[str], names: Sequence[str], separator: str) -> list[str]:
    """Return which of the columns hold numbers, judged by the first rows."""
    with opened(path, separator) as lines:
        next(lines, None)
        rows = [cells for _, cells in islice(lines, FIRST_ROWS) if len(cells) == len(header)]
    places = {name: place for place, name in enumerate(header)}
    return [
        name
        for name in names
        if rows
        and any(
            all(number(row[places[name]], kind) is not None for row in rows) for kind in (Decimal.point, Decimal.comma)
        )
    ]
