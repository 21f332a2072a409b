"""What the verdicts on the limits come to, in prose."""

from collections.abc import Iterator, Sequence

from student_score.studies.claims import Findings, Judgement, prose

from .claims import BEYOND, FULL_BATCH, LIMIT, PER_ROW, REGROWTH, SPECTRAL


def conclude(judgements: Sequence[Judgement]) -> list[str]:
    """Say which product limits the rate, whether its limit predicts what is seen, and what other limits are worth."""
    found = Findings(judgements)
    return prose(
        what_limits(found),
        found.say(
            LIMIT,
            "At the minimum that small rates reach, the spectral radius of an epoch becomes 1 at a rate of "
            "{limit_at_the_flows_minimum}"
            + ("; beyond it training ends at other minima, or at none." if found.holds(SPECTRAL) else "."),
        ),
        found.say(
            REGROWTH, "The limit there predicts, in every row order, the rate at which a fallen loss grows again."
        ),
        other_limits(found),
    )


def what_limits(found: Findings) -> Iterator[str]:
    """Yield what limits the rate; that a simpler curvature does not is said where all three are exceeded."""
    holds = found.holds(SPECTRAL, PER_ROW, FULL_BATCH)
    rather = "neither the curvature of a row nor that of the mean loss but " if holds else ""
    if found.holds(SPECTRAL):
        yield found.fill(
            f"What limits the rate is {rather}the product of an epoch's row updates: at all {{of_them_at_a_minimum}} "
            "minima that trainings reached, up to a rate of {highest_rate_at_a_minimum}, its spectral radius is below "
            "1.",
            SPECTRAL,
        )
    else:
        yield from found.say(SPECTRAL, "")


def other_limits(found: Findings) -> Iterator[str]:
    """Yield by how much trainings exceed the limit of full-batch descent, if they do."""
    return found.say(
        FULL_BATCH,
        f"Above {BEYOND:g} all {{minima}} trainings that reached a minimum did so at {{smallest_ratio}} to "
        "{largest_ratio} times the limit of full-batch descent.",
    )
