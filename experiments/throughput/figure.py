"""The figure of the throughput, and the medians beside it."""

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from student_score.plots import STYLE, save

from .judge import expected_growth, sweep
from .measure import COST
from .methods import ENGINE, ENGINE_BLOCK, ENGINE_ONE
from .problems import EPOCHS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "osD^v<>PX*dph8"
"""Of the methods, in their order."""


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its rounds reduced to smallest, median and largest cost and the median seconds."""
    fixed = [*table.columns[: list(table.columns).index("round")]]
    grouped = table.groupby(fixed, sort=False)
    reduced = grouped[COST].agg(["min", "median", "max"]).add_prefix(f"{COST}_").round(3)
    return reduced.assign(rounds=grouped.size(), seconds_median=grouped["seconds"].median().round(4)).reset_index()


@mpl.rc_context(STYLE)
def draw(table: pd.DataFrame, folder: Path) -> None:
    """Draw the engine's sweeps and the other methods' costs; write the medians beside the figure as table.csv."""
    reduced = summary(table)
    reduced.to_csv(folder / "table.csv", index=False)
    figure = Figure(figsize=(12.4, 8.8), layout="constrained")
    panels = list(figure.subplots(2, 2).flat)
    for axes, part in zip(panels, ("networks", "rows", "hidden_size", "epochs"), strict=True):
        draw_sweep(axes, sweep(table, part), part)
    draw_methods(panels[0], reduced[reduced["part"] == "methods"])
    for axes in panels:
        axes.legend(fontsize=8)
    figure.suptitle("What a training costs, on logarithmic axes")
    save(figure, folder / "figure.png")


def draw_sweep(axes: "Axes", measured: pd.DataFrame, part: str) -> None:
    """Draw the engine's time per network against a size, and growth in proportion through its last median."""
    sizes = measured.columns.to_numpy(dtype=float)
    # Against epochs the whole time is drawn; the other sweeps are of 1000 epochs.
    factor, growth = (sizes / EPOCHS, sizes) if part == "epochs" else (1.0, expected_growth(part, sizes))
    low, median, high = np.array([measured.min(), measured.median(), measured.max()]) * factor
    axes.fill_between(sizes, low, high, color="#0072B2", alpha=0.2, lw=0)
    axes.plot(sizes, median, "o-", ms=4, color="#0072B2", label="engine, one thread: median and range")
    axes.plot(sizes, growth * (median[-1] / growth[-1]), color="black", lw=0.8, ls="--", label="in proportion")
    span = "time" if part == "epochs" else "time of 1000 epochs"
    axes.set(xscale="log", yscale="log", xlabel=part.replace("_", " "), ylabel=f"{span} per network (microseconds)")


def draw_methods(axes: "Axes", methods: pd.DataFrame) -> None:
    """Draw a marker for each method but those that the engine's own line shows."""
    others = methods[~methods["method"].isin([ENGINE_ONE, ENGINE_BLOCK, ENGINE])]
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.9, len(others)))
    for colour, marker, row in zip(colours, MARKERS[: len(others)], others.to_dict("records"), strict=True):
        axes.plot(row["networks"], row[f"{COST}_median"], marker, color=colour, ms=7, label=row["method"])
