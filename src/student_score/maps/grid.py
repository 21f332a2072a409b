"""The grid of a map: one or two axes over what all its networks share, cut into tiles that are trained as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from student_score.arrays import Floats, Integers
from student_score.errors import InputError
from student_score.maps.axes import RATES, SEED, Axis
from student_score.model.network import Initialisation, Parameters, initialise
from student_score.training.many import train_many
from student_score.training.setup import Effort, Networks, Setup


class Tile(NamedTuple):
    """A rectangle of pixels, half open: its rows on the y axis and its columns on the x axis."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left


class Pixels(NamedTuple):
    """What became of the networks of a tile, arrays (rows, columns).

    Attributes:
        outcome: places in `outcome.OUTCOMES`.
        last_avg_loss: of the last epoch that ran, in score points squared.
        collapse_epoch, diverged_epoch: as in `Trajectory`; 0 if none.
    """

    outcome: Any
    last_avg_loss: Floats
    collapse_epoch: Integers
    diverged_epoch: Integers


@dataclass(frozen=True, eq=False, kw_only=True)
class Grid:
    """A map's networks.

    Attributes:
        setup: what they share.
        x, y: the axes; `y` is None on a map of one row.
        start: where they start, where no seed varies.
        learning_rate: theirs, where no axis varies it.
        seed: of the training, where no axis varies it.
        initialisation: how a seed along an axis draws the start; None where the start is `start` for all.

    Raises:
        InputError: an axis varies nothing that the networks have, or both vary the same.
    """

    setup: Setup
    x: Axis
    y: Axis | None = None
    start: Parameters
    learning_rate: float
    seed: int = 0
    initialisation: Initialisation | None = None

    def __post_init__(self) -> None:
        names = [axis.name for axis in self.axes]
        known = [*RATES, SEED, *(name for name, _ in self.start.named())]
        for name in names:
            if name not in known:
                raise InputError(f"{name}: no axis; it can be {', '.join(known[:20])}{' ...'[: 4 * (len(known) > 20)]}")
        if len(set(names)) < len(names):
            raise InputError(f"{names[0]}: both axes vary it; they must vary two different things")
        if RATES[0] in names and len(set(names) & set(RATES)) > 1:
            raise InputError("learning_rate is that of both layers: the other axis cannot vary one layer's again")

    @property
    def axes(self) -> list[Axis]:
        """The one or two axes, x first."""
        return [self.x] if self.y is None else [self.x, self.y]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of pixels."""
        return (1 if self.y is None else self.y.pixels), self.x.pixels

    def tiles(self, side: int) -> Iterator[Tile]:
        """Yield tiles of at most side x side pixels, row by row."""
        rows, columns = self.shape
        for top in range(0, rows, side):
            for left in range(0, columns, side):
                yield Tile(top, min(top + side, rows), left, min(left + side, columns))

    def networks(self, tile: Tile) -> Networks:
        """Return the networks of a tile, row by row."""
        rows, columns = tile.shape
        values = {self.x.name: np.tile(self.x.values[tile.left : tile.right], rows)}
        if self.y is not None:
            values[self.y.name] = np.repeat(self.y.values[tile.top : tile.bottom], columns)
        both = values.get(RATES[0], self.learning_rate)
        seeds = values[SEED].astype(np.uint64) if SEED in values else self.seed
        return Networks(
            starts=self.starts(values, rows * columns),
            learning_rate=values.get(RATES[1], both),
            output_learning_rate=values.get(RATES[2], both),
            seed=seeds,
        )

    def starts(self, values: dict[str, Floats], count: int) -> Floats:
        """Return the flat starts (count, size) of networks along whose axes some values vary."""
        if SEED in values and self.initialisation is not None:
            size = {"n_features": self.setup.n_features, "hidden_size": self.setup.hidden_size}
            drawn = {
                seed: initialise(self.initialisation, seed=int(seed), **size).flat() for seed in np.unique(values[SEED])
            }
            starts = np.stack([drawn[seed] for seed in values[SEED]])
        else:
            starts = np.tile(self.start.flat(), (count, 1))
        for place, (name, _) in enumerate(self.start.named()):
            if name in values:
                starts[:, place] = values[name]
        return starts

    def train(self, tile: Tile, effort: Effort | None = None) -> Pixels:
        """Train the networks of a tile."""
        trained = train_many(self.setup, self.networks(tile), effort)
        return Pixels(
            outcome=trained.outcome_codes.astype(np.uint8).reshape(tile.shape),
            last_avg_loss=trained.last_avg_loss.reshape(tile.shape),
            collapse_epoch=trained.collapse_epoch.reshape(tile.shape),
            diverged_epoch=trained.diverged_epoch.reshape(tile.shape),
        )
