"""Addresses of tracking stores, as far as they can be understood and tried without importing mlflow."""

import base64
import os
import re
import sqlite3
import ssl
import tempfile
import urllib.error
import urllib.request
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit
from urllib.request import url2pathname

from student_score.errors import TrackingError
from student_score.masking import masked

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for a tracking server's first answer."""

ADDRESSES = "sqlite:///FILE, http://HOST:PORT or postgresql://USER:PASSWORD@HOST/NAME"
"""What the address of a store looks like."""

DATABASE = re.compile(r"(postgresql|mysql|mssql)(\+\w+)?://")
"""Begins the address of a database that is not SQLite and that MLflow knows."""

EXTRAS = {"psycopg": "pip install 'student-score[postgres]'"}
"""What installs a database's driver, where this project has an extra for it."""

LONGEST = 200
"""Characters of an address that a message shows."""


def check_reachable(uri: str) -> None:
    """Raise TrackingError, without importing mlflow, if it is plain that nothing could be recorded at `uri`."""
    try:
        parts = urlsplit(uri)
        server = parts.scheme in ("http", "https")
        hostless = server and (parts.hostname, parts.port)[0] is None  # Asking for a bad port raises.
    except ValueError as error:
        raise unusable(uri, f"it is malformed: {error}") from None
    if hostless or any(ord(letter) < ord(" ") for letter in uri):
        raise unusable(uri, f"it is malformed; an address looks like {ADDRESSES}")
    if server:
        check_server(uri, parts)
    elif (path := sqlite_path(uri)) and not uri.endswith("/"):
        check_file(uri, path)
    elif DATABASE.match(uri):
        check_driver(uri)
    elif uri.endswith("/") or (uri.startswith("sqlite:") and not re.match(r"sqlite:///(?!:memory:)[^?]", uri)):
        raise unusable(uri, "it names no file, so that nothing would be kept; sqlite:///FILE does")
    elif parts.scheme != "sqlite" and not uri.startswith("databricks"):
        raise unusable(uri, f"it is no address of a store; such are {ADDRESSES}")


def check_server(uri: str, parts: SplitResult) -> None:
    """Raise TrackingError unless a tracking server answers."""
    known = credentials(parts)
    request = urllib.request.Request(f"{without_user(uri).rstrip('/')}/health", headers=known)  # noqa: S310 - http or https
    insecure = os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1")
    context = ssl._create_unverified_context() if insecure else None  # noqa: SLF001, S323 - asked for, as MLflow does
    try:
        with urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT, context=context):  # noqa: S310 - as above
            return
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            if not known:  # MLflow may know others, of a file or a plugin.
                return
            raise unusable(uri, f"it refuses these credentials with {error.code}") from None
        raise unusable(uri, f"it answers {error.code} to /health") from None
    except (OSError, ValueError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise unusable(uri, f"no answer ({reason}), waited {CONNECT_TIMEOUT:g} s at most") from None


def credentials(parts: SplitResult) -> dict[str, str]:
    """Return the header that the address, or else MLflow's environment variables, give for a server."""
    user, password = parts.username, parts.password
    if user is None:
        user, password = (os.environ.get(f"MLFLOW_TRACKING_{name}") for name in ("USERNAME", "PASSWORD"))
    if user is not None:
        both = f"{unquote(user)}:{unquote(password or '')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(both).decode()}"}
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def without_user(uri: str) -> str:
    """Return a server's address without user and password, for links."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def check_file(uri: str, path: Path) -> None:
    """Raise TrackingError unless an SQLite store can be written, or made; its folder is made, the store is not."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if is_empty(path):
            with tempfile.TemporaryFile(dir=path.parent) as probe:
                probe.write(bytes(4096))
            return
        if not path.is_file():
            raise unusable(uri, "it is no regular file")
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except (OSError, ValueError, sqlite3.Error) as error:
        if not is_lock(error):  # Who writes just now will have done before there is something to record.
            raise unusable(uri, str(error)) from None
    if not os.access(path, os.W_OK):
        raise unusable(uri, "it is read-only")


def check_driver(uri: str) -> None:
    """Raise TrackingError if the address of a database cannot be parsed, or its driver is not installed."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        make_url(uri).get_dialect().import_dbapi()
    except ImportError as error:
        name = str(error.name or error)
        way = EXTRAS.get(name, f"pip install the package that provides the module {name}")
        raise unusable(uri, f"the database's driver {name} is not installed: {way}") from None
    except (ArgumentError, ValueError) as error:
        raise unusable(uri, f"it is malformed: {error}") from None


def is_lock(error: BaseException) -> bool:
    """Say whether an error means that another process is writing to an SQLite store."""
    return "database is locked" in str(error)


def sqlite_path(uri: str) -> Path | None:
    """Return the file of a plain SQLite URI, decoded once as SQLAlchemy does it; None for any other store."""
    name = uri.removeprefix("sqlite:///")
    return Path(unquote(name)) if name != uri and name and name != ":memory:" and "?" not in name else None


def plain_uri(path: Path) -> str:
    """Return the address of an SQLite file with as little encoded as can be: MLflow makes folders of encoded names."""
    return f"sqlite:///{str(path).replace('%', '%25').replace('?', '%3F')}"


def is_empty(path: Path) -> bool:
    """Say whether an SQLite store is yet to be made: an empty file is what a killed process may leave."""
    return not path.exists() or (path.is_file() and path.stat().st_size == 0)


def exists(uri: str) -> bool:
    """Say whether there is a store at `uri`, as far as that can be seen without opening it."""
    path = sqlite_path(uri)
    return path is None or not is_empty(path)


def local_folder(uri: str) -> Path | None:
    """Return the folder that an artifact location names, None if it is not a local one."""
    if uri.startswith("/"):
        return Path(url2pathname(uri))  # MLflow takes %20 for a space here too.
    parts = urlsplit(uri)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" and not parts.netloc else None


def unusable(uri: str, reason: str) -> TrackingError:
    """Return the error that says why a store cannot be used; passwords are left out."""
    shown = uri if len(uri) <= LONGEST else f"{uri[:LONGEST]}..."
    return TrackingError(masked(f"the tracking store {shown} cannot be used: {reason}"))
