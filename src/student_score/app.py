"""The commands: `student-score` trains one network or sweeps many, `student-score-ui` serves the MLflow UI."""

import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from student_score.config import REPOSITORY, Config, composition_problem, register, to_config
from student_score.errors import InputError, TrackingError

if TYPE_CHECKING:
    from hydra.core.utils import JobReturn

    from student_score.sweep import Sweep
    from student_score.tracking import Store

BAD_INPUT, FAILED, INTERRUPTED, TERMINATED = 2, 1, 130, 143
"""Exit codes."""


class SweepError(Exception):
    """Some jobs of a sweep failed; what failed has been said."""


def main() -> NoReturn:
    """Run the Hydra app; every failure ends in a sentence on stderr and an exit code."""
    # A quarter of a short run went into collecting garbage among the modules of mlflow and scikit-learn, where there
    # is none: while they are imported, and once more when the interpreter ends.
    gc.set_threshold(50_000, 20, 20)
    # Hydra formats errors its own way and exits with 1, unless told to raise them: then the sentences below apply.
    traceback_wanted = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # So that an open sweep is closed as KILLED.
    register()
    try:
        hydra.main(version_base="1.3", config_path=str(REPOSITORY / "conf"), config_name="config")(run_job)()
    except KeyboardInterrupt:
        sys.exit(complain("interrupted; what was recorded so far stays", INTERRUPTED))
    except Exception as error:
        if traceback_wanted:
            raise
        sys.exit(explain(error))
    finally:
        gc.freeze()
    sys.exit(0)


def explain(error: Exception) -> int:
    """Say in one or two sentences what went wrong, and return the exit code."""
    if isinstance(error, SweepError):
        return complain(str(error), FAILED)
    if isinstance(error, InputError):
        return complain(str(error), BAD_INPUT)
    if isinstance(error, TrackingError):
        return complain(f"{error}. The training was not recorded.", BAD_INPUT)
    if isinstance(error, HydraException | OmegaConfBaseException):
        return complain(composition_problem(error), BAD_INPUT)
    return complain(f"unexpected {type(error).__name__}: {error}. HYDRA_FULL_ERROR=1 shows where it happened.", FAILED)


def complain(sentence: str, code: int) -> int:
    """Write one line to stderr and return the exit code."""
    print(f"student-score: {sentence}", file=sys.stderr)
    return code


def run_job(composed: DictConfig) -> None:
    """Do one job: a single training, one training of a sweep, or a study's table of trainings."""
    from student_score.sweep import Membership

    membership = Membership.current()
    if membership is not None:
        run_member(to_config(composed), membership)
        return
    try:
        run_alone(to_config(composed))
    except (InputError, TrackingError, OmegaConfBaseException) as error:
        # Raised through Hydra, this would be preceded by a line of Hydra's own.
        sys.exit(explain(error))


def run_alone(config: Config) -> None:
    """Train and print, then record; or run a study that keeps its trainings in one table."""
    from student_score import run
    from student_score.tracking import check_reachable

    uri = config.tracking.store_uri
    task = run.prepare(config)
    check_reachable(uri)
    if config.study is not None:
        from student_score import study

        if study.has_own_trainings(config.study):
            with waiting(f"Training the networks of the study {config.study}"):
                store, run_id, table = study.record_trainings(config.study, config)
            close_study(config.study, table, store, run_id)
            return
    with waiting("Training; a network of a new size is first compiled, which takes some seconds"):
        result = run.execute(task)
    print("\n".join(run.transcript(result)), flush=True)
    from student_score.tracking import Store

    store = Store(uri, config.tracking.experiment)
    run_id = store.record(run.record(result))
    print(f"\nRecorded as run {run_id} of experiment {config.tracking.experiment} in {uri}")
    if config.study is not None:
        print(f"The study {config.study} judges a sweep: student-score -m experiment={config.study}")


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show on a terminal that something is under way, if it takes longer than a moment."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def run_member(config: Config, membership: Any) -> None:
    """Train one network of a sweep, record it under the parent run, print one line."""
    from student_score import run
    from student_score.tracking import open_store

    result = run.execute(run.prepare(config))
    store = open_store(config.tracking.store_uri, config.tracking.experiment)
    record = run.record(result, swept=membership.swept, tags={"sweep_id": membership.sweep_id})
    store.record(record, membership.parent_run_id)
    trajectory = result.trajectory
    print(f"{record.name}: {trajectory.outcome.name}, avg_loss {trajectory.avg_loss[-1]:.4g}", flush=True)


