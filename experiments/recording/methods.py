"""The methods that are timed. Each measures itself once in an empty folder and returns what differs in its row."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from student_score.tracking.client import ClientWriter
from student_score.tracking.record import Record
from student_score.tracking.store import Store

from .extent import DATA, Extent
from .processes import student_score, timed

COST, PEAK = "milliseconds_per_run", "peak_megabytes"
"""Columns of the table: what is compared, and the peak memory of a command where it is measured."""

SCRIPT = Path(__file__).with_name("plain.py")
"""A sweep as most people write it."""

SWEEP, CLIENT = "student-score -m", "MLflow's client alone"
PLAIN, EACH_EPOCH = "plain script, log_batch", "plain script, log_metric each epoch"
SWEEP_HTTP, CLIENT_HTTP = "student-score -m, over HTTP", "MLflow's client alone, over HTTP"
ONE_HTTP = "student-score -m, over HTTP, one run"
PLANNING = "student-score -m sweep.dry_run=true"

Row = dict[str, Any]
"""Of the table."""

Method = Callable[[Path], Row]


def sweep(extent: Extent, folder: Path, address: str | None = None) -> Row:
    """The whole command: the runs and the summary, in a new SQLite store or in a new experiment of another store."""
    uri = address or sqlite(folder)
    settings = [f"tracking.uri={uri}", f"tracking.experiment={folder.name}"]
    done = student_score([*extent.arguments(), *settings], folder=folder, uri=uri)
    require_runs(uri, folder.name, extent.runs + 1)
    return cost_row(extent.epochs, extent.runs, done["seconds"]) | {PEAK: done[PEAK]}


def client(stored: Sequence[Record], epochs: int, folder: Path, uri: str | None = None) -> Row:
    """MLflow's client, which writes one run after the other, to a new SQLite store or another; it is open before."""
    store = Store(uri or sqlite(folder), folder.name)
    store.writer = ClientWriter(client=store.client, experiment_id=store.experiment_id, way="one by one")
    parent_run_id = store.create("parent", {}, "", int(time.time() * 1000))
    started = perf_counter()
    store.record_many(stored, parent_run_id)
    return cost_row(epochs, len(stored), perf_counter() - started)


def script(extent: Extent, folder: Path, *, each_epoch: bool) -> Row:
    """The plain script: many jobs that log their curves at once, or a job of 1 epoch and one that logs each epoch."""
    rates = np.geomspace(1e-5, 1e-3, extent.script_runs)
    swept = (
        ["each_epoch=true", f"epochs=1,{extent.epochs}"]
        if each_epoch
        else [f"epochs={extent.epochs}", f"learning_rate={','.join(f'{rate:.6g}' for rate in rates)}"]
    )
    done = timed([sys.executable, str(SCRIPT), "-m", f"data={DATA}", *swept], folder=folder, uri=sqlite(folder))
    ends = [float(line.split()[-1]) for line in done["output"].splitlines() if line.startswith("ended at")]
    require_runs(sqlite(folder), "Default", 2 if each_epoch else extent.script_runs)
    return cost_row(extent.epochs, len(ends) - 1, ends[-1] - ends[0])


def planning(extent: Extent, folder: Path) -> Row:
    """The whole command that says what a large sweep would do."""
    large = replace(extent, rates=extent.planned_rates)
    done = student_score([*large.arguments(), "sweep.dry_run=true"], folder=folder, uri=sqlite(folder))
    if f"{large.runs} to run" not in done["output"]:
        raise RuntimeError(f"{large.runs} jobs were to be planned: {done['output'][:200]}")
    return cost_row(large.epochs, large.runs, done["seconds"]) | {PEAK: done[PEAK]}


def sqlite(folder: Path) -> str:
    """Return the address of a folder's store."""
    return f"sqlite:///{folder / 'mlflow.db'}"


def require_runs(uri: str, experiment: str, number: int) -> None:
    """Raise RuntimeError unless a store holds so many finished runs: leaving some out is the easiest way to be fast."""
    found = len(Store(uri, experiment).search("attributes.status = 'FINISHED'"))
    if found != number:
        raise RuntimeError(f"{uri} holds {found} finished runs, not {number}")


def cost_row(epochs: int, runs: int, seconds: float) -> Row:
    """Return what some runs took."""
    return {"runs": runs, "epochs": epochs, "seconds": seconds, COST: seconds / runs * 1e3}
