"""What is timed in this process: every method on the article's network, and the engine as its sizes grow."""

import importlib.util
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from student_score.data.rows import Rows

from .measure import Subject
from .methods import *
from .problems import *
from .rivals import *


def methods(effort: Effort) -> list[Subject]:
    """Return every method on the article's network; the slow ones with fewer epochs, the batched ones at their best."""
    threads, epochs, many = all_threads(), effort.epochs, effort.networks
    few, fewest, batch = max(1, epochs // 5), max(1, epochs // 20), max(1, many // 5)
    subject = partial(Subject, part="methods", problem=ARTICLE)
    one = [
        (REFERENCE, reference(ARTICLE, epochs=epochs), epochs),
        (NUMPY_LOOP, numpy_loop(ARTICLE, epochs=epochs), epochs),
        (SKLEARN, sklearn_training(ARTICLE, epochs=few), few),
    ]
    if importlib.util.find_spec("torch"):
        one.append((TORCH, torch_training(ARTICLE, epochs=fewest), fewest))
    together: list[tuple[str, Callable[..., Training], int, int]] = [
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
        together.append((C_LOOP, c_loop, many, epochs))
    if importlib.util.find_spec("jax"):
        together += [(JAX_ONE, jax_training, 1, epochs), (JAX_MANY, jax_training, batch, epochs)]
    return [subject(method=name, train=train, networks=1, epochs=run) for name, train, run in one] + [
        subject(
            method=name,
            train=make(ARTICLE, epochs=run, learning_rates=rates(count)),
            networks=count,
            epochs=run,
            threads=threads if name in {ENGINE_ALL, ENGINE_MORE} else 1,
        )
        for name, make, count, run in together
    ]


def engine_subject(part: str, problem: Problem, networks: int, epochs: int) -> Subject:
    """Return the engine on one thread as a point of a sweep."""
    train = engine(problem, epochs=epochs, learning_rates=rates(networks))
    return Subject(part=part, method=ENGINE, train=train, problem=problem, networks=networks, epochs=epochs)


def networks_sweep(effort: Effort) -> list[Subject]:
    """Return the article's network, in ever larger numbers."""
    return [engine_subject("networks", ARTICLE, networks, effort.epochs) for networks in effort.counts]


def rows_sweep(effort: Effort) -> list[Subject]:
    """Return two units on ever more rows."""
    epochs = max(1, effort.epochs // 10)
    return [engine_subject("rows", simulated(n, 2), effort.sweep_networks, epochs) for n in effort.rows]


def hidden_size_sweep(effort: Effort) -> list[Subject]:
    """Return ever more units on three rows."""
    epochs = max(1, effort.epochs // 10)
    return [
        engine_subject("hidden_size", simulated(3, units), effort.sweep_networks, epochs)
        for units in effort.hidden_sizes
    ]


def epochs_sweep(effort: Effort) -> list[Subject]:
    """Return the article's network, trained ever longer."""
    return [engine_subject("epochs", ARTICLE, effort.sweep_networks, epochs) for epochs in effort.epoch_counts]


def activations(effort: Effort) -> list[Subject]:
    """Return the engine and the reference trainer with every activation."""
    subjects = []
    for activation in effort.activations:
        problem = Problem(
            features=ARTICLE.features, targets=ARTICLE.targets, start=ARTICLE.start, activation=activation
        )
        train = reference(problem, epochs=effort.epochs)
        subjects += [
            engine_subject("activation", problem, effort.sweep_networks, effort.epochs),
            Subject(
                part="activation", method=REFERENCE, train=train, problem=problem, networks=1, epochs=effort.epochs
            ),
        ]
    return subjects


def large(effort: Effort) -> list[Subject]:
    """Return one network of 16 units on many rows: 100 epochs of the engine, one of MLPRegressor."""
    problem = simulated(effort.large_rows, 16)
    train = sklearn_training(problem, epochs=1)
    return [
        engine_subject("large", problem, 1, max(1, effort.epochs // 10)),
        Subject(part="large", method=SKLEARN, train=train, problem=problem, networks=1, epochs=1),
    ]
