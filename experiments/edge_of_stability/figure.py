"""The figure of the edge of stability: sharpness * rate / 2 along full-batch descent, and late in it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from student_score.model.outcome import Outcome
from student_score.plots import STYLE, WIDTH, Panel, save

from .claims import HOVERS
from .ensembles import AT_THE_EDGE, FAILS, OTHER, RESTS, ends, share
from .ensembles import ways as endings
from .judge_ends import integrations
from .rates import FINE, FINE_GROUP, GRID, GRID_GROUP, LAST_BITS_GROUP, NEARBY_GROUP
from .trainings import DESCENT, EARLY, LATE, LONG, RADAU, SHARPNESS_AFTER, STEPS

SHOWN = [0, 2, 7, 14]
"""Places in GRID of the trainings that are followed: below the range, twice within it, above it."""

PARITIES = (("after even steps", "o", "#0072B2"), ("after odd steps", "^", "#D55E00"))
"""Labels, markers and colours: where training jumps across the edge at every step, these lie on either side of it."""

LOWEST = 0.28
"""Sharpness * rate / 2 at which the panels of the way end: a collapse leaves them."""


LOOKS = {AT_THE_EDGE: "#D55E00", RESTS: "#0072B2", OTHER: "#F0E442", FAILS: "#999999"}
"""How a training ends, and the colour that shows it."""

TOGETHER = 20
"""Rates of the fine grid whose trainings are counted together."""


@mpl.rc_context(STYLE)
def draw(table: pd.DataFrame, folder: Path) -> None:
    """Draw sharpness * rate / 2 along some trainings and late in all of the grid, and how those at all rates end."""
    descent = table[table["method"] == DESCENT]
    grid = descent[descent["group"] == GRID_GROUP]
    figure = Figure(figsize=(WIDTH, 13.4), layout="constrained")
    above, below, last = figure.subfigures(3, 1, squeeze=False, height_ratios=[1.45, 0.95, 0.95]).flat
    draw_ways(list(above.subplots(2, 2, sharex=True, sharey=True).flat), ways(grid[grid["steps"] == STEPS]))
    above.suptitle("On the way: at most rates it jumps across the edge from step to step")
    end = below.subplots()
    draw_end(end, grid, float(integrations(table[table["method"] != DESCENT])[RADAU]["end_sharpness"]))
    end.axhline(1, color="black", lw=0.8, ls="--", label="edge of stability: sharpness = 2 / rate")
    end.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)
    how = last.subplots()
    draw_how(how, descent[descent["steps"] == STEPS])
    how.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)
    save(figure, folder / "figure.png")


def draw_how(axes: Panel, short: pd.DataFrame) -> None:
    """Draw how the trainings at rates 1e-6 apart end, and which share of those about a rate end otherwise."""
    fine = short[short["group"] == FINE_GROUP]
    how = ends(fine)
    edges = FINE[0] + (np.arange(0, len(FINE), TOGETHER) - 0.5) / 1e6
    axes.hist(
        [fine.loc[how == end, "learning_rate"].tolist() for end in LOOKS],
        edges.tolist(),
        weights=[[1 / TOGETHER] * int((how == end).sum()) for end in LOOKS],
        stacked=True,
        color=list(LOOKS.values()),
        alpha=0.55,
        label=list(LOOKS),
    )
    members = short[short["group"] == NEARBY_GROUP]
    groups = [(rate, one.value_counts().max(), len(one)) for rate, one in ends(members).groupby(members["centre"])]
    found = [share(int(total - most), total) for _, most, total in groups]
    of_these = np.array([one.found / one.total for one in found])
    bars = np.maximum([of_these - [one.low for one in found], [one.high for one in found] - of_these], 0)
    label = "101 within 1e-9 of a rate: share that ends otherwise than most, 99 % interval"
    axes.errorbar(
        [rate for rate, *_ in groups], of_these, bars, fmt="o", ms=5, mfc="white", color="black", capsize=3, label=label
    )
    mixed = endings(short[short["group"] == LAST_BITS_GROUP]).index.to_numpy(dtype=float)
    label = "rates at which rounding decides: the nearest doubles end in different ways"
    axes.plot(mixed, np.full(len(mixed), 0.97), "|", ms=9, color="black", label=label)
    axes.set(xlim=(FINE[0], FINE[-1]), ylim=(0, 1), xlabel="learning rate, full-batch descent on the half loss")
    axes.set_ylabel("share of trainings")
    axes.set_title(f"How {len(fine):,} trainings for {STEPS:,} steps end, and those about 15 rates", size=12)


def ways(short: pd.DataFrame) -> list[Mapping[str, Any]]:
    """Return the rows of the trainings that are followed, by rate."""
    followed = [bool(np.isclose(GRID[SHOWN], rate).any()) for rate in short["learning_rate"]]
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
        return f"settles below the edge for some {float(f'{reached:.1g}'):,.0f} steps"
    most, late = row["later_ratio_largest"] - 1, row["late_ratio_99_percent"] - 1
    return f"across it by {most:.0%} after step {EARLY}, {late:.0%} late".replace("%", " %")


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
