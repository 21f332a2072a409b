"""The command `student-score-ui`: serves the MLflow UI."""

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from typing import NoReturn

from student_score.commands.terminal import guarded
from student_score.config.schema import TrackingConfig
from student_score.errors import InputError

PORT = 5000
"""Where the links of sweeps lead to."""


def ui(arguments: Sequence[str]) -> int:
    """Serve the MLflow UI of the recorded runs on loopback and print the link to their chart."""
    parser = argparse.ArgumentParser(prog="student-score-ui", description=ui.__doc__)
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--experiment", default=TrackingConfig().experiment, help="whose chart the link opens")
    parser.add_argument("--link-only", action="store_true", help="print the link and do not serve")
    given = parser.parse_args(arguments)
    from student_score.tracking.environment import server_command
    from student_score.tracking.store import Store

    uri = TrackingConfig().store_uri
    store = Store(uri, given.experiment)
    if uri.startswith("http"):
        print(f"The runs are on a server of their own: {store.chart_link(uri.rstrip('/'))}")
        return 0
    print(f"Chart of the runs: {store.chart_link(f'http://127.0.0.1:{given.port}')}", flush=True)
    if given.link_only:
        return 0
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", given.port)) == 0:
            raise InputError(f"port {given.port} is in use; choose another with --port")
    return replaced_by(server_command(uri, port=given.port))


def replaced_by(command: list[str]) -> NoReturn:
    """Let a command take this process's place, so that Ctrl-C reaches it alone."""
    os.execv(command[0], command)  # noqa: S606 - see above


def main() -> NoReturn:
    """Run the command."""
    sys.exit(guarded(lambda: ui(sys.argv[1:]), name="student-score-ui"))
