"""How the compiled trainer's values lie in memory, under the names that the kernel and its parts share."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from student_score.arrays import Floats, Integers
from student_score.model.activations import Activation
from student_score.model.sampling import Sampling

ACTIVATION_CODES = {activation: code for code, activation in enumerate(Activation)}
SAMPLING_CODES = {sampling: code for code, sampling in enumerate(Sampling)}
SHUFFLED, WITH_REPLACEMENT = SAMPLING_CODES[Sampling.shuffled], SAMPLING_CODES[Sampling.with_replacement]


class Shared(NamedTuple):
    """What all networks share."""

    features: Floats  # (n + n_test, inputs): the training rows, then the test rows
    targets: Floats  # (n + n_test,)
    n: int
    units: int
    inputs: int
    code: int
    full_batch: bool
    sampling: int
    epochs: int
    loss_epochs: Integers
    recorded_epochs: Integers
    scale: float  # score points squared in one unit of loss
    window: int  # epochs, the last ones, and as many before, whose avg_loss decides how a training ended


TRAINS, LOST, ENDED = range(3)
"""What has become of a lane's network: it still trains, has just diverged, or its end was written; or there is none."""


class Work(NamedTuple):
    """What a block works on; parameters on the stack are left empty here."""

    p: Floats
    sums: Floats
    hidden: Floats
    slope: Floats
    table: Floats
    totals: Floats  # (lanes,) the epoch's total of squared errors
    order: Integers
    generators: NDArray[np.uint64]  # (lanes,)
    running: NDArray[np.int8]  # (lanes,) TRAINS, LOST or ENDED


class Ends(NamedTuple):
    """What the kernel writes; the first axis of each array counts the networks."""

    finals: Floats
    avg_loss: Floats
    train_mse: Floats
    test_mse: Floats
    ends: Floats  # columns late_rises, late_rise, late_min, late_max, late_mean, earlier_mean, last_avg_loss
    events: Integers  # columns collapse_epoch, diverged_epoch


(
    ERROR, TOTAL, ACTIVE, QUIET, HIDDEN_RATE, OUTPUT_RATE, HIDDEN_STEP, OUTPUT_STEP,
    RISES, RISE, LOW, HIGH, SUM, EARLIER, LATEST,
) = range(15)  # fmt: skip
"""Rows of `state`: the error on the present row; the epoch's sums so far of the squared errors and of the slopes; the
first of the epochs up to now without an active unit, or 0; the learning rates of w1 and b1, and of w2 and b2; what
`note_window` finds."""
