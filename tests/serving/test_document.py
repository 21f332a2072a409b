"""README.md of the models tells the truth: its commands run, one after the other."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from student_score.serving import keeping

README = Path(keeping.__file__).with_name("README.md").read_text()
BIN = Path(sys.executable).parent
PATIENCE = 90.0


@pytest.mark.slow
def test_the_commands_of_the_document_run(fresh_uri, folder, free_port):
    """From a training to predictions of a file, from a server, and in Python: all three are the same."""
    text = "\n".join(re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL)).replace("\\\n", " ")
    train, predict, serve, ask = (line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ "))
    [python] = re.findall(r"```py\n(.*?)```", README, flags=re.DOTALL)
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "MLFLOW_DISABLE_TELEMETRY": "true"}

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = run(*shlex.split(train))
    run_id = re.search(r"Model: runs:/(\w+)/network\n", said)[1]
    (folder / "new.csv").write_text("name,hours_studied,hours_slept\nAnn,6,7\nBob,2,6\n")
    assert "2 predictions of exam_score: predictions.csv" in run(*shlex.split(predict.replace("RUN", run_id)))
    lines = (folder / "predictions.csv").read_text().splitlines()
    scores = [float(line.rpartition(",")[2]) for line in lines[1:]]
    printed = run(sys.executable, "-c", python.replace("RUN", run_id))
    assert [float(score) for score in printed.strip("[]\n").split()] == pytest.approx(scores)

    command, address = (line.replace("RUN", run_id).replace("5001", str(free_port)) for line in (serve, ask))
    assert str(free_port) in command
    with (folder / "log.txt").open("w") as log:
        server = subprocess.Popen(
            shlex.split(command), cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        until = time.monotonic() + PATIENCE
        asking = [*shlex.split(address), "--silent", "--noproxy", "*"]
        while subprocess.run(asking, capture_output=True, check=False).returncode and time.monotonic() < until:
            assert server.poll() is None, (folder / "log.txt").read_text()
            time.sleep(0.2)
        assert json.loads(run(*asking)) == {"predictions": scores[:1]}
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(PATIENCE)


def test_the_document_names_every_file_of_a_model(kept):
    """Its table is what is there."""
    from student_score.tracking.address import local_folder

    [model] = kept.store.client.search_logged_models(
        [kept.store.experiment_id], f"source_run_id = '{kept.run_id}' AND name = 'linear'"
    )
    folder = local_folder(model.artifact_location)
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    rows = re.findall(r"^\| (`.+?) \|", README, flags=re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(.+?)`", row)} == there
