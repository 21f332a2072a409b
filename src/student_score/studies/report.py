"""The page of all studies: what was found, computed anew from recorded runs; it needs no other file."""

import base64
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from student_score.errors import InputError
from student_score.studies.claims import Judgement, Verdict
from student_score.studies.evidence import Evidence, read_evidence
from student_score.studies.study import in_order, load

TEMPLATE = Path(__file__).with_name("report.html.j2")
"""Of the page."""

VERSION_TAGS = ("python", "numpy", "numba", "llvmlite", "scikit-learn", "machine", "algorithm_version")
"""Tags of a run that say what it was computed with."""


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A study's part of the report; `missing` says why it has no verdicts, or is empty."""

    name: str
    question: str
    missing: str = ""
    caption: str = ""
    figure: str = ""
    judgements: Sequence[Judgement] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def refuted(self) -> list[Judgement]:
        """The claims that came out refuted."""
        return [item for item in self.judgements if item.verdict is Verdict.refuted]


def chapter(name: str, uri: str) -> Chapter:
    """Judge a study on its latest records in a store and draw its figure."""
    study = load(name)
    try:
        _, evidence = read_evidence(name, uri)
    except InputError as error:
        return Chapter(name=name, question=study.question, missing=str(error))
    with tempfile.TemporaryDirectory() as folder:
        study.draw(evidence.content, Path(folder))
        figure = base64.b64encode((Path(folder) / "figure.png").read_bytes()).decode()
    return Chapter(
        name=name,
        question=study.question,
        caption=study.caption,
        figure=figure,
        judgements=study.judge(evidence.content),
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


def render(chapters: Sequence[Chapter], *, uri: str, written: datetime) -> str:
    """Return the page as HTML that needs no other file."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = number
    counts = Counter(item.verdict.name for part in chapters for item in part.judgements)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        chapters=chapters,
        counts={verdict.name: counts[verdict.name] for verdict in Verdict},
        refuted=[(part, item) for part in chapters for item in part.refuted],
        uri=uri,
        written=f"{written:%Y-%m-%d %H:%M} UTC",
    )


def number(value: Any) -> str:
    """Return what was measured as a reader wants it: numbers with four digits, lists in a row."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(number(item) for item in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def write(path: Path, uri: str) -> list[Chapter]:
    """Write the report of a store to a file and return its chapters."""
    chapters = [chapter(name, uri) for name in in_order()]
    path.write_text(render(chapters, uri=uri, written=datetime.now(UTC)), encoding="utf-8")
    return chapters
