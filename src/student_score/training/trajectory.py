"""What a training returns: its loss curves, where it ended, and how."""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zipfile import BadZipFile

import numpy as np

from student_score.arrays import Floats, Integers, Mask
from student_score.errors import InputError
from student_score.model.network import Parameters
from student_score.model.outcome import EndState, Outcome, classify


@dataclass(frozen=True, eq=False, kw_only=True)
class Trajectory:
    """One training, from start to end. Losses are in score points squared, predictions in score points.

    A training that diverges ends in its `diverged_epoch`; its curves stop there.

    Attributes:
        avg_loss: (epochs run,) the article's loss of every epoch, each row's error taken before its update.
        recorded_epochs: (m,) the epochs, counted from 1, after which the mean squared errors were taken.
        train_mse: (m,) mean squared error on the training rows at fixed weights.
        test_mse: (m,) the same on the test rows; None without test rows.
        start, final: the parameters before the first and after the last epoch, in the network's own units.
        predictions: (n,) final predictions on the training rows.
        dead_units: (hidden_size,) which units end with zero slope on every training row.
        end: what the outcome was decided from.
        collapse_epoch: first epoch in which no hidden unit was active on any row, or None.
        diverged_epoch: first epoch after which a loss or a weight was not finite, or None.
        observed: (m, size) flat parameters at the recorded epochs, in the network's own units; None unless they were
            asked for.

    >>> from io import BytesIO
    >>> from student_score import ARTICLE_ROWS, ARTICLE_START, Trajectory, split_rows, train
    >>> trajectory = train(split_rows(ARTICLE_ROWS), ARTICLE_START, learning_rate=0.0001, epochs=1000)
    >>> trajectory.outcome.name, trajectory.predictions.round(1).tolist()
    ('slow', [86.1, 59.2, 94.6])
    >>> trajectory.save(file := BytesIO())
    >>> Trajectory.load(BytesIO(file.getvalue())).outcome is trajectory.outcome
    True
    """

    avg_loss: Floats
    recorded_epochs: Integers
    train_mse: Floats
    test_mse: Floats | None
    start: Parameters
    final: Parameters
    predictions: Floats
    dead_units: Mask
    end: EndState[float]
    collapse_epoch: int | None
    diverged_epoch: int | None
    observed: Floats | None = None

    @property
    def outcome(self) -> Outcome:
        """How the training ended."""
        return classify(self.end)

    def save(self, path: Path | IO[bytes]) -> None:
        """Write everything but the outcome, which follows from it, to an .npz file."""
        arrays: dict[str, Any] = {f"end_{name}": value for name, value in vars(self.end).items()}
        if self.test_mse is not None:
            arrays["test_mse"] = self.test_mse
        if self.observed is not None:
            arrays["observed"] = self.observed
        np.savez(
            path,
            avg_loss=self.avg_loss,
            recorded_epochs=self.recorded_epochs,
            train_mse=self.train_mse,
            start=self.start.flat(),
            final=self.final.flat(),
            shape=np.array([self.start.n_features, self.start.hidden_size]),
            predictions=self.predictions,
            dead_units=self.dead_units,
            collapse_epoch=np.array(self.collapse_epoch or 0),
            diverged_epoch=np.array(self.diverged_epoch or 0),
            **arrays,
        )

    @classmethod
    def load(cls, source: Path | IO[bytes], *, name: str = "") -> "Trajectory":
        """Read what `save` wrote, equal in every bit; an InputError calls the source by `name`."""
        try:
            # Opened here, as np.load leaves a file open that turns out to be damaged.
            opened = source.open("rb") if isinstance(source, Path) else nullcontext(source)
            with opened as file, np.load(file) as arrays:
                return cls.from_arrays(dict(arrays))
        except (OSError, ValueError, TypeError, EOFError, KeyError, BadZipFile) as error:
            raise InputError(f"{name or source} is not a recorded trajectory: {error}") from None

    @classmethod
    def from_arrays(cls, values: dict[str, Any]) -> "Trajectory":
        """Return the trajectory of the arrays that `save` writes."""
        n_features, hidden_size = (int(size) for size in values["shape"])
        return cls(
            avg_loss=values["avg_loss"],
            recorded_epochs=values["recorded_epochs"],
            train_mse=values["train_mse"],
            test_mse=values.get("test_mse"),
            start=Parameters.from_flat(values["start"], n_features=n_features, hidden_size=hidden_size),
            final=Parameters.from_flat(values["final"], n_features=n_features, hidden_size=hidden_size),
            predictions=values["predictions"],
            dead_units=values["dead_units"],
            end=EndState(**{name: values[f"end_{name}"].item() for name in EndState.__dataclass_fields__}),
            collapse_epoch=int(values["collapse_epoch"]) or None,
            diverged_epoch=int(values["diverged_epoch"]) or None,
            observed=values.get("observed"),
        )


def log_spaced_epochs(epochs: int, points: int) -> Integers:
    """Return at most `points` epochs, evenly spaced on a log axis, the first and the last among them."""
    if points < 2:
        raise InputError(f"curve points={points}: at least 2 are needed, for the first and the last epoch")
    return np.unique(np.round(np.geomspace(1, epochs, min(points, epochs))).astype(np.int64))
