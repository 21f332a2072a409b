"""The kernel: the loop over blocks of networks, their epochs and their rows, in a general and a special form."""

from collections.abc import Callable
from functools import cache
from typing import cast

import numba

from student_score.model.activations import Activation
from student_score.training.engine.epochs import (
    draw_order,
    end_epoch,
    end_networks,
    fill,
    load,
    mark_lost,
    note_window,
    take_errors,
)
from student_score.training.engine.layout import ACTIVATION_CODES, SHUFFLED, TRAINS, WITH_REPLACEMENT
from student_score.training.engine.scalars import stack_array
from student_score.training.engine.steps import forward, predict, step, train_row, update

MOST_UNROLLED = 8
"""Hidden units, and features. Up to here a lane's row is one stretch of code without loops, its values in registers;
the compiler unrolls no loops that are much longer."""

LARGEST_UNROLLED = 50
"""Parameters of a network for which it does."""

STRAIGHT = [
    code for activation, code in ACTIVATION_CODES.items() if activation not in {Activation.tanh, Activation.sigmoid}
]
"""Activations without an exponential, which is so much longer than the rest of a row that nothing is gained by joining
them."""


@cache
def make_kernel(  # noqa: C901 - One function: a kernel that calls compiled closures is not kept on disk.
    fixed_units: int,
    fixed_inputs: int,
    fixed_code: int,
    fixed_full_batch: bool,
    lanes: int,
    fingerprint: int,
    *,
    on_disk: bool,
) -> Callable[..., None]:
    """Return the function that trains networks in blocks of `lanes`; it is compiled at its first call.

    Without fixed units it is the general kernel: what the others have for constants, it takes as arguments.
    Numba files compiled code under the values that the function closes over, the fingerprint among them.
    """
    fixed = fixed_units > 0
    fixed_size = fixed_units * (fixed_inputs + 2) + 1
    unrolled = fixed and fixed_code in STRAIGHT
    unrolled = unrolled and max(fixed_units, fixed_inputs) <= MOST_UNROLLED and fixed_size <= LARGEST_UNROLLED
    stacked = unrolled or lanes > 1

    @numba.njit(nogil=True, cache=on_disk, error_model="numpy")
    def train_blocks(each, shared, work, out, stop):  # type: ignore[no-untyped-def]  # noqa: C901, PLR0912 - see above
        _ = fingerprint
        if fixed:
            units, inputs, code, full_batch = fixed_units, fixed_inputs, fixed_code, fixed_full_batch
        else:
            units, inputs, code, full_batch = shared.units, shared.inputs, shared.code, shared.full_batch
        size, n, sampling = units * (inputs + 2) + 1, shared.n, shared.sampling
        random = sampling in (SHUFFLED, WITH_REPLACEMENT)
        state = stack_array(15, lanes)
        p, sums, hidden, slope, table, totals, order, generators, running = work
        if stacked:  # The compiler knows that arrays on the stack do not overlap.
            p, sums = stack_array(fixed_size, lanes), stack_array(fixed_size, lanes)
            hidden, slope = stack_array(fixed_units, lanes), stack_array(fixed_units, lanes)
        into = sums if full_batch else p
        for base in range(0, len(each.starts), lanes):
            left = len(each.starts) - base
            real = lanes if lanes < left else left  # noqa: FURB136 - min takes 0.15 s to compile
            load(p, sums, state, work, each, base, real, full_batch, lanes)
            losses, records, shared_order = 0, 0, False
            for epoch in range(1, shared.epochs + 1):
                if stop[0] != 0:
                    return
                if random or epoch == 1:
                    shared_order = draw_order(order, generators, each.row_orders, base, sampling, lanes)
                for first in range(0, n, len(table)):
                    rows = len(table) if len(table) < n - first else n - first  # noqa: FURB136 - see above
                    if random or epoch == 1 or n > len(table):
                        fill(table, shared, order, first, rows, shared_order, inputs, lanes)
                    for s in range(rows):
                        if unrolled:
                            train_row(p, into, state, table, s, code, fixed_units, fixed_inputs, lanes)
                        else:
                            forward(p, hidden, slope, state, table, s, code, units, inputs, lanes)
                            update(p, into, hidden, slope, state, table, s, units, inputs, lanes)
                if full_batch:
                    step(p, sums, state, n, units, inputs, lanes)
                suspicious = end_epoch(p, state, totals, epoch, shared.scale, unrolled, size, lanes)
                if losses < len(shared.loss_epochs) and shared.loss_epochs[losses] == epoch:
                    for lane in range(real):
                        if running[lane] == TRAINS:
                            out.avg_loss[base + lane, losses] = totals[lane] / n
                    losses += 1
                note_window(state, totals, epoch, shared, lanes)
                if suspicious:
                    mark_lost(p, state, totals, epoch, base, real, work, shared, out)
                if records < len(shared.recorded_epochs) and shared.recorded_epochs[records] == epoch:
                    take_errors(p, records, base, real, code, units, inputs, work, shared, out)
                    records += 1
                if (suspicious or epoch == shared.epochs) and not end_networks(
                    p, state, epoch, base, real, code, units, inputs, work, shared, out
                ):
                    break

    return cast("Callable[..., None]", train_blocks)


@cache
def make_predictor(fingerprint: int, *, on_disk: bool) -> Callable[..., None]:
    """Return the function that writes the predictions (networks, n) of any networks on rows."""

    @numba.njit(nogil=True, cache=on_disk, error_model="numpy")
    def predict_rows(finals, features, units, code, predictions):  # type: ignore[no-untyped-def]
        inputs, _ = features.shape[1], fingerprint
        for network in range(len(finals)):
            for row in range(predictions.shape[1]):
                predictions[network, row] = predict(finals.T, network, features, row, code, units, inputs)

    return cast("Callable[..., None]", predict_rows)
