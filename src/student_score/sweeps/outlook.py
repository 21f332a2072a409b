"""What a sweep would do: how many runs are done, how long the others may take. Nothing is written to its store."""

from collections.abc import Iterator
from time import perf_counter

from student_score.sweeps import pace
from student_score.sweeps.plan import Plan
from student_score.sweeps.sweep import earlier
from student_score.tracking.address import exists
from student_score.tracking.store import Store


def outlook(plan: Plan) -> Iterator[str]:
    """Yield what a sweep would do: how many runs are done, how long the others may take, and their overrides."""
    clock = perf_counter()
    finished = finished_jobs(plan)
    opening = None if finished is None else perf_counter() - clock
    todo = [member for member in plan.members if member.job_hash not in (finished or ())]
    seconds = pace.seconds(todo, opening) if todo else pace.STARTING + (opening or 0)
    done = len(plan.members) - len(todo)
    yield f"{plan.name}: {done} recorded already, {len(todo)} to run, about {max(1, round(seconds))} s"
    for member in todo:
        yield f"  {' '.join(choice.text for choice in member.job if not choice.key.startswith('sweep.'))}"


def finished_jobs(plan: Plan) -> set[str | None] | None:
    """Return the hashes of the jobs that an earlier run of this sweep recorded; None if there is no store yet."""
    tracking = plan.config.tracking
    if not exists(tracking.store_uri):
        return None
    store = Store(tracking.store_uri)  # Without an experiment it is only read.
    store.experiment = store.client.get_experiment_by_name(tracking.experiment)
    if store.experiment is None or plan.config.sweep.fresh:
        return set()
    found = earlier(plan, store)
    return {child.tags.get("job_hash") for child in store.finished(found.run_id)} if found else set()
