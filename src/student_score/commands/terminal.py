"""How every command speaks: errors in one or two sentences, exit codes, details, progress, tables."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from time import perf_counter

from student_score.errors import InputError, SweepError, TrackingError
from student_score.paths import ensure_home

BAD_INPUT, FAILED, INTERRUPTED, TERMINATED = 2, 1, 130, 143
"""Exit codes."""

SECONDS_OF_SILENCE = 0.2
"""After which a command says what it is doing, where it cannot be shown on a terminal."""

SECONDS_BETWEEN_LINES = 2.0
"""Of progress, where it is not shown on a terminal."""


class Details:
    """Whether the user asked for details, by -v."""

    wanted = False


def detail(sentence: str) -> None:
    """Write a line to stderr if details are wanted."""
    if Details.wanted:
        announce(sentence)


def guarded(command: Callable[[], int], *, name: str) -> int:
    """Run a command and return its exit code; what it raises ends in a sentence, unless a traceback was asked for."""
    ensure_home()
    try:
        return command()
    except KeyboardInterrupt:
        return interrupted(name=name)
    except Exception as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        return explain(error, name=name)


def explain(error: Exception, *, name: str = "student-score") -> int:
    """Say in one or two sentences what went wrong, and return the exit code."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from student_score.config.compose import composition_problem

    if isinstance(error, SweepError):
        return complain(str(error), FAILED, name=name)
    if isinstance(error, InputError):
        return complain(str(error), BAD_INPUT, name=name)
    if isinstance(error, TrackingError):
        return complain(f"{error}. Nothing was recorded.", BAD_INPUT, name=name)
    if isinstance(error, HydraException | OmegaConfBaseException):
        return complain(composition_problem(error), BAD_INPUT, name=name)
    said = f"unexpected {type(error).__name__}: {error}. HYDRA_FULL_ERROR=1 shows where it happened."
    return complain(said, FAILED, name=name)


def interrupted(*, name: str = "student-score") -> int:
    """Say that Ctrl-C ended the command, and return the exit code."""
    return complain("interrupted; what was recorded so far stays", INTERRUPTED, name=name)


def complain(sentence: str, code: int, *, name: str = "student-score") -> int:
    """Write one line to stderr and return the exit code."""
    print(f"{name}: {sentence}", file=sys.stderr)
    return code


def announce(sentence: str) -> None:
    """Write a line to stderr, which leaves stdout to the results."""
    print(sentence, file=sys.stderr, flush=True)


@contextmanager
def waiting(what: str) -> Iterator[Callable[[str], None]]:
    """Say what is under way, if it takes longer than a moment; the function that is yielded says what came of it."""
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status(what) as status:
            yield status.update
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
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
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
