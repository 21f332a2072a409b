"""The private names of MLflow that this project uses are there, and mean what they are used for."""

import ast
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.db import utils
from mlflow.store.tracking.dbmodels import models
from mlflow.utils import validation
from sqlalchemy import text

from student_score.tracking import internals
from student_score.tracking.store import Store

ROOM = Path(internals.__file__).parent


def test_the_engine_is_that_of_the_clients_database(store_uri):
    """The client's engine answers with the runs that the client wrote."""
    store = Store(store_uri, "tests")
    run_id = store.create("a", {}, "", 1)
    with internals.database_engine(store.client).connect() as connection:
        assert connection.scalars(text("SELECT run_uuid FROM runs")).all() == [run_id]
    assert isinstance(store.client, MlflowClient)


def test_the_tables_are_mlflows(store_uri):
    """Every table that runs are written to in bulk is one of MLflow's models."""
    names = ("SqlRun", "SqlTag", "SqlParam", "SqlMetric", "SqlLatestMetric", "SqlDataset", "SqlInput", "SqlInputTag")
    assert internals.database_models() is models
    for name in names:
        assert getattr(models, name).__table__.name


def test_the_compared_schema_is_one_that_mlflow_knows():
    """REVISIONS stand among the revisions that this MLflow can open, the newest of them last."""
    assert set(internals.REVISIONS) <= internals.known_revisions()


def test_mlflow_gives_up_after_few_attempts():
    """The constant that limits attempts is the one that MLflow's own loop reads."""
    internals.limit_attempts()
    assert utils.MAX_RETRY_COUNT == internals.ENGINE_ATTEMPTS
    tree = ast.parse(Path(utils.__file__).read_text())
    used = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    assert "MAX_RETRY_COUNT" in used


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("_validate_metric", ("m" * 251, 0.0, 1, 0)),
        ("_validate_param", ("p", "v" * 6001)),
        ("_validate_tag", ("t", "v" * 8001)),
    ],
)
def test_mlflows_own_checks_refuse_what_is_too_long(name, bad):
    """The functions that know MLflow's limits raise beyond them."""
    with pytest.raises(MlflowException, match="exceeds the maximum length"):
        getattr(validation, name)(*bad)


def test_private_names_stand_in_one_module():
    """No other module of the room imports or reads an underscored name of MLflow, or its database models."""
    for path in ROOM.glob("*.py"):
        if path.name == "internals.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mlflow"):
                assert not any(alias.name.startswith("_") for alias in node.names), path.name
                assert not node.module.startswith("mlflow.store"), path.name
            if isinstance(node, ast.Attribute) and not isinstance(node.value, ast.Name):
                assert not (node.attr.startswith("_") and not node.attr.startswith("__")), path.name
