"""Addresses of stores: what cannot be used is said before anything is trained, and before mlflow is imported."""

import socket

import pytest

from student_score.errors import TrackingError
from student_score.tracking.address import check_reachable


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
