"""How long a sweep takes on this machine: a little of its own work is done and timed, in a store that is thrown away.

What takes seconds of its own, to start, to draw figures, to compile, is not tried but told from how fast the rest went.
"""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from student_score.config.jobs import filled
from student_score.errors import TrackingError
from student_score.runs import execution
from student_score.runs.execution import Run
from student_score.runs.recording import record
from student_score.runs.task import Task
from student_score.sweeps.plan import Member
from student_score.sweeps.work import trained
from student_score.tracking.address import sqlite_path
from student_score.tracking.store import Store
from student_score.training.setup import Effort, Setup, Trainer
from student_score.training.train import train_each

SAMPLE, SAMPLE_UPDATES = 20, 1e4
"""Runs that are tried, and parameter updates of each: their epochs are cut down to that."""

TRIED_UPDATES = 1e6
"""Updates of the training that is timed, some 0.1 s, and of all runs that are tried, should an epoch be long."""

RECORDING = 0.0039
"""Seconds to record a tried run where the constants below were measured: a slower machine takes longer for all."""

STARTING, FIRST, CLOSING, ROW, COMPILING = 0.7, 1.0, 1.1, 0.003, 3.5
"""Seconds to start and end the command, to import what trains, to draw the figures, to check, read and write a run, to
compile a kernel."""

RUN_ELSEWHERE = 0.1
"""Seconds to record a run through MLflow's client."""


def seconds(members: Sequence[Member], opening: float | None) -> float:
    """Return how long the runs of a sweep take, from the command to its last line.

    Args:
        members: the runs that are left, at least one.
        opening: how many seconds it took to open their store; None if it is yet to be made.
    """
    tried = [shortened(member) for member in sample(members)]
    first = first_seconds(tried[0])
    update = seconds_an_update(tried[0].task)
    clock = perf_counter()
    runs = [outcome for _, outcome in trained(tried) if isinstance(outcome, Run)]
    run = (perf_counter() - clock) / len(tried)
    if sqlite_path(members[0].task.config.tracking.store_uri) is None:
        return STARTING + (opening or 0) + first + len(members) * (run + RUN_ELSEWHERE) + CLOSING
    making, recording = recording_seconds(runs) if runs else (0.0, RECORDING)
    compiled, training = training_seconds(members, update)
    fixed = STARTING + CLOSING + ROW * len(members) + COMPILING * compiled
    opening = making if opening is None else opening
    return opening + first + len(members) * (run + recording) + training + fixed * recording / RECORDING


def first_seconds(member: Member) -> float:
    """Return how long the first training takes, which imports the trainer and what baselines need."""
    clock = perf_counter()
    compiled: list[float] = []
    with nullcontext() if by_reference(member.task) else on_compiling(lambda: compiled.append(perf_counter())):
        list(trained([member]))
    # What was compiled now is there when the sweep runs.
    return FIRST if compiled else perf_counter() - clock


def on_compiling(call: Callable[[], None]) -> AbstractContextManager[None]:
    """Call a function when a kernel is compiled; it takes half a second to import what can tell."""
    from student_score.training.engine.compiling import on_compiling

    return on_compiling(call)


def sample(members: Sequence[Member]) -> list[Member]:
    """Return some of the members, from all over the sweep."""
    count = min(SAMPLE, len(members), max(1, int(TRIED_UPDATES / updates_an_epoch(members[0].task))))
    return [members[k * len(members) // count] for k in range(count)]


def updates_an_epoch(task: Task) -> int:
    """Return how many updates of a parameter an epoch takes."""
    return len(task.split.train) * task.start.size


def shortened(member: Member) -> Member:
    """Return a member whose training ends after few updates."""
    config = member.task.config
    epochs = min(config.training.epochs, max(1, int(SAMPLE_UPDATES / updates_an_epoch(member.task))))
    return replace(member, task=replace(member.task, config=filled(config, {"training.epochs": epochs})))


def by_reference(task: Task) -> bool:
    """Say whether the reference trainer trains a task."""
    return task.config.training.trainer is Trainer.reference or bool(task.config.training.observe)


def setup_of(task: Task, epochs: int = 1) -> Setup:
    """Return what the trainers are asked for."""
    network, sampling = task.config.network, task.config.training.sampling
    return Setup(
        split=task.split,
        hidden_size=network.hidden_size,
        epochs=epochs,
        activation=network.activation,
        sampling=sampling,
    )


def seconds_an_update(task: Task) -> float:
    """Return how long the general kernel, or the reference trainer, takes to update one parameter once."""
    epochs = max(1, int(TRIED_UPDATES / updates_an_epoch(task)))
    # At so small a rate nothing diverges, which would end a training early.
    networks = replace(execution.networks([task]), learning_rate=[1e-12])
    setup = setup_of(task, epochs)
    clock = perf_counter()
    if by_reference(task):
        list(train_each(setup, networks, trainer=Trainer.reference))
    else:
        from student_score.training.engine import train_networks

        train_networks(setup, networks, Effort(threads=1, special=False))
    return (perf_counter() - clock) / (epochs * updates_an_epoch(task))


def recording_seconds(runs: Sequence[Run]) -> tuple[float, float]:
    """Return how long it takes to make a store of the local kind, and to record a run in it, in company.

    Where no temporary folder has room for it, this machine is taken for that of the constants.
    """
    try:
        with tempfile.TemporaryDirectory() as name:
            clock = perf_counter()
            store = Store(f"sqlite:///{Path(name) / 'mlflow.db'}", "student-score")
            making = perf_counter() - clock
            store.record(record(runs[0]))
            clock = perf_counter()
            store.record_many([record(run) for run in runs])
            return making, (perf_counter() - clock) / len(runs)
    except (OSError, TrackingError):
        return 0.0, RECORDING


def training_seconds(members: Sequence[Member], update: float) -> tuple[int, float]:
    """Return how many kernels have to be compiled, and how long the trainings take beyond what was tried of them."""
    groups: dict[tuple[object, ...], list[Task]] = defaultdict(list)
    for member in members:
        groups[member.task.together].append(member.task)
    slow, fast = ([tasks for tasks in groups.values() if by_reference(tasks[0]) is kind] for kind in (True, False))
    beyond = sum(len(tasks) * updates_beyond(tasks[0]) * update for tasks in slow)
    if not fast:
        return 0, beyond
    from student_score.training.engine.batch import GENERAL_COST, checked_threads, special_constants
    from student_score.training.engine.cache import SPECIAL_UPDATES
    from student_score.training.engine.compiling import is_compiled

    asked: Counter[tuple[int, ...]] = Counter()
    known = [special_constants(setup_of(tasks[0]), len(tasks)) for tasks in fast]
    for tasks, constants in zip(fast, known, strict=True):
        asked[constants] += len(tasks) * tasks[0].config.training.epochs * updates_an_epoch(tasks[0])
    compiled = {constants for constants in asked if is_compiled(constants)}
    special = compiled | {constants for constants, updates in asked.items() if updates > SPECIAL_UPDATES}
    for tasks, constants in zip(fast, known, strict=True):
        cost = update / (GENERAL_COST if constants in special else 1) / min(len(tasks), checked_threads(None))
        beyond += len(tasks) * updates_beyond(tasks[0]) * cost
    return len(special - compiled), beyond


def updates_beyond(task: Task) -> float:
    """Return how many updates of a training were not tried."""
    return max(0.0, task.config.training.epochs * updates_an_epoch(task) - SAMPLE_UPDATES)
