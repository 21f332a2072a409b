"""How a training ended, decided from the state it ended in; every outcome is a result, none is an error."""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from student_score.arrays import Floats, Integers

COLLAPSED_SPREAD = 1e-3
"""Score points. Predictions closer together than this are one prediction: scores are whole points."""

CONVERGED_SHARE = 1e-4
"""Share of the target's variance. A fit this good explains 99.99 % of it, whatever the loss still does."""

WINDOW = 0.1
"""Share of the epochs, the last ones, in which is looked whether avg_loss moves; it is compared with as many before."""

RISING_SHARE = 0.1
"""Of the steps in the window. Rounding makes a loss at rest rise now and then; this is more than rounding does."""

RISE = 0.01
"""A rise in the window counts as oscillation above this share of the window's lowest loss. Where the rows' order is
random, every epoch draws another loss, and only a share of the target's variance tells a rise from the draw."""

CHANGE = 1e-3
"""Relative. A loss whose mean over the window differs by less than this from that of as many epochs before is at rest.
"""

CHANGE_OF_SWING = 0.1
"""So is one whose two means differ by less than this share of its swing in the window: a steady fall has about 1, what
only jumps about one height has next to nothing, 0.03 for independent draws in 100 epochs."""

FIT_SHARE = 0.01
"""A stationary network that beats the mean by less than 1 % of the variance has learned nothing: it is stuck."""


class Outcome(Enum):
    """How a training ended. The order is the order of the rules: the first that applies decides.

    >>> from student_score import Outcome
    >>> [outcome.name for outcome in Outcome]
    ['diverged', 'collapsed', 'converged', 'oscillating', 'settled', 'stuck', 'slow']
    >>> Outcome.collapsed.sentence
    'the network predicts the same score for every student'
    """

    diverged = "diverged"
    collapsed = "collapsed"
    converged = "converged"
    oscillating = "oscillating"
    settled = "settled"
    stuck = "stuck"
    slow = "slow"

    @property
    def sentence(self) -> str:
        """What the outcome means, in words for people."""
        return LOOKS[self].sentence

    @property
    def colour(self) -> str:
        """Its colour in figures and in the MLflow UI."""
        return LOOKS[self].colour

    @property
    def marker(self) -> str:
        """Its marker in figures, as matplotlib names them."""
        return LOOKS[self].marker


class Look(NamedTuple):
    """How an outcome is shown to people."""

    sentence: str
    colour: str
    marker: str


LOOKS: dict[Outcome, Look] = {
    Outcome.converged: Look("the network fits its training rows almost exactly", "#009E73", "o"),
    Outcome.settled: Look("the loss has come to rest; the fit beats the mean score and is not exact", "#56B4E9", "P"),
    Outcome.slow: Look("the loss had not come to rest when the epochs ran out", "#0072B2", "D"),
    Outcome.oscillating: Look("the loss keeps rising and falling without settling", "#CC79A7", "v"),
    Outcome.stuck: Look("the loss has come to rest, and the fit is no better than the mean score", "#999999", "s"),
    Outcome.collapsed: Look("the network predicts the same score for every student", "#D55E00", "X"),
    Outcome.diverged: Look("a loss or a weight grew beyond what a double can hold", "#000000", "^"),
}
"""From best to worst, as legends list them. The colours are Okabe and Ito's, which most colour-blind readers can tell
apart."""


Value = TypeVar("Value", float, NDArray[Any])
"""A number of one training, or an array with one for each of many."""


@dataclass(frozen=True, kw_only=True)
class EndState(Generic[Value]):
    """What an outcome is decided from; losses in score points squared, predictions in score points.

    `late_rises` is the share of steps upwards of avg_loss in the window, the last tenth of the epochs, `late_rise` its
    largest rise above an earlier epoch there, and `late_min`, `late_max` and `late_mean` describe it; `earlier_mean` is
    its mean over as many epochs before, infinite without any. All are NaN for a diverged training.
    `random_order` says whether the rows' order is random, so that a rise may be one of the draw.
    """

    finite: Value
    prediction_spread: Value
    train_mse: Value
    target_variance: float
    target_spread: float
    random_order: bool
    late_rises: Value
    late_rise: Value
    late_min: Value
    late_max: Value
    late_mean: Value
    earlier_mean: Value

    @property
    def explained(self) -> Value:
        """The share of the target's variance that is explained, R²; NaN where it has none or the training diverged."""
        variance = self.target_variance if self.target_variance > 0 else np.nan
        with np.errstate(invalid="ignore", over="ignore"):
            share: Any = np.where(self.finite, 1 - np.divide(self.train_mse, variance), np.nan)[()]
        return cast("Value", share)


