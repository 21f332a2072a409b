"""What a sweep would do: how many runs are done, how long the others may take."""

from collections.abc import Iterator

from student_score.sweeps.plan import Plan
from student_score.sweeps.sweep import earlier
from student_score.tracking.address import exists, sqlite_path
from student_score.tracking.store import Store
from student_score.training.setup import Trainer

SECONDS_A_RUN = {True: 0.01, False: 0.1}
"""To record a run: in one transaction with others, and through MLflow's client."""

SECONDS_AN_UPDATE = {Trainer.compiled: 1e-9, Trainer.reference: 1.5e-7}
"""To update one parameter once."""


def outlook(plan: Plan) -> Iterator[str]:
    """Yield what a sweep would do: how many runs are done, how long the others may take, and their overrides."""
    tracking = plan.config.tracking
    finished: set[str | None] = set()
    if exists(tracking.store_uri):
        store = Store(tracking.store_uri, tracking.experiment)
        found = None if plan.config.sweep.fresh else earlier(plan, store)
        children = store.children(found.run_id) if found else []
        finished = {child.tags.get("job_hash") for child in children if child.status == "FINISHED"}
    todo = [member for member in plan.members if member.job_hash not in finished]
    seconds = len(todo) * SECONDS_A_RUN[sqlite_path(tracking.store_uri) is not None]
    for member in todo:
        training, start = member.task.config.training, member.task.start
        updates = training.epochs * len(member.task.split.train) * start.size
        seconds += updates * SECONDS_AN_UPDATE[training.trainer]
    done = len(plan.members) - len(todo)
    yield f"{plan.name}: {done} recorded already, {len(todo)} to run, about {max(1, round(seconds))} s"
    for member in todo:
        yield f"  {' '.join(choice.text for choice in member.job if not choice.key.startswith('sweep.'))}"
