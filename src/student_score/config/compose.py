"""From what Hydra composes to a checked configuration, and from what Hydra says of a mistake to a sentence."""

import difflib
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from student_score.config.help import help_text
from student_score.config.identity import flattened, plain
from student_score.config.schema import GROUPS, Config, complete
from student_score.errors import InputError, SweepError, TrackingError
from student_score.masking import cut
from student_score.paths import REPOSITORY, cache_folder

LONGEST_PROBLEM, LONGEST_PART = 900, 300
"""Characters of what Hydra and OmegaConf say of a mistake, and of each of them: they repeat the value however long."""


def register() -> None:
    """Make the schema known to Hydra, and ${repository:}, ${cache:} and ${help:} to OmegaConf."""
    OmegaConf.register_new_resolver("repository", lambda: str(REPOSITORY), replace=True)
    OmegaConf.register_new_resolver("cache", lambda: str(cache_folder()), replace=True)
    OmegaConf.register_new_resolver("help", help_text, replace=True)
    store = ConfigStore.instance()
    store.store(name="schema", node=Config)
    for group, node in GROUPS.items():
        store.store(group=group, name="schema", node=node)


def to_config(composed: Any) -> Config:
    """Return the plain, checked configuration of what Hydra composed.

    Raises:
        InputError: a value is out of its range, or missing.
    """
    return complete(to_template(composed))


def to_template(composed: Any) -> Config:
    """Return the same, but allow that what `complete` asks for is missing: a sweep may add it."""
    task = OmegaConf.masked_copy(composed, [name for name in composed if name != "hydra"])
    values: Any = OmegaConf.to_container(task, resolve=True, enum_to_str=True)
    known = flattened(plain(Config()))
    for key in flattened(values):  # Hydra's +key=value adds keys that the schema lacks and OmegaConf then ignores.
        if key not in known:
            raise InputError(f"{cut(key, LONGEST_PART)}: there is no such key. {nearest_keys(key)}")
    config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), task))
    if not isinstance(config, Config):
        raise TypeError(f"{config!r} is not the schema's Config")
    return config


def default_config() -> Config:
    """Return the configuration of the command without an override, while Hydra runs it."""
    from hydra import compose

    return to_config(compose("config"))


def read_config(text: str, *, name: str) -> Config:
    """Return the configuration of a recorded config.yaml; a relative dataset.path starts at the current directory.

    Raises:
        InputError: calling it by `name`, if it is none that this version knows.
    """
    try:
        composed = OmegaConf.create(text)
        if not isinstance(composed, DictConfig) or not composed:  # An empty file would mean the defaults.
            raise InputError(f"{name} is not a recorded configuration")
        composed["study"] = None  # It changes no number, and may be gone.
        config = to_config(composed)
    except YAMLError as error:
        raise InputError(f"{name} is not a recorded configuration: {error}") from None
    except OmegaConfBaseException as error:
        raise InputError(f"{name} is not a recorded configuration: {composition_problem(error)}") from None
    if config.dataset.path:  # Simulated students have none.
        config.dataset.path = str(Path(config.dataset.path).expanduser().absolute())
    return config


def composition_problem(error: Exception) -> str:
    """Return what Hydra or OmegaConf say about a bad override as a sentence or two with what is allowed."""
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else None
    if isinstance(error, OverrideParseException):
        return cut(parsing_problem(error), LONGEST_PROBLEM)
    said = [str(item) for item in (error, cause) if item is not None and str(item).strip()]
    parts = [cut(essence(item), LONGEST_PART) for item in said]
    text = ": ".join(dict.fromkeys(parts)) or type(error).__name__
    if (key := getattr(error, "full_key", None)) and key not in text:
        text = f"{key}: {text}"
    if options := re.search(r"Available options in '(\S+)':\n((?:\t.*\n?)+)", str(error)):
        text += f"; {options[1]} can be {', '.join(name for name in options[2].split() if name != 'schema')}"
    if missing := re.search(r"Key '(\S+)' (?:is )?not in", f"{error} {cause}"):
        override = re.search(r"Could not override '(\S+)'", str(error))
        text += f". {nearest_keys((override or missing)[1])}"
    return cut(text, LONGEST_PROBLEM)


