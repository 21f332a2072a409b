"""The look of every figure, and the canvas it is drawn on."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STYLE: Any = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "font.size": 10,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}
"""For `matplotlib.rc_context`."""

Curve = tuple[NDArray[Any], NDArray[Any]]
"""Where the points of a line stand: x and y."""


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG without the date and version that would make two equal figures differ."""
    figure.savefig(path, dpi=150, metadata={"Software": None})


def canvas(columns: int) -> tuple[Figure, Sequence["Axes"]]:
    """Return a figure with `columns` axes side by side."""
    figure = Figure(figsize=(6.2 * columns, 4.4), layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def legend_below(figure: Figure, axes: "Axes", title: str | None = None) -> None:
    """Put the legend of one of a figure's axes below them all, where it hides nothing, in columns as the width allows.

    A letter of this size is 0.065 inches wide, the line or marker in front of a label and the gap 0.6.
    """
    handles, labels = axes.get_legend_handles_labels()
    columns = int(figure.get_figwidth() / (0.6 + 0.065 * max(map(len, labels)))) or 1
    figure.legend(handles, labels, title=title, loc="outside lower center", ncols=columns, fontsize=8, title_fontsize=8)
