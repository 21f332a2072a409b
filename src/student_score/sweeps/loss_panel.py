"""One panel of a sweep's results: final losses by what was swept, with the baselines, and means over the seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from student_score.data.baseline import BASELINES
from student_score.model.outcome import LOOKS
from student_score.plots import Panel, plain
from student_score.sweeps.axes import (
    CEILING,
    FLOOR,
    LABELS,
    baseline,
    described,
    is_number,
    is_wide,
    leading_key,
    named,
    outcome_names,
    padded,
    set_numbers,
    set_places,
    yardstick,
)
from student_score.sweeps.ranking import SEED_KEYS, final_losses
from student_score.sweeps.spread import spread
from student_score.sweeps.words import short_names

if TYPE_CHECKING:
    import pandas as pd

STRIP = 0.1
"""Share of a panel's height that a strip for what lies beyond the axis takes."""

SERIES = ("#000000", "#5C01A6", "#B12A90", "#E16462", "#A6761D", "#4D4D4D")
"""Colours of series of means; more series have these again."""

OTHER = ("#999999", ".")
"""Colour and marker of runs whose outcome has no look."""


@dataclass(frozen=True)
class Heights:
    """The loss axis of a panel, in score points squared: what lies beyond stands in a strip below or above.

    `floor` and `ceiling` are where the strips begin, `low` and `high` the ends of what is drawn between them.
    """

    floor: float
    ceiling: float
    low: float
    high: float
    wide: bool
    below: bool
    above: bool

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the whole axis, strips included."""
        low, high = np.log([self.low, self.high]) if self.wide else (self.low, self.high)
        length = (high - low) / (1 - STRIP * (self.below + self.above))
        ends = low - STRIP * length * self.below, high + STRIP * length * self.above
        first, last = np.exp(ends) if self.wide else ends
        return float(first), float(last)

    def place(self, value: float) -> float:
        """Return where a loss stands, as a share of the panel's height."""
        ends, number = np.array(self.limits), np.clip(value, self.low, self.high)
        if self.wide:
            ends, number = np.log(ends), np.log(number)
        return float((number - ends[0]) / (ends[1] - ends[0]))


def heights(table: "pd.DataFrame", loss: str, final: NDArray[Any]) -> Heights:
    """Return the loss axis for final losses (n,), NaN where there is none, and the baselines."""
    known = final[np.isfinite(final)]
    unit = yardstick(table, loss)
    if not (baseline(table, "mean", loss) > 0).any() and (known > 0).any():
        unit = float(np.clip(np.median(known[known > 0]), 1e-200, 1e200))
    floor, ceiling = FLOOR * unit, CEILING * unit
    if len(known) and known.min() > ceiling:
        ceiling = float(np.clip(10 * min(known.min(), 1e249), None, 1e250))
    lines = [float(np.median(found)) for name in BASELINES if len(found := baseline(table, name, loss))]
    drawn = np.array([*known, *lines])
    between = drawn[(drawn >= floor) & (drawn <= ceiling)]
    between = between if len(between) else np.array([unit])
    wide = is_wide(between)
    low, high = padded(between, wide=wide, share=0.07)
    if high - low < 0.2 * high:  # What differs by a few percent should look so.
        low, high = low - 0.1 * high, high + 0.1 * high
    return Heights(
        floor=floor,
        ceiling=ceiling,
        low=low if wide else max(low, 0.0),
        high=high,
        wide=wide,
        below=bool((drawn < floor).any()),
        above=bool((drawn > ceiling).any() or np.isnan(final).any()),
    )


