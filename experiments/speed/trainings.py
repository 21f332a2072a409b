"""The trainings that speed is judged on: a row of the table for each."""

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations

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

RATES = tuple(round(1e-6 * k, 9) for k in range(50, 2401))
"""2,351 rates, from 0.00005 to one and a half times the limit."""

LENGTHS = (250, 350, 500, 700, 1000, 1400, 2000)
"""Epochs after which these trainings are compared; the article's is 1000."""

ORDERS = tuple(permutations(range(3)))
"""Of the article's three rows."""

DECAY_RATES = tuple(round(2e-5 * k, 9) for k in range(10, 101))
"""From 0.0002 to 0.002."""

DECAY_EPOCHS, DECAY_POINTS = 200_000, 2000
"""Epochs in which the slowest of these decays to rounding, and log-spaced ones at which the loss is taken."""

DECAY_WINDOW = (1e-16, 1e-8)
"""Score points squared: low enough for one eigenvalue to be left, far above what rounding leaves of the loss."""

RAMP_LENGTHS = tuple(int(length) for length in np.geomspace(100, 10_000, 9).round())
"""Epochs of the range tests."""

RAMP = (1e-6, 0.01)
"""Their learning rates: from a rate at which nothing moves to the article's larger one, at which both units die."""

RATE_PLACES = 12
"""To which they are rounded, as processors differ in the last digit of a power."""

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
    orders: Sequence[Sequence[int]] = ORDERS,
) -> pd.DataFrame:
    """Train the article's network at constant rates, briefly and long, and on ramps; a row for each training."""
    split = split_rows(rows["student_scores"])
    parts = [flow_row(split)]
    for order in orders:
        own = [short(split, order, rates), long(split, order, decay_rates), ramps(split.train, order, ramp_lengths)]
        parts += [part.assign(row_order=written(order)) for part in own]
    return pd.concat(parts, ignore_index=True)


def written(order: Sequence[int]) -> str:
    """Return a row order as it is written: 123 is the table's."""
    return "".join(str(row + 1) for row in order)


def landscape(split: Split) -> Landscape:
    """Return the half loss of the article's network."""
    return Landscape(split.train, ARTICLE_START.hidden_size)


def article_training(split: Split, order: Sequence[int], rates: Sequence[float], recorded: Integers) -> Trainings:
    """Train the article's network at every rate, up to the last recorded epoch."""
    epochs = int(recorded[-1])
    setup = Setup(split=split, hidden_size=ARTICLE_START.hidden_size, epochs=epochs, recorded_epochs=recorded)
    return train_many(setup, Networks(starts=ARTICLE_START.flat(), learning_rate=list(rates), row_order=order))


def flow_row(split: Split) -> pd.DataFrame:
    """Return the stability limit at the minimum that the gradient flow reaches."""
    surface = landscape(split)
    flow = surface.gradient_flow(ARTICLE_START.flat(), [FLOW_TIME])[0]
    limit = cyclic_threshold(surface.gram(flow), range(len(split.train)))
    return pd.DataFrame({"part": ["flow"], "limit": [limit]})


def short(split: Split, order: Sequence[int], rates: Sequence[float]) -> pd.DataFrame:
    """Train at every rate and take the error at several lengths."""
    trained = article_training(split, order, rates, np.array(LENGTHS))
    errors = {error_name(length): trained.train_mse[:, place] for place, length in enumerate(LENGTHS)}
    outcomes = [outcome.name for outcome in trained.outcomes]
    return pd.DataFrame({"part": "rate", "learning_rate": list(rates), "outcome": outcomes, **errors})


def error_name(length: int) -> str:
    """Return the column of train_mse after so many epochs."""
    return f"train_mse_{length}"


def long(split: Split, order: Sequence[int], rates: Sequence[float]) -> pd.DataFrame:
    """Train at every rate until nothing is left to fit, and fit its decay."""
    surface, epochs = landscape(split), log_spaced_epochs(DECAY_EPOCHS, DECAY_POINTS)
    trained = article_training(split, order, rates, epochs)
    table = []
    for rate, outcome, final, avg_loss in zip(rates, trained.outcomes, trained.finals, trained.avg_loss, strict=True):
        row = {"learning_rate": rate, "outcome": outcome.name, "points": 0}
        if outcome is Outcome.converged:
            slope, points = fitted_decay(epochs, avg_loss)
            operator = residual_map(surface.gram(final), rate, order)
            predicted = 2 * float(np.log(spectral_radius(operator)))
            row |= {"points": points, "slope": slope, "predicted_slope": predicted}
        table.append(row)
    return pd.DataFrame(table).assign(part="decay", epochs=DECAY_EPOCHS)


def fitted_decay(epochs: Integers, avg_loss: Floats) -> tuple[float, int]:
    """Return the slope of ln avg_loss per epoch within DECAY_WINDOW, NaN without two points, and their number."""
    inside = (avg_loss > DECAY_WINDOW[0]) & (avg_loss < DECAY_WINDOW[1])
    points = int(inside.sum())
    if points < 2:
        return float("nan"), points
    return float(np.polyfit(epochs[inside], np.log(avg_loss[inside]), 1)[0]), points


def ramps(rows: Rows, order: Sequence[int], lengths: Sequence[int]) -> pd.DataFrame:
    """Run range tests: trainings whose rate grows from epoch to epoch."""
    table = []
    for shape, spaced in SHAPES.items():
        for length in lengths:
            rates = spaced(*RAMP, length).round(RATE_PLACES)
            avg_loss = ramped(rows.take(list(order)), rates)
            read = {name: first_rise(avg_loss, share) for name, share in (("rise", RISE), ("fourfold", FOURFOLD))}
            read["steepest"] = steepest_fall(avg_loss[: read["fourfold"]])
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


def steepest_fall(avg_loss: Floats) -> int | None:
    """Return the place of the loss furthest below the one before it, None where there are no two losses."""
    return 1 + int(np.argmin(np.diff(avg_loss))) if len(avg_loss) > 1 else None
