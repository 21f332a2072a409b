"""Addresses of tracking stores, as far as they can be understood and tried without importing mlflow."""

import os
import sqlite3
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from student_score.errors import TrackingError

LOCK_TIMEOUT = 20.0
"""Seconds to wait for another process that is writing to the store: as long as MLflow waits."""

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for a tracking server's first answer."""


def check_reachable(uri: str) -> None:
    """Raise TrackingError, without importing mlflow, if it is plain that nothing could be recorded at `uri`."""
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        try:
            address = f"{uri.rstrip('/')}/health"
            with urllib.request.urlopen(address, timeout=CONNECT_TIMEOUT):  # noqa: S310 - http or https, see above
                return
        except urllib.error.HTTPError as error:
            if error.code in (401, 403):  # It is there and wants credentials, which mlflow sends and this does not.
                return
            raise unusable(uri, f"it answers {error.code} to /health") from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise unusable(uri, f"no answer ({reason}), waited {CONNECT_TIMEOUT:g} s at most") from None
    if path := sqlite_path(uri):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(path, timeout=LOCK_TIMEOUT)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
        except (OSError, sqlite3.Error) as error:
            raise unusable(uri, str(error)) from None
        if not os.access(path, os.W_OK):
            raise unusable(uri, "it is read-only")


def sqlite_path(uri: str) -> Path | None:
    """Return the file of a plain SQLite URI, None for any other store."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") and "?" not in uri else None


def exists(uri: str) -> bool:
    """Say whether there is a store at `uri`, as far as that can be seen without opening it."""
    path = sqlite_path(uri)
    return path is None or path.exists()


def local_folder(uri: str) -> Path | None:
    """Return the folder that an artifact location names, None if it is not a local one."""
    if uri.startswith("/"):
        return Path(url2pathname(uri))  # MLflow takes %20 for a space here too.
    parts = urlsplit(uri)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" and not parts.netloc else None


def lock_path(path: Path) -> Path:
    """Return the file that is locked while an SQLite store is opened."""
    return path.with_name(path.name + ".lock")


def unusable(uri: str, reason: str) -> TrackingError:
    """Return the error that says why a store cannot be used."""
    return TrackingError(f"the tracking store {uri} cannot be used: {reason}")
