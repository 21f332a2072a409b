"""Which curvature limits per-sample descent? Judged on a table of trainings, recorded as one run."""

from collections.abc import Iterator

import pandas as pd

from student_score.data.article import ARTICLE_ROWS
from student_score.studies.study import Study

from .claims import CLAIMS, FLOW
from .figure import draw
from .judge import judge
from .trainings import trainings

QUESTION = "Which curvature limits per-sample descent: a row's, the mean loss's, or that of the product over an epoch?"

CAPTION = (
    "Left: the rate divided by each of four stability limits, taken at the minimum that a training reached; only the "
    "limit of the epoch's product of row updates is never exceeded. Right: that limit against the rate trained at: "
    "where the first minimum turns unstable, training moves to one with a higher limit."
)

REPORTED = {
    "single row": "per_row_limit",
    "shuffled": "shuffled_limit",
    "with replacement": "with_replacement_limit",
    "cyclic": "cyclic_limit",
    "full batch": "full_batch_limit",
}
"""Limits that the report prints: way of sampling -> column."""


def report(table: pd.DataFrame) -> Iterator[str]:
    """Yield what the table holds, in a line."""
    trained = table[table["row_order"] != FLOW]
    counts = ", ".join(f"{count} {name}" for name, count in trained["outcome"].value_counts().items())
    yield f"\n{len(trained)} trainings: {counts}"
    flow = table[table["row_order"] == FLOW].iloc[0]
    yield "Limits at the gradient flow's minimum: " + ", ".join(
        f"{name} {flow[column]:.6f}" for name, column in REPORTED.items()
    )
    yield f"It lies {flow['kink_distance']:.2g} from the nearest kink, beyond which linear stability says nothing."


STUDY = Study(
    place=4,
    question=QUESTION,
    caption=CAPTION,
    claims=CLAIMS,
    rows={"student_scores": ARTICLE_ROWS},
    trainings=trainings,
    judge=judge,
    draw=draw,
    report=report,
)
