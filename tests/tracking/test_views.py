"""What the MLflow UI shows: links that open the training runs, and views with log axes."""

import json

import pytest

from student_score.model.outcome import Outcome
from student_score.tracking.record import RecordedRun
from student_score.tracking.views import (
    COLOURS,
    experiment_tags,
    loss_limits,
    run_link,
    shared_view,
    sweep_views,
    view_link,
)


def test_the_chart_link_opens_the_training_runs():
    """The deep link names the experiment and asks for the chart, and has no filter, which would cancel the view."""
    link = view_link("http://127.0.0.1:5000/", "7")
    assert link.startswith("http://127.0.0.1:5000/#/experiments/7/runs?workflowType=machine_learning&")
    assert "compareRunsMode=CHART" in link
    assert "searchFilter" not in link


def test_a_shared_view_has_log_axes_and_the_swept_columns():
    """Every chart has the given ends as exponents; the table starts with what was swept."""
    view = json.loads(shared_view("a", "tags.outcome != ''", swept=["network.seed"], limits=(0.01, 1000)))
    state = json.loads(view["state"])
    assert view["name"] == "a"
    assert state["searchFilter"] == "tags.outcome != ''"
    assert state["selectedColumns"][:2] == ["params.`network.seed`", "tags.`outcome`"]
    for chart in state["compareRunCharts"]:
        assert (chart["xAxisScaleType"], chart["scaleType"]) == ("log", "log")
        assert chart["range"] == pytest.approx({"yMin": -2, "yMax": 3})


def recorded(outcome: str = "slow", **metrics: float) -> RecordedRun:
    """Return a run with this outcome and these metrics and nothing else."""
    return RecordedRun(
        "id", "name", "FINISHED", {"network.hidden_size": "2"}, metrics, {"outcome": outcome}, 0, str.encode
    )


def charts(swept: list[str], *runs: RecordedRun) -> list[dict]:
    """Return the charts of a sweep's view."""
    view = json.loads(sweep_views("a sweep", "id", swept, runs)["id"])
    return json.loads(view["state"])["compareRunCharts"]


def test_final_losses_are_charted_against_the_rate():
    """The rate is the axis where it was swept, of train_mse and of test_mse where there are test rows."""
    [first, *others] = charts(["network.seed", "training.learning_rate"], recorded(train_mse=1.0))
    assert (first["metricKey"], first["selectedXAxisMetricKey"]) == ("train_mse", "training.log10_learning_rate")
    assert (first["xAxisKey"], first["scaleType"], first["displayPoints"]) == ("metric", "log", True)
    assert [chart["xAxisKey"] for chart in others] == ["step"] * 3
    found = charts(["training.learning_rate"], recorded(train_mse=1.0, test_mse=2.0))
    assert [chart["metricKey"] for chart in found[:2]] == ["train_mse", "test_mse"]


def test_a_sweep_over_no_rate_is_charted_against_its_first_number():
    """Words and keys that the runs lack are passed over; without any number there are the curves alone."""
    [first, *others] = charts(["network.activation", "network.hidden_size"], recorded(train_mse=1.0))
    assert (first["type"], first["xaxis"]) == ("SCATTER", {"key": "network.hidden_size", "type": "PARAM"})
    assert len(others) == 3
    assert len(charts(["network.activation"], recorded(train_mse=1.0))) == 3


def test_charts_list_runs_by_outcome_and_the_table_does_not():
    """The heading says which colour means what; the table stays in the order of the rate."""
    runs = [recorded("collapsed"), recorded("converged")]
    views = sweep_views("a sweep", "id", ["training.learning_rate"], runs)
    chart, table = (json.loads(json.loads(views[key])["state"]) for key in ("id", "id.table"))
    assert chart["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "outcome"}]
    assert chart["compareRunSections"][0]["name"] == "green converged, orange collapsed"
    assert (table["groupBy"], table["orderByKey"]) == (None, "metrics.`training.learning_rate`")


def test_every_outcome_has_a_colour_in_words():
    """They are listed as the vocabulary lists them, from best to worst."""
    assert set(COLOURS) == {outcome.name for outcome in Outcome}


def test_a_run_opens_among_training_runs():
    """Without the workflow's type the UI would show it among evaluations of language models."""
    link = run_link("http://127.0.0.1:5000/", "7", "abc")
    assert link == "http://127.0.0.1:5000/#/experiments/7/runs/abc?workflowType=machine_learning"
    assert experiment_tags()["mlflow.experimentKind"] == "custom_model_development"


@pytest.mark.parametrize(
    ("runs", "limits"),
    [
        ([], (0.1, 1e4)),
        ([recorded("diverged", avg_loss=1e300)], (0.1, 1e4)),
        ([recorded(avg_loss=2.0, **{"baseline/mean/train_mse": 200.0})], (0.2, 2e6)),
        ([recorded(avg_loss=0.0, **{"baseline/mean/train_mse": 200.0})], (2e-10, 2e6)),
        ([recorded(avg_loss=900.0, **{"baseline/mean/train_mse": 200.0})], (20, 2e6)),
    ],
)
def test_a_sweeps_loss_axis_fits_what_did_not_diverge(runs, limits):
    """It reaches from a decade below the lowest final loss to 10,000 times the mean score's error."""
    assert loss_limits(runs) == pytest.approx(limits)
