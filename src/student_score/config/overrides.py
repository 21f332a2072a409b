"""Hydra's overrides, read with more care than Hydra takes: what would train something else, or end in Python's words.

Every override that is composed, of a command line, an experiment or a job of a sweep, is parsed by Hydra's
`OverridesParser.parse_overrides`, which `jobs.register_functions` replaces by `checked`.
"""

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, QuotedString, RangeSweep, Sweep

from student_score.config.checks import LONGEST_SHOWN, check_text
from student_score.config.schema import GROUPS
from student_score.errors import InputError
from student_score.masking import cut
from student_score.paths import CONF

Parse = Callable[[OverridesParser, list[str]], list[Override]]
"""Hydra's own way to read overrides."""


def checked(parse: Parse) -> Parse:
    """Return Hydra's way to read overrides, with a sentence for every one that means nothing."""

    def parse_overrides(parser: OverridesParser, overrides: Sequence[str]) -> list[Override]:
        found: list[Override] = []
        for text in overrides:
            said = cut(text, LONGEST_SHOWN)
            check_text("the override", text)
            try:
                [override] = parse(parser, [text])
            except ValueError:  # Python's limit on the digits of a number that is read.
                raise InputError(f"{said}: a number has more digits than can be read") from None
            except RecursionError:
                raise InputError(f"{said}: its brackets are nested too deeply") from None
            check_override(override, said)
            found.append(override)
        return found

    return parse_overrides


def check_override(override: Override, said: str) -> None:
    """Raise InputError if an override means nothing that can be trained.

    Args:
        override: as Hydra has read it.
        said: how the message calls it.
    """
    key, values = override.key_or_group, offered(override)
    if not key:
        raise InputError(f"{said!r}: a key has to stand before the =")
    if len(key) > LONGEST_SHOWN:  # Hydra would look for a file of that name.
        raise InputError(f"{said}: there is no key of {len(key)} characters")
    if override.is_delete():
        raise InputError(f"{said}: nothing can be left out, every key has its default; set it to something else")
    for part in (part for value in values for part in parts(value)):
        check_part(part, key, said)
    for value in values:
        check_value(value, key, said)
    if isinstance(swept := override.value(), RangeSweep):
        check_range(swept, said)


def check_part(part: Any, key: str, said: str) -> None:
    """Raise InputError if a value, or what a list holds, is a sweep, missing, or too large."""
    if isinstance(part, Sweep | Glob):
        raise InputError(f"{said}: range(), choice() and the like stand alone, not in a list")
    if part == "???":
        raise InputError(f"{said}: the value of {key} is missing")
    if isinstance(part, int) and abs(part) > sys.float_info.max:
        raise InputError(f"{said}: a number has more digits than any that can be used")


def check_value(value: Any, key: str, said: str) -> None:
    """Raise InputError if a group is given no word, or Hydra a setting that it cannot take or that moves the files."""
    if is_group(key):
        check_option(key, value, said)
    if key == "hydra.job.chdir" and value is True:
        raise InputError(f"{said}: relative paths start at the current directory, which stays the same")
    if key == "hydra.verbose" and not isinstance(value, bool | str | list):
        raise InputError(f"{said}: it can be true, false, or the names of loggers")


def offered(override: Override) -> list[Any]:
    """Return the values that an override has, or offers to a sweep, as far as they are listed."""
    value = override.value()
    if isinstance(value, ChoiceSweep):
        return [item.text if isinstance(item, QuotedString) else item for item in value.list]
    return [value] if not override.is_sweep_override() and not override.is_delete() else []


def parts(value: Any) -> Iterator[Any]:
    """Yield a value, or all that lists and dictionaries hold."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from parts(item)
    else:
        yield value.text if isinstance(value, QuotedString) else value


def is_group(key: str) -> bool:
    """Say whether a key chooses among the files of a group, of this project or of Hydra's."""
    return "/" in key or key in {path.name for path in CONF.iterdir() if path.is_dir()}


def check_option(group: str, value: Any, said: str) -> None:
    """Raise InputError unless a group's value is a word; keys of the schema may stand together in braces."""
    if isinstance(value, dict) and value and group in GROUPS:
        return
    if not isinstance(value, str):
        options = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
        raise InputError(f"{said}: it must be a word" + (f"; {group} can be {', '.join(options)}" if options else ""))


def check_range(swept: RangeSweep, said: str) -> None:
    """Raise InputError unless a range has numbers from which, up to which, and by which to count."""
    ends = (swept.start, swept.stop, swept.step)
    if not all(isinstance(end, int | float) and not isinstance(end, bool) and math.isfinite(end) for end in ends):
        raise InputError(f"{said}: a range takes finite numbers: range(first,end) or range(first,end,step)")
    if swept.step == 0:
        raise InputError(f"{said}: the step of a range must not be 0")
