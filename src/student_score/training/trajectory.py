"""What a training returns: its loss curves, where it ended, and how."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from io import SEEK_END
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np

from student_score.arrays import Floats, Integers, Mask
from student_score.errors import InputError
from student_score.masking import visible
from student_score.model.network import Parameters
from student_score.model.outcome import EndState, Outcome, classify

LAYOUT: dict[str, tuple[type | None, int]] = {
    "avg_loss": (np.float64, 1),
    "recorded_epochs": (np.int64, 1),
    "train_mse": (np.float64, 1),
    "test_mse": (np.float64, 1),
    "start": (np.float64, 1),
    "final": (np.float64, 1),
    "shape": (np.int64, 1),
    "predictions": (np.float64, 1),
    "dead_units": (np.bool_, 1),
    "collapse_epoch": (np.int64, 0),
    "diverged_epoch": (np.int64, 0),
    "observed": (np.float64, 2),
}
"""Types and dimensions of the arrays in a file; those of the end are numbers or truth values."""

OPTIONAL = ("test_mse", "observed")
"""Arrays that not every file has."""

MEASURED = ("train_mse", "test_mse", "observed")
"""Arrays with an entry for each recorded epoch."""

LONGEST_REASON = 300
"""Characters that are shown of why a file cannot be read."""


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
        collapse_epoch: first epoch from which on, to the end, no hidden unit was active on any training row, drawn or
            not; None if one was, or died in the last epoch, or if the targets do not differ: one prediction for all
            rows is then a fit. A unit is active on rows if its slope is not 0 or its output differs between them.
            Whoever has a collapse epoch ended as collapsed or diverged; who collapsed without dying has none.
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
            with opened as file:
                size = file.seek(0, SEEK_END)
                file.seek(0)
                with np.load(file) as arrays:
                    check_archive(arrays.zip, size)
                    return cls.from_arrays(dict(arrays))
        except Exception as error:  # What a damaged file makes zipfile, NumPy and their parsers raise has no end.
            said = visible(str(error))[:LONGEST_REASON] or type(error).__name__
            raise InputError(f"{name or source} is not a recorded trajectory: {said}") from None

    @classmethod
    def from_arrays(cls, values: dict[str, Any]) -> "Trajectory":
        """Return the trajectory of the arrays that `save` writes; ValueError or KeyError if they are others."""
        check_layout(values)
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


def check_archive(archive: ZipFile, size: int) -> None:
    """Raise ValueError if the content of an .npz file of so many bytes would take more memory than the file."""
    entries = archive.infolist()
    if any(entry.compress_type != ZIP_STORED for entry in entries) or sum(entry.file_size for entry in entries) > size:
        raise ValueError(f"its arrays do not lie in its {size} bytes as they are")


def check_layout(values: Mapping[str, Any]) -> None:
    """Raise ValueError unless arrays have the types, dimensions and lengths of those that `save` writes."""
    layout = LAYOUT | {f"end_{name}": (None, 0) for name in EndState.__dataclass_fields__}
    for name, (kind, dimensions) in layout.items():
        if name not in OPTIONAL or name in values:
            array = values[name]
            if kind not in {None, array.dtype.type} or array.ndim != dimensions:
                raise ValueError(f"{name} has the shape {array.shape} and the type {array.dtype}")
    epochs, lengths = values["recorded_epochs"], {len(values[name]) for name in MEASURED if name in values}
    if lengths != {len(epochs)}:
        raise ValueError(f"its curves have {' and '.join(map(str, sorted(lengths)))} values at {len(epochs)} epochs")
    if ((epochs < 1) | (epochs > len(values["avg_loss"]))).any():
        raise ValueError("it has recorded epochs that it did not run")
    if len(values["dead_units"]) != values["shape"][1]:
        raise ValueError(f"it has {len(values['dead_units'])} dead_units of {values['shape'][1]} hidden units")


def log_spaced_epochs(epochs: int, points: int) -> Integers:
    """Return at most `points` epochs, evenly spaced on a log axis, the first and the last among them."""
    if points < 2:
        raise InputError(f"curve points={points}: at least 2 are needed, for the first and the last epoch")
    return np.unique(np.round(np.geomspace(1, epochs, min(points, epochs))).astype(np.int64))
