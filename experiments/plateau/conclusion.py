"""What the verdicts on the plateau come to, in prose."""

from collections.abc import Iterator, Sequence

from student_score.studies.claims import Findings, Judgement, prose
from student_score.studies.numbers import number

from .claims import ALL_COLLAPSE, ANY_ORDER, FIVE_ROWS, FULL_BATCH, HEIGHTS_OF_STARTS, THREE_ROWS

HEIGHTS = (THREE_ROWS, FIVE_ROWS, HEIGHTS_OF_STARTS)
"""The claims on heights after per-sample training."""


def conclude(judgements: Sequence[Judgement]) -> list[str]:
    """Say what sets the height, which starts end there, and what the order of the rows changes."""
    found = Findings(judgements)
    return prose(
        what_sets_the_height(found),
        found.say(
            ALL_COLLAPSE,
            "At nine rates from 0.01 to 1.9 nearly every start collapses, in every row order: {starts_counted} of "
            "{starts} do in all their trainings.",
        ),
        found.say(ANY_ORDER, "The order of the rows changes the one prediction that is left, but not its loss."),
        found.say(FULL_BATCH, "With full batches that loss is the variance of the scores, at every rate."),
    )


def what_sets_the_height(found: Findings) -> Iterator[str]:
    """Yield what the closed forms for three rows, any number and any start say together, else what each does."""
    if found.holds(*HEIGHTS):
        of_three, of_five, of_starts = measured = [found.of(claim).measured for claim in HEIGHTS]
        networks = of_three["collapsed"] + of_five["collapsed"] + of_starts["collapsed_early"]
        farthest = max(each["largest_distance_below"] for each in measured)
        yield (
            "Once all units are dead only the output bias still learns, and the height at which the loss stays follows "
            f"from the rate and the scores by a closed form, which all {networks:,} networks that died in training, "
            f"row after row, meet within {number(farthest)} points²."
        )
        return
    yield from found.say(THREE_ROWS, "For three rows the height of a collapsed loss has a closed form.")
    yield from found.say(FIVE_ROWS, "For five rows the height of a collapsed loss is its Fourier form.")
    yield from found.say(HEIGHTS_OF_STARTS, "The height does not depend on the start.")