def can_collapse(target_spread: float) -> bool:
    """Say whether one prediction for all rows is a collapse: of targets that do not differ it is a fit."""
    return target_spread >= COLLAPSED_SPREAD


def window_length(epochs: int) -> int:
    """Return how many epochs the window has: a tenth of all, at least one."""
    return max(1, int(epochs * WINDOW))


def end_state(
    avg_loss: Floats,
    predictions: Floats,
    targets: Floats,
    *,
    train_mse: float,
    finite: bool,
    random_order: bool,
) -> EndState[float]:
    """Summarise a training's end.

    Args:
        avg_loss: (epochs,) avg_loss of every epoch, score points squared.
        predictions: (n,) final predictions on the training rows, score points.
        targets: (n,) scores of the training rows.
        train_mse: mean squared error at the final weights.
        finite: whether every avg_loss and every weight stayed finite.
        random_order: whether the rows' order is random.
    """
    length = window_length(len(avg_loss))
    late, earlier = avg_loss[-length:], avg_loss[-2 * length : -length]
    nan = float("nan")
    return EndState(
        finite=finite,
        prediction_spread=float(np.ptp(predictions)) if finite else nan,
        train_mse=train_mse,
        target_variance=float(np.var(targets)),
        target_spread=float(np.ptp(targets)),
        random_order=random_order,
        late_rises=float(np.count_nonzero(late[1:] > late[:-1]) / max(1, length - 1)) if finite else nan,
        late_rise=float((late - np.minimum.accumulate(late)).max()) if finite else nan,
        late_min=float(late.min()) if finite else nan,
        late_max=float(late.max()) if finite else nan,
        late_mean=mean_in_order(late) if finite else nan,
        # A single epoch shows no change, which is no evidence that nothing changes.
        earlier_mean=(mean_in_order(earlier) if len(earlier) else float("inf")) if finite else nan,
    )


def mean_in_order(values: Floats) -> float:
    """Return the mean of values (n,) added up from the first to the last, as the compiled trainer adds them."""
    with np.errstate(over="ignore"):
        return float(np.cumsum(values)[-1] / len(values))


OUTCOMES = tuple(Outcome)
"""The outcomes by their codes."""


def classify(state: EndState[float]) -> Outcome:
    """Return the outcome of one training."""
    return OUTCOMES[int(outcome_codes(state))]


def outcome_codes(state: EndState[float] | EndState[NDArray[Any]]) -> Integers:
    """Return the place in OUTCOMES of each training's outcome: the first rule that applies, in the order of `Outcome`.

    One training has one code, in an array without dimensions.
    """
    # The yardstick of targets that do not differ is the spread that would count as none.
    variance = np.maximum(state.target_variance, COLLAPSED_SPREAD**2)
    # A training about to diverge has losses whose multiples and sums exceed a double.
    with np.errstate(invalid="ignore", over="ignore"):
        counts_above = RISE * variance if state.random_order else np.multiply(RISE, state.late_min)
        rises = np.greater(state.late_rise, counts_above) & np.greater_equal(state.late_rises, RISING_SHARE)
        change = np.abs(np.subtract(state.late_mean, state.earlier_mean))
        swing = np.subtract(state.late_max, state.late_min)
        at_rest = (change < np.multiply(CHANGE, state.earlier_mean)) | (change < CHANGE_OF_SWING * swing)
    same_prediction = np.less(state.prediction_spread, COLLAPSED_SPREAD)
    beats_the_mean = state.train_mse < (1 - FIT_SHARE) * variance
    rules = [
        (np.logical_not(state.finite), Outcome.diverged),
        (same_prediction & can_collapse(state.target_spread), Outcome.collapsed),
        (state.train_mse < CONVERGED_SHARE * variance, Outcome.converged),
        (rises, Outcome.oscillating),
        (at_rest & beats_the_mean, Outcome.settled),
        (at_rest, Outcome.stuck),
    ]
    codes = [OUTCOMES.index(outcome) for _, outcome in rules]
    return np.select([rule for rule, _ in rules], codes, default=OUTCOMES.index(Outcome.slow))


def r_squared(share: float) -> str:
    """Return a share of explained variance: three digits, four near 1, and no more than that it is far below 0."""
    if math.isnan(share):
        return ""
    if abs(share) < 0.0005:
        return "0"
    if share < -9.995:
        return "< -10"
    if share > 0.99995:
        return "1.000" if share >= 1 - 1e-12 else "> 0.9999"
    return f"{share:.4f}" if share > 0.9995 else f"{share:.3f}"
