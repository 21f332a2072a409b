"""What the verdicts on networks and regressions come to, in prose."""

from collections.abc import Iterator, Sequence

from student_score.studies.claims import Findings, Judgement, prose

from .claims import (
    EIGHT_WIN,
    EIGHT_WIN_WITH_10,
    LINE_WINS,
    QUADRATIC_WINS_FROM_30,
    SIGN_OF_EIGHT,
    SIGN_OF_TWO,
    TWO_WIN,
)


def conclude(judgements: Sequence[Judgement]) -> list[str]:
    """Say where a network beats a straight line, and whether a parabola beats both."""
    found = Findings(judgements)
    return prose(
        where_scores_level_off(found),
        where_hours_help_each_other(found),
        found.say(LINE_WINS, "Where the truth is a straight line, the line wins, with 10 students as with 300."),
        beside_parabolas(found),
    )


def where_scores_level_off(found: Findings) -> Iterator[str]:
    """Yield from how many students on a network beats a line that misses the bend."""
    if found.holds(EIGHT_WIN, TWO_WIN):
        yield (
            "Where scores level off with the hours studied, networks of 8 units beat linear regression from 30 "
            "students on, and networks of 2 from 100 on."
        )
        return
    yield from found.say(
        EIGHT_WIN,
        "Where scores level off with the hours studied, networks of 8 units beat linear regression from 30 students "
        "on.",
    )
    yield from found.say(TWO_WIN, "Networks of 2 units do so from 100 students on.")


def where_hours_help_each_other(found: Findings) -> Iterator[str]:
    """Yield between which numbers of students a network begins to beat a line."""
    if found.holds(SIGN_OF_TWO, SIGN_OF_EIGHT):
        yield (
            "Where study helps those more who sleep more, the line is better than networks of 2 units with 30 students "
            "and than networks of 8 with 10, and with 100 both are better than the line."
        )
        return
    yield from found.say(
        SIGN_OF_TWO,
        "Where study helps those more who sleep more, the line is better than networks of 2 units with 30 students, "
        "and they are better with 100.",
    )
    yield from found.say(
        SIGN_OF_EIGHT,
        "Where study helps those more who sleep more, the line is better than networks of 8 units with 10 students, "
        "and they are better with 100.",
    )


def beside_parabolas(found: Findings) -> Iterator[str]:
    """Yield when quadratic regression beats networks."""
    if found.holds(QUADRATIC_WINS_FROM_30, EIGHT_WIN_WITH_10):
        yield (
            "Quadratic regression beats networks in {quadratic_wins} of {cases} cases with 30 students or more, and "
            "loses to networks of 8 units with 10."
        ).format_map(found.of(QUADRATIC_WINS_FROM_30).measured)
        return
    yield from found.say(
        QUADRATIC_WINS_FROM_30,
        "Quadratic regression beats networks in {quadratic_wins} of {cases} cases with 30 students or more.",
    )
    yield from found.say(EIGHT_WIN_WITH_10, "With 10 students networks of 8 units beat quadratic regression.")
