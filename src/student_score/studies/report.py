"""The page of all studies: what was found, computed anew from recorded runs; it needs no other file."""

import base64
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from student_score.errors import InputError
from student_score.studies.claims import DEFECT, UNDECIDED, Judgement, Verdict, Whose, tally
from student_score.studies.evidence import Evidence, NoRecordsError, read_evidence
from student_score.studies.numbers import number, typeset
from student_score.studies.study import command, in_order, is_older, judged, load

TEMPLATE = Path(__file__).with_name("report.html.j2")
"""Of the page."""

QUESTION = "What does the learning rate do to this network, and why does training fail?"
"""The project's, which the first screen of the page answers."""

SENTENCES = 3
"""Of the answer, at most."""

VERSION_TAGS = ("student-score", "python", "numpy", "numba", "llvmlite", "scikit-learn", "machine", "algorithm_version")
"""Tags of a run that say what it was computed with."""


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A study's part of the report.

    Attributes:
        name: of the study.
        question: that it asks.
        command: that makes its records.
        missing: why it has no verdicts, or empty.
        is_recorded: whether there are records at all, usable or not.
        benchmark: whether it measures times, which answer nothing.
        answers: whether its conclusion is part of the answer to the project's question.
        caption: of its figure.
        figure: its PNG in Base64.
        conclusion: sentences that follow from the judgements.
        judgements: on its claims.
        facts: where its records come from, by name.
    """

    name: str
    question: str
    command: str = ""
    missing: str = ""
    is_recorded: bool = True
    benchmark: bool = False
    answers: bool = False
    caption: str = ""
    figure: str = ""
    conclusion: Sequence[str] = ()
    judgements: Sequence[Judgement] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def claims(self) -> list[Judgement]:
        """The judgements on what can turn out false."""
        return [item for item in self.judgements if not item.claim.is_check]

    @property
    def checks(self) -> list[Judgement]:
        """The judgements on what has to hold wherever the code is right."""
        return [item for item in self.judgements if item.claim.is_check]

    @property
    def refuted(self) -> list[Judgement]:
        """The claims that came out refuted."""
        return [item for item in self.claims if item.verdict is Verdict.refuted]

    @property
    def defects(self) -> list[Judgement]:
        """The checks that failed."""
        return [item for item in self.judgements if item.is_defect]

    @property
    def tally(self) -> str:
        """How many claims and checks came out how, in words."""
        return tally(self.judgements)


def chapter(name: str, uri: str) -> Chapter:
    """Judge a study on its latest records in a store and draw its figure."""
    study = load(name)
    try:
        _, evidence = read_evidence(name, uri)
    except InputError as error:
        is_recorded = not isinstance(error, NoRecordsError)
        return Chapter(
            name=name, question=study.question, command=command(name), missing=str(error), is_recorded=is_recorded
        )
    judgements, figure = judged(name, evidence.content), ""
    if not is_older(judgements):
        with tempfile.TemporaryDirectory() as folder:
            study.draw(evidence.content, Path(folder))
            figure = base64.b64encode((Path(folder) / "figure.png").read_bytes()).decode()
    return Chapter(
        name=name,
        question=study.question,
        command=command(name),
        benchmark=study.benchmark,
        answers=study.answers,
        caption=study.caption,
        figure=figure,
        conclusion=study.conclude(judgements),
        judgements=judgements,
        facts=facts(evidence),
    )


def facts(evidence: Evidence) -> dict[str, str]:
    """Return where a study's records come from, in words."""
    tags = evidence.run.tags
    changed = " with uncommitted changes" if tags.get("git.dirty") == "true" else ""
    return {
        "trainings": f"{evidence.size:,}",
        "run": evidence.run.run_id,
        "commit": f"{tags.get('git.commit', 'unknown')}{changed}",
        "data (SHA-256)": ", ".join(evidence.data) or "unknown",
        "versions": ", ".join(f"{name} {tags[name]}" for name in VERSION_TAGS if name in tags),
    }


def answer(chapters: Sequence[Chapter]) -> list[tuple[Chapter, str]]:
    """Return the answer to the project's question: at most three sentences, each with the chapter that it is from.

    They are the first sentences of the studies that answer it, then their second ones while there is room; of
    others, but for benchmarks, where none of these has been recorded. What remains undecided is no answer.
    """
    decided = [part for part in chapters if part.conclusion and part.conclusion[0] != UNDECIDED]
    told = [part for part in decided if not part.benchmark]
    ranked = [
        (depth, order)
        for order, part in enumerate(told)
        for depth in range(len(part.conclusion))
        if part.answers or not any(other.answers for other in told)
    ]
    chosen = sorted(sorted(ranked)[:SENTENCES], key=lambda place: place[::-1])
    return [(told[order], told[order].conclusion[depth]) for depth, order in chosen]


def picture(chapters: Sequence[Chapter]) -> Chapter | None:
    """Return the chapter whose figure stands beside the answer, None if there is no figure."""
    drawn = [part for part in chapters if part.figure and not part.benchmark]
    return next((part for part in drawn if part.answers), drawn[0] if drawn else None)


def render(chapters: Sequence[Chapter], *, uri: str, written: datetime) -> str:
    """Return the page as HTML that needs no other file."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": lambda value: typeset(number(value)), "typeset": typeset}
    refuted = [(part, item) for part in chapters for item in part.refuted]
    owners = Counter(item.claim.whose for _, item in refuted)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        question=QUESTION,
        answer=answer(chapters),
        picture=picture(chapters),
        told=[part for part in chapters if part.judgements],
        missing=[part for part in chapters if part.missing],
        total=tally([item for part in chapters for item in part.judgements]),
        claims=sum(len(part.claims) for part in chapters),
        defects=[(part, item) for part in chapters for item in part.defects],
        defect=DEFECT,
        refuted=refuted,
        owners={whose.value: owners[whose] for whose in Whose if owners[whose]},
        marks={"supported": "✓", "refuted": "✗", "undecided": "?", "passed": "✓", "failed": "✗"},
        uri=uri,
        written=f"{written:%Y-%m-%d %H:%M} UTC",
    )


def write(path: Path, uri: str) -> list[Chapter]:
    """Write the report of a store to a file and return its chapters."""
    chapters = [chapter(name, uri) for name in in_order()]
    path.write_text(render(chapters, uri=uri, written=datetime.now(UTC)), encoding="utf-8")
    return chapters
