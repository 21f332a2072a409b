"""Axes of a sweep's figures: where runs stand, by what was swept, and how far a loss axis reaches.

Everything that stands on an axis is a number between LEAST and MOST, and its ticks are chosen here: beyond,
matplotlib's own choice overflows.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from student_score.plots import Curve, number_labels, plain, round_numbers
from student_score.sweeps.ranking import SEED_KEYS
from student_score.training.trajectory import log_spaced_epochs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

LEAST, MOST = 1e-250, 1e250
"""Numbers beyond are drawn as these."""

CEILING, FLOOR = 1e3, 1e-12
"""Times the mean score's error: a sweep's losses beyond are drawn on the edge, or a few would squeeze all others."""

POINTS = 1000
"""Log-spaced points at most in a curve."""

LABELS = 10
"""Names at most on an axis or in a legend."""


def is_number(table: "pd.DataFrame", key: str) -> bool:
    """Say whether a swept key has a finite number in every run."""
    return table[key].dtype.kind in "iuf" and bool(np.isfinite(table[key]).all())


def numbers(table: "pd.DataFrame", key: str) -> NDArray[Any]:
    """Return the numbers of a swept key (n,) as they can be drawn."""
    values = table[key].to_numpy(dtype=float)
    near = np.clip(values, -MOST, MOST)
    return np.where((near > 0) & (near < LEAST), LEAST, near)


def leading_key(table: "pd.DataFrame", swept: Sequence[str]) -> str | None:
    """Return the swept key that an axis or a colour shows: the number with the most values, else the first word.

    Of several numbers with as many values it is the first. Seeds come last.
    """

    def rank(key: str) -> tuple[bool, bool, int]:
        number = is_number(table, key)
        return key in SEED_KEYS, not number, -len(np.unique(numbers(table, key))) if number else 0

    return min(swept, key=rank, default=None)


def is_wide(values: NDArray[Any]) -> bool:
    """Say whether values should stand on a log axis: positive, and far apart, tiny or huge."""
    if not len(values) or values.min() <= 0:
        return False
    return bool(values.max() / 20 > values.min() or values.max() > 1e9 or values.min() < 1e-9)


def outcome_names(table: "pd.DataFrame") -> list[str]:
    """Return how each run ended."""
    return [str(name) for name in table["outcome"]]


def baseline(table: "pd.DataFrame", name: str, loss: str) -> NDArray[Any]:
    """Return a baseline's errors that are known, in score points squared, those of test rows for `test_mse`."""
    column = f"baseline/{name}/{'test_mse' if loss == 'test_mse' else 'train_mse'}"
    found = table[column].to_numpy(dtype=float) if column in table else np.empty(0)
    return found[np.isfinite(found) & (found >= 0)]


def yardstick(table: "pd.DataFrame", loss: str) -> float:
    """Return the mean score's error in score points squared, the median over the runs; 1 where it is 0 or unknown."""
    heights = baseline(table, "mean", loss)
    heights = heights[heights > 0]
    return float(np.clip(np.median(heights), 1e-200, 1e200)) if len(heights) else 1.0


def described(value: object) -> str:
    """Return a swept value as text."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def named(value: object) -> str:
    """Return a swept value as a label that can be drawn, a long one by its end."""
    return plain(described(value), 24)


def categories(values: Iterable[object]) -> tuple[NDArray[Any], list[str]]:
    """Return the place (n,) of each value among the different ones, in the order they appear, and their labels."""
    values = list(values)
    different: dict[str, int] = {}
    places = np.array([different.setdefault(str(value), len(different)) for value in values], dtype=int)
    first = {str(value): value for value in reversed(values)}
    return places, [named(first[text]) for text in different]


def name_places(axes: "Axes", names: Sequence[str]) -> None:
    """Name the places 0, 1, ... of the x axis, at most LABELS of them, or more if they are short."""
    letters = max(map(len, names), default=0) + 2
    most = max(LABELS, min(25, 85 // letters))
    places = range(0, len(names), max(1, -(-len(names) // most)))
    labels = [names[place] for place in places]
    slanted = letters * len(labels) > 85
    axes.set_xticks(places, labels, rotation=30 if slanted else 0, ha="right" if slanted else "center")
    axes.grid(visible=False, axis="x")


def set_numbers(axes: "Axes", which: str, low: float, high: float, *, wide: bool) -> None:
    """Scale the axis `which` ("x" or "y") and mark round numbers from low to high on it."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    if wide:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        ticks = round_numbers(low, high)
    else:
        steps = even_numbers(low, high)
        ticks = steps[(steps >= low) & (steps <= high)]
    axis.set_ticks(ticks, number_labels(ticks))
    axis.set_ticks([], minor=True)


