"""The figure of the limits: what is exceeded, and what the limit is where training ends."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from student_score.arrays import Floats
from student_score.model.outcome import Outcome
from student_score.plots import STYLE, Panel, legend_below, save, stack

from .claims import DEEP, RISE
from .trainings import ARTICLE, COARSE, FLOW, NOT_FALLEN, TRAIN_MSE, rise_name

LIMITS = {
    "cyclic_limit": ("epoch's product of row updates: spectral radius 1", "o", "#009E73"),
    "full_batch_limit": ("full batch: 2 / sharpness of the half loss", "s", "#0072B2"),
    "batch_sharpness_limit": ("2 / batch sharpness, batches of one row", "^", "#CC79A7"),
    "per_row_limit": ("single row: 2 / largest squared gradient of a prediction", "D", "#D55E00"),
}
"""Columns of the table, and how they are shown: label, marker, colour."""


AROUND = (0.0015, 0.0017)
"""Learning rates around the limit, at which rises are shown."""


@mpl.rc_context(STYLE)
def draw(table: pd.DataFrame, folder: Path) -> None:
    """Draw the rates divided by four limits, the limit of the epoch's product by the rate, and where losses rise."""
    is_flow = table["row_order"] == FLOW
    trained = table[~is_flow & (table["start"] == ARTICLE)]
    flow_limit = float(table.loc[is_flow, "cyclic_limit"].iloc[0])
    coarse = trained[trained["learning_rate"].isin(COARSE)]
    reached = coarse["cyclic_limit"].notna()
    ends = np.array([0, 1.03 * max([flow_limit, *trained["learning_rate"]])])
    figure, [above, below, around] = stack([3.5, 3.5, 2.9])
    draw_ratios(above, trained[trained["spectral_radius"].notna()])
    draw_limits(below, coarse[reached], coarse[~reached], flow_limit, ends)
    draw_rises(around, trained[trained["learning_rate"].between(*AROUND)], flow_limit)
    for axes in (above, below):
        axes.set(xlabel="learning rate, per-sample descent on the half loss", xlim=ends)
        axes.legend()
    legend_below(figure, around)
    figure.suptitle(f"{len(trained):,} trainings from the article's start in six row orders")
    save(figure, folder / "figure.png")


def draw_ratios(axes: Panel, minima: pd.DataFrame) -> None:
    """Draw each rate divided by the four limits at the minimum that it reached."""
    rates = minima["learning_rate"]
    for name, (label, marker, colour) in LIMITS.items():
        axes.plot(rates, rates / minima[name], marker, ms=3, mfc="none", color=colour, label=label)
    axes.axhline(1, color="black", lw=0.8)
    axes.set(title="Of the limits at the minima reached, only that of the epoch's product is never exceeded", ylim=0)
    axes.set_ylabel("rate / limit at the minimum reached (no unit)")


def draw_limits(axes: Panel, minima: pd.DataFrame, others: pd.DataFrame, flow_limit: float, ends: Floats) -> None:
    """Draw the limit of the epoch's product at each minimum, and below them the trainings that reached none.

    Args:
        axes: to draw on.
        minima: the trainings that reached one.
        others: all others.
        flow_limit: the limit at the gradient flow's minimum.
        ends: of the axis of rates.
    """
    limits = minima["cyclic_limit"]
    label = "limit at the minimum reached"
    axes.plot(minima["learning_rate"], limits, "o", ms=4, mfc="none", color="#009E73", label=label)
    axes.plot(ends, ends, color="black", lw=0.8, label="limit = rate: below this line a minimum is unstable")
    axes.axhline(flow_limit, color="black", lw=0.8, ls="--", label=f"at the gradient flow's minimum, {flow_limit:.6f}")
    lowest, highest = min([flow_limit, *limits]), max([flow_limit, *limits])
    for name, group in others.groupby("outcome", sort=False):
        outcome = Outcome[str(name)]
        what = "still approaching one" if outcome is Outcome.converged else outcome.name
        label = f"no minimum reached: {what} ({len(group)})"
        heights = np.full(len(group), 0.93 * lowest)
        axes.plot(group["learning_rate"], heights, outcome.marker, color=outcome.colour, ms=4, label=label)
    axes.set(title="Where the first minimum turns unstable, another is found", ylim=(0.9 * lowest, 1.1 * highest))
    axes.set_ylabel("limit of the epoch's product (a learning rate)")


def draw_rises(axes: Panel, trained: pd.DataFrame, flow_limit: float) -> None:
    """Draw for each row order what became of the loss at rates around the limit."""
    column = rise_name(TRAIN_MSE, DEEP, RISE)
    kinds = {
        "falls below 0.1 % of the variance and rises no more": (trained[column] == 0, ".", "#0072B2"),
        "falls, and rises again by half": (trained[column] > 0, "^", "#D55E00"),
        "ends before it falls": (trained[column] == NOT_FALLEN, "x", "#555555"),
    }
    orders = sorted(set(trained["row_order"]))
    for label, (chosen, marker, colour) in kinds.items():
        heights = trained.loc[chosen, "row_order"].map(orders.index)
        axes.plot(trained.loc[chosen, "learning_rate"], heights, marker, ms=4, color=colour, label=f"train_mse {label}")
    axes.axvline(flow_limit, color="black", lw=0.8, ls="--", label=f"limit at the flow's minimum, {flow_limit:.6f}")
    axes.set(xlabel="learning rate", ylabel="row order", yticks=range(len(orders)), yticklabels=orders)
    axes.set_title("Around the limit: where a loss that has fallen grows again")
