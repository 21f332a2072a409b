"""The methods that are timed, by name, and two of them: the project's own trainers.

A method takes a problem and epochs, prepares what it can, and returns what is timed.
"""

from collections.abc import Callable
from itertools import repeat

from student_score.arrays import Floats
from student_score.data.rows import split_rows
from student_score.training.reference import Network, train_epochs
from student_score.training.setup import Effort, Networks, Setup

from .problems import Problem

REFERENCE, NUMPY_LOOP, SKLEARN, TORCH = "reference trainer", "NumPy loop", "MLPRegressor", "PyTorch autograd"
NUMPY_BATCHED, NUMPY_IN_PLACE = "NumPy batched", "NumPy batched, in place"
JAX_ONE, JAX_MANY, C_LOOP = "JAX, one network", "JAX, vmap", "C loop"
ENGINE_ONE, ENGINE_BLOCK, ENGINE = "engine, one network", "engine, 64 networks", "engine, many networks"
ENGINE_GENERAL = "engine, one network, general kernel"
ENGINE_ALL, ENGINE_MORE = "engine, many networks, all threads", "engine, ten times as many, all threads"
FIRST, CACHED = "first call of a special kernel", "first call of a special kernel in a fresh process, cached"
GENERAL_FIRST = "first call of the general kernel, empty cache"
TRAIN_MANY = "train_many with outcomes, all threads"

Training = Callable[[], Floats]
"""Trains when called and returns the flat parameters, (size,) of one network or (networks, size) of many."""


def reference(problem: Problem, *, epochs: int, learning_rate: float = 1e-4) -> Training:
    """Plain Python scalars, one network."""
    rows, targets = problem.rows.features.tolist(), problem.rows.targets.tolist()

    def train() -> Floats:
        net = Network.of(problem.start)
        orders = repeat(range(len(rows)), epochs)
        for _ in train_epochs(
            net, rows, targets, activation=problem.activation, learning_rate=learning_rate, orders=orders
        ):
            pass
        return net.parameters().flat()

    return train


def engine(
    problem: Problem, *, epochs: int, learning_rates: Floats, threads: int = 1, special: bool = True
) -> Training:
    """This project's compiled trainer, by a kernel for the network's size or by the general one."""
    from student_score.training.engine import train_networks  # Late: importing numba takes half a second.

    setup = Setup(
        split=split_rows(problem.rows),
        hidden_size=problem.start.hidden_size,
        epochs=epochs,
        activation=problem.activation,
    )
    networks = Networks(starts=problem.start.flat(), learning_rate=learning_rates)
    effort = Effort(threads=threads, special=special)
    return lambda: train_networks(setup, networks, effort).finals


def all_threads() -> int:
    """Return how many threads the engine uses by default."""
    from student_score.training.engine.batch import checked_threads  # Late: importing numba takes half a second.

    return checked_threads(None)
