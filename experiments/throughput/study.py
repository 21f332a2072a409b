"""How long does a training take, here and elsewhere? Timings of several methods, taken in turn in one process.

What a method costs is given in microseconds per network of 1000 epochs. Slow methods run fewer epochs than that and
their times are scaled up in proportion; the table says where.
"""

from collections.abc import Iterator, Mapping

import pandas as pd

from student_score.data.rows import Rows
from student_score.studies.study import Study

from .claims import CLAIMS
from .conclusion import conclude
from .figure import draw
from .judge import cost, judge, sweep
from .measure import COST, measure
from .methods import ENGINE
from .problems import Extent
from .processes import first_calls, million
from .subjects import timed_subjects

QUESTION = "How long does a training take, here and elsewhere?"

CAPTION = (
    "What a training of 1000 epochs costs by method, median and range, on a log axis; below, what the engine's time "
    "per network grows with: networks, rows, units and epochs."
)


def trainings(rows: Mapping[str, Rows], *, extent: Extent | None = None) -> pd.DataFrame:
    """Measure everything, or less; a row for each measurement in each round."""
    extent, table = extent or Extent(), []
    for subjects, rounds in timed_subjects(rows, extent):
        table += measure(subjects, rounds=rounds, least_seconds=extent.least_seconds)
    return pd.DataFrame([*table, *million(rows, extent), *first_calls(rows, extent)])


def report(table: pd.DataFrame) -> Iterator[str]:
    """Yield each method's cost and its ratio to the engine's, round by round, then the other measurements."""
    engine_cost = cost(table, "methods", ENGINE)
    yield "\nMicroseconds per network of 1000 epochs: median (smallest to largest); times as slow as the engine with"
    yield "many networks on one thread, the same"
    for (part, method, activation), group in table.groupby(["part", "method", "activation"], sort=False):
        if part in {"methods", "activation", "large"}:
            first, values = group.iloc[0], group.set_index("round")[COST]
            slower = f"; times {shown(values / engine_cost)}" if part == "methods" else ""
            scaled = f"; scaled from {first['epochs']} epochs" if first["scaled"] else ""
            what = f"{method}, {activation}" if part == "activation" else method
            size = f"{first['networks']} x {first['rows']} rows, {first['threads']} thread(s)"
            yield f"  {what} ({size}): {shown(values)}{slower}{scaled}"
    for part in ("networks", "rows", "hidden_size", "epochs"):
        medians = sweep(table, part).median()
        yield f"  engine, {part}: " + ", ".join(f"{size} {value:.4g}" for size, value in medians.items())
    yield "Seconds"
    others = table[table["part"].isin(["million", "first_call"])]
    for (method, activation, hidden_size), group in others.groupby(["method", "activation", "hidden_size"], sort=False):
        yield f"  {method}, {activation}, {hidden_size} units: {shown(group['seconds'])}"


def shown(values: "pd.Series[float]") -> str:
    """Return median (smallest to largest)."""
    return f"{values.median():,.4g} ({values.min():,.4g} to {values.max():,.4g})"


STUDY = Study(
    place=8,
    question=QUESTION,
    caption=CAPTION,
    claims=CLAIMS,
    rows=Extent().rows(),
    trainings=trainings,
    judge=judge,
    conclude=conclude,
    draw=draw,
    report=report,
    benchmark=True,
)
