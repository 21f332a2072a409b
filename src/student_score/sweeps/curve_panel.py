"""The panel of a sweep's loss curves."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from student_score.model.outcome import Outcome
from student_score.plots import Curve, Panel, number_labels, plain, round_numbers
from student_score.sweeps.axes import (
    LABELS,
    categories,
    even_numbers,
    finite_part,
    is_number,
    is_wide,
    loss_limits,
    named,
    numbers,
    outcome_names,
    set_numbers,
    yardstick,
)

if TYPE_CHECKING:
    import pandas as pd

Colours = Callable[[NDArray[Any]], Sequence[Any]]
"""Returns a colour for each number from 0 to 1."""


def draw_curves(
    axes: Panel, rows: "pd.DataFrame", curves: Sequence[Curve], look: "Sequence[tuple[Any, str | None]]"
) -> None:
    """Draw a line for each run, given its colour and label; a diverged run ends in a cross at its last finite loss."""
    height = yardstick(rows, "avg_loss")
    axes.set(xscale="log", yscale="log", xlabel="epoch", ylabel="avg_loss (score points squared)")
    finite = [finite_part(curve) for curve in curves]
    diverged = [name == Outcome.diverged.name for name in outcome_names(rows)]
    lowest, highest = loss_limits(finite, diverged, height)
    for (epochs, losses), crossed, (colour, label) in zip(finite, diverged, look, strict=True):
        line = "-" if len(losses) > 1 else "."
        axes.plot(epochs, np.clip(losses, 2 * lowest, 10 * highest), line, color=colour, lw=0.9, label=label)
        if crossed:
            epoch, loss = (epochs[-1], losses[-1]) if len(losses) else (1, highest)
            axes.plot(epoch, np.clip(loss, lowest, highest), "x", color=colour, ms=7, mew=1.5, clip_on=False)
    last = max((float(epochs[-1]) for epochs, _ in finite if len(epochs)), default=1.0)
    set_numbers(axes, "x", 1, max(last, 2), wide=True)
    axes.set_xlim(0.93, max(last, 2) * 1.08)
    set_numbers(axes, "y", lowest, highest, wide=True)
    axes.set_ylim(lowest, highest)
    axes.axhline(height, color="black", lw=0.8, ls="--", label="always predicting the mean score")
    if any(diverged):
        label = f"diverged ({sum(diverged)}): last finite loss, or the edge"
        axes.plot([], [], "x", color="black", ms=7, mew=1.5, label=label)


def shades(rows: "pd.DataFrame", key: str) -> tuple[NDArray[Any], list[str | None]]:
    """Return a number from 0 to 1 for each run by its swept value, and the label of the first of each word."""
    if is_number(rows, key):
        low, high, values, _, _ = number_scale(rows, key)
        return (values - low) / (high - low), [None] * len(rows)
    places, names = categories(rows[key])
    labels: list[str | None] = [None] * len(rows)
    for place, name in enumerate(names[:LABELS]):
        labels[places.tolist().index(place)] = f"{plain(key, 36)}={name}"
    return places / max(len(names) - 1, 1), labels


def number_scale(rows: "pd.DataFrame", key: str) -> tuple[float, float, NDArray[Any], NDArray[Any], list[str]]:
    """Return the ends of a colour bar, the runs' places (n,) on it, its ticks and their labels."""
    values = numbers(rows, key)
    wide = is_wide(values)
    low, high = float(values.min()), float(values.max())
    if low == high:
        return 0.0, 1.0, np.full(len(values), 0.5), np.array([0.5]), [named(low)]
    ticks = round_numbers(low, high) if wide else even_numbers(low, high)
    ticks = ticks[(ticks >= low) & (ticks <= high)]
    labels = number_labels(ticks)
    if wide:
        return float(np.log(low)), float(np.log(high)), np.log(values), np.log(ticks), labels
    # A colour bar of another length than 0 to 1 would not stand huge numbers.
    unit = high / 2 - low / 2
    return 0.0, 2.0, values / unit - low / unit, ticks / unit - low / unit, labels
