"""What the verdicts on the plateau come to, in prose."""

from collections.abc import Iterator, Sequence

from student_score.studies.claims import Findings, Judgement, prose
from student_score.studies.numbers import number

from .claims import ALL_COLLAPSE, ANY_ORDER, FIVE_ROWS, FULL_BATCH, THREE_ROWS


def conclude(judgements: Sequence[Judgement]) -> list[str]:
    """Say what sets the height, which starts end there, and what the order of the rows changes."""
    found = Findings(judgements)
    return prose(
        what_sets_the_height(found),
        found.say(
            ALL_COLLAPSE,
            "At nine rates from 0.01 to 1.9 next to every start collapses, in every row order: {starts_counted} of "
            "{starts} do in all their trainings.",
        ),
        found.say(ANY_ORDER, "The order of the rows changes the one prediction that is left, but not its loss."),
        found.say(FULL_BATCH, "With full batches that loss is the variance of the scores, at every rate."),
    )


def what_sets_the_height(found: Findings) -> Iterator[str]:
    """Yield what the closed forms for three rows and for any number say together, else what each does."""
    if found.holds(THREE_ROWS, FIVE_ROWS):
        of_three, of_five = (found.of(claim).measured for claim in (THREE_ROWS, FIVE_ROWS))
        yield (
            "Once all units are dead only the output bias still learns, and the height at which the loss stays follows "
            "from the rate and the scores by a closed form that all "
            f"{of_three['trainings'] + of_five['trainings']} trainings, row after row, meet within "
            f"{number(max(of_three['largest_distance_below'], of_five['largest_distance_below']))} points²."
        )
        return
    yield from found.say(THREE_ROWS, "For three rows the height of a collapsed loss has a closed form.")
    yield from found.say(FIVE_ROWS, "For five rows the height of a collapsed loss is its Fourier form.")
