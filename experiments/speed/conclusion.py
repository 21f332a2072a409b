"""What the verdicts on speed come to, in prose."""

from collections.abc import Sequence

from student_score.studies.claims import Findings, Judgement, prose

from .claims import BEST, BEST_NEAR, FOURFOLD_READING, STEEPEST_READING


def conclude(judgements: Sequence[Judgement]) -> list[str]:
    """Say which rate is fastest and what a range test is worth."""
    found = Findings(judgements)
    return prose(
        found.say(
            BEST,
            "In all {orders_and_lengths} pairs of row order and length the rate with the lowest error is within 2 % of "
            "that at which the gradient flow's minimum turns unstable.",
        ),
        found.say(BEST_NEAR, "Neighbours of the best rates agree with them within 10 %."),
        found.say(
            STEEPEST_READING,
            "Where its loss falls most steeply, a range test reads its own length: as the ramp gets a hundred times as "
            "long, that rate moves by a factor of {linear_smallest_factor} on linear ramps and of "
            "{exponential_smallest_factor} on exponential ones.",
        ),
        found.say(FOURFOLD_READING, "The rate at which its loss exceeds four times its lowest moves with it, too."),
    )
