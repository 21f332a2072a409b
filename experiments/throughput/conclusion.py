"""What the verdicts on the engine's speed come to, in prose."""

from collections.abc import Sequence

from student_score.studies.claims import Findings, Judgement, prose
from student_score.studies.timing import targets_met

from .claims import C_COST, MILLION, TIMES_REFERENCE


def conclude(judgements: Sequence[Judgement]) -> list[str]:
    """Say how long a million trainings take, how near that is to C, and how many targets were met."""
    found = Findings(judgements)
    return prose(
        found.tell(
            MILLION, "A million trainings take {seconds_median} s and {peak_megabytes} MB on {threads} threads."
        ),
        found.tell(
            C_COST,
            "On one thread a network of 1000 epochs costs {engine_microseconds_median} microseconds, {ratio_median} "
            "times what it costs a loop in C.",
        ),
        found.tell(TIMES_REFERENCE, "The engine is {ratio_median} times as fast as the reference trainer."),
        targets_met(found),
    )
