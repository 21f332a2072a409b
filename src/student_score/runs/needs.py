"""What a run needs: memory, which is checked before anything takes it, and time, which is said."""

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import takewhile
from pathlib import Path

from student_score.config.schema import Config
from student_score.data.text_file import shown
from student_score.errors import InputError
from student_score.model.activations import Activation
from student_score.training.setup import Trainer

PROCESS = 450 * 2**20
"""Bytes of a process that trained and recorded a small network; what follows comes on top."""

FREE = 64 * 2**20
"""Bytes on top that no run is refused for, however small the machine."""

PARAMETER, EPOCH, LINE, ROW, UNIT_OF_A_ROW = 260, 50, 400, 400, 60
"""Bytes, measured and rounded up: of a parameter, most of them while weights.json is written; of an epoch, for its
loss; of a printed line; of a row; of a hidden unit's output on one row, while predictions are made."""

CONTROL_GROUPS = Path("/sys/fs/cgroup")
"""Where Linux shows how much memory it lets a group of processes have."""

UPDATE, EXPONENTIAL_UPDATE, REFERENCE_UPDATE = 1.5e-9, 6e-9, 2e-7
"""Seconds to update a parameter once: by a special kernel, by one whose activation has an exponential, by the reference
trainer. Machines, sizes and activations differ by a factor of three either way."""

WRITTEN_PARAMETER, PRINTED_LINE, PREDICTED_UNIT = 6e-6, 2e-6, 4e-7
"""Seconds to write a parameter to the artifacts, to print a line, and for a hidden unit in predictions of a row."""

WORTH_SAYING = 10
"""Seconds that nobody wonders about."""


def parameters(config: Config, n_features: int) -> int:
    """Return how many weights and biases the network has."""
    return config.network.hidden_size * (n_features + 2) + 1


def lines(config: Config) -> int:
    """Return how many epochs are printed."""
    return config.training.epochs // config.print_every


def memory_needed(config: Config, rows: int, n_features: int) -> dict[str, int]:
    """Return about how many bytes a run on so many rows takes, by the key that decides it."""
    units = UNIT_OF_A_ROW * rows * config.network.hidden_size
    return {
        f"network.hidden_size={config.network.hidden_size}": PARAMETER * parameters(config, n_features) + units,
        f"training.epochs={config.training.epochs}": EPOCH * config.training.epochs,
        f"print_every={config.print_every}": LINE * lines(config),
        source(config): ROW * rows,
    }


def source(config: Config) -> str:
    """Return the key that decides how many rows there are, with its value."""
    dataset = config.dataset
    return f"dataset.path={shown(Path(dataset.path))}" if dataset.simulation is None else f"dataset.n={dataset.n}"


def check_memory(config: Config, rows: int, n_features: int) -> None:
    """Raise InputError, naming what takes most, if a run on so many rows would not fit the memory there is."""
    needed, there = memory_needed(config, rows, n_features), memory()
    on_top = sum(needed.values())
    if on_top > max(FREE, there - PROCESS):
        most = max(needed, key=lambda key: needed[key])
        whole = f"about {gibibytes(PROCESS + on_top)} of memory, {gibibytes(needed[most])} of them for this"
        raise InputError(
            f"{most}: the run would take {whole}, but {gibibytes(there)} are there; "
            f"{'print fewer lines' if most.startswith('print_every') else 'ask for less'}, or use a larger machine"
        )


def gibibytes(count: int) -> str:
    """Return a number of bytes in words."""
    return f"{count / 2**30:.1f} GiB"


@cache
def memory() -> int:
    """Return the bytes of memory this process may take: the machine's, or what its control group leaves of them."""
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *group_limits()])


def group_limits() -> Iterator[int]:
    """Yield the limits of the control groups that this process is in, from its own to the outermost."""
    group = ""
    with suppress(OSError):
        entries = Path("/proc/self/cgroup").read_text().splitlines()
        group = next((entry.removeprefix("0::/") for entry in entries if entry.startswith("0::/")), "")
    own = CONTROL_GROUPS / group
    for folder in [*takewhile(lambda folder: folder != CONTROL_GROUPS, (own, *own.parents)), CONTROL_GROUPS]:
        with suppress(OSError, ValueError):  # Where there is no limit, there is no file, or it says max.
            yield int((folder / "memory.max").read_text())


def seconds_needed(config: Config, rows: int, n_features: int) -> float:
    """Return about how long a run on so many rows takes beyond what a small one does."""
    by_reference = config.training.trainer is Trainer.reference or config.training.observe
    exponential = config.network.activation in {Activation.tanh, Activation.sigmoid}
    update = REFERENCE_UPDATE if by_reference else EXPONENTIAL_UPDATE if exponential else UPDATE
    size = parameters(config, n_features)
    recording = WRITTEN_PARAMETER * size + PRINTED_LINE * lines(config)
    recording += PREDICTED_UNIT * rows * config.network.hidden_size
    return update * config.training.epochs * rows * size + recording


def duration(seconds: float) -> str:
    """Return a time in words, no more exact than it is known: 3 min."""
    for unit, length, enough in (("s", 1, 100), ("min", 60, 100), ("h", 3600, 50)):
        if seconds < enough * length:
            return f"{max(1, round(seconds / length))} {unit}"
    return f"{round(seconds / 86400):,} days"
