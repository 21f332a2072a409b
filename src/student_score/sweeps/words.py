"""How numbers, configurations and outcomes of a sweep are put into words, in its table and in its conclusion."""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING, Any

from student_score.masking import masked, visible
from student_score.model.outcome import Outcome

if TYPE_CHECKING:
    import pandas as pd

EXACT_WORDS = "0 (exact)"
"""An error that is no more than rounding."""


def number(value: float) -> str:
    """Return a number with four digits, nothing for a missing one."""
    return "" if isnan(value) else f"{value:.4g}"


def value_text(value: object) -> str:
    """Return a swept value in full, 0.0001 for 0.0001; what no terminal should be sent stands as its escape."""
    return visible(masked(repr(value) if isinstance(value, float) else str(value)))


def short_names(keys: Sequence[str]) -> list[str]:
    """Return the last part of each key, or the whole key where two end alike."""
    parts = [key.rsplit(".", 1)[-1] for key in keys]
    return [part if parts.count(part) == 1 else key for key, part in zip(keys, parts, strict=True)]


def labelled(values: Mapping[str, Any]) -> str:
    """Return the values of swept keys in words: learning_rate=0.01, activation=relu."""
    return ", ".join(
        f"{name}={value_text(value)}" for name, value in zip(short_names(list(values)), values.values(), strict=True)
    )


def repetitions(swept: Sequence[str]) -> str:
    """Return what the repetitions of a configuration differ in: that over which their interval is taken."""
    if "dataset.seed" in swept:
        return "simulated data sets"
    if "dataset.fold" in swept:
        return "folds" if "dataset.split_seed" not in swept else "repeated folds"
    if "dataset.split_seed" in swept:
        return "splits"
    return "seeds" if {"network.seed", "training.seed"} & set(swept) else "runs"


def counts(table: "pd.DataFrame") -> dict[str, int]:
    """Return the number of runs with each outcome, in the vocabulary's order."""
    found = [] if table.empty else table["outcome"].tolist()
    return {outcome.name: found.count(outcome.name) for outcome in Outcome}


def described_counts(numbers: Mapping[str, int]) -> str:
    """Return counts by outcome in words: 3 converged, 1 slow."""
    return ", ".join(f"{number} {name}" for name, number in numbers.items() if number)


def counted(number: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{number:,} {noun}{'s'[: number != 1]}"
