"""A sweep: jobs are checked before one runs, what is recorded is not repeated, a job that fails fails alone."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from student_score.config.jobs import Choice, Job, completed, failed, filled, texts
from student_score.config.schema import Config, DatasetConfig, SweepConfig, TrackingConfig
from student_score.errors import InputError, TrackingError
from student_score.model.network import Initialisation
from student_score.runs import execution, task
from student_score.runs.execution import execute
from student_score.runs.recording import record
from student_score.sweeps.holding import held
from student_score.sweeps.outlook import outlook
from student_score.sweeps.plan import UNSWEPT, Plan, make_plan
from student_score.sweeps.sweep import MEMBERSHIP, Membership, Sweep, end_dead, open_sweep
from student_score.sweeps.table import parsed
from student_score.sweeps.work import run_launched, run_together, running
from student_score.tracking.store import Store

RATE, EPOCHS = "training.learning_rate", "training.epochs"


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch, request):
    """Let relative paths start at the repository."""
    monkeypatch.chdir(request.config.rootpath)


def job(**values: object) -> Job:
    """Return a job that sets a few keys: rate, epochs, or a key with its dots as double underscores."""
    short = {"rate": RATE, "epochs": EPOCHS}
    keys = {short.get(name, name.replace("__", ".")): value for name, value in values.items()}
    return tuple(Choice(text=f"{key}={value}", key=key, value=value, plain=True) for key, value in keys.items())


def compose(wanted: Job, **conduct: bool) -> Config:
    """Stand in for Hydra: ten epochs unless the job says otherwise."""
    base = Config(
        dataset=DatasetConfig(path="data/student_scores.csv"),
        tracking=TrackingConfig(experiment="tests"),
        sweep=SweepConfig(**conduct),
    )
    return filled(base, {EPOCHS: 10} | {choice.key: choice.value for choice in wanted})


def plan(*jobs: Job, **conduct: bool) -> Plan:
    """Check the jobs."""
    return make_plan(jobs, lambda wanted: compose(wanted, **conduct))


def begin(checked: Plan) -> Sweep:
    """Open a sweep."""
    return open_sweep(checked, Store(checked.config.tracking.store_uri, "tests"))


def finish(checked: Plan) -> Sweep:
    """Open a sweep, run what is left and close it."""
    opened = begin(checked)
    with running(opened):
        opened.close(run_together(opened, lambda _: None))
    return opened


RATES = [job(rate=rate) for rate in (0.0001, 0.0002, 0.01)]


# Planning.


def test_all_bad_jobs_are_named_together():
    """One message names every job that cannot run, by its overrides, and why; none is started."""
    with pytest.raises(InputError) as caught:
        plan(job(rate=0.1), job(rate=-1.0), job(rate=0.1, epochs=0))
    message = str(caught.value)
    assert message.startswith("2 of 3 jobs cannot run, so none was started.")
    assert "training.learning_rate=-1.0: training.learning_rate=-1.0: it must be" in message
    assert "training.learning_rate=0.1 training.epochs=0: training.epochs=0" in message


def test_of_many_bad_jobs_the_first_are_named():
    """Twenty are named, the others counted."""
    with pytest.raises(InputError, match=r"^49 of 50 jobs .* \| and 29 more problems$"):
        plan(*(job(rate=1.0 - k) for k in range(50)))


def test_a_single_bad_job_reads_like_a_single_run():
    """A sweep of one says what a run would say."""
    with pytest.raises(InputError, match=r"^training.epochs=0: it must be at least 1$"):
        plan(job(rate=0.1, epochs=0))


def test_repeated_jobs_run_once():
    """0.1 and 0.10 ask for the same run; so does another order of the jobs for the same sweep."""
    checked = plan(job(rate=0.1), job(rate=0.10), job(rate=0.2))
    assert (len(checked.members), checked.repeated) == (2, 1)
    assert checked.sweep_id == plan(job(rate=0.2), job(rate=0.1)).sweep_id
    assert checked.sweep_id != plan(job(rate=0.2), job(rate=0.3)).sweep_id


def test_swept_keys_are_those_that_differ_in_the_order_written():
    """The same sweep written the other way round names its keys the other way round."""
    grid = [(rate, epochs) for rate in (0.1, 0.2) for epochs in (1, 2)]
    assert plan(*(job(rate=rate, epochs=epochs) for rate, epochs in grid)).swept == (RATE, EPOCHS)
    assert plan(*(job(epochs=epochs, rate=rate) for rate, epochs in grid)).swept == (EPOCHS, RATE)
    assert plan(job(rate=0.1)).swept == ()


@pytest.mark.parametrize("key", [key for key in UNSWEPT if not key.startswith("sweep.")])
def test_what_holds_for_a_whole_sweep_cannot_be_swept(key):
    """One store, one experiment, one study."""
    values = {"study": ("article", "plateau")}.get(key, ("sqlite:////tmp/a.db", "sqlite:////tmp/b.db"))
    with pytest.raises(InputError, match=f"^{key}: a sweep has one store"):
        plan(*(job(**{key.replace(".", "__"): value}) for value in values))


# Running.


def test_a_sweep_ends_with_its_summary_under_the_parent(store_uri):
    """The parent holds tables with a row a run, counts by outcome, the best run, and three figures."""
    opened = finish(plan(*RATES))
    parent = opened.store.run(opened.parent_run_id)
    assert parent.status == "FINISHED"
    assert parent.name == "sweep of learning_rate (3 runs)"
    assert (parent.metrics["runs"], parent.metrics["runs/collapsed"], parent.metrics["runs/failed"]) == (3, 1, 0)
    text = parent.read_text("results.csv").splitlines()
    assert text[0].startswith("training.learning_rate,outcome,avg_loss,")
    assert [line.split(",")[0] for line in text[1:]] == ["0.0001", "0.0002", "0.01"]
    assert len(parent.read("results.parquet")) > 0
    for name in ("results.png", "outcomes.png", "curves.png"):
        assert parent.read(name).startswith(b"\x89PNG")
    best = opened.store.run(parent.tags["best.run_id"])
    assert best.metrics["train_mse"] == min(child.metrics["train_mse"] for child in opened.runs())
    assert Membership.current() is None


def test_runs_of_different_networks_train_in_one_sweep(store_uri):
    """Whatever cannot share a call is trained in another, and every run equals the one that trains alone."""
    jobs = [
        job(rate=rate, network__initialisation=start, network__hidden_size=2, training__seed=seed, epochs=epochs)
        for rate in (0.0001, 0.002)
        for start in ("article", "he")
        for seed in (0, 1)
        for epochs in (10, 20)
    ]
    checked = plan(*(tuple(adapted(choice) for choice in wanted) for wanted in jobs))
    opened = finish(checked)
    runs = opened.runs()
    assert len(runs) == 16
    for member, recorded_run in zip(checked.members, runs, strict=True):
        alone = execute(member.task)
        again = recorded_run.trajectory()
        assert again.avg_loss.tobytes() == alone.trajectory.avg_loss.tobytes()
        assert again.final.flat().tobytes() == alone.trajectory.final.flat().tobytes()
        assert recorded_run.params == record(alone).params


def adapted(choice: Choice) -> Choice:
    """Return a choice whose value is an enum member where the schema wants one."""
    value = Initialisation[choice.value] if choice.key == "network.initialisation" else choice.value
    return Choice(text=choice.text, key=choice.key, value=value, plain=True)


def break_at(monkeypatch, *rates: float) -> None:
    """Let trainings at these rates raise."""
    execute = execution.execute_together

    def broken(tasks):
        if any(each.config.training.learning_rate in rates for each in tasks):
            raise ArithmeticError("no luck")
        return execute(tasks)

    monkeypatch.setattr(execution, "execute_together", broken)


@pytest.mark.slow
def test_a_failing_job_fails_alone(store_uri, monkeypatch):
    """49 of 50 are finished, one has FAILED with its cause as a tag; the same command repeats that one alone."""
    checked = plan(*(job(rate=k / 1e5) for k in range(1, 51)))
    with monkeypatch.context() as patch:
        break_at(patch, 7e-5)
        opened = begin(checked)
        failures = run_together(opened, lambda _: None)
        opened.close(failures)
    assert [texts(failure.member.job) for failure in failures] == [["training.learning_rate=7e-05"]]
    children = opened.store.children(opened.parent_run_id)
    assert sorted(child.status for child in children) == ["FAILED"] + ["FINISHED"] * 49
    [broken] = [child for child in children if child.status == "FAILED"]
    assert broken.tags["error"] == "ArithmeticError: no luck"
    assert broken.name == "lr=7e-05 relu h=2 seed=0"
    assert "outcome" not in broken.tags
    parent = opened.store.run(opened.parent_run_id)
    assert (parent.status, parent.metrics["runs/failed"]) == ("FAILED", 1)
    assert parent.read_text("failures.txt") == "training.learning_rate=7e-05: no luck\n"
    again = finish(checked)
    assert (again.parent_run_id, len(again.todo)) == (opened.parent_run_id, 1)
    assert [child.status for child in again.store.children(again.parent_run_id)] == ["FINISHED"] * 50
    assert again.store.run(again.parent_run_id).status == "FINISHED"


def test_fail_fast_stops_at_the_first_failure(store_uri, monkeypatch):
    """Runs before it are recorded, runs after it are left for the next time."""
    monkeypatch.setattr(task, "CURVE_VALUES", 10)  # One training at a time.
    break_at(monkeypatch, 3e-5, 4e-5)
    opened = begin(plan(*(job(rate=k / 1e5) for k in range(1, 7)), fail_fast=True))
    failures = run_together(opened, lambda _: None)
    assert len(failures) == 1
    assert len(opened.runs()) == 2


def launcher(wanted: list, *, broken: tuple[str, ...] = ()):
    """Stand in for a launcher of Hydra's: run jobs as `student-score` does, or fail."""

    def launch(jobs):
        returns = []
        for overrides in jobs:
            wanted.append(list(overrides))
            if set(overrides) & set(broken):
                returns.append(failed(ArithmeticError("no luck"), overrides))
                continue
            membership = Membership.current()
            [member] = [m for m in SEEN if texts(m.job) == list(overrides)]
            store = Store(member.task.config.tracking.store_uri, "tests")
            store.record(membership.record(execute(member.task)), membership.parent_run_id)
            returns.append(completed(0.0, overrides))
        return returns

    return launch


