"""Tables in, figures out: the only module that imports matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from student_score.outcome import Outcome

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

OUTCOME_COLOURS: Mapping[Outcome, str] = {
    # Okabe and Ito's palette, which most colour-blind readers can tell apart.
    Outcome.converged: "#009E73",
    Outcome.slow: "#0072B2",
    Outcome.oscillating: "#CC79A7",
    Outcome.stuck: "#999999",
    Outcome.collapsed: "#D55E00",
    Outcome.diverged: "#000000",
}
OUTCOME_MARKERS: Mapping[Outcome, str] = dict(zip(OUTCOME_COLOURS, "oDvsX^", strict=True))

STYLE: Any = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "font.size": 10,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}

Curve = tuple[NDArray[Any], NDArray[Any]]


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG without the date and version that would make two equal figures differ."""
    figure.savefig(path, dpi=150, metadata={"Software": None})


def canvas(columns: int) -> tuple[Figure, Sequence["Axes"]]:
    """Return a figure with `columns` axes side by side."""
    figure = Figure(figsize=(6.2 * columns, 4.4), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


@mpl.rc_context(STYLE)
def loss_curves(
    curves: Mapping[str, Curve],
    published: Mapping[str, Curve],
    levels: Mapping[str, float],
    *,
    title: str,
    floor: float,
    path: Path,
) -> None:
    """Draw avg_loss against epoch on log axes, published points on top, reference heights as dashed lines.

    Args:
        curves: label -> (epochs, avg_loss); the colours are given in this order.
        published: label of a curve -> (epochs, avg_loss) as printed elsewhere.
        levels: label -> height in score points squared.
        title: what the figure shows, in a sentence.
        floor: lower end of the loss axis; curves that fall below it leave the figure.
        path: the PNG file.
    """
    figure, [axes] = canvas(1)
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.85, len(curves)))
    for colour, (label, (epochs, losses)) in zip(colours, curves.items(), strict=True):
        axes.plot(epochs, losses, color=colour, label=label)
        if label in published:
            axes.plot(*published[label], "o", ms=4, mfc="white", mec=colour)
    handles, _ = axes.get_legend_handles_labels()
    if published:
        handles.append(
            Line2D([], [], ls="", marker="o", ms=4, mfc="white", mec="black", label="printed by the article")
        )
    for label, height in levels.items():
        handles.append(axes.axhline(height, color="black", lw=0.8, ls="--", label=label))
    axes.set(xscale="log", yscale="log", xlabel="epoch", ylabel="avg_loss (score points squared)", title=title)
    axes.set_ylim(bottom=floor)
    axes.legend(handles=handles, loc="lower left", fontsize=8)
    save(figure, path)


@mpl.rc_context(STYLE)
def plateau(
    heights: Curve,
    biases: Mapping[str, Curve],
    closed_heights: Curve,
    closed_biases: Mapping[str, Curve],
    *,
    variance: float,
    path: Path,
) -> None:
    """Draw heights and biases of a dead network, trained ones as points on their closed forms, against the rate.

    Every curve is (learning rates, values); `biases` has one for each row order, in score points.
    """
    figure, [left, right] = canvas(2)
    left.plot(*closed_heights, color="black", lw=1, label="closed form 3 Var(y) / (1 + q + q²) with q = 1 - rate")
    left.plot(*heights, "o", ms=5, mfc="none", color="#D55E00", label="trained, six row orders on top of each other")
    left.axhline(variance, color="black", lw=0.8, ls="--", label=f"variance of the scores, {variance:.4g}")
    left.set(title="The loss at which a dead network stays", ylabel="avg_loss at the end (score points squared)")
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.9, len(biases)))
    for colour, (order, curve) in zip(colours, biases.items(), strict=True):
        right.plot(*closed_biases[order], color=colour, lw=1)
        right.plot(*curve, "o", ms=4, color=colour, label=f"rows {order}")
    right.set(title="Its bias depends on the row order", ylabel="output bias b2 at the end (score points)")
    for axes in (left, right):
        axes.set_xlabel("learning rate, per-sample descent on the half loss")
        axes.legend(fontsize=8)
    save(figure, path)


