"""The trainings that death is judged on: what became of each network's units, a row of the table for each."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from student_score.arrays import Floats, Integers, Mask
from student_score.data.rows import Rows, Split, split_rows
from student_score.model.activations import Activation
from student_score.model.network import Initialisation, initialise
from student_score.stability.landscape import Landscape
from student_score.training.many import Trainings, train_many
from student_score.training.setup import Networks, Setup

SIZES = (1, 2, 4, 8)
"""Hidden units of a network."""

EPOCHS = 1000
"""As in the article; rates below MODERATE get more epochs, so that rate times epochs is the same."""

MODERATE, LARGE = 0.001, 0.002
"""Learning rates that the claims are about."""

CONTROL = 0.00001
"""The rate that stands for gradient flow; FINER, a tenth of it, shows whether it is small enough."""

FINER = 0.000001
"""Learning rate. Its trainings take a million epochs each, so there are few."""

RATES = (CONTROL, 0.0001, MODERATE, 0.0013, 0.0016, LARGE, 0.003, 0.005, 0.01)
"""Learning rates without interventions, up to the article's larger one."""

HE, POSITIVE_BIAS, POSITIVE_WEIGHTS, LEAKY = "he", "b1 = +1", "positive w1", "leaky ReLU"
"""Variants: He's initialisation, and what is changed of it."""

INTERVENTIONS = (POSITIVE_BIAS, POSITIVE_WEIGHTS, LEAKY)
"""The variants in which something is changed."""

BIAS = 1.0
"""Every b1 of POSITIVE_BIAS."""


class Counts(NamedTuple):
    """Networks of each hidden size, always the first ones.

    Attributes:
        born: at MODERATE; those beyond `networks` only show how many units are born dead.
        networks: at the other rates.
        intervened: for each intervention.
        fine: at FINER.
    """

    born: int = 5000
    networks: int = 1000
    intervened: int = 500
    fine: int = 250


class Start(NamedTuple):
    """Networks of one hidden size and variant before training: seeds (networks,), flat parameters (networks, size)."""

    variant: str
    hidden_size: int
    seeds: Integers
    parameters: Floats

    def first(self, count: int) -> "Start":
        """Return the first networks."""
        return self._replace(seeds=self.seeds[:count], parameters=self.parameters[:count])


def trainings(
    rows: Mapping[str, Rows],
    *,
    counts: Counts = Counts(),  # noqa: B008 - a tuple, which nobody can change
    sizes: Sequence[int] = SIZES,
    rates: Sequence[float] = RATES,
) -> pd.DataFrame:
    """Train networks from He's initialisation, cyclic per-sample descent on the half loss; a row for each training.

    Args:
        rows: the article's students by their name.
        counts: how many networks.
        sizes: hidden sizes.
        rates: learning rates without interventions; CONTROL must be among them.
    """
    split, parts = split_rows(rows["student_scores"]), []
    plain = {FINER: counts.fine} | {rate: counts.born if rate == MODERATE else counts.networks for rate in rates}
    changed = dict.fromkeys((CONTROL, MODERATE), counts.intervened)
    for size in sizes:
        # No two sizes share a seed, or their weights would be equal.
        he = he_start(size, np.arange(counts.born) + 1_000_000 * size)
        for variant in (HE, *INTERVENTIONS):
            start, wanted = intervene(he, variant), plain if variant == HE else changed
            control = train(split, start.first(wanted[CONTROL]), CONTROL)
            for rate, count in wanted.items():
                trained = control if rate == CONTROL else train(split, start.first(count), rate)
                parts.append(fates(split.train, start.first(count), rate, trained, control))
    return pd.concat(parts, ignore_index=True)


def he_start(size: int, seeds: Integers) -> Start:
    """Return networks from He's initialisation."""
    drawn = [initialise(Initialisation.he, n_features=2, hidden_size=size, seed=int(seed)).flat() for seed in seeds]
    return Start(HE, size, seeds, np.stack(drawn))


def intervene(start: Start, variant: str) -> Start:
    """Return changed networks; leaky ReLU changes the activation and not the start."""
    parameters, size = start.parameters.copy(), start.hidden_size
    if variant == POSITIVE_BIAS:
        parameters[:, 2 * size : 3 * size] = BIAS
    if variant == POSITIVE_WEIGHTS:
        parameters[:, : 2 * size] = np.abs(parameters[:, : 2 * size])
    return start._replace(variant=variant, parameters=parameters)


def epochs_at(rate: float) -> int:
    """Return for how many epochs to train."""
    return round(EPOCHS * max(1.0, MODERATE / rate))


def train(split: Split, start: Start, rate: float) -> Trainings:
    """Train every network at a rate."""
    setup = Setup(
        split=split,
        hidden_size=start.hidden_size,
        epochs=epochs_at(rate),
        activation=Activation.leaky_relu if start.variant == LEAKY else Activation.relu,
    )
    return train_many(setup, Networks(starts=start.parameters, learning_rate=rate))


def fates(rows: Rows, start: Start, rate: float, trained: Trainings, control: Trainings) -> pd.DataFrame:
    """Count for each network what became of its units; NaN where that needs a control and there is none.

    Args:
        rows: that were trained on.
        start: the networks before training.
        rate: learning rate.
        trained: from this start.
        control: from the first of these networks, or from more.
    """
    size, count = start.hidden_size, len(start.seeds)
    born, dead, by_flow = (inactive(rows, size, p) for p in (start.parameters, trained.finals, control.finals[:count]))
    killed, negative, both = dead & ~born, start.parameters[:, -size - 1 : -1] < 0, slice(len(by_flow))
    by_step, spared = np.full((2, count), np.nan)
    by_step[both] = (killed[both] & ~by_flow).sum(axis=1)
    spared[both] = (by_flow & ~born[both] & ~dead[both]).sum(axis=1)
    columns: dict[str, Any] = {
        "start": start.variant,
        "hidden_size": size,
        "seed": start.seeds,
        "learning_rate": rate,
        "epochs": epochs_at(rate),
        "outcome": [outcome.name for outcome in trained.outcomes],
        "born_dead": born.sum(axis=1),
        "killed": killed.sum(axis=1),
        "killed_negative_w2": (killed & negative).sum(axis=1),
        "killed_by_step": by_step,
        "spared": spared,
        "revived": (born & ~dead).sum(axis=1),
    }
    return pd.DataFrame(columns)


def inactive(rows: Rows, size: int, p: Floats) -> Mask:
    """Return which units (networks, hidden units) are inactive on every row: dead, with ReLU."""
    z, _, _ = Landscape(rows, size).weighted_sums(p)
    silent: Mask = np.all(z <= 0, axis=-2)
    return silent
