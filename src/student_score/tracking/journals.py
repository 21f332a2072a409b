"""Journals: they name the runs whose artifacts are being written, before the database knows these runs.

A journal whose process is gone tells which folders belong to runs that were never committed.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout


@dataclass(frozen=True, kw_only=True)
class Journals:
    """The journals of an artifact root: TOKEN.json names runs, TOKEN.lock is locked by the process that records them.

    `uncommitted` returns those of some runs that are not in the database.
    """

    root: Path
    uncommitted: Callable[[Sequence[str]], list[str]]

    @property
    def folder(self) -> Path:
        """Where the journals lie."""
        return self.root / ".recording"

    def guard(self) -> FileLock:
        """Return the lock that is held while a journal begins, and while journals are looked through."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / "guard")

    @contextmanager
    def kept(self, run_ids: Sequence[str]) -> Iterator[None]:
        """Keep a journal of the runs while their artifacts and rows are written; remove the artifacts of a failure."""
        with self.guard():
            path = self.folder / f"{uuid4().hex}.json"
            lock = FileLock(path.with_suffix(".lock"))
            lock.acquire()
        try:
            path.write_text(json.dumps(run_ids))
            yield
            path.unlink()
        except BaseException:
            with suppress(Exception):  # What came first is what the user must hear; `clean` will try again.
                self.settle(path)
            raise
        finally:
            lock.release()
            path.with_suffix(".lock").unlink(missing_ok=True)

    def settle(self, journal: Path) -> None:
        """Remove the artifacts that a journal names, but for runs that were committed, then the journal."""
        try:
            run_ids = json.loads(journal.read_text())
        except (FileNotFoundError, ValueError):  # It ended before it began: no artifact was written yet.
            run_ids = []
        lost = self.uncommitted(run_ids)
        for run_id in lost:
            shutil.rmtree(self.root / run_id, ignore_errors=True)
        if not any((self.root / run_id).exists() for run_id in lost):
            journal.unlink(missing_ok=True)

    def clean(self) -> None:
        """Remove the artifacts of runs whose process died before it had committed them."""
        if not any(self.folder.glob("*.*")):
            return
        with self.guard():
            for token in {path.stem for path in self.folder.glob("*.*")}:
                lock = self.folder / f"{token}.lock"
                try:
                    with FileLock(lock, timeout=0):
                        self.settle(self.folder / f"{token}.json")
                except Timeout:  # Its process is alive.
                    continue
                lock.unlink(missing_ok=True)
