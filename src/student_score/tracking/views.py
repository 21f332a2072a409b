"""What the MLflow UI shows: stored views of charts and tables, and the links that open them."""

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from student_score.tracking.record import RecordedRun

VIEW = "curves"
"""The shared view of all training runs of an experiment; a sweep's has the id of its parent run for a name."""

LOCAL_UI = "http://127.0.0.1:5000/"
"""Where `student-score-ui` serves the UI unless told otherwise."""

RATE_METRIC, LOG_RATE_METRIC = "training.learning_rate", "training.log10_learning_rate"
"""The rate as a number, once more beside the parameter; its logarithm, at the last epoch that train_mse has."""

LOG_LOSS_METRIC = "training.log10_train_mse"
"""The logarithm of the final train_mse."""

CURVES = ("avg_loss", "train_mse", "test_mse")
"""Metrics that get a chart."""

FINAL = ("train_mse", "test_mse")
"""Metrics that get a chart against the rate."""

LINEAR, MEAN = "baseline/linear", "baseline/mean"

COLUMNS = ("tags.`outcome`", *(f"metrics.`{name}`" for name in CURVES), f"metrics.`{LINEAR}/train_mse`")
"""Of the table, behind what was swept."""

WIDTHS = {"params": 160, "tags": 110, "metrics": 190}
"""Of the table's columns, in pixels: left alone, the UI cuts off the exponents of numbers."""

LOSS_LIMITS = (1e-4, 1e7)
"""Ends of the loss axis, in score points squared, where runs of any kind are shown together."""

BELOW, ABOVE = 0.1, 1e4
"""How far a sweep's loss axis reaches: times its lowest final loss, times the mean score's error."""

LOWEST = 1e-12
"""Times the mean score's error: the lowest end of a sweep's loss axis."""

COLOURS = {
    "converged": "green",
    "settled": "light blue",
    "slow": "blue",
    "oscillating": "pink",
    "stuck": "grey",
    "collapsed": "orange",
    "diverged": "black",
}
"""What people call the colours of outcomes, from best to worst."""

BY_OUTCOME = {"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": "outcome"}]}
"""Lists the runs under their outcome, each beside its colour."""

Chart = dict[str, Any]


def view_tag(key: str) -> str:
    """Return the experiment tag in which the MLflow UI looks for the shared view that a link names."""
    return f"mlflow.sharedViewState.{key}"


def table_key(parent_run_id: str) -> str:
    """Return the name of the view of a sweep's table, which is not grouped by outcome: it stays in order."""
    return f"{parent_run_id}.table"


def shared_view(
    name: str,
    condition: str,
    *,
    swept: Sequence[str] = (RATE_METRIC,),
    limits: tuple[float, float] = LOSS_LIMITS,
    against: Sequence[Chart] = (),
    heading: str = "",
    grouped: bool = True,
) -> str:
    """Return a shared view for the MLflow UI: charts of losses on log axes, and the columns of the table.

    Left alone, the UI shows a sweep as one collapsed row without charts, draws the first ten runs, on linear axes that
    reach to where a diverged run ended.

    Args:
        name: what the UI's menu of views calls it.
        condition: MLflow's filter for the runs.
        swept: keys of the configuration that get a column.
        limits: ends of the loss axis; a curve beyond leaves the chart.
        against: charts of final losses, which come first.
        heading: what stands above the charts; by default which colour means what.
        grouped: whether runs are listed by outcome.
    """
    charts = [*against, *(loss_chart(curve, limits) for curve in CURVES)]
    section = {"uuid": "losses", "name": heading or legend(COLOURS), "display": True, "columns": 2}
    columns = [*(f"params.`{key}`" for key in swept), *COLUMNS]
    widths = {column: WIDTHS[column.partition(".")[0]] for column in columns}
    state = {
        "searchFilter": condition,
        # Parameters are texts to MLflow, which puts 1e-05 behind 0.01, so the rate is a metric as well.
        "orderByKey": f"metrics.`{RATE_METRIC}`",  # Ordered by anything but a date, children are not folded away.
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "columnOrder": ["attributes.`Run Name`", *columns],
        "columnWidths": {"attributes.`Run Name`": 280, **widths},
        "runsHiddenMode": "SHOW_ALL",
        "groupBy": BY_OUTCOME if grouped else None,
        "useGroupedValuesInCharts": False,  # A curve for each run, not a mean for each outcome.
        "isAccordionReordered": True,  # Else the sections of all other metrics come first.
        "compareRunSections": [
            {**section, "cardHeight": 440, "isReordered": True, "deleted": False, "isGenerated": False}
        ],
        "compareRunCharts": charts,
    }
    return json.dumps({"name": name, "createdAt": 0, "state": json.dumps(state)})


def legend(outcomes: Iterable[str]) -> str:
    """Return which colour means what, in words: charts of the UI have a legend of runs, not of outcomes."""
    known = set(outcomes)
    return ", ".join(f"{colour} {name}" for name, colour in COLOURS.items() if name in known)


def line_chart(uuid: str, metric: str, limits: tuple[float, float], **changes: object) -> Chart:
    """Return a chart of a shared view: a loss on a log axis against the epoch."""
    lowest, highest = (math.log10(end) for end in limits)  # The UI wants exponents for a log axis.
    return {
        "uuid": uuid,
        "type": "LINE",
        "metricSectionId": "losses",
        "metricKey": metric,
        "selectedMetricKeys": [metric],
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
        **changes,
    }


