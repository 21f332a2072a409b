"""One process at a time: who holds a sweep, in which lock file, who is dead; and which file a sweep's store is."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from student_score.errors import InputError, TrackingError
from student_score.paths import cache_folder
from student_score.sweeps.plan import Plan
from student_score.tracking.address import sqlite_path


@contextmanager
def held(plan: Plan) -> Iterator[None]:
    """Keep every other process of this machine from running the same sweep in the same store.

    Raises:
        InputError: another one does; the message says who, and since when.
        TrackingError: the lock file cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        path = lock_path(plan.config.tracking.store_uri, plan.sweep_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"this sweep is already running: {described_holder(path.with_suffix('.json'))}") from None
    except OSError as error:
        raise TrackingError(
            f"the sweep cannot be locked: {error.filename or 'its lock file'} cannot be written: "
            f"{error.strerror or error}"
        ) from None
    try:
        with told(path.with_suffix(".json")):
            yield
    finally:
        lock.release()


@contextmanager
def told(holder: Path) -> Iterator[None]:
    """Say in a file who holds a lock, as far as the disk has room: the lock does not depend on it."""
    with suppress(OSError):
        holder.write_text(json.dumps({"process": os.getpid(), "since": f"{datetime.now().astimezone():%H:%M:%S}"}))
    try:
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)


def lock_path(uri: str, sweep_id: str) -> Path:
    """Return the lock file of a sweep: beside a SQLite store, else in the cache folder."""
    database = sqlite_path(uri)
    if database is not None:
        return database.with_name(f"{database.name}.sweeps") / f"{sweep_id[:16]}.lock"
    server = hashlib.sha256(uri.encode()).hexdigest()[:8]
    return cache_folder() / "sweeps" / f"{server}-{sweep_id[:16]}.lock"


def described_holder(holder: Path) -> str:
    """Return who holds a lock, as far as the holder has told."""
    try:
        told = json.loads(holder.read_text())
    except (OSError, ValueError):
        return "another process has just started it"
    return f"process {told['process']} has held it since {told['since']}"


def is_held(path: Path) -> bool:
    """Say whether a living process may hold a lock."""
    from filelock import FileLock

    try:
        if not path.exists():
            return False
        with FileLock(path, timeout=0):
            return False
    except OSError:  # It is held, which is a Timeout, or another user's, so that nobody can say.
        return True


def identity(uri: str) -> tuple[int, int] | None:
    """Return which file an SQLite store is, by device and number; None if there is none."""
    path = sqlite_path(uri)
    try:
        found = None if path is None else path.stat()
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)
