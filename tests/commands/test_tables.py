"""Tables at the terminal fit it, and what they hold is never markup."""

import io
import sys

import pytest

from student_score.commands import tables, terminal
from student_score.sweeps.listing import Column, Listing

WIDE = Listing(
    title="[bold]2 lines[/bold]\x1b[1m",
    columns=[
        Column("name", ["[/red]", "\x1b[31m"], right=False),
        Column("outcomes", ["12 collapsed, 3 slow", "15 converged"], right=False),
        Column("test_mse", ["4.802 ± 0.041", "1"]),
        Column("train_mse", ["4.134 ± 0.029", "1"], rank=1),
        Column("avg_loss", ["4.17 ± 0.037", "1"], rank=2),
    ],
    remark="Two of many.",
)


def printed(capsys, monkeypatch, width):
    """Return the lines that are printed at a width, and the remarks."""
    monkeypatch.setattr(tables, "WIDTH", width)
    tables.print_table(WIDE)
    lines = capsys.readouterr().out.rstrip("\n").split("\n")
    assert max(map(len, lines[:-1])) <= width
    return lines


@pytest.mark.parametrize(
    ("width", "shown", "remark"),
    [
        (120, ["name", "outcomes", "test_mse", "train_mse", "avg_loss"], "Two of many."),
        (70, ["name", "outcomes", "test_mse", "train_mse"], "Two of many. A wider terminal also shows avg_loss."),
        (50, ["name", "outcomes", "test_mse"], "Two of many. A wider terminal also shows train_mse, avg_loss."),
        (38, ["name", "outcomes", "test_mse"], "Two of many. A wider terminal also shows train_mse, avg_loss."),
    ],
)
def test_columns_that_matter_less_give_way(capsys, monkeypatch, width, shown, remark):
    """Numbers are whole at every width; columns of the highest rank go first, and it is said which."""
    lines = printed(capsys, monkeypatch, width)
    [heading] = [line for line in lines if "name" in line.split()]
    assert heading.split() == shown
    assert lines[-1] == remark
    assert "4.802 ± 0.041" in "\n".join(lines)


def test_what_people_wrote_is_printed_as_they_wrote_it(capsys, monkeypatch):
    """Neither Rich's markup nor an escape of a terminal's is read into cells and titles."""
    text = "\n".join(printed(capsys, monkeypatch, 120))
    for written in ("[bold]2 lines[/bold]\\x1b[1m", "[/red]", "\\x1b[31m"):
        assert written in text
    assert "\x1b" not in text


def test_a_terminal_of_ascii_letters_shows_a_table(monkeypatch):
    """What it has no letter for stands as its escape, and numbers stay whole."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", stream)
    assert terminal.delivered(lambda: tables.print_table(WIDE) or 0) == 0
    assert b"4.802 \\xb1 0.041" in stream.buffer.getvalue()
