"""Between a command and its readers: pipes that close, disks that fill, signs that cannot or must not be written."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from student_score.masking import masked, visible


class Outlet:
    """Stands for stdout or stderr and never fails: work goes on, and is recorded, when nobody reads any more.

    The first error is noted, and what comes after it is dropped. Passwords are masked; control characters stand as
    their escapes, and so do signs that the encoding lacks.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        """Return what else is asked of a stream: `isatty`, `encoding`, `fileno`."""
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write a text that may hold anything."""
        self.draw(visible(text, keep="\n\t"))
        return len(text)

    def draw(self, text: str) -> None:
        """Write a text whose control characters are meant."""
        self.attempt(lambda: self.put(masked(text)))

    def put(self, text: str) -> None:
        """Write a text as it is, as far as the encoding has its signs."""
        try:
            self.stream.write(text)
        except UnicodeEncodeError as error:
            self.stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))

    def flush(self) -> None:
        """Pass on what was written."""
        self.attempt(self.stream.flush)

    def attempt(self, action: Callable[[], object]) -> None:
        """Do what may fail, unless something has failed before."""
        if self.error is None:
            try:
                action()
            except OSError as error:
                self.error = error

    def silence(self) -> None:
        """Let what a stream that failed still holds go nowhere, where the interpreter would fail on it once more."""
        with suppress(OSError):  # It has no descriptor.
            descriptor = self.stream.fileno()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


class Canvas:
    """An outlet for what steers a terminal on purpose: Rich's tables and bars."""

    def __init__(self, outlet: Outlet) -> None:
        self.outlet = outlet

    def __getattr__(self, name: str) -> Any:
        """Return what else is asked of a stream."""
        return getattr(self.outlet, name)

    def write(self, text: str) -> int:
        """Write a text as it is, but for passwords."""
        self.outlet.draw(text)
        return len(text)


def canvas(stream: TextIO) -> TextIO:
    """Return where Rich draws what belongs to a stream."""
    return cast("TextIO", Canvas(stream)) if isinstance(stream, Outlet) else stream


@contextmanager
def outlets() -> Iterator[tuple[Outlet, Outlet]]:
    """Let stdout and stderr be outlets; flush them at the end, and silence those that failed."""
    open_descriptors()
    before = sys.stdout, sys.stderr
    # Python has none where the descriptor was closed.
    out, err = (Outlet(stream or io.StringIO()) for stream in before)
    sys.stdout, sys.stderr = cast("TextIO", out), cast("TextIO", err)
    try:
        yield out, err
    finally:
        sys.stdout, sys.stderr = before
        for outlet in (out, err):
            outlet.flush()
            if outlet.error is not None:
                outlet.silence()


def open_descriptors() -> None:
    """Open those of stdin, stdout and stderr that are closed: else other files would take their place."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # It takes the lowest that is free: this one.
            os.set_inheritable(descriptor, True)
