"""The figure of what recording costs, and the medians beside it."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from student_score.plots import STYLE, save

from .judge import cost_over_http
from .methods import COST, ONE_HTTP, PEAK, SWEEP_HTTP


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with its rounds reduced to smallest, median and largest cost, and the largest peak."""
    grouped = table.groupby(["part", "method", "runs", "epochs", "cores"], sort=False)
    reduced = grouped[COST].agg(["min", "median", "max"]).add_prefix(f"{COST}_").round(3)
    others = {"rounds": grouped.size(), "seconds_median": grouped["seconds"].median().round(3)}
    return reduced.assign(**others, **{PEAK: grouped[PEAK].max().round()}).reset_index()


def costs(table: pd.DataFrame) -> dict[str, tuple[float, float, float]]:
    """Return each method's smallest, median and largest cost in milliseconds per run."""
    found = {str(name): rows[COST] for name, rows in table.groupby("method", sort=False) if name != ONE_HTTP}
    if not (over_http := cost_over_http(table)).dropna().empty:
        found[SWEEP_HTTP] = over_http
    return {name: (values.min(), values.median(), values.max()) for name, values in found.items()}


@mpl.rc_context(STYLE)
def draw(table: pd.DataFrame, folder: Path) -> None:
    """Draw a bar for each method's cost, this project's in another colour; write the medians as table.csv beside it."""
    summary(table).to_csv(folder / "table.csv", index=False)
    ordered = sorted(costs(table).items(), key=lambda item: -item[1][1])
    figure = Figure(figsize=(9, 1.2 + 0.5 * len(ordered)), layout="constrained")
    axes = figure.subplots()
    low, median, high = np.array([bounds for _, bounds in ordered]).T
    colours = ["#0072B2" if label.startswith("student-score") else "#999999" for label, _ in ordered]
    axes.barh([label for label, _ in ordered], median, color=colours, xerr=[median - low, high - median], capsize=3)
    for place, (value, edge) in enumerate(zip(median, high, strict=True)):
        axes.annotate(f"{value:,.4g}", (edge, place), (6, 0), textcoords="offset points", va="center", fontsize=8)
    axes.set(xscale="log", xlabel="milliseconds per run of 1000 epochs (of planning: per job)")
    axes.set_xlim(right=high.max() * 3)
    axes.grid(visible=False, axis="y")
    figure.suptitle("What a run costs, on a logarithmic axis: median and range over the rounds")
    save(figure, folder / "figure.png")
