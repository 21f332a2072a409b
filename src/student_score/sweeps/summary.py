"""What a finished sweep leaves in its parent run: counts, the best configuration, means and intervals over seeds."""

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from student_score.sweeps.failing import FAILED
from student_score.sweeps.ranking import SEED_KEYS, best, candidates, final_losses
from student_score.sweeps.spread import spread
from student_score.sweeps.words import counts, described_counts, labelled

if TYPE_CHECKING:
    import pandas as pd

LOSSES = ("avg_loss", "train_mse", "validation_mse", "test_mse")
"""Columns that hold a loss of the network, in score points squared."""


def configurations(table: "pd.DataFrame", swept: Sequence[str]) -> "pd.DataFrame | None":
    """Return a row for each combination of the swept keys that are no seeds; None if no seed was swept.

    Columns, after the keys: `runs`; `failed`, the share of them that collapsed or diverged; `runs/OUTCOME` for every
    outcome; and for each LOSS of avg_loss, train_mse, validation_mse and test_mse that the sweep has, over the runs
    that did not diverge and whose loss is finite: `LOSS/runs`, their number; `LOSS/mean`; `LOSS/ci95_low` and
    `LOSS/ci95_high`, the ends of the mean's 95 % interval as `spread` takes it, NaN for fewer than two runs.
    """
    import pandas as pd

    if table.empty or set(SEED_KEYS).isdisjoint(swept):
        return None
    losses = [name for name in LOSSES if name in table and table[name].notna().any()]
    rows = []
    for candidate in candidates(table, swept):
        failed = float(candidate.runs["outcome"].isin(FAILED).mean())
        row = candidate.configuration | {"runs": len(candidate.runs), "failed": failed}
        row |= {f"runs/{outcome}": number for outcome, number in counts(candidate.runs).items()}
        for name in losses:
            final = final_losses(candidate.runs, name)
            mean, low, high = spread(final, candidate.runs)
            row[f"{name}/runs"] = int(np.isfinite(final).sum())
            row |= {f"{name}/mean": mean, f"{name}/ci95_low": low, f"{name}/ci95_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def metrics(table: "pd.DataFrame", swept: Sequence[str], *, failed: int) -> dict[str, float]:
    """Return what the parent run is told in finite numbers: runs, by outcome, failed ones, the best configuration's.

    `failed` is the number of jobs that ended without a run. `best/LOSS` is the mean over the best configuration's runs.
    """
    numbers = {"runs": float(len(table)), "runs/failed": float(failed)}
    numbers |= {f"runs/{name}": float(number) for name, number in counts(table).items()}
    first = best(candidates(table, swept))
    if first is None:
        return numbers
    found = {name: final_losses(first.runs, name) for name in LOSSES}
    means = {name: spread(values, first.runs)[0] for name, values in found.items()}
    means["r2"] = first.explained
    return numbers | {f"best/{name}": value for name, value in means.items() if isfinite(value)}


def tags(table: "pd.DataFrame", swept: Sequence[str]) -> dict[str, str]:
    """Return what the parent run is told in words: `outcomes`; of the best configuration `best`, and `best.run_id`."""
    words = {"outcomes": described_counts(counts(table)) or "no runs"}
    first = best(candidates(table, swept))
    if first is None or first.run_id is None:
        return words
    return {**words, "best": labelled(first.configuration) or "the only configuration", "best.run_id": first.run_id}
