"""The commands' last word: what failed is said in a sentence, with the exit code for its kind."""

import pytest
from hydra.core.utils import JobReturn, JobStatus

from student_score import app, sweep
from student_score.config import Config, DatasetConfig, TrackingConfig
from student_score.errors import InputError, TrackingError


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("epochs=0: it must be at least 1"), 2, "student-score: epochs=0: it must be at least 1\n"),
        (TrackingError("no store"), 2, "student-score: no store. The training was not recorded.\n"),
        (app.SweepError("1 of 2 jobs failed: a=1: x"), 1, "student-score: 1 of 2 jobs failed: a=1: x\n"),
        (
            ZeroDivisionError("division by zero"),
            1,
            (
                "student-score: unexpected ZeroDivisionError: division by zero. "
                "HYDRA_FULL_ERROR=1 shows where it happened.\n"
            ),
        ),
    ],
)
def test_an_error_becomes_a_sentence_and_an_exit_code(error, code, said, capsys):
    """2 for bad input, 1 for work that failed."""
    assert app.explain(error) == code
    assert capsys.readouterr().err == said


def test_a_sweep_whose_jobs_fail_says_which(store_uri, monkeypatch, request, capsys):
    """The failed job is named with its cause after the others ran, and the parent run says FAILED."""
    path = str(request.config.rootpath / "data/student_scores.csv")
    config = Config(dataset=DatasetConfig(path=path), tracking=TrackingConfig(experiment="tests"))
    monkeypatch.setattr(sweep, "to_config", lambda composed: composed)
    done, failed = JobReturn(status=JobStatus.COMPLETED), JobReturn(status=JobStatus.FAILED)
    failed.return_value = ValueError("no luck")

    def launch():
        app.run_member(config, sweep.Membership.current())
        return [done, failed]

    with pytest.raises(app.SweepError, match=r"^1 of 2 jobs failed: b=2: no luck$"):
        app.run_sweep([["a=1"], ["b=2"]], lambda _job: config, launch)
    assert "1 runs" in capsys.readouterr().out
    with pytest.raises(app.SweepError, match=r"^1 of 1 jobs failed"):
        app.run_sweep([["b=2"]], lambda _job: config, lambda: [failed])
    store = sweep.Store(store_uri, "tests")
    assert [run.status for run in store.search("tags.kind = 'sweep'")] == ["FAILED", "FAILED"]
