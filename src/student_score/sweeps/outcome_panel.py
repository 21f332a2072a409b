"""One panel of a sweep's outcomes: a row for each outcome, so that the only converged run of a thousand is seen."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from student_score.model.outcome import LOOKS
from student_score.plots import Panel, number_labels, plain, readable_on
from student_score.sweeps.axes import (
    categories,
    is_number,
    name_places,
    named,
    numbers,
    outcome_names,
    set_places,
)
from student_score.sweeps.loss_panel import OTHER
from student_score.sweeps.words import counted

if TYPE_CHECKING:
    import pandas as pd

TILES = 25
"""Values at most that have a column of tiles with counts; of more values each run is a mark."""


def shown_outcomes(table: "pd.DataFrame") -> dict[str, tuple[str, str]]:
    """Return the outcomes that occur, the best first, with colour and marker."""
    found = set(outcome_names(table))
    looks = {outcome.name: (look.colour, look.marker) for outcome, look in LOOKS.items()}
    return {name: look for name, look in looks.items() if name in found} | dict.fromkeys(
        sorted(found - looks.keys()), OTHER
    )


def draw_outcomes(axes: Panel, table: "pd.DataFrame", key: str | None) -> None:
    """Draw how the runs ended by one swept key, a row an outcome, with the number of runs beside its name."""
    looks, names = shown_outcomes(table), outcome_names(table)
    rows = np.array([list(looks).index(name) for name in names], dtype=int)
    different, few = columns(table, key)
    if few:
        name_places(axes, few)
        axes.set_xlim(-0.5, len(few) - 0.5)
        draw_tiles(axes, different, rows, list(looks.values()), len(few))
    else:
        draw_marks(axes, set_places(axes, table, key), rows, list(looks.values()))
    total, column = counted(len(table), "training"), np.bincount(different).max()
    axes.set_xlabel(
        total
        if key is None
        else plain(key) + (f"  (number: runs, of {column:,} a value)" if few and column > 1 else "")
    )
    counts = np.bincount(rows, minlength=len(looks))
    labels = [f"{named(name)} ({count:,})" for name, count in zip(looks, counts, strict=True)]
    axes.set_yticks(range(len(looks)), labels)
    axes.set_ylim(len(looks) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def columns(table: "pd.DataFrame", key: str | None) -> tuple[NDArray[Any], list[str]]:
    """Return the column of each run (n,), and the columns' names, none of more than TILES."""
    if key is not None and is_number(table, key):
        found, places = np.unique(numbers(table, key), return_inverse=True)
        short = np.array([float(f"{value:.2g}") for value in found])
        names = number_labels(short if len(np.unique(short)) == len(found) else found)
    else:
        places, names = categories([""] * len(table) if key is None else table[key])
    return places, names if len(names) <= TILES else []


def draw_tiles(
    axes: Panel, different: NDArray[Any], rows: NDArray[Any], looks: list[tuple[str, str]], width: int
) -> None:
    """Draw a tile for each value and outcome that occur together, the darker the larger its share, with the count."""
    total = np.bincount(different, minlength=width)
    room = 65 // max(width, 1)  # letters
    for row, (colour, _) in enumerate(looks):
        counts = np.bincount(different[rows == row], minlength=width)
        for place in np.flatnonzero(counts).tolist():
            share = counts[place] / total[place]
            alpha = 0.3 + 0.7 * share
            axes.bar(place, 0.84, 0.92, row - 0.42, color=colour, alpha=alpha)
            text = f"{counts[place]:,}"
            if len(text) <= room:
                axes.text(place, row, text, ha="center", va="center", size=9, color=readable_on(colour, alpha))


def draw_marks(axes: Panel, places: NDArray[Any], rows: NDArray[Any], looks: list[tuple[str, str]]) -> None:
    """Draw a mark for each run at its value: the outcome's marker, or strokes where there are many values."""
    many = len(np.unique(places)) > 100
    for row, (colour, marker) in enumerate(looks):
        at, counts = np.unique(places[rows == row], return_counts=True)
        sizes: Any = 150 if many else 20 + 60 * np.sqrt(counts / max(counts.max(), 4))
        style: dict[str, Any] = {"marker": "|", "lw": 0.8} if many else {"marker": marker, "lw": 0}
        axes.scatter(at, np.full(len(at), row), s=sizes, color=colour, zorder=3, **style)
