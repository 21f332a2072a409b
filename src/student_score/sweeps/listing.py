"""The table of a sweep on the terminal: a line a configuration, baselines below, every cell as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from student_score.arrays import Floats
from student_score.data.baseline import ALWAYS, BASELINES, EXACT
from student_score.model.outcome import r_squared
from student_score.sweeps.ranking import DECISIVE, Candidate, baseline, candidates, explained, final_losses
from student_score.sweeps.spread import spread
from student_score.sweeps.words import (
    EXACT_WORDS,
    counted,
    counts,
    described_counts,
    number,
    repetitions,
    short_names,
    value_text,
)

if TYPE_CHECKING:
    import pandas as pd

LISTED = 50
"""Configurations that a table lists; of more the BEST ones are listed."""

BEST = 20


@dataclass(frozen=True)
class Column:
    """A column of a table, its cells as text; `rank` 0 is always shown, the highest goes first where width is short."""

    heading: str
    cells: Sequence[str]
    rank: int = 0
    right: bool = True


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A table for the terminal; `remark` says what it leaves out, or is empty."""

    title: str
    columns: list[Column]
    remark: str


def listing(table: "pd.DataFrame", swept: Sequence[str]) -> Listing:
    """Return what the terminal shows: a line for each configuration, or for the best of many, and the baselines."""
    found = candidates(table, swept)
    many = len(found) > LISTED
    shown = sorted(found, key=lambda candidate: candidate.rank)[:BEST] if many else found
    seeded = any(len(candidate.runs) > 1 for candidate in found)
    title = counted(len(found), "configuration") + (f", {counted(len(table), 'run')}" if seeded else "")
    remarks = [f"The {BEST} best of {len(found):,} configurations; results.csv has them all."] if many else []
    lines = known_baselines(table)
    columns = [*keys(shown, lines), *endings(shown, lines, seeded=seeded)]
    for name in ("validation_mse", "test_mse", "train_mse", "avg_loss"):
        if np.isfinite(final_losses(table, name)).any():
            columns += losses(
                shown, table, lines, name, rank=0 if name == found[0].loss else 2 if name == "avg_loss" else 1
            )
    if any("±" in cell for column in columns for cell in column.cells):
        remarks.append(f"± is the 95 % interval of the mean over the {repetitions(swept)}.")
    if any("*" in cell for column in columns for cell in column.cells):
        remarks.append("* mean of the runs that did not diverge.")
    return Listing(title=title, columns=columns, remark=" ".join(remarks))


def known_baselines(table: "pd.DataFrame") -> list[str]:
    """Return the names of the baselines that have a line: those that are always fitted, and others that were."""
    return [
        name
        for name in BASELINES
        if name in ALWAYS or any(np.isfinite(baseline(table, name, loss)).any() for loss in DECISIVE)
    ]


def keys(shown: Sequence[Candidate], lines: Sequence[str]) -> list[Column]:
    """Return a column for each swept key that is no seed, the first of which names the baselines; one at least."""
    labels = [BASELINES[name][0] for name in lines]
    names = list(shown[0].configuration) if shown else []
    values = [[value_text(candidate.configuration[name]) for candidate in shown] for name in names]
    headings = short_names(names)
    if not names:
        values, headings = [["the network" for _ in shown]], [""]
    blank = [""] * len(labels)
    return [
        Column(heading, [*cells, *(blank if place else labels)], right=False)
        for place, (heading, cells) in enumerate(zip(headings, values, strict=True))
    ]


def endings(shown: Sequence[Candidate], lines: Sequence[str], *, seeded: bool) -> list[Column]:
    """Return how the runs ended: the outcome, or their counts."""
    blank = [""] * len(lines)
    ended = [described_counts(counts(candidate.runs)) for candidate in shown]
    if seeded:
        return [Column("outcomes", [*ended, *blank], right=False)]
    return [Column("outcome", [*(text.partition(" ")[2] for text in ended), *blank], right=False)]


def losses(
    shown: Sequence[Candidate], table: "pd.DataFrame", lines: Sequence[str], name: str, *, rank: int
) -> list[Column]:
    """Return a loss's columns: its mean with half the 95 % interval where it has one, and R² beside an error."""
    cells, shares = [], []
    for candidate in shown:
        final, mean_errors = final_losses(candidate.runs, name), baseline(candidate.runs, "mean", name)
        cells.append(error(final, mean_errors, candidate.runs))
        shares.append(r_squared(explained(final, mean_errors)))
    if name == "avg_loss":
        return [Column(name, [*cells, *[""] * len(lines)], rank)]
    for which in lines:
        ours, mean_errors = baseline(table, which, name), baseline(table, "mean", name)
        cells.append(error(ours[:1] if np.ptp(ours) == 0 else ours, mean_errors, table))
        shares.append(r_squared(explained(ours, mean_errors)))
    return [Column(name, cells, rank), Column("R²", shares, rank)]


def error(values: Floats, mean_errors: Floats, runs: "pd.DataFrame") -> str:
    """Return errors (n,) of runs in a cell: mean ± half the interval, 0 (exact) for rounding, * if some have none."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return "–"
    star = "*" if len(finite) < len(values) else ""
    if np.all(finite <= EXACT * np.nanmax(mean_errors, initial=0.0)):
        return f"{EXACT_WORDS}{star}"
    mean, _, high = spread(values, runs[: len(values)])
    return f"{number(mean)}{'' if isnan(high) else f' ± {half_width(high - mean)}'}{star}"


def half_width(value: float) -> str:
    """Return half an interval with two digits, trailing zeros too: 0.050 beside 0.041."""
    return f"{value:#.2g}".rstrip(".")