def even_numbers(low: float, high: float) -> NDArray[Any]:
    """Return round numbers in even steps, about six from low to high."""
    raw = high / 6 - low / 6
    if not raw > 0:
        return np.array([low])
    power = 10.0 ** np.floor(np.log10(raw))
    step = next((factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw), raw)
    first = np.ceil(low / step)
    ticks: NDArray[Any] = (first + np.arange(np.floor(high / step) - first + 1)) * step
    return ticks


def set_places(axes: "Axes", table: "pd.DataFrame", key: str | None) -> NDArray[Any]:
    """Return where on the x axis each run stands (n,), and scale and label the axis.

    Numbers stand at their values, other values, and runs without a key, at 0, 1, ... as they appear.
    """
    axes.set_xlabel("run" if key is None else plain(key))
    if key is not None and is_number(table, key):
        places = numbers(table, key)
        wide = is_wide(places)
        low, high = padded(places, wide=wide)
        set_numbers(axes, "x", low, high, wide=wide)
        if len(different := np.unique(places)) <= 4:
            axes.set_xticks(different, number_labels(different))
        axes.set_xlim(low, high)
        return places
    places, names = categories(range(1, len(table) + 1) if key is None else table[key])
    name_places(axes, names)
    axes.set_xlim(-0.5, max(len(names), 1) - 0.5)
    return places


def padded(values: NDArray[Any], *, wide: bool, share: float = 0.04) -> tuple[float, float]:
    """Return the ends of an axis for values (n,) with a share of it free on both sides."""
    if wide:
        low, high = np.log(values.min()), np.log(values.max())
        free = max(share * (high - low), 0.05)
        return float(np.exp(low - free)), float(np.exp(high + free))
    low, high = float(values.min()), float(values.max())
    free = share * high - share * low
    # Equal numbers, or nearly so: an axis needs a length.
    free = max(free, 1e-3 * max(abs(low), abs(high))) or 0.5
    return low - free, high + free


def loss_limits(curves: Sequence[Curve], diverged: Sequence[bool], height: float) -> tuple[float, float]:
    """Return the ends of the loss axis for curves of finite losses, given the mean score's error `height`.

    Where runs ended below CEILING, the upper end is a decade above their losses at most.
    """
    ceiling, floor = CEILING * height, FLOOR * height
    ended = [
        losses
        for (_, losses), gone in zip(curves, diverged, strict=True)
        if not gone and len(losses) and losses[-1] < ceiling
    ]
    losses = np.concatenate([np.empty(0), *(losses for _, losses in curves)]).clip(max=MOST)
    limit = min(10 * np.concatenate(ended).clip(max=MOST).max(), ceiling) if ended else MOST
    highest = min(losses.max(initial=height), max(limit, height))
    return max(losses.min(initial=highest), floor) / 2, highest * 2


def finite_part(curve: Curve) -> Curve:
    """Return the finite losses of a curve, thinned to POINTS log-spaced epochs, the first and the last among them."""
    epochs, losses = curve
    finite = np.isfinite(losses)
    epochs, losses = epochs[finite], losses[finite]
    chosen = log_spaced_epochs(len(losses), POINTS) - 1 if len(losses) else slice(0)
    return epochs[chosen], losses[chosen]
