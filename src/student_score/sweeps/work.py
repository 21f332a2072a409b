"""Doing the work of a sweep: trains what is left of it, records it, and notes what failed."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic

from hydra.core.utils import JobReturn

from student_score.config.jobs import Launch, causes, texts
from student_score.errors import SweepError, TrackingError
from student_score.runs import execution
from student_score.runs.execution import Run
from student_score.runs.task import Task
from student_score.sweeps.plan import Member
from student_score.sweeps.sweep import Failure, Sweep, cause
from student_score.tracking.record import Record

SECONDS_AT_ONCE = 2.0
"""Runs are recorded together: as many as the store's writer takes at once, or when the oldest has waited so long."""

SECONDS_BETWEEN_LOOKS = 2.0
"""Between two looks at what a launcher's jobs have recorded; where looking takes long, ten times as long as it does."""


@contextmanager
def running(sweep: Sweep) -> Iterator[None]:
    """Announce the sweep to its jobs; an interruption ends the parent run as KILLED, an error as FAILED."""
    try:
        with sweep.membership.announced():
            yield
    except BaseException as error:
        status = "FAILED" if isinstance(error, Exception) else "KILLED"
        try:
            sweep.store.end(sweep.parent_run_id, status)
        except TrackingError as second:  # The store is gone too: say so, but do not hide what came first.
            error.add_note(str(second))
        raise


def run_together(sweep: Sweep, progress: Callable[[int], None]) -> list[Failure]:
    """Train and record what is left, as many runs at once as agree; report how many more are done to `progress`."""
    failures: list[Failure] = []
    waiting: list[Record] = []
    oldest = monotonic()

    def write() -> None:
        sweep.store.record_many(waiting, sweep.parent_run_id)
        sweep.check_place()
        progress(len(waiting))
        waiting.clear()

    for member, outcome in trained(sweep.todo):
        if not waiting:
            oldest = monotonic()
        if isinstance(outcome, Run):
            waiting.append(sweep.membership.record(outcome))
        else:
            waiting.append(sweep.membership.failure(member.task, outcome))
            failures.append(Failure(member=member, error=outcome))
            if sweep.plan.config.sweep.fail_fast:
                break
        if len(waiting) >= sweep.store.writer.at_once or monotonic() - oldest > SECONDS_AT_ONCE:
            write()
    if waiting:
        write()
    return failures


def trained(members: Sequence[Member]) -> Iterator[tuple[Member, Run | Exception]]:
    """Train members that agree together, and yield each with its run or with what it raised."""
    groups: dict[tuple[object, ...], list[Member]] = {}
    for member in members:
        groups.setdefault(member.task.together, []).append(member)
    for group in groups.values():
        at_once = group[0].task.most_together
        for first in range(0, len(group), at_once):
            batch = group[first : first + at_once]
            yield from zip(batch, attempted([member.task for member in batch]), strict=True)


def attempted(tasks: Sequence[Task]) -> Iterable[Run | Exception]:
    """Return each task's run; if they cannot be trained together, one by one, or what it raises."""
    try:
        return execution.execute_together(tasks)
    except Exception as error:  # Whatever fails is recorded with its cause, and the others go on.
        if len(tasks) == 1:
            return [error]
    return [outcome for task in tasks for outcome in attempted([task])]


def run_launched(sweep: Sweep, launch: Launch, progress: Callable[[int], None]) -> list[Failure]:
    """Let one of Hydra's launchers run what is left, each job in its own way, and record the failures.

    Raises:
        SweepError: the launcher itself fails.
    """
    failures: list[Failure] = []
    fail_fast = sweep.plan.config.sweep.fail_fast
    at_once = (os.cpu_count() or 1) if fail_fast else max(1, len(sweep.todo))
    for first in range(0, len(sweep.todo), at_once):
        batch = sweep.todo[first : first + at_once]
        with watched(sweep, len(batch), progress):
            raised = causes(launched(launch, batch))
        found = [Failure(member=m, error=error) for m, error in zip(batch, raised, strict=True) if error is not None]
        sweep.store.record_many(
            [sweep.membership.failure(failure.member.task, failure.error) for failure in found], sweep.parent_run_id
        )
        failures += found
        if failures and fail_fast:
            break
    return failures


def launched(launch: Launch, members: Sequence[Member]) -> Sequence[JobReturn]:
    """Return what a launcher tells of some jobs; SweepError if it fails itself, whatever it raises."""
    try:
        return launch([texts(member.job) for member in members])
    except Exception as error:  # Each launcher has errors of its own: a queue that is away, a worker that was killed.
        raise SweepError(f"the launcher failed: {type(error).__name__}: {cause(error)}") from error


@contextmanager
def watched(sweep: Sweep, total: int, progress: Callable[[int], None]) -> Iterator[None]:
    """Report to `progress`, while a launcher works, what its jobs record, and at its end what is missing to `total`.

    The jobs run in other processes: only the store can tell.
    """
    known = len(sweep.runs())
    ended = Event()
    done = 0

    def look() -> None:
        nonlocal done
        pause = SECONDS_BETWEEN_LOOKS
        while not ended.wait(pause):
            clock = monotonic()
            try:
                recorded = min(len(sweep.runs()) - known, total)
            except TrackingError:  # The jobs will say so.
                return
            pause = max(pause, 10 * (monotonic() - clock))
            if recorded > done and not ended.is_set():
                progress(recorded - done)
                done = recorded

    watcher = Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
        ended.set()
        watcher.join()
        progress(total - done)
    finally:
        ended.set()
