"""What `student-score --help` says: made from the schema and from the first comment of each file of conf/."""

import textwrap
from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass
from enum import Enum
from typing import Any, get_args, get_type_hints

from student_score.config.schema import Config, SweepConfig
from student_score.paths import CONF

WIDTH, COLUMN = 80, 34
"""Columns of a terminal, and where the explanations begin."""

OPENING = """\
student-score trains one tiny network, hours studied and slept in, exam score
out, and records the run in MLflow.

  student-score                              the article's training
  student-score training.learning_rate=0.01  with another rate
  student-score -m training.learning_rate=0.0001,0.01
                                             a sweep: one run for each value
  student-score -m training.learning_rate='logspace(1e-5,1,41)'
                                             41 rates, evenly on a log axis
  student-score -m experiment=article        a study: a sweep and verdicts

Your own file; quotes keep the shell from names with spaces:

  student-score dataset=csv dataset.path=grades.csv network=he \\
      'dataset.features=["Hours Studied","Sleep Hours"]' \\
      dataset.target='Exam Score'"""

SWEEPS = """\
With -m every key takes several values: a list 1,2,3, range(0,5), choice(a,b),
logspace(first,last,count), or glob(*) for a group. And:"""

CLOSING = "student-score-ui serves the MLflow UI; --hydra-help says what Hydra itself can do."


def help_text() -> str:
    """Return the help as Hydra wants it: the text of a string.Template."""
    lines = [
        *(OPENING, "", "Options, group=option:", "", *option_lines()),
        *("Keys, with their defaults:", "", *key_lines(Config, "", hidden=SweepConfig)),
        *(SWEEPS, "", *key_lines(SweepConfig, "sweep.")),
        textwrap.fill(CLOSING, WIDTH),
    ]
    return "\n".join(lines).replace("$", "$$")


def option_lines() -> Iterator[str]:
    """Yield the options of every group, each with the first comment of its file."""
    for folder in sorted(path for path in CONF.iterdir() if path.is_dir()):
        for path in sorted(folder.glob("*.yaml")):
            comments = [line for line in path.read_text().splitlines() if line.startswith("# ") and "@" not in line]
            yield from entry(f"{folder.name}={path.stem}", comments[0].removeprefix("# "))
        yield ""


def key_lines(node: Any, prefix: str, *, hidden: Any = None) -> Iterator[str]:
    """Yield every key of a part of the schema: its default, what it means, what is allowed, examples."""
    types = get_type_hints(node)
    defaults = node()
    for field in fields(node):
        inner = types[field.name]
        if is_dataclass(inner):
            if inner is not hidden:
                yield from key_lines(inner, f"{prefix}{field.name}.")
            continue
        allowed = allowed_values(field, inner)
        about = field.metadata["about"] + (f" ({allowed})" if allowed else "")
        yield from entry(f"{prefix}{field.name}={written(getattr(defaults, field.name))}", about)
        yield from (f"      e.g. {example}" for example in field.metadata["examples"])
    yield ""


def allowed_values(field: "Field[Any]", kind: Any) -> str:
    """Return what a key may be: the names of an enum, or of the members of a list, else what the schema says."""
    for member in (kind, *get_args(kind)):
        if isinstance(member, type) and issubclass(member, Enum):
            return ", ".join(item.name for item in member)
    return "true or false" if kind is bool else str(field.metadata["allowed"])


def written(value: Any) -> str:
    """Return a default as one would write it in an override."""
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return value.name if isinstance(value, Enum) else str(value).replace("${repository:}", "...")


def entry(name: str, about: str) -> Iterator[str]:
    """Yield a name and its explanation beside it, or below if the name is long."""
    first, *others = textwrap.wrap(about, WIDTH - COLUMN, break_long_words=False, break_on_hyphens=False)
    head = f"  {name} "
    if len(head) > COLUMN:
        yield head.rstrip()
        head = ""
    yield head.ljust(COLUMN) + first
    yield from (" " * COLUMN + line for line in others)
