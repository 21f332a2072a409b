"""The figure of what recording costs, and the medians beside it."""

from pathlib import Path

import matplotlib as mpl
import pandas as pd

from student_score.plots import STYLE, save, stack

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
    """Draw a dot for each method's cost, this project's in another colour; write the medians as table.csv beside it."""
    summary(table).to_csv(folder / "table.csv", index=False)
    ordered = sorted(costs(table).items(), key=lambda item: -item[1][1])
    figure, [axes] = stack([0.4 + 0.32 * len(ordered)])
    for place, (name, (low, median, high)) in enumerate(ordered):
        colour, ends = "#0072B2" if name.startswith("student-score") else "#666666", [[median - low], [high - median]]
        axes.errorbar(median, place, xerr=ends, fmt="o", ms=5, capsize=3, color=colour)
        label = f"{median:,.3g}" if median < 100 else f"{median:,.0f}"
        axes.annotate(label, (high, place), (7, 0), textcoords="offset points", va="center", size=9)
    axes.set_yticks(range(len(ordered)), [name for name, _ in ordered])
    axes.set(xscale="log", xlabel="milliseconds per run of 1000 epochs (of planning: per job)")
    axes.set_xlim(right=4 * max(high for _, (_, _, high) in ordered))
    axes.xaxis.set_major_formatter("{x:,g}")
    figure.suptitle("What a run costs, on a log axis: median and range over the rounds")
    save(figure, folder / "figure.png")
