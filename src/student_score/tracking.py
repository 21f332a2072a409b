"""Records runs in MLflow and reads them back: the only module that imports mlflow, and that only when it must."""

import json
import math
import os
import sqlite3
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from getpass import getuser
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from student_score.errors import TrackingError
from student_score.trajectory import Trajectory

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for a tracking server's first answer."""

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_DISABLE_AGENT_HINT": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
"""Set before mlflow is imported, unless the user has set them: nothing phones home, nothing chatters, nothing hangs."""

METRICS_PER_BATCH = 1000
"""MLflow's limit for one log_batch call."""


def set_environment() -> None:
    """Set the variables of QUIET that the user has not set."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


@dataclass(frozen=True, kw_only=True)
class Input:
    """Rows a run used: shown by MLflow as a dataset with its digest; `context` is training or testing."""

    name: str
    digest: str
    context: str
    source: str
    profile: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """Everything MLflow is told about one finished run; times in milliseconds since 1970.

    `curves` maps a metric's name to its epochs and values; `write_files` writes the artifacts into a folder.
    """

    name: str
    start_time: int
    end_time: int
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, tuple[Sequence[int], Sequence[float]]] = field(default_factory=dict)
    inputs: Sequence[Input] = ()
    note: str = ""
    write_files: Callable[[Path], None] = lambda _folder: None

    def __post_init__(self) -> None:
        values = [*self.metrics.items(), *((name, v) for name, (_, vs) in self.curves.items() for v in vs)]
        if bad := sorted({name for name, value in values if not math.isfinite(value)}):
            # MLflow would store inf as 1.8e308, which then leads every sorted column, and drop nan in silence.
            raise ValueError(f"metrics {bad} are not finite and must not be sent to MLflow")


@dataclass(frozen=True)
class RecordedRun:
    """A run as MLflow holds it."""

    run_id: str
    name: str
    status: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    artifact: Callable[[str], Path]
    """Returns the local path of an artifact, which a remote store then sends."""

    def trajectory(self) -> Trajectory:
        """Return the run's recorded trajectory."""
        return Trajectory.load(self.artifact("trajectory.npz"))


def check_reachable(uri: str) -> None:
    """Raise TrackingError, without importing mlflow, if it is plain that nothing could be recorded at `uri`."""
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        try:
            address = f"{uri.rstrip('/')}/health"
            with urllib.request.urlopen(address, timeout=CONNECT_TIMEOUT):  # noqa: S310 - http or https, see above
                return
        except urllib.error.HTTPError as error:
            if error.code in (401, 403):  # It is there and wants credentials, which mlflow sends and this does not.
                return
            raise unusable(uri, f"it answers {error.code} to /health") from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise unusable(uri, f"no answer ({reason}), waited {CONNECT_TIMEOUT:g} s at most") from None
    if path := sqlite_path(uri):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(path, timeout=CONNECT_TIMEOUT)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
        except (OSError, sqlite3.Error) as error:
            raise unusable(uri, str(error)) from None
        if not os.access(path, os.W_OK):
            raise unusable(uri, "it is read-only")


def sqlite_path(uri: str) -> Path | None:
    """Return the file of a plain SQLite URI, None for any other store."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") and "?" not in uri else None


def unusable(uri: str, reason: str) -> TrackingError:
    """Return the error that says why a store cannot be used."""
    return TrackingError(f"the tracking store {uri} cannot be used: {reason}")


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turn what mlflow and its database layer raise into one TrackingError."""
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, CommandError, OSError) as error:
        # A database's own words, where there are any, say more than the layers above it.
        lines = [line.strip() for line in str(error).split("\n")]
        reason = next((line.partition(") ")[2] for line in lines if line.startswith("(sqlite3.")), lines[0])
        raise unusable(uri, reason.rstrip(".") or type(error).__name__) from error


