"""Takes times: of several methods in turn, after a look at whether they did the work."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from student_score.arrays import Floats
from student_score.studies.timing import in_turn

from .methods import Training, engine
from .problems import EPOCHS, Problem, rates

COST = "microseconds_per_network_of_1000_epochs"
"""The table's column with what is compared."""

CHECKED = 64
"""Networks of a batch that are trained on their own, too."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Subject:
    """What is timed, and the row of the table that its times go to."""

    part: str
    method: str
    train: Training
    problem: Problem
    networks: int
    epochs: int
    threads: int = 1

    def row(self, number: int, calls: int, seconds: float) -> dict[str, Any]:
        """Return the row of one round: `calls` calls took `seconds`."""
        trained_epochs = calls * self.networks * self.epochs
        return {
            "part": self.part,
            "method": self.method,
            "networks": self.networks,
            "rows": len(self.problem.rows),
            "features": self.problem.start.n_features,
            "hidden_size": self.problem.start.hidden_size,
            "activation": self.problem.activation.name,
            "epochs": self.epochs,
            "threads": self.threads,
            "round": number,
            "calls": calls,
            "seconds": seconds,
            COST: seconds / trained_epochs * EPOCHS * 1e6,
            "scaled": self.epochs != EPOCHS,
        }


def time_of(train: Training, calls: int = 1) -> float:
    """Return the seconds that some calls take."""
    started = perf_counter()
    for _ in range(calls):
        train()
    return perf_counter() - started


def measure(subjects: Sequence[Subject], *, rounds: int, least_seconds: float) -> list[dict[str, Any]]:
    """Time the subjects in turn, every other round in reverse; each is called once before, which compiles it.

    Calls quicker than `least_seconds` are repeated until they have taken about as long.
    """
    say(f"{subjects[0].part}: {len(subjects)} measurements in {rounds} rounds")
    for subject in subjects:
        check(subject, subject.train())
    calls = [max(1, round(least_seconds / time_of(subject.train))) for subject in subjects]
    turns = list(zip(subjects, calls, strict=True))
    return [
        subject.row(number, repeats, time_of(subject.train, repeats))
        for number, (subject, repeats) in in_turn(turns, rounds)
    ]


def check(subject: Subject, ends: Floats) -> None:
    """Raise RuntimeError unless CHECKED networks, evenly spread over a batch, end as they do when trained on their own.

    Leaving networks out is the easiest way to be fast. A tolerance allows for methods that round differently.
    """
    if subject.networks < CHECKED:
        return
    sample = np.linspace(0, subject.networks - 1, CHECKED).astype(int)
    alone = engine(subject.problem, epochs=subject.epochs, learning_rates=rates(subject.networks)[sample])()
    if ends.shape != (subject.networks, subject.problem.start.size) or not np.allclose(ends[sample], alone, rtol=1e-6):
        raise RuntimeError(f"{subject.method}: its {subject.networks} networks are not all trained as they should be")


def say(progress: str) -> None:
    """Tell who waits what is being measured."""
    print(f"Measuring {progress}", file=sys.stderr, flush=True)
