"""Compiled kernels: which is worth compiling, how it is made ready, and when it is stale."""

import gc
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, cast

import numba
from llvmlite.binding import get_host_cpu_name

from student_score.model import activations
from student_score.training.engine import epochs, kernel, layout, scalars, steps
from student_score.training.engine.kept import keep
from student_score.training.engine.layout import SAMPLING_CODES
from student_score.training.setup import Each

GENERAL = (0, 0, -1, False, 1)
"""Stands for the constants of the kernel that takes them as arguments."""

SPECIAL_UPDATES = 4e8
"""Parameter updates, some two seconds of work for the general kernel, that are worth compiling a special one."""

COMPILED_FILES = [Path(module.__file__ or "") for module in (activations, layout, scalars, steps, epochs, kernel)]
"""Every file whose code is compiled into a kernel."""

asked: Counter[tuple[int, ...]] = Counter()
"""Parameter updates that this process has asked of networks with these constants, when no special kernel was there."""


@cache
def source_fingerprint() -> int:
    """Return a number that changes with all that is compiled into a kernel: numba only watches the kernel's own file.

    That is every file, the order of what belongs to each network, and the codes of the samplings.
    """
    sources = b"\0".join(path.read_bytes() for path in COMPILED_FILES)
    return zlib.crc32(sources + repr((Each._fields, SAMPLING_CODES)).encode())


def ready(
    make: Callable[..., Any], constants: tuple[int, ...], trial: Callable[[], Sequence[Any]]
) -> Callable[..., None]:
    """Return a kernel that has been compiled or loaded, if need be by a call with the trial's arguments.

    An unusable cache folder only costs time.
    """
    kernel: Any
    collecting = gc.isenabled()
    gc.disable()  # Compiling makes millions of objects and next to no garbage; looking for it costs a tenth of the time
    try:
        for on_disk in (True, False):
            try:
                kernel = make(*constants, source_fingerprint(), on_disk=on_disk)
                if not kernel.overloads:
                    if on_disk:
                        keep(kernel)
                    kernel(*trial())
            except Exception:  # Whatever goes wrong with what is kept on disk does not go wrong without.
                if not on_disk:
                    raise
            else:
                break
    finally:
        if collecting:
            gc.enable()
    return cast("Callable[..., None]", kernel)


def is_worth_compiling(constants: tuple[int, ...], updates: float) -> bool:
    """Say whether a special kernel is there already, or the work would pay for it, earlier calls' included."""
    asked[constants] += int(updates)
    if asked[constants] > SPECIAL_UPDATES:
        return True
    return is_marked(constants)


def is_marked(constants: tuple[int, ...]) -> bool:
    """Say whether there is a mark of `note_special` for these constants."""
    mark = special_mark(constants)
    with suppress(OSError):  # An unusable cache folder only costs time.
        return mark is not None and mark.exists()
    return False


def note_special(constants: tuple[int, ...]) -> None:
    """Remember, for other processes too, that there is a special kernel."""
    asked[constants] = 2 * int(SPECIAL_UPDATES)
    mark = special_mark(constants)
    if mark is not None and not is_marked(constants):
        with suppress(OSError):
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()


@cache
def special_mark(constants: tuple[int, ...]) -> Path | None:
    """Return the file that says a special kernel lies in the cache folder; None if numba chooses the folder.

    Its name changes with whatever makes numba compile anew. Should it lie, a kernel is compiled although the general
    one would have ended sooner.
    """
    folder = numba.config.CACHE_DIR  # type: ignore[attr-defined] # set at run time
    if not folder:
        return None
    of = (constants, source_fingerprint(), numba.__version__, sys.version, get_host_cpu_name())
    return Path(folder) / "special" / f"{zlib.crc32(repr(of).encode()):08x}"
