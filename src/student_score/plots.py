"""The look of every figure, the canvas it is drawn on, and how texts and numbers from outside get onto it."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from numpy.typing import NDArray

STYLE: Any = {
    "axes.grid": True,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "figure.titlesize": 12,
    "font.family": "DejaVu Sans",  # It comes with matplotlib: `plain` knows what it holds.
    "font.size": 10,
    "grid.alpha": 0.3,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "legend.title_fontsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}
"""For `matplotlib.rc_context`. No letter is smaller than 9 points: 11 pixels where a figure of WIDTH is 700 wide."""

WIDTH = 7.8
"""Inches. A README shows a figure in 830 pixels, the report in 900, the MLflow UI in 700."""

Panel = Axes
"""One pair of a figure's axes, for modules that do not import matplotlib."""

Curve = tuple[NDArray[Any], NDArray[Any]]
"""Where the points of a line stand: x and y."""


@cache
def letters() -> frozenset[int]:
    """Return the code points that the figures' font can draw."""
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def plain(text: str, most: int = 60) -> str:
    r"""Return a text from data or a configuration as it can be drawn, of a long one its last `most` signs.

    A dollar sign starts no formula, and what the font lacks, as what breaks a line, stands as its escape.

    >>> print(plain("5 $\nあ"))
    5 \$\n\u3042
    """
    known = letters()
    drawn = "".join(
        sign if sign.isprintable() and ord(sign) in known else sign.encode("unicode_escape").decode() for sign in text
    )
    return (drawn if len(drawn) <= most else f"…{drawn[1 - most :]}").replace("$", r"\$")


def save(figure: Figure, path: Path, *, dpi: int = 150) -> None:
    """Write a figure as PNG without the date and version that would make two equal figures differ."""
    figure.savefig(path, dpi=dpi, metadata={"Software": None})


def stack(heights: Sequence[float]) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure with axes below each other, of these heights in inches."""
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.8), layout="constrained")
    return figure, list(figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0])


def legend_below(figure: Figure, axes: Axes, title: str | None = None) -> None:
    """Put the legend of one of a figure's axes below them all, where it hides nothing, in columns as the width allows.

    A letter of this size is 0.075 inches wide, the line or marker in front of a label and the gap 0.65.
    """
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        columns = int(figure.get_figwidth() / (0.65 + 0.075 * max(map(len, labels)))) or 1
        legend = figure.legend(handles, labels, title=title, loc="outside lower center", ncols=columns)
        for line in legend.get_lines():
            line.set_alpha(1)  # Of faint markers, too, the colour is to be seen.


def round_numbers(low: float, high: float, most: int = 9) -> NDArray[Any]:
    """Return at most `most` round numbers from low to high, both positive, for a log axis.

    These are powers of ten, and numbers between them where those are few.
    """
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    powers = np.arange(first, last + 1)
    for between in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), tuple(np.arange(1.0, 9.5)), tuple(np.arange(1.0, 10.0, 0.2))):
        numbers = np.array([factor * 10.0**power for power in powers for factor in between])
        inside = numbers[(numbers >= low * (1 - 1e-9)) & (numbers <= high * (1 + 1e-9))]
        if len(inside) >= 4:
            break
    return inside[:: max(1, -(-len(inside) // most))]


def number_labels(numbers: NDArray[Any]) -> list[str]:
    """Return the labels of an axis: plain numbers, or all with an exponent if some have many noughts."""
    if not len(numbers):
        return []
    sizes = np.abs(numbers[numbers != 0])
    if len(sizes) and (sizes.min() < 0.9e-4 or sizes.max() > 1.1e6):
        return [powered(number) for number in numbers.tolist()]
    return [f"{number:,.6g}" if abs(number) >= 1000 else f"{number:.6g}" for number in numbers.tolist()]


def powered(number: float) -> str:
    """Return a number with a power of ten in superscript: no formula, and no plus sign.

    >>> powered(3e-5), powered(1e6), powered(0.0)
    ('3·10⁻⁵', '10⁶', '0')
    """
    if number == 0:
        return "0"
    factor, exponent = f"{number:.3g}".split("e") if "e" in f"{number:.3g}" else f"{number:.2e}".split("e")
    factor = f"{float(factor):g}"
    power = "10" + str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return power if factor == "1" else f"{factor}·{power}"


def readable_on(colour: str, alpha: float) -> str:
    """Return the colour of letters on a colour over white: white where it is dark, by its relative luminance."""
    luminance = alpha * float(np.dot(to_rgb(colour), (0.2126, 0.7152, 0.0722))) + 1 - alpha
    return "white" if luminance < 0.4 else "black"
