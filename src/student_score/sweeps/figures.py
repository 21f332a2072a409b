"""The figures of a sweep: final losses, outcomes, loss curves. Tables in, PNG files out."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize

from student_score.errors import InputError
from student_score.masking import cut, masked, visible
from student_score.model.outcome import Outcome
from student_score.plots import STYLE, Curve, legend_below, plain, save, stack
from student_score.sweeps.axes import is_number, leading_key
from student_score.sweeps.curve_panel import draw_curves, number_scale, shades
from student_score.sweeps.loss_panel import draw_final_losses
from student_score.sweeps.outcome_panel import draw_outcomes, shown_outcomes
from student_score.sweeps.ranking import final_losses
from student_score.sweeps.table import missed
from student_score.sweeps.words import counted

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

PAGE_DPI = 100
"""Makes figures 780 pixels wide, which a run's page of the MLflow UI can show whole; it does not scale them."""

CURVES = 200
"""Curves at most in a figure."""

LONGEST_CAUSE = 400
"""Characters of what a figure raised."""

PANELS = 8
"""Swept keys at most that have a panel of outcomes."""


def draw_all(table: "pd.DataFrame", swept: Sequence[str], curve: Callable[[str], Curve], folder: Path) -> list[str]:
    """Draw every figure of a sweep into a folder; return a sentence for each that could not be drawn, or not whole."""
    unread: dict[str, str] = {}
    drawings: dict[str, Callable[[Path], None]] = {
        "results.png": lambda path: losses(table, swept, path),
        "outcomes.png": lambda path: outcomes(table, swept, path),
        "curves.png": lambda path: unread.update(curves(table, swept, curve, path)),
    }
    sentences = [undrawn(draw, folder / name) for name, draw in drawings.items()]
    first, *others = unread or [""]
    gaps = [missed(f"curves.png lacks a run: {unread[first]}", others)] if unread else []
    return [sentence for sentence in sentences if sentence] + gaps


def undrawn(draw: Callable[[Path], None], path: Path) -> str:
    """Draw a figure; where that fails, leave no half of a file, and return a sentence with the cause."""
    try:
        draw(path)
    except Exception as error:  # Whatever a figure raises, the runs are worth more.
        with suppress(OSError):
            path.unlink(missing_ok=True)
        cause = visible(masked(" ".join(f"{type(error).__name__}: {error}".split())))
        return f"{path.name} could not be drawn: {cut(cause, LONGEST_CAUSE)}"
    return ""


@mpl.rc_context(STYLE)
def losses(table: "pd.DataFrame", swept: Sequence[str], path: Path) -> None:
    """Draw final losses against the first swept number, a marker for each run, shaped and coloured by outcome.

    Where there are test rows, their loss comes first and that of the training rows below. Without a swept number the
    first swept key gives categories. If seeds were swept, each configuration's mean and its 95 % interval
    are drawn too. Runs that diverged, and losses of more than a thousand times the mean score's, stand in a strip at
    the upper edge, exact fits in one at the lower edge: one of them must not squeeze all others into a line.
    """
    shown = [name for name in ("test_mse", "train_mse") if np.isfinite(final_losses(table, name)).any()]
    shown = shown or ["train_mse"]
    figure, panels = stack([3.9 if len(shown) == 1 else 3.1] * len(shown))
    if len(table):
        for axes, loss in zip(panels, shown, strict=True):
            draw_final_losses(axes, table, swept, loss)
    figure.suptitle(f"How {counted(len(table), 'training')} ended")
    legend_below(figure, panels[0])
    save(figure, path, dpi=PAGE_DPI)


@mpl.rc_context(STYLE)
def outcomes(table: "pd.DataFrame", swept: Sequence[str], path: Path) -> None:
    """Draw how the runs ended at each value of each swept key, a panel for each key, a row for each outcome.

    Few values have tiles with the number of runs; of many values every run is a mark.
    """
    keys: Sequence[str | None] = swept[:PANELS] or [None]
    rows = len(shown_outcomes(table)) if len(table) else 1
    figure, panels = stack([0.6 + 0.33 * max(rows, 2)] * len(keys))
    if len(table):
        for axes, key in zip(panels, keys, strict=True):
            draw_outcomes(axes, table, key)
    left_out = f"; the first {PANELS} of {len(swept)} swept keys" if len(swept) > PANELS else ""
    figure.suptitle(f"The outcomes of {counted(len(table), 'training')}{left_out}")
    save(figure, path, dpi=PAGE_DPI)


@mpl.rc_context(STYLE)
def curves(table: "pd.DataFrame", swept: Sequence[str], curve: Callable[[str], Curve], path: Path) -> dict[str, str]:
    """Draw avg_loss against epoch on log axes, a line for each run, coloured by the first swept number.

    Without a swept number the first swept key gives the colours. Of more than CURVES runs as many are drawn, evenly
    chosen in the order of that number. A diverged run ends in a cross at its last finite loss. Losses far above
    those of the runs that ended leave the figure, and crosses up there stand on its edge.

    Args:
        table: a row for each run.
        swept: the swept keys, which are columns of the table.
        curve: returns a run's (epochs, avg_loss), given its run id; asked only for the runs that are drawn.
        path: the PNG file.

    Returns:
        what is wrong, by run id, with the curves that cannot be read; they are left out.
    """
    key = leading_key(table, swept) if len(table) else None
    ordered = table.sort_values(key, kind="stable") if key is not None and is_number(table, key) else table
    places = np.linspace(0, len(table) - 1, min(len(table), CURVES)).round().astype(int)
    rows, drawn, unread = readable(ordered.iloc[places], curve)
    figure, [axes] = stack([3.6])
    if len(rows):
        draw_curves(axes, rows, drawn, run_looks(axes, rows, key))
    number = counted(len(table), "training")
    chosen = ", evenly chosen" if len(places) < len(table) else ""
    axes.set_title(f"The loss of {f'{len(rows)} of {number}{chosen}' if len(rows) < len(table) else number}", pad=10)
    legend_below(figure, axes)
    save(figure, path, dpi=PAGE_DPI)
    return unread


def readable(rows: "pd.DataFrame", curve: Callable[[str], Curve]) -> tuple["pd.DataFrame", list[Curve], dict[str, str]]:
    """Return the runs whose curves can be read, these curves, and what is wrong with each of the others."""
    found: list[Curve] = []
    unread: dict[str, str] = {}
    for run_id in rows["run_id"] if len(rows) else ():
        try:
            found.append(curve(run_id))
        except InputError as error:
            unread[run_id] = str(error)
    return (rows[~rows["run_id"].isin(list(unread))] if unread else rows), found, unread


def run_looks(axes: "Axes", rows: "pd.DataFrame", key: str | None) -> list[tuple[Any, str | None]]:
    """Return each run's colour, and its label if it is the first with it; numbers get a colour bar instead."""
    if key is None:
        return [(Outcome.slow.colour, None)] * len(rows)
    viridis = ListedColormap(mpl.colormaps["viridis"](np.linspace(0, 0.9, 256)))  # Its end is too pale for a line.
    if is_number(rows, key):
        low, high, _, ticks, labels = number_scale(rows, key)
        bar = axes.figure.colorbar(ScalarMappable(Normalize(low, high), viridis), ax=axes, label=plain(key))
        bar.set_ticks(ticks.tolist(), labels=labels)
        bar.ax.minorticks_off()
    places, names = shades(rows, key)
    return list(zip(viridis(places), names, strict=True))
