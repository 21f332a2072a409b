"""When does a network beat a straight line? Judged on a table of trainings in simulated worlds, recorded as one run."""

from collections.abc import Iterator

import pandas as pd

from student_score.data.simulation import World
from student_score.studies.numbers import in_percent, number
from student_score.studies.study import Study

from .claims import CLAIMS
from .conclusion import conclude
from .differences import MODELS, NETWORKS, failed, four, summary
from .figure import draw
from .judge import judge
from .trainings import NUMBERS, ROWS, trainings

QUESTION = "When does a network beat a straight line, and when does a parabola beat both?"

CAPTION = (
    "The mean squared error on new students, above the least possible one, of networks with 2 and 8 units and of four "
    "regressions, against the number of students they are fitted to: means over 200 replicates, medians as dashes."
)


def report(table: pd.DataFrame) -> Iterator[str]:
    """Yield the excess over the least possible error of every model, and the share of networks that failed."""
    found = summary(table).to_dict("index")
    yield f"\n{len(table):,} trainings. Error on new students above the least possible, mean (median), points squared:"
    yield f"{'world':<15}{'n':>4}" + "".join(f"{model:>18}" for model in MODELS)
    for world in World:
        for n in NUMBERS:
            own = [found[world.name, n, model] for model in MODELS]
            cells = [f"{number(four(each['mean']))} ({number(four(each['median']))})" for each in own]
            yield f"{world.name:<15}{n:>4}" + "".join(f"{cell:>18}" for cell in cells)
    networks = table[table["model"].isin(NETWORKS)]
    for model, share in failed(networks).groupby(networks["model"]).mean().items():
        yield f"{in_percent(float(share))} of the trainings of a {model} failed"


STUDY = Study(
    place=7,
    question=QUESTION,
    caption=CAPTION,
    claims=CLAIMS,
    rows=ROWS,
    trainings=trainings,
    judge=judge,
    conclude=conclude,
    draw=draw,
    report=report,
)
