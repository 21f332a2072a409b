"""The figure of speed: the error by the rate, the late decay of the loss, and what range tests read."""

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from student_score.model.outcome import Outcome
from student_score.plots import STYLE, save

from .claims import DECAY_JUDGED, LEAST_POINTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

READINGS = {
    "rise": ("loss starts to rise", "#D55E00"),
    "fourfold": ("loss four times its lowest", "#CC79A7"),
    "steepest": ("loss falls most steeply", "#009E73"),
}
"""Column of the table -> name and colour."""


@mpl.rc_context(STYLE)
def draw(table: pd.DataFrame, folder: Path) -> None:
    """Draw errors, decays and readings, each with the limit at the gradient flow's minimum."""
    flow, rate, decay, ramp = (table[table["part"] == part] for part in ("flow", "rate", "decay", "ramp"))
    figure = Figure(figsize=(12.4, 8.8), layout="constrained")
    panels = figure.subplot_mosaic([["top", "top"], ["left", "right"]])
    top, left, right = panels["top"], panels["left"], panels["right"]
    draw_errors(top, rate)
    draw_decays(left, decay[decay["points"] >= LEAST_POINTS])
    draw_readings(right, ramp)
    limit = float(flow["limit"].iloc[0])
    for line in (top.axvline, left.axvline, right.axhline):
        line(limit, color="black", lw=0.8, ls="--", label=f"limit at the gradient flow's minimum, {limit:.6f}")
    for axes in (top, left, right):
        axes.legend(fontsize=8)
    figure.suptitle("Per-sample descent on the half loss, rows in the article's order", fontsize=11)
    save(figure, folder / "figure.png")


def draw_errors(axes: "Axes", rate: pd.DataFrame) -> None:
    """Draw the error after 1000 epochs by the rate."""
    for name, group in rate.groupby("outcome", sort=False):
        label = f"{name} ({len(group)})"
        axes.plot(group["learning_rate"], group["train_mse"], ".", ms=3, color=Outcome[str(name)].colour, label=label)
    best = rate.iloc[int(rate["train_mse"].argmin())]
    point, label = (best["learning_rate"], best["train_mse"]), f"best rate, {best['learning_rate']:.6f}"
    axes.plot(*point, "*", ms=12, mfc="none", mec="black", label=label)
    axes.set(xlabel="learning rate", ylabel="train_mse after 1000 epochs (score points squared)", yscale="log")
    axes.set_title(f"The error after 1000 epochs, {len(rate):,} trainings of the article's network")


def draw_decays(axes: "Axes", fitted: pd.DataFrame) -> None:
    """Draw the fitted and the predicted decay of the loss by the rate."""
    rates = fitted["learning_rate"]
    predicted = "predicted: -2 ln(spectral radius of the residual map)"
    axes.axvspan(*DECAY_JUDGED, color="black", alpha=0.06, lw=0, label="here the claim is judged")
    axes.plot(rates, -fitted["predicted_slope"], color="black", lw=1, label=predicted)
    observed = "fitted to avg_loss, 1e-8 to 1e-16"
    axes.plot(rates, -fitted["slope"], "o", ms=3.5, mfc="none", color="#0072B2", label=observed)
    axes.set(xlabel="learning rate", ylabel="decay of ln avg_loss per epoch", ylim=0)
    axes.set_title(f"How fast the loss falls in the end, {len(fitted)} trainings")


def draw_readings(axes: "Axes", ramp: pd.DataFrame) -> None:
    """Draw what range tests read by the length of their ramp."""
    for reading, (label, colour) in READINGS.items():
        for shape, group in ramp.groupby("shape", sort=False):
            marks = "o-" if shape == "linear" else "^:"
            axes.plot(group["epochs"], group[reading], marks, color=colour, ms=4, label=f"{label}, {shape} ramp")
    axes.set(xscale="log", yscale="log", xlabel="epochs of the ramp, from rate 0.000001 to 0.01")
    axes.set(title=f"What {len(ramp)} range tests read", ylabel="learning rate that is read", ylim=(1e-6, 3))
