"""Where training fails in a sweep: from which value of the first swept number on, and whether there is one boundary."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from student_score.model.outcome import Outcome
from student_score.sweeps.ranking import SEED_KEYS
from student_score.sweeps.words import counted, described_counts, labelled, short_names, value_text

if TYPE_CHECKING:
    import pandas as pd

FAILED = (Outcome.collapsed.name, Outcome.diverged.name)
"""Outcomes of trainings that have lost what they had to learn with."""

DIFFERENT = 3
"""Groups at most that are told one by one, or only how they spread is said."""


class Step(NamedTuple):
    """What became of the runs at one value."""

    value: Any
    failed: int
    runs: int


def failing(table: "pd.DataFrame", swept: Sequence[str]) -> list[str]:
    """Return a sentence on where training fails: along the first swept number, by the other swept keys."""
    if table.empty:
        return []
    failed = table["outcome"].isin(FAILED)
    if not failed.any():
        return [f"None of {counted(len(table), 'run')} collapsed or diverged."]
    ended = described_counts({name: int((table["outcome"] == name).sum()) for name in FAILED})
    total = f"{int(failed.sum()):,} of {counted(len(table), 'run')} failed ({ended})"
    if failed.all():
        return [f"Every run failed: {ended}."]
    key = along(table, swept)
    if key is None:
        return [f"{total}{where(table, swept)}."]
    others = [name for name in swept if name not in SEED_KEYS and name != key]
    groups = list(table.groupby(others, sort=False, dropna=False)) if others else [((), table)]
    said: dict[str, list[tuple[Any, ...]]] = {}
    for values, rows in groups:
        said.setdefault(boundary(steps(rows, key), short_names([key])[0]), []).append(values)
    if len(said) > DIFFERENT:
        return [f"{spread(groups, key)}; in all, {total}."]
    if len(said) == 1:
        phrases = list(said)
    else:
        phrases = [f"{phrase} ({listed(others, values)})" for phrase, values in said.items()]
    return [f"Training {', and '.join(phrases)}; in all, {total}."]


def listed(keys: Sequence[str], values: Sequence[tuple[Any, ...]]) -> str:
    """Return the values of keys in words: activation=relu, tanh, or a pair of values after the other."""
    first = labelled(dict(zip(keys, values[0], strict=True)))
    if len(keys) == 1:
        return ", ".join([first, *(value_text(value) for (value,) in values[1:])])
    return "; ".join([first, *(labelled(dict(zip(keys, each, strict=True))) for each in values[1:])])


def along(table: "pd.DataFrame", swept: Sequence[str]) -> str | None:
    """Return the key along which a boundary is looked for: the learning rate, else the first swept number."""
    numbers = [key for key in swept if key not in SEED_KEYS and table[key].dtype.kind in "iuf"]
    numbers = [key for key in numbers if table[key].min() < table[key].max()]
    return min(numbers, key=lambda key: not key.endswith("learning_rate"), default=None)


def steps(rows: "pd.DataFrame", key: str) -> list[Step]:
    """Return how many runs failed at each value, in rising order."""
    return [
        Step(value, int(runs["outcome"].isin(FAILED).sum()), len(runs)) for value, runs in rows.groupby(key, sort=True)
    ]


def boundary(found: Sequence[Step], name: str) -> str:
    """Return where a series of steps fails, as what follows "Training": fails from learning_rate=0.01 on ..."""
    hit = [place for place, step in enumerate(found) if step.failed]
    whole = [step.failed == step.runs for step in found]
    if not hit:
        return f"fails at no {name} tried up to {value_text(found[-1].value)}"
    if all(whole):
        return f"fails at every {name} tried"
    first, last = hit[0], hit[-1]
    if all(whole[first:]):
        below = value_text(found[first - 1].value)
        return f"fails at every {name} tried from {value_text(found[first].value)} on, at none up to {below}"
    if all(whole[: last + 1]):
        above = value_text(found[last + 1].value)
        return f"fails at every {name} tried up to {value_text(found[last].value)}, at none from {above} on"
    return blurred(found, first, name)


def blurred(found: Sequence[Step], first: int, name: str) -> str:
    """Return where a series of steps fails that has no clean boundary, and first fails at the place `first`."""
    shares = [step.failed / step.runs for step in found]
    at = f"{name}={value_text(found[first].value)}"
    share = f"{found[first].failed} of {counted(found[first].runs, 'run')}"
    if shares[0] > shares[-1] and all(low >= high for low, high in pairwise(shares)):
        last = f"{found[-1].failed} at {value_text(found[-1].value)}"
        return f"fails no more often at any larger {name} tried: {share} at {value_text(found[0].value)}, {last}"
    sure = next((place for place in range(first, len(found)) if min(shares[place:]) == 1), len(found))
    end = f" and fails in every run from {value_text(found[sure].value)} on" if sure < len(found) else ""
    if all(low <= high for low, high in pairwise(shares[first:])):
        rising = ", no less often above" if not end and first < len(found) - 1 else ""
        return f"begins to fail at {at} ({share} there){rising}{end}"
    failed, total = (sum(numbers) for numbers in list(zip(*found[first:sure], strict=True))[1:])
    middle = f"{failed} of {counted(total, 'run')} {'between' if end else 'from there on'} fail"
    return f"begins to fail at {at}{end}, without a single boundary: {middle}"


def spread(groups: Sequence[tuple[Any, "pd.DataFrame"]], key: str) -> str:
    """Return how far the first failures of many groups lie apart."""
    series = [[step.value for step in steps(rows, key) if step.failed] for _, rows in groups]
    firsts = sorted(values[0] for values in series if values)
    never = series.count([])
    free = f", {never} of {counted(len(series), 'group')} never" if never else ""
    ends = " to ".join(dict.fromkeys(value_text(first) for first in (firsts[0], firsts[-1])))
    return f"Training begins to fail at {short_names([key])[0]}={ends}, by what else was swept{free}"


def where(table: "pd.DataFrame", swept: Sequence[str]) -> str:
    """Return which values of the first swept key that is no seed the failures have, if they are few."""
    keys = [key for key in swept if key not in SEED_KEYS]
    if not keys:
        return ""
    ends = [(value, rows["outcome"].isin(FAILED)) for value, rows in table.groupby(keys[0], sort=False, dropna=False)]
    hit = [
        f"{int(failed.sum())} of {len(failed)} with {labelled({keys[0]: value})}"
        for value, failed in ends
        if failed.any()
    ]
    return f", {', '.join(hit)}" if len(hit) <= DIFFERENT else ""
