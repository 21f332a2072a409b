"""Sweeps meet full disks, vanished files, strange errors and other machines: a sentence, and nothing that is lost."""

import errno
import os
import re
import shutil
import socket
from dataclasses import replace
from pathlib import Path
from time import sleep

import pytest

from student_score import paths
from student_score.commands.sweep import judge
from student_score.config.jobs import Choice, completed, filled, texts
from student_score.config.schema import Config, DatasetConfig, SweepConfig, TrackingConfig
from student_score.errors import InputError, SweepError, TrackingError
from student_score.runs import execution
from student_score.runs.execution import execute
from student_score.sweeps import holding, sweep, work
from student_score.sweeps.holding import held, is_held, lock_path
from student_score.sweeps.plan import Member, Plan, make_plan
from student_score.sweeps.sweep import Failure, Sweep, end_dead, open_sweep
from student_score.sweeps.work import run_launched, run_together, running
from student_score.tracking.store import Store

SWEEP = ("-m", "training.learning_rate=0.0001,0.0002,0.01", "training.epochs=10")
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch, request):
    """Let relative paths start at the repository."""
    monkeypatch.chdir(request.config.rootpath)


RATE = "training.learning_rate"
RATES = (0.0001, 0.0002, 0.01)


def plan(*rates: float, key: str = RATE, **conduct: bool) -> Plan:
    """Check a sweep of ten epochs at each of these rates, or of another key's values."""
    base = Config(
        dataset=DatasetConfig(path="data/student_scores.csv"),
        tracking=TrackingConfig(experiment="tests"),
        sweep=SweepConfig(**conduct),
    )
    jobs = [(Choice(text=f"{key}={value}", key=key, value=value, plain=True),) for value in rates]
    return make_plan(jobs, lambda job: filled(base, {"training.epochs": 10, key: job[0].value}))


def begin(checked: Plan) -> Sweep:
    """Open a sweep."""
    return open_sweep(checked, Store(checked.config.tracking.store_uri, "tests"))


def trained(checked: Plan) -> Sweep:
    """Open a sweep and record its runs."""
    opened = begin(checked)
    assert run_together(opened, lambda _: None) == []
    return opened


def fail_with(error: Exception):
    """Return a function that raises."""

    def fail(*_args: object, **_kwargs: object) -> None:
        raise error

    return fail


def statuses(uri: str) -> list[str]:
    """Return the statuses of all active runs, a sweep's parent first."""
    return [run.status for run in Store(uri, "student-score").search("")]


def ends_well(cli, uri: str) -> None:
    """Give the same command again: three runs and their parent are finished."""
    done = cli(*SWEEP)
    assert done.code == 0, done.err
    assert "Warning" not in done.err
    assert statuses(uri) == ["FINISHED"] * 4


# Disks.


@pytest.mark.slow
def test_a_folder_of_locks_that_cannot_be_made(cli, store_uri, tmp_path):
    """A file stands in its place: a sentence, exit code 2; moved away, the same command runs."""
    blocked = tmp_path / "mlflow.db.sweeps"
    blocked.write_text("")
    done = cli(*SWEEP)
    assert done.code == 2
    reason = f"the sweep cannot be locked: {blocked} cannot be written: File exists. Nothing was recorded."
    assert done.err.endswith(f"student-score: {reason}\n")
    blocked.unlink()
    ends_well(cli, store_uri)


def served(address: str) -> Plan:
    """Return the plan of one run whose store is at an address."""
    [member] = plan(0.1).members
    task = replace(member.task, config=Config(tracking=TrackingConfig(uri=address)))
    return Plan(members=[replace(member, task=task)], swept=(), repeated=0)


