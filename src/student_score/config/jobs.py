"""Hydra's multirun, from its arguments to checked configurations: the one module that uses private names of Hydra.

Hydra composes a job's configuration from all its files anew, which takes 60 ms and more. Jobs that differ only in plain
values share one composition here, into which the values are put; tests compare the two.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser import overrides_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, OverrideType, RangeSweep, Transformer
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from student_score.config.checks import LONGEST_SHOWN
from student_score.config.compose import to_config, to_template
from student_score.config.identity import flattened, plain
from student_score.config.overrides import checked
from student_score.config.schema import LARGEST_SWEEP, Config, SweepConfig, complete
from student_score.errors import InputError
from student_score.masking import cut

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from hydra._internal.grammar.functions import Functions


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One override of a job: as Hydra's launchers take it, and as key and value.

    It is plain if it does no more than to set one key of the schema to a number, a word or a list of numbers.
    """

    text: str
    key: str
    value: Any
    plain: bool


Job = tuple[Choice, ...]

DIGITS, MOST_DIGITS = 4, 17
"""Significant decimal digits of the values of a logspace, and how many tell any two doubles apart."""

LARGEST_COUNT = 100_000
"""Values of a logspace."""


def logspace(first: Any, last: Any, count: Any) -> ChoiceSweep:
    """Return `count` values from `first` to `last`, evenly spaced on a log axis, as Hydra's grammar takes choices.

    The ends are as they are given; the values between them have four significant digits, or as few more as make all of
    them differ.

    Raises:
        InputError: there are no such values.
    """
    called = f"logspace({first},{last},{count})"
    for end in (first, last):
        if isinstance(end, bool) or not isinstance(end, int | float) or not (math.isfinite(end) and end > 0):
            raise InputError(f"{called}: {end} must be a positive, finite number; logspace takes first, last, count")
    if type(count) is not int or not 2 <= count <= LARGEST_COUNT:
        raise InputError(f"{called}: the count {count} must be a whole number within 2..{LARGEST_COUNT}")
    low, high = math.log(first), math.log(last)
    exact = [math.exp(low + (high - low) * k / (count - 1)) for k in range(1, count - 1)]
    for digits in range(DIGITS, MOST_DIGITS + 1):
        values = [float(first), *(float(f"{value:.{digits}g}") for value in exact), float(last)]
        if all((before < after) if first < last else (before > after) for before, after in itertools.pairwise(values)):
            return ChoiceSweep(list=list(values))
    raise InputError(f"{called}: there are no {count} different numbers between {first} and {last}")


def register_functions() -> None:
    """Let Hydra's grammar call `logspace`, and be checked, wherever it parses overrides; a second call does nothing."""
    original = overrides_parser.create_functions
    if getattr(original, "knows_logspace", False):
        return
    OverridesParser.parse_overrides = checked(OverridesParser.parse_overrides)  # type: ignore[assignment, method-assign]

    def create_functions() -> "Functions":
        functions = original()
        functions.register("logspace", logspace)
        return functions

    create_functions.knows_logspace = True  # type: ignore[attr-defined] # a mark for the next call
    overrides_parser.create_functions = create_functions


Settings = TypeVar("Settings", bound="DataclassInstance")


def texts(job: Job) -> list[str]:
    """Return a job's overrides as Hydra's launchers take them."""
    return [choice.text for choice in job]


def expand(arguments: Sequence[str], loader: ConfigLoader) -> list[Job]:
    """Return the jobs of a multirun in the order of Hydra's own sweeper: the product of all lists, the last fastest.

    A key that is given twice keeps its first place and its last value.

    Raises:
        InputError: an argument leaves nothing to run, or wants a sampler: interval(...).
        HydraException: an argument cannot be parsed.
    """
    keys = frozenset(flattened(plain(Config())))
    lists: dict[str, list[Choice]] = {}
    for override in OverridesParser.create(config_loader=loader).parse_overrides(list(arguments)):
        lists[override.get_key_element()] = choices = list(enumerated(override, keys))
        if not choices:
            raise InputError(f"{override.input_line}: the sweep is empty, no value is left")
    return list(itertools.product(*lists.values()))


def check_count(arguments: Sequence[str], loader: ConfigLoader, base: DictConfig) -> None:
    """Raise InputError if a multirun has more jobs than `sweep.most_jobs` of its configuration; nothing is listed."""
    most = SweepConfig(most_jobs=OmegaConf.select(base, "sweep.most_jobs")).most_jobs
    counts: dict[str, int] = {}
    for override in OverridesParser.create(config_loader=loader).parse_overrides(list(arguments)):
        counts[override.get_key_element()] = count(override)
    if (asked := math.prod(counts.values())) > most:
        lists = " times ".join(f"{cut(key, LONGEST_SHOWN)} ({number})" for key, number in counts.items() if number > 1)
        raise InputError(
            f"{lists}: {asked} jobs are more than sweep.most_jobs={most}; ask for fewer, or raise that limit, which "
            f"can be {LARGEST_SWEEP} at most"
        )


