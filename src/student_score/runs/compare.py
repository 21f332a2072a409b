"""Compares two trajectories bit by bit, and says what changed between two recordings."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from student_score.training.trajectory import Trajectory


@dataclass(frozen=True, kw_only=True)
class Difference:
    """An array in which two trajectories differ, and where it first does: both values, each with its bits."""

    array: str
    place: str
    recorded: str
    again: str

    @property
    def sentence(self) -> str:
        """The difference in words."""
        return f"{self.array}, {self.place}: recorded {self.recorded}, now {self.again}"


def compare(recorded: Trajectory, again: Trajectory) -> list[Difference]:
    """Return a difference for each array that is not equal in every bit, causes before effects."""
    before, after = arrays(recorded), arrays(again)
    nothing = np.empty(0)
    found = (
        difference(name, before.get(name, nothing), after.get(name, nothing), recorded)
        for name in dict.fromkeys([*before, *after])
    )
    return [item for item in found if item is not None]


def arrays(trajectory: Trajectory) -> dict[str, NDArray[Any]]:
    """Return everything a trajectory holds as arrays of one dimension, the start first, the summary last."""
    curves: dict[str, Any] = {
        "start": trajectory.start.flat(),
        "avg_loss": trajectory.avg_loss,
        "recorded_epochs": trajectory.recorded_epochs,
        "train_mse": trajectory.train_mse,
    }
    if trajectory.test_mse is not None:
        curves["test_mse"] = trajectory.test_mse
    if trajectory.observed is not None:
        curves["observed"] = trajectory.observed.ravel()
    values = curves | {
        "final": trajectory.final.flat(),
        "predictions": trajectory.predictions,
        "dead_units": trajectory.dead_units,
        "collapse_epoch": trajectory.collapse_epoch or 0,
        "diverged_epoch": trajectory.diverged_epoch or 0,
        **{f"end.{name}": value for name, value in vars(trajectory.end).items()},
    }
    return {name: np.atleast_1d(np.asarray(value)) for name, value in values.items()}


def difference(name: str, before: NDArray[Any], after: NDArray[Any], recorded: Trajectory) -> Difference | None:
    """Return where two arrays (n,) and (m,) first differ, None if they do not; lengths count after the values."""
    if before.dtype == after.dtype:
        shared = min(len(before), len(after))
        differing = np.flatnonzero((bits(before[:shared]) != bits(after[:shared])).any(axis=1))
        if len(differing):
            first = int(differing[0])
            return Difference(
                array=name,
                place=place(name, first, recorded),
                recorded=described(before[first]),
                again=described(after[first]),
            )
        if len(before) == len(after):
            return None
    lengths = [f"{len(array)} values of type {array.dtype}" for array in (before, after)]
    return Difference(array=name, place="length", recorded=lengths[0], again=lengths[1])


def bits(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the bytes (n, bytes a value) of an array (n,)."""
    return np.ascontiguousarray(array).view(np.uint8).reshape(len(array), array.itemsize)


def place(name: str, index: int, recorded: Trajectory) -> str:
    """Return in words where in an array of a trajectory a value stands."""
    if name == "avg_loss":
        return f"epoch {index + 1}"
    if name in ("train_mse", "test_mse"):
        return f"epoch {recorded.recorded_epochs[index]}"
    if name in ("start", "final"):
        return next(islice(recorded.start.named(), index, None))[0]
    if name == "observed":
        epoch, parameter = divmod(index, recorded.start.size)
        return f"epoch {recorded.recorded_epochs[epoch]}, {place('start', parameter, recorded)}"
    return f"index {index}"


def described(value: Any) -> str:
    """Return a NumPy value and its bits, most significant first: 1.0 (0x3ff0000000000000)."""
    number = int.from_bytes(value.tobytes(), sys.byteorder)
    return f"{value.item()!r} (0x{number:0{2 * value.itemsize}x})"


def changes(recorded: Mapping[str, str], present: Mapping[str, str], *, rows: str) -> list[str]:
    """Return what is not as it was, a sentence each, from the tags of a run and those it would get now.

    `rows` says where the rows are read from now. Tags that only the recorded run has are not looked at.
    """
    sentences = []
    commit, current = (tags.get("git.commit", "unknown") for tags in (recorded, present))
    if commit != current:
        sentences.append(f"The code changed: commit {commit}, now {current}.")
    if recorded.get("git.dirty") == "true":
        sentences.append("The code may have changed: it was not committed when the run was recorded.")
    if present.get("git.dirty") == "true":
        sentences.append("The code may have changed: it is not committed now.")
    for name in sorted(set(present) - {"git.commit", "git.dirty"}):
        was = recorded.get(name, "not recorded")
        if was != present[name]:
            what = f"The rows in {rows} changed: {name}" if name == "data.sha256" else f"{name} changed:"
            sentences.append(f"{what} {was}, now {present[name]}.")
    return sentences
