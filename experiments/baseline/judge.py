"""The verdicts on networks beside straight lines and parabolas, from the table of trainings alone."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from student_score.arrays import Floats
from student_score.data.simulation import World
from student_score.studies.claims import Claim, Judgement
from student_score.studies.numbers import in_percent, number, percent

from .claims import (
    ABOUT,
    BEST_LINE_EXCESS,
    CLAIMS,
    EIGHT_WIN,
    EIGHT_WIN_WITH_10,
    FEW,
    FEW_FAIL,
    HALF_AS_LONG,
    LINE_EXCESS,
    LINE_WINS,
    MOST_CASES,
    QUADRATIC_WINS,
    QUADRATIC_WINS_FROM_30,
    RIDGE_HELPS,
    SIGN_OF_EIGHT,
    SIGN_OF_TWO,
    TWO_WIN,
)
from .differences import (
    NETWORKS,
    Case,
    Errors,
    Estimate,
    cases,
    difference,
    failed,
    four,
    missing,
    share_interval,
)
from .trainings import EARLIER, LINEAR, NOISE, NUMBERS, QUADRATIC, RIDGE, SIZES, error_after, everyone, network

HALF = EARLIER[-1]
"""Epochs of half a training."""

Found = dict[Case, Estimate]
"""Differences by case."""


def judge(table: pd.DataFrame) -> list[Judgement]:
    """Return a verdict for each claim, from the table of trainings alone."""
    if lacks := missing(table):
        return [claim.judge(None, {"missing": lacks}) for claim in CLAIMS]
    errors = Errors(table)
    lines = {case: difference(errors, case) for case in cases(tuple(World), NUMBERS, NETWORKS, LINEAR)}
    parabolas = {case: difference(errors, case) for case in cases(tuple(World), NUMBERS, NETWORKS, QUADRATIC)}
    ridge = {case: difference(errors, case) for case in cases(tuple(World), [10], [RIDGE], LINEAR)}
    return [
        judge_sides(LINE_WINS, choose(lines, World.linear), above=NUMBERS),
        judge_excess(LINE_EXCESS, errors, NUMBERS),
        judge_excess(BEST_LINE_EXCESS, errors, NUMBERS[1:]),
        judge_sides(EIGHT_WIN, choose(lines, World.saturating, 8), below=(30, 100, 300)),
        judge_sides(TWO_WIN, choose(lines, World.saturating, 2), below=(100, 300)),
        judge_sides(SIGN_OF_TWO, choose(lines, World.interaction, 2), above=(30,), below=(100,)),
        judge_sides(SIGN_OF_EIGHT, choose(lines, World.interaction, 8), above=(10,), below=(100,)),
        judge_count(QUADRATIC_WINS, parabolas),
        judge_count(QUADRATIC_WINS_FROM_30, {case: found for case, found in parabolas.items() if case.n >= 30}),
        judge_sides(
            EIGHT_WIN_WITH_10,
            {case: found for case, found in parabolas.items() if case.ours == network(8) and case.n == 10},
            below=(10,),
        ),
        judge_lengths(errors, lines),
        judge_sides(RIDGE_HELPS, ridge, below=(10,)),
        judge_failures(table),
    ]


def choose(found: Found, world: World, size: int | None = None) -> Found:
    """Return the cases of a world, and of one size of networks if it is given."""
    return {
        case: each
        for case, each in found.items()
        if case.world is world and (size is None or case.ours == network(size))
    }


def side(found: Estimate) -> int:
    """Return on which side of 0 an interval lies: 1 above, -1 below, 0 on both."""
    return int(found.low > 0) - int(found.high < 0)


def told(found: Mapping[Case, Estimate]) -> dict[str, str]:
    """Return the differences as measured numbers."""
    return {case.name: estimate.told() for case, estimate in found.items()}


def judge_sides(claim: Claim, found: Found, *, above: Sequence[int] = (), below: Sequence[int] = ()) -> Judgement:
    """Look on which side of 0 intervals lie.

    Args:
        claim: that is judged.
        found: differences, those that are measured beside the claim's among them.
        above: numbers of students with which all intervals have to lie above 0.
        below: the same, below 0.
    """
    wanted = dict.fromkeys(above, 1) | dict.fromkeys(below, -1)
    sides = [(side(each), wanted[case.n]) for case, each in found.items() if case.n in wanted]
    as_claimed = sum(is_on == to_be_on for is_on, to_be_on in sides)
    fails = any(is_on == -to_be_on for is_on, to_be_on in sides)
    theirs = next(iter(found)).theirs
    return claim.judge(
        decided(found, holds=as_claimed == len(sides), fails=fails),
        {"compared_with": theirs, **told(found)},
        {"intervals on the side that is claimed": as_claimed, "intervals": len(sides)},
        f"Beside {theirs} regression, by world with numbers of students in brackets: "
        f"{in_words({case: each for case, each in found.items() if case.n in wanted})}.",
    )


def decided(found: Found, *, holds: bool, fails: bool) -> bool | None:
    """Return what a rule says; None where it says nothing, or an estimate is not finite."""
    if not (finite(found.values()) and (holds or fails)):
        return None
    return holds


def finite(found: Iterable[Estimate]) -> bool:
    """Say whether all estimates are finite."""
    return bool(np.isfinite(list(found)).all())


def in_words(found: Found) -> str:
    """Return by model where it wins, loses, or neither can be told: worlds, with numbers of students in brackets."""
    said = []
    for ours in dict.fromkeys(case.ours for case in found):
        for verb, which in (("wins", -1), ("loses", 1), ("cannot be told apart", 0)):
            chosen = [case for case, each in found.items() if case.ours == ours and side(each) == which]
            worlds = [
                f"{world.name.replace('_', ' ')} ({', '.join(str(case.n) for case in chosen if case.world is world)})"
                for world in dict.fromkeys(case.world for case in chosen)
            ]
            if worlds:
                said.append(f"{ours} {verb} in {', '.join(worlds)}")
    return "; ".join(said)


def judge_excess(claim: Claim, errors: Errors, numbers: Sequence[int]) -> Judgement:
    """Divide the excess of linear regression in the linear world by what the claim's formula says."""
    least = float(errors.of(World.linear, NUMBERS[0], LINEAR, "least").iloc[0])
    base = least if claim is LINE_EXCESS else least + misfit(World.linear)
    ratios = {}
    for n in NUMBERS:
        formula = NOISE**2 * 3 / (n - 4) if claim is LINE_EXCESS else base * (3 * n - 2) / (n * (n - 4))
        found: Floats = np.asarray((errors.of(World.linear, n, LINEAR) - base) / formula, dtype=np.float64)
        ratios[Case(World.linear, n, LINEAR, claim.name)] = Estimate.of(found)
    judged = {case: each for case, each in ratios.items() if case.n in numbers}
    farthest = max(judged.values(), key=lambda each: max(1 - each.low, each.high - 1))
    said = ", ".join(f"{number(four(each.mean))} with {case.n}" for case, each in judged.items())
    return claim.judge(
        decided(
            ratios,
            holds=all(ABOUT[0] <= each.low and each.high <= ABOUT[1] for each in judged.values()),
            fails=any(each.high < ABOUT[0] or each.low > ABOUT[1] for each in judged.values()),
        ),
        {
            "error_subtracted": four(base),
            "misfit_of_the_best_line": four(misfit(World.linear)),
            **{f"excess_over_formula_with_{case.n}": each.told() for case, each in ratios.items()},
        },
        {"interval of the ratio that reaches farthest from 1": farthest.interval, "allowed": list(ABOUT)},
        f"The mean excess, divided by what the formula says, is {said} students.",
    )


