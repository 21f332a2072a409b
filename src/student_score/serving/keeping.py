"""Keeps models beside a recorded run: the network, and the straight line it has to beat."""

import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from student_score.runs.task import Task
from student_score.serving.weights import LINEAR, NETWORK, example, linear_weights, recorded_weights
from student_score.tracking.failures import patient, store_errors
from student_score.tracking.record import RecordedRun
from student_score.tracking.store import Store

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import Model, ModelSignature

SCRIPT = Path(__file__).with_name("model.py")
"""What MLflow runs where a model is used."""

REQUIRED = ("mlflow", "numpy", "pandas")
"""What the script needs."""


def keep_models(store: Store, run_id: str, task: Task) -> str:
    """Keep the models of a recorded run beside it, if they are not there yet, and return the network's address.

    Args:
        store: it holds the run.
        run_id: of the run.
        task: what was trained in it.

    Raises:
        InputError: the training diverged, or its record cannot be read.
        TrackingError: the store cannot be written.
    """
    run = store.run(run_id)
    network = recorded_weights(run)
    for name, weights in ((LINEAR, linear_weights(network, task)), (NETWORK, network)):
        keep(store, run, name, weights, example(weights, task))
    return f"runs:/{run_id}/{NETWORK}"


@patient
def keep(store: Store, run: RecordedRun, name: str, weights: Mapping[str, Any], rows: "pd.DataFrame") -> None:
    """Log a model under a name beside a run, unless there is one of that name; the run itself stays as it is."""
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    with store_errors(store.uri):
        if has_model(store, run, name):
            return
        made = store.client.create_logged_model(run.experiment_id, name, run.run_id, params=dict(run.params))
        try:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / name
                model = Model(artifact_path=made.artifact_location, run_id=run.run_id, model_id=made.model_id)
                write(path, model, weights, rows)
                store.client.log_model_artifacts(made.model_id, str(path))
            store.client.finalize_logged_model(made.model_id, "READY")
            store.client.log_outputs(run.run_id, [LoggedModelOutput(made.model_id, step=0)])
        except BaseException:
            with suppress(Exception):  # What came first is what the user must hear.
                store.client.delete_logged_model(made.model_id)
            raise


def has_model(store: Store, run: RecordedRun, name: str) -> bool:
    """Say whether a model of that name lies beside a run, whole."""
    condition = f"source_run_id = '{run.run_id}' AND name = '{name}'"
    found = store.client.search_logged_models([run.experiment_id], condition)
    return any(str(model.status) == "READY" for model in found)


def write(path: Path, model: "Model", weights: Mapping[str, Any], rows: "pd.DataFrame") -> None:
    """Write a model into a folder that is not there yet."""
    import mlflow.pyfunc

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.json"
        file.write_text(json.dumps(weights, indent=1) + "\n", encoding="utf-8")
        mlflow.pyfunc.save_model(
            path,
            python_model=str(SCRIPT),
            artifacts={"weights": str(file)},
            signature=signature(weights),
            input_example=rows,
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIRED],
            mlflow_model=model,
        )


def signature(weights: Mapping[str, Any]) -> "ModelSignature":
    """Return which columns a model takes: numbers and words; those whose gaps are filled may be left out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    columns: list[ColSpec | TensorSpec] = [
        ColSpec(
            DataType.string if name in weights["categories"] else DataType.double,
            name,
            required=name not in weights["means"],
        )
        for name in weights["columns"]
    ]
    return ModelSignature(Schema(columns), Schema([ColSpec(DataType.double)]))