def loss_chart(curve: str, limits: tuple[float, float]) -> Chart:
    """Return the chart of a loss against the epoch."""
    return line_chart(f"chart-{curve}", curve, limits)


def rate_chart(loss: str, limits: tuple[float, float]) -> Chart:
    """Return the chart of final losses against the logarithm of the rate, a point for each run."""
    axis = {"xAxisKey": "metric", "selectedXAxisMetricKey": LOG_RATE_METRIC, "displayPoints": True}
    return line_chart(f"rate-{loss}", loss, limits, **axis)


def value_chart(key: str) -> Chart:
    """Return the chart of final losses against a swept key that is no rate; it can only have linear axes."""
    return {
        "uuid": f"value-{key}",
        "type": "SCATTER",
        "metricSectionId": "losses",
        "xaxis": {"key": key, "type": "PARAM"},
        "yaxis": {"key": LOG_LOSS_METRIC, "type": "METRIC"},
        "deleted": False,
        "isGenerated": False,
    }


def charts_against(swept: Sequence[str], limits: tuple[float, float], runs: Sequence[RecordedRun]) -> list[Chart]:
    """Return charts of final losses against the rate, if that was swept, else against the first swept number."""
    if RATE_METRIC in swept:
        known = [loss for loss in FINAL if any(loss in run.metrics for run in runs)]
        return [rate_chart(loss, limits) for loss in known]
    numbers = [key for key in swept if runs and all(is_number(run.params.get(key, "")) for run in runs)]
    return [value_chart(key) for key in numbers[:1]]


def is_number(text: str) -> bool:
    """Say whether a parameter's text is a number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def experiment_view() -> str:
    """Return the view of all training runs of an experiment, which has the key VIEW; parents of sweeps are left out."""
    return shared_view("loss curves on log axes", "tags.outcome != ''")


EXPERIMENT_NOTE = """\
Trainings of tiny networks, which predict scores.

A sweep is one row; the + before its name unfolds its runs, its page says what came out and leads to its charts.

- `outcome`, a tag and the colour of a run: how its training ended.
- `avg_loss`: mean squared error of an epoch while it trains; `train_mse`, `test_mse`: at fixed weights.
- `baseline/linear/train_mse`, `baseline/mean/train_mse`: the same of linear regression and of the mean score. A \
network that is no better than these has learned nothing of use. Where rows are held out, \
`baseline/quadratic/test_mse` and `baseline/ridge/test_mse` stand beside them.
- `baseline/least_possible/expected_mse`: of simulated students, what no prediction of new ones goes below on average.

All errors are in the target's units, squared."""
"""What an experiment holds and how it is read."""


def experiment_tags(question: str = "") -> dict[str, str]:
    """Return the tags of an experiment: a view of its runs, what it holds and is to answer, that it trains models.

    Without the last the UI takes it for one of language models, and says "Evaluations" where it shows runs.
    """
    return {
        view_tag(VIEW): experiment_view(),
        "mlflow.note.content": f"{question}\n\n{EXPERIMENT_NOTE}".lstrip(),
        "mlflow.experimentKind": "custom_model_development",
    }


def sweep_views(name: str, parent_run_id: str, swept: Sequence[str], runs: Sequence[RecordedRun]) -> dict[str, str]:
    """Return, by key, the views of the runs under one parent: charts, with the runs by outcome, and a table in order.

    The loss axis fits the runs that did not diverge.
    """
    condition, limits = f"tags.`mlflow.parentRunId` = '{parent_run_id}'", loss_limits(runs)
    against = charts_against(swept, limits, runs)
    above = legend(run.tags.get("outcome", "") for run in runs)
    return {
        key: shared_view(title, condition, swept=swept, limits=limits, against=against, heading=above, grouped=grouped)
        for key, title, grouped in ((parent_run_id, name, True), (table_key(parent_run_id), f"{name}, table", False))
    }


def loss_limits(runs: Sequence[RecordedRun]) -> tuple[float, float]:
    """Return the ends of a loss axis, in multiples of the mean score's error and the lowest final loss."""
    heights = [run.metrics.get(f"{MEAN}/train_mse", 0.0) for run in runs]
    height = max(heights, default=0.0) or 1.0
    settled = [run.metrics for run in runs if run.tags.get("outcome") != "diverged"]
    final = [metrics[name] for metrics in settled for name in CURVES if name in metrics]
    return max(BELOW * min([*final, height]), LOWEST * height), ABOVE * height


def view_link(base: str, experiment_id: str, key: str = VIEW, *, mode: str = "CHART") -> str:
    """Return the link to a shared view, as CHART or as TABLE, in the MLflow UI at `base`, which is empty or ends in /.

    Without workflowType the UI opens its view for language-model traces. A link that has a filter or an order of its
    own would make the UI ignore the shared view.
    """
    view = f"workflowType=machine_learning&compareRunsMode={mode}&viewStateShareKey={key}"
    return f"{base}#/experiments/{experiment_id}/runs?{view}"


def run_link(base: str, experiment_id: str, run_id: str) -> str:
    """Return the link to a run's page in the MLflow UI at `base`, which is empty or ends in /."""
    return f"{base}#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"


def image_link(run_id: str, name: str) -> str:
    """Return the address of an artifact as a description can show it: relative, to whatever server shows the page."""
    return f"get-artifact?path={name}&run_uuid={run_id}"
