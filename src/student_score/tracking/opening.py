"""Opens a store: makes it if it is not there, and chooses how runs are written."""

from typing import TYPE_CHECKING

from student_score.tracking import internals
from student_score.tracking.address import local_folder, plain_uri, sqlite_path
from student_score.tracking.bulk import BulkWriter
from student_score.tracking.client import ClientWriter
from student_score.tracking.making import alone_in, ensure_schema, schema_revision
from student_score.tracking.record import Writer

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment


def open_client(uri: str) -> "MlflowClient":
    """Return a client of a store, which is made if it is not there: by one process, whoever comes first."""
    from mlflow import MlflowClient

    internals.limit_attempts()
    path = sqlite_path(uri)
    if path is not None:
        ensure_schema(uri, path)
        return first_answer(MlflowClient(plain_uri(path)))
    with alone_in(uri):
        return first_answer(MlflowClient(uri))


def first_answer(client: "MlflowClient") -> "MlflowClient":
    """Return a client once its store has answered: MLflow opens a database when it is first asked."""
    client.search_experiments(max_results=1)
    return client


def choose_writer(uri: str, client: "MlflowClient", experiment: "Experiment") -> Writer:
    """Return what writes runs to an experiment: many in one transaction where that is safe, else MLflow's client."""
    path = sqlite_path(uri)
    root = local_folder(experiment.artifact_location)
    revision = None if path is None else schema_revision(path)
    why = ""
    if path is None:
        why = "the store is no plain SQLite file"
    elif revision not in internals.REVISIONS:
        why = f"the store's schema revision {revision} is not one whose rows were compared"
    elif root is None:
        why = f"the artifacts lie in {experiment.artifact_location}, which is no local folder"
    if path is None or root is None or why:
        way = f"one by one through MLflow's client: {why}"
        return ClientWriter(client=client, experiment_id=str(experiment.experiment_id), way=way)
    return BulkWriter(
        engine=internals.database_engine(client),
        experiment_id=int(experiment.experiment_id),
        artifact_location=experiment.artifact_location,
        root=root,
        way=f"in one transaction (SQLite store of schema {revision})",
    )
