"""What the verdicts on the edge of stability come to, in prose."""

from collections.abc import Iterator, Sequence

from student_score.studies.claims import Findings, Judgement, prose

from .claims import FLOW, FROM_BELOW, HOVERING, LASTS, ROUNDING


def conclude(judgements: Sequence[Judgement]) -> list[str]:
    """Say whether there is an edge, whether it is met from below, whether it lasts, and what rounding decides."""
    found = Findings(judgements)
    return prose(
        whether_there_is_an_edge(found),
        found.say(FROM_BELOW, "The sharpness rises until it meets 2 / rate, and stays within 20 % of it."),
        found.say(LASTS, "Ten times as many steps later nearly all of {at_the_edge} trainings are still at the edge."),
        found.say(ROUNDING, "At none of {rates} rates does rounding decide how a training ends."),
    )


def whether_there_is_an_edge(found: Findings) -> Iterator[str]:
    """Yield at how many rates the sharpness hovers, and that this comes from the steps where the flow does not stop."""
    steps = ", where gradient flow does not stop" if found.holds(FLOW) else ""
    return found.tell(
        HOVERING,
        "At {hovering_with_six_decimals} of {rates_with_six_decimals} rates from 0.00148 to 0.00258 the sharpness of "
        "full-batch descent ends up at the edge of stability, 2 / rate"
        f"{steps}.",
    )
