"""From checked arrays to the ends of all networks: chooses the kernel, hands it chunks in threads, collects results."""

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike

from student_score.arrays import Floats, Integers
from student_score.errors import InputError
from student_score.model.outcome import window_length
from student_score.model.sampling import Sampling
from student_score.training.engine.cache import GENERAL, is_worth_compiling, note_special, ready
from student_score.training.engine.kernel import make_kernel, make_predictor
from student_score.training.engine.layout import ACTIVATION_CODES, SAMPLING_CODES, Ends, Shared, Work
from student_score.training.engine.scalars import CACHE_LINE
from student_score.training.setup import Each, Effort, Networks, Setup

LANES = 64
"""Networks in a block: enough to hide the latency of an addition, few enough for the first-level cache."""

LARGEST_LANED = 1024
"""Parameters. The lanes of a larger network leave the second-level cache; alone in its block it trains as fast."""

FEWEST_LANED = 5
"""Networks. Fewer than these finish sooner one by one than in a block that is mostly empty."""

TABLE_VALUES = 16384
"""Doubles (128 KiB) in the table of the rows that a block visits next; it lies in the second-level cache."""

CHUNK_UPDATES = 1e8
"""Parameter updates by a special kernel, some 10 ms of work, between two reports of progress."""

DIRECT_UPDATES = 1e7
"""Parameter updates by a special kernel, a millisecond of work: a call with no more runs where it is made, as a thread
costs as much."""

GENERAL_COST = 50
"""What the general kernel takes for an update, in updates by a special one."""

LATE = ("late_rises", "late_rise", "late_min", "late_max", "late_mean", "earlier_mean", "last_avg_loss")
"""Columns of the kernel's `ends`."""

