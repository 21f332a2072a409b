"""Axes of a sweep's figures: where runs stand, by what was swept, and how far a loss axis reaches."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from student_score.plots import Curve
from student_score.sweeps.ranking import SEED_KEYS
from student_score.training.trajectory import log_spaced_epochs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

CEILING, FLOOR = 1e6, 1e-12
"""Times the mean score's error: a sweep's losses beyond are drawn on the edge, or a few would squeeze all others."""

POINTS = 1000
"""Log-spaced points at most in a curve."""

BARS, BINS = 40, 20
"""Above so many different numbers, outcomes are counted in so many bins."""

LABELS = 10
"""Names at most on an axis or in a legend."""


def is_number(table: "pd.DataFrame", key: str) -> bool:
    """Say whether a swept key has a finite number in every run."""
    return table[key].dtype.kind in "if" and bool(np.isfinite(table[key]).all())


def leading_key(table: "pd.DataFrame", swept: Sequence[str]) -> str | None:
    """Return the swept key that an axis or a colour shows: the first number, else the first other key, seeds last."""
    return min(swept, key=lambda key: (key in SEED_KEYS, not is_number(table, key)), default=None)


def is_wide(values: NDArray[Any]) -> bool:
    """Say whether values should stand on a log axis: positive, and spanning more than a factor of 20."""
    return bool(values.min() > 0 and values.max() > 20 * values.min())


def yardstick(table: "pd.DataFrame", loss: str) -> float:
    """Return the mean score's error in score points squared, the median over the runs; 1 where it is 0 or unknown."""
    column = f"baseline/mean/{'test_mse' if loss == 'test_mse' else 'train_mse'}"
    heights = table[column].to_numpy(dtype=float) if column in table else np.empty(0)
    heights = heights[np.isfinite(heights) & (heights > 0)]
    return float(np.median(heights)) if len(heights) else 1.0


def named(value: object) -> str:
    """Return a swept value as a label, a long one by its end."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 24 else f"…{text[-23:]}"


def categories(values: Iterable[object]) -> tuple[NDArray[Any], list[str]]:
    """Return the place (n,) of each value among the different ones, in the order they appear, and their labels."""
    texts = [str(value) for value in values]
    different = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    return np.array([different[text] for text in texts]), [named(text) for text in different]


def name_places(axes: "Axes", names: Sequence[str]) -> None:
    """Name the places 0, 1, ... of the x axis, at most LABELS of them."""
    places = range(0, len(names), -(-len(names) // LABELS))
    labels = [names[place] for place in places]
    slanted = sum(map(len, labels)) > 40
    axes.set_xticks(places, labels, rotation=30 if slanted else 0, ha="right" if slanted else "center")
    axes.grid(visible=False, axis="x")


def set_places(axes: "Axes", table: "pd.DataFrame", key: str | None) -> NDArray[Any]:
    """Return where on the x axis each run stands (n,), and scale and label the axis.

    Numbers stand at their values, other values, and runs without a key, at 0, 1, ... as they appear.
    """
    axes.set_xlabel(key or "run")
    if key is not None and is_number(table, key):
        if is_wide(table[key].to_numpy()):
            axes.set_xscale("log")
        return table[key].to_numpy()
    places, names = categories(range(1, len(table) + 1) if key is None else table[key])
    name_places(axes, names)
    return places


def loss_limits(curves: Sequence[Curve], diverged: Sequence[bool], height: float) -> tuple[float, float]:
    """Return the ends of the loss axis for curves of finite losses, given the mean score's error `height`.

    Where runs ended below CEILING, the upper end is a decade above their losses at most.
    """
    ceiling, floor = CEILING * height, FLOOR * height
    settled = [losses for (_, losses), gone in zip(curves, diverged, strict=True) if not gone and losses[-1] < ceiling]
    losses = np.concatenate([losses for _, losses in curves])
    limit = min(10 * np.concatenate(settled).max(), ceiling) if settled else 1e250  # Near 1e308 the ticks overflow.
    highest = min(losses.max(initial=height), max(limit, height))
    return max(losses.min(initial=highest), floor) / 2, highest * 2


def finite_part(curve: Curve) -> Curve:
    """Return the finite losses of a curve, thinned to POINTS log-spaced epochs, the first and the last among them."""
    epochs, losses = curve
    finite = np.isfinite(losses)
    epochs, losses = epochs[finite], losses[finite]
    chosen = log_spaced_epochs(len(losses), POINTS) - 1 if len(losses) else slice(0)
    return epochs[chosen], losses[chosen]


def set_bars(axes: "Axes", table: "pd.DataFrame", key: str | None) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the bar of each run (n,), the bars' left ends and widths on the x axis, which is scaled and named."""
    if key is not None and is_number(table, key):
        numbers = table[key].to_numpy()
        distinct, values = np.unique(numbers, return_inverse=True)
        if len(distinct) > BARS:
            wide = is_wide(numbers)
            edges = (np.geomspace if wide else np.linspace)(numbers.min(), numbers.max(), BINS + 1)
            axes.set_xscale("log" if wide else "linear")
            return np.searchsorted(edges[1:-1], numbers, side="right"), edges[:-1], np.diff(edges)
        names = [named(value) for value in distinct.tolist()]
    else:
        values, names = categories([""] * len(table) if key is None else table[key])
    name_places(axes, names)
    return values, np.arange(len(names)) - 0.4, np.full(len(names), 0.8)


def counted(number: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{number} {noun}{'s'[: number != 1]}"
