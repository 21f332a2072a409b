"""`student-score -m` and studies in this process: what is refused, what is said, what is recorded."""

import json
import re
from pathlib import Path

import pytest

from student_score.commands import study
from student_score.paths import EXPERIMENTS
from student_score.tracking.store import Store


def test_a_bad_job_stops_the_sweep_before_it_starts(first_cli, tmp_path):
    """All bad jobs are named together, and no store is made."""
    done = first_cli("-m", "training.learning_rate=0.1,0,-1", "training.epochs=10")
    assert done.code == 2
    assert "2 of 3 jobs cannot run, so none was started." in done.err
    assert "training.learning_rate=0 training.epochs=10: training.learning_rate=0.0" in done.err
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.slow
def test_another_sweeper_may_use_our_launcher(cli, store_uri):
    """Hydra's basic sweeper stands for one that optimises: its runs are recorded, without a parent."""
    done = cli("-m", "hydra/sweeper=basic", "training.learning_rate=0.0001,0.01", "training.epochs=50")
    assert done.code == 0, done.err
    runs = Store(store_uri, "student-score").search("tags.outcome != ''")
    assert len(runs) == 2
    assert all("mlflow.parentRunId" not in run.tags for run in runs)


@pytest.mark.slow
def test_details_and_a_dry_run(first_cli, tmp_path):
    """-v says how runs are recorded and how long each step took; a dry run trains nothing and makes no store."""
    sweep = ["-m", "training.learning_rate=0.0001,0.01,0.01", "training.epochs=20"]
    done = first_cli(*sweep, "sweep.dry_run=true")
    assert done.code == 0, done.err
    first, *others = done.out.splitlines()
    assert re.fullmatch(r"sweep of learning_rate \(2 runs\): 0 recorded already, 2 to run, about \d+ s", first)
    assert others == [
        "  training.learning_rate=0.0001 training.epochs=20",
        "  training.learning_rate=0.01 training.epochs=20",
    ]
    assert not (tmp_path / "mlflow.db").exists()
    done = first_cli(*sweep, "-v")
    assert "Jobs that ask for a run that another asks for too: 1. Each run is done once." in done.out
    assert "3 jobs expanded, checked and identified in" in done.err
    assert "Runs are recorded in one transaction (SQLite store of schema" in done.err


def test_a_sweeps_conduct_is_for_sweeps(cli):
    """A single run refuses what would have no effect."""
    done = cli("sweep.fresh=true")
    assert done.code == 2
    assert "are for sweeps: student-score -m" in done.err


@pytest.mark.slow
def test_a_study_is_launched_as_what_it_is(first_cli, tmp_path):
    """A study with trainings of its own refuses -m and says how it runs; a study of a sweep says so after one run."""
    done = first_cli("-m", "experiment=plateau")
    assert done.code == 2
    assert "run it without -m: student-score experiment=plateau" in done.err
    assert not (tmp_path / "mlflow.db").exists()
    done = first_cli("experiment=article")
    assert done.out.rstrip().endswith("The study article judges a sweep: student-score -m experiment=article")


def test_an_unknown_swept_key_is_named(cli):
    """A sweep of a parameter that does not exist says so."""
    done = cli("-m", "training.rate=0.1,0.2")
    assert done.code == 2
    assert "The keys are training.learning_rate" in done.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "name"), [(["-m", "experiment=article"], "article"), (["experiment=plateau"], "plateau")]
)
def test_a_study_reproduces_its_committed_verdicts(cli, store_uri, results, arguments, name):
    """Running the study again gives the verdicts that are committed, to the last digit, and tags them on its run."""
    done = cli(*arguments)
    assert done.code == 0, done.err
    committed = (EXPERIMENTS / name / "results/verdicts.json").read_bytes()
    assert (results / name / "verdicts.json").read_bytes() == committed
    assert (results / name / "figure.png").read_bytes().startswith(b"\x89PNG")
    claims = json.loads(committed)["claims"]
    [run] = Store(store_uri, name).search("tags.kind = 'sweep'" if "-m" in arguments else "tags.kind = 'study'")
    tags = {name.removeprefix("verdict."): value for name, value in run.tags.items() if name.startswith("verdict.")}
    assert tags == {claim["name"]: claim["verdict"] for claim in claims}
    for claim in claims:
        words = {"supported": "PASSED", "refuted": "FAILED"} if claim.get("is_check") else {}
        word = words.get(claim["verdict"], claim["verdict"].upper())
        assert f"{word}: {claim['sentence']}" in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["experiment=plateau", "dataset.path=mine.csv"], "dataset.path=mine.csv: the study plateau has no use for"),
        (
            ["experiment=plateau", "training.learning_rate=0.5", "print_every=7"],
            "training.learning_rate=0.5, print_every=7: the study plateau has no use for",
        ),
        (["-m", "experiment=article", "network.activation=tanh"], "network.activation=tanh: the study article has no"),
        (["-m", "experiment=article", "dataset.path=mine.csv"], "dataset.path=mine.csv: the study article is about"),
    ],
)
def test_what_a_study_does_not_use_is_refused(first_cli, folder, fresh_uri, arguments, said):
    """It is named before anything is trained or recorded: a study of other rows would judge what it did not see."""
    (folder / "mine.csv").write_text("hours_studied,hours_slept,exam_score\n1,8,50\n2,6,60\n8,7,95\n")
    done = first_cli(*arguments)
    assert done.code == 2
    assert said in done.err
    assert not Path(fresh_uri.removeprefix("sqlite:///")).exists()


@pytest.mark.slow
def test_a_study_is_found_in_whatever_experiment_it_was_recorded(cli, store_uri, results, monkeypatch, capsys):
    """Recorded under another name it is judged again and told by the report; reading makes no experiment."""
    assert cli("experiment=plateau", "tracking.experiment=other").code == 0
    before = {item.name for item in Store(store_uri).client.search_experiments()}
    assert study.judge(["plateau"]) == 0
    assert capsys.readouterr().out.count("  PASSED: ") == 6
    assert study.report(["--output", str(results.parent / "report.html")]) == 0
    assert "plateau: 2 claims supported; 6 checks passed" in capsys.readouterr().out
    assert {item.name for item in Store(store_uri).client.search_experiments()} == before
