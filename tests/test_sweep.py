"""A sweep: all jobs are checked before one runs, all runs lie under one parent, a job that fails fails alone."""

import pytest
from hydra.core.utils import JobReturn, JobStatus

from student_score import run, sweep
from student_score.config import Config, DatasetConfig, TrackingConfig, TrainingConfig
from student_score.errors import InputError

CSV = DatasetConfig(path="data/student_scores.csv")


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch, request):
    """Let relative paths start at the repository."""
    monkeypatch.chdir(request.config.rootpath)


def compose(job: list[str]) -> Config:
    """Stand in for Hydra: a job is one override of the learning rate and one of the epochs."""
    values = dict(override.split("=") for override in job)
    return Config(
        dataset=CSV,
        training=TrainingConfig(learning_rate=float(values["rate"]), epochs=int(values.get("epochs", 20))),
        tracking=TrackingConfig(experiment="tests"),
    )


@pytest.fixture(autouse=True)
def _plain_configurations(monkeypatch):
    """Let `compose` above return the configuration itself."""
    monkeypatch.setattr(sweep, "to_config", lambda composed: composed)


def test_all_bad_jobs_are_named_together():
    """One message names every job that cannot run, by its overrides, and why; none is started."""
    jobs = [["rate=0.1"], ["rate=-1"], ["rate=0.1", "epochs=0"]]
    with pytest.raises(InputError) as caught:
        sweep.check_jobs(jobs, compose)
    message = str(caught.value)
    assert message.startswith("2 of 3 jobs cannot run, so none was started.")
    assert "rate=-1: training.learning_rate=-1.0" in message
    assert "rate=0.1 epochs=0: training.epochs=0" in message


def test_a_single_bad_job_reads_like_a_single_run():
    """A sweep of one says what a run would say."""
    with pytest.raises(InputError, match=r"^training.epochs=0: it must be at least 1$"):
        sweep.check_jobs([["rate=0.1", "epochs=0"]], compose)


def opened_sweep(jobs: list[list[str]]) -> sweep.Sweep:
    """Check the jobs and open their sweep."""
    return sweep.open_sweep(jobs, sweep.check_jobs(jobs, compose))


def run_jobs(opened: sweep.Sweep) -> None:
    """Do what the jobs of a sweep do."""
    for job in opened.jobs:
        membership = sweep.Membership.current()
        result = run.execute(run.prepare(compose(job)))
        opened.store.record(run.record(result, swept=membership.swept), membership.parent_run_id)


def test_a_sweep_ends_with_a_table_under_its_parent(store_uri):
    """The parent holds results.csv and results.parquet with a row a run, counts by outcome, and a figure."""
    opened = opened_sweep([["rate=0.0001"], ["rate=0.0002"], ["rate=0.01"]])
    with sweep.running(opened):
        run_jobs(opened)
        opened.close([])
    parent = opened.store.run(opened.membership.parent_run_id)
    assert parent.status == "FINISHED"
    assert parent.name == "sweep of learning_rate (3 runs)"
    assert (parent.metrics["runs"], parent.metrics["runs/collapsed"], parent.metrics["runs/failed"]) == (3, 1, 0)
    text = parent.artifact("results.csv").read_text().splitlines()
    assert text[0].startswith("training.learning_rate,outcome,avg_loss,")
    assert [line.split(",")[0] for line in text[1:]] == ["0.0001", "0.0002", "0.01"]
    assert parent.artifact("results.parquet").stat().st_size > 0
    assert parent.artifact("results.png").read_bytes().startswith(b"\x89PNG")
    assert sweep.Membership.current() is None


def test_an_interrupted_sweep_is_killed_and_a_broken_one_failed(store_uri):
    """Ctrl-C ends the parent run as KILLED, an error as FAILED: none is left RUNNING."""
    for error, status in ((KeyboardInterrupt, "KILLED"), (RuntimeError, "FAILED")):
        opened = opened_sweep([["rate=0.1"]])
        with pytest.raises(error), sweep.running(opened):
            raise error
        assert opened.store.run(opened.membership.parent_run_id).status == status


def test_failed_jobs_are_kept_apart(store_uri):
    """A failing job is listed with its cause, and fails the parent run, not the others."""
    jobs = [["rate=0.0001"], ["rate=0.01"]]
    returns = [JobReturn(status=JobStatus.COMPLETED), JobReturn(status=JobStatus.FAILED)]
    returns[1].return_value = ValueError("no luck")
    opened = opened_sweep(jobs)
    [(job, error)] = failures = sweep.failures(jobs, returns)
    assert (job, str(error)) == (["rate=0.01"], "no luck")
    opened.close(failures)
    parent = opened.store.run(opened.membership.parent_run_id)
    assert (parent.status, parent.metrics["runs/failed"]) == ("FAILED", 1)
    assert parent.artifact("failures.txt").read_text() == "rate=0.01: no luck\n"


def test_swept_keys_are_those_that_differ_in_the_order_written():
    """The same sweep written the other way round names its keys the other way round."""
    configs = [compose([f"rate={rate}", f"epochs={epochs}"]) for rate in (0.1, 0.2) for epochs in (1, 2)]
    rate, epochs = "training.learning_rate", "training.epochs"
    assert sweep.swept_keys(configs, written=[rate, epochs]) == [rate, epochs]
    assert sweep.swept_keys(configs, written=[epochs, rate]) == [epochs, rate]
    assert sweep.swept_keys(configs[:1], written=[rate]) == []


@pytest.mark.parametrize(("text", "value"), [("0.1", 0.1), ("3", 3), ("relu", "relu"), ("[1, 2]", "[1, 2]")])
def test_recorded_parameters_become_numbers_again(text, value):
    """Tables hold numbers where numbers were swept."""
    assert sweep.parsed(text) == value
