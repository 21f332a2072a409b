"""Born dead, killed by the flow, or killed by a step? Judged on a table of trainings, recorded as one run."""

from collections.abc import Iterator

import pandas as pd

from student_score.data.article import ARTICLE_ROWS
from student_score.studies.study import Study

from .claims import CLAIMS
from .conclusion import conclude
from .figure import draw
from .judge import judge
from .shares import mean_fates
from .trainings import trainings

QUESTION = "Which ReLU units are dead before training, which does gradient flow kill, and which does a step kill?"

CAPTION = (
    "Dead ReLU units of networks that start from He's initialisation: how often all units of a network are born "
    "dead, what becomes of the units at each learning rate in the article's row order, and what interventions change."
)


def report(table: pd.DataFrame) -> Iterator[str]:
    """Yield what became of the units at each rate and in each row order, as far as there is a control."""
    yield f"\n{len(table)} trainings. Shares of units, the mean over the hidden sizes:"
    yield f"{'start':<14}{'rows':<5}{'rate':>9}{'born dead':>11}{'by the flow':>13}{'by a step':>11}"
    controlled = table[table["killed_by_step"].notna()]
    for (variant, order, rate), group in controlled.groupby(["start", "row_order", "learning_rate"]):
        born, flow, step = mean_fates(group)
        yield f"{variant:<14}{order:<5}{rate:>9g}{born:>11.4f}{flow:>13.4f}{step:>11.4f}"


STUDY = Study(
    place=3,
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
