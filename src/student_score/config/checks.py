"""What values of the configuration have to be, each check with its sentence."""

import re
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from student_score.errors import InputError
from student_score.masking import cut

SEEDS = "0..4294967295"
"""What scikit-learn's and NumPy's generators take."""

LONGEST_DATASET, LONGEST_EXPERIMENT = 500, 256
"""Characters of a name that MLflow's tables hold: of a data set, and of an experiment."""

LONGEST_SHOWN = 200
"""Characters of a value that a message shows."""

UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters that steer a terminal, or that no file or database can hold as text."""


def says(about: str, *, allowed: str = "", examples: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what `student-score --help` says of a key, beside its default.

    Args:
        about: what it means.
        allowed: its range, in the words of the message that refuses what lies outside; enums name their values.
        examples: overrides as a shell takes them, where they say more than default and range.
    """
    return {"about": about, "allowed": allowed, "examples": examples}


@contextmanager
def keyed(group: str, names: Collection[str]) -> Iterator[None]:
    """Turn the argument that an InputError begins with into a configuration's key: epochs=0 -> training.epochs=0.

    Args:
        group: of the configuration.
        names: of its keys.
    """
    try:
        yield
    except InputError as error:
        argument = re.match(r"(\w+)[=:]", str(error))
        if argument and argument[1] in names:
            raise InputError(f"{group}.{error}") from None
        raise


def require(condition: bool, value: str, allowed: str) -> None:
    """Raise InputError saying what the value is and what is allowed, unless the condition holds."""
    if not condition:
        raise InputError(f"{value}: {allowed}")


def check_text(key: str, text: str) -> None:
    """Raise InputError if a text has characters that cannot be written down."""
    if found := UNWRITABLE.search(text):
        place = f"character {found.start() + 1} of {cut(repr(text), LONGEST_SHOWN)}"
        raise InputError(f"{key}: {place} is U+{ord(found[0]):04X}, which is no part of a text; leave it out")


def check_name(key: str, name: str, longest: int) -> None:
    """Raise InputError unless MLflow can keep a name."""
    check_text(key, name)
    require(bool(name.strip()), key, "it must not be empty")
    require(
        len(name) <= longest,
        f"{key}={cut(name, LONGEST_SHOWN)}",
        f"it has {len(name)} characters, and may have at most {longest}",
    )


def check_home(key: str, path: str) -> None:
    """Raise InputError if a path starts at the home of a user who has none."""
    try:
        Path(path).expanduser()
    except RuntimeError:
        start = cut(path.partition("/")[0], LONGEST_SHOWN)
        raise InputError(f"{key}={cut(path, LONGEST_SHOWN)}: there is no user whose home {start} is") from None


def is_finite_number(value: object) -> bool:
    """Say whether a value is an int or a float, and finite as a double."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def require_seed(name: str, seed: int) -> None:
    """Raise InputError unless the seed fits scikit-learn's and NumPy's generators."""
    require(0 <= seed < 2**32, f"{name}={seed}", f"it must lie in {SEEDS}")
