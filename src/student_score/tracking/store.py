"""A tracking store: opened once, written to by a writer, read back in plain values."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from student_score.errors import InputError, TrackingError
from student_score.tracking import internals
from student_score.tracking.address import check_reachable, sqlite_path, unusable, without_user
from student_score.tracking.artifacts import read_artifact
from student_score.tracking.environment import set_environment
from student_score.tracking.failures import patient, store_errors
from student_score.tracking.opening import choose_writer, open_client
from student_score.tracking.record import JOB_HASH, Record, RecordedRun, mlflow_tags
from student_score.tracking.views import (
    LOCAL_UI,
    VIEW,
    experiment_tags,
    run_link,
    sweep_views,
    table_key,
    view_link,
    view_tag,
)

if TYPE_CHECKING:
    from mlflow.entities import Experiment, Run


class Store:
    """A tracking store; every method raises TrackingError where the store fails.

    With an experiment, which is made if it is not there, runs are written to it and searched in it alone. Without one
    the store is only read, all of its experiments, and none is made.
    """

    def __init__(self, uri: str, experiment: str | None = None) -> None:
        check_reachable(uri)
        self.uri = uri
        self.experiment: Experiment | None = None
        set_environment()
        self.open(experiment)

    @patient
    def open(self, experiment: str | None) -> None:
        """Connect, make what is not there, and remove what dead processes left behind."""
        with store_errors(self.uri):
            self.client = open_client(self.uri)
            if experiment is None:
                return
            self.experiment = self.find_or_create(experiment)
            self.writer = choose_writer(self.uri, self.client, self.experiment)
            self.writer.clean()

    @property
    def experiment_id(self) -> str:
        """The id of the experiment that runs are written to."""
        if self.experiment is None:
            raise TypeError("this store was opened to be read, without an experiment")
        return str(self.experiment.experiment_id)

    @property
    def experiment_name(self) -> str:
        """Its name."""
        return "" if self.experiment is None else str(self.experiment.name)

    def find_or_create(self, name: str) -> "Experiment":
        """Return an experiment, made with a view of its loss curves if it is new."""
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(name)
        if found is None:
            path = sqlite_path(self.uri)
            location = None if path is None else (path.resolve().parent / "mlartifacts").as_uri()
            try:
                created = self.client.create_experiment(name, location, tags=experiment_tags())
                found = self.client.get_experiment(created)
            except MlflowException:  # Another process has just created it.
                found = self.client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise unusable(self.uri, f"the experiment {name!r} was deleted; restore it or set tracking.experiment")
        self.describe_experiment(found)
        return found

    def describe_experiment(self, experiment: "Experiment", question: str = "") -> None:
        """Say what an experiment holds, and which question it is to answer; what somebody wrote about it stays."""
        ours = experiment_tags()
        for key, value in experiment_tags(question).items():
            known = experiment.tags.get(key)
            if known is None or (known != value and (key == view_tag(VIEW) or known == ours[key])):
                self.client.set_experiment_tag(experiment.experiment_id, key, value)

    # Writing.

    def record(self, record: Record, parent_run_id: str | None = None) -> str:
        """Write a finished run and return its id; a run that cannot be written whole is not left behind."""
        return self.record_many([record], parent_run_id)[0]

    @patient
    def record_many(self, records: Sequence[Record], parent_run_id: str | None = None) -> list[str]:
        """Write finished runs and return their ids: all of them, or none where one cannot be written whole."""
        with store_errors(self.uri):
            for record in records:
                internals.check_limits(record)
            return self.writer.write(records, parent_run_id)

    @patient
    def create(
        self, name: str, tags: Mapping[str, str], note: str, start_time: int, parent_run_id: str | None = None
    ) -> str:
        """Create a run with status RUNNING and return its id."""
        with store_errors(self.uri):
            all_tags = mlflow_tags(name, tags, note, parent_run_id)
            run = self.client.create_run(self.experiment_id, start_time, tags=all_tags, run_name=name)
        return str(run.info.run_id)

    @patient
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

    @patient
    def end(self, run_id: str, status: str) -> None:
        """Close a run made by `create` with nothing but its status."""
        with store_errors(self.uri):
            self.client.set_terminated(run_id, status)

    @patient
    def reopen(self, run_id: str) -> None:
        """Set a run that has ended back to RUNNING."""
        with store_errors(self.uri):
            self.writer.reopen(run_id)

    @patient
    def delete(self, run_id: str) -> None:
        """Delete a run as MLflow does: it is hidden, can be restored, and keeps its artifacts until `mlflow gc`."""
        with store_errors(self.uri):
            self.client.delete_run(run_id)

    @patient
    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags on a run."""
        from mlflow.entities import RunTag

        with store_errors(self.uri):
            self.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])

    # Reading.

    def children(self, parent_run_id: str) -> list[RecordedRun]:
        """Return the runs under a parent, oldest first."""
        return self.search(f"tags.`mlflow.parentRunId` = '{parent_run_id}'")

    def finished(self, parent_run_id: str) -> list[RecordedRun]:
        """Return the finished runs under a parent, oldest first, each job once: two machines may have done the same."""
        found: dict[str, RecordedRun] = {}
        for child in self.children(parent_run_id):
            if child.status == "FINISHED":
                found.setdefault(child.tags.get(JOB_HASH, child.run_id), child)
        return list(found.values())

    @patient
    def search(self, condition: str, *, deleted: bool = False) -> list[RecordedRun]:
        """Return the active, or else the deleted, runs that meet an MLflow filter, oldest first."""
        from mlflow.entities import ViewType

        runs: list[RecordedRun] = []
        token = None
        with store_errors(self.uri):
            places = self.places()
            while True:
                page = self.client.search_runs(
                    places,
                    condition,
                    ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY,
                    max_results=1000,
                    order_by=["attributes.start_time ASC"],
                    page_token=token,
                )
                runs += [self.recorded(run) for run in page]
                token = page.token
                if not token:
                    return runs

    def places(self) -> list[str]:
        """Return the ids of the experiments that are searched."""
        if self.experiment is not None:
            return [self.experiment_id]
        found, token = [], None
        while True:
            page = self.client.search_experiments(max_results=1000, page_token=token)
            found += [str(experiment.experiment_id) for experiment in page]
            token = page.token
            if not token:
                return found

    @patient
    def run(self, run_id: str) -> RecordedRun:
        """Return one recorded run.

        Raises:
            InputError: there is none, or it was deleted.
        """
        try:
            with store_errors(self.uri):
                found = self.client.get_run(run_id)
        except TrackingError as error:
            if getattr(error.__cause__, "error_code", "") in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise InputError(f"there is no run {run_id!r} in {self.uri}") from None
            raise
        if found.info.lifecycle_stage != "active":
            raise InputError(f"the run {run_id} was deleted; `mlflow runs restore --run-id {run_id}` brings it back")
        return self.recorded(found)

    def recorded(self, run: "Run") -> RecordedRun:
        """Return a run in plain values."""

        def content(name: str) -> bytes:
            with store_errors(self.uri):
                return read_artifact(f"{run.info.artifact_uri}/{name}", self.uri)

        return RecordedRun(
            run_id=run.info.run_id,
            name=run.info.run_name,
            status=run.info.status,
            params=dict(run.data.params),
            metrics=dict(run.data.metrics),
            tags=dict(run.data.tags),
            start_time=int(run.info.start_time),
            content=content,
            experiment_id=str(run.info.experiment_id),
        )

    # The UI.

    @property
    def ui(self) -> str:
        """Where this store's UI is: at the tracking server, or where `student-score-ui` serves a store without one."""
        return without_user(self.uri).rstrip("/") + "/" if self.has_server else LOCAL_UI

    @property
    def has_server(self) -> bool:
        """Whether a server of its own keeps the store."""
        return self.uri.startswith("http")

    def chart_link(self, base: str | None = None) -> str:
        """Return the page that charts this experiment's runs, in the MLflow UI at `base`."""
        return view_link(self.ui if base is None else base, self.experiment_id)

    def run_link(self, run_id: str) -> str:
        """Return the page of a run of this experiment."""
        return run_link(self.ui, self.experiment_id, run_id)

    @patient
    def share_sweep(self, parent_run_id: str, *, swept: Sequence[str], runs: Sequence[RecordedRun]) -> None:
        """Make the views to which `sweep_links` lead."""
        with store_errors(self.uri):
            name = self.client.get_run(parent_run_id).info.run_name
            for key, view in sweep_views(name, parent_run_id, swept, runs).items():
                self.client.set_experiment_tag(self.experiment_id, view_tag(key), view)

    @patient
    def sweep_links(
        self, parent_run_id: str, base: str | None = None, *, experiment_id: str | None = None
    ) -> tuple[str, str]:
        """Return the links to the chart and the table of a sweep; of one that was not shared, to its parent's page."""
        base = self.ui if base is None else base
        experiment_id = experiment_id or self.experiment_id
        with store_errors(self.uri):
            views = self.client.get_experiment(experiment_id).tags
        if view_tag(parent_run_id) not in views:
            page = run_link(base, experiment_id, parent_run_id)
            return page, page
        table = table_key(parent_run_id)
        keys = parent_run_id, table if view_tag(table) in views else parent_run_id
        chart, listed = (
            view_link(base, experiment_id, key, mode=mode) for key, mode in zip(keys, ("CHART", "TABLE"), strict=True)
        )
        return chart, listed


@cache
def open_store(uri: str, experiment: str) -> Store:
    """Return the store, opened once a process: the jobs of a sweep share it."""
    return Store(uri, experiment)
