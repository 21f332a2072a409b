"""The figure of speed: the error by the rate, the late decay of the loss, and what range tests read."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import pandas as pd

from student_score.plots import STYLE, Panel, legend_below, save, stack

from .best import Best, best_rates
from .claims import DECAY_JUDGED, LEAST_POINTS, WITHIN
from .trainings import ORDERS, error_name, written

READINGS = {
    "rise": ("loss starts to rise", "#D55E00"),
    "fourfold": ("loss four times its lowest", "#CC79A7"),
    "steepest": ("loss falls most steeply", "#009E73"),
}
"""Column of the table -> name and colour."""


SHOWN = {250: "#E69F00", 1000: "#0072B2"}
"""Epochs after which errors are shown, and their colours."""


@mpl.rc_context(STYLE)
def draw(table: pd.DataFrame, folder: Path) -> None:
    """Draw errors, best rates, decays and readings, each with the limit at the gradient flow's minimum."""
    flow, rate, decay, ramp = (table[table["part"] == part] for part in ("flow", "rate", "decay", "ramp"))
    figure, [errors, best, decays, readings] = stack([3.2, 3.2, 3.0, 3.2])
    limit = float(flow["limit"].iloc[0])
    draw_errors(errors, of_article(rate))
    draw_best(best, best_rates(rate, limit))
    draw_decays(decays, of_article(decay[decay["points"] >= LEAST_POINTS]))
    draw_readings(readings, of_article(ramp))
    for line in (errors.axvline, decays.axvline, readings.axhline):
        line(limit, color="black", lw=0.8, ls="--", label=f"limit at the flow's minimum, {limit:.6f}")
    errors.legend()
    errors.tick_params(axis="y", labelsize=11)  # For the exponents.
    decays.legend()
    legend_below(figure, readings)
    figure.suptitle("Per-sample descent on the half loss from the article's start")
    save(figure, folder / "figure.png")


def of_article(table: pd.DataFrame) -> pd.DataFrame:
    """Return the trainings in the article's row order."""
    return table[table["row_order"] == written(ORDERS[0])]


def draw_errors(axes: Panel, rate: pd.DataFrame) -> None:
    """Draw the error by the rate, after few and after more epochs."""
    for length, colour in SHOWN.items():
        errors = rate[error_name(length)]
        axes.plot(rate["learning_rate"], errors, ".", ms=3, color=colour, label=f"after {length} epochs")
        best = rate["learning_rate"].iloc[int(errors.argmin())]
        axes.plot(best, errors.min(), "*", ms=12, mfc=colour, mec="black", label=f"best rate, {best:.6f}")
    axes.set(xlabel="learning rate", ylabel="train_mse (score points squared)", yscale="log")
    axes.set_title(f"The error of {len(rate):,} trainings, rows in the article's order")


def draw_best(axes: Panel, found: Sequence[Best]) -> None:
    """Draw the best rates by the number of epochs."""
    lengths = [best.length for best in found]
    axes.plot(lengths, [best.typical for best in found], "x", ms=6, color="#D55E00", label="best with its neighbours")
    axes.plot(lengths, [best.ratio for best in found], "o", ms=5, mfc="none", color="#0072B2", label="best single rate")
    axes.axhline(1, color="black", lw=0.8)
    axes.axhspan(1 - WITHIN, 1 + WITHIN, color="black", alpha=0.1, lw=0, label=f"within {WITHIN:.0%} of the limit")
    axes.set(xlabel="epochs", ylabel="best rate / limit (no unit)", ylim=0)
    axes.set_title("The best rate in each of six row orders, where rounding does not decide it")
    axes.legend()


def draw_decays(axes: Panel, fitted: pd.DataFrame) -> None:
    """Draw the fitted and the predicted decay of the loss by the rate."""
    rates = fitted["learning_rate"]
    predicted = "predicted: -2 ln(spectral radius of the residual map)"
    axes.axvspan(*DECAY_JUDGED, color="black", alpha=0.06, lw=0, label="here the claim is judged")
    axes.plot(rates, -fitted["predicted_slope"], color="black", lw=1, label=predicted)
    observed = "fitted to avg_loss, 1e-8 to 1e-16"
    axes.plot(rates, -fitted["slope"], "o", ms=3.5, mfc="none", color="#0072B2", label=observed)
    axes.set(xlabel="learning rate", ylabel="decay of ln avg_loss per epoch", ylim=0)
    axes.set_title(f"How fast the loss falls in the end, {len(fitted)} trainings, rows in the article's order")


def draw_readings(axes: Panel, ramp: pd.DataFrame) -> None:
    """Draw what range tests read by the length of their ramp."""
    for reading, (label, colour) in READINGS.items():
        for shape, group in ramp.groupby("shape", sort=False):
            marks = "o-" if shape == "linear" else "^:"
            axes.plot(group["epochs"], group[reading], marks, color=colour, ms=4, label=f"{label}, {shape}")
    axes.set(xscale="log", yscale="log", xlabel="epochs of the ramp, from rate 0.000001 to 0.01")
    axes.set(ylabel="learning rate that is read", ylim=(1e-6, 1e-2))
    axes.set_title(f"What {len(ramp)} range tests read, rows in the article's order")
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.tick_params(axis="y", labelsize=11)  # For the exponents.
