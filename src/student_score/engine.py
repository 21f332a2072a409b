"""The compiled trainer: thousands of networks at once, every bit equal to the reference trainer's.

What one network computes, and in which order, is defined in `reference`; this module repeats it for many networks
side by side. A block of networks, its *lanes*, is trained together: every parameter is a row of one value per lane,
and the processor works on neighbouring lanes with one instruction. Lanes never meet in a sum, so no sum is reordered
and a network's bits depend neither on its neighbours nor on the number of threads. A large network, or one that
trains alone, gets a block of a single lane; there the same loops run over neighbouring hidden units instead.

The kernel is compiled once for each (hidden size, number of features, activation, lanes) and kept on disk in the
repository's `.cache/numba` (elsewhere if NUMBA_CACHE_DIR says so). NUMBA_NUM_THREADS limits the threads.
"""

import os
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from student_score import activations
from student_score.activations import Activation
from student_score.errors import InputError
from student_score.network import Parameters
from student_score.outcome import OSCILLATION_WINDOW, STATIONARY_WINDOW
from student_score.sampling import Sampling

REPOSITORY = Path(__file__).resolve().parents[2]
if (REPOSITORY / "pyproject.toml").exists():  # An installed package leaves numba's own choice.
    os.environ.setdefault("NUMBA_CACHE_DIR", str(REPOSITORY / ".cache" / "numba"))

import numba  # noqa: E402  # It reads NUMBA_CACHE_DIR while it is imported.

Compiled = TypeVar("Compiled", bound=Callable[..., Any])
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LANES = 128
"""Networks in a block: enough to hide the latency of an addition, few enough for the first-level cache."""

LARGEST_LANED = 192
"""Parameters. The lanes of a larger network no longer fit the first-level cache; it trains alone, as fast."""

TABLE_VALUES = 16384
"""Doubles (128 KiB) in the table of rows that a block visits next; it shares the second-level cache."""

CHUNK_UPDATES = 2e8
"""Parameter updates, some 50 ms of work, between two reports of progress."""

RELU, LEAKY_RELU, TANH, SIGMOID, IDENTITY = range(5)
ACTIVATION_CODES = {
    Activation.relu: RELU,
    Activation.leaky_relu: LEAKY_RELU,
    Activation.tanh: TANH,
    Activation.sigmoid: SIGMOID,
    Activation.identity: IDENTITY,
}
CYCLIC, SHUFFLED, WITH_REPLACEMENT, FULL_BATCH = range(4)
SAMPLING_CODES = {
    Sampling.cyclic: CYCLIC,
    Sampling.shuffled: SHUFFLED,
    Sampling.with_replacement: WITH_REPLACEMENT,
    Sampling.full_batch: FULL_BATCH,
}

TOTAL, ACTIVE, OUTPUT, ERROR, HIDDEN_RATE, OUTPUT_RATE, COLLAPSE = range(7)
"""Rows of `lane`: the epoch's sum of squared errors and of slopes, the row's prediction and error, the two learning
rates, the collapse epoch."""

