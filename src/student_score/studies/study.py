"""A study is a value: a question with claims, judged from recorded trainings.

It lives in experiments/NAME/study.py under the name STUDY, its figure beside it. It reads records, judges claims and
draws; it never trains behind its records' back. Where its trainings are too many and too small for a run each,
`trainings` computes their table and one run records it; otherwise it judges the runs of a sweep.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from student_score.data.rows import Rows
from student_score.errors import InputError
from student_score.paths import EXPERIMENTS, known_studies, work_folder
from student_score.studies.claims import Claim, Judgement, tally
from student_score.studies.numbers import number

if TYPE_CHECKING:
    import pandas as pd

PACKAGE = "student_score_experiments"
"""The name under which the folders of experiments/ are imported."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Study:
    """A question, what decides it, and how it is shown. The evidence is a table of trainings or the runs of a sweep.

    Attributes:
        place: where the report tells it: in the order of these numbers, then of the names.
        question: what is asked.
        caption: what the figure shows.
        claims: what is claimed, in the order of their verdicts.
        rows: what is trained on, by name; records of other rows are no evidence.
        judge: evidence -> a judgement for each claim.
        conclude: judgements -> one to four sentences that follow from them; the first is the answer in short.
        draw: evidence, folder -> writes figure.png, and tables if there are any, into the folder.
        report: evidence -> lines to print.
        trainings: rows -> the table of trainings, a row for each; None if the study judges a sweep.
        varies: keys of the configuration that the study looks at; all others must be as they are by default.
        answers: whether its first sentence is part of the answer to the project's question.
        benchmark: whether it measures times, which differ by machine.
    """

    place: int
    question: str
    caption: str
    claims: Sequence[Claim]
    rows: Mapping[str, Rows]
    judge: Callable[[Any], list[Judgement]]
    conclude: Callable[[Sequence[Judgement]], list[str]]
    draw: Callable[[Any, Path], None]
    report: Callable[[Any], Iterator[str]]
    trainings: "Callable[[Mapping[str, Rows]], pd.DataFrame] | None" = None
    varies: Sequence[str] = ()
    answers: bool = False
    benchmark: bool = False

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """The SHA-256 of all rows that are trained on."""
        return tuple(sorted({rows.digest() for rows in self.rows.values()}))


def module(name: str) -> ModuleType:
    """Return the module of a study, loaded once.

    Raises:
        InputError: there is no such study; the message lists those there are.
    """
    if name not in known_studies():
        raise InputError(f"there is no study {name!r}; there are {', '.join(known_studies())}")
    if PACKAGE not in sys.modules:
        package = ModuleType(PACKAGE)
        package.__path__ = [str(EXPERIMENTS)]
        sys.modules[PACKAGE] = package
    return import_module(f"{PACKAGE}.{name}.study")


def load(name: str) -> Study:
    """Return a study; InputError if there is none of this name."""
    study = module(name).STUDY
    if not isinstance(study, Study):
        raise TypeError(f"experiments/{name}/study.py: STUDY is {study!r}, not a Study")
    return study


def in_order() -> list[str]:
    """Return the names of all studies in the order of the report."""
    return sorted(known_studies(), key=lambda name: (load(name).place, name))


def command(name: str) -> str:
    """Return the command that makes a study's records."""
    return f"student-score {'-m ' if load(name).trainings is None else ''}experiment={name}"


def results_folder(name: str) -> Path:
    """Return the folder that a study's verdicts and figure are written to, which git does not see."""
    return work_folder() / "results" / name


def published_folder(name: str) -> Path:
    """Return the folder of the verdicts and the figure that are committed; nothing but publishing writes there."""
    return EXPERIMENTS / name / "results"


OLDER = "a column of the table, which was recorded before there was one: "
"""What is missing where a rule looks for a column in vain."""


def judged(name: str, evidence: Any) -> list[Judgement]:
    """Return a study's judgements on evidence; all are undecided if its table lacks a column that a rule needs."""
    study = load(name)
    try:
        with np.errstate(all="ignore"):  # What is not finite decides nothing, and says so.
            return study.judge(evidence)
    except KeyError as error:
        columns = getattr(evidence, "columns", None)
        if columns is None or error.args[0] in columns:
            raise
        missing = {"missing": f"{OLDER}{error.args[0]}; {command(name)}"}
        return [claim.judge(None, missing) for claim in study.claims]


def is_older(judgements: Sequence[Judgement]) -> bool:
    """Say whether they were made of a table that lacks a column."""
    return any(str(item.measured.get("missing")).startswith(OLDER) for item in judgements)


def conclude(name: str, evidence: Any, folder: Path) -> list[Judgement]:
    """Judge a study's claims and write verdicts.json and the figure into a folder.

    Raises:
        InputError: the folder cannot be written.
    """
    study = load(name)
    judgements = judged(name, evidence)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_verdicts(folder / "verdicts.json", study.question, judgements)
        if not is_older(judgements):
            study.draw(evidence, folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from None
    return judgements


def place(folder: Path) -> Path:
    """Return a folder as a reader wants it: as seen from the work folder if it lies there."""
    return folder.relative_to(work_folder()) if folder.is_relative_to(work_folder()) else folder


def closing(name: str, evidence: Any, judgements: Sequence[Judgement], folder: Path) -> Iterator[str]:
    """Yield what a study prints: its own report, its conclusion, its verdicts with the numbers that decide them."""
    if not is_older(judgements):
        yield from load(name).report(evidence)
    yield ""
    yield from load(name).conclude(judgements)
    yield ""
    yield f"Verdicts of the study {name} ({place(folder)}):"
    for item in sorted(judgements, key=lambda item: item.claim.is_check):
        yield from lines(item)
    yield f"{tally(judgements)}."


def lines(item: Judgement) -> Iterator[str]:
    """Yield a claim with its verdict, what is true instead if it is refuted, and the numbers that decide it."""
    whose = f" ({item.claim.whose.value} claim)" if item.instead and not item.claim.is_check else ""
    yield f"  {item.word.upper()}: {item.claim.sentence}{whose}"
    if item.instead:
        yield f"      Instead: {item.instead}"
    numbers = item.decided_by or item.measured
    yield "      " + "; ".join(f"{key}: {number(value)}" for key, value in numbers.items())


def write_verdicts(path: Path, question: str, judgements: Sequence[Judgement]) -> None:
    """Write the judgements as JSON; numbers that are not finite are refused, not written."""
    content = {"question": question, "claims": [judgement.plain() for judgement in judgements]}
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
