"""The command `student-score`: trains one network, or sweeps many with -m, or runs a study."""

import gc
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import hydra
from omegaconf import DictConfig

from student_score.commands.terminal import (
    BAD_INPUT,
    FAILED,
    Details,
    announce,
    delivered,
    end_on_signals,
    explain,
    judged,
    waiting,
)
from student_score.config.compose import mistake, register, to_config
from student_score.config.jobs import register_functions
from student_score.config.schema import Config, SweepConfig
from student_score.errors import InputError
from student_score.masking import visible
from student_score.paths import CONF, ensure_home
from student_score.training.setup import Trainer

if TYPE_CHECKING:
    from student_score.runs.execution import Run
    from student_score.tracking.store import Store


MEMBERSHIP = "STUDENT_SCORE_SWEEP"
"""That of sweeps.sweep, whose import would take a third of a second before the first word."""


def main() -> NoReturn:
    """Run the Hydra app; every failure ends in a sentence on stderr and an exit code."""
    # A quarter of a short run went into collecting garbage among the modules of mlflow and scikit-learn, where there
    # is none: while they are imported, and once more when the interpreter ends.
    gc.set_threshold(50_000, 20, 20)
    ensure_home()
    end_on_signals()  # So that an open sweep is closed as KILLED.
    try:
        code = student_score(sys.argv[1:])
    finally:
        gc.freeze()
    sys.exit(code)


def student_score(arguments: Sequence[str]) -> int:
    """Run the Hydra app with the given arguments and return its exit code."""
    return delivered(lambda: judged(lambda: app(arguments)))


def app(arguments: Sequence[str]) -> int:
    """Run the Hydra app, which raises what goes wrong, and return 0."""
    traceback_wanted = os.environ.get("HYDRA_FULL_ERROR")
    argv, Details.wanted, Details.traceback = sys.argv, "-v" in arguments, traceback_wanted == "1"
    sys.argv = [argv[0], *(argument for argument in arguments if argument != "-v")]
    # Hydra formats errors its own way and exits with 1, unless told to raise them.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    register()
    register_functions()
    logging.getLogger("numba").setLevel(logging.WARNING)  # With hydra.verbose=true it would tell of every instruction.
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(run_job)()
    except SystemExit as leaving:
        if leaving.code == FAILED and any(argument.startswith(("-c", "--cfg")) for argument in arguments):
            raise SystemExit(BAD_INPUT) from None  # There is no such part of the configuration to show.
        raise
    except Exception as error:
        wanted = mistake(error, arguments)
        if wanted is None:
            raise
        raise wanted from error
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
    if MEMBERSHIP in os.environ:
        from student_score.commands.sweep import run_member
        from student_score.sweeps.sweep import Membership

        membership = Membership.current()
        if membership is not None:
            return run_member(to_config(composed), membership)
    try:
        config = to_config(composed)
        check_alone(config)
        return run_alone(config)
    except Exception as error:
        if Details.traceback:
            raise
        # Raised through Hydra, this would be preceded by a line of Hydra's own.
        sys.exit(explain(error))


def check_alone(config: Config) -> None:
    """Raise InputError if an experiment was asked for that sweeps, without -m; studies say so with their run."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    hydra_config = HydraConfig.get()
    swept = hydra_config.sweeper.get("params")
    if hydra_config.mode == RunMode.RUN and swept and config.study is None:
        given = " ".join(map(shlex.quote, hydra_config.overrides.task))
        raise InputError(f"{given}: it sweeps {', '.join(swept)}, which needs -m: student-score -m {given}")


def train_alone(config: Config) -> tuple["Run", "Store"]:
    """Check everything and open the store, then train; say what is going on, and what will take its time."""
    network, training = config.network, config.training
    with waiting(
        f"Training {network.hidden_size} {network.activation.name} units for {training.epochs} epochs at a rate of "
        f"{training.learning_rate:g} on {Path(config.dataset.origin).name}"
    ) as say:
        # What is imported here takes seconds, mlflow, numba and scikit-learn most of it: the line above comes first.
        from student_score.runs.execution import execute
        from student_score.runs.task import prepare
        from student_score.tracking.store import Store

        task = prepare(config)
        store = Store(config.tracking.store_uri, config.tracking.experiment)
        if task.takes:
            say(task.takes)
        if training.trainer is Trainer.reference or training.observe:
            return execute(task), store
        from student_score.training.engine.compiling import on_compiling

        with on_compiling(lambda: say("Compiling the trainer, once on this machine; it takes some seconds")):
            return execute(task), store


def run_alone(config: Config) -> float:
    """Train, record and print; or run a study that keeps its trainings in one table."""
    if config.sweep != SweepConfig():
        given = " and ".join(f"sweep.{field.name}" for field in fields(SweepConfig))
        raise InputError(f"{given} are for sweeps: student-score -m ...")
    if config.study is not None:
        announce(f"The study {config.study}")
        from student_score.commands import study

        if study.has_own_trainings(config.study):
            study.run_trainings(config.study, config)
            return 0.0
    run, store = train_alone(config)
    from student_score.runs.recording import record
    from student_score.runs.transcript import transcript

    try:
        run_id = store.record(record(run))
    finally:  # A training that could not be recorded is shown at least.
        print("\n".join(transcript(run)), flush=True)
    where = f"experiment {visible(config.tracking.experiment)} in {visible(store.uri)}"
    print(f"\nRecorded as run {run_id} of {where}")
    print(f"Served by {'its server' if store.has_server else 'student-score-ui'}: {store.run_link(run_id)}")
    if config.tracking.log_model:
        from student_score.commands import models

        models.keep(store, run_id, run.task)
    if config.study is not None:
        print(f"The study {config.study} judges a sweep: student-score -m experiment={config.study}")
    return run.objective
