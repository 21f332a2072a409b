"""What commands do and say when models are kept beside runs: `tracking.log_model=true`."""

import shlex
from typing import TYPE_CHECKING

from student_score.commands.terminal import announce
from student_score.errors import InputError, SweepError, TrackingError
from student_score.masking import masked

if TYPE_CHECKING:
    from student_score.runs.task import Task
    from student_score.sweeps.sweep import Sweep
    from student_score.tracking.store import Store

BEST_MODEL = "best.model"
"""The tag of a sweep that says where the model of its best run is."""


def keep(store: "Store", run_id: str, task: "Task") -> str | None:
    """Keep the models of a recorded run and say how they are served; of a run that diverged, say that it has none.

    Returns:
        where the network's model is; None if there is none.

    Raises:
        SweepError: they could not be written; the run is recorded all the same.
    """
    from student_score.serving.keeping import keep_models

    try:
        address = keep_models(store, run_id, task)
    except InputError as error:
        announce(f"No model was kept: {error}")
        return None
    except TrackingError as error:
        raise SweepError(f"the run {run_id} is recorded, but its model could not be kept: {error}") from error
    where = f"MLFLOW_TRACKING_URI={shlex.quote(masked(store.uri))}"
    print(f"Model: {address}\nTo serve it: {where} mlflow models serve -m {address} --env-manager local", flush=True)
    return address


def keep_best(opened: "Sweep") -> None:
    """Keep the models of a sweep's best run, if they are not there yet, and tag the sweep with where they are."""
    parent = opened.store.run(opened.parent_run_id)
    best = parent.tags.get("best.run_id")
    if best is None:
        announce("No model was kept: the sweep has no best run")
        return
    tasks = {member.job_hash: member.task for member in opened.plan.members}
    task = tasks[opened.store.run(best).tags["job_hash"]]
    train, every = len(task.split.train), len(task.split)
    if train < every:
        print(f"The model is the best run's, trained on {train:,} of {every:,} rows; the others chose it or tested it.")
    address = keep(opened.store, best, task)
    if address is not None:
        opened.store.set_tags(opened.parent_run_id, {BEST_MODEL: address})