def count(override: Override) -> int:
    """Return how many values an override offers."""
    swept: Any = override.value()
    if isinstance(swept, RangeSweep):
        start, stop, step = (Fraction(end) for end in (swept.start, swept.stop, swept.step) if end is not None)
        return max(0, math.ceil((stop - start) / step))
    if isinstance(swept, ChoiceSweep):
        return len(swept.list)
    return len(list(override.sweep_iterator())) if isinstance(swept, Glob) else 1


def enumerated(override: Override, keys: frozenset[str]) -> Iterator[Choice]:
    """Yield the choices an override offers: several if it is swept."""
    key = override.get_key_element()
    if not override.is_sweep_override():
        values: list[Any] = [override.value()]
        written = [override.get_value_element_as_str()]
    elif override.is_discrete_sweep():
        values = list(override.sweep_iterator())
        written = [Transformer.str(value) for value in values]
    else:
        raise InputError(f"{override.input_line}: an interval has no list of values; use a list, range() or choice()")
    changes = override.type is OverrideType.CHANGE and override.package is None and key in keys
    for value, text in zip(values, written, strict=True):
        yield Choice(text=f"{key}={text}", key=key, value=value, plain=changes and is_plain(value))


def is_plain(value: object) -> bool:
    """Say whether a value is a number, a word without interpolation, nothing, or a list of numbers.

    An empty list is none: dataset.new_inputs=[] may be what lets other columns compose.
    """
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, int | float) for item in value)
    return value is None or isinstance(value, int | float) or (isinstance(value, str) and "$" not in value)


def parsed(overrides: Sequence[str], loader: ConfigLoader) -> Job:
    """Return the job of overrides that a launcher was given."""
    [job] = expand(overrides, loader)
    return job


class Composer:
    """Turns jobs into configurations, with as few of Hydra's compositions as their differences allow."""

    def __init__(self, loader: ConfigLoader, base: DictConfig) -> None:
        self.loader, self.base = loader, base
        self.schema = OmegaConf.structured(Config)
        self.templates: dict[tuple[str, ...], Config | None] = {}
        self.converted: dict[str, Any] = {}

    def __call__(self, job: Job) -> Config:
        """Return a job's checked configuration.

        Raises:
            InputError: a value is out of its range, or missing.
            HydraException, OmegaConfBaseException: an override does not fit the schema.
        """
        if any(not choice.plain and isinstance(choice.value, dict) for choice in job):
            return to_config(self.compose(texts(job)))  # It may undo an override that stands before it.
        try:
            template = self.template(tuple(choice.text for choice in job if not choice.plain))
            if template is not None:
                values = {choice.key: self.value(choice) for choice in job if choice.plain}
                return complete(filled(template, values))
        except (HydraException, OmegaConfBaseException):
            pass  # The full composition says better what is wrong.
        return to_config(self.compose(texts(job)))

    def default(self) -> Config:
        """Return the configuration without any override."""
        return self(())

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """Return what Hydra composes for a job."""
        composed: DictConfig = self.loader.load_sweep_config(self.base, list(overrides))
        return composed

    def template(self, others: tuple[str, ...]) -> Config | None:
        """Return the configuration of everything but plain values; None if keys depend on each other."""
        if others not in self.templates:
            composed = self.compose(others)
            task = OmegaConf.masked_copy(composed, [str(name) for name in composed if name != "hydra"])
            written: Any = OmegaConf.to_container(task, resolve=False)
            fixed = (str(value).replace("${repository:}", "") for value in flattened(written).values())
            self.templates[others] = None if any("${" in value for value in fixed) else to_template(composed)
        return self.templates[others]

    def value(self, choice: Choice) -> Any:
        """Return a choice's value as the schema's type."""
        if choice.text not in self.converted:
            OmegaConf.update(self.schema, choice.key, choice.value)
            value = OmegaConf.select(self.schema, choice.key)
            self.converted[choice.text] = OmegaConf.to_object(value) if OmegaConf.is_config(value) else value
        return self.converted[choice.text]


def filled(template: Settings, values: Mapping[str, Any]) -> Settings:
    """Return a copy of a dataclass with the values of some keys replaced, checked like any other."""
    changes: dict[str, Any] = {}
    for field in fields(template):
        if field.name in values:
            changes[field.name] = values[field.name]
        elif is_dataclass(getattr(template, field.name)):
            inner = {k.removeprefix(f"{field.name}."): v for k, v in values.items() if k.startswith(f"{field.name}.")}
            if inner:
                changes[field.name] = filled(getattr(template, field.name), inner)
    return replace(template, **changes)


Launch = Callable[[Sequence[Sequence[str]]], Sequence[JobReturn]]
"""Hands jobs, as overrides, to one of Hydra's launchers."""


def causes(returns: Sequence[JobReturn]) -> list[Exception | None]:
    """Return what each job raised, None for one that did its work."""
    return [
        None if done.status is JobStatus.COMPLETED else done._return_value  # noqa: SLF001 - the public one raises it
        for done in returns
    ]


def completed(value: float, overrides: Sequence[str]) -> JobReturn:
    """Return what a launcher tells Hydra of a job that ended well."""
    done = JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED)
    done.return_value = value
    return done


def failed(error: Exception, overrides: Sequence[str]) -> JobReturn:
    """Return what a launcher tells Hydra of a job that raised."""
    done = JobReturn(overrides=list(overrides), status=JobStatus.FAILED)
    done.return_value = error
    return done
