"""What happens once an epoch or once a block: orders of rows, beginnings, losses, errors and ends.

Arrays are as in `steps`; order (n, lanes) holds the rows as each lane visits them.
"""

import numpy as np
from numpy.typing import NDArray

from student_score.arrays import Floats, Integers
from student_score.training.engine.layout import (
    ACTIVE,
    EARLIER,
    ENDED,
    HIDDEN_RATE,
    HIDDEN_STEP,
    HIGH,
    LATEST,
    LOST,
    LOW,
    OUTPUT_RATE,
    OUTPUT_STEP,
    QUIET,
    RISE,
    RISES,
    SHUFFLED,
    SUM,
    TOTAL,
    TRAINS,
    WITH_REPLACEMENT,
    Ends,
    Shared,
    Work,
)
from student_score.training.engine.scalars import compiled, draw
from student_score.training.engine.steps import is_constant, predict
from student_score.training.setup import Each


@compiled
def load(
    p: Floats, sums: Floats, state: Floats, work: Work, each: Each, base: int, real: int, full_batch: bool, lanes: int
) -> None:
    """Begin a block: its lanes are the networks from `base` on, filled up with copies of the last of `real` ones."""
    starts, hidden_rates, output_rates, _, seeds = each
    running, generators = work.running, work.generators
    for lane in range(lanes):
        running[lane] = TRAINS if lane < real else ENDED
        network = base + (lane if lane < real else real - 1)
        for k in range(len(p)):
            p[k, lane] = starts[network, k]
            sums[k, lane] = 0.0
        state[QUIET, lane] = state[TOTAL, lane] = state[ACTIVE, lane] = state[EARLIER, lane] = 0.0
        state[HIDDEN_STEP, lane], state[OUTPUT_STEP, lane] = hidden_rates[network], output_rates[network]
        state[HIDDEN_RATE, lane] = -1.0 if full_batch else hidden_rates[network]
        state[OUTPUT_RATE, lane] = -1.0 if full_batch else output_rates[network]
        generators[lane] = seeds[network]


@compiled
def draw_order(
    order: Integers, generators: NDArray[np.uint64], row_orders: Integers, base: int, sampling: int, lanes: int
) -> bool:
    """Set each lane's order of the rows for the next epoch, as `sampling.row_orders` does; say if all share one."""
    n, others = len(order), 0
    for k in range(n):
        for lane in range(lanes):
            if sampling == WITH_REPLACEMENT:
                generators[lane], order[k, lane] = draw(generators[lane], n)
            else:
                network = base + lane if base + lane < len(row_orders) else len(row_orders) - 1
                order[k, lane] = row_orders[network, k]
            others += order[k, lane] != order[k, 0]
    if sampling == SHUFFLED:
        for last in range(n - 1, 0, -1):  # Durstenfeld 1964
            for lane in range(lanes):
                generators[lane], other = draw(generators[lane], last + 1)
                order[last, lane], order[other, lane] = order[other, lane], order[last, lane]
    return sampling != SHUFFLED and others == 0


@compiled
def fill(
    table: Floats, shared: Shared, order: Integers, first: int, rows: int, shared_order: bool, inputs: int, lanes: int
) -> None:
    """Copy the rows that `order` names from place `first` on into the table, faster where all lanes share it."""
    features, targets = shared.features, shared.targets
    for s in range(rows):
        if shared_order:
            row = order[first + s, 0]
            for i in range(inputs):
                table[s, i] = features[row, i]
            table[s, inputs] = targets[row]
        else:
            for lane in range(lanes):
                row = order[first + s, lane]
                for i in range(inputs):
                    table[s, i, lane] = features[row, i]
                table[s, inputs, lane] = targets[row]


@compiled
def end_epoch(
    p: Floats, state: Floats, totals: Floats, epoch: int, scale: float, unrolled: bool, size: int, lanes: int
) -> bool:
    """Note each lane's total and since when no unit was active, clear the sums, and say whether to look for divergence.

    A sum is finite only if all that it adds up are: one sum for each lane is enough to tell that nothing diverged.
    """
    suspicious = 0  # An integer, which may be summed in any order.
    for lane in range(lanes):
        total = state[TOTAL, lane]
        totals[lane] = total
        check = total * scale
        if unrolled:
            for k in range(size):
                check += p[k, lane]
        suspicious += check - check != 0.0
        since = epoch if state[QUIET, lane] == 0.0 else state[QUIET, lane]
        state[QUIET, lane] = since if state[ACTIVE, lane] == 0.0 else 0.0
        state[TOTAL, lane] = state[ACTIVE, lane] = 0.0
    if not unrolled:
        for k in range(size):
            for lane in range(lanes):
                suspicious += p[k, lane] - p[k, lane] != 0.0
    return suspicious != 0