def test_locks_of_a_server_need_no_cache(monkeypatch, tmp_path):
    """Where `.cache` is a file they lie in a temporary folder; where nothing can be written, a sentence says so."""
    (tmp_path / ".cache").write_text("")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    monkeypatch.setattr(paths, "INSTALLED", False)
    monkeypatch.setattr(paths, "gettempdir", lambda: str(tmp_path / "temporary"))
    monkeypatch.setattr(holding, "cache_folder", paths.cache_folder.__wrapped__)
    checked = served("http://127.0.0.1:1")
    with held(checked):
        path = lock_path("http://127.0.0.1:1", checked.sweep_id)
        assert path.is_relative_to(tmp_path / "temporary")
        assert is_held(path)
    error = OSError(errno.EROFS, "Read-only file system", "/nowhere")
    monkeypatch.setattr(holding, "cache_folder", fail_with(error))
    said = "^the sweep cannot be locked: /nowhere cannot be written: Read-only file system$"
    with pytest.raises(TrackingError, match=said), held(checked):
        pass


def test_a_holder_that_has_no_room_for_its_name_holds_all_the_same(store_uri, monkeypatch):
    """The lock takes no room; a second start says what it can."""
    monkeypatch.setattr(Path, "write_text", fail_with(FULL))
    checked = plan(*RATES)
    message = "already running: another process has just started it"
    with held(checked), pytest.raises(InputError, match=message), held(checked):
        pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "said"),
    [
        (
            "temporary",
            r"the summary cannot be written to a temporary folder \(No space left on device\); TMPDIR names another",
        ),
        ("store", r"the tracking store .* cannot be used: .*No space left on device"),
    ],
)
def test_a_disk_that_is_full_when_the_summary_is_written(cli, store_uri, monkeypatch, place, said):
    """All runs are recorded and the parent is not finished; the same command trains nothing and finishes it."""
    with monkeypatch.context() as patch:
        if place == "temporary":
            patch.setattr(sweep, "write_summary", fail_with(FULL))
        else:
            from mlflow import MlflowClient

            patch.setattr(MlflowClient, "log_artifacts", fail_with(FULL))
        done = cli(*SWEEP)
    assert done.code == 1
    last = done.err.splitlines()[-1]
    rest = r"3 of 3 runs are recorded; the same command does what is left to do"
    assert re.fullmatch(rf"student-score: {said}\. {rest}", last)
    assert statuses(store_uri) == ["FAILED"] + ["FINISHED"] * 3
    monkeypatch.setattr(execution, "execute_together", None)
    ends_well(cli, store_uri)


