"""What does it cost to sweep and to record runs? Sweeps, MLflow's client and a plain script, timed in turn.

Costs are in milliseconds per run of 1000 epochs. Every store is new, in a temporary folder; servers listen on loopback
and end with what started them.
"""

from collections.abc import Iterator

import pandas as pd

from student_score.data.article import ARTICLE_ROWS
from student_score.studies.study import Study

from .claims import CLAIMS
from .conclusion import conclude
from .extent import ROWS
from .figure import costs, draw, summary
from .judge import judge
from .measure import trainings
from .methods import PEAK

QUESTION = "What does it cost to sweep and to record runs?"

CAPTION = "Cost of a run, median and range over the rounds, on a log axis: this project's sweeps and what they replace."


def report(table: pd.DataFrame) -> Iterator[str]:
    """Yield each method's cost, and the sweep's time and memory."""
    yield "\nMilliseconds per run of 1000 epochs: median (smallest to largest)"
    for name, (low, median, high) in costs(table).items():
        yield f"  {name}: {median:,.4g} ({low:,.4g} to {high:,.4g})"
    yield "Seconds and peak megabytes"
    for row in summary(table).to_dict("records"):
        yield f"  {row['method']}, {row['runs']} run(s): {row['seconds_median']:.4g} s, {row[PEAK]:.0f} MB"


STUDY = Study(
    place=9,
    question=QUESTION,
    caption=CAPTION,
    claims=CLAIMS,
    rows={ROWS: ARTICLE_ROWS},
    trainings=trainings,
    judge=judge,
    conclude=conclude,
    draw=draw,
    report=report,
    benchmark=True,
)
