"""What a finished sweep says: how its runs ended, which was best, what its seeds leave uncertain.

A sweep's table has a row for each run: the swept keys, `outcome`, the losses in score points squared, `name`, `run_id`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, isnan, nan, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from student_score.arrays import Floats
from student_score.data.baseline import BASELINES
from student_score.model.outcome import Outcome

if TYPE_CHECKING:
    import pandas as pd

SEED_KEYS = ("network.seed", "training.seed", "dataset.split_seed")
"""Runs that differ in nothing else are repetitions of one configuration."""

LOSSES = ("avg_loss", "train_mse", "test_mse")
"""Columns that hold a loss of the network, in score points squared."""

CONFIDENCE = 0.95
"""Of the intervals in columns called ci95."""

LISTED = 50
"""Rows of a table on the terminal; results.csv has the others."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A table for the terminal, every cell as text; `remark` says what it leaves out, or is empty."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    remark: str


def counts(table: "pd.DataFrame") -> dict[str, int]:
    """Return the number of runs with each outcome, in the vocabulary's order."""
    found = [] if table.empty else table["outcome"].tolist()
    return {outcome.name: found.count(outcome.name) for outcome in Outcome}


def described_counts(numbers: Mapping[str, int]) -> str:
    """Return counts by outcome in words: 3 converged, 1 slow."""
    return ", ".join(f"{number} {name}" for name, number in numbers.items() if number)


def final_losses(table: "pd.DataFrame", name: str) -> Floats:
    """Return a loss (n,) of every run, NaN where there is none.

    A diverged run has none: what is recorded of it is its last finite loss, which says nothing but when it was taken.
    """
    if name not in table:
        return np.full(len(table), nan)
    losses = table[name].to_numpy(dtype=np.float64)
    diverged = (table["outcome"] == Outcome.diverged.name).to_numpy()
    return np.where(np.isfinite(losses) & ~diverged, losses, nan)


def best(table: "pd.DataFrame") -> dict[str, Any] | None:
    """Return the row of the run with the lowest test_mse, the first of several; None if no run has a final loss.

    Without test rows train_mse decides. Runs that diverged are never the best, nor are runs without test rows where
    others have some.
    """
    for name in ("test_mse", "train_mse"):
        losses = final_losses(table, name)
        if np.isfinite(losses).any():
            [row] = table.iloc[[int(np.nanargmin(losses))]].to_dict("records")
            return {str(column): value for column, value in row.items()}
    return None


def t_interval(values: Floats) -> tuple[float, float, float]:
    """Return the mean of finite values (n,) and the ends of its 95 % Student t interval; NaN where undefined.

    The interval, mean ± t s / sqrt(n) with n - 1 degrees of freedom, covers the expected value in 95 % of cases if the
    values are independent and normal. Losses are skewed, so that with few seeds it covers it less often, and its lower
    end may be negative.
    """
    from scipy.special import stdtrit

    if not len(values):
        return nan, nan, nan
    unit = float(np.abs(values).max()) or 1.0  # Squares of what a run blew up to without diverging could overflow.
    scaled = values / unit
    mean = float(scaled.mean())
    if len(values) < 2:
        return mean * unit, nan, nan
    quantile = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2))
    half = quantile * float(scaled.std(ddof=1)) / sqrt(len(values))
    return mean * unit, (mean - half) * unit, (mean + half) * unit