class Store:
    """A tracking store and one experiment in it; every method raises TrackingError where the store fails."""

    def __init__(self, uri: str, experiment: str) -> None:
        check_reachable(uri)
        self.uri, self.experiment = uri, experiment
        set_environment()
        with store_errors(uri):
            self.client = self.open()
            self.experiment_id = self.find_or_create_experiment()

    def open(self) -> "MlflowClient":
        """Return a client; a fresh SQLite store is created by one process only, since several at once crash it."""
        from filelock import FileLock
        from mlflow import MlflowClient

        path = sqlite_path(self.uri)
        if path is None:
            return MlflowClient(self.uri)
        with FileLock(path.with_name(path.name + ".lock")):
            client = MlflowClient(self.uri)
            client.search_experiments(max_results=1)
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
        return client

    def find_or_create_experiment(self) -> str:
        """Return the id of the experiment, made with a view of its loss curves if it is new."""
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(self.experiment)
        if found is None:
            path = sqlite_path(self.uri)
            location = None if path is None else (path.resolve().parent / "mlartifacts").as_uri()
            try:
                return str(self.client.create_experiment(self.experiment, location, tags={VIEW_TAG: chart_view()}))
            except MlflowException:  # Another process has just created it.
                found = self.client.get_experiment_by_name(self.experiment)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise unusable(
                self.uri, f"the experiment {self.experiment!r} was deleted; restore it or set tracking.experiment"
            )
        return str(found.experiment_id)

    def record(self, record: Record, parent_run_id: str | None = None) -> str:
        """Write a finished run and return its id; a run that cannot be written whole is deleted again."""
        with store_errors(self.uri):
            run_id = self.create(record.name, record.tags, record.note, record.start_time, parent_run_id)
            try:
                self.write(run_id, record)
                self.client.set_terminated(run_id, "FINISHED", record.end_time)
            except BaseException:
                self.client.delete_run(run_id)
                raise
        return run_id

    def create(
        self, name: str, tags: Mapping[str, str], note: str, start_time: int, parent_run_id: str | None = None
    ) -> str:
        """Create a run with status RUNNING and return its id."""
        parent = {} if parent_run_id is None else {"mlflow.parentRunId": parent_run_id}
        note_tag = {"mlflow.note.content": note} if note else {}
        source = {"mlflow.source.name": "student-score", "mlflow.source.type": "LOCAL", "mlflow.user": getuser()}
        run = self.client.create_run(
            self.experiment_id, start_time, tags={**source, **tags, **note_tag, **parent}, run_name=name
        )
        return str(run.info.run_id)

    def write(self, run_id: str, record: Record) -> None:
        """Write params, metrics, curves, datasets and artifacts of a run, with as few calls as MLflow allows."""
        from mlflow.entities import Metric, Param

        metrics = [Metric(name, value, record.end_time, 0) for name, value in record.metrics.items()]
        for name, (epochs, values) in record.curves.items():
            metrics += [Metric(name, v, record.end_time, e) for e, v in zip(epochs, values, strict=True)]
        params = [Param(name, value) for name, value in record.params.items()]
        for first in range(0, max(len(metrics), 1), METRICS_PER_BATCH):
            batch = metrics[first : first + METRICS_PER_BATCH]
            self.client.log_batch(run_id, metrics=batch, params=params if first == 0 else [])
        if record.inputs:
            self.client.log_inputs(run_id, datasets=[dataset_input(item) for item in record.inputs])
        with tempfile.TemporaryDirectory() as folder:
            record.write_files(Path(folder))
            if any(Path(folder).iterdir()):
                self.client.log_artifacts(run_id, folder)

    def finish(
        self, run_id: str, status: str, *, tags: Mapping[str, str], metrics: Mapping[str, float], folder: Path
    ) -> None:
        """Close a run made by `create`: tags, metrics, the artifacts in `folder`, and its status."""
        from mlflow.entities import Metric, RunTag

        now = int(time() * 1000)
        with store_errors(self.uri):
            self.client.log_batch(
                run_id,
                metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
                tags=[RunTag(name, value) for name, value in tags.items()],
            )
            self.client.log_artifacts(run_id, str(folder))
            self.client.set_terminated(run_id, status, now)

    def end(self, run_id: str, status: str) -> None:
        """Close a run made by `create` with nothing but its status."""
        with store_errors(self.uri):
            self.client.set_terminated(run_id, status)

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags on a run."""
        from mlflow.entities import RunTag

        with store_errors(self.uri):
            self.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])

    def children(self, parent_run_id: str) -> list[RecordedRun]:
        """Return the runs under a parent, oldest first."""
        return self.search(f"tags.`mlflow.parentRunId` = '{parent_run_id}'")

    def search(self, condition: str) -> list[RecordedRun]:
        """Return the active runs of the experiment that meet an MLflow filter, oldest first."""
        runs: list[RecordedRun] = []
        token = None
        with store_errors(self.uri):
            while True:
                page = self.client.search_runs(
                    [self.experiment_id],
                    condition,
                    max_results=1000,
                    order_by=["attributes.start_time ASC"],
                    page_token=token,
                )
                runs += [self.recorded(run) for run in page]
                token = page.token
                if not token:
                    return runs

    def run(self, run_id: str) -> RecordedRun:
        """Return one recorded run."""
        with store_errors(self.uri):
            return self.recorded(self.client.get_run(run_id))

    def recorded(self, run: "Run") -> RecordedRun:
        """Return a run in plain values."""
        from mlflow.artifacts import download_artifacts

        def artifact(name: str) -> Path:
            with store_errors(self.uri):
                address = f"{run.info.artifact_uri}/{name}"
                return Path(download_artifacts(artifact_uri=address, tracking_uri=self.uri))

        return RecordedRun(
            run_id=run.info.run_id,
            name=run.info.run_name,
            status=run.info.status,
            params=dict(run.data.params),
            metrics=dict(run.data.metrics),
            tags=dict(run.data.tags),
            artifact=artifact,
        )

    def chart_link(self, base: str) -> str:
        """Return the page of the MLflow UI served at `base` that charts this experiment's runs."""
        return chart_link(base, self.experiment_id)


