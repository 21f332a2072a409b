"""A sweep: many runs under one parent run, checked before the first starts and summarised after the last."""

import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from student_score.config import Config, composition_problem, flattened, plain, to_config
from student_score.errors import InputError, TrackingError
from student_score.outcome import Outcome
from student_score.run import Task, prepare
from student_score.tracking import RecordedRun, Store

if TYPE_CHECKING:
    import pandas as pd

Failure = tuple[Sequence[str], Exception]
"""A job, as its overrides, and what it raised."""

MEMBERSHIP = "STUDENT_SCORE_SWEEP"
"""Environment variable that tells a job, in whatever process a launcher starts it, which sweep it belongs to."""


@dataclass(frozen=True, kw_only=True)
class Membership:
    """What a job knows of its sweep: the parent run, the sweep's identity, the keys that were swept."""

    parent_run_id: str
    sweep_id: str
    swept: tuple[str, ...]

    @classmethod
    def current(cls) -> "Membership | None":
        """Return the sweep this process works for, or None."""
        text = os.environ.get(MEMBERSHIP)
        if text is None:
            return None
        values = json.loads(text)
        return cls(**{**values, "swept": tuple(values["swept"])})

    @contextmanager
    def announced(self) -> Iterator[None]:
        """Make this membership `current` here and in processes started meanwhile."""
        os.environ[MEMBERSHIP] = json.dumps(asdict(self))
        try:
            yield
        finally:
            del os.environ[MEMBERSHIP]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep whose jobs have all been checked, and its parent run."""

    config: Config
    jobs: Sequence[Sequence[str]]
    membership: Membership
    store: Store

    def table(self) -> "pd.DataFrame":
        """Return a row for each recorded run: swept values, outcome, losses, baselines, epochs, run id."""
        import pandas as pd

        runs = self.store.children(self.membership.parent_run_id)
        return pd.DataFrame([result_row(run, self.membership.swept) for run in runs])

    def close(self, failures: Sequence[Failure]) -> None:
        """Write the summary to the parent run and end it."""
        from student_score import figures  # Late: importing matplotlib takes a second.

        table = self.table()
        counts = Counter(table["outcome"]) if len(table) else Counter()
        metrics = {f"runs/{outcome.name}": float(counts[outcome.name]) for outcome in Outcome}
        metrics |= {"runs": float(len(table)), "runs/failed": float(len(failures))}
        tags = {"outcomes": ", ".join(f"{n} {name}" for name, n in counts.most_common()) or "no runs"}
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            table.to_csv(folder / "results.csv", index=False)
            table.to_parquet(folder / "results.parquet", index=False)
            if failures:
                lines = [f"{' '.join(job)}: {error}" for job, error in failures]
                (folder / "failures.txt").write_text("\n".join(lines) + "\n")
            if len(table):
                figures.sweep(table, self.membership.swept, folder / "results.png")
            status = "FAILED" if failures else "FINISHED"
            self.store.finish(self.membership.parent_run_id, status, tags=tags, metrics=metrics, folder=folder)


def check_jobs(jobs: Sequence[Sequence[str]], compose: Callable[[Sequence[str]], Any]) -> list[Task]:
    """Compose and prepare every job.

    Raises:
        InputError: naming every job that cannot run, by its overrides, and why.
    """
    tasks: list[Task] = []
    problems: list[tuple[Sequence[str], str]] = []
    for job in jobs:
        try:
            tasks.append(prepare(to_config(compose(job))))
        except InputError as error:
            problems.append((job, str(error)))
        except (HydraException, OmegaConfBaseException) as error:
            problems.append((job, composition_problem(error)))
    if len(problems) == 1 == len(jobs):
        raise InputError(problems[0][1])
    if problems:
        listed = " | ".join(f"{' '.join(job)}: {problem}" for job, problem in problems)
        raise InputError(f"{len(problems)} of {len(jobs)} jobs cannot run, so none was started. {listed}")
    return tasks


def open_sweep(jobs: Sequence[Sequence[str]], tasks: Sequence[Task]) -> Sweep:
    """Create the parent run of jobs that have been checked: `tasks` is what `check_jobs` made of them."""
    config = tasks[0].config
    swept = swept_keys([task.config for task in tasks], written=[override.partition("=")[0] for override in jobs[0]])
    identity = hashlib.sha256("\n".join(sorted(task.identity for task in tasks)).encode()).hexdigest()
    store = Store(config.tracking.store_uri, config.tracking.experiment)
    name = f"sweep of {', '.join(key.rsplit('.', 1)[-1] for key in swept) or 'one job'} ({len(jobs)} runs)"
    tags = {"kind": "sweep", "sweep_id": identity, "swept": json.dumps(swept)}
    parent_run_id = store.create(name, tags, f"{len(jobs)} runs of `{config.study or 'student-score'}`.", now())
    membership = Membership(parent_run_id=parent_run_id, sweep_id=identity, swept=tuple(swept))
    return Sweep(config=config, jobs=jobs, membership=membership, store=store)


def failures(jobs: Sequence[Sequence[str]], returns: Sequence[JobReturn]) -> list[Failure]:
    """Return the jobs that raised, each with what it raised."""
    return [
        (job, done._return_value)  # noqa: SLF001 - the public return_value prints a line and raises
        for job, done in zip(jobs, returns, strict=True)
        if done.status is not JobStatus.COMPLETED
    ]


@contextmanager
def running(sweep: Sweep) -> Iterator[None]:
    """Announce the sweep to its jobs; an interruption ends the parent run as KILLED, an error as FAILED."""
    try:
        with sweep.membership.announced():
            yield
    except BaseException as error:
        status = "FAILED" if isinstance(error, Exception) else "KILLED"
        try:
            sweep.store.end(sweep.membership.parent_run_id, status)
        except TrackingError as second:  # The store is gone too: say so, but do not hide what came first.
            error.add_note(str(second))
        raise


def swept_keys(configs: Sequence[Config], *, written: Sequence[str]) -> list[str]:
    """Return the configuration keys in which the jobs differ, in the order of the keys or groups `written`."""
    flat = [flattened(plain(config)) for config in configs]
    differing = [key for key in flat[0] if any(other[key] != flat[0][key] for other in flat[1:])]
    places = {name: place for place, name in enumerate(written)}
    return sorted(differing, key=lambda key: places.get(key, places.get(key.split(".", 1)[0], len(places))))


def result_row(run: RecordedRun, swept: Sequence[str]) -> dict[str, Any]:
    """Return a recorded run as a row of results.csv."""
    metrics = ("avg_loss", "log10_avg_loss", "train_mse", "test_mse", "collapse_epoch", "diverged_epoch")
    baselines = [name for name in run.metrics if name.startswith("baseline/")]
    return {
        **{key: parsed(run.params[key]) for key in swept},
        "outcome": run.tags.get("outcome", "unknown"),
        **{name: run.metrics.get(name) for name in (*metrics, *sorted(baselines))},
        "name": run.name,
        "run_id": run.run_id,
    }


def parsed(text: str) -> Any:
    """Return a recorded parameter as the number it is, else as text; lists stay text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float) else text


def now() -> int:
    """Return the time in milliseconds since 1970."""
    return int(time() * 1000)
