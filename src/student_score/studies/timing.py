"""What benchmarks share: measurements in turn, their spread over the rounds, ratios taken within a round."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from student_score.studies.claims import Claim, Findings, Judgement, Verdict
from student_score.studies.numbers import number

if TYPE_CHECKING:
    import pandas as pd

Item = TypeVar("Item")


def in_turn(items: Sequence[Item], rounds: int) -> Iterator[tuple[int, Item]]:
    """Yield (round, item): every item in each of the rounds, counted from 1, every other round in reverse.

    What comes and goes on the machine meanwhile then meets none of the items more than the others.
    """
    for turn in range(1, rounds + 1):
        for item in items if turn % 2 else reversed(items):
            yield turn, item


def spread(values: "pd.Series[float]", name: str) -> dict[str, float]:
    """Return smallest, median and largest value over the rounds, to four digits."""
    numbers = {"min": values.min(), "median": values.median(), "max": values.max()}
    return {f"{name}_{key}": float(f"{value:.4g}") for key, value in numbers.items()}


def judge_ratio(
    claim: Claim,
    one: "pd.Series[float]",
    other: "pd.Series[float]",
    *,
    least: float = 0.0,
    most: float = np.inf,
    beside: Mapping[str, Any] | None = None,
) -> Judgement:
    """Divide one cost by the other, round by round: a median ratio from `least` to `most` supports the claim.

    The numbers `beside` are told with the ratios.
    """
    ratios = (one / other).dropna()
    if ratios.empty:
        return claim.judge(None, {"missing": "a round in which both were measured at full size"})
    measured = {**spread(ratios, "ratio"), **(beside or {}), "rounds": len(ratios)}
    median, low, high = (number(measured[f"ratio_{name}"]) for name in ("median", "min", "max"))
    target = {"target at most": round(most, 4)} if most < np.inf else {"target at least": least}
    what = "ratio of the costs" if most < np.inf else "times as fast"
    return claim.judge(
        bool(least <= ratios.median() <= most),
        measured,
        {f"{what}, median over the rounds": measured["ratio_median"], **target},
        f"The ratio is {median}, from {low} to {high} over the rounds.",
    )


def targets_met(findings: Findings) -> Iterator[str]:
    """Yield how many of the targets were met, and what came out where one was not; nothing if none is decided."""
    met, missed = (
        [item for item in findings.judgements if item.verdict is verdict]
        for verdict in (Verdict.supported, Verdict.refuted)
    )
    if met or missed:
        yield f"{len(met)} of {len(met) + len(missed)} targets are met."
