"""How every command speaks: errors in one or two sentences, exit codes, details, progress, tables."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from time import perf_counter
from typing import NoReturn

from student_score.commands.output import Outlet, canvas, outlets
from student_score.errors import InputError, SweepError, TrackingError
from student_score.masking import cut, visible
from student_score.paths import ensure_home

BAD_INPUT, FAILED, INTERRUPTED, UNREAD = 2, 1, 130, 141
"""Exit codes; one that was ended by another signal has 128 and the signal's number."""

RECORDER = "student-score"
"""The command that records runs; the others read what it recorded."""

AGAIN = 0.1
"""Seconds after which an interruption comes again that Python lost."""

LONGEST_SENTENCE = 2000
"""Characters of an error on the screen, whatever was asked for."""

SECONDS_OF_SILENCE = 0.2
"""After which a command says what it is doing, where it cannot be shown on a terminal."""

SECONDS_BETWEEN_LINES = 2.0
"""Of progress, where it is not shown on a terminal."""


class Details:
    """Whether the user asked for details, by -v, and for tracebacks, by HYDRA_FULL_ERROR=1."""

    wanted = False
    traceback = False


def detail(sentence: str) -> None:
    """Write a line to stderr if details are wanted."""
    if Details.wanted:
        announce(sentence)


class Parser(argparse.ArgumentParser):
    """Reads a command's arguments; what is wrong with them is said like every other mistake."""

    def error(self, message: str) -> NoReturn:
        """Raise InputError."""
        raise InputError(f"{message}; {self.prog} --help says what there is")


def end_on_signals(code: Callable[[int], int] = lambda number: 128 + number) -> None:
    """Let a termination, or a terminal that closes, end this process in order; what nohup ignores stays ignored.

    Args:
        code: returns the exit code for a signal's number.
    """
    for kind in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(kind) is not signal.SIG_IGN:
            signal.signal(kind, lambda number, _: sys.exit(code(number)))
    sys.unraisablehook = heeded


def heeded(lost: "sys.UnraisableHookArgs") -> None:
    """Raise a Ctrl-C, or the exit on a signal, once more that came while Python could not be interrupted.

    In a destructor or a callback of weakref it would be printed with a traceback, and the work would go on.
    """
    if isinstance(lost.exc_value, KeyboardInterrupt | SystemExit):
        kind = signal.SIGINT if isinstance(lost.exc_value, KeyboardInterrupt) else signal.SIGTERM
        timer = Timer(AGAIN, os.kill, [os.getpid(), kind])  # Raised here, it would be lost here.
        timer.daemon = True
        timer.start()
    else:
        sys.__unraisablehook__(lost)


def guarded(command: Callable[[], int], *, name: str) -> int:
    """Run a command and return its exit code; what it raises ends in a sentence, unless a traceback was asked for."""
    ensure_home()
    return delivered(lambda: judged(command, name=name), name=name)


def delivered(command: Callable[[], int], *, name: str = RECORDER) -> int:
    """Run a command that goes on when its output finds no reader or no room, and return its exit code.

    One that did its work has 141 where nobody read to the end, and 1 with a sentence where there was no room.
    """
    with outlets() as (out, err):
        code = command()
        out.flush()
        err.flush()
        return code or undelivered(out, err, name=name)


def undelivered(out: Outlet, err: Outlet, *, name: str) -> int:
    """Say why the output could not be written, and return the exit code; 0 if it could."""
    errors = [outlet.error for outlet in (out, err) if outlet.error is not None]
    for error in errors:
        if not isinstance(error, BrokenPipeError):
            said = f"the output could not be written: {error.strerror or error}; what was recorded stays"
            return complain(said, FAILED, name=name)
    return UNREAD if errors else 0


def judged(command: Callable[[], int], *, name: str = RECORDER) -> int:
    """Run a command and return its exit code; what it raises ends in a sentence, unless a traceback was asked for."""
    traceback_wanted = os.environ.get("HYDRA_FULL_ERROR") == "1"
    try:
        return command()
    except KeyboardInterrupt:
        return complain("interrupted; what was recorded so far stays", INTERRUPTED, name=name)
    except SystemExit as leaving:
        if isinstance(leaving.code, str):
            raise
        return leaving.code or 0
    except Exception as error:
        if traceback_wanted:
            raise
        return explain(error, name=name)


def explain(error: Exception, *, name: str = RECORDER) -> int:
    """Say in one or two sentences what went wrong, and return the exit code."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from student_score.config.compose import composition_problem

    if isinstance(error, SweepError):
        return complain(str(error), FAILED, name=name)
    if isinstance(error, InputError):
        return complain(str(error), BAD_INPUT, name=name)
    if isinstance(error, TrackingError):
        return complain(f"{error}. Nothing was recorded." if name == RECORDER else str(error), BAD_INPUT, name=name)
    if isinstance(error, HydraException | OmegaConfBaseException):
        return complain(composition_problem(error), BAD_INPUT, name=name)
    if isinstance(error, OSError | MemoryError | RecursionError):
        return complain(shortage(error), BAD_INPUT, name=name)
    said = f"unexpected {type(error).__name__}: {error}. HYDRA_FULL_ERROR=1 shows where it happened."
    return complain(said, FAILED, name=name)


def shortage(error: OSError | MemoryError | RecursionError) -> str:
    """Return what the machine, or what was asked of it, lacks, as a sentence."""
    if isinstance(error, MemoryError):
        return f"there is not enough memory{f': {error}' if str(error) else ''}"
    if isinstance(error, RecursionError):
        return "the input is nested too deeply to be read"
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename} cannot be used: {reason}" if error.filename else f"the system refused: {reason}"


def complain(sentence: str, code: int, *, name: str = RECORDER) -> int:
    """Write one line to stderr and return the exit code."""
    announce(cut(f"{name}: {sentence}", LONGEST_SENTENCE))
    return code


def announce(sentence: str) -> None:
    """Write a line to stderr, which leaves stdout to the results."""
    print(visible(sentence), file=sys.stderr, flush=True)


@contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """Say what is under way, if it takes longer than a moment; the function that is yielded says what came of it."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.text import Text

        with Console(file=canvas(sys.stderr)).status(Text(visible(what))) as status:
            yield lambda said: status.update(Text(visible(said)))
        return
    timer = Timer(SECONDS_OF_SILENCE, announce, [what])
    timer.daemon = True
    timer.start()
    try:
        yield announce
    finally:
        timer.cancel()
        timer.join()


@contextmanager
def progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show how many of `total` runs are done and how long the others will take; in plain lines if not on a terminal."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("Training and recording"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(file=canvas(sys.stderr)), transient=True) as bar:
            task = bar.add_task("", total=total)
            yield lambda more: bar.advance(task, more)
        return
    done, start = 0, perf_counter()
    said = start

    def advance(more: int) -> None:
        nonlocal done, said
        done, now = done + more, perf_counter()
        if now - said > SECONDS_BETWEEN_LINES and done < total:
            said = now
            left = (now - start) / done * (total - done)
            print(f"{done} of {total} runs, about {left:.0f} s left", file=sys.stderr, flush=True)

    yield advance