@compiled
def mark_lost(
    p: Floats, state: Floats, totals: Floats, epoch: int, base: int, real: int, work: Work, shared: Shared, out: Ends
) -> None:
    """Mark the networks that this epoch has left with a loss or a parameter that is not finite."""
    running, events, n, scale = work.running, out.events, shared.n, shared.scale
    for lane in range(real):
        check = totals[lane] / n * scale  # Of numbers that are not finite, the difference to themselves is not 0.
        lost = check - check != 0.0
        for k in range(len(p)):
            lost = lost or p[k, lane] - p[k, lane] != 0.0
        if running[lane] == TRAINS and lost:
            if state[QUIET, lane] == epoch:  # A network that diverges no longer collapses.
                state[QUIET, lane] = 0.0
            events[base + lane, 1] = epoch
            running[lane] = LOST


@compiled
def take_errors(
    p: Floats, column: int, base: int, real: int, code: int, units: int, inputs: int, work: Work, shared: Shared,
    out: Ends,
) -> None:  # fmt: skip
    """Write the mean squared errors of the networks that still train, on the training rows and then on the others."""
    running, features, targets, n = work.running, shared.features, shared.targets, shared.n
    train_mse, test_mse = out.train_mse, out.test_mse
    for lane in range(real):
        first, last = 0, n
        while running[lane] == TRAINS and first < last:
            squares = 0.0
            for row in range(first, last):
                error = predict(p, lane, features, row, code, units, inputs) - targets[row]
                squares += error * error
            mse = train_mse if first == 0 else test_mse
            mse[base + lane, column] = squares / (last - first)
            first, last = last, len(targets)


@compiled
def note_window(state: Floats, totals: Floats, epoch: int, shared: Shared, lanes: int) -> None:
    """Add one of the last epochs to what `outcome.end_state` takes from avg_loss; earlier ones leave no trace."""
    n, scale, first = shared.n, shared.scale, shared.epochs - shared.window + 1
    if epoch < first - shared.window:
        return
    for lane in range(lanes):
        loss = totals[lane] / n * scale
        if epoch < first:
            state[EARLIER, lane] += loss
        elif epoch == first:
            state[RISES, lane] = state[RISE, lane] = 0.0
            state[LOW, lane] = state[HIGH, lane] = state[SUM, lane] = loss
        else:
            low, high, rise = state[LOW, lane], state[HIGH, lane], state[RISE, lane]
            state[RISES, lane] += 1.0 if loss > state[LATEST, lane] else 0.0
            state[RISE, lane] = loss - low if loss - low > rise else rise  # noqa: FURB136 - likewise
            state[LOW, lane] = loss if loss < low else low  # noqa: FURB136 - min takes 0.15 s to compile
            state[HIGH, lane] = loss if loss > high else high  # noqa: FURB136 - likewise
            state[SUM, lane] += loss
        state[LATEST, lane] = loss


@compiled
def end_networks(
    p: Floats, state: Floats, ran: int, base: int, real: int, code: int, units: int, inputs: int, work: Work,
    shared: Shared, out: Ends,
) -> bool:  # fmt: skip
    """Write the ends of the networks that are lost or, after the last epoch, of all; say whether any still trains.

    That is: the parameters, the collapse epoch, and what `note_window` found, NaN for those lost.
    """
    running, n, window, latest = work.running, shared.n, shared.window, work.totals
    finals, ends, events = out.finals, out.ends, out.events
    training = 0
    for lane in range(real):
        if running[lane] == LOST or (running[lane] == TRAINS and ran == shared.epochs):
            network, lost = base + lane, running[lane] == LOST
            ends[network, 0] = np.nan if lost else state[RISES, lane] / (window - 1 if window > 1 else 1)
            ends[network, 1] = np.nan if lost else state[RISE, lane]
            ends[network, 2] = np.nan if lost else state[LOW, lane]
            ends[network, 3] = np.nan if lost else state[HIGH, lane]
            ends[network, 4] = np.nan if lost else state[SUM, lane] / window
            ends[network, 5] = np.nan if lost else (state[EARLIER, lane] / window if ran > window else np.inf)
            ends[network, 6] = latest[lane] / n * shared.scale
            # Hidden weights rest while no unit is active: where none is on any row now, none was since then.
            if state[QUIET, lane] != 0.0 and is_constant(p, lane, shared.features, n, code, units, inputs):
                events[network, 0] = int(state[QUIET, lane])
            for k in range(len(p)):
                finals[network, k] = p[k, lane]
                p[k, lane] = 0.0  # A network that never moves takes its place.
            state[HIDDEN_RATE, lane] = state[OUTPUT_RATE, lane] = 0.0
            running[lane] = ENDED
        training += running[lane] == TRAINS
    return training != 0