@cache
def open_store(uri: str, experiment: str) -> Store:
    """Return the store, opened once a process: the jobs of a sweep share it."""
    return Store(uri, experiment)


def server_command(uri: str, *, port: int) -> list[str]:
    """Return the command that serves the MLflow UI on loopback in as few processes as MLflow can do with."""
    set_environment()
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    address = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    return [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, *address]


VIEW = "curves"
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
"""Experiment tag in which the MLflow UI looks for the shared view that a link names."""

CURVES = ("avg_loss", "train_mse", "test_mse")


def chart_view() -> str:
    """Return the shared view for VIEW_TAG: every run's loss curves on log axes, parents left out.

    Left alone, the UI shows a sweep as one collapsed row without charts, draws the first ten runs, on linear axes.
    """
    charts = [
        {
            "uuid": f"chart-{name}",
            "type": "LINE",
            "metricSectionId": "losses",
            "displayName": name,
            "metricKey": name,
            "selectedMetricKeys": [name],
            "yAxisKey": "metric",
            "xAxisKey": "step",
            "xAxisScaleType": "log",
            "scaleType": "log",
            "range": {},
            "lineSmoothness": 0,
            "useGlobalLineSmoothing": True,
            "useGlobalXaxisKey": False,
            "deleted": False,
            "isGenerated": False,
        }
        for name in CURVES
    ]
    section = {"uuid": "losses", "name": "Losses", "display": True, "columns": 2, "cardHeight": 480}
    state = {
        "searchFilter": "tags.outcome != ''",
        "orderByKey": "tags.`mlflow.runName`",  # Ordered by anything but a date, children are not folded away.
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,  # Else the sections of all other metrics come first.
        "compareRunSections": [{**section, "isReordered": True, "deleted": False, "isGenerated": False}],
        "compareRunCharts": charts,
    }
    return json.dumps({"name": "loss curves on log axes", "createdAt": 0, "state": json.dumps(state)})


def chart_link(base: str, experiment_id: str) -> str:
    """Return the deep link to the chart of an experiment's training runs.

    Without workflowType the UI opens its view for language-model traces.
    """
    view = f"workflowType=machine_learning&compareRunsMode=CHART&viewStateShareKey={VIEW}"
    return f"{base}/#/experiments/{experiment_id}/runs?{view}"


def dataset_input(item: Input) -> Any:
    """Return MLflow's entity for rows a run used; digests are cut to the 36 characters that MLflow allows."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name=item.name, digest=item.digest[:36], source_type="local", source=item.source, profile=item.profile
    )
    return DatasetInput(dataset=dataset, tags=[InputTag("mlflow.data.context", item.context)])