LATE_MIN, LATE_MAX, TENTH_AVG_LOSS, LAST_AVG_LOSS = range(4)
"""Columns of `ends`."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainedNetworks:
    """What became of the networks, one per row, all in the network's own units.

    Attributes:
        finals: (networks, size) flat parameters after the last epoch run.
        loss_epochs: (k,) the epochs, counted from 1, whose avg_loss was kept.
        avg_loss: (networks, k) each row's squared error before its update, averaged over the epoch; NaN in the
            epochs after divergence, that did not run.
        recorded_epochs: (m,) the epochs after which the mean squared errors were taken.
        train_mse: (networks, m) mean squared error at fixed weights on the training rows; NaN from divergence on.
        test_mse: (networks, m) the same on the test rows; None without test rows.
        collapse_epoch: (networks,) first epoch in which no hidden unit was active on any row; 0 if none.
        diverged_epoch: (networks,) first epoch after which avg_loss or a parameter was not finite, the last that
            ran; 0 if none.
        late_rises, late_min, late_max, tenth_avg_loss, last_avg_loss: (networks,) of avg_loss * squared_points over
            the epochs run, as `outcome.EndState` describes them.
        predictions: (networks, n) final predictions on the training rows; None if not asked for.
    """

    finals: Floats
    loss_epochs: Integers
    avg_loss: Floats
    recorded_epochs: Integers
    train_mse: Floats
    test_mse: Floats | None
    collapse_epoch: Integers
    diverged_epoch: Integers
    late_rises: Integers
    late_min: Floats
    late_max: Floats
    tenth_avg_loss: Floats
    last_avg_loss: Floats
    predictions: Floats | None

    def __len__(self) -> int:
        return len(self.finals)

    def measured(
        self, network: int, *, n_features: int, hidden_size: int
    ) -> tuple[Parameters, Floats, list[list[float]], int | None, int | None]:
        """Return what the reference loop measures of one network, as far as it ran.

        That is: its final parameters, the kept avg_loss, [train_mse] or [train_mse, test_mse] at each recorded
        epoch, collapse_epoch and diverged_epoch (None if none).
        """
        collapse, diverged = int(self.collapse_epoch[network]), int(self.diverged_epoch[network])
        ran = len(self.loss_epochs) if not diverged else int(np.searchsorted(self.loss_epochs, diverged, "right"))
        recorded = len(self.recorded_epochs) if not diverged else int(np.searchsorted(self.recorded_epochs, diverged))
        curves = [self.train_mse] if self.test_mse is None else [self.train_mse, self.test_mse]
        errors = np.stack([curve[network, :recorded] for curve in curves], axis=1).tolist()
        final = Parameters.from_flat(self.finals[network], n_features=n_features, hidden_size=hidden_size)
        return final, self.avg_loss[network, :ran].copy(), errors, collapse or None, diverged or None


def train_networks(
    starts: ArrayLike,
    features: ArrayLike,
    targets: ArrayLike,
    *,
    hidden_size: int,
    learning_rate: ArrayLike,
    epochs: int,
    output_learning_rate: ArrayLike | None = None,
    activation: Activation = Activation.relu,
    sampling: Sampling = Sampling.cyclic,
    row_orders: ArrayLike | None = None,
    seeds: ArrayLike = 0,
    test_features: ArrayLike | None = None,
    test_targets: ArrayLike | None = None,
    recorded_epochs: ArrayLike = (),
    loss_epochs: ArrayLike | None = None,
    squared_points: float = 1.0,
    keep_predictions: bool = False,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TrainedNetworks:
    """Train many networks on the same rows and return how each of them ended.

    What belongs to a network comes as one value for all of them or as one per network, along the first axis.

    Args:
        starts: (size,) or (networks, size) flat parameters to start from, as `Parameters.flat` orders them.
        features: (n, n_features) rows as the network sees them.
        targets: (n,) targets as the network sees them.
        hidden_size: hidden units of every network.
        learning_rate: () or (networks,) step size, positive and finite.
        epochs: passes over the rows, at least 1.
        output_learning_rate: () or (networks,) step size of w2 and b2, if it differs from that of w1 and b1.
        activation: of the hidden units.
        sampling: in which order, and how many rows at a time.
        row_orders: (n,) or (networks, n) permutation of 0..n-1; 0, 1, ... by default.
        seeds: () or (networks,) integers, of the random orders of `shuffled` and `with_replacement`.
        test_features: (n_test, n_features), with `test_targets` (n_test,): rows that are only predicted.
        test_targets: see test_features.
        recorded_epochs: (m,) increasing epochs after which the mean squared errors are taken; none by default.
        loss_epochs: (k,) increasing epochs whose avg_loss is kept; the recorded epochs by default.
        squared_points: what turns a loss into score points squared; only the state of the end is taken in them.
        keep_predictions: also return the final predictions on the training rows.
        threads: at most NUMBA_NUM_THREADS, which is the default.
        progress: called in this thread as progress(networks done, networks), first with 0 before compilation.

    Raises:
        InputError: a value is outside its range, before anything is compiled. Divergence is no error but a result.
    """
    rows, row_targets = checked_rows("features", features, "targets", targets)
    n_rows, n_features = rows.shape
    if hidden_size < 1 or epochs < 1:
        raise InputError(f"hidden_size={hidden_size}, epochs={epochs}: both must be at least 1")
    if not (np.isfinite(squared_points) and squared_points > 0):
        raise InputError(f"squared_points={squared_points} must be a positive, finite number")
    available = int(numba.config.NUMBA_NUM_THREADS)
    if threads is not None and not 1 <= threads <= available:
        raise InputError(f"threads={threads} must be within 1..{available} (NUMBA_NUM_THREADS)")
    if (test_features is None) != (test_targets is None):
        raise InputError("test_features and test_targets: give both or neither")
    test_rows, test_row_targets = np.empty((0, n_features)), np.empty(0)
    if test_features is not None and test_targets is not None:
        test_rows, test_row_targets = checked_rows("test_features", test_features, "test_targets", test_targets)
        if test_rows.shape[1] != n_features:
            raise InputError(f"test_features has {test_rows.shape[1]} columns, features {n_features}; both must agree")
    recorded = checked_epochs("recorded_epochs", recorded_epochs, epochs)
    kept = recorded if loss_epochs is None else checked_epochs("loss_epochs", loss_epochs, epochs)
    rates = checked_rates("learning_rate", learning_rate)
    given = {
        "starts": checked_starts(starts, hidden_size, n_features),
        "learning_rate": rates,
        "output_learning_rate": (
            rates if output_learning_rate is None else checked_rates("output_learning_rate", output_learning_rate)
        ),
        "row_orders": checked_orders(row_orders, n_rows),
        "seeds": checked_seeds(seeds),
    }
    networks = count_networks(given)
    lanes = choose_lanes(networks, given["starts"].shape[-1])
    curves = len(kept) + len(recorded) * (1 + bool(len(test_rows)))
    workers = min(available if threads is None else threads, -(-networks // lanes))
    check_memory(
        {
            "results": networks * (given["starts"].shape[-1] + curves + 7 + keep_predictions * n_rows),
            "work": workers * lanes * (history_length(epochs) + 2 * n_rows + given["starts"].shape[-1] * 4),
        },
        networks=networks,
        epochs=epochs,
    )
    per_network = [
        np.broadcast_to(values, (networks, *values.shape[1:] if values.ndim == DIMENSIONS[name] else values.shape))
        for name, values in given.items()
    ]
    common = (
        *(rows, row_targets, test_rows, test_row_targets),
        *(SAMPLING_CODES[sampling], epochs, kept, recorded),
        *(float(squared_points), OSCILLATION_WINDOW, STATIONARY_WINDOW),
    )
    results: list[NDArray[Any]] = [
        np.empty((networks, given["starts"].shape[-1])),
        np.full((networks, len(kept)), np.nan),
        np.full((networks, len(recorded)), np.nan),
        np.full((networks, len(recorded) if len(test_rows) else 0), np.nan),
        np.empty((networks, n_rows if keep_predictions else 0)),
        np.empty((networks, 4)),
        np.zeros((networks, 3), dtype=np.int64),
    ]
    if progress is not None:
        progress(0, networks)
    kernel = ready_kernel(hidden_size, n_features, ACTIVATION_CODES[activation], lanes, per_network, common, results)
    size = chunk_size(networks, lanes, workers, updates=epochs * n_rows * given["starts"].shape[-1])
    run_chunks(kernel, per_network, common, results, size=size, workers=workers, progress=progress)
    finals, avg_loss, train_mse, test_mse, predictions, ends, events = results
    return TrainedNetworks(
        finals=finals,
        loss_epochs=kept,
        avg_loss=avg_loss,
        recorded_epochs=recorded,
        train_mse=train_mse,
        test_mse=test_mse if len(test_rows) else None,
        collapse_epoch=events[:, 0],
        diverged_epoch=events[:, 1],
        late_rises=events[:, 2],
        late_min=ends[:, LATE_MIN],
        late_max=ends[:, LATE_MAX],
        tenth_avg_loss=ends[:, TENTH_AVG_LOSS],
        last_avg_loss=ends[:, LAST_AVG_LOSS],
        predictions=predictions if keep_predictions else None,
    )
