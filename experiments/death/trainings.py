"""The trainings that death is judged on: what became of each network's units, a row of the table for each."""

from collections.abc import Mapping, Sequence
from itertools import permutations, product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from student_score.arrays import Floats, Integers, Mask
from student_score.data.rows import Rows, Scale, Split, split_rows
from student_score.model.activations import Activation
from student_score.model.network import Initialisation, initialise
from student_score.stability.landscape import Landscape
from student_score.training.many import Trainings, train_many
from student_score.training.setup import Networks, Setup

SIZES = (1, 2, 4, 8)
"""Hidden units of a network."""

EPOCHS = 1000
"""As in the article; rates below MODERATE get more epochs, so that rate times epochs is the same."""

MODERATE, LARGE, LATER = 0.001, 0.002, (0.0027, 0.003, 0.005)
"""Learning rates that the claims are about; trained in every row order."""

CONTROL = 0.00001
"""The rate that stands for gradient flow; FINER, a tenth of it, shows whether it is small enough."""

FINER = 0.000001
"""Learning rate. Its trainings take a million epochs each, so there are few."""

RATES = (CONTROL, 0.0001, MODERATE, 0.0013, 0.0016, LARGE, *LATER, 0.01)
"""Learning rates without interventions, up to the article's larger one."""

ORDERS = tuple(permutations(range(3)))
"""Row orders, the article's first."""

LONG = 30_000
"""Epochs in which units with leaky ReLU may recover."""

HE, SMALL_BIAS, LARGE_BIAS, POSITIVE_WEIGHTS, LEAKY = "he", "b1 = +0.1", "b1 = +1", "positive w1", "leaky ReLU"
"""Variants: He's initialisation, and what is changed of it."""

INTERVENTIONS = (SMALL_BIAS, LARGE_BIAS, POSITIVE_WEIGHTS, LEAKY)
"""The variants in which something is changed."""

BIASES = {SMALL_BIAS: 0.1, LARGE_BIAS: 1.0}
"""Every b1 of a variant; 0 in the others."""

STANDARDISED = ", standardised"
"""What the name of a variant ends with where features are standardised."""


class Counts(NamedTuple):
    """Networks of each hidden size, always the first ones.

    Attributes:
        born: at MODERATE; those beyond `networks` only show how many units are born dead.
        networks: at the other rates.
        intervened: for each intervention.
        fine: at FINER.
        ordered: in each row order but the article's.
    """

    born: int = 5000
    networks: int = 1000
    intervened: int = 500
    fine: int = 250
    ordered: int = 500


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
    centred = split_rows(rows["student_scores"], scale=Scale.features)
    plain = {FINER: counts.fine} | {rate: counts.born if rate == MODERATE else counts.networks for rate in rates}
    changed = dict.fromkeys((CONTROL, MODERATE), counts.intervened)
    in_orders = {HE: (MODERATE, LARGE, *LATER), POSITIVE_WEIGHTS: (MODERATE,)}
    for size in sizes:
        # No two sizes share a seed, or their weights would be equal.
        he = he_start(size, np.arange(counts.born) + 1_000_000 * size)
        for variant in (HE, *INTERVENTIONS):
            start, wanted = intervene(he, variant), plain if variant == HE else changed
            control = train(split, start.first(wanted[CONTROL]), CONTROL)
            for rate, count in wanted.items():
                trained = control if rate == CONTROL else train(split, start.first(count), rate)
                parts.append(fates(split, start.first(count), rate, trained, control))
            own = start.first(counts.ordered)
            for rate, order in product(in_orders.get(variant, ()), ORDERS[1:]):
                parts.append(fates(split, own, rate, train(split, own, rate, order=order), control, order=order))
        for variant in (HE, *BIASES):
            start = intervene(he, variant).first(counts.intervened)
            own = start._replace(variant=f"{variant}{STANDARDISED}")
            parts.append(fates(centred, own, MODERATE, train(centred, own, MODERATE)))
        leaky = intervene(he, LEAKY).first(counts.intervened)
        trained = train(split, leaky, MODERATE, epochs=LONG)
        parts.append(fates(split, leaky, MODERATE, trained, epochs=LONG))
    return pd.concat(parts, ignore_index=True)


def he_start(size: int, seeds: Integers) -> Start:
    """Return networks from He's initialisation."""
    drawn = [initialise(Initialisation.he, n_features=2, hidden_size=size, seed=int(seed)).flat() for seed in seeds]
    return Start(HE, size, seeds, np.stack(drawn))


def intervene(start: Start, variant: str) -> Start:
    """Return changed networks; leaky ReLU changes the activation and not the start."""
    parameters, size = start.parameters.copy(), start.hidden_size
    if variant in BIASES:
        parameters[:, 2 * size : 3 * size] = BIASES[variant]
    if variant == POSITIVE_WEIGHTS:
        parameters[:, : 2 * size] = np.abs(parameters[:, : 2 * size])
    return start._replace(variant=variant, parameters=parameters)


def epochs_at(rate: float) -> int:
    """Return for how many epochs to train."""
    return round(EPOCHS * max(1.0, MODERATE / rate))


def train(
    split: Split, start: Start, rate: float, *, order: Sequence[int] = ORDERS[0], epochs: int | None = None
) -> Trainings:
    """Train every network at a rate, row after row in an order, by default for as long as belongs to the rate."""
    setup = Setup(
        split=split,
        hidden_size=start.hidden_size,
        epochs=epochs or epochs_at(rate),
        activation=Activation.leaky_relu if start.variant == LEAKY else Activation.relu,
    )
    return train_many(setup, Networks(starts=start.parameters, learning_rate=rate, row_order=order))


def fates(
    split: Split,
    start: Start,
    rate: float,
    trained: Trainings,
    control: Trainings | None = None,
    *,
    order: Sequence[int] = ORDERS[0],
    epochs: int | None = None,
) -> pd.DataFrame:
    """Count for each network what became of its units; NaN where that needs a control and there is none.

    Args:
        split: the rows that were trained on.
        start: the networks before training.
        rate: learning rate.
        trained: from this start.
        control: from the first of these networks, or from more.
        order: of the rows.
        epochs: how many, if others than belong to the rate.
    """
    rows, size, count = split.scaling.apply(split.train), start.hidden_size, len(start.seeds)
    finals = trained.finals[:0] if control is None else control.finals[:count]
    born, dead, by_flow = (inactive(rows, size, p) for p in (start.parameters, trained.finals, finals))
    killed, negative, both = dead & ~born, start.parameters[:, -size - 1 : -1] < 0, slice(len(by_flow))
    by_step, spared = np.full((2, count), np.nan)
    by_step[both] = (killed[both] & ~by_flow).sum(axis=1)
    spared[both] = (by_flow & ~born[both] & ~dead[both]).sum(axis=1)
    columns: dict[str, Any] = {
        "start": start.variant,
        "row_order": "".join(str(row + 1) for row in order),
        "hidden_size": size,
        "seed": start.seeds,
        "learning_rate": rate,
        "epochs": epochs or epochs_at(rate),
        "outcome": [outcome.name for outcome in trained.outcomes],
        "born_dead": born.sum(axis=1),
        "active_on_most": (active_rows(rows, size, start.parameters) > len(rows) / 2).sum(axis=1),
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


def active_rows(rows: Rows, size: int, p: Floats) -> Integers:
    """Return on how many rows each unit (networks, hidden units) is active."""
    z, _, _ = Landscape(rows, size).weighted_sums(p)
    active: Integers = np.sum(z > 0, axis=-2)
    return active
