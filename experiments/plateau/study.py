"""Has the height of a collapsed loss a closed form? Judged on a table of trainings, recorded as one run."""

from collections.abc import Iterator

import pandas as pd

from student_score.studies.study import Study

from .claims import CLAIMS
from .conclusion import conclude
from .figure import draw
from .judge import judge
from .trainings import ROWS, trainings

QUESTION = "Once all units are dead only the output bias learns: has the height at which the loss stays a closed form?"

CAPTION = (
    "The loss at which a dead network stays, and its output bias, against the learning rate: trained "
    "networks as points, closed forms as lines."
)


def report(table: pd.DataFrame) -> Iterator[str]:
    """Yield what the table holds, in a line."""
    counts = ", ".join(f"{count} {name}" for name, count in table["outcome"].value_counts().items())
    yield f"\n{len(table)} trainings: {counts}"


STUDY = Study(
    place=2,
    question=QUESTION,
    caption=CAPTION,
    claims=CLAIMS,
    rows=ROWS,
    trainings=trainings,
    judge=judge,
    conclude=conclude,
    draw=draw,
    report=report,
    answers=True,
)
