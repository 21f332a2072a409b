"""How stores fail: in one error with a sentence, and not at all because somebody else is writing."""

import logging
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from time import monotonic, sleep
from typing import ParamSpec, TypeVar

from student_score.errors import TrackingError
from student_score.tracking.address import is_lock, unusable

SAID_AGAIN = 20.0
"""Seconds between two sentences about a store that others keep locked: as long as MLflow waits by itself."""

PAUSE = 0.5
"""Seconds at most between two attempts; how many is left to chance, so that many who wait do not come at once."""

LOGGER = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turn what mlflow and its database layer raise into one TrackingError."""
    from alembic.util import CommandError
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, CommandError, sqlite3.Error, OSError, ImportError, UnicodeError) as error:
        if (interrupted := interruption(error)) is not None:
            raise interrupted from None
        # A database's own words, where there are any, say more than the layers above it.
        lines = [line.strip() for line in str(error).split("\n")]
        reason = next((line.partition(") ")[2] for line in lines if line.startswith("(sqlite3.")), lines[0])
        _, unanswered, cause = reason.partition("(Caused by ")
        if unanswered:  # The cause of a request's failure comes last, in quotes and brackets.
            reason = "no answer (" + cause.rpartition(": ")[2].partition(". (")[0].rstrip("'\")") + ")"
        raise unusable(uri, reason.rstrip(".") or type(error).__name__) from error


def interruption(error: BaseException | None) -> BaseException | None:
    """Return the Ctrl-C, or the exit on a signal, in whose wake an error came; None if there was none."""
    while isinstance(error, Exception):
        error = error.__context__
    return error


def patient(method: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let a method of a store wait, and say so, for as long as another process keeps the store locked.

    What has been trained is never given up for a lock. The method is called again, so that a call which fails must
    have changed nothing, or what may be changed twice.
    """

    @wraps(method)
    def waiting(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        said = -SAID_AGAIN
        while True:
            try:
                return method(*args, **kwargs)
            except TrackingError as error:
                if not is_lock(error):
                    raise
                if monotonic() - said > SAID_AGAIN:
                    said = monotonic()
                    LOGGER.warning("%s; waiting for the process that writes to it", error)
            sleep(random.uniform(0.0, PAUSE))  # noqa: S311 - no secret

    return waiting
