"""The figure of the edge of stability: sharpness * rate / 2 along full-batch descent, and late in it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from student_score.model.outcome import Outcome
from student_score.plots import STYLE, WIDTH, Panel, legend_below, save

from .claims import HOVERS
from .judge import flows
from .trainings import DESCENT, EARLY, LATE, LONG, RADAU, RATES, SHARPNESS_AFTER, STEPS

SHOWN = [0, 2, 7, 14]
"""Places in RATES of the trainings that are followed: below the range, twice within it, above it."""

PARITIES = (("after even steps", "o", "#0072B2"), ("after odd steps", "^", "#D55E00"))
"""Labels, markers and colours: where training jumps across the edge at every step, these lie on either side of it."""

LOWEST = 0.28
"""Sharpness * rate / 2 at which the panels of the way end: a collapse leaves them."""


@mpl.rc_context(STYLE)
def draw(table: pd.DataFrame, folder: Path) -> None:
    """Draw sharpness * rate / 2 along some trainings, and late in all of them against the rate; 1 is the edge."""
    descent = table[table["method"] == DESCENT]
    followed = ways(descent[descent["steps"] == STEPS])
    figure = Figure(figsize=(WIDTH, 9.6), layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[1.45, 1]).flat
    draw_ways(list(above.subplots(2, 2, sharex=True, sharey=True).flat), followed)
    above.suptitle("On the way: at most rates it jumps across the edge from step to step")
    end = below.subplots()
    draw_end(end, descent, float(flows(table)[RADAU]["end_sharpness"]))
    end.axhline(1, color="black", lw=0.8, ls="--", label="edge of stability: sharpness = 2 / rate")
    legend_below(figure, end)
    save(figure, folder / "figure.png")


def ways(short: pd.DataFrame) -> list[Mapping[str, Any]]:
    """Return the rows of the trainings that are followed, by rate."""
    followed = [bool(np.isclose(RATES[SHOWN], rate).any()) for rate in short["learning_rate"]]
    return [
        {str(name): value for name, value in row.items()}
        for row in short[followed].sort_values("learning_rate").to_dict("records")
    ]


def draw_ways(panels: list[Panel], followed: list[Mapping[str, Any]]) -> None:
    """Draw a training on each of the panels, which share their axes."""
    for axes, row in zip(panels, followed, strict=False):
        draw_way(axes, row)
        axes.label_outer()
    for axes in panels[len(followed) :]:
        axes.set_visible(False)
    first = panels[0]
    first.set(xscale="log", yscale="log", ylim=(LOWEST, None))
    first.set_yticks([0.5, 1, 2, 3], ["0.5", "1", "2", "3"])
    first.minorticks_off()
    first.xaxis.set_major_formatter("{x:,g}")
    first.legend(loc="upper right")


def draw_way(axes: Panel, row: Mapping[str, Any]) -> None:
    """Draw the sharpness after even and after odd steps of one training, under what becomes of it."""
    steps = np.array([int(name.removeprefix(SHARPNESS_AFTER)) for name in row if name.startswith(SHARPNESS_AFTER)])
    ratio = np.array([row[f"{SHARPNESS_AFTER}{step}"] for step in steps]) * row["learning_rate"] / 2
    for parity, (label, marker, colour) in enumerate(PARITIES):
        chosen = steps % 2 == parity
        axes.plot(steps[chosen], ratio[chosen], marker=marker, ms=3, lw=0.8, color=colour, label=label)
    axes.axhline(1, color="black", lw=0.8, ls="--")
    axes.set(xlabel="step of full-batch descent", ylabel="sharpness × rate / 2")
    axes.set_title(f"rate {row['learning_rate']:.6f}:\n{what_happens(row)}", size="medium")


def what_happens(row: Mapping[str, Any]) -> str:
    """Tell in a few words what becomes of a training, as its row of the table says."""
    reached, end = row["reaches_edge_after_step"], row["late_ratio_median"]
    if row["outcome"] == Outcome.collapsed.name:
        return "collapses"
    if abs(end - 1) > HOVERS:
        return f"comes to rest {'below' if end < 1 else 'above'} the edge, at {end:.3f}"
    if reached > 2 * EARLY:
        return f"settles below the edge until step {reached:,.0f}"
    most, late = row["largest_sharpness"] * row["learning_rate"] / 2 - 1, row["late_ratio_99_percent"] - 1
    return f"across the edge by up to {most:.0%}, late by {late:.0%}".replace("%", " %")


def draw_end(axes: Panel, descent: pd.DataFrame, flow_sharpness: float) -> None:
    """Draw the median and the range of the last steps by the rate, for short and for long trainings."""
    collapses = descent["outcome"] == Outcome.collapsed.name
    alive = descent[~collapses].sort_values("learning_rate")
    for steps, marker, colour in ((STEPS, "o", "#D55E00"), (LONG, "x", "#0072B2")):
        group = alive[alive["steps"] == steps]
        median, low, high = (group[f"late_ratio_{name}"] for name in ("median", "1_percent", "99_percent"))
        label = f"median and 98 % of the last {LATE:,} of {steps:,} steps"
        ends = [median - low, high - median]
        axes.errorbar(
            group["learning_rate"], median, ends, fmt=marker, ms=6, mfc="white", capsize=3, color=colour, label=label
        )
    collapsed = descent.loc[collapses & (descent["steps"] == STEPS), "learning_rate"]
    rates = alive.loc[alive["steps"].isin([STEPS, LONG]), "learning_rate"]
    from_rate = None if collapsed.empty else float(collapsed.min())
    limits = np.array([rates.min() - 3e-5, (from_rate or rates.max()) + 6e-5])
    axes.plot(limits, flow_sharpness * limits / 2, color="black", lw=1, label="end of gradient flow, without steps")
    if from_rate is not None:
        label = f"collapses from {from_rate:g}, to about 0.001"
        axes.axvspan(from_rate, limits[1], color="#999999", alpha=0.4, lw=0, label=label)
    axes.set(xlim=limits, ylim=(0.91, 1.08), xlabel="learning rate, full-batch descent on the half loss")
    axes.set_ylabel("sharpness × rate / 2 (no unit)")
    axes.set_title(f"In the end, {len(descent)} trainings: at the edge, where flow would cross it", size=12)