SEEN: list = []


@pytest.mark.slow
@pytest.mark.parametrize("fail_fast", [False, True])
def test_other_launchers_give_the_same_records(store_uri, fail_fast):
    """Params, tags, metrics and trajectories are those of runs that were trained together; failures are recorded."""
    jobs = [job(rate=k / 1e5) for k in range(1, 10)]
    checked = plan(*jobs, fail_fast=fail_fast)
    SEEN[:] = checked.members
    wanted: list = []
    opened = begin(checked)
    with running(opened):
        failures = run_launched(opened, launcher(wanted, broken=("training.learning_rate=2e-05",)), lambda _: None)
        opened.close(failures)
    slices = (os.cpu_count() or 1) if fail_fast else 9
    assert len(wanted) == slices
    assert len(failures) == 1
    launched = opened.runs()
    statuses = [child.status for child in opened.store.children(opened.parent_run_id)]
    assert (statuses.count("FINISHED"), statuses.count("FAILED")) == (slices - 1, 1)
    together = finish(plan(*jobs, fresh=True))
    by_rate = {child.params[RATE]: child for child in together.runs()}
    clock = {"seconds"}
    for child in launched:
        twin = by_rate[child.params[RATE]]
        assert child.params == twin.params
        assert {k: v for k, v in child.metrics.items() if k not in clock} == {
            k: v for k, v in twin.metrics.items() if k not in clock
        }
        assert {k: v for k, v in child.tags.items() if k != "mlflow.parentRunId"} == {
            k: v for k, v in twin.tags.items() if k != "mlflow.parentRunId"
        }
        assert child.trajectory().avg_loss.tobytes() == twin.trajectory().avg_loss.tobytes()


