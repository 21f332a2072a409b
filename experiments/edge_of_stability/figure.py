"""The figure of the edge of stability: sharpness * rate / 2 along full-batch descent, and late in it."""

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd

from student_score.model.outcome import Outcome
from student_score.plots import STYLE, canvas, save

from .judge import flows
from .trainings import DESCENT, LATE, LONG, RADAU, RATES, SHARPNESS_AFTER, STEPS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = [0, 2, 7, 14]
"""Places in RATES of the trainings that are followed: below the range, twice within it, above it."""

COLOURS = ("#0072B2", "black", "#009E73", "#E69F00")
"""Of these trainings."""


@mpl.rc_context(STYLE)
def draw(table: pd.DataFrame, folder: Path) -> None:
    """Draw sharpness * rate / 2 along some trainings, and late in all of them against the rate; 1 is the edge."""
    descent = table[table["method"] == DESCENT]
    figure, [left, right] = canvas(2)
    draw_way(left, descent[descent["steps"] == STEPS])
    draw_end(right, descent, float(flows(table)[RADAU]["end_sharpness"]))
    for axes in (left, right):
        axes.axhline(1, color="black", lw=0.8, ls="--", label="edge of stability: sharpness = 2 / rate")
    left.legend(fontsize=8, loc="upper right")
    right.legend(fontsize=8, loc="lower center")
    figure.suptitle(f"The article's network, sharpness of the half loss: {len(descent)} trainings", fontsize=11)
    save(figure, folder / "figure.png")


def draw_way(axes: "Axes", short: pd.DataFrame) -> None:
    """Draw the smaller and the larger of two neighbouring steps, and the band between them, for some rates."""
    columns = [name for name in short.columns if name.startswith(SHARPNESS_AFTER)]
    steps = np.array([int(name.removeprefix(SHARPNESS_AFTER)) for name in columns])
    pairs = np.flatnonzero(np.diff(steps) == 1)
    followed = [bool(np.isclose(RATES[SHOWN], rate).any()) for rate in short["learning_rate"]]
    for colour, (_, row) in zip(COLOURS, short[followed].sort_values("learning_rate").iterrows(), strict=False):
        ratio = row[columns].to_numpy(dtype=float) * row["learning_rate"] / 2
        low, high = np.sort([ratio[pairs], ratio[pairs + 1]], axis=0)
        axes.fill_between(steps[pairs], low, high, color=colour, alpha=0.25, lw=0)
        axes.plot(steps[pairs], low, color=colour, lw=0.8)
        axes.plot(steps[pairs], high, color=colour, lw=0.8, label=f"rate {row['learning_rate']:.6f}")
    axes.set(xscale="log", yscale="log", xlabel="step of full-batch gradient descent")
    axes.set(ylabel="sharpness × rate / 2 (no unit)", title="On the way: each step and the next, the band between them")
    axes.set_yticks([0.5, 1, 2, 3], ["0.5", "1", "2", "3"])
    axes.minorticks_off()


def draw_end(axes: "Axes", descent: pd.DataFrame, flow_sharpness: float) -> None:
    """Draw the median and the range of the last steps by the rate, for short and for long trainings."""
    collapses = descent["outcome"] == Outcome.collapsed.name
    alive = descent[~collapses].sort_values("learning_rate")
    for steps, marker, colour in ((STEPS, "o", "#D55E00"), (LONG, "x", "#0072B2")):
        group = alive[alive["steps"] == steps]
        median, low, high = (group[f"late_ratio_{name}"] for name in ("median", "1_percent", "99_percent"))
        label = f"median and 98 % of the last {LATE:,} of {steps:,} steps"
        ends = [median - low, high - median]
        axes.errorbar(group["learning_rate"], median, ends, fmt=marker, ms=5, capsize=3, color=colour, label=label)
    collapsed = descent.loc[collapses & (descent["steps"] == STEPS), "learning_rate"]
    rates = alive.loc[alive["steps"].isin([STEPS, LONG]), "learning_rate"]
    from_rate = None if collapsed.empty else float(collapsed.min())
    limits = np.array([rates.min() - 3e-5, (from_rate or rates.max()) + 6e-5])
    axes.plot(limits, flow_sharpness * limits / 2, color="black", lw=1, label="end of gradient flow, without steps")
    if from_rate is not None:
        label = f"collapses from {from_rate:g}, to about 0.001"
        axes.axvspan(from_rate, limits[1], color="#999999", alpha=0.4, lw=0, label=label)
    axes.set(xlim=limits, ylim=(0.88, 1.08), xlabel="learning rate, full-batch descent on the half loss")
    axes.set(ylabel="sharpness × rate / 2 (no unit)", title="In the end: at the edge, where flow would cross it")
