"""What the verdicts on the limits come to, in prose."""

from collections.abc import Sequence

from student_score.studies.claims import Findings, Judgement, prose

from .claims import BEYOND, DEPARTURE, FULL_BATCH, LIMIT, SPECTRAL


def conclude(judgements: Sequence[Judgement]) -> list[str]:
    """Say which product limits the rate, what the limit of full-batch descent is worth, and what the limit predicts."""
    found = Findings(judgements)
    return prose(
        found.say(
            SPECTRAL,
            "What limits the rate is the product of an epoch's row updates: at all {minima} minima that trainings "
            "reached, from the article's start in six row orders and from random starts, its spectral radius is below "
            "1.",
        ),
        found.say(
            FULL_BATCH,
            f"Above {BEYOND:g} all {{minima}} minima that were reached lie beyond the limit of full-batch descent, at "
            "{smallest_ratio} to {largest_ratio} times that rate.",
        ),
        found.say(
            LIMIT,
            "At the minimum that small rates reach from the article's start, the spectral radius of an epoch becomes 1 "
            "at a rate of {limit_at_the_flows_minimum}"
            + ("; beyond it training ends at other minima, or at none." if found.holds(SPECTRAL) else "."),
        ),
        found.say(
            DEPARTURE,
            "That limit predicts, in every row order, the rate at which a loss that has fallen grows again.",
        ),
    )
