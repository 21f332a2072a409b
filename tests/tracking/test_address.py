"""Addresses of stores: what cannot be used is said before anything is trained, and before mlflow is imported."""

import base64
import os
import socket
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from student_score.errors import TrackingError
from student_score.tracking.address import LONGEST, check_reachable, exists, sqlite_path, without_user
from student_score.tracking.store import Store


def test_a_server_that_does_not_answer_is_waited_for_a_bounded_time(monkeypatch):
    """A socket that accepts and then says nothing is given up after CONNECT_TIMEOUT: else this test would not end."""
    monkeypatch.setattr("student_score.tracking.address.CONNECT_TIMEOUT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(TrackingError, match=rf"http://127.0.0.1:{port} cannot be used: no answer"):
            check_reachable(f"http://127.0.0.1:{port}")


def test_a_server_that_is_not_there_is_named():
    """A refused connection says so at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(TrackingError, match="Connection refused"):
        check_reachable(f"http://127.0.0.1:{port}")


def test_a_store_that_cannot_be_created_is_named():
    """Where no file can be made, as under /proc, the sentence names the store."""
    with pytest.raises(TrackingError, match=r"sqlite:////proc/none/mlflow.db cannot be used"):
        check_reachable("sqlite:////proc/none/mlflow.db")


def test_a_file_that_is_no_database_is_named(tmp_path):
    """A text file in the store's place is not overwritten."""
    path = tmp_path / "mlflow.db"
    path.write_text("something else entirely, and long enough to have a header")
    with pytest.raises(TrackingError, match="not a database"):
        check_reachable(f"sqlite:///{path}")
    assert path.read_text().startswith("something else")


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("nonsense", "it is no address of a store; such are sqlite:///FILE"),
        ("/some/folder", "it is no address of a store"),
        ("file:///some/folder", "it is no address of a store"),
        ("foo://x", "it is no address of a store"),
        ("http://", "it is malformed; an address looks like"),
        ("http:///path", "it is malformed"),
        ("http://[::1", "it is malformed: Invalid IPv6 URL"),
        ("http://host:port", "it is malformed: Port could not be cast"),
        ("http://host:99999", "it is malformed: Port out of range"),
        ("sqlite://", "it names no file, so that nothing would be kept"),
        ("sqlite:///", "it names no file"),
        ("sqlite:///:memory:", "it names no file"),
        ("sqlite:///?mode=memory", "it names no file"),
        ("sqlite:relative.db", "it names no file"),
        ("sqlite:////tmp/folder/", "it names no file"),
        ("sqlite:////tmp/a\0b", "it is malformed"),
        ("mysql+pymysql://host/x", "the database's driver pymysql is not installed: pip install the package"),
        ("postgresql+psycopg2://host/x", "the database's driver psycopg2 is not installed"),
        ("postgresql+nodriver://host/x", "it is malformed: "),
        ("postgresql://host:port/x", "it is malformed: "),
    ],
)
def test_an_address_that_is_none_is_named(uri, reason):
    """Each gets a sentence with what would be one, before mlflow is imported and anything trained."""
    with pytest.raises(TrackingError) as refused:
        check_reachable(uri)
    assert f"cannot be used: {reason}" in str(refused.value)


def test_a_missing_driver_is_named_with_the_extra_that_brings_it(monkeypatch):
    """`pip install 'student-score[postgres]'` is what a user needs to hear."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        TrackingError, match=r"driver psycopg is not installed: pip install 'student-score\[postgres\]'$"
    ):
        check_reachable("postgresql://host/x")


def test_a_long_address_is_cut_and_a_password_is_left_out():
    """A message stays readable, and can be shown to others."""
    with pytest.raises(TrackingError) as refused:
        check_reachable(f"foo://ann:secret@host/{'x' * 5000}")
    assert str(refused.value).startswith("the tracking store foo://ann:***@host/xxx")
    assert len(str(refused.value)) < LONGEST + 200


@pytest.mark.parametrize("name", ["a b.db", "a%20b.db", "ü%25.db", "[x]$.db"])
def test_percent_signs_are_decoded_once_as_sqlalchemy_does_it(name, tmp_path):
    """Whatever the file is called: our checks and MLflow's engine mean the same one."""
    uri = f"sqlite:///{tmp_path}/{name}"
    assert str(sqlite_path(uri)) == make_url(uri).database


def test_a_store_with_spaces_keeps_its_artifacts_beside_it(tmp_path):
    """Encoded or not, the folder is one."""
    folder = tmp_path / "a b"
    uris = [f"sqlite:///{tmp_path}/a b/x.db", f"sqlite:///{tmp_path}/a%20b/x.db"]
    stores = [Store(uri, "tests") for uri in uris]
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert {store.writer.root for store in stores} == {folder / "mlartifacts"}


def test_a_check_makes_no_store(tmp_path):
    """An address is tried before a dry run, a mistake, or a training that fails: none of them leaves a store."""
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    check_reachable(uri)
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "new/mlflow.db").touch()
    assert not exists(uri)


def test_a_store_to_which_somebody_is_writing_is_one(tmp_path):
    """A lock is waited for when there is something to record, not before."""
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE experiments (a)")
        connection.execute("BEGIN EXCLUSIVE")
        check_reachable(f"sqlite:///{path}")


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_what_is_no_file_is_named(kind, tmp_path):
    """A folder or a pipe in the store's place is neither opened nor waited for."""
    path = tmp_path / "mlflow.db"
    if kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    with pytest.raises(TrackingError, match="it is no regular file"):
        check_reachable(f"sqlite:///{path}")


@pytest.fixture
def guarded_server() -> Iterator[tuple[str, list[str | None]]]:
    """Yield the address of a server that knows ann with the password p@ss, and a token; and what it was shown."""
    shown: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers["Authorization"])
            known = {f"Basic {base64.b64encode(b'ann:p@ss').decode()}", "Bearer token"}
            self.send_response(200 if shown[-1] in known else 401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}", shown
        server.shutdown()
        thread.join()


def test_credentials_of_the_address_or_of_mlflows_variables_are_used(guarded_server, monkeypatch):
    """A server behind a password answers; a wrong one is refused before anything is trained, and never shown."""
    host, shown = guarded_server
    check_reachable(f"http://ann:p%40ss@{host}")
    with pytest.raises(TrackingError, match=rf"^the tracking store http://ann:\*\*\*@{host} .* refuses these cred"):
        check_reachable(f"http://ann:wrong@{host}")
    check_reachable(f"http://{host}")  # MLflow may know others: of its own file, or of a plugin.
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "token")
    check_reachable(f"http://{host}")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "p@ss")
    check_reachable(f"http://{host}")
    assert [header and header.split()[0] for header in shown] == ["Basic", "Basic", None, "Bearer", "Basic"]


def test_links_carry_no_user():
    """They are printed, and a browser asks for a password itself."""
    assert without_user("https://ann:secret@host:5000/mlflow") == "https://host:5000/mlflow"
    assert without_user("http://127.0.0.1:5000") == "http://127.0.0.1:5000"


def test_a_file_address_is_no_other_kind():
    """Only a plain SQLite address has a path here; one with a query goes to MLflow as it is."""
    assert sqlite_path("sqlite:////a/b.db") == Path("/a/b.db")
    assert [sqlite_path(uri) for uri in ("sqlite:///a?mode=ro", "http://h", "sqlite:///:memory:", "sqlite:///")] == [
        None
    ] * 4
