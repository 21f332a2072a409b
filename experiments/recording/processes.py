"""Commands that are timed, and a tracking server to send records to."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Any

from student_score.sweeps.sweep import MEMBERSHIP
from student_score.tracking.environment import server_command

STOPWATCH = Path(__file__).with_name("stopwatch.py")

PATIENCE = 60
"""Seconds after which a server that does not answer is given up."""


def environment(uri: str) -> dict[str, str]:
    """Return the environment of a command that records in a store of the study's own."""
    inherited = {name: value for name, value in os.environ.items() if name != MEMBERSHIP}
    return {**inherited, "MLFLOW_TRACKING_URI": uri}


def timed(command: Sequence[str], *, folder: Path, uri: str) -> dict[str, Any]:
    """Run a command in a folder; return its seconds, peak memory and output. RuntimeError says why it failed."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(STOPWATCH), *command],
        cwd=folder,
        env=environment(uri),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr}")
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def student_score(arguments: Sequence[str], *, folder: Path, uri: str) -> dict[str, Any]:
    """Run the installed command."""
    return timed([str(Path(sys.executable).with_name("student-score")), *arguments], folder=folder, uri=uri)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a new store on loopback and yield its address; TimeoutError if it does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        server_command(f"sqlite:///{folder / 'server.db'}", port=port),
        cwd=folder,
        env=environment(""),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address, started = f"http://127.0.0.1:{port}", perf_counter()
    try:
        while not answers(address):
            if process.poll() is not None or perf_counter() - started > PATIENCE:
                raise TimeoutError(f"the tracking server at {address} does not answer")
            time.sleep(0.1)
        yield address
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # With its workers; the store is thrown away.
        process.wait()


def answers(address: str) -> bool:
    """Say whether a server answers."""
    with suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=5):  # noqa: S310 - a loopback address
        return True
    return False
