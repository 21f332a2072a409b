"""Does full-batch descent train at the edge of stability? Judged on a table of trainings, recorded as one run."""

from collections.abc import Iterator

import pandas as pd

from student_score.data.article import ARTICLE_ROWS
from student_score.studies.study import Study

from .claims import CLAIMS
from .conclusion import conclude
from .figure import draw
from .judge import judge
from .rates import GRID_GROUP
from .trainings import trainings

QUESTION = (
    "Does full-batch descent on the article's nine parameters train at the edge of stability, sharpness = 2 / rate?"
)

CAPTION = (
    "Sharpness times rate / 2 along full-batch gradient descent on the half loss at four rates, after even and after "
    "odd steps; its median over the last 2,000 steps against the rate: at 1 descent is at the edge of stability; and "
    "how trainings at 1,301 rates end, with those of 101 about each of 15 rates that end otherwise than most there."
)


def report(table: pd.DataFrame) -> Iterator[str]:
    """Yield how the trainings at each rate of the grid end, and those about it."""
    yield f"\n{len(table):,} trainings; of those at the grid's rates, sharpness * rate / 2 and late rising steps:"
    yield f"{'rate':>10}{'steps':>9}  {'outcome':<12}{'largest':>9}{'median':>10}{'rises':>8}"
    for row in table[table["group"] == GRID_GROUP].to_dict("records"):
        yield (
            f"{row['learning_rate']:>10.6f}{row['steps']:>9.0f}  {row['outcome']:<12}{row['later_ratio_largest']:>9.4f}"
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
