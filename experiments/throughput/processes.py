"""What is timed in processes of its own: a million trainings, and the first calls of kernels."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from student_score.data.rows import Rows

from .measure import COST, Subject, say
from .methods import CACHED, FIRST, GENERAL_FIRST, TRAIN_MANY, all_threads
from .problems import EPOCHS, Extent, Problem, article_problem

SCRIPT = Path(__file__).with_name("alone.py")


def in_a_process(problem: Problem, networks: int, cache: Path | None = None) -> dict[str, Any]:
    """Run alone.py, with kernels cached in the given folder, and return what it printed."""
    asked = {
        "features": problem.rows.features.tolist(),
        "targets": problem.rows.targets.tolist(),
        "start": problem.start.flat().tolist(),
        "hidden_size": problem.start.hidden_size,
        "activation": problem.activation.name,
        "networks": networks,
        "epochs": EPOCHS,
    }
    environment = {**os.environ, **({"NUMBA_CACHE_DIR": str(cache)} if cache else {})}
    # -P: the script's folder is not searched for modules.
    command = [sys.executable, "-P", str(SCRIPT), json.dumps(asked)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def million(rows: Mapping[str, Rows], extent: Extent) -> Iterator[dict[str, Any]]:
    """Yield the time and the peak memory of a million trainings with their outcomes, in a process of their own."""
    say(f"million: {extent.million} trainings in {extent.slow_rounds} rounds")
    problem = article_problem(rows)
    subject = process_subject("million", TRAIN_MANY, problem, extent.million)
    for number in range(1, extent.slow_rounds + 1):
        measured = in_a_process(problem, extent.million)
        peak = float(measured["peak_megabytes"] or "nan")
        yield subject.row(number, 1, measured["seconds"]) | {"peak_megabytes": peak}


def first_calls(rows: Mapping[str, Rows], extent: Extent) -> Iterator[dict[str, Any]]:
    """Yield the time of the first call with an empty cache, and of the first in another process that finds it full."""
    say(f"first_call: {len(extent.first_calls)} networks in {extent.slow_rounds} rounds")
    # Compilation, not training, is what is timed, so no cost per network is given.
    unlike = {"epochs": 1, COST: np.nan, "scaled": False}
    for number in range(1, extent.slow_rounds + 1):
        for activation, hidden_size in extent.first_calls:
            problem = article_problem(rows, activation=activation, hidden_size=hidden_size)
            with TemporaryDirectory() as folder:
                for method in (FIRST, CACHED):
                    measured = in_a_process(problem, 0, Path(folder))
                    subject = process_subject("first_call", method, problem, 128)
                    yield subject.row(number, 1, measured["first"]) | unlike
                    if method == FIRST:
                        general = replace(subject, method=GENERAL_FIRST)
                        yield general.row(number, 1, measured["general"]) | unlike


def process_subject(part: str, method: str, problem: Problem, networks: int) -> Subject:
    """Return the row's contents for what a process of its own measured."""
    return Subject(
        part=part,
        method=method,
        train=problem.start.flat,
        problem=problem,
        networks=networks,
        epochs=EPOCHS,
        threads=all_threads(),
    )