def misfit(world: World) -> float:
    """Return the mean squared distance of expected scores from the straight line that is nearest to them."""
    rows = everyone(world)
    design = np.column_stack([np.ones(len(rows)), rows.features])
    coefficients = np.linalg.lstsq(design, rows.targets)[0]
    return round(float(np.mean((design @ coefficients - rows.targets) ** 2)), 6)


def tally(found: Found) -> dict[str, int]:
    """Return in how many cases who wins."""
    sides = [side(estimate) for estimate in found.values()]
    names = {"quadratic_wins": 1, "network_wins": -1, "cannot_be_told": 0}
    return {name: sides.count(which) for name, which in names.items()}


def judge_count(claim: Claim, found: Found) -> Judgement:
    """Count the cases in which quadratic regression beats a network."""
    counts, most = tally(found), round(MOST_CASES * len(found))
    wins, losses = counts["quadratic_wins"], counts["network_wins"]
    return claim.judge(
        decided(found, holds=wins >= most, fails=losses > len(found) - most),
        {"cases": len(found), **counts, **(told(found) if claim is QUADRATIC_WINS else {})},
        {"cases in which quadratic regression wins": wins, "needed at least": most},
        f"Of {len(found)} cases quadratic regression wins {wins}, a network {losses}, and {counts['cannot_be_told']} "
        f"cannot be told; {by_number(found)}.",
    )


def by_number(found: Found) -> str:
    """Return in how many of the cases with each number of students quadratic regression wins."""
    wins = {n: [side(estimate) == 1 for case, estimate in found.items() if case.n == n] for n in NUMBERS}
    parts = [f"{sum(own)} of {len(own)} with {n}" for n, own in wins.items() if own]
    return f"it wins {', '.join(parts)} students"


def judge_lengths(errors: Errors, found: Found) -> Judgement:
    """Compare who wins after half the epochs with who wins after all."""
    earlier = {case: difference(errors, case, error_after(HALF)) for case in found}
    changed = [case.name for case, each in found.items() if side(each) * side(earlier[case]) < 0]
    return HALF_AS_LONG.judge(
        decided(found, holds=not changed, fails=bool(changed)) if finite(earlier.values()) else None,
        {"cases": len(found), f"cases_that_change_sides_after_{HALF}": "; ".join(changed) or "none"},
        {"cases that change sides": len(changed), "allowed": 0},
        f"{len(changed)} of {len(found)} cases change sides: {'; '.join(changed)}.",
    )


def judge_failures(table: pd.DataFrame) -> Judgement:
    """Count the replicates in which any network of 8 units fails."""
    measured: dict[str, Any] = {}
    for size in SIZES:
        own = table[table["model"] == network(size)]
        has_failed = failed(own)
        replicates = has_failed.groupby(own["seed"]).any()
        measured |= {
            f"{size}_units_failed": int(has_failed.sum()),
            f"{size}_units_trainings": len(own),
            f"{size}_units_replicates_with_a_failure": int(replicates.sum()),
            f"{size}_units_share_interval": share_interval(int(replicates.sum()), len(replicates)),
        }
    low, high = measured["8_units_share_interval"]
    return FEW_FAIL.judge(
        True if high < FEW else False if low > FEW else None,
        measured,
        {
            "99.75 % interval of the share of replicates with a failure (%)": [percent(low), percent(high)],
            "allowed below (%)": percent(FEW),
        },
        f"In {in_percent(low)} to {in_percent(high)} of the replicates a network of 8 units fails: "
        f"{measured['8_units_failed']:,} of {measured['8_units_trainings']:,}.",
    )
