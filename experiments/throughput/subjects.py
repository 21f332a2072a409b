"""What is timed in this process: every method on the article's network, and the engine as its sizes grow."""

import importlib.util
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from student_score.data.rows import Rows

from .measure import Subject
from .methods import (
    C_LOOP,
    ENGINE,
    ENGINE_ALL,
    ENGINE_BLOCK,
    ENGINE_GENERAL,
    ENGINE_MORE,
    ENGINE_ONE,
    JAX_MANY,
    JAX_ONE,
    NUMPY_BATCHED,
    NUMPY_IN_PLACE,
    NUMPY_LOOP,
    REFERENCE,
    SKLEARN,
    TORCH,
    Training,
    all_threads,
    engine,
    reference,
)
from .problems import FEW_ROWS, Extent, Problem, article_problem, rates, simulated_problem
from .rivals import c_loop, jax_training, numpy_batched, numpy_in_place, numpy_loop, sklearn_training, torch_training


def timed_subjects(rows: Mapping[str, Rows], extent: Extent) -> Iterator[tuple[list[Subject], int]]:
    """Yield what is timed in turn, each with the rounds it is timed in."""
    problem = article_problem(rows)
    yield [*one_by_one(problem, extent), *together(problem, extent)], extent.rounds
    for sweep in (networks_sweep, rows_sweep, hidden_size_sweep, epochs_sweep, activations):
        yield sweep(rows, extent), extent.sweep_rounds
    yield large(rows, extent), extent.slow_rounds


def one_by_one(problem: Problem, extent: Extent) -> list[Subject]:
    """Return the methods that train one network after the other; the slow ones run fewer epochs."""
    epochs = extent.epochs
    few, fewest = max(1, epochs // 5), max(1, epochs // 20)
    methods: list[tuple[str, Callable[..., Training], int]] = [
        (REFERENCE, reference, epochs),
        (NUMPY_LOOP, numpy_loop, epochs),
        (SKLEARN, sklearn_training, few),
    ]
    if importlib.util.find_spec("torch"):
        methods.append((TORCH, torch_training, fewest))
    return [
        Subject(part="methods", method=name, train=make(problem, epochs=run), problem=problem, networks=1, epochs=run)
        for name, make, run in methods
    ]


def together(problem: Problem, extent: Extent) -> list[Subject]:
    """Return the methods that train networks together, in numbers near their best."""
    threads, epochs, many = all_threads(), extent.epochs, extent.networks
    few, batch = max(1, epochs // 5), max(1, many // 5)
    methods: list[tuple[str, Callable[..., Training], int, int]] = [
        (NUMPY_BATCHED, numpy_batched, 4 * batch, few),
        (NUMPY_IN_PLACE, numpy_in_place, 4 * batch, few),
        (ENGINE_ONE, engine, 1, epochs),
        (ENGINE_GENERAL, partial(engine, special=False), 1, epochs),
        (ENGINE_BLOCK, engine, 64, epochs),
        (ENGINE, engine, many, epochs),
        (ENGINE_ALL, partial(engine, threads=threads), many, epochs),
        (ENGINE_MORE, partial(engine, threads=threads), 10 * many, epochs),
    ]
    if shutil.which("cc"):
        methods.append((C_LOOP, c_loop, many, epochs))
    if importlib.util.find_spec("jax"):
        methods += [(JAX_ONE, jax_training, 1, epochs), (JAX_MANY, jax_training, batch, epochs)]
    return [
        Subject(
            part="methods",
            method=name,
            train=make(problem, epochs=run, learning_rates=rates(count)),
            problem=problem,
            networks=count,
            epochs=run,
            threads=threads if name in {ENGINE_ALL, ENGINE_MORE} else 1,
        )
        for name, make, count, run in methods
    ]


def engine_subject(part: str, problem: Problem, networks: int, epochs: int) -> Subject:
    """Return the engine on one thread as a point of a sweep."""
    train = engine(problem, epochs=epochs, learning_rates=rates(networks))
    return Subject(part=part, method=ENGINE, train=train, problem=problem, networks=networks, epochs=epochs)


def networks_sweep(rows: Mapping[str, Rows], extent: Extent) -> list[Subject]:
    """Return the article's network, in ever larger numbers."""
    problem = article_problem(rows)
    return [engine_subject("networks", problem, networks, extent.epochs) for networks in extent.network_counts]


def rows_sweep(rows: Mapping[str, Rows], extent: Extent) -> list[Subject]:
    """Return two units on ever more rows."""
    epochs = max(1, extent.epochs // 10)
    problems = [simulated_problem(rows, n, 2) for n in extent.row_counts]
    return [engine_subject("rows", problem, extent.sweep_networks, epochs) for problem in problems]


def hidden_size_sweep(rows: Mapping[str, Rows], extent: Extent) -> list[Subject]:
    """Return ever more units on three rows."""
    epochs = max(1, extent.epochs // 10)
    problems = [simulated_problem(rows, FEW_ROWS, units) for units in extent.hidden_sizes]
    return [engine_subject("hidden_size", problem, extent.sweep_networks, epochs) for problem in problems]


def epochs_sweep(rows: Mapping[str, Rows], extent: Extent) -> list[Subject]:
    """Return the article's network, trained ever longer."""
    problem = article_problem(rows)
    return [engine_subject("epochs", problem, extent.sweep_networks, epochs) for epochs in extent.epoch_counts]


def activations(rows: Mapping[str, Rows], extent: Extent) -> list[Subject]:
    """Return the engine and the reference trainer with every activation."""
    subjects, epochs = [], extent.epochs
    for activation in extent.activations:
        problem = article_problem(rows, activation=activation)
        train = reference(problem, epochs=epochs)
        subjects += [
            engine_subject("activation", problem, extent.sweep_networks, epochs),
            Subject(part="activation", method=REFERENCE, train=train, problem=problem, networks=1, epochs=epochs),
        ]
    return subjects


def large(rows: Mapping[str, Rows], extent: Extent) -> list[Subject]:
    """Return one network of 16 units on many rows: 100 epochs of the engine, one of MLPRegressor."""
    problem = simulated_problem(rows, extent.large_rows, 16)
    train = sklearn_training(problem, epochs=1)
    return [
        engine_subject("large", problem, 1, max(1, extent.epochs // 10)),
        Subject(part="large", method=SKLEARN, train=train, problem=problem, networks=1, epochs=1),
    ]
