"""What is trained: He's starts, changed or not, at every rate; and what becomes of their units."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from student_score.arrays import Floats, Integers, Mask
from student_score.data.rows import Rows, Split, split_rows
from student_score.model.activations import Activation
from student_score.model.network import Initialisation, initialise
from student_score.stability.landscape import Landscape
from student_score.training.many import Trainings, train_many
from student_score.training.setup import Networks, Setup

from .claims import (
    BORN,
    CONTROL,
    EPOCHS,
    FINE,
    FINER,
    HE,
    INTERVENED,
    INTERVENTIONS,
    LEAKY,
    MODERATE,
    NETWORKS,
    POSITIVE_BIAS,
    POSITIVE_WEIGHTS,
    RATES,
    SIZES,
)


def trainings(
    rows: Mapping[str, Rows],
    *,
    born: int = BORN,
    networks: int = NETWORKS,
    intervened: int = INTERVENED,
    fine: int = FINE,
    sizes: Sequence[int] = SIZES,
    rates: Sequence[float] = RATES,
) -> pd.DataFrame:
    """Train networks from He's initialisation, cyclic per-sample descent on the half loss; a row for each training.

    Args:
        rows: the article's students.
        born: of each hidden size at MODERATE; those beyond `networks` only show how many units are born dead.
        networks: the first of them, at the other rates.
        intervened: the first of them, for each intervention.
        fine: the first of them, at FINER.
        sizes: hidden sizes.
        rates: learning rates without interventions; CONTROL must be among them.
    """
    split, parts = split_rows(rows["student_scores"]), []
    for size in sizes:
        seeds = np.arange(born) + 1_000_000 * size  # No two sizes share a seed, or their weights would be equal.
        starts = he_starts(size, seeds)
        for variant in (HE, *INTERVENTIONS):
            changed, most = intervene(starts, size, variant), networks if variant == HE else intervened
            control = train(split, changed[:most], size, variant, CONTROL)
            for rate in (FINER, *rates) if variant == HE else (CONTROL, MODERATE):
                count = born if (variant, rate) == (HE, MODERATE) else fine if rate == FINER else most
                trained = control if rate == CONTROL else train(split, changed[:count], size, variant, rate)
                grid = {"start": variant, "hidden_size": size, "seed": seeds[:count], "learning_rate": rate}
                grid["epochs"] = epochs_at(rate)
                parts.append(pd.DataFrame(grid | fates(split.train, changed[:count], trained, control, size)))
    return pd.concat(parts, ignore_index=True)


def he_starts(size: int, seeds: Integers) -> Floats:
    """Return flat parameters (networks, parameters) from He's initialisation."""
    return np.stack(
        [initialise(Initialisation.he, n_features=2, hidden_size=size, seed=int(seed)).flat() for seed in seeds]
    )


def intervene(starts: Floats, size: int, variant: str) -> Floats:
    """Return changed starts; leaky ReLU changes the activation and not the start."""
    starts = starts.copy()
    if variant == POSITIVE_BIAS:
        starts[:, 2 * size : 3 * size] = 1.0
    if variant == POSITIVE_WEIGHTS:
        starts[:, : 2 * size] = np.abs(starts[:, : 2 * size])
    return starts


def epochs_at(rate: float) -> int:
    """Return for how many epochs to train."""
    return round(EPOCHS * max(1.0, MODERATE / rate))


def train(split: Split, starts: Floats, size: int, variant: str, rate: float) -> Trainings:
    """Train every start at a rate."""
    setup = Setup(
        split=split,
        hidden_size=size,
        epochs=epochs_at(rate),
        activation=Activation.leaky_relu if variant == LEAKY else Activation.relu,
    )
    return train_many(setup, Networks(starts=starts, learning_rate=rate))


def fates(rows: Rows, starts: Floats, trained: Trainings, control: Trainings, size: int) -> dict[str, Any]:
    """Count for each network what became of its units; NaN where that needs a control and there is none.

    Args:
        rows: trained on.
        starts: (networks, parameters) flat.
        trained: from these starts.
        control: from the first of these starts, or from more.
        size: hidden units.
    """
    born, dead, by_flow = (dead_units(rows, p, size) for p in (starts, trained.finals, control.finals[: len(starts)]))
    killed, negative, both = dead & ~born, starts[:, -size - 1 : -1] < 0, slice(len(by_flow))
    by_step, spared = np.full((2, len(starts)), np.nan)
    by_step[both] = (killed[both] & ~by_flow).sum(axis=1)
    spared[both] = (by_flow & ~born[both] & ~dead[both]).sum(axis=1)
    return {
        "outcome": [outcome.name for outcome in trained.outcomes],
        "born_dead": born.sum(axis=1),
        "killed": killed.sum(axis=1),
        "killed_negative_w2": (killed & negative).sum(axis=1),
        "killed_by_step": by_step,
        "spared": spared,
        "revived": (born & ~dead).sum(axis=1),
    }


def dead_units(rows: Rows, p: Floats, size: int) -> Mask:
    """Return which units (networks, hidden units) are inactive on every row: dead, with ReLU."""
    z, _, _ = Landscape(rows, size).weighted_sums(p)
    dead: Mask = np.all(z <= 0, axis=-2)
    return dead