# Continuing.


def test_what_is_recorded_is_not_repeated(store_uri):
    """A second start trains nothing; a third, fresh, everything, under a parent of its own."""
    first = finish(plan(*RATES))
    again = begin(plan(*RATES))
    assert (again.parent_run_id, len(again.todo), again.closed) == (first.parent_run_id, 0, True)
    assert again.remarks == [
        f"3 of 3 runs are recorded already, under run {first.parent_run_id}; sweep.fresh=true repeats them."
    ]
    fresh = finish(plan(*RATES, fresh=True))
    assert fresh.parent_run_id != first.parent_run_id
    assert len(fresh.todo) == 3


def test_a_killed_sweep_goes_on_where_it_stopped(store_uri):
    """The parent is the same, RUNNING again and then finished; a half-recorded child is deleted and run anew."""
    opened = begin(plan(*RATES))
    opened.store.record(
        opened.membership.record(execute(opened.plan.members[1].task)), parent_run_id=opened.parent_run_id
    )
    half = opened.store.create("half", {"job_hash": opened.plan.members[0].job_hash}, "", 1, opened.parent_run_id)
    again = begin(plan(*RATES))
    assert again.parent_run_id == opened.parent_run_id
    assert [member.job for member in again.todo] == [RATES[0], RATES[2]]
    with running(again):
        again.close(run_together(again, lambda _: None))
    children = again.store.children(again.parent_run_id)
    assert len(children) == 3
    assert half not in {child.run_id for child in children}
    assert again.store.run(again.parent_run_id).status == "FINISHED"
    assert [child.params[RATE] for child in again.runs()] == ["0.0001", "0.0002", "0.01"]


def test_runs_without_a_summary_are_summarised(store_uri):
    """Killed between the last run and the end, a sweep has nothing to train, and is closed."""
    opened = begin(plan(*RATES))
    run_together(opened, lambda _: None)
    again = finish(plan(*RATES))
    assert (len(again.todo), again.closed) == (0, False)
    assert again.store.run(again.parent_run_id).metrics["runs"] == 3


