"""The figure of the throughput, and the medians beside it."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from student_score.plots import STYLE, WIDTH, Panel, legend_below, number_labels, round_numbers, save

from .judge import expected_growth, sweep
from .measure import COST
from .problems import EPOCHS

SWEEPS = {
    "networks": "networks trained at once",
    "rows": "rows of data",
    "hidden_size": "hidden units",
    "epochs": "epochs, in the other panels 1000",
}
"""Parts of the table -> what is varied in them."""


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its rounds reduced to smallest, median and largest cost and the median seconds."""
    fixed = [*table.columns[: list(table.columns).index("round")]]
    grouped = table.groupby(fixed, sort=False)
    reduced = grouped[COST].agg(["min", "median", "max"]).add_prefix(f"{COST}_").round(3)
    return reduced.assign(rounds=grouped.size(), seconds_median=grouped["seconds"].median().round(4)).reset_index()


@mpl.rc_context(STYLE)
def draw(table: pd.DataFrame, folder: Path) -> None:
    """Draw the methods' costs and the engine's sweeps; write the medians beside the figure as table.csv."""
    reduced = summary(table)
    reduced.to_csv(folder / "table.csv", index=False)
    methods = reduced[reduced["part"] == "methods"].sort_values(f"{COST}_median", ascending=False)
    heights = [1.0 + 0.28 * len(methods), 4.8]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=heights).flat
    draw_methods(above.subplots(), methods)
    above.suptitle("What a training of 1000 epochs costs, on a log axis: median and range")
    panels = list(below.subplots(2, 2).flat)
    for axes, part in zip(panels, SWEEPS, strict=True):
        draw_sweep(axes, sweep(table, part), part)
    below.suptitle("What the engine's cost grows with, on log axes")
    below.supylabel("microseconds per network", size="medium")
    legend_below(figure, panels[0])
    save(figure, folder / "figure.png")


def draw_methods(axes: Panel, methods: pd.DataFrame) -> None:
    """Draw a dot for each method's cost, the engine's in another colour, its median written beside it."""
    low, median, high = methods[[f"{COST}_{name}" for name in ("min", "median", "max")]].to_numpy(dtype=float).T
    for place, name in enumerate(methods["method"]):
        colour = "#0072B2" if name.startswith("engine") else "#666666"
        ends = [[median[place] - low[place]], [high[place] - median[place]]]
        axes.errorbar(median[place], place, xerr=ends, fmt="o", ms=5, capsize=3, color=colour)
        label, at = f"{median[place]:,.3g}" if median[place] < 100 else f"{median[place]:,.0f}", (high[place], place)
        axes.annotate(label, at, (7, 0), textcoords="offset points", va="center", size=9)
    axes.set_yticks(range(len(methods)), methods["method"])
    axes.set(xscale="log", xlim=(0.5 * low.min(), 6 * high.max()), xlabel="microseconds per network")
    axes.xaxis.set_major_formatter("{x:,g}")


def draw_sweep(axes: Panel, measured: pd.DataFrame, part: str) -> None:
    """Draw the engine's time per network against a size, and growth in proportion through its last median."""
    sizes = measured.columns.to_numpy(dtype=float)
    # Against epochs the whole time is drawn; the other sweeps are of 1000 epochs.
    factor, growth = (sizes / EPOCHS, sizes) if part == "epochs" else (1.0, expected_growth(part, sizes))
    low, median, high = np.array([measured.min(), measured.median(), measured.max()]) * factor
    axes.fill_between(sizes, low, high, color="#0072B2", alpha=0.2, lw=0)
    axes.plot(sizes, median, "o-", ms=4, color="#0072B2", label="engine, one thread: median and range")
    axes.plot(sizes, growth * (median[-1] / growth[-1]), color="black", lw=0.8, ls="--", label="in proportion")
    axes.set(xscale="log", yscale="log", xlabel=SWEEPS[part])
    for axis, numbers in ((axes.xaxis, sizes), (axes.yaxis, np.concatenate([low, high]))):
        ticks = round_numbers(numbers.min(), numbers.max(), 5)
        axis.set_ticks(ticks, number_labels(ticks))
    axes.minorticks_off()
