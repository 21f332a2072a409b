"""`student-score -m`: a real Hydra multirun whose records are read back from MLflow."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from student_score.config import EXPERIMENTS
from student_score.tracking import Store

ROOT = Path(__file__).resolve().parents[2]


def test_a_multirun_puts_its_runs_under_one_parent(student_score, store_uri):
    """Four jobs give four finished children of one finished parent, each equal in every bit to the run on its own."""
    done = student_score("-m", "training.learning_rate=0.0001,0.01", "network.activation=relu,tanh")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    store = Store(store_uri, "student-score")
    [parent] = store.search("tags.kind = 'sweep'")
    children = store.children(parent.run_id)
    assert parent.status == "FINISHED"
    assert [(run.status, run.name) for run in children] == [
        ("FINISHED", "lr=0.0001 relu h=2 seed=0"),
        ("FINISHED", "lr=0.0001 tanh h=2 seed=0"),
        ("FINISHED", "lr=0.01 relu h=2 seed=0"),
        ("FINISHED", "lr=0.01 tanh h=2 seed=0"),
    ]
    assert {run.tags["sweep_id"] for run in children} == {parent.tags["sweep_id"]}
    assert parent.metrics["runs/collapsed"] == [run.tags["outcome"] for run in children].count("collapsed")
    assert "4 runs" in done.stdout
    student_score("training.learning_rate=0.01")
    [alone] = [run for run in store.search("tags.outcome != ''") if "mlflow.parentRunId" not in run.tags]
    first, second = (run.trajectory() for run in (alone, children[2]))
    assert first.avg_loss.tobytes() == second.avg_loss.tobytes()
    assert first.final.flat().tobytes() == second.final.flat().tobytes()
    assert alone.tags["config_hash"] == children[2].tags["config_hash"]


def test_a_bad_job_stops_the_sweep_before_it_starts(student_score, tmp_path):
    """All bad jobs are named together, and no store is made."""
    done = student_score("-m", "training.learning_rate=0.1,0,-1", "training.epochs=10")
    assert done.returncode == 2
    assert "2 of 3 jobs cannot run, so none was started." in done.stderr
    assert "training.learning_rate=0 training.epochs=10: training.learning_rate=0.0" in done.stderr
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_sweep_is_closed(store_uri, tmp_path, sent, code):
    """Ctrl-C or a termination ends the parent run as KILLED; what was recorded so far stays, whole."""
    rates = ",".join(f"{k / 10000}" for k in range(1, 200))
    command = [Path(sys.executable).with_name("student-score"), "-m", f"training.learning_rate={rates}"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("lr=")
    process.send_signal(sent)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in errors
    store = Store(store_uri, "student-score")
    [parent] = store.search("tags.kind = 'sweep'")
    assert parent.status == "KILLED"
    children = store.children(parent.run_id)
    assert children
    assert {run.status for run in children} <= {"FINISHED"}


def test_a_study_is_launched_as_what_it_is(student_score, tmp_path):
    """A study with trainings of its own refuses -m and says how it runs; a study of a sweep says so after one run."""
    done = student_score("-m", "experiment=plateau")
    assert done.returncode == 2
    assert "run it without -m: student-score experiment=plateau" in done.stderr
    assert not (tmp_path / "mlflow.db").exists()
    done = student_score("experiment=article")
    assert done.stdout.rstrip().endswith("The study article judges a sweep: student-score -m experiment=article")


def test_an_unknown_swept_key_is_named(student_score):
    """A sweep of a parameter that does not exist says so."""
    done = student_score("-m", "training.rate=0.1,0.2")
    assert done.returncode == 2
    assert "The keys are training.learning_rate" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "experiment"), [(["-m", "experiment=article"], "article"), (["experiment=plateau"], "plateau")]
)
def test_a_study_reproduces_its_committed_verdicts(student_score, store_uri, arguments, experiment):
    """Running the study again gives the verdicts that are committed, to the last digit, and tags them on its run."""
    results = EXPERIMENTS / experiment / "results"
    committed = {path: path.read_bytes() for path in results.iterdir()}
    try:
        done = student_score(*arguments)
        assert done.returncode == 0, done.stderr
        assert (results / "verdicts.json").read_bytes() == committed[results / "verdicts.json"]
        assert (results / "figure.png").read_bytes().startswith(b"\x89PNG")
    finally:
        for path, content in committed.items():
            path.write_bytes(content)
    claims = json.loads(committed[results / "verdicts.json"])["claims"]
    [run] = Store(store_uri, experiment).search("tags.kind = 'sweep'" if "-m" in arguments else "tags.kind = 'study'")
    tags = {name.removeprefix("verdict."): value for name, value in run.tags.items() if name.startswith("verdict.")}
    assert tags == {claim["name"]: claim["verdict"] for claim in claims}
    for claim in claims:
        assert f"{claim['verdict'].upper()}: {claim['sentence']}" in done.stdout
