"""`student-score -m`: sweeps, as Hydra's sweeper and launcher of this project hand them over."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from student_score.commands.terminal import announce, detail, progress
from student_score.config.schema import Config
from student_score.errors import InputError, SweepError, TrackingError

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from hydra.core.utils import JobReturn
    from omegaconf import DictConfig

    from student_score.config.jobs import Job, Launch
    from student_score.sweeps.sweep import Failure, Membership, Sweep
    from student_score.tracking.record import RecordedRun

LISTED = 20
"""Failed jobs that one message names."""


def run_member(config: Config, membership: "Membership") -> float:
    """Train one network of a sweep, as one of Hydra's launchers wants it, and record it under the parent run."""
    from student_score.runs.execution import execute
    from student_score.runs.task import prepare
    from student_score.tracking.store import open_store

    run = execute(prepare(config))
    store = open_store(config.tracking.store_uri, config.tracking.experiment)
    store.record(membership.record(run), membership.parent_run_id)
    return run.objective


def launch_jobs(overrides: Sequence[Sequence[str]], loader: "ConfigLoader", base: "DictConfig") -> list["JobReturn"]:
    """Do what Hydra asks of a launcher: run jobs given as overrides."""
    from student_score.config.jobs import Composer, parsed

    return run_jobs([parsed(job, loader) for job in overrides], Composer(loader, base))


def sweep_arguments(
    arguments: Sequence[str], loader: "ConfigLoader", base: "DictConfig", launch: "Launch | None"
) -> None:
    """Do what Hydra asks of a sweeper: expand the arguments and run all jobs; see `run_sweep`."""
    from student_score.config.jobs import Composer, expand

    composer = Composer(loader, base)
    run_sweep(expand(arguments, loader), composer, composer.default, launch)


def run_jobs(jobs: Sequence["Job"], compose: Callable[["Job"], Config]) -> list["JobReturn"]:
    """Train and record the jobs that some other sweeper asks for, one after the other; there is no parent run."""
    from student_score.config.jobs import completed, failed, texts
    from student_score.runs.execution import execute
    from student_score.runs.recording import record
    from student_score.runs.task import prepare
    from student_score.tracking.store import open_store

    returns = []
    for job in jobs:
        try:
            config = compose(job)
            run = execute(prepare(config))
            store = open_store(config.tracking.store_uri, config.tracking.experiment)
            run_id = store.record(record(run))
            if config.tracking.log_model:
                from student_score.commands import models

                models.keep(store, run_id, run.task)
            returns.append(completed(run.objective, texts(job)))
        except Exception as error:  # The sweeper that asked decides what a failure means.
            returns.append(failed(error, texts(job)))
    return returns


def run_sweep(
    jobs: Sequence["Job"],
    compose: Callable[["Job"], Config],
    default: Callable[[], Config],
    launch: "Launch | None",
) -> None:
    """Run what is left of a sweep under its parent run, print and record the summary, judge its study.

    Args:
        jobs: what `jobs.expand` made of the arguments.
        compose: turns a job into its checked configuration.
        default: returns the configuration without any override.
        launch: one of Hydra's launchers; None trains as many networks at once as agree.

    Raises:
        InputError: before anything ran, naming every job that cannot; or another process runs this sweep.
        TrackingError: before anything ran, the store cannot be used.
        SweepError: some jobs failed, or the store or the study did; the others are recorded.
    """
    from student_score.sweeps.holding import held
    from student_score.sweeps.outlook import outlook
    from student_score.sweeps.plan import make_plan
    from student_score.sweeps.sweep import open_sweep
    from student_score.tracking.store import Store

    clock = perf_counter()
    plan = make_plan(jobs, compose)
    config = plan.config
    if config.study is not None:
        from student_score.commands import study

        study.check_sweep(config.study, plan, default())
    detail(f"{len(jobs)} jobs expanded, checked and identified in {perf_counter() - clock:.2f} s")
    if config.sweep.dry_run:
        print("\n".join(outlook(plan)))
        return
    with held(plan):
        opened = open_sweep(plan, Store(config.tracking.store_uri, config.tracking.experiment))
        detail(f"Runs are recorded {opened.store.writer.way}")
        for remark in opened.remarks:
            print(remark)
        with accounted(opened) as count:
            runs, failures = (opened.runs(), []) if opened.closed else conduct(opened, launch, count)
            report_sweep(opened, runs)
            if config.tracking.log_model:
                from student_score.commands import models

                models.keep_best(opened)
        if failures:
            listed = "; ".join(failure.sentence for failure in failures[:LISTED])
            more = f"; and {len(failures) - LISTED} more" if len(failures) > LISTED else ""
            raise SweepError(f"{len(failures)} of {len(plan.members)} jobs failed: {listed}{more}")
        if config.study is not None:
            judge(config.study, opened, runs)
        elif opened.closed:  # What a sweep lacks when it is closed, its figures say.
            for sentence in opened.lacking(runs):
                announce(sentence)


