"""The figure of dead units: how many are born dead, and what becomes of all of them."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from student_score.data.article import ARTICLE_ROWS
from student_score.plots import STYLE, Panel, legend_below, save, stack

from .closed_forms import probability_born_dead
from .shares import ARTICLE_ORDER, Fates, born_dead_by_size, mean_fates, select
from .trainings import FINER, HE, INTERVENTIONS, LEAKY, MODERATE, SIZES

LOOKS = {"born dead": "black", "killed, as by the flow": "#0072B2", "killed by a step": "#D55E00"}
"""Labels and colours of `Fates`."""

LABELS = {HE: "none", LEAKY: "leaky ReLU;\ndead: inactive"}
"""Of the variants whose own name would not do."""


@mpl.rc_context(STYLE)
def draw(table: pd.DataFrame, folder: Path) -> None:
    """Draw how many networks are born dead, and the units' fates against the rate and for the interventions."""
    he = table[(table["start"] == HE) & (table["row_order"] == ARTICLE_ORDER) & (table["learning_rate"] > 2 * FINER)]
    by_rate = {f"{rate:.5f}".rstrip("0"): mean_fates(group) for rate, group in he.groupby("learning_rate")}
    by_start = {name: mean_fates(select(table, name, MODERATE)) for name in (HE, *INTERVENTIONS)}
    figure, [born_dead, rates, interventions] = stack([2.6, 2.8, 2.8])
    draw_born_dead(born_dead, select(table, HE, MODERATE))
    draw_fates(rates, by_rate)
    rates.set(
        xlabel="learning rate, cyclic per-sample descent on the half loss",
        title="Fates by learning rate, rows in the article's order",
    )
    draw_fates(interventions, {LABELS.get(name, name): shares for name, shares in by_start.items()})
    interventions.set(xlabel="change of the start, or of the activation", title="Fates at 0.001, by intervention")
    legend_below(figure, interventions)
    figure.suptitle(f"He's initialisation, the article's three rows, 1 to 8 hidden units: {len(table):,} trainings")
    save(figure, folder / "figure.png")


def draw_born_dead(axes: Panel, moderate: pd.DataFrame) -> None:
    """Draw the share of networks born without a living unit against their size, on the prediction."""
    fine, born = np.linspace(min(SIZES), max(SIZES), 100), born_dead_by_size(moderate)
    predicted = probability_born_dead(ARTICLE_ROWS) ** fine
    axes.plot(fine, predicted, color="black", lw=1, label="predicted: (1/2 - angle / 2π) to the power of H")
    shares = np.array([found.number / found.total for found in born.values()])
    bars = [
        shares - [found.low for found in born.values()],
        [found.high for found in born.values()] - shares,
    ]
    label = "observed, 99.75 % interval"
    axes.errorbar(list(born), shares, bars, fmt="o", ms=5, capsize=3, color="#D55E00", label=label)
    axes.set(yscale="log", xticks=list(born), xlabel="hidden units H", ylabel="share of networks")
    axes.set_title("All units born dead")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend()


def draw_fates(axes: Panel, fates: Mapping[str, Fates]) -> None:
    """Draw what became of the units as bars on top of each other."""
    base = np.zeros(len(fates))
    for (label, colour), share in zip(LOOKS.items(), np.transpose(list(fates.values())), strict=True):
        axes.bar(list(fates), share, 0.8, base, color=colour, label=label)
        base += share
    axes.bar(list(fates), 1 - base, 0.8, base, color="#DDDDDD", label="alive at the end")
    axes.grid(visible=False)
    axes.set(ylim=(0, 1), ylabel="share of hidden units")
