"""What the verdicts on the article's training come to, in prose."""

from collections.abc import Iterator, Sequence

from student_score.studies.claims import Findings, Judgement, prose

from .claims import BIAS_ALONE, LINEAR, LOSS_INCREASES, NOT_CONVERGED, TRANSCRIPTS, UNITS_DIE
from .judge import LARGE, LARGEST, SMALL, points
from .published import EPOCHS


def conclude(judgements: Sequence[Judgement]) -> list[str]:
    """Say what the large rates do, what is left of the network, and what the rows can show."""
    found = Findings(judgements)
    return prose(
        what_the_rate_does(found),
        found.say(BIAS_ALONE, "The 218.85 at which the loss stays at 0.01 is what the output bias alone costs."),
        found.say(TRANSCRIPTS, "All {numbers_compared} numbers that the article prints come out digit for digit."),
        found.say(LINEAR, "The three rows lie on a plane, so they cannot show that a network is needed."),
    )


def what_the_rate_does(found: Findings) -> Iterator[str]:
    """Yield a sentence on small and large rates where three claims came out as they should to make it, else fewer."""
    if found.holds(NOT_CONVERGED, UNITS_DIE) and found.fails(LOSS_INCREASES):
        last = max(found.of(UNITS_DIE).measured[f"collapse_epoch_at_{rate:g}"] for rate in (LARGE, LARGEST))
        yield (
            f"At the article's rate of {SMALL:g} the network is still learning after {EPOCHS} epochs; at {LARGE:g} and "
            f"{LARGEST:g} the error {first_epoch(found)}, both hidden units are dead by epoch {last}, and the loss "
            "falls to that of one prediction for every student."
        )
        return
    yield from found.say(
        NOT_CONVERGED, "At the article's rate of 0.0001 the network is still learning after 1000 epochs."
    )
    yield from found.say(UNITS_DIE, "At 0.01 and 0.1 both hidden units die and the network becomes a constant.")
    yield from found.say(LOSS_INCREASES, "At 0.01 and 0.1 the loss increases, as the article says.")


def first_epoch(found: Findings) -> str:
    """Return what the first epoch does to the error at the large rates."""
    course = found.of(LOSS_INCREASES).measured
    start = course[f"train_mse_at_the_start_at_{LARGE:g}"]
    after = [course[f"train_mse_after_epoch_1_at_{rate:g}"] for rate in (LARGE, LARGEST)]
    verb = "jumps once, in epoch 1, from" if min(after) > start else "goes in epoch 1 from"
    return f"{verb} {points(start)} to {points(after[0])} and {points(after[1])} points²"
