"""Predicts rows with the weights of a recorded run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from student_score.arrays import Floats, Mask
from student_score.config.compose import read_config
from student_score.config.schema import Config
from student_score.data.preparation import Missing
from student_score.errors import InputError
from student_score.model.outcome import Outcome
from student_score.runs.transcript import outside
from student_score.serving.weights import recorded_weights
from student_score.tracking.record import RecordedRun
from student_score.tracking.store import Store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Source:
    """A recorded training to predict with: its run, its configuration, its weights."""

    run: RecordedRun
    config: Config
    weights: Mapping[str, Any]

    @property
    def rows(self) -> int:
        """How many rows it was trained on."""
        return len(self.run.trajectory().predictions)

    @property
    def target(self) -> str:
        """What is predicted."""
        return self.config.dataset.target

    @property
    def outcome(self) -> str:
        """How the training ended, in a sentence."""
        outcome = Outcome[self.run.tags["outcome"]]
        return f"{outcome.name} - {outcome.sentence}"


def source(store: Store, run_id: str) -> Source:
    """Return what a recorded training predicts with; of a sweep, its best run.

    Raises:
        InputError: there is no such training, it diverged, or its record cannot be read.
        TrackingError: the store cannot be used.
    """
    run = store.run(run_id)
    if run.tags.get("kind") == "sweep":
        if "best.run_id" not in run.tags:
            raise InputError(f"the sweep {run_id} has no best run: it has not ended, or no run of it has an error")
        run = store.run(run.tags["best.run_id"])
    if "kind" in run.tags:
        raise InputError(f"the run {run.run_id} is a {run.tags['kind']}; only a training or a sweep predicts")
    weights = recorded_weights(run)
    config = read_config(run.read_text("config.yaml"), name=f"config.yaml of run {run.run_id}")
    # Runs of earlier versions had numbers alone, and did not say so.
    plain = {"kind": "network", "columns": config.dataset.features, "means": {}, "categories": {}}
    return Source(run=run, config=config, weights={**plain, **weights})


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Scores (n,) as they come out of the network, NaN where a row has none, and what is to be said of them."""

    scores: Floats
    weights: Mapping[str, Any]

    @property
    def told(self) -> Floats:
        """The scores as people are told them: within the range of scores, where there is one."""
        from student_score.serving.model import clipped

        return clipped(self.weights, self.scores)

    @property
    def count(self) -> int:
        """How many rows have one."""
        return int(np.count_nonzero(~np.isnan(self.scores)))

    def remarks(self) -> Iterator[str]:
        """Yield what is to be known of them, a sentence each."""
        gaps = np.isnan(self.scores)
        if gaps.any():
            yield f"{int(gaps.sum()):,} of {len(gaps):,} rows have a missing cell and no prediction"
        if self.weights.get("target_range") is not None:
            yield outside(self.scores[~gaps], self.weights["target_range"], " and were clipped")
        elif "target_seen" in self.weights:
            yield outside(self.scores[~gaps], self.weights["target_seen"], ", the scores of the training rows")


def predict_rows(found: Source, frame: "pd.DataFrame") -> Predictions:
    """Return predictions of rows; those with a gap have none where the training left such rows out.

    Raises:
        InputError: naming the first cell that cannot be used.
    """
    from student_score.serving.model import predicted

    kept = np.ones(len(frame), dtype=bool)
    if found.config.dataset.missing is Missing.drop:
        kept = whole(frame, found.config.dataset.categorical)
    scores = np.full(len(frame), np.nan)
    try:
        if kept.any():
            scores[kept] = predicted(found.weights, frame[kept])
    except ValueError as error:
        raise InputError(str(error)) from None
    return Predictions(scores=scores, weights=found.weights)


def whole(frame: "pd.DataFrame", categorical: list[str]) -> Mask:
    """Return which rows (n,) of a frame have no gap."""
    gaps = [(frame[name] == "" if name in categorical else frame[name].isna()).to_numpy() for name in frame]
    kept: Mask = ~np.any(gaps, axis=0)
    return kept
