"""The figure of the article's training: its loss curves, and the numbers that it printed."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.lines import Line2D

from student_score.data.article import ARTICLE_ROWS
from student_score.plots import STYLE, save, stack
from student_score.tracking.record import RecordedRun

from .judge import by_rate_and_epochs
from .published import PRINTED_EPOCHS, PUBLISHED

FLOOR = 1e-7
"""Score points squared, the lower end of the loss axis: curves that fall below it leave the figure."""


@mpl.rc_context(STYLE)
def draw(runs: Sequence[RecordedRun], folder: Path) -> None:
    """Draw each rate's longest loss curve on log axes, the article's printed points on top."""
    longest = {rate: run for (rate, _), run in sorted(by_rate_and_epochs(runs).items(), key=lambda item: item[0])}
    published = {run["learning_rate"]: run["avg_loss"] for run in PUBLISHED["runs"]}
    figure, [axes] = stack([3.6])
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.85, len(longest)))
    for colour, (rate, run) in zip(colours, longest.items(), strict=True):
        losses = run.trajectory().avg_loss
        axes.plot(np.arange(1, len(losses) + 1), losses, color=colour, label=f"learning rate {rate:g}")
        if rate in published:
            axes.plot(PRINTED_EPOCHS, published[rate], "o", ms=4, mfc="white", mec=colour)
    handles, _ = axes.get_legend_handles_labels()
    handles.append(Line2D([], [], ls="", marker="o", ms=4, mfc="white", mec="black", label="printed by the article"))
    variance = float(np.var(ARTICLE_ROWS.targets))
    handles.append(axes.axhline(variance, color="black", lw=0.8, ls="--", label="always predicting the mean score"))
    axes.set(xscale="log", yscale="log", xlabel="epoch", ylabel="avg_loss (score points squared)")
    axes.set(title="At 0.01 and 0.1 the network dies at once, at 0.0001 it still learns")
    axes.set_ylim(bottom=FLOOR)
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.tick_params(axis="y", labelsize=11)  # For the exponents.
    axes.legend(handles=handles, loc="lower left")
    save(figure, folder / "figure.png")
