"""The command `student-score-ui`: serves the MLflow UI and says what can be looked at."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, NoReturn

from student_score.commands.terminal import FAILED, Parser, complain, end_on_signals, guarded, waiting
from student_score.config.checks import LONGEST_EXPERIMENT, check_name
from student_score.config.schema import TrackingConfig
from student_score.errors import InputError

if TYPE_CHECKING:
    from student_score.tracking.store import Store

PORT, LAST_PORT = 5000, 65535
"""Where the links of sweeps lead to; the highest there is."""

LISTED = 15
"""Sweeps whose links are printed: a screenful."""

PATIENCE = 60.0
"""Seconds in which the server must answer."""

GRACE = 10.0
"""Seconds in which it must end, before it is killed."""

PAUSE = 0.2
"""Seconds between two questions to a server that has not answered yet."""


def ui(arguments: Sequence[str]) -> int:
    """Serve the MLflow UI of the recorded runs on loopback; as soon as it answers, print links to all sweeps."""
    parser = Parser(prog="student-score-ui", description=ui.__doc__)
    parser.add_argument("--port", type=port_number, default=PORT, help="of 127.0.0.1 (%(default)s)")
    parser.add_argument("--experiment", default=TrackingConfig().experiment, help="whose runs the last link opens")
    parser.add_argument("--link-only", action="store_true", help="print the link of the newest sweep and do not serve")
    given = parser.parse_args(arguments)
    check_name("--experiment", given.experiment, LONGEST_EXPERIMENT)
    from student_score.tracking.store import Store

    uri = TrackingConfig().store_uri
    store = Store(uri, given.experiment)
    base = store.ui if store.has_server else f"http://127.0.0.1:{given.port}/"
    listed = 1 if given.link_only else LISTED
    if store.has_server:
        print("The runs are on a server of their own.")
    if store.has_server or given.link_only:
        print("\n".join(links(store, base, listed)))
        return 0
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", given.port)) == 0:
            raise InputError(f"port {given.port} is in use; choose another with --port")
    return serve(uri, given.port, lambda: "\n".join(links(store, base, listed)))


def port_number(text: str) -> int:
    """Return the port that an argument means."""
    if not (text.isdecimal() and 1 <= int(text) <= LAST_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to {LAST_PORT}")
    return int(text)


def links(store: "Store", base: str, listed: int) -> Iterator[str]:
    """Yield lines with the links to sweeps of all experiments, newest first, then to all runs of the store's own."""
    from student_score.sweeps.words import value_text
    from student_score.tracking.store import Store

    sweeps = Store(store.uri).search("tags.kind = 'sweep'")[::-1]
    for sweep in sweeps[:listed]:
        chart, _ = store.sweep_links(sweep.run_id, base, experiment_id=sweep.experiment_id)
        ended = sweep.tags.get("outcomes", sweep.status.lower())
        where = sweep.tags.get("data", "")
        name = sweep.name if where in sweep.name else f"{sweep.name} on {where}"
        yield f"{value_text(name)}: {value_text(ended)}\n  {chart}"
    if len(sweeps) > listed > 1:
        yield f"and {len(sweeps) - listed} older sweeps"
    yield f"All runs of the experiment {value_text(store.experiment_name)}:\n  {store.chart_link(base)}"


class ServerError(Exception):
    """The server did not start, or ended."""


def serve(uri: str, port: int, lines: Callable[[], str]) -> int:
    """Serve until Ctrl-C, print the lines once the server answers, and return the exit code."""
    from student_score.tracking.environment import server_command

    end_on_signals(lambda _: 0)
    with tempfile.TemporaryFile("w+") as said:
        try:
            with running(server_command(uri, port=port), said) as server:
                with waiting("The MLflow server starts, which takes some seconds"):
                    wait_for_answer(server, port)
                print(f"{lines()}\nServing until Ctrl-C", flush=True)
                server.wait()
            return complain(f"the MLflow server ended: {last_line(said)}", FAILED, name="student-score-ui")
        except KeyboardInterrupt:
            return 0
        except ServerError as error:
            return complain(f"the MLflow server {error}: {last_line(said)}", FAILED, name="student-score-ui")


@contextmanager
def running(command: Sequence[str], said: IO[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a session of its own, whose processes are all gone at the end: Ctrl-C does not reach them."""
    server = subprocess.Popen(
        command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, text=True, start_new_session=True
    )
    try:
        yield server
    finally:
        end(server)


def end(server: subprocess.Popen[str]) -> None:
    """End a process and all of its session, kindly first; another signal meanwhile changes nothing."""
    before = {kind: signal.signal(kind, signal.SIG_IGN) for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, kind)
        with suppress(subprocess.TimeoutExpired):
            server.wait(GRACE)
    for kind, handler in before.items():
        signal.signal(kind, handler)


def wait_for_answer(server: subprocess.Popen[str], port: int) -> None:
    """Return as soon as the server answers; ServerError if it ends before, or lets us wait for too long."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if server.poll() is not None:
            raise ServerError("could not start")
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=PATIENCE):
            return
        time.sleep(PAUSE)
    raise ServerError(f"did not answer within {PATIENCE:g} s")


def last_line(said: IO[str]) -> str:
    """Return the last line of what a server said."""
    said.seek(0)
    return next((line.strip() for line in reversed(said.readlines()) if line.strip()), "it did not say why")


def main() -> NoReturn:
    """Run the command."""
    sys.exit(guarded(lambda: ui(sys.argv[1:]), name="student-score-ui"))
