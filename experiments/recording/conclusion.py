"""What the verdicts on the cost of recording come to, in prose."""

from collections.abc import Sequence

from student_score.studies.claims import Findings, Judgement, prose
from student_score.studies.timing import targets_met

from .claims import HALF_THE_CLIENT, THOUSAND, TIMES_SCRIPT


def conclude(judgements: Sequence[Judgement]) -> list[str]:
    """Say how long a sweep of a thousand runs takes, what others take for it, and how many targets were met."""
    found = Findings(judgements)
    return prose(
        found.tell(THOUSAND, "A sweep of 1,000 runs takes {seconds_median} s and {peak_megabytes} MB in all."),
        found.tell(
            HALF_THE_CLIENT,
            "A run of it costs {numerator_milliseconds} ms; MLflow's client alone takes {denominator_milliseconds} ms "
            "to store the same record.",
        ),
        found.tell(TIMES_SCRIPT, "A run of a plain script with Hydra and MLflow takes {ratio_median} times as long."),
        targets_met(found),
    )
