"""Takes times: of all methods in turn, each in a new folder with a new store."""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from student_score.data.article import ARTICLE_FEATURES, ARTICLE_TARGET
from student_score.data.csv_file import read_csv
from student_score.data.rows import Rows
from student_score.errors import InputError
from student_score.studies.timing import in_turn

from .extent import DATA, ROWS, Extent, records
from .methods import (
    CLIENT,
    CLIENT_HTTP,
    EACH_EPOCH,
    ONE_HTTP,
    PEAK,
    PLAIN,
    PLANNING,
    SWEEP,
    SWEEP_HTTP,
    Method,
    Row,
    client,
    planning,
    script,
    sweep,
)
from .processes import serving


def trainings(rows: Mapping[str, Rows], *, extent: Extent | None = None) -> pd.DataFrame:
    """Measure everything, or less; a row for each measurement in each round."""
    check_data(rows)
    extent = extent or Extent()
    with TemporaryDirectory() as name:
        folder = Path(name)
        methods: dict[str, Method] = {
            SWEEP: partial(sweep, extent),
            CLIENT: partial(client, records(extent, extent.client_runs), extent.epochs),
            PLAIN: partial(script, extent, each_epoch=False),
            EACH_EPOCH: partial(script, extent, each_epoch=True),
        }
        if extent.warm_up:
            measure("warm_up, untimed: kernels are compiled", {SWEEP: methods[SWEEP]}, folder, rounds=1)
        table = measure("sqlite", methods, folder, rounds=extent.rounds)
        table += measure("planning", {PLANNING: partial(planning, extent)}, folder, rounds=extent.rounds)
        if extent.server_runs:
            table += through_a_server(extent, folder)
    return pd.DataFrame(table)


def check_data(rows: Mapping[str, Rows]) -> None:
    """Raise InputError unless the file that the commands read holds the rows that the study is recorded with."""
    found = read_csv(DATA, features=ARTICLE_FEATURES, target=ARTICLE_TARGET)
    if found.digest() != rows[ROWS].digest():
        raise InputError(f"{DATA} holds other rows than those named {ROWS}")


def through_a_server(extent: Extent, folder: Path) -> list[Row]:
    """Measure a sweep of one run, a longer one, and the client; nothing where no server can be started."""
    longer = extent.of_one_network()
    with TemporaryDirectory(dir=folder) as name:
        try:
            with serving(Path(name)) as address:
                methods: dict[str, Method] = {
                    ONE_HTTP: partial(sweep, replace(longer, rates=1), address=address),
                    SWEEP_HTTP: partial(sweep, longer, address=address),
                    CLIENT_HTTP: partial(client, records(longer, longer.runs), extent.epochs, uri=address),
                }
                return measure("server", methods, folder, rounds=extent.rounds)
        except TimeoutError as error:
            print(f"Nothing is measured through a server: {error}", file=sys.stderr, flush=True)
            return []


def measure(part: str, methods: Mapping[str, Method], folder: Path, *, rounds: int) -> list[Row]:
    """Measure the methods in turn, every other round in reverse, each in a new folder that is removed afterwards."""
    print(f"Measuring {part}: {len(methods)} methods in {rounds} rounds", file=sys.stderr, flush=True)
    table = []
    for number, (method, call) in in_turn(list(methods.items()), rounds):
        with TemporaryDirectory(dir=folder) as place:
            blank = {"part": part, "method": method, "round": number, "cores": os.cpu_count(), PEAK: np.nan}
            table.append(blank | call(Path(place)))
    return table