def run_sweep(
    jobs: Sequence[Sequence[str]],
    compose: Callable[[Sequence[str]], Any],
    launch: Callable[[], Sequence["JobReturn"]],
) -> Sequence["JobReturn"]:
    """Run a sweep's jobs under one parent run, print and record the summary, judge the study it belongs to.

    Raises:
        InputError: before anything ran, naming every job that cannot.
        SweepError: after everything ran, naming every job that failed.
    """
    from student_score import study, sweep

    tasks = sweep.check_jobs(jobs, compose)
    name = tasks[0].config.study
    if name is not None and study.has_own_trainings(name):
        raise InputError(f"the study {name} is no sweep; run it without -m: student-score experiment={name}")
    opened = sweep.open_sweep(jobs, tasks)
    with sweep.running(opened):
        returns = launch()
        failures = sweep.failures(jobs, returns)
        opened.close(failures)
    report_sweep(opened)
    if failures:
        listed = "; ".join(f"{' '.join(job)}: {error}" for job, error in failures)
        raise SweepError(f"{len(failures)} of {len(jobs)} jobs failed: {listed}")
    if opened.config.study is not None:
        runs = opened.store.children(opened.membership.parent_run_id)
        close_study(opened.config.study, runs, opened.store, opened.membership.parent_run_id)
    return returns


def report_sweep(opened: "Sweep") -> None:
    """Print a row for each run of a sweep, and where they are recorded."""
    from rich.console import Console
    from rich.table import Table

    from student_score.run import described_number

    table = opened.table()
    if table.empty:
        return
    headings = {key: key.rsplit(".", 1)[-1] for key in opened.membership.swept}
    headings |= {name: name for name in ("outcome", "avg_loss", "train_mse")}
    headings |= {"baseline/linear/train_mse": "linear regression"}
    shown = Table(*headings.values(), title=f"{len(table)} runs")
    for row in table.to_dict("records"):
        shown.add_row(*(described_number(row[column]) for column in headings))
    print()
    Console(width=None if sys.stdout.isatty() else 120).print(shown)
    counts = ", ".join(f"{count} {name}" for name, count in table["outcome"].value_counts().items())
    print(f"{counts}. Recorded under run {opened.membership.parent_run_id} in {opened.store.uri}", flush=True)


def close_study(name: str, records: Any, store: "Store", run_id: str) -> None:
    """Judge a study on its records and print what it reports, then its verdicts with the numbers behind them."""
    from student_score import study

    judgements = study.conclude(name, records, store=store, run_id=run_id)
    print("\n".join(study.load(name).report(records)))
    print(f"\nVerdicts of the study {name} (experiments/{name}/results):")
    for item in judgements:
        numbers = ", ".join(f"{key} {value}" for key, value in item.measured.items())
        print(f"  {item.verdict.name.upper()}: {item.claim.sentence}\n      {numbers}")


PORT = 5000


def ui() -> NoReturn:
    """Serve the MLflow UI of the recorded runs on loopback and print the link to their chart."""
    import argparse

    from student_score.config import TrackingConfig
    from student_score.tracking import Store, server_command

    parser = argparse.ArgumentParser(prog="student-score-ui", description=ui.__doc__)
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--experiment", default=TrackingConfig().experiment, help="whose chart the link opens")
    parser.add_argument("--link-only", action="store_true", help="print the link and do not serve")
    arguments = parser.parse_args()
    uri = TrackingConfig().store_uri
    try:
        store = Store(uri, arguments.experiment)
    except (InputError, TrackingError) as error:
        sys.exit(complain(str(error), BAD_INPUT))
    link = store.chart_link(f"http://127.0.0.1:{arguments.port}")
    if uri.startswith("http"):
        print(f"The runs are on a server of their own: {store.chart_link(uri.rstrip('/'))}")
        sys.exit(0)
    print(f"Chart of the runs: {link}", flush=True)
    if arguments.link_only:
        sys.exit(0)
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", arguments.port)) == 0:
            sys.exit(complain(f"port {arguments.port} is in use; choose another with --port", BAD_INPUT))
    command = server_command(uri, port=arguments.port)
    os.execv(command[0], command)  # noqa: S606 - the UI takes this process's place, so Ctrl-C reaches it alone


if __name__ == "__main__":
    main()