def conduct(
    opened: "Sweep", launch: "Launch | None", count: Callable[[int], None]
) -> tuple[list["RecordedRun"], list["Failure"]]:
    """Run what is left of a sweep and close it; tell `count` how many more are done."""
    from student_score.sweeps import work

    clock = perf_counter()
    with work.running(opened):
        with progress(len(opened.todo)) as advance:

            def both(more: int) -> None:
                count(more)
                advance(more)

            run = partial(work.run_launched, opened, launch) if launch else partial(work.run_together, opened)
            failures = run(both)
        detail(f"{len(opened.todo)} runs trained and recorded in {perf_counter() - clock:.2f} s")
        clock = perf_counter()
        runs = opened.close(failures)
        detail(f"summary and figures in {perf_counter() - clock:.2f} s")
    return runs, failures


@contextmanager
def accounted(opened: "Sweep") -> Iterator[Callable[[int], None]]:
    """Let a failure and an interruption say what is recorded and how to go on; yield what counts the runs meanwhile."""
    done = len(opened.plan.members) - len(opened.todo)

    def count(more: int) -> None:
        nonlocal done
        done += more

    try:
        yield count
    except (TrackingError, SweepError) as error:
        raise SweepError(f"{error}. {going_on(opened, done)}") from error
    except (KeyboardInterrupt, SystemExit):
        announce(f"student-score: {going_on(opened, done)}")
        raise


def going_on(opened: "Sweep", done: int) -> str:
    """Return the sentence that says what is recorded and how to continue; `done` runs if the store does not tell."""
    total, fresh = len(opened.plan.members), opened.plan.config.sweep.fresh
    if not opened.is_in_place():
        done = 0
    else:
        with suppress(TrackingError):
            done = len(opened.runs())
    what = "runs the others" if done < total else "does what is left to do"
    return f"{done} of {total} runs are recorded; the same command{' without sweep.fresh=true' * fresh} {what}"


def judge(name: str, opened: "Sweep", runs: Sequence["RecordedRun"]) -> None:
    """Judge the study of a sweep; SweepError if runs have lost what it reads, or its verdicts cannot be recorded."""
    from student_score.commands import study

    if gone := opened.lacking(runs):
        raise SweepError(f"the study {name} was not judged: {gone[0]}")
    try:
        study.close(name, runs, opened.store, opened.parent_run_id)
    except (InputError, TrackingError) as error:
        said = f"the study {name} was not judged: {error}. All {len(runs)} runs are recorded"
        raise SweepError(f"{said}; the same command judges them again") from error


def report_sweep(opened: "Sweep", runs: Sequence["RecordedRun"]) -> None:
    """Print a line for each configuration of a sweep, where its runs are recorded, and what it found."""
    from student_score.commands.tables import print_table
    from student_score.model.outcome import Outcome
    from student_score.sweeps.listing import listing
    from student_score.sweeps.table import results
    from student_score.sweeps.words import counts

    if not runs:
        return
    table = results(runs, opened.plan.swept)
    print_table(listing(table, opened.plan.swept))
    print("\n".join(f"{number:,} {name}: {Outcome[name].sentence}" for name, number in counts(table).items() if number))
    print(f"\nRecorded under the parent run {opened.parent_run_id} in {opened.store.uri}")
    chart, table_page = opened.store.sweep_links(opened.parent_run_id)
    print(f"To look at them, start student-score-ui; curves: {chart}\ntable: {table_page}")
    print("\n" + "\n".join(opened.conclusion(table)), flush=True)
