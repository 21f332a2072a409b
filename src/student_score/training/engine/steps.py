"""One update of the parameters, and what it needs: the innermost loops, over neighbouring lanes.

In them units, inputs, lanes and code are constants where the kernel has them: the compiler unrolls over them and turns
each loop over lanes or, for a single lane, over units into instructions that work on several values at once. It has no
leave to reorder or to fuse operations (fastmath is off). Arrays are passed one by one: kept in a tuple, they would be
reference-counted in the innermost loops.

    p, sums, into    (size, lanes) parameters as in `Parameters.flat`, gradients summed over a full batch, what moves
    hidden, slope    (hidden_size, lanes) outputs and slopes on the present row
    state            (12, lanes) what `layout` names
    table            (steps, inputs + 1, lanes) features and targets of the rows that are visited next
"""

from student_score.arrays import Floats
from student_score.training.engine.layout import (
    ACTIVE,
    ERROR,
    HIDDEN_RATE,
    HIDDEN_STEP,
    OUTPUT_RATE,
    OUTPUT_STEP,
    TOTAL,
)
from student_score.training.engine.scalars import activate, compiled, stack_array


@compiled
def predict(p: Floats, lane: int, features: Floats, row: int, code: int, units: int, inputs: int) -> float:
    """Return one lane's prediction for a row."""
    b1, w2 = inputs * units, (inputs + 1) * units
    prediction = 0.0
    for j in range(units):
        z = features[row, 0] * p[j, lane]
        for i in range(1, inputs):
            z += features[row, i] * p[i * units + j, lane]
        output = activate(code, z + p[b1 + j, lane])[0] * p[w2 + j, lane]
        prediction = output if j == 0 else prediction + output
    return float(prediction + p[w2 + units, lane])


@compiled
def is_constant(p: Floats, lane: int, features: Floats, n: int, code: int, units: int, inputs: int) -> bool:
    """Say of one lane what `reference.Network.is_constant` says of a network, for the first n rows."""
    b1 = inputs * units
    constant, first = True, 0.0
    for j in range(units):
        row = 0
        while constant and row < n:
            z = features[row, 0] * p[j, lane]
            for i in range(1, inputs):
                z += features[row, i] * p[i * units + j, lane]
            output, slope = activate(code, z + p[b1 + j, lane])
            first = output if row == 0 else first
            constant = slope == 0.0 and output == first
            row += 1
    return constant


@compiled
def forward(
    p: Floats,
    hidden: Floats,
    slope: Floats,
    state: Floats,
    table: Floats,
    s: int,
    code: int,
    units: int,
    inputs: int,
    lanes: int,
) -> None:
    """Set the hidden units' outputs and slopes and the error on row s of the table; add to the epoch's sums."""
    b1, w2 = inputs * units, (inputs + 1) * units
    for j in range(units):
        for lane in range(lanes):
            z = table[s, 0, lane] * p[j, lane]
            for i in range(1, inputs):
                z += table[s, i, lane] * p[i * units + j, lane]
            hidden[j, lane], slope[j, lane] = activate(code, z + p[b1 + j, lane])
    for lane in range(lanes):
        state[ERROR, lane] = -0.0  # What is added to -0.0 stays as it is, 0.0 and -0.0 too.
    for j in range(units):
        for lane in range(lanes):
            state[ERROR, lane] += hidden[j, lane] * p[w2 + j, lane]
            state[ACTIVE, lane] += slope[j, lane]  # No slope is negative: the sum is zero only if every slope is.
    for lane in range(lanes):
        error = state[ERROR, lane] + p[w2 + units, lane] - table[s, inputs, lane]
        state[ERROR, lane] = error
        state[TOTAL, lane] += error * error


@compiled
def update(
    p: Floats,
    into: Floats,
    hidden: Floats,
    slope: Floats,
    state: Floats,
    table: Floats,
    s: int,
    units: int,
    inputs: int,
    lanes: int,
) -> None:
    """Move every parameter against its gradient on row s of the table.

    What moves is `into`: p or, in a full batch, the sums of the gradients, which add up at rates of -1.
    """
    b1, w2 = inputs * units, (inputs + 1) * units
    for j in range(units):
        for lane in range(lanes):
            error, rate, output_rate = state[ERROR, lane], state[HIDDEN_RATE, lane], state[OUTPUT_RATE, lane]
            hidden_error = error * p[w2 + j, lane] * slope[j, lane]
            into[w2 + j, lane] -= output_rate * (error * hidden[j, lane])
            into[b1 + j, lane] -= rate * hidden_error
            for i in range(inputs):
                into[i * units + j, lane] -= rate * (hidden_error * table[s, i, lane])
    for lane in range(lanes):
        into[w2 + units, lane] -= state[OUTPUT_RATE, lane] * state[ERROR, lane]


@compiled
def train_row(
    p: Floats,
    into: Floats,
    state: Floats,
    table: Floats,
    s: int,
    code: int,
    units: int,
    inputs: int,
    lanes: int,
) -> None:
    """Do what `forward` and `update` do, each lane from beginning to end: faster if there are few parameters."""
    b1, w2 = inputs * units, (inputs + 1) * units
    hidden, slope = stack_array(1, units)[0], stack_array(1, units)[0]
    for lane in range(lanes):
        active = state[ACTIVE, lane]
        for j in range(units):
            z = table[s, 0, lane] * p[j, lane]
            for i in range(1, inputs):
                z += table[s, i, lane] * p[i * units + j, lane]
            hidden[j], slope[j] = activate(code, z + p[b1 + j, lane])
            active += slope[j]
        state[ACTIVE, lane] = active
        prediction = hidden[0] * p[w2, lane]
        for j in range(1, units):
            prediction += hidden[j] * p[w2 + j, lane]
        error = prediction + p[w2 + units, lane] - table[s, inputs, lane]
        state[TOTAL, lane] += error * error
        rate, output_rate = state[HIDDEN_RATE, lane], state[OUTPUT_RATE, lane]
        for j in range(units):
            hidden_error = error * p[w2 + j, lane] * slope[j]
            into[w2 + j, lane] -= output_rate * (error * hidden[j])
            into[b1 + j, lane] -= rate * hidden_error
            for i in range(inputs):
                into[i * units + j, lane] -= rate * (hidden_error * table[s, i, lane])
        into[w2 + units, lane] -= output_rate * error


@compiled
def step(p: Floats, sums: Floats, state: Floats, n: int, units: int, inputs: int, lanes: int) -> None:
    """Move every parameter against the mean of its gradients and clear their sums."""
    w2 = (inputs + 1) * units
    for k in range(w2 + units + 1):
        rate = HIDDEN_STEP if k < w2 else OUTPUT_STEP
        for lane in range(lanes):
            p[k, lane] -= state[rate, lane] * (sums[k, lane] / n)
            sums[k, lane] = 0.0
