"""Does full-batch descent train at the edge of stability? Judged on a table of trainings, recorded as one run."""

from collections.abc import Iterator

import pandas as pd

from student_score.data.article import ARTICLE_ROWS
from student_score.studies.study import Study

from .claims import CLAIMS
from .conclusion import conclude
from .figure import draw
from .judge import judge
from .trainings import DESCENT, trainings

QUESTION = (
    "Does full-batch descent on the article's nine parameters train at the edge of stability, sharpness = 2 / rate?"
)

CAPTION = (
    "Sharpness times rate / 2 along full-batch gradient descent on the half loss at four rates, after even and after "
    "odd steps, and its median over the last 2,000 steps against the rate: at 1 descent is at the edge of stability."
)


def report(table: pd.DataFrame) -> Iterator[str]:
    """Yield how every training ended."""
    yield f"\n{len(table)} trainings and integrations; sharpness * rate / 2 and rising steps over the last 2,000 steps:"
    yield f"{'rate':>10}{'steps':>9}  {'outcome':<12}{'largest':>9}{'median':>10}{'rises':>8}"
    for row in table[table["method"] == DESCENT].to_dict("records"):
        largest = row["largest_sharpness"] * row["learning_rate"] / 2
        yield (
            f"{row['learning_rate']:>10.6f}{row['steps']:>9.0f}  {row['outcome']:<12}{largest:>9.4f}"
            f"{row['late_ratio_median']:>10.5f}{row['late_rises']:>8.3f}"
        )


STUDY = Study(
    place=5,
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