@mpl.rc_context(STYLE)
def throughput(
    sweeps: Mapping[str, tuple[NDArray[Any], NDArray[Any], NDArray[Any]]],
    methods: Mapping[str, tuple[float, float]],
    *,
    path: Path,
) -> None:
    """Draw time per network against each of four sizes on log axes, other methods as markers in the first.

    Args:
        sweeps: name of a size -> (sizes (k,), microseconds (3, k): smallest, median and largest over the rounds,
            growth (k,) in proportion to which the time is to grow, drawn as a dashed line through the last median).
        methods: label -> (networks, microseconds), at 1000 epochs.
        path: the PNG file.
    """
    figure = Figure(figsize=(12.4, 8.8), layout="constrained")
    panels = list(figure.subplots(2, 2).flat)
    for axes, (name, (sizes, bounds, growth)) in zip(panels, sweeps.items(), strict=True):
        low, median, high = bounds
        axes.fill_between(sizes, low, high, color="#0072B2", alpha=0.2, lw=0)
        axes.plot(sizes, median, "o-", ms=4, color="#0072B2", label="engine, one thread: median and range")
        axes.plot(sizes, growth * (median[-1] / growth[-1]), color="black", lw=0.8, ls="--", label="in proportion")
        span = "time" if name == "epochs" else "time of 1000 epochs"
        axes.set(xscale="log", yscale="log", xlabel=name, ylabel=f"{span} per network (microseconds)")
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.9, len(methods)))
    for colour, marker, (label, point) in zip(colours, "osD^v<>PX*dph8"[: len(methods)], methods.items(), strict=True):
        panels[0].plot(*point, marker, color=colour, ms=7, label=label)
    for axes in panels:
        axes.legend(fontsize=8)
    figure.suptitle("What a training costs, on logarithmic axes")
    save(figure, path)


@mpl.rc_context(STYLE)
def sweep(table: "pd.DataFrame", swept: Sequence[str], path: Path) -> None:
    """Draw final train_mse against the first swept number, a marker a run, shaped and coloured by outcome.

    Losses of more than a million times the mean score's, and runs that ended before a loss was recorded, are drawn on
    the upper edge: one diverged run must not squeeze all others into a line.
    """
    key = next((key for key in swept if table[key].dtype.kind in "if"), None)
    values = np.arange(1, len(table) + 1) if key is None else table[key].to_numpy()
    mean = float(table["baseline/mean/train_mse"].iloc[0])
    ceiling = 1e6 * mean
    losses = np.nan_to_num(table["train_mse"].to_numpy(dtype=float), nan=np.inf).clip(max=ceiling)
    figure, [axes] = canvas(1)
    for outcome, colour in OUTCOME_COLOURS.items():
        chosen = (table["outcome"] == outcome.name).to_numpy()
        if chosen.any():
            label = f"{outcome.name} ({chosen.sum()})"
            axes.plot(values[chosen], losses[chosen], OUTCOME_MARKERS[outcome], color=colour, ms=6, label=label)
    axes.axhline(mean, color="black", lw=0.8, ls="--", label="always predicting the mean score")
    if (losses == ceiling).any():
        axes.axhline(ceiling, color="black", lw=0.8, ls=":", label="this high or higher")
    if (losses > 0).all():
        axes.set_yscale("log")
    if key is not None and values.min() > 0 and values.max() > 20 * values.min():
        axes.set_xscale("log")
    axes.set(
        xlabel="run" if key is None else key,
        ylabel="final train_mse (score points squared)",
        title=f"How {len(table)} trainings ended",
    )
    axes.legend(fontsize=8)
    save(figure, path)
