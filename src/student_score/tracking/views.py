"""What the MLflow UI shows: stored views of charts and tables, and the links that open them."""

import json
import math
from collections.abc import Sequence
from typing import Any

from student_score.tracking.record import RecordedRun

VIEW = "curves"
"""The shared view of all training runs of an experiment; a sweep's has the id of its parent run for a name."""

LOCAL_UI = "http://127.0.0.1:5000"
"""Where `student-score-ui` serves the UI unless told otherwise."""

CURVES = ("avg_loss", "train_mse", "test_mse")
"""Metrics that get a chart."""

COLUMNS = ("tags.`outcome`", *(f"metrics.`{name}`" for name in CURVES), "metrics.`baseline/linear/train_mse`")
"""Of the table, behind what was swept."""

WIDTHS = {"params": 160, "tags": 110, "metrics": 190}
"""Of the table's columns, in pixels: left alone, the UI cuts off the exponents of numbers."""

LOSS_LIMITS = (1e-4, 1e7)
"""Ends of the loss axis, in score points squared, where runs of any kind are shown together."""

BELOW, ABOVE = 0.1, 1e4
"""How far a sweep's loss axis reaches: times its lowest final loss, times the mean score's error."""

LOWEST = 1e-12
"""Times the mean score's error: the lowest end of a sweep's loss axis."""


def view_tag(key: str) -> str:
    """Return the experiment tag in which the MLflow UI looks for the shared view that a link names."""
    return f"mlflow.sharedViewState.{key}"


def shared_view(
    name: str,
    condition: str,
    *,
    swept: Sequence[str] = ("training.learning_rate",),
    limits: tuple[float, float] = LOSS_LIMITS,
) -> str:
    """Return a shared view for the MLflow UI: loss curves on log axes, and the columns of the table.

    Left alone, the UI shows a sweep as one collapsed row without charts, draws the first ten runs, on linear axes that
    reach to where a diverged run ended.

    Args:
        name: what the UI's menu of views calls it.
        condition: MLflow's filter for the runs.
        swept: keys of the configuration that get a column.
        limits: ends of the loss axis; a curve beyond leaves the chart.
    """
    charts = [loss_chart(curve, limits) for curve in CURVES]
    section = {"uuid": "losses", "name": "Losses", "display": True, "columns": 2, "cardHeight": 480}
    columns = [*(f"params.`{key}`" for key in swept), *COLUMNS]
    widths = {column: WIDTHS[column.partition(".")[0]] for column in columns}
    state = {
        "searchFilter": condition,
        # Parameters are texts to MLflow, which puts 1e-05 behind 0.01, so the rate is a metric as well.
        "orderByKey": "metrics.`learning_rate`",  # Ordered by anything but a date, children are not folded away.
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "columnOrder": ["attributes.`Run Name`", *columns],
        "columnWidths": {"attributes.`Run Name`": 280, **widths},
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,  # Else the sections of all other metrics come first.
        "compareRunSections": [{**section, "isReordered": True, "deleted": False, "isGenerated": False}],
        "compareRunCharts": charts,
    }
    return json.dumps({"name": name, "createdAt": 0, "state": json.dumps(state)})


def loss_chart(curve: str, limits: tuple[float, float]) -> dict[str, Any]:
    """Return one chart of a shared view: a loss against the epoch on log axes."""
    lowest, highest = (math.log10(end) for end in limits)  # The UI wants exponents for a log axis.
    return {
        "uuid": f"chart-{curve}",
        "type": "LINE",
        "metricSectionId": "losses",
        "displayName": curve,
        "metricKey": curve,
        "selectedMetricKeys": [curve],
        "yAxisKey": "metric",
        "xAxisKey": "step",
        "xAxisScaleType": "log",
        "scaleType": "log",
        "range": {"yMin": lowest, "yMax": highest},
        "lineSmoothness": 0,
        "useGlobalLineSmoothing": True,
        "useGlobalXaxisKey": False,
        "deleted": False,
        "isGenerated": False,
    }


def experiment_view() -> str:
    """Return the view of all training runs of an experiment, which has the key VIEW; parents of sweeps are left out."""
    return shared_view("loss curves on log axes", "tags.outcome != ''")


def sweep_view(name: str, parent_run_id: str, swept: Sequence[str], runs: Sequence[RecordedRun]) -> str:
    """Return the view of the runs under one parent, whose loss axis fits those that did not diverge."""
    condition = f"tags.`mlflow.parentRunId` = '{parent_run_id}'"
    return shared_view(name, condition, swept=swept, limits=loss_limits(runs))


def loss_limits(runs: Sequence[RecordedRun]) -> tuple[float, float]:
    """Return the ends of a loss axis, in multiples of the mean score's error and the lowest final loss."""
    heights = [run.metrics.get("baseline/mean/train_mse", 0.0) for run in runs]
    height = max(heights, default=0.0) or 1.0
    final = [run.metrics["avg_loss"] for run in runs if "avg_loss" in run.metrics and not run.metrics.get("diverged")]
    return max(BELOW * min([*final, height]), LOWEST * height), ABOVE * height


def view_link(base: str, experiment_id: str, key: str = VIEW, *, mode: str = "CHART") -> str:
    """Return the link to a shared view, as CHART or as TABLE, in the MLflow UI at `base`, which is empty or ends in /.

    Without workflowType the UI opens its view for language-model traces. A link that has a filter or an order of its
    own would make the UI ignore the shared view.
    """
    view = f"workflowType=machine_learning&compareRunsMode={mode}&viewStateShareKey={key}"
    return f"{base}#/experiments/{experiment_id}/runs?{view}"