def test_a_sweep_that_starts_over_is_gone_on_with_without_fresh(cli, store_uri, monkeypatch):
    """The command that failed would begin once more: the sentence names the one that goes on."""
    monkeypatch.setattr(sweep, "write_summary", fail_with(FULL))
    done = cli(*SWEEP, "sweep.fresh=true")
    assert done.err.endswith(
        "3 of 3 runs are recorded; the same command without sweep.fresh=true does what is left to do\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("replaced", [False, True])
def test_a_database_that_vanishes_meanwhile(cli, store_uri, tmp_path, monkeypatch, empty_store, replaced):
    """What is written to a file without a name is lost: exit code 1 says so, and the same command starts over."""
    path = tmp_path / "mlflow.db"
    execute = execution.execute_together

    def train(tasks):
        path.unlink()
        if replaced:
            shutil.copy(empty_store, path)
        return execute(tasks)

    with monkeypatch.context() as patch:
        patch.setattr(execution, "execute_together", train)
        done = cli(*SWEEP)
    assert done.code == 1
    assert done.err.endswith(
        f"student-score: the tracking store {store_uri} cannot be used: its file was removed or replaced while the "
        "sweep ran. 0 of 3 runs are recorded; the same command runs the others\n"
    )
    for left in tmp_path.glob("mlflow.db-*"):  # What SQLite kept beside the file that is gone.
        left.unlink()
    ends_well(cli, store_uri)


@pytest.mark.parametrize("moment", ["share_sweep", "finish"])
def test_a_database_that_vanishes_at_the_end_is_seen(store_uri, tmp_path, monkeypatch, moment):
    """The last look comes after the last word: nothing is said to be recorded that is not."""
    opened = trained(plan(*RATES))
    write = getattr(Store, moment)

    def last(*args: object, **kwargs: object) -> None:
        write(*args, **kwargs)
        (tmp_path / "mlflow.db").unlink()

    monkeypatch.setattr(Store, moment, last)
    with pytest.raises(TrackingError, match="its file was removed or replaced"):
        opened.close([])


# Vanished artifacts.


def without_trajectory(opened: Sweep, place: int) -> str:
    """Delete the trajectory of one of a sweep's runs and return the run's id."""
    run_id = opened.runs()[place].run_id
    [path] = Path(opened.store.uri.removeprefix("sqlite:///")).parent.glob(f"mlartifacts/{run_id}/*/trajectory.npz")
    path.unlink()
    return run_id


def test_a_sweep_is_closed_although_a_run_has_lost_its_trajectory(store_uri, caplog):
    """The curves of the others are drawn, and the run is named, what it lacks, and the way out."""
    opened = trained(plan(*RATES))
    run_id = without_trajectory(opened, 1)
    opened.close([])
    parent = opened.store.run(opened.parent_run_id)
    assert (parent.status, parent.metrics["runs"]) == ("FINISHED", 3)
    assert parent.read("curves.png").startswith(b"\x89PNG")
    [said] = caplog.messages
    assert said.startswith(f"curves.png lacks a run: trajectory.npz of run {run_id} cannot be fetched: ")
    assert said.endswith("; delete this run in the UI, and the same command trains it again")
    assert parent.read_text("undrawn.txt") == f"{said}\n"


@pytest.mark.slow
def test_a_run_that_has_lost_its_trajectory_is_trained_again(cli, store_uri):
    """Asked for again, the sweep shows its table and names the run; once that is deleted, it is trained anew."""
    assert cli(*SWEEP).code == 0
    store = Store(store_uri, "student-score")
    [parent] = store.search("tags.kind = 'sweep'")
    lost = store.children(parent.run_id)[1].run_id
    [path] = Path(store_uri.removeprefix("sqlite:///")).parent.glob(f"mlartifacts/{lost}/*/trajectory.npz")
    path.unlink()
    done = cli(*SWEEP)
    assert done.code == 0
    assert "Recorded under the parent run" in done.out
    said = f"trajectory.npz of run {lost} is gone; delete this run in the UI, and the same command trains it again\n"
    assert done.err.endswith(said)
    store.delete(lost)
    done = cli(*SWEEP)
    assert "2 of 3 runs are recorded already" in done.out
    assert done.code == 0
    assert "trajectory" not in done.err
    assert statuses(store_uri) == ["FINISHED"] * 4
    assert all(run.read("trajectory.npz") for run in store.finished(parent.run_id))


def test_a_study_of_a_run_that_has_lost_its_trajectory(store_uri, monkeypatch):
    """It is not judged: one sentence with the run and the way out; so with whatever else keeps it from being judged."""
    opened = trained(plan(*RATES))
    monkeypatch.setattr("student_score.commands.study.close", fail_with(InputError("results cannot be written: full")))
    said = (
        r"^the study article was not judged: results cannot be written: full\. All 3 runs are recorded; the same "
        "command judges them again$"
    )
    with pytest.raises(SweepError, match=said):
        judge("article", opened, opened.runs())
    run_ids = [without_trajectory(opened, place) for place in (0, 2)]
    said = (
        f"^the study article was not judged: trajectory.npz of run {run_ids[0]} is gone, and the same is true of "
        f"{run_ids[1]}; delete these runs in the UI, and the same command trains them again$"
    )
    with pytest.raises(SweepError, match=said):
        judge("article", opened, opened.runs())


# Launchers.


def test_runs_that_a_launcher_records_are_counted_while_it_works(store_uri, monkeypatch):
    """Progress comes from the store, as the jobs run elsewhere; at the end nothing is missing and nothing too much."""
    monkeypatch.setattr(work, "SECONDS_BETWEEN_LOOKS", 0.01)
    opened = begin(plan(*RATES))
    told: list[int] = []

    def launch(jobs):
        for place, member in enumerate(opened.todo):
            opened.store.record(opened.membership.record(execute(member.task)), opened.parent_run_id)
            for _ in range(500):  # Seconds: the jobs wait until they have been seen.
                if place == 2 or sum(told) > place:
                    break
                sleep(0.01)
        return [completed(0.0, overrides) for overrides in jobs]

    assert run_launched(opened, launch, told.append) == []
    assert sum(told) == 3
    assert len(told) >= 2


def test_a_launcher_that_fails_is_told_from_its_jobs(store_uri):
    """A queue that is away, or a worker that was killed, is a sentence; the parent run has FAILED."""
    opened = begin(plan(*RATES))
    said = r"^the launcher failed: RuntimeError: no queue at http://ann:\*\*\*@host$"
    with pytest.raises(SweepError, match=said), running(opened):
        run_launched(opened, fail_with(RuntimeError("no queue at http://ann:secret@host")), lambda _: None)
    assert opened.store.run(opened.parent_run_id).status == "FAILED"


def test_a_job_that_was_recorded_twice_counts_once(store_uri):
    """Tasks that outlive their sweep may record what its next start trains too."""
    opened = trained(plan(*RATES))
    kept = opened.runs()
    job_hash, later = opened.plan.members[0].job_hash, kept[0].start_time + 10**6
    twice = opened.store.create("twice", {"job_hash": job_hash}, "", later, opened.parent_run_id)
    opened.store.end(twice, "FINISHED")
    assert [run.run_id for run in opened.runs()] == [run.run_id for run in kept]
    opened.close([])
    assert opened.store.run(opened.parent_run_id).metrics["runs"] == 3


# Failures.

NASTY = "at http://ann:secret@host \x1b[31m \udcff \x00\n" + "x" * 10**6


def test_a_nasty_error_is_recorded_and_said(store_uri, monkeypatch):
    """Huge, with control characters, signs that no encoding has and a password: it is cut, escaped and masked."""
    monkeypatch.setattr(execution, "execute_together", fail_with(ArithmeticError(NASTY)))
    opened = begin(plan(0.1))
    [failure] = run_together(opened, lambda _: None)
    opened.close([failure])
    [child] = opened.store.children(opened.parent_run_id)
    written = opened.store.run(opened.parent_run_id).read_text("failures.txt")
    assert written == f"{failure.sentence}\n"
    for text in (child.tags["error"], failure.sentence):
        assert r"at http://ann:***@host \x1b[31m \udcff \x00\nxxx" in text
        assert text.isprintable()
        assert len(text) < 600
    assert child.tags["error"].startswith("ArithmeticError: at")


def test_an_error_without_words_is_named(store_uri):
    """What says nothing is called by its kind; so are the overrides of a job with a thousand of them, cut."""
    [member] = plan(0.1).members
    assert Failure(member=member, error=MemoryError()).sentence == "training.learning_rate=0.1: MemoryError"
    long = Member(job=member.job * 1000, task=member.task)
    assert len(" ".join(texts(long.job))) > 10_000
    assert len(Failure(member=long, error=MemoryError()).sentence) < 300


def test_the_limit_of_jobs_cannot_be_swept():
    """It holds for a sweep as a whole."""
    with pytest.raises(InputError, match=r"^sweep.most_jobs: a sweep has one store"):
        plan(10, 20, key="sweep.most_jobs")


# Machines.


def test_only_dead_sweeps_of_this_machine_are_ended(store_uri, tmp_path):
    """A container that started anew has another name: what it left behind is not touched by those beside it."""
    here, elsewhere, locked = (begin(plan(rate)) for rate in (0.1, 0.2, 0.3))
    for opened in (here, elsewhere, locked):
        opened.store.reopen(opened.parent_run_id)
    elsewhere.store.set_tags(elsewhere.parent_run_id, {"host": f"{socket.gethostname()}-before"})
    # Nobody can say whether a lock is held that cannot be opened, as one of another user.
    lock_path(store_uri, locked.plan.sweep_id).mkdir(parents=True)
    end_dead(here.store)
    found = [here.store.run(opened.parent_run_id).status for opened in (here, elsewhere, locked)]
    assert found == ["KILLED", "RUNNING", "RUNNING"]
    with pytest.raises(InputError, match=r"-before under run .* sweep\.fresh=true starts over$"):
        begin(elsewhere.plan)
    assert begin(plan(0.2, fresh=True)).parent_run_id != elsewhere.parent_run_id
