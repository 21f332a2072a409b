"""The figures of a sweep: final losses, loss curves, shares of outcomes. Tables in, PNG files out."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure

from student_score.model.outcome import LOOKS, Outcome
from student_score.plots import STYLE, Curve, canvas, legend_below, save
from student_score.sweeps.axes import (
    CEILING,
    FLOOR,
    LABELS,
    categories,
    counted,
    finite_part,
    is_number,
    is_wide,
    leading_key,
    loss_limits,
    named,
    set_bars,
    set_places,
    yardstick,
)
from student_score.sweeps.summary import SEED_KEYS, configurations, final_losses, short_names

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

CURVES = 200
"""Curves at most in a figure."""

MEAN_COLOUR = "black"


@mpl.rc_context(STYLE)
def losses(table: "pd.DataFrame", swept: Sequence[str], path: Path) -> None:
    """Draw final losses against the first swept number, a marker for each run, shaped and coloured by outcome.

    Where there are test rows, a second panel shows their loss. Without a swept number the first swept key
    gives categories. If seeds were swept, each configuration's mean and its 95 % Student t interval are drawn too.
    Runs that diverged, and losses of more than a million times the mean score's, stand on the upper edge: one of them
    must not squeeze all others into a line.
    """
    losses = [name for name in ("train_mse", "test_mse") if np.isfinite(final_losses(table, name)).any()]
    figure, panels = canvas(len(losses) or 1)
    for axes, loss in zip(panels, losses or ["train_mse"], strict=True):
        draw_final_losses(axes, table, swept, loss)
    figure.suptitle(f"How {counted(len(table), 'training')} ended", fontsize=11)
    seeded = not set(SEED_KEYS).isdisjoint(swept)
    legend_below(
        figure, panels[0], "means over the seeds, without diverged runs, and 95 % t intervals" if seeded else None
    )
    save(figure, path)


def draw_final_losses(axes: "Axes", table: "pd.DataFrame", swept: Sequence[str], loss: str) -> None:
    """Draw one panel of `losses`."""
    key = leading_key(table, swept)
    places = set_places(axes, table, key)
    height = yardstick(table, loss)
    ceiling, floor = CEILING * height, FLOOR * height
    final = np.nan_to_num(final_losses(table, loss), nan=np.inf)
    beyond = final > ceiling
    edge = 10 * final[~beyond].max(initial=height)
    final = np.where(beyond, edge, final).clip(min=floor)
    grouped = configurations(table, swept)
    style: dict[str, Any] = {"ms": 6} if grouped is None else {"ms": 4, "alpha": 0.4}
    for outcome in LOOKS:
        chosen = (table["outcome"] == outcome.name).to_numpy()
        if chosen.any():
            label = f"{outcome.name} ({chosen.sum()})"
            axes.plot(places[chosen], final[chosen], outcome.marker, color=outcome.colour, label=label, **style)
    axes.axhline(height, color="black", lw=0.8, ls="--", label="always predicting the mean score")
    if beyond.any():
        axes.axhline(edge, color="black", lw=0.8, ls=":", label=f"edge: diverged, or above {ceiling:.1g}")
    if final.min() == floor:
        axes.axhline(floor, color="black", lw=0.8, ls="-.", label=f"edge: below {floor:.1g}")
    axes.set(yscale="log", ylabel=f"final {loss} (score points squared)")
    if grouped is not None and f"{loss}/mean" in grouped:
        if key in SEED_KEYS:  # Then nothing else was swept.
            draw_band(axes, grouped, loss)
        else:
            place_of = dict(zip(table[key], places, strict=True))
            others = [name for name in swept if name not in SEED_KEYS and name != key]
            draw_means(axes, grouped.assign(place=grouped[key].map(place_of)), others, loss)


def draw_band(axes: "Axes", grouped: "pd.DataFrame", loss: str) -> None:
    """Draw the mean and the interval of the only configuration across the panel."""
    [row] = grouped.to_dict("records")
    if row[f"{loss}/runs"]:
        axes.axhline(row[f"{loss}/mean"], color=MEAN_COLOUR, label="mean")
    if row[f"{loss}/runs"] > 1:
        limits = axes.get_ylim()  # The interval may reach below 0, which a log axis cannot show.
        ends = np.clip([row[f"{loss}/ci95_low"], row[f"{loss}/ci95_high"]], *limits)
        axes.axhspan(*ends, color=MEAN_COLOUR, alpha=0.15, lw=0, label="interval")
        axes.set_ylim(limits)


def draw_means(axes: "Axes", grouped: "pd.DataFrame", others: Sequence[str], loss: str) -> None:
    """Draw each configuration's mean and interval at its `place`, a series for each combination of the `others`.

    What lies below the axis, exact fits and intervals that reach below 0, stands on its end.
    """
    grouped = grouped[grouped[f"{loss}/runs"] > 0].sort_values("place")
    if grouped.empty:
        return
    limits = axes.get_ylim()
    names = short_names(others)
    labels = [
        ", ".join(f"{name}={named(value)}" for name, value in zip(names, values, strict=True))
        for values in grouped[list(others)].itertuples(index=False)
    ]
    series = list(dict.fromkeys(labels))
    colours = mpl.colormaps["plasma"](np.linspace(0, 0.8, len(series))) if len(series) > 1 else [MEAN_COLOUR]
    for colour, label in zip(colours, series, strict=True):
        rows = grouped[[other == label for other in labels]]
        mean = rows[f"{loss}/mean"].clip(lower=limits[0])
        low = rows[f"{loss}/ci95_low"].fillna(mean).clip(lower=limits[0])
        high = rows[f"{loss}/ci95_high"].fillna(mean).clip(lower=limits[0])
        axes.errorbar(
            rows["place"],
            mean,
            [mean - low, high - mean],
            fmt="_-",
            color=colour,
            lw=0.8,
            elinewidth=1.5,
            capsize=3,
            ms=8,
            label=(label or "mean") if series.index(label) < LABELS else None,
        )
    axes.set_ylim(limits)


@mpl.rc_context(STYLE)
def curves(table: "pd.DataFrame", swept: Sequence[str], curve: Callable[[str], Curve], path: Path) -> None:
    """Draw avg_loss against epoch on log axes, a line for each run, coloured by the first swept number.

    Without a swept number the first swept key gives the colours. Of more than CURVES runs as many are drawn, evenly
    chosen in the order of that number. A diverged run ends in a cross at its last finite loss. Losses far above
    those of the runs that settled leave the figure, and crosses up there stand on its edge.

    Args:
        table: a row for each run.
        swept: the swept keys, which are columns of the table.
        curve: returns a run's (epochs, avg_loss), given its run id; asked only for the runs that are drawn.
        path: the PNG file.
    """
    key = leading_key(table, swept)
    ordered = table.sort_values(key, kind="stable") if key is not None and is_number(table, key) else table
    rows = ordered.iloc[np.linspace(0, len(table) - 1, min(len(table), CURVES)).round().astype(int)]
    height = yardstick(table, "avg_loss")
    figure, [axes] = canvas(1)
    axes.set(xscale="log", yscale="log", xlabel="epoch", ylabel="avg_loss (score points squared)")
    curves = [finite_part(curve(run_id)) for run_id in rows["run_id"]]
    diverged = (rows["outcome"] == Outcome.diverged.name).tolist()
    lowest, highest = loss_limits(curves, diverged, height)
    axes.set_ylim(lowest, highest)
    for (epochs, losses), crossed, (colour, label) in zip(curves, diverged, run_colours(axes, rows, key), strict=True):
        line = "-" if len(losses) > 1 else "."
        axes.plot(epochs, np.maximum(losses, 2 * lowest), line, color=colour, lw=0.9, label=label)
        if crossed:
            epoch, loss = (epochs[-1], losses[-1]) if len(losses) else (1, highest)
            axes.plot(epoch, min(loss, highest), "x", color=colour, ms=7, mew=1.5, clip_on=False)
    axes.axhline(height, color="black", lw=0.8, ls="--", label="always predicting the mean score")
    if any(diverged):
        label = f"diverged ({sum(diverged)}): last finite loss, or the edge if it is higher"
        axes.plot([], [], "x", color="black", ms=7, mew=1.5, label=label)
    number = (
        f"{len(rows)} of {counted(len(table), 'training')}, evenly chosen"
        if len(rows) < len(table)
        else counted(len(table), "training")
    )
    axes.set_title(f"The loss of {number}", pad=10)
    legend_below(figure, axes)
    save(figure, path)


def run_colours(axes: "Axes", rows: "pd.DataFrame", key: str | None) -> list[tuple[Any, str | None]]:
    """Return each run's colour, and its label if it is the first with it; numbers get a colour bar instead."""
    if key is None:
        return [(Outcome.slow.colour, None)] * len(rows)
    viridis = ListedColormap(mpl.colormaps["viridis"](np.linspace(0, 0.9, 256)))  # Its end is too pale for a line.
    if is_number(rows, key):
        values = rows[key].to_numpy()
        norm = (LogNorm if is_wide(values) else Normalize)(values.min(), values.max())
        scale = ScalarMappable(norm, viridis)
        axes.figure.colorbar(scale, ax=axes, label=key)
        return [(colour, None) for colour in scale.to_rgba(values)]
    places, names = categories(rows[key])
    colours = viridis(np.linspace(0, 1, len(names)))
    labels: list[str | None] = [None] * len(rows)
    for place, name in enumerate(names[:LABELS]):
        labels[places.tolist().index(place)] = f"{key}={name}"
    return [(colours[place], label) for place, label in zip(places, labels, strict=True)]