def configurations(table: "pd.DataFrame", swept: Sequence[str]) -> "pd.DataFrame | None":
    """Return a row for each combination of the swept keys that are no seeds; None if no seed was swept.

    Columns, after the keys: `runs`; `runs/OUTCOME` for every outcome; and for each LOSS of avg_loss, train_mse and
    test_mse that the sweep has, over the runs that did not diverge and whose loss is finite: `LOSS/runs`, their number;
    `LOSS/mean`; `LOSS/ci95_low` and `LOSS/ci95_high`, the ends of the 95 % Student t interval of the mean, NaN for
    fewer than two runs.
    """
    import pandas as pd

    keys = [key for key in swept if key not in SEED_KEYS]
    if table.empty or len(keys) == len(swept):
        return None
    losses = [name for name in LOSSES if name in table and table[name].notna().any()]
    groups = table.groupby(keys, sort=False, dropna=False) if keys else [((), table)]
    rows = []
    for values, group in groups:
        row = dict(zip(keys, values, strict=True)) | {"runs": len(group)}
        row |= {f"runs/{outcome}": number for outcome, number in counts(group).items()}
        for name in losses:
            final = final_losses(group, name)
            finite = final[np.isfinite(final)]
            mean, low, high = t_interval(finite)
            row[f"{name}/runs"] = len(finite)
            row |= {f"{name}/mean": mean, f"{name}/ci95_low": low, f"{name}/ci95_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def metrics(table: "pd.DataFrame", *, failed: int) -> dict[str, float]:
    """Return what the parent run is told in finite numbers: runs, by outcome, failed ones, and the best one's losses.

    `failed` is the number of jobs that ended without a run.
    """
    numbers = {"runs": float(len(table)), "runs/failed": float(failed)}
    numbers |= {f"runs/{name}": float(number) for name, number in counts(table).items()}
    row = best(table) or {}
    losses = {name: row.get(name) for name in LOSSES}
    return numbers | {f"best/{name}": loss for name, loss in losses.items() if loss is not None and isfinite(loss)}


def tags(table: "pd.DataFrame") -> dict[str, str]:
    """Return what the parent run is told in words: `outcomes`, and `best.run_id` and `best.name` if there is a best."""
    words = {"outcomes": described_counts(counts(table)) or "no runs"}
    row = best(table)
    return words if row is None else {**words, "best.run_id": row["run_id"], "best.name": row["name"]}


def listing(table: "pd.DataFrame", swept: Sequence[str]) -> Listing:
    """Return what the terminal shows: every run if they are few, else the configurations, else the first runs."""
    if len(table) > LISTED:
        grouped = configurations(table, swept)
        if grouped is not None:
            return configuration_listing(grouped, [key for key in swept if key not in SEED_KEYS], runs=len(table))
    label = BASELINES["linear"][0]
    labels = {"baseline/linear/train_mse": label, "baseline/linear/test_mse": f"{label}, test_mse"}
    shown = [name for name in (*LOSSES, *labels) if name in table and table[name].notna().any()]
    columns = [*swept, "outcome", *shown]
    rows = [] if table.empty else table[columns].head(LISTED).to_dict("records")
    return Listing(
        title=f"{len(table)} runs",
        headings=[*short_names(swept), "outcome", *(labels.get(name, name) for name in shown)],
        rows=[[described_number(row[column]) for column in columns] for row in rows],
        remark=f"The first {LISTED} of {len(table)} runs; results.csv has them all." if len(table) > LISTED else "",
    )


def configuration_listing(grouped: "pd.DataFrame", keys: Sequence[str], *, runs: int) -> Listing:
    """Return the means and intervals over the seeds, a row a configuration, of what `configurations` returned."""
    losses = [name for name in LOSSES if f"{name}/mean" in grouped]
    headings = [*short_names(keys), "runs", "outcomes"]
    for name in losses:
        headings += [f"{name}, mean", "95 % interval"]
    rows = []
    for row in grouped.head(LISTED).to_dict("records"):
        cells = [described_number(row[column]) for column in (*keys, "runs")]
        cells.append(described_counts({outcome.name: row[f"runs/{outcome.name}"] for outcome in Outcome}))
        for name in losses:
            low, high = (row[f"{name}/ci95_{end}"] for end in ("low", "high"))
            interval = "" if isnan(low) else f"{described_number(low)} to {described_number(high)}"
            cells += [described_number(row[f"{name}/mean"]), interval]
        rows.append(cells)
    first = f"The first {LISTED} of {len(grouped)} configurations; " if len(grouped) > LISTED else ""
    return Listing(
        title=f"{len(grouped)} configurations, {runs} runs: means over the seeds",
        headings=headings,
        rows=rows,
        remark=f"{first}results.csv has every run.",
    )


def short_names(keys: Sequence[str]) -> list[str]:
    """Return the last part of each key, or the whole key where two end alike."""
    parts = [key.rsplit(".", 1)[-1] for key in keys]
    return [part if parts.count(part) == 1 else key for key, part in zip(keys, parts, strict=True)]


def described_number(value: object) -> str:
    """Return a table's cell: numbers with four digits, nothing for a missing one."""
    if isinstance(value, float):
        return "" if isnan(value) else f"{value:.4g}"
    return "" if value is None else str(value)
