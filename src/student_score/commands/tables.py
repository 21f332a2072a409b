"""Tables at the terminal, as wide as it is: columns that matter less give way, and cells are never markup."""

import sys
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from student_score.commands.output import canvas
from student_score.masking import visible

if TYPE_CHECKING:
    from student_score.sweeps.listing import Column, Listing

WIDTH = 120
"""Columns of a table that does not go to a terminal."""

GAP = 3
"""Spaces between two columns, and on both sides together."""


def print_table(listing: "Listing") -> None:
    """Print a table of texts and what it leaves out."""
    console = Console(file=canvas(sys.stdout), width=None if sys.stdout.isatty() else WIDTH)
    columns = fitting(listing.columns, console.width)
    table = Table(title=text(listing.title), box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for column in columns:
        wraps = column.rank == 0 and not column.right  # Only texts may take a second line; numbers stay whole.
        table.add_column(
            text(column.heading), justify="right" if column.right else "left", no_wrap=not wraps, overflow="fold"
        )
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*map(text, row))
    print()
    console.print(table)
    hidden = [column.heading for column in listing.columns if column not in columns and column.heading != "R²"]
    remarks = [listing.remark] if listing.remark else []
    if hidden:
        remarks.append(f"A wider terminal also shows {', '.join(dict.fromkeys(hidden))}.")
    if remarks:
        print(" ".join(remarks))


def text(cell: str) -> Text:
    """Return a text as it is shown letter by letter."""
    return Text(visible(cell))


def fitting(columns: "list[Column]", width: int) -> "list[Column]":
    """Return the columns without those of the highest rank, until they fit or only those of rank 0 are left."""
    for rank in sorted({column.rank for column in columns}, reverse=True):
        if rank == 0 or sum(natural(column) + GAP for column in columns) <= width:
            break
        columns = [column for column in columns if column.rank < rank]
    return columns


def natural(column: "Column") -> int:
    """Return how wide a column would like to be."""
    return max(len(column.heading), *map(len, column.cells))
