"""The trainings that speed is judged on: a row of the table for each."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from student_score.arrays import Floats, Integers
from student_score.data.rows import Rows, Split, split_rows
from student_score.model.activations import Activation
from student_score.model.network import ARTICLE_START
from student_score.model.outcome import Outcome
from student_score.stability.landscape import Landscape, spectral_radius
from student_score.stability.thresholds import cyclic_threshold, residual_map
from student_score.training.many import Trainings, train_many
from student_score.training.reference import Network, train_epochs
from student_score.training.setup import Networks, Setup
from student_score.training.trajectory import log_spaced_epochs

RATES = tuple(round(1e-6 * k, 9) for k in range(50, 4701))
"""4,651 rates, from 0.00005 to 0.0047."""

EPOCHS = 1000
"""Of these trainings: as many as the article's."""

DECAY_RATES = tuple(round(1e-5 * k, 9) for k in range(20, 201))
"""From 0.0002 to 0.002."""

DECAY_EPOCHS, DECAY_POINTS = 200_000, 2000
"""Epochs in which the slowest of these decays to rounding, and log-spaced ones at which the loss is taken."""

DECAY_WINDOW = (1e-16, 1e-8)
"""Score points squared: low enough for one eigenvalue to be left, far above what rounding leaves of the loss."""

RAMP_LENGTHS = tuple(int(length) for length in np.geomspace(100, 10_000, 9).round())
"""Epochs of the range tests."""

RAMP = (1e-6, 0.01)
"""Their learning rates: from a rate at which nothing moves to the article's larger one, at which both units die."""

SHAPES: Mapping[str, Callable[[float, float, int], Floats]] = {
    "linear": np.linspace,
    "exponential": np.geomspace,
}
"""How the rate grows: first and last rate, epochs -> the rate of each epoch."""

RISE = 0.01
"""Share by which a loss exceeds the lowest before it where it starts to rise."""

FOURFOLD = 3.0
"""The same share: fastai's learning-rate finder stops where the loss exceeds four times the lowest."""

LOSS_FLOOR = 1e-12
"""Score points squared; below it rounding moves avg_loss."""

FLOW_TIME = 300.0
"""As much as a million epochs at a rate of 0.0001: the flow's residuals are then zero but for rounding."""


def trainings(
    rows: Mapping[str, Rows],
    *,
    rates: Sequence[float] = RATES,
    decay_rates: Sequence[float] = DECAY_RATES,
    ramp_lengths: Sequence[int] = RAMP_LENGTHS,
) -> pd.DataFrame:
    """Train the article's network at constant rates, briefly and long, and on ramps; a row for each training."""
    split = split_rows(rows["student_scores"])
    parts = [flow_row(split), short(split, rates), long(split, decay_rates), ramps(split.train, ramp_lengths)]
    return pd.concat(parts, ignore_index=True)


def landscape(split: Split) -> Landscape:
    """Return the half loss of the article's network."""
    return Landscape(split.train, ARTICLE_START.hidden_size)


def article_training(split: Split, rates: Sequence[float], epochs: int, recorded: Integers | None = None) -> Trainings:
    """Train the article's network at every rate."""
    setup = Setup(
        split=split,
        hidden_size=ARTICLE_START.hidden_size,
        epochs=epochs,
        recorded_epochs=() if recorded is None else recorded,
    )
    return train_many(setup, Networks(starts=ARTICLE_START.flat(), learning_rate=list(rates)))


def flow_row(split: Split) -> pd.DataFrame:
    """Return the stability limit at the minimum that the gradient flow reaches."""
    surface = landscape(split)
    flow = surface.gradient_flow(ARTICLE_START.flat(), [FLOW_TIME])[0]
    limit = cyclic_threshold(surface.gram(flow), range(len(split.train)))
    return pd.DataFrame({"part": ["flow"], "limit": [limit]})


def short(split: Split, rates: Sequence[float]) -> pd.DataFrame:
    """Train at every rate for as long as the article does."""
    trained = article_training(split, rates, EPOCHS)
    return pd.DataFrame(
        {
            "part": "rate",
            "learning_rate": list(rates),
            "epochs": EPOCHS,
            "outcome": [outcome.name for outcome in trained.outcomes],
            "train_mse": trained.end.train_mse,
        }
    )


def long(split: Split, rates: Sequence[float]) -> pd.DataFrame:
    """Train at every rate until the loss is down to rounding, and fit its decay."""
    surface, epochs = landscape(split), log_spaced_epochs(DECAY_EPOCHS, DECAY_POINTS)
    trained = article_training(split, rates, DECAY_EPOCHS, epochs)
    table = []
    for rate, outcome, final, avg_loss in zip(rates, trained.outcomes, trained.finals, trained.avg_loss, strict=True):
        row = {"learning_rate": rate, "outcome": outcome.name, "points": 0}
        if outcome is Outcome.converged:
            slope, points = fitted_decay(epochs, avg_loss)
            operator = residual_map(surface.gram(final), rate, range(len(split.train)))
            moduli = np.sort(np.abs(np.linalg.eigvals(operator)))
            row |= {
                "points": points,
                "slope": slope,
                "predicted_slope": 2 * float(np.log(spectral_radius(operator))),
                "second_modulus": float(moduli[-2]),
            }
        table.append(row)
    return pd.DataFrame(table).assign(part="decay", epochs=DECAY_EPOCHS, train_mse=trained.end.train_mse)


def fitted_decay(epochs: Integers, avg_loss: Floats) -> tuple[float, int]:
    """Return the slope of ln avg_loss per epoch within DECAY_WINDOW, NaN without two points, and their number."""
    inside = (avg_loss > DECAY_WINDOW[0]) & (avg_loss < DECAY_WINDOW[1])
    points = int(inside.sum())
    if points < 2:
        return float("nan"), points
    return float(np.polyfit(epochs[inside], np.log(avg_loss[inside]), 1)[0]), points


def ramps(rows: Rows, lengths: Sequence[int]) -> pd.DataFrame:
    """Run range tests: trainings whose rate grows from epoch to epoch."""
    table = []
    for shape, spaced in SHAPES.items():
        for length in lengths:
            rates = spaced(*RAMP, length)
            avg_loss = ramped(rows, rates)
            read = {name: first_rise(avg_loss, share) for name, share in (("rise", RISE), ("fourfold", FOURFOLD))}
            read["steepest"] = 1 + int(np.argmin(np.diff(avg_loss[: read["fourfold"]])))
            values = {name: float("nan") if place is None else float(rates[place]) for name, place in read.items()}
            table.append({"shape": shape, "epochs": length, **values})
    return pd.DataFrame(table).assign(part="ramp")


def ramped(rows: Rows, rates: Floats) -> Floats:
    """Train the article's network with one rate for each epoch and return avg_loss.

    The reference trainer, an epoch at a time: cyclic training keeps nothing between epochs but the parameters.
    """
    net = Network.of(ARTICLE_START)
    features, targets = rows.features.tolist(), rows.targets.tolist()
    losses = []
    for rate in rates.tolist():
        [(loss, _)] = train_epochs(
            net, features, targets, activation=Activation.relu, learning_rate=rate, orders=[range(len(targets))]
        )
        losses.append(loss)
    return np.array(losses)


def first_rise(avg_loss: Floats, share: float) -> int | None:
    """Return the place of the first loss that exceeds the lowest before it by more than a share, or None."""
    lowest = np.maximum(np.minimum.accumulate(avg_loss), LOSS_FLOOR)
    rises = np.flatnonzero(avg_loss[1:] > (1 + share) * lowest[:-1])
    return int(rises[0]) + 1 if len(rises) else None