OPTIONS = re.compile(r"(The --resolve flag|Only one of --run|Using config_path|File .* does not exist)[^\n]*")
"""How Hydra's sentences on its options begin, which it raises as errors of Python's."""


def mistake(error: Exception, arguments: Sequence[str]) -> InputError | None:
    """Return what the user got wrong where Hydra names no way out, or raises an error of Python's; else None."""
    if isinstance(error, InputError | TrackingError | SweepError):
        return None
    if any(argument == "-sc" or argument.startswith("--s") for argument in arguments):  # --shell-completion
        return InputError("-sc: it takes install=SHELL or uninstall=SHELL, and SHELL can be bash, fish or zsh")
    if isinstance(error, ValueError) and (option := OPTIONS.match(str(error))):
        return InputError(option[0])
    settings = [argument for argument in arguments if argument.lstrip("+").startswith("hydra.")]
    if settings and isinstance(error, AssertionError | LookupError | RuntimeError | TypeError | ValueError):
        return InputError(f"{cut(' '.join(settings), LONGEST_PART)}: {type(error).__name__}: {error}")
    return sweep_without_m(error, arguments)


def sweep_without_m(error: Exception, arguments: Sequence[str]) -> InputError | None:
    """Return the way out if Hydra refused, because -m is missing, a key that was given several values; else None."""
    found = re.match(r"(?:Ambiguous value for argument|Sweep parameters) '(.+)'", str(error))
    if not found:
        return None
    key, _, values = found[1].partition("=")
    command = shlex.join(["student-score", "-m", *arguments])
    asked = cut(found[1], LONGEST_PART)
    said = f"{asked}: several values make a sweep, which needs -m: {cut(command, LONGEST_PART)}"
    default = flattened(plain(Config())).get(key)
    if isinstance(default, list) and "(" not in values:
        said += f". One list needs brackets: {cut(shlex.quote(f'{key}=[{values}]'), LONGEST_PART)}"
    return InputError(said)


def parsing_problem(error: OverrideParseException) -> str:
    """Return why Hydra's grammar cannot read an override; what a function says of its arguments stands alone."""
    said = re.sub(r"^Error parsing override '.*'\n", "", str(error))
    said = re.sub(r"^(Type|Value)Error while evaluating ('.*?'): ", r"\2: ", said)
    said = re.sub(r"got an unexpected keyword argument", "there is no argument", said)
    if refused := re.match(r"InputError while evaluating '.*?': (.*)", said):
        return f"{error.override.partition('=')[0]}: {refused[1]}"
    functions = re.search(r"\nAvailable: (\S+)", said)
    way_out = f"; the functions are {functions[1].replace(',', ', ')}" if functions else quoted_override(error.override)
    return f"cannot parse the override {error.override!r}: {essence(said)}{way_out}"


def quoted_override(override: str) -> str:
    """Return an override of texts, such as columns' names, with the quotes that its letters need, if that is all."""
    key, _, value = override.partition("=")
    default = flattened(plain(Config())).get(key)
    if not isinstance(default, str | list) or {*value} & {*"\"'"}:
        return ""
    listed = value.startswith("[") and value.endswith("]")
    texts = [f'"{text.strip()}"' for text in (value[1:-1].split(",") if listed else [value])]
    quoted = f"{key}={'[' * listed}{','.join(texts)}{']' * listed}"
    try:
        OverridesParser.create().parse_override(quoted)
    except OverrideParseException:
        return ""
    return f"; texts of more than plain letters need quotes: {cut(shlex.quote(quoted), LONGEST_PART)}"


def essence(message: str) -> str:
    """Return the first line of a message, and the next where the first only announces it, without the full stop."""
    lines = [line.strip() for line in message.strip().split("\n")]
    return (" ".join(lines[:2]) if lines[0].endswith(":") else lines[0]).rstrip(".")


def nearest_keys(unknown: str) -> str:
    """Return a sentence with the configuration keys nearest to an unknown one, else its group's, else all of them."""
    keys = list(flattened(plain(Config())))
    group, _, last = unknown.rpartition(".")
    near = [key for key in keys if difflib.get_close_matches(last, [key.rsplit(".", 1)[-1]], cutoff=0.6)]
    if near:
        return f"Did you mean {' or '.join(near)}?"
    siblings = [key for key in keys if group and key.startswith(f"{group}.")]
    return f"The keys are {', '.join(siblings or keys)}."
