"""What the kernel's parts are made of: the reference's scalar functions, compiled, and what numba lacks."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import carray, types  # type: ignore[attr-defined] # numba's exports carry no types
from numba.core import cgutils
from numba.extending import intrinsic, overload, register_jitable

from student_score.arrays import Floats
from student_score.model import activations
from student_score.training.engine.layout import ACTIVATION_CODES

Compiled = TypeVar("Compiled", bound=Callable[..., Any])

CACHE_LINE = 64
"""Bytes, as many as the widest instructions work on."""


def compiled(function: Compiled) -> Compiled:
    """Compile a part of the kernel, to be inlined so that it sees the kernel's constants.

    The arrays of a block: p, sums (size, lanes), parameters as in `Parameters.flat` and gradients summed over a full
    batch; hidden, slope (hidden_size, lanes) on the present row; state (12, lanes); order (n, lanes), the rows as each
    lane visits them; table (steps, inputs + 1, lanes), the features and targets of the rows next in that order.
    They are passed one by one: kept in a tuple, they would be reference-counted in the innermost loops.
    """
    return cast("Compiled", numba.njit(inline="always", error_model="numpy")(function))


@intrinsic(prefer_literal=True)
def stack_space(_: Any, rows: Any, columns: Any) -> Any:
    """Return a pointer to rows * columns doubles on the stack; numba has no arrays there."""

    def generate(context: Any, builder: Any, *_: Any) -> Any:
        double = context.get_value_type(types.float64)
        values = rows.literal_value * columns.literal_value
        space = cgutils.alloca_once(builder, double, size=values)  # type: ignore[no-untyped-call]
        space.align = CACHE_LINE
        return space

    return types.CPointer(types.float64)(rows, columns), generate  # type: ignore[no-untyped-call]


@compiled
def stack_array(rows: int, columns: int) -> Floats:
    """Return an uninitialised array whose shape is constant."""
    space: Any = stack_space(rows, columns)  # type: ignore[call-arg]
    array: Floats = carray(space, (rows, columns))
    return array


@intrinsic
def with_exponent(_: Any, shifted: Any) -> Any:
    """Return the double whose exponent is the argument's lowest 11 bits, and whose other bits are 0."""

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        bits = builder.bitcast(arguments[0], context.get_value_type(types.int64))
        return builder.bitcast(builder.shl(bits, bits.type(52)), arguments[0].type)

    return types.float64(shifted), generate


@overload(activations.power_of_two, inline="always")
def compiled_power_of_two(k):  # type: ignore[no-untyped-def]  # noqa: ARG001 - numba compares the arguments
    """Return the compiled form of the function: the bits of an exponent are those of k + 1023."""
    return lambda k: with_exponent(k + EXPONENT_BIAS)  # type: ignore[call-arg]


EXPONENT_BIAS = activations.ROUNDER + 1023.0
"""Added to k, it leaves k + 1023 in the lowest bits."""

register_jitable(error_model="numpy")(activations.exponential)

COMPILED = [numba.njit(error_model="numpy")(activation.evaluate) for activation in ACTIVATION_CODES]
"""The reference's functions by their codes."""


def activate(code: int, z: float) -> tuple[float, float]:
    """Return output and slope at z; this is a name for compiled code, which finds the function below."""
    raise NotImplementedError


@overload(activate, prefer_literal=True, jit_options={"error_model": "numpy"})
def compiled_activate(code, z):  # type: ignore[no-untyped-def]  # noqa: ARG001 - numba compares the arguments
    """Return the compiled form of `activate`: the reference's own function, chosen beforehand if the code is fixed."""
    if isinstance(code, types.IntegerLiteral):
        function = COMPILED[code.literal_value]
        return lambda code, z: function(z)  # noqa: ARG005 - see above
    return choice(0)


def choice(first: int) -> Callable[[int, float], tuple[float, float]]:
    """Return the function (code, z) -> (output, slope) for codes of `first` or more, to be compiled."""
    function = COMPILED[first]
    if first + 1 == len(COMPILED):
        return lambda code, z: function(z)  # noqa: ARG005 - see above
    others = numba.njit(error_model="numpy")(choice(first + 1))
    return lambda code, z: function(z) if code == first else others(code, z)


@compiled
def draw(state: np.uint64, bound: int) -> tuple[np.uint64, np.int64]:
    """Return what `sampling.draw` does; 64-bit integers wrap around by themselves."""
    state += np.uint64(0x9E3779B97F4A7C15)
    mixed = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return state, np.int64(((mixed >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32))
