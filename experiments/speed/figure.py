"""The figure of speed: the error by the rate, the late decay of the loss, and what range tests read."""

from pathlib import Path

import matplotlib as mpl
import pandas as pd

from student_score.model.outcome import Outcome
from student_score.plots import STYLE, Panel, legend_below, save, stack

from .claims import DECAY_JUDGED, LEAST_POINTS

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
    figure, [errors, decays, readings] = stack([3.4, 3.2, 3.4])
    draw_errors(errors, rate)
    draw_decays(decays, decay[decay["points"] >= LEAST_POINTS])
    draw_readings(readings, ramp)
    limit = float(flow["limit"].iloc[0])
    for line in (errors.axvline, decays.axvline, readings.axhline):
        line(limit, color="black", lw=0.8, ls="--", label=f"limit at the flow's minimum, {limit:.6f}")
    errors.legend()
    errors.tick_params(axis="y", labelsize=11)  # For the exponents.
    decays.legend()
    legend_below(figure, readings)
    figure.suptitle("Per-sample descent on the half loss, rows in the article's order")
    save(figure, folder / "figure.png")


def draw_errors(axes: Panel, rate: pd.DataFrame) -> None:
    """Draw the error after 1000 epochs by the rate."""
    for name, group in rate.groupby("outcome", sort=False):
        label = f"{name} ({len(group)})"
        axes.plot(group["learning_rate"], group["train_mse"], ".", ms=4, color=Outcome[str(name)].colour, label=label)
    best = rate.iloc[int(rate["train_mse"].argmin())]
    point, label = (best["learning_rate"], best["train_mse"]), f"best rate, {best['learning_rate']:.6f}"
    axes.plot(*point, "*", ms=12, mfc="none", mec="black", label=label)
    axes.set(xlabel="learning rate", ylabel="train_mse (score points squared)", yscale="log")
    axes.set_title(f"The error after 1000 epochs, {len(rate):,} trainings of the article's network")


def draw_decays(axes: Panel, fitted: pd.DataFrame) -> None:
    """Draw the fitted and the predicted decay of the loss by the rate."""
    rates = fitted["learning_rate"]
    predicted = "predicted: -2 ln(spectral radius of the residual map)"
    axes.axvspan(*DECAY_JUDGED, color="black", alpha=0.06, lw=0, label="here the claim is judged")
    axes.plot(rates, -fitted["predicted_slope"], color="black", lw=1, label=predicted)
    observed = "fitted to avg_loss, 1e-8 to 1e-16"
    axes.plot(rates, -fitted["slope"], "o", ms=3.5, mfc="none", color="#0072B2", label=observed)
    axes.set(xlabel="learning rate", ylabel="decay of ln avg_loss per epoch", ylim=0)
    axes.set_title(f"How fast the loss falls in the end, {len(fitted)} trainings")


def draw_readings(axes: Panel, ramp: pd.DataFrame) -> None:
    """Draw what range tests read by the length of their ramp."""
    for reading, (label, colour) in READINGS.items():
        for shape, group in ramp.groupby("shape", sort=False):
            marks = "o-" if shape == "linear" else "^:"
            axes.plot(group["epochs"], group[reading], marks, color=colour, ms=4, label=f"{label}, {shape}")
    axes.set(xscale="log", yscale="log", xlabel="epochs of the ramp, from rate 0.000001 to 0.01")
    axes.set(ylabel="learning rate that is read", ylim=(1e-6, 1e-2))
    axes.set_title(f"What {len(ramp)} range tests read, ramps linear and exponential")
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.tick_params(axis="y", labelsize=11)  # For the exponents.
