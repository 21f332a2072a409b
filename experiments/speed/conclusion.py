"""What the verdicts on speed come to, in prose."""

from collections.abc import Iterator, Sequence

from student_score.studies.claims import Findings, Judgement, prose
from student_score.studies.numbers import number

from .claims import BEST, DECAY, RISE_READING, STEEPEST_READING


def conclude(judgements: Sequence[Judgement]) -> list[str]:
    """Say which rate is fastest, how fast the loss falls, and what a range test is worth."""
    found = Findings(judgements)
    return prose(
        found.say(
            BEST,
            "Of {rates} rates {best_rate} has the lowest error after 1000 epochs; it is {best_rate_over_limit} times "
            "that at which the gradient flow's minimum turns unstable.",
        ),
        found.say(DECAY, "Late in a training the spectral radius of an epoch says how fast the loss falls."),
        what_a_range_test_finds(found),
    )


def what_a_range_test_finds(found: Findings) -> Iterator[str]:
    """Yield that a range test finds its own length where both readings move with it, else what each does."""
    if found.holds(RISE_READING, STEEPEST_READING):
        rise, steepest = (found.of(claim).decided_by for claim in (RISE_READING, STEEPEST_READING))
        yield (
            "A range test does not find the fastest rate: what it reads moves with its own length, by a factor of "
            f"{number(next(iter(rise.values())))} and more at the first rise of the loss, of "
            f"{number(next(iter(steepest.values())))} and more at its steepest fall."
        )
        return
    yield from found.say(RISE_READING, "The first rise of a range test moves with the test's length.")
    yield from found.say(STEEPEST_READING, "The steepest fall of a range test moves with the test's length.")
