"""One process at a time: who holds a sweep, in which lock file, and who is dead."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from student_score.errors import InputError
from student_score.paths import cache_folder
from student_score.sweeps.plan import Plan
from student_score.tracking.address import sqlite_path


@contextmanager
def held(plan: Plan) -> Iterator[None]:
    """Keep every other process of this machine from running the same sweep in the same store.

    Raises:
        InputError: another one does; the message says who, and since when.
    """
    from filelock import FileLock, Timeout

    path = lock_path(plan.config.tracking.store_uri, plan.sweep_id)
    holder = path.with_suffix(".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"this sweep is already running: {described_holder(holder)}") from None
    try:
        holder.write_text(json.dumps({"process": os.getpid(), "since": f"{datetime.now().astimezone():%H:%M:%S}"}))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


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
    """Say whether a living process holds a lock."""
    from filelock import FileLock, Timeout

    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
