"""`mlflow models serve` answers real requests with the run's own predictions."""

import json
import math
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

PATIENCE = 90.0
"""Seconds in which the server must answer: it imports all of MLflow."""


@pytest.fixture(scope="module")
def ask(kept, free_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., tuple[int, Any]]]:
    """Serve the model as README.md says; return a function that sends a body and returns the status and the answer."""
    binaries = Path(sys.executable).parent
    command = [binaries / "mlflow", "models", "serve", "-m", kept.address, "--env-manager", "local"]
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": kept.store.uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{binaries}:{os.environ['PATH']}",
        "PYTHONPATH": "",  # The model needs nothing of this project.
    }
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with log.open("w") as said:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(free_port)],
            env=environment,
            cwd=log.parent,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        wait_for(f"http://127.0.0.1:{free_port}/ping", server, log)

        def answer(body: str, kind: str = "application/json") -> tuple[int, Any]:
            request = urllib.request.Request(f"http://127.0.0.1:{free_port}/invocations", body.encode())
            request.add_header("Content-Type", kind)
            try:
                with urllib.request.urlopen(request, timeout=PATIENCE) as answered:
                    return answered.status, json.load(answered)
            except urllib.error.HTTPError as error:
                return error.code, json.load(error)

        yield answer
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # The server proper is its child.
        server.wait(PATIENCE)


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return once an address answers."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=PATIENCE).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log.read_text())


def split(frame: pd.DataFrame) -> str:
    """Return rows as the body of a request; JSON has null for a gap."""
    rows = frame.astype(object).where(frame.notna(), None)
    return json.dumps({"dataframe_split": {"columns": list(frame), "data": rows.to_numpy().tolist()}})


def records(*rows: dict[str, Any]) -> str:
    """Return rows as the body of a request, the other way."""
    return json.dumps({"dataframe_records": rows})


ROW = {"Hours Studied": 5, "club": "Yes", "slept": 7.5}


@pytest.mark.slow
def test_the_server_predicts_what_the_run_does(ask, kept):
    """Rows with words and gaps come back with the run's predictions in every bit, as JSON and as CSV."""
    assert ask(split(kept.new)) == (200, {"predictions": kept.own})
    code, answer = ask(kept.new.to_csv(index=False), "text/csv")
    assert (code, answer) == (200, {"predictions": kept.own})


@pytest.mark.slow
def test_a_column_whose_gaps_are_filled_may_be_left_out(ask):
    """A gap, null, is what a missing column is, and further columns are left alone."""
    without = {name: value for name, value in ROW.items() if name != "slept"}
    code, answer = ask(records(ROW | {"slept": None}, ROW | {"slept": None, "name": "Ann"}))
    assert code == 200
    assert ask(records(without)) == (200, {"predictions": answer["predictions"][:1]})
    assert answer["predictions"][0] == answer["predictions"][1] != ask(records(ROW))[1]["predictions"][0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (records({"Hours Studied": 5, "slept": 8}), "Model is missing inputs ['club']"),
        (records({"Hours Studied": 5, "Club": "Yes", "slept": 8}), "Note that there were extra inputs: ['Club']"),
        (records(ROW, ROW | {"club": "yes"}), "row 2: the column 'club' is 'yes', which is in no training row; they"),
        (records(ROW | {"club": None}), "row 1: the column 'club' is missing, which is in no training row"),
        (records(ROW | {"slept": "long"}), "could not convert string to float: 'long'"),
        (records(ROW, ROW | {"slept": math.inf}), "row 2: the column 'slept' is inf, not a finite number"),
        ("Hours Studied", "valid JSON"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(ask, body, said):
    """The answer is 400 with a sentence, and the server goes on."""
    code, answer = ask(body)
    assert (code, said in answer["message"]) == (400, True), answer
    assert ask(records(ROW))[0] == 200