def test_a_deleted_parent_means_starting_over(store_uri):
    """What was deleted in the UI is not revived; the remark says so."""
    first = finish(plan(*RATES))
    first.store.delete(first.parent_run_id)
    again = begin(plan(*RATES))
    assert again.parent_run_id != first.parent_run_id
    assert again.remarks == [
        f"Run {first.parent_run_id}, under which this sweep was begun, was deleted: it starts over."
    ]


def test_a_parent_deleted_meanwhile_is_a_clear_error(store_uri):
    """The sentence names the store and what is wrong with the run."""
    opened = begin(plan(*RATES))
    opened.store.delete(opened.parent_run_id)
    with pytest.raises(TrackingError, match=r"must be in the 'active' state"):
        opened.close([])


def test_an_interrupted_sweep_is_killed_and_a_broken_one_failed(store_uri):
    """Ctrl-C ends the parent run as KILLED, an error as FAILED: none is left RUNNING."""
    for error, status in ((KeyboardInterrupt, "KILLED"), (RuntimeError, "FAILED")):
        opened = begin(plan(job(rate=0.1)))
        with pytest.raises(error), running(opened):
            raise error
        assert opened.store.run(opened.parent_run_id).status == status


HOLD = """
import sys, time
sys.path.insert(0, {tests!r})
from test_sweep import plan, RATES, begin
from student_score.sweeps.holding import held
checked = plan(*RATES)
with held(checked):
    begin(checked)
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
def test_a_sweep_has_one_process_and_a_dead_ones_is_ended(store_uri, request):
    """A second start says who holds the sweep; once that process is killed, other sweeps see it as KILLED."""
    script = HOLD.format(tests=str(Path(__file__).parent))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        message = f"already running: process {process.pid} has held it since"
        with pytest.raises(InputError, match=message), held(plan(*RATES)):
            pass
        other = begin(plan(job(rate=0.5)))
        [holder] = [p for p in other.store.search("tags.kind = 'sweep'") if p.run_id != other.parent_run_id]
        assert holder.status == "RUNNING"
        process.kill()
    end_dead(other.store)
    assert other.store.run(holder.run_id).status == "KILLED"
    with held(plan(*RATES)):
        assert begin(plan(*RATES)).parent_run_id == holder.run_id


def test_a_sweep_of_another_machine_is_left_alone(store_uri):
    """Whether a process of another machine lives cannot be seen from here: its sweep is neither ended nor joined."""
    opened = begin(plan(*RATES))
    opened.store.set_tags(opened.parent_run_id, {"host": "elsewhere"})
    with pytest.raises(InputError, match=r"running on the machine elsewhere .* sweep.fresh=true starts over"):
        begin(plan(*RATES))
    assert opened.store.run(opened.parent_run_id).status == "RUNNING"
    assert begin(plan(*RATES, fresh=True)).parent_run_id != opened.parent_run_id
    assert socket.gethostname() != "elsewhere"


# Looking ahead, and back.


def test_a_dry_run_says_what_is_left_and_touches_nothing(fresh_uri, tmp_path):
    """Before the first run no store is made; afterwards what is recorded is counted and not listed."""
    checked = plan(*RATES)
    lines = list(outlook(checked))
    assert lines[0].startswith("sweep of learning_rate (3 runs): 0 recorded already, 3 to run, about ")
    assert lines[1:] == [f"  training.learning_rate={rate}" for rate in (0.0001, 0.0002, 0.01)]
    assert list(tmp_path.iterdir()) == []
    opened = begin(checked)
    opened.store.record(opened.membership.record(execute(checked.members[0].task)), opened.parent_run_id)
    lines = list(outlook(checked))
    assert lines[0].startswith("sweep of learning_rate (3 runs): 1 recorded already, 2 to run")
    assert len(lines) == 3
    assert "0 recorded already, 3 to run" in next(outlook(plan(*RATES, fresh=True)))


def test_the_rows_of_many_jobs_are_read_once(monkeypatch):
    """A thousand jobs on the same rows read, split and scale them once: planning 10,000 takes seconds."""
    asked = []
    read = task.read_split
    monkeypatch.setattr(task, "read_split", lambda dataset, known: asked.append(dataset) or read(dataset, known))
    assert len(plan(*(job(rate=k / 1e6) for k in range(1, 1001))).members) == 1000
    assert len(asked) == 1


@pytest.mark.parametrize(("text", "value"), [("0.1", 0.1), ("3", 3), ("relu", "relu"), ("[1, 2]", "[1, 2]")])
def test_recorded_parameters_become_numbers_again(text, value):
    """Tables hold numbers where numbers were swept."""
    assert parsed(text) == value


def test_a_membership_survives_the_way_to_another_process():
    """What is announced is what a job of the sweep finds."""
    membership = Membership(parent_run_id="a", sweep_id="b", swept=(RATE,))
    with membership.announced():
        assert Membership.current() == membership
        assert json.loads(os.environ[MEMBERSHIP])["swept"] == [RATE]
    assert Membership.current() is None
