"""Which curvature limits per-sample descent? Judged on a table of trainings, recorded as one run."""

from collections.abc import Iterator

import pandas as pd

from student_score.data.article import ARTICLE_ROWS
from student_score.studies.study import Study

from .claims import CLAIMS
from .conclusion import conclude
from .figure import draw
from .judge import judge
from .trainings import FLOW, trainings

QUESTION = "Which curvature limits per-sample descent: a row's, the mean loss's, or that of the product over an epoch?"

CAPTION = (
    "Top: the rate divided by each of four stability limits, taken at the minimum that a training reached; only the "
    "limit of the epoch's product of row updates is never exceeded. Middle: that limit against the rate trained at: "
    "where the first minimum turns unstable, training moves to one with a higher limit. Bottom: at which rates around "
    "the limit a loss that has fallen below 0.1 % of the variance grows again, in each row order."
)

REPORTED = ("per_row", "full_batch", "cyclic", "shuffled", "with_replacement")
"""Limits, by the names of their columns, that the report gives at the gradient flow's minimum."""


def report(table: pd.DataFrame) -> Iterator[str]:
    """Yield what the table holds, the limits at the flow's minimum, and how far they hold."""
    is_flow = table["row_order"] == FLOW
    counts = ", ".join(f"{count} {name}" for name, count in table.loc[~is_flow, "outcome"].value_counts().items())
    yield f"\n{(~is_flow).sum()} trainings: {counts}"
    if "kink_distance" not in table:  # A table recorded before it was added.
        return
    for flow in table[is_flow].to_dict("records"):
        limits = ", ".join(f"{name.replace('_', ' ')} {flow[f'{name}_limit']:.6f}" for name in REPORTED)
        yield f"Limits at the gradient flow's minimum: {limits}"
        yield f"They say nothing beyond the nearest kink, {flow['kink_distance']:.2g} from it."


STUDY = Study(
    place=4,
    question=QUESTION,
    caption=CAPTION,
    claims=CLAIMS,
    rows={"student_scores": ARTICLE_ROWS},
    trainings=trainings,
    judge=judge,
    conclude=conclude,
    draw=draw,
    report=report,
    answers=True,
)