CHUNKS_PER_THREAD = 4
"""At least, so that the threads end at about the same time."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainedNetworks:
    """What became of the networks, one per row, in the networks' own units.

    Attributes:
        finals: (networks, size) flat parameters after the last epoch run.
        loss_epochs: (k,) the epochs, counted from 1, whose avg_loss was kept.
        avg_loss: (networks, k) mean over the epoch of the squared errors, each before its row's update; NaN in
            epochs that divergence left unrun.
        recorded_epochs: (m,) the epochs after which the mean squared errors were taken.
        train_mse: (networks, m) mean squared error at fixed weights on the training rows; NaN from divergence on.
        test_mse: (networks, m) the same on the test rows; None without test rows.
        collapse_epoch: (networks,) as in `Trajectory`; 0 if none.
        diverged_epoch: (networks,) first epoch after which a loss in score points or a parameter was not finite,
            which is the last that ran; 0 if none.
        late_rises, late_rise, late_min, late_max, late_mean, earlier_mean: (networks,) of avg_loss in score points
            squared, as `outcome.EndState` describes them.
        last_avg_loss: (networks,) of the last epoch that ran, in score points squared.
        predictions: (networks, n) final predictions on the training rows; (networks, 0) if not asked for.
    """

    finals: Floats
    loss_epochs: Integers
    avg_loss: Floats
    recorded_epochs: Integers
    train_mse: Floats
    test_mse: Floats | None
    collapse_epoch: Integers
    diverged_epoch: Integers
    late_rises: Floats
    late_rise: Floats
    late_min: Floats
    late_max: Floats
    late_mean: Floats
    earlier_mean: Floats
    last_avg_loss: Floats
    predictions: Floats


def train_networks(
    setup: Setup,
    networks: Networks,
    effort: Effort | None = None,
    *,
    loss_epochs: ArrayLike | None = None,
    keep_predictions: bool = False,
) -> TrainedNetworks:
    """Train many networks on the same rows and return how each of them ended.

    Args:
        setup: what they share.
        networks: what belongs to each.
        effort: threads, progress and kernel; the bits are the same.
        loss_epochs: (k,) increasing epochs whose avg_loss is kept; the recorded epochs by default.
        keep_predictions: also return the final predictions on the training rows.

    Raises:
        InputError: a value is outside its range; said before anything is compiled. Divergence is no error but a
            result.
    """
    effort = effort or Effort()
    threads = checked_threads(effort.threads)
    each = networks.each(setup)
    shared = shared_values(setup, setup.recorded_epochs if loss_epochs is None else loss_epochs)
    updates = float(shared.epochs) * shared.n * setup.size * len(each.starts)
    constants = special_constants(setup, len(each.starts))
    lanes = constants[-1]
    special = is_worth_compiling(constants, updates) if effort.special is None else effort.special
    if not special:
        constants, lanes, updates = GENERAL, 1, updates * GENERAL_COST
    check_memory(shared, len(each.starts), setup.size, blocks=lanes * threads, keep_predictions=keep_predictions)
    out = empty_ends(shared, len(each.starts), setup.size)
    if effort.progress is not None:
        effort.progress(0, len(each.starts))

    def arguments(first: int, last: int, stop: Integers) -> list[Any]:
        # Always a copy, since a kernel is compiled anew for arrays that are read-only or not contiguous.
        own = Each._make(np.array(array[first:last], order="C") for array in each)
        return [own, shared, work_arrays(shared, setup.size, lanes), Ends._make(a[first:last] for a in out), stop]

    kernel = ready(make_kernel, constants, lambda: arguments(0, 0, np.zeros(1, dtype=np.int64)))
    if special:
        note_special(constants)
    run_chunks(
        *(kernel, arguments, len(each.starts)),
        chunk=len(each.starts) if updates <= DIRECT_UPDATES else chunk_size(len(each.starts), updates, lanes, threads),
        threads=threads if updates > DIRECT_UPDATES else 0,
        progress=effort.progress,
    )
    out.events[:, 0] *= setup.can_collapse
    return TrainedNetworks(
        finals=out.finals,
        loss_epochs=shared.loss_epochs,
        avg_loss=out.avg_loss,
        recorded_epochs=shared.recorded_epochs,
        train_mse=out.train_mse,
        test_mse=None if setup.split.test is None else out.test_mse,
        predictions=predictions(shared, out.finals) if keep_predictions else np.empty((len(out.finals), 0)),
        **dict(zip(LATE, out.ends.T, strict=True)),
        **dict(zip(("collapse_epoch", "diverged_epoch"), out.events.T, strict=True)),
    )


# --- What goes in.


def checked_threads(threads: int | None) -> int:
    """Return how many threads to use, or raise InputError if there are not so many."""
    available = int(getattr(numba.config, "NUMBA_NUM_THREADS"))  # noqa: B009 - The attribute is set at run time.
    if threads is not None and not 1 <= threads <= available:
        raise InputError(f"threads={threads}: it must be within 1..{available} (NUMBA_NUM_THREADS)")
    return available if threads is None else threads


def special_constants(setup: Setup, networks: int) -> tuple[int, ...]:
    """Return the constants of the special kernel for so many networks, by which `cache` knows it."""
    lanes = LANES if setup.size <= LARGEST_LANED and networks >= FEWEST_LANED else 1
    code, full_batch = ACTIVATION_CODES[setup.activation], setup.sampling is Sampling.full_batch
    return setup.hidden_size, setup.n_features, code, full_batch, lanes


def shared_values(setup: Setup, loss_epochs: ArrayLike) -> Shared:
    """Return what all networks share as the kernel takes it."""
    return Shared(
        features=np.concatenate([rows.features for rows in setup.scaled]),
        targets=np.concatenate([rows.targets for rows in setup.scaled]),
        n=len(setup.split.train),
        units=setup.hidden_size,
        inputs=setup.n_features,
        code=ACTIVATION_CODES[setup.activation],
        full_batch=setup.sampling is Sampling.full_batch,
        sampling=SAMPLING_CODES[setup.sampling],
        epochs=int(setup.epochs),
        loss_epochs=setup.increasing("loss_epochs", loss_epochs),
        recorded_epochs=setup.increasing("recorded_epochs", setup.recorded_epochs),
        scale=float(setup.split.scaling.squared_points),
        window=window_length(int(setup.epochs)),
    )


def check_memory(shared: Shared, networks: int, size: int, *, blocks: int, keep_predictions: bool) -> None:
    """Raise InputError if results and the work arrays of so many lanes would not fit this machine's memory."""
    n, mse_curves = shared.n, 2 if len(shared.targets) > shared.n else 1
    values = networks * (size + len(shared.loss_epochs) + mse_curves * len(shared.recorded_epochs) + 9)
    values += networks * n * keep_predictions
    values += blocks * (2 * n + 2 * size + TABLE_VALUES // LANES)
    needed, memory = 8 * values, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise InputError(
            f"{networks} networks of {size} parameters with {len(shared.recorded_epochs)} recorded_epochs and "
            f"{len(shared.loss_epochs)} loss_epochs of {shared.epochs} epochs need about {needed / 2**30:.1f} GiB, but "
            f"this machine has {memory / 2**30:.1f} GiB; ask for fewer"
        )


def work_arrays(shared: Shared, size: int, lanes: int) -> Work:
    """Return the arrays a block works on; compiling their allocation would take longer."""
    steps = min(shared.n, max(1, TABLE_VALUES // (lanes * (shared.inputs + 1))))
    loose = int(lanes == 1)  # The parameters of a block of many lanes lie on the stack.
    return Work(
        p=aligned(size * loose, lanes),
        sums=aligned(size * loose, lanes),
        hidden=aligned(shared.units * loose, lanes),
        slope=aligned(shared.units * loose, lanes),
        table=aligned(steps, shared.inputs + 1, lanes),
        totals=aligned(lanes),
        order=np.zeros((shared.n, lanes), dtype=np.int64),
        generators=np.zeros(lanes, dtype=np.uint64),
        running=np.zeros(lanes, dtype=np.int8),
    )


def aligned(*shape: int) -> Floats:
    """Return zeros that begin with a cache line: an instruction that works on parts of two takes twice the time."""
    values = math.prod(shape)
    space = np.zeros(values + CACHE_LINE // 8 - 1)
    address: int = space.__array_interface__["data"][0]
    first = -(address // 8) % (CACHE_LINE // 8)
    return space[first : first + values].reshape(shape)


# --- What comes out.


def empty_ends(shared: Shared, networks: int, size: int) -> Ends:
    """Return arrays for the kernel to write to; the curves are NaN where it will write nothing."""
    recorded = len(shared.recorded_epochs)
    return Ends(
        finals=np.empty((networks, size)),
        avg_loss=np.full((networks, len(shared.loss_epochs)), np.nan),
        train_mse=np.full((networks, recorded), np.nan),
        test_mse=np.full((networks, recorded if len(shared.targets) > shared.n else 0), np.nan),
        ends=np.empty((networks, 7)),
        events=np.zeros((networks, 2), dtype=np.int64),
    )


def predictions(shared: Shared, finals: Floats) -> Floats:
    """Return the predictions (networks, n) of trained networks on the training rows."""
    found = np.empty((len(finals), shared.n))
    rows = (shared.features, shared.units, shared.code)
    ready(make_predictor, (), lambda: (finals[:0], *rows, found[:0]))(finals, *rows, found)
    return found


# --- Chunks and threads.


def chunk_size(networks: int, updates: float, lanes: int, threads: int) -> int:
    """Return how many networks to train between two reports of progress, whole blocks, as many for each thread."""
    chunks = max(threads * CHUNKS_PER_THREAD, updates / CHUNK_UPDATES)
    chunks = threads * math.ceil(chunks / threads)
    return math.ceil(networks / (lanes * chunks)) * lanes


def run_chunks(
    kernel: Callable[..., None],
    arguments: Callable[[int, int, Integers], Sequence[Any]],
    networks: int,
    *,
    chunk: int,
    threads: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Train `chunk` networks at a time in each of several threads; in this one if `threads` is 0.

    The threads are Python's, not numba's: the kernel releases the interpreter lock, this thread stays free to
    report progress and to stop the others after their current epoch on Ctrl-C, and several callers may train at
    once, which numba's workqueue threads answer with an abort.
    """
    done = 0
    stop = np.zeros(1, dtype=np.int64)

    def train(first: int) -> int:
        last = min(first + chunk, networks)
        kernel(*arguments(first, last, stop))
        return last - first

    if threads == 0:
        done = train(0)
        if progress is not None:
            progress(done, networks)
        return
    with ThreadPoolExecutor(threads) as pool:
        try:
            firsts = iter(range(0, networks, chunk))
            running = {pool.submit(train, first) for first in islice(firsts, 2 * threads)}
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {pool.submit(train, first) for first in islice(firsts, len(finished))}
                done += sum(future.result() for future in finished)
                if progress is not None:
                    progress(done, networks)
        except BaseException:
            stop[0] = 1
            raise
