"""Which rate is fastest, and does a range test find it? Judged on a table of trainings, recorded as one run."""

from collections.abc import Iterator

import pandas as pd

from student_score.data.article import ARTICLE_ROWS
from student_score.studies.study import Study

from .claims import CLAIMS
from .conclusion import conclude
from .figure import draw
from .judge import judge
from .trainings import trainings

QUESTION = "Which learning rate is fastest, how fast is it, and does a learning-rate range test find it?"

CAPTION = (
    "From the top: the error by the rate after 250 and 1000 epochs, the best rate of each marked; the best rate over "
    "the stability limit at the gradient flow's minimum, by the number of epochs, in six row orders; the late decay "
    "of the loss on what the spectral radius predicts; what a range test reads, against the length of its ramp."
)


def report(table: pd.DataFrame) -> Iterator[str]:
    """Yield what the table holds, in a line."""
    counts = ", ".join(f"{count} {name}" for name, count in table["part"].value_counts(sort=False).items())
    yield f"\n{len(table)} rows: {counts}"


STUDY = Study(
    place=6,
    question=QUESTION,
    caption=CAPTION,
    claims=CLAIMS,
    rows={"student_scores": ARTICLE_ROWS},
    trainings=trainings,
    judge=judge,
    conclude=conclude,
    draw=draw,
    report=report,
)
