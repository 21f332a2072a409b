"""The numbers that the article printed, beside those that a training gives."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from student_score.model.activations import Activation
from student_score.model.network import predict
from student_score.runs.transcript import rounded
from student_score.training.trajectory import Trajectory

PUBLISHED = json.loads((Path(__file__).parent / "published.json").read_text())
"""Both of the article's transcripts and what they share."""

EVERY = int(PUBLISHED["print_every"])
"""Epochs between two printed losses."""

EPOCHS = 1000
"""Of a transcript."""

PRINTED_EPOCHS = np.arange(EVERY, EPOCHS + 1, EVERY)
"""Those whose avg_loss the article prints."""


def published_and_computed(run: dict[str, Any], trajectory: Trajectory) -> Iterator[tuple[str, str, str]]:
    """Yield (what it is, as published, as computed) for every number the article gives of a run."""
    final = trajectory.final
    epochs = [f"Epoch {epoch}: Avg Loss" for epoch in PRINTED_EPOCHS]
    predictions = predict(final, np.array(PUBLISHED["inputs"], dtype=np.float64), Activation.relu)
    for names, published, computed, digits in (
        (epochs, run["avg_loss"], trajectory.avg_loss[EVERY - 1 :: EVERY], 2),
        (["studied to h1", "studied to h2", "slept to h1", "slept to h2"], run["w1"], final.w1, 3),
        (["h1 to score", "h2 to score"], run["w2"], final.w2, 3),
        (["b1 of h1", "b1 of h2"], run["b1"], final.b1, 3),
        (["b2"], run["b2"], final.b2, 3),
        ([f"score of {values}" for values in PUBLISHED["inputs"]], run["predictions"], predictions, 1),
    ):
        for name, expected, value in zip(names, np.ravel(published), np.ravel(computed), strict=True):
            yield name, repr(float(expected)), rounded(value, digits)
