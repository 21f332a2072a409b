"""The figure of the plateau: heights and biases of dead networks on their closed forms."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from student_score.model.sampling import Sampling
from student_score.plots import STYLE, Panel, save, stack
from student_score.stability.collapse import collapsed_avg_loss_of_three, collapsed_bias

from .judge import ordered, settling
from .trainings import RATES, ROWS, THREE

FINE = np.linspace(RATES.min(), RATES.max(), 400)
"""Learning rates at which the closed forms are drawn."""


@mpl.rc_context(STYLE)
def draw(table: pd.DataFrame, folder: Path) -> None:
    """Draw heights and biases on three rows against the rate, trained ones as points on their closed forms."""
    cyclic = settling(table, Sampling.cyclic, ROWS[THREE])
    figure, [above, below] = stack([3.4, 3.6])
    draw_heights(above, cyclic)
    draw_biases(below, cyclic)
    for axes in (above, below):
        axes.set_xlabel("learning rate, per-sample descent on the half loss")
        axes.legend()
    save(figure, folder / "figure.png")


def draw_heights(axes: Panel, cyclic: pd.DataFrame) -> None:
    """Draw where the loss stays, in score points squared."""
    targets = ROWS[THREE].targets
    closed, variance = [collapsed_avg_loss_of_three(targets, rate) for rate in FINE], float(np.var(targets))
    axes.plot(FINE, closed, color="black", lw=1, label="closed form 3 Var(y) / (1 + q + q²) with q = 1 - rate")
    label = "trained, six row orders on top of each other"
    axes.plot(cyclic["learning_rate"], cyclic["avg_loss"], "o", ms=5, mfc="none", color="#D55E00", label=label)
    axes.axhline(variance, color="black", lw=0.8, ls="--", label=f"variance of the scores, {variance:.4g}")
    axes.set(title="The loss at which a dead network stays", ylabel="avg_loss at the end (score points squared)")


def draw_biases(axes: Panel, cyclic: pd.DataFrame) -> None:
    """Draw where the output bias stays in each row order, in score points."""
    by_order = cyclic.groupby("row_order")
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.9, by_order.ngroups))
    for colour, (order, group) in zip(colours, by_order, strict=True):
        targets = ordered(ROWS[THREE], str(order))
        axes.plot(FINE, [collapsed_bias(targets, rate) for rate in FINE], color=colour, lw=1)
        axes.plot(group["learning_rate"], group["b2"], "o", ms=4, color=colour, label=f"rows {order}")
    axes.set(title="Its bias depends on the row order", ylabel="output bias b2 at the end (score points)")
