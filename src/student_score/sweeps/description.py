"""What the page of a sweep says in the MLflow UI, in Markdown: data, best run, conclusion, figure, what its runs share.

What users named is shown as code, so that no name is ever taken for markup.
"""

from collections.abc import Mapping, Sequence
from html import escape
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from student_score.config.identity import flattened, plain
from student_score.config.schema import Config
from student_score.data.baseline import EXACT
from student_score.masking import masked, visible
from student_score.runs.recording import value_text
from student_score.sweeps import summary
from student_score.sweeps.plan import UNSWEPT, Plan, data_name
from student_score.sweeps.words import EXACT_WORDS, counts, described_counts, number
from student_score.tracking.views import LINEAR, image_link, run_link

if TYPE_CHECKING:
    import pandas as pd

    from student_score.tracking.store import Store

LONGEST_VALUE = 80
"""Characters of a name or a value that are shown."""

LISTED_SETS = 5
"""Data sets of a sweep that are listed."""

LISTED_SENTENCES = 5
"""Sentences of a conclusion that are shown."""

TOLD = ("dataset.name", "dataset.path", "dataset.new_inputs", "print_every", *UNSWEPT)
"""Keys that are told elsewhere, or change no training."""

SPECIAL = {ord(letter): f"&#{ord(letter)};" for letter in "\\`*_{}[]()#|~!:@$"}
"""What Markdown may take for markup, as characters that HTML names by number."""


def announcement(plan: Plan) -> str:
    """Return what is known before the first run: how many there will be, on which rows, with which settings."""
    what = f"{len(plan.members)} runs of `{plan.config.study or 'student-score'}`"
    return "\n\n".join([f"{what} on {data(plan)}.", settings(plan)])


def description(
    plan: Plan, table: "pd.DataFrame", conclusion: Sequence[str], store: "Store", parent_run_id: str
) -> str:
    """Return what is known at the end, with links to the charts and the table that the store shares."""
    chart, listed = store.sweep_links(parent_run_id, base="")
    ended = described_counts(counts(table)) or "none was recorded"
    parts = [
        f"{len(plan.members)} runs on {data(plan)}: {ended}. [Curves]({chart}) and [table]({listed}).",
        *best_run(table, plan.swept, store.experiment_id),
        *(["\n".join(f"- {prose(sentence)}" for sentence in conclusion[:LISTED_SENTENCES])] if conclusion else []),
        *([f"![Losses by what was swept]({image_link(parent_run_id, 'results.png')})"] if len(table) else []),
        settings(plan),
    ]
    return "\n\n".join(parts)


def code(value: object) -> str:
    """Return a user's text as Markdown shows it letter by letter, cut where it is long."""
    text = visible(masked(" ".join(str(value).split()))).replace("`", "'")
    return f"`{text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + '...'}`" if text else "(empty)"


def prose(sentence: str) -> str:
    """Return a sentence, which may quote users, with nothing in it that Markdown or HTML would take for markup."""
    return escape(visible(masked(" ".join(sentence.split()))), quote=False).translate(SPECIAL)


def data(plan: Plan) -> str:
    """Return the rows that the runs were trained on, in words."""
    found: dict[str, None] = {}
    for member in plan.members:
        dataset, split = member.task.config.dataset, member.task.split
        held_out = "" if split.test is None else f", {len(split.test)} more for testing"
        words = f"{code(data_name(dataset))} ({code(Path(dataset.origin).name)}, {len(split.train)} rows{held_out})"
        found[words] = None
    listed = list(found)[:LISTED_SETS]
    more = f" and {len(found) - LISTED_SETS} more" if len(found) > LISTED_SETS else ""
    return ", ".join(listed) + more


def best_run(table: "pd.DataFrame", swept: Sequence[str], experiment_id: str) -> list[str]:
    """Return a line on the run with the lowest error, none if there is none."""
    words = summary.tags(table, swept)
    rows = [] if table.empty else table[table["run_id"] == words.get("best.run_id")].to_dict("records")
    if not rows:
        return []
    [row] = rows
    errors = [f"{name} {number(row[name])}" for name in summary.LOSSES if is_known(row.get(name))]
    loss = "test_mse" if is_known(row.get("test_mse")) else "train_mse"
    line, mean = row.get(f"{LINEAR}/{loss}"), row.get(f"baseline/mean/{loss}")
    if is_known(line):
        exact = is_known(mean) and line <= EXACT * mean
        errors.append(f"{LINEAR}/{loss} {EXACT_WORDS if exact else number(line)}")
    page = run_link("", experiment_id, row["run_id"])
    return [f"**Best run:** [{prose(row['name'])}]({page}), {row['outcome']}: {code(', '.join(errors))}"]


def is_known(value: Any) -> TypeGuard[float]:
    """Say whether a cell of a table holds a number."""
    return isinstance(value, float) and not isnan(value)


def settings(plan: Plan) -> str:
    """Return the keys that all runs share: those that differ from the defaults, then the others."""
    shared = {key: value for key, value in plan.members[0].task.description.flat.items() if is_shared(key, plan)}
    usual = flattened(plain(Config()))
    changed = {key: value for key, value in shared.items() if value != usual.get(key)}
    others = {key: value for key, value in shared.items() if key not in changed}
    told = [f"All runs: {pairs(changed)}."] if changed else []
    return "\n\n".join([*told, f"{'The rest as' if told else 'All runs:'} by default: {pairs(others)}."])


def is_shared(key: str, plan: Plan) -> bool:
    """Say whether a key is worth telling of all runs at once."""
    return key not in plan.swept and key not in TOLD


def pairs(values: Mapping[str, object]) -> str:
    """Return keys and values as code."""
    return ", ".join(code(f"{key}={value_text(value)}") for key, value in values.items())
