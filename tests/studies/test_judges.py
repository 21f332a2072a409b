"""Judges: whatever records lack, or hold that is not finite, a claim is supported, undecided, or refuted with words."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from io import BytesIO
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, note, settings
from hypothesis import strategies as st

from student_score.data.article import ARTICLE_ROWS
from student_score.data.rows import split_rows
from student_score.model.network import ARTICLE_START
from student_score.paths import CONF, EXPERIMENTS, known_studies
from student_score.studies import study
from student_score.studies.claims import Verdict
from student_score.studies.numbers import are_finite
from student_score.studies.study import Study, load
from student_score.tracking.record import RecordedRun
from student_score.training.train import train


def small(name: str, own: Any) -> dict[str, Any]:
    """Return what makes a study's table small, given its module of trainings; nothing where it is small enough."""
    if name == "death":
        counts = own.Counts(born=120, networks=120, intervened=120, fine=5, ordered=120)
        return {"counts": counts, "rates": (own.CONTROL, own.MODERATE, own.LARGE, *own.LATER)}
    if name == "baseline":
        return {"seeds": own.SEEDS[:21]}
    if name == "stability":
        return {"rates": (0.001, 0.0016, 0.00165, 0.0019), "close": (0.00166001,), "closest": (), "he_networks": 100}
    return {"rates": own.RATES[::5], "decay_rates": own.DECAY_RATES[::6]} if name == "speed" else {}


GIVEN = {"learning_rate", "epochs", "steps"}
"""Columns of numbers that are given, not measured."""

VALUES = (np.nan, np.inf, -np.inf, 0.0, 1e300, -1e300, -1.0)

DAMAGES = st.lists(
    st.tuples(
        st.sampled_from(["rows", "group", "diverged", "value", "value", "column"]),
        st.floats(0, 1, exclude_max=True),
        st.sampled_from([0.0, 0.02, 0.1, 0.5, 1.0]),
        st.sampled_from(VALUES),
    ),
    min_size=1,
    max_size=3,
)
"""What is done to records: what, where, to how large a share of them, and the value that is put there."""


@cache
def records(name: str) -> Any:
    """Return records that decide a study's claims, as few as that takes."""
    own = load(name)
    if own.trainings is None:
        return swept(name)
    if own.benchmark:
        return timed(name)
    return own.trainings(own.rows, **small(name, import_module(f"student_score_experiments.{name}.trainings")))


def timed(name: str) -> pd.DataFrame:
    """Return a benchmark's table of times, one that has the medians which are committed."""
    summary = pd.read_csv(EXPERIMENTS / name / "results/table.csv")
    [cost] = [column.removesuffix("_max") for column in summary if column.endswith("_max")]
    peak = summary.get("peak_megabytes", 398.0)
    rounds = [
        {"round": turn, cost: summary[f"{cost}_{which}"], "seconds": summary["seconds_median"], "peak_megabytes": peak}
        for turn, which in enumerate(("min", "median", "max"), start=1)
    ]
    return pd.concat([summary.assign(**columns) for columns in rounds], ignore_index=True)


def swept(name: str) -> list[RecordedRun]:
    """Return the runs of a study's sweep over numbers, trained here."""
    params = yaml.safe_load((CONF / "experiment" / f"{name}.yaml").read_text())["hydra"]["sweeper"]["params"]
    assert set(params) == {"training.learning_rate", "training.epochs"}
    runs = []
    for values in product(*(str(value).split(",") for value in params.values())):
        given = dict(zip(params, values, strict=True))
        rate, epochs = float(given["training.learning_rate"]), int(given["training.epochs"])
        trained = train(split_rows(ARTICLE_ROWS), ARTICLE_START, learning_rate=rate, epochs=epochs)
        runs.append(run_of(trained, params=given))
    return runs


def run_of(trajectory: Any, **changes: Any) -> RecordedRun:
    """Return a run that holds a trajectory."""
    trajectory.save(file := BytesIO())
    metrics = {"baseline/linear/train_mse": 1e-28}
    blank = RecordedRun("1", "", "FINISHED", {}, metrics, {}, 0, content=lambda _: file.getvalue())
    return replace(blank, **changes)


