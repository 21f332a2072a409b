"""Shares of networks born without a living unit, and the fates of units by rate and by intervention."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from student_score.data.article import ARTICLE_ROWS
from student_score.plots import STYLE, Curve, save

from .claims import FINER, HE, INTERVENTIONS, LEAKY, MODERATE, SIZES
from .shares import born_dead_by_size, mean_fates, probability_born_dead, select

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(table: pd.DataFrame, folder: Path) -> None:
    """Draw how many networks are born dead, and the units' fates against the rate and for the interventions."""
    he = table[(table["start"] == HE) & (table["learning_rate"] > 2 * FINER)]
    fine = np.linspace(min(SIZES), max(SIZES), 100)
    born = born_dead_by_size(select(table, HE, MODERATE))
    labels = {HE: "none", LEAKY: "leaky ReLU;\ndead: inactive"}
    born_and_killed(
        {size: (found.number / found.total, found.low, found.high) for size, found in born.items()},
        (fine, probability_born_dead(ARTICLE_ROWS) ** fine),
        {f"{rate:.5f}".rstrip("0"): mean_fates(group) for rate, group in he.groupby("learning_rate")},
        {
            labels.get(variant, variant): mean_fates(select(table, variant, MODERATE))
            for variant in (HE, *INTERVENTIONS)
        },
        trainings=len(table),
        path=folder / "figure.png",
    )


@mpl.rc_context(STYLE)
def born_and_killed(
    born: Mapping[int, tuple[float, float, float]],
    predicted: Curve,
    by_rate: Mapping[str, tuple[float, float, float]],
    by_start: Mapping[str, tuple[float, float, float]],
    *,
    trainings: int,
    path: Path,
) -> None:
    """Draw the share of networks born without a living unit, and the units' fates by rate and by intervention.

    Args:
        born: hidden size -> observed share, and the lower and upper end of its interval.
        predicted: (hidden sizes, shares).
        by_rate: learning rate -> shares of units born dead, killed by the flow, killed by a step.
        by_start: intervention -> the same.
        trainings: how many there are in all.
        path: the PNG file.
    """
    figure = Figure(figsize=(15.5, 4.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1.35, 1])
    sizes, (shares, lows, highs) = list(born), np.transpose(list(born.values()))
    left.plot(*predicted, color="black", lw=1, label="predicted: (1/2 - angle / 2π) to the power of H")
    bars = [shares - lows, highs - shares]
    left.errorbar(sizes, shares, bars, fmt="o", ms=5, capsize=3, color="#D55E00", label="observed, 99.75 % interval")
    left.set(yscale="log", xticks=sizes, xlabel="hidden units H", ylabel="share of networks")
    left.set_title("All units born dead")
    for axes, fates in ((middle, by_rate), (right, by_start)):
        draw_fates(axes, fates)
    middle.set(xlabel="learning rate, cyclic per-sample descent on the half loss", title="Fates by learning rate")
    right.set(xlabel="change of the start, or of the activation", title="Fates at 0.001, by intervention")
    right.tick_params(axis="x", labelsize=8)
    left.legend(fontsize=8)
    figure.legend(*middle.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    figure.suptitle(f"He's initialisation, the article's three rows, 1 to 8 hidden units: {trainings:,} trainings")
    save(figure, path)


def draw_fates(axes: "Axes", fates: Mapping[str, Sequence[float]]) -> None:
    """Draw a bar for each label, of the shares of units born dead, killed by the flow, killed by a step, and alive."""
    base = np.zeros(len(fates))
    labels = {"born dead": "black", "killed, as by the flow": "#0072B2", "killed by a step": "#D55E00"}
    for (label, colour), share in zip(labels.items(), np.transpose(list(fates.values())), strict=True):
        axes.bar(list(fates), share, 0.8, base, color=colour, label=label)
        base += share
    axes.bar(list(fates), 1 - base, 0.8, base, color="#DDDDDD", label="alive at the end")
    axes.grid(visible=False)
    axes.set(ylim=(0, 1), ylabel="share of hidden units, the mean over H")
