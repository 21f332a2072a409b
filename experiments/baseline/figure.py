"""The figure of networks and regressions: how far each stays from the least possible error, in each world."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from student_score.data.simulation import World
from student_score.plots import STYLE, WIDTH, Panel, legend_below, number_labels, save

from .differences import MODELS, summary
from .trainings import LINEAR, MEAN, NUMBERS, QUADRATIC, RIDGE, network

LOOKS = {
    MEAN: ("#999999", "x", ":"),
    LINEAR: ("#000000", "s", "-"),
    RIDGE: ("#56B4E9", "D", "--"),
    QUADRATIC: ("#009E73", "^", "-"),
    network(2): ("#E69F00", "o", "-"),
    network(8): ("#D55E00", "P", "-"),
}
"""Colour, marker and line of each model."""

TITLES = {
    World.linear: "linear: 20 + 5s + 5l",
    World.saturating: "saturating: 30 + 60 (1 - exp(-s/3))",
    World.interaction: "interaction: 35 + 0.75 s l",
    World.sleep_optimum: "sleep optimum: 40 + 4s - 3 (l - 7.5)²",
}
"""Of the panels: expected scores of s hours studied and l slept, before they are cut off."""


@mpl.rc_context(STYLE)
def draw(table: pd.DataFrame, folder: Path) -> None:
    """Draw the mean excess over the least possible error against the number of students, a panel for each world."""
    figure = Figure(figsize=(WIDTH, 7.0), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, sharey=True)
    found = summary(table)
    for axes, world in zip(panels.flat, World, strict=True):
        draw_world(axes, found.xs(world.name, level="world"))
        axes.set_title(TITLES[world])
    for axes in panels[:, 0]:
        axes.set_ylabel("mean error above the least possible\n(score points squared)")
    for axes in panels[1]:
        axes.set_xlabel("students to train on")
    legend_below(figure, panels[0, 0])
    save(figure, folder / "figure.png")


def draw_world(axes: Panel, found: Any) -> None:
    """Draw one world: means by model and number of students, marks of the medians beside them."""
    for model in MODELS:
        own = found.xs(model, level="model")
        colour, marker, line = LOOKS[model]
        label = model if model.startswith("network") else f"{model} regression" if model != MEAN else "mean score"
        axes.plot(own.index, own["mean"], marker + line, color=colour, ms=5, lw=1.2, label=label)
        axes.plot(own.index, own["median"], "_", color=colour, ms=9)
    axes.set(xscale="log", yscale="log", xticks=NUMBERS)
    axes.set_xticks(NUMBERS, number_labels(np.array(NUMBERS, dtype=float)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