def draw_final_losses(axes: Panel, table: "pd.DataFrame", swept: Sequence[str], loss: str) -> None:
    """Draw one panel: a marker for each run, lines for the baselines, means over the seeds or lines for other keys."""
    key = leading_key(table, swept)
    places = set_places(axes, table, key)
    final = final_losses(table, loss)
    scale = heights(table, loss, final)
    set_numbers(axes, "y", scale.low, scale.high, wide=scale.wide)
    axes.set_ylim(scale.limits)
    axes.set_ylabel(f"final {loss}\n(score points squared)")
    draw_strips(axes, table, final, scale)
    seeded = not set(SEED_KEYS).isdisjoint(swept)
    draw_runs(axes, table, places, final, scale, faint=seeded)
    notes = draw_baselines(axes, table, loss, scale)
    if key in SEED_KEYS:  # Then nothing else was swept.
        draw_band(axes, table, final, scale)
    elif key is not None:
        notes += draw_series(axes, table, swept, key, places, final, scale)
    write_notes(axes, notes)


def draw_strips(axes: Panel, table: "pd.DataFrame", final: NDArray[Any], scale: Heights) -> None:
    """Shade and name the strips at the edges, where there are any."""
    across: Any = axes.get_yaxis_transform()
    low, high = scale.limits
    if scale.above:
        diverged = np.array([name == "diverged" for name in outcome_names(table)], dtype=bool)
        what = [
            *(["diverged"] if diverged.any() else []),
            *([f"above {scale.ceiling:.1g}"] if (final > scale.ceiling).any() else []),
            *(["no final loss"] if (np.isnan(final) & ~diverged).any() else []),
        ]
        axes.axhspan(scale.high, high, color="black", alpha=0.08, lw=0)
        axes.text(0.01, high, ", or ".join(what), transform=across, va="bottom", style="italic", size=9)
    if scale.below:
        axes.axhspan(low, scale.low, color="#009E73", alpha=0.12, lw=0)
        text = f"below {scale.floor:.1g}: an exact fit"
        axes.text(
            0.01, strip_middle(scale, top=False), text, transform=axes.transAxes, va="center", style="italic", size=9
        )


def strip_middle(scale: Heights, *, top: bool) -> float:
    """Return the height of the middle of a strip as a share of the panel's."""
    edge = scale.place(scale.high) if top else scale.place(scale.low)
    return (edge + top) / 2


def draw_runs(
    axes: Panel, table: "pd.DataFrame", places: NDArray[Any], final: NDArray[Any], scale: Heights, *, faint: bool
) -> None:
    """Draw a marker for each run, those beyond the axis in the middle of the strips."""
    few = len(table) <= 200
    style: dict[str, Any] = {"ms": (5 if faint else 6) if few else 4, "alpha": 0.5 if faint else 1 if few else 0.6}
    looks = {outcome.name: (look.colour, look.marker) for outcome, look in LOOKS.items()}
    names = np.array(outcome_names(table), dtype=object)
    shares = np.array([scale.place(loss) if np.isfinite(loss) else np.nan for loss in final])
    shares[np.isnan(final) | (final > scale.ceiling)] = strip_middle(scale, top=True)
    shares[final < scale.floor] = strip_middle(scale, top=False)
    for name in [*looks, *dict.fromkeys(name for name in names.tolist() if name not in looks)]:
        chosen = names == name
        if chosen.any():
            colour, marker = looks.get(name, OTHER)
            label = f"{named(name)} ({chosen.sum():,})"
            axes.plot(
                places[chosen],
                shares[chosen],
                marker,
                color=colour,
                label=label,
                transform=axes.get_xaxis_transform(),
                zorder=3,
                mew=0,
                **style,
            )


Note = tuple[float, str, str]
"""Where a line ends, as a share of the panel's height; what is written there; its colour."""


