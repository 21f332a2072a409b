"""The rates of converged trainings divided by four limits, and the limit of the epoch's product against the rate."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd

from student_score.arrays import Floats
from student_score.model.outcome import Outcome
from student_score.plots import STYLE, Curve, canvas, save

from .claims import FLOW, LIMITS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(table: pd.DataFrame, folder: Path) -> None:
    """Draw the four ratios and the limit against the rate."""
    trained = table[table["row_order"] != FLOW]
    reached = trained["cyclic_limit"].notna()
    minima, others = trained[reached], trained[~reached]
    ratios_and_limits(
        {name: minima["learning_rate"].to_numpy() / minima[name].to_numpy() for name in LIMITS},
        (minima["learning_rate"].to_numpy(), minima["cyclic_limit"].to_numpy()),
        {
            Outcome[str(name)]: group["learning_rate"].to_numpy()
            for name, group in others.groupby("outcome", sort=False)
        },
        flow_limit=float(table.loc[table["row_order"] == FLOW, "cyclic_limit"].iloc[0]),
        path=folder / "figure.png",
    )


@mpl.rc_context(STYLE)
def ratios_and_limits(
    ratios: Mapping[str, Floats],
    limits: Curve,
    others: Mapping[Outcome, Floats],
    *,
    flow_limit: float,
    path: Path,
) -> None:
    """Draw the rates of converged trainings divided by four limits, and the limit of the epoch's product, by the rate.

    Args:
        ratios: column of a limit -> rate / limit, for each training of `limits`.
        limits: (learning rates, limits of the epoch's product) of the trainings that reached a minimum.
        others: outcome -> learning rates of all other trainings.
        flow_limit: limit of the epoch's product at the gradient flow's minimum.
        path: the PNG file.
    """
    figure, [left, right] = canvas(2)
    count = len(limits[0]) + sum(map(len, others.values()))
    highest = max([limits[0].max(initial=flow_limit), *(failed.max() for failed in others.values())])
    ends = np.array([0, 1.03 * highest])
    draw_ratios(left, ratios, limits[0])
    draw_limits(right, limits, others, ends, flow_limit=flow_limit)
    for axes in (left, right):
        axes.set(xlabel="learning rate, per-sample descent on the half loss", xlim=ends)
        axes.legend(fontsize=8)
    title = f"{count} trainings of the article's network: six row orders, drawn on top of each other"
    figure.suptitle(title, fontsize=11)
    save(figure, path)


def draw_ratios(left: "Axes", ratios: Mapping[str, Floats], rates: Floats) -> None:
    """Draw each limit's ratios against the rates (n,)."""
    labels = {
        "cyclic_limit": ("epoch's product of row updates: spectral radius 1", "o", "#009E73"),
        "full_batch_limit": ("full batch: 2 / sharpness of the half loss", "s", "#0072B2"),
        "batch_sharpness_limit": ("2 / batch sharpness, batches of one row", "^", "#CC79A7"),
        "per_row_limit": ("single row: 2 / largest squared gradient of a prediction", "D", "#D55E00"),
    }
    for name, (label, marker, colour) in labels.items():
        left.plot(rates, ratios[name], marker, ms=4, mfc="none", color=colour, label=label)
    left.axhline(1, color="black", lw=0.8)
    left.set(
        title="Only the limit of the epoch's product is never exceeded",
        ylabel="rate / limit at the minimum reached (no unit)",
        ylim=0,
    )


def draw_limits(
    right: "Axes", limits: Curve, others: Mapping[Outcome, Floats], ends: Floats, *, flow_limit: float
) -> None:
    """Draw the limits at the minima that were reached, the line below which a minimum is unstable, and the others."""
    right.plot(*limits, "o", ms=4, mfc="none", color="#009E73", label="limit at the minimum reached")
    right.plot(ends, ends, color="black", lw=0.8, label="limit = rate: below this line a minimum is unstable")
    right.axhline(flow_limit, color="black", lw=0.8, ls="--", label=f"at the gradient flow's minimum, {flow_limit:.6f}")
    lowest = limits[1].min(initial=flow_limit)
    for outcome, failed in others.items():
        marker, colour = outcome.marker, outcome.colour
        name = "still approaching one" if outcome is Outcome.converged else outcome.name
        label = f"no minimum reached: {name} ({len(failed)})"
        right.plot(failed, np.full(len(failed), 0.93 * lowest), marker, color=colour, ms=4, label=label)
    right.set(
        title="Where the first minimum turns unstable, another is found",
        ylabel="limit of the epoch's product (a learning rate)",
    )
    right.set_ylim(0.9 * lowest, 1.1 * limits[1].max(initial=flow_limit))
