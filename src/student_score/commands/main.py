"""The command `student-score`: trains one network, or sweeps many with -m, or runs a study."""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

import hydra
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from student_score.commands.terminal import TERMINATED, Details, explain, interrupted, waiting
from student_score.config.compose import register, to_config
from student_score.config.schema import Config, SweepConfig
from student_score.errors import InputError, TrackingError
from student_score.paths import CONF


def main() -> NoReturn:
    """Run the Hydra app; every failure ends in a sentence on stderr and an exit code."""
    # A quarter of a short run went into collecting garbage among the modules of mlflow and scikit-learn, where there
    # is none: while they are imported, and once more when the interpreter ends.
    gc.set_threshold(50_000, 20, 20)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # So that an open sweep is closed as KILLED.
    try:
        code = student_score(sys.argv[1:])
    finally:
        gc.freeze()
    sys.exit(code)


def student_score(arguments: Sequence[str]) -> int:
    """Run the Hydra app with the given arguments and return its exit code."""
    traceback_wanted = os.environ.get("HYDRA_FULL_ERROR")
    argv, Details.wanted = sys.argv, "-v" in arguments
    sys.argv = [argv[0], *(argument for argument in arguments if argument != "-v")]
    # Hydra formats errors its own way and exits with 1, unless told to raise them.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    register()
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(run_job)()
    except KeyboardInterrupt:
        return interrupted()
    except SystemExit as leaving:
        if not isinstance(leaving.code, int):
            raise
        return leaving.code
    except Exception as error:
        if traceback_wanted == "1":
            raise
        return explain(error)
    finally:
        sys.argv = argv
        os.environ.pop("HYDRA_FULL_ERROR")
        if traceback_wanted is not None:
            os.environ["HYDRA_FULL_ERROR"] = traceback_wanted
    return 0


def run_job(composed: DictConfig) -> float:
    """Do one job: a single training, one training of a sweep, or a study's table of trainings.

    Returns what an optimising sweeper would make small: the final mean squared error, of the test rows if there are
    any; infinite if the training diverged.
    """
    from student_score.sweeps.sweep import Membership

    membership = Membership.current()
    if membership is not None:
        from student_score.commands.sweep import run_member

        return run_member(to_config(composed), membership)
    try:
        return run_alone(to_config(composed))
    except (InputError, TrackingError, OmegaConfBaseException) as error:
        # Raised through Hydra, this would be preceded by a line of Hydra's own.
        sys.exit(explain(error))


def run_alone(config: Config) -> float:
    """Train and print, then record; or run a study that keeps its trainings in one table."""
    from student_score.runs.execution import execute
    from student_score.runs.recording import record
    from student_score.runs.task import prepare
    from student_score.runs.transcript import transcript
    from student_score.tracking.address import check_reachable

    if config.sweep != SweepConfig():
        raise InputError("sweep.fresh, sweep.dry_run and sweep.fail_fast are for sweeps: student-score -m ...")
    if config.study is not None:
        from student_score.commands import study

        if study.has_own_trainings(config.study):
            study.run_trainings(config.study, config)
            return 0.0
    task = prepare(config)
    check_reachable(config.tracking.store_uri)
    with waiting("Training; a network of a new size is first compiled, which takes some seconds"):
        run = execute(task)
    print("\n".join(transcript(run)), flush=True)
    from student_score.tracking.store import Store

    store = Store(config.tracking.store_uri, config.tracking.experiment)
    run_id = store.record(record(run))
    print(f"\nRecorded as run {run_id} of experiment {config.tracking.experiment} in {store.uri}")
    if config.study is not None:
        print(f"The study {config.study} judges a sweep: student-score -m experiment={config.study}")
    return run.objective