def damaged(found: Any, kind: str, where: float, share: float, value: float) -> Any:
    """Return records with one damage."""
    chosen = np.random.default_rng(int(where * 2**32)).random(len(found)) < (share or 1 / max(len(found), 1))
    if not isinstance(found, pd.DataFrame):
        return [worse(run, kind, value) if hit else run for run, hit in zip(found, chosen, strict=True)
                if not (hit and kind == "rows")]  # fmt: skip
    numbers = [name for name in found if found[name].dtype == float and name not in GIVEN]
    columns = {"value": numbers, "diverged": ["outcome"] if "outcome" in found else []}.get(kind, list(found))
    if not columns or found.empty:
        return found
    column = columns[int(where * len(columns))]
    note(f"{kind} {column} {chosen.sum()} of {len(found)} rows {value}")
    if kind == "rows":
        return found[~chosen]
    if kind == "group":
        return found[found[column] != found[column].iloc[int(where * 1e6) % len(found)]]
    if kind == "column":
        return found.drop(columns=column)
    return found.assign(**{column: found[column].mask(chosen, "diverged" if kind == "diverged" else value)})


def worse(run: RecordedRun, kind: str, value: float) -> RecordedRun:
    """Return a run that diverged early, was measured wrongly, or lacks a metric."""
    whole = run.trajectory()
    last = {"diverged": 1, "group": 60}.get(kind, len(whole.avg_loss))
    kept = whole.recorded_epochs <= last
    loss, error = whole.avg_loss[:last].copy(), whole.train_mse[kept].copy()
    if kind == "value":
        loss[-1] = error[-1] = value
    ended = last if last < len(whole.avg_loss) else whole.diverged_epoch
    changed = replace(
        whole, avg_loss=loss, train_mse=error, recorded_epochs=whole.recorded_epochs[kept], diverged_epoch=ended
    )
    return run_of(changed, params=run.params, metrics={} if kind == "column" else run.metrics)


def is_sound(own: Study, found: Sequence[Any]) -> bool:
    """Say whether there is a verdict for each claim, in words and numbers that can be written."""
    for claim, item in zip(own.claims, found, strict=True):
        assert item.claim is claim
        assert (item.verdict is Verdict.refuted) == bool(item.instead)
        assert item.verdict is Verdict.undecided or are_finite([*item.decided_by.values()])
        assert not item.instead or (item.instead[0].upper() == item.instead[0] and item.instead.endswith("."))
    return 1 <= len(own.conclude(found)) <= 4


@pytest.mark.slow
@pytest.mark.parametrize("name", known_studies())
def test_whatever_records_lack_a_judge_ends_in_a_verdict(name, tmp_path):
    """Rows, runs or columns are gone, trainings diverged, numbers are infinite, huge, none at all: never an exception.

    A refuted claim always says what is true instead, and what is not finite decides nothing.
    """
    own, whole = load(name), records(name)

    @settings(max_examples=30 if isinstance(whole, pd.DataFrame) else 120, deadline=None, derandomize=True)
    @given(DAMAGES)
    def holds(damages):
        found = whole
        for damage in damages:
            found = damaged(found, *damage)
        judgements = study.judged(name, found)
        assert is_sound(own, judgements)
        study.write_verdicts(tmp_path / "verdicts.json", own.question, judgements)
        if not isinstance(found, pd.DataFrame) or set(found) == set(whole):
            assert not study.is_older(judgements), "no column is missing"

    holds()


@pytest.mark.slow
@pytest.mark.parametrize("name", known_studies())
def test_the_whole_records_decide(name):
    """What is damaged above are records that decide claims; without any all claims are undecided."""
    assert {item.verdict for item in study.judged(name, records(name))} & {Verdict.supported, Verdict.refuted}
    nothing = study.judged(name, records(name)[:0])
    assert is_sound(load(name), nothing)
    assert {item.verdict for item in nothing} == {Verdict.undecided}
    assert all(item.measured["missing"] for item in nothing)