def draw_baselines(axes: Panel, table: "pd.DataFrame", loss: str, scale: Heights) -> list[Note]:
    """Draw a line for each baseline that the table knows, the median if they differ; return what to write beside."""
    notes: list[Note] = []
    mean = baseline(table, "mean", loss)
    for (name, (label, _)), style in zip(BASELINES.items(), ("-", "--", ":", "-."), strict=False):
        found = baseline(table, name, loss)
        if not len(found):
            continue
        height = float(np.median(found))
        text = f"{label}:\n{height:.4g}"
        if height < scale.floor:
            notes.append((strip_middle(scale, top=False), f"{label}:\n0 (exact)", "black"))
            continue
        if height > scale.ceiling:
            place = strip_middle(scale, top=True)
        else:
            place = scale.place(height)
            if name != "mean" and len(mean) and (unit := float(np.median(mean))) > 0:
                text += f" (R² {1 - height / unit:.3g})"
        axes.plot([0, 1], [place, place], color="black", lw=1, ls=style, transform=axes.transAxes, zorder=1.5)
        notes.append((place, text, "black"))
    return notes


def draw_band(axes: Panel, table: "pd.DataFrame", final: NDArray[Any], scale: Heights) -> None:
    """Draw the mean and the interval of the only configuration across the panel."""
    known = final[np.isfinite(final)]
    mean, low, high = spread(final, table)
    if len(known):
        axes.axhline(np.clip(mean, scale.low, scale.high), color=SERIES[0], lw=2, label="mean over the seeds")
    if len(known) > 1:
        ends = np.clip([low, high], scale.low, scale.high)
        axes.axhspan(*ends, color=SERIES[0], alpha=0.12, lw=0, label="its 95 % interval")


def draw_series(
    axes: Panel,
    table: "pd.DataFrame",
    swept: Sequence[str],
    key: str,
    places: NDArray[Any],
    final: NDArray[Any],
    scale: Heights,
) -> list[Note]:
    """Draw means and intervals by place, a series for each combination of the other keys; return their names.

    Without seeds and other keys nothing is drawn. What lies beyond the axis stands on its end.
    """
    others = [name for name in swept if name not in SEED_KEYS and name != key]
    seeded = not set(SEED_KEYS).isdisjoint(swept)
    if not (others or seeded):
        return []
    columns = [[described(value) for value in table[name]] for name in others]
    names = short_names(others)
    labels = [
        ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))
        for values in (zip(*columns, strict=True) if columns else [()] * len(table))
    ]
    series = list(dict.fromkeys(labels))
    beside = 1 < len(series) <= len(SERIES) and max(map(len, map(plain, series))) <= 32
    notes: list[Note] = []
    if seeded and beside:
        axes.plot([], [], "_-", color=SERIES[0], lw=1, ms=8, label="means over the repetitions, 95 % intervals")
    for number, label in enumerate(series):
        chosen = np.array([other == label for other in labels]) & np.isfinite(final)
        if not chosen.any():
            continue
        points = np.unique(places[chosen])
        rows = np.array([spread(final[at], table[at]) for at in (chosen & (places == point) for point in points)])
        rows[np.isnan(rows[:, 1]), 1:] = rows[np.isnan(rows[:, 1]), :1]
        mean, low, high = rows.clip(scale.low, scale.high).T
        text = plain(label) or "mean over the repetitions, 95 % interval"
        axes.errorbar(
            points,
            mean,
            [mean - low, high - mean] if seeded else None,
            fmt=("_-" if seeded else "-") if is_number(table, key) else "_",
            color=SERIES[number % len(SERIES)],
            lw=1,
            elinewidth=1,
            capsize=3,
            ms=8,
            zorder=2.5,
            label=text if not beside and number < LABELS else None,
        )
        if beside:
            notes.append((scale.place(float(mean[-1])), text, SERIES[number]))
    return notes


def write_notes(axes: Panel, notes: Sequence[Note]) -> None:
    """Write what lines are beside their right ends, moved apart where they would cover each other."""
    line = 0.15 * axes.figure.dpi / axes.get_window_extent().height
    top = -np.inf
    for place, text, colour in sorted(notes):
        size = line * (1 + text.count("\n"))
        middle = max(place, top + size / 2)
        top = middle + size / 2
        axes.text(1.01, middle, text, color=colour, transform=axes.transAxes, va="center", size=9)
