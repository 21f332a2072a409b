"""What the MLflow UI shows: links that open the training runs, and views with log axes."""

import json

import pytest

from student_score.tracking.record import RecordedRun
from student_score.tracking.views import loss_limits, shared_view, view_link


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


def recorded(**metrics: float) -> RecordedRun:
    """Return a run with these metrics and nothing else."""
    return RecordedRun("id", "name", "FINISHED", {}, metrics, {}, 0, str.encode)


@pytest.mark.parametrize(
    ("runs", "limits"),
    [
        ([], (0.1, 1e4)),
        ([recorded(avg_loss=1e300, diverged=1.0)], (0.1, 1e4)),
        ([recorded(avg_loss=2.0, **{"baseline/mean/train_mse": 200.0})], (0.2, 2e6)),
        ([recorded(avg_loss=0.0, **{"baseline/mean/train_mse": 200.0})], (2e-10, 2e6)),
        ([recorded(avg_loss=900.0, **{"baseline/mean/train_mse": 200.0})], (20, 2e6)),
    ],
)
def test_a_sweeps_loss_axis_fits_what_did_not_diverge(runs, limits):
    """It reaches from a decade below the lowest final loss to 10,000 times the mean score's error."""
    assert loss_limits(runs) == pytest.approx(limits)
