"""What the verdicts on dead units come to, in prose."""

from collections.abc import Iterator, Sequence
from typing import Any

from student_score.studies.claims import Findings, Judgement, prose
from student_score.studies.numbers import in_percent

from .claims import (
    ALL_DIE,
    ALL_DIE_LATER,
    BIAS_PREVENTS,
    BORN_DEAD,
    CONTROL_IS_FLOW,
    FLOW_KILLS_NEGATIVE,
    LEAKY_REVIVES,
    NONE_BY_STEP,
    NONE_DIES,
    POSITIVE_WEIGHTS_PREVENT,
)

HELP = (
    (
        BIAS_PREVENTS,
        "a bias of 0.1 keeps units from being born dead",
        "a bias of 0.1 does not keep units from being born dead",
    ),
    (
        POSITIVE_WEIGHTS_PREVENT,
        "positive input weights keep nearly all networks without a dead unit",
        "positive input weights do not keep all units alive",
    ),
    (
        LEAKY_REVIVES,
        "with leaky ReLU, {recovered} of the networks recover all units that start inactive",
        "with leaky ReLU, only {recovered} of the networks recover all units that start inactive",
    ),
)
"""What is to help, and what is said of it where it does and where it does not."""


def conclude(judgements: Sequence[Judgement]) -> list[str]:
    """Say how units are born dead, what kills the others, and what helps."""
    found = Findings(judgements)
    return prose(
        found.say(BORN_DEAD, born_dead(found)),
        what_kills(found),
        what_the_flow_kills(found),
        what_helps(found),
    )


def share(found: Findings, claim: Any, name: str) -> str:
    """Return a share that was measured for a claim, in per cent."""
    value = found.of(claim).measured.get(f"{name}_share")
    return "" if value is None else in_percent(value)


def born_dead(found: Findings) -> str:
    """Return what a supported prediction of the share of units born dead means."""
    return (
        f"From He's initialisation {share(found, BORN_DEAD, 'born_dead')} of the ReLU units are dead before training, "
        "as the angle between the rows predicts."
    )


def what_kills(found: Findings) -> Iterator[str]:
    """Yield what becomes of living units at a small rate, at twice that rate and at larger ones."""
    if found.fails(NONE_DIES):
        steps = f", {share(found, NONE_BY_STEP, 'killed_by_step')} by a step" if found.fails(NONE_BY_STEP) else ""
        die = f"at 0.001, {share(found, NONE_DIES, 'killed')} of them die{steps}"
        parts = [f"Small rates do not save all of the others: {die}"]
        if found.holds(ALL_DIE):
            parts.append("at 0.002 all do, in every row order")
        if found.fails(ALL_DIE):
            parts.append(f"at 0.002, {lost(found)} of the networks lose all units, in six row orders")
        if found.holds(ALL_DIE_LATER):
            parts.append("at 0.0027, 0.003 and 0.005 nearly every network does, in every order")
        yield f"{'; '.join(parts)}."
        return
    yield from found.say(NONE_DIES, "At 0.001 no unit dies that is alive at the start.")
    yield from found.say(ALL_DIE, "At 0.002 all units die, in every row order.")
    yield from found.say(
        ALL_DIE_LATER, "At 0.0027, 0.003 and 0.005 nearly every network loses all units, in every order."
    )


def lost(found: Findings) -> str:
    """Return the range over the row orders of the share of networks that lose all their units at 0.002."""
    shares = [
        value[0] / value[1]
        for name, value in found.of(ALL_DIE).measured.items()
        if "that_lose_all_units" in name and not name.endswith("interval")
    ]
    return f"{in_percent(min(shares))} to {in_percent(max(shares))}"


def what_the_flow_kills(found: Findings) -> Iterator[str]:
    """Yield which units die however small the rate."""
    rate = "However small the rate" if found.holds(CONTROL_IS_FLOW) else "At a rate of 0.00001"
    return found.say(
        FLOW_KILLS_NEGATIVE,
        f"{rate}, {{killed}} of {{alive_at_the_start}} living units die, {{negative_w2}} of them with a negative "
        "output weight at the start.",
    )


def what_helps(found: Findings) -> Iterator[str]:
    """Yield which of three interventions prevent dead units or constant networks, and which do not."""
    parts = [(yes if found.holds(claim) else no) for claim, yes, no in HELP if found.holds(claim) or found.fails(claim)]
    if parts:
        said = "; ".join(parts).format(recovered=recovered(found))
        yield f"{said[0].upper()}{said[1:]}."


def recovered(found: Findings) -> str:
    """Return the share of networks whose units all recover with leaky ReLU; nothing where it was not measured."""
    number, total = found.of(LEAKY_REVIVES).measured.get("networks_whose_units_all_recover_in_30000", (0, 0))
    return in_percent(number / total) if total else ""
