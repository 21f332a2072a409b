"""The configuration in plain values, and the hashes by which trainings and runs are known again."""

import hashlib
import json
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

from student_score.config.schema import Config
from student_score.masking import masked


def plain(config: Any) -> dict[str, Any]:
    """Return the configuration, or a group of it, as nested dictionaries of strings, numbers and lists."""
    return {name: plain_value(item) for name, item in vars(config).items()}  # A third of asdict's time.


def plain_value(item: Any) -> Any:
    """Return one value of the configuration, or the dictionary of a group."""
    if item is None or isinstance(item, str | float | int):  # Most are; the other questions take longer.
        return item
    if isinstance(item, list):
        return [plain_value(part) for part in item]
    return item.name if isinstance(item, Enum) else plain(item)


def flattened(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return {"training.epochs": 1000, ...} for {"training": {"epochs": 1000}, ...}."""
    flat: dict[str, Any] = {}
    for key, item in nested.items():
        name = f"{prefix}{key}"
        flat |= flattened(item, f"{name}.") if isinstance(item, dict) else {name: item}
    return flat


PROVENANCE = ("tracking", "print_every", "study")
"""Parts of the configuration that change what is written down about a training, never its numbers."""

SAME_NUMBERS = (
    "dataset.name",
    "dataset.path",
    "dataset.delimiter",
    "dataset.decimal",
    "dataset.target_range",
    "dataset.new_inputs",
    "training.trainer",
    "training.observe",
)
"""Keys of the other parts that do not change a training's numbers either: what lies in a file counts, not where."""

ADDED = (
    "dataset.categorical",
    "dataset.missing",
    "dataset.delimiter",
    "dataset.decimal",
    "dataset.target_range",
    "dataset.simulation",
    "dataset.n",
    "dataset.noise",
    "dataset.seed",
    "dataset.folds",
    "dataset.fold",
    "dataset.validation_fraction",
)
"""Keys that came later: at their defaults they are part of no hash, so that what was recorded before is known again."""

PLACES = ("dataset.path", "tracking.uri", "tracking.experiment", "tracking.log_model")
"""Keys that say where something lies, not what it is; a model can be kept beside what was recorded before."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """A configuration as runs record it: all of it but how a sweep is conducted.

    Attributes:
        nested: the configuration in plain values, as config.yaml holds it.
        flat: the same by key, {"training.epochs": 1000, ...}.
        config_hash: SHA-256 that identifies a training: the same hash means the same numbers.
        job_hash: SHA-256 by which a sweep knows a run again: the same hash means the same record.
    """

    nested: dict[str, Any]
    flat: dict[str, Any]
    config_hash: str
    job_hash: str


def describe(config: Config, *, data_digest: str, algorithm_version: int) -> Description:
    """Return the description of a configuration, given its rows' SHA-256 and the algorithm's version."""
    nested = {group: item for group, item in plain(config).items() if group != "sweep"}
    nested["tracking"]["uri"] = masked(config.tracking.uri) if config.tracking.uri else None  # In no hash.
    flat = flattened(nested)
    task: dict[str, dict[str, Any]] = {}
    hashed = {key: value for key, value in flat.items() if key not in ADDED or value != defaults()[key]}
    for key, value in numbers_of(hashed).items():
        group, _, name = key.partition(".")
        task.setdefault(group, {})[name] = value
    job = {key: value for key, value in hashed.items() if key not in PLACES}
    data = {"data": data_digest, "algorithm": algorithm_version}
    return Description(
        nested=nested, flat=flat, config_hash=digest({"task": task, **data}), job_hash=digest({"job": job, **data})
    )


@cache
def defaults() -> dict[str, Any]:
    """Return the default of every key."""
    return flattened(plain(Config()))


def numbers_of(flat: dict[str, Any]) -> dict[str, Any]:
    """Return those keys of a flattened configuration that change a training's numbers, and their values."""
    return {
        key: value
        for key, value in flat.items()
        if key.partition(".")[0] not in (*PROVENANCE, "sweep") and key not in SAME_NUMBERS
    }


def digest(content: Any) -> str:
    """Return the SHA-256 of nested dictionaries, lists, numbers and strings."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