@mpl.rc_context(STYLE)
def outcomes(table: "pd.DataFrame", swept: Sequence[str], path: Path) -> None:
    """Draw the share of each outcome at each value of each swept key, a panel for each key, as stacked bars.

    Numbers of more than BARS different values are counted in BINS bins, of equal width on the axis.
    """
    keys: Sequence[str | None] = swept or [None]
    columns = min(len(keys), 3)
    rows = -(-len(keys) // columns)
    figure = Figure(figsize=(max(6.2, 4.6 * columns), 3.4 * rows + 0.6), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, key in zip(panels, keys, strict=False):
        draw_shares(axes, table, key)
    for axes in panels[len(keys) :]:
        axes.set_axis_off()
    figure.suptitle(f"The outcomes of {counted(len(table), 'training')}", fontsize=11)
    legend_below(figure, panels[0])
    save(figure, path)


def draw_shares(axes: "Axes", table: "pd.DataFrame", key: str | None) -> None:
    """Draw one panel of `outcomes`; without a key one bar for all runs."""
    bars, left, width = set_bars(axes, table, key)
    total = np.bincount(bars, minlength=len(left))
    base = np.zeros(len(left))
    for outcome in LOOKS:
        chosen = (table["outcome"] == outcome.name).to_numpy()
        if chosen.any():
            share = np.bincount(bars[chosen], minlength=len(left)) / np.maximum(total, 1)
            axes.bar(
                left, share, width, base, align="edge", color=outcome.colour, label=f"{outcome.name} ({chosen.sum()})"
            )
            base += share
    few, many = int(total[total > 0].min()), int(total.max())
    runs = f"{few} to {many} runs" if few < many else counted(few, "run")
    axes.set(xlabel=runs if key is None else f"{key} ({runs} a bar)", ylabel="share of the runs", ylim=(0, 1))
