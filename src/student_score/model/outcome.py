"""How a training ended, decided from the state it ended in; every outcome is a result, none is an error."""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from student_score.arrays import Floats, Integers

COLLAPSED_SPREAD = 1e-3
"""Score points. Predictions closer together than this are one prediction: scores are whole points."""

CONVERGED_SHARE = 1e-4
"""Share of the target's variance. A fit this good explains 99.99 % of it, whatever the loss still does."""

OSCILLATION_WINDOW = 100
"""Epochs, the last ones, in which oscillation is looked for."""

OSCILLATION_RISES = 10
"""Epochs. Rounding makes a settled loss rise now and then; a tenth of the window is more than rounding does."""

OSCILLATION_SWING = 0.01
"""Relative. The largest avg_loss of the window must exceed the smallest by this share to count as oscillation."""

STATIONARY_WINDOW = 0.1
"""Share of the epochs, the last ones, over which a loss that no longer moves is compared with itself."""

STATIONARY_CHANGE = 1e-3
"""Relative. A loss that changes by less than this over that window no longer moves."""

FIT_SHARE = 0.01
"""A stationary network that beats the mean by less than 1 % of the variance has learned nothing: it is stuck."""


class Outcome(Enum):
    """How a training ended. The order is the order of the rules: the first that applies decides.

    >>> from student_score import Outcome
    >>> [outcome.name for outcome in Outcome]
    ['diverged', 'collapsed', 'converged', 'oscillating', 'stuck', 'slow']
    >>> Outcome.collapsed.sentence
    'the network predicts the same score for every student'
    """

    diverged = "diverged"
    collapsed = "collapsed"
    converged = "converged"
    oscillating = "oscillating"
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
    Outcome.converged: Look(
        "the network fits its training rows and has stopped moving, or fits them almost exactly", "#009E73", "o"
    ),
    Outcome.slow: Look("the loss was still falling when the epochs ran out", "#0072B2", "D"),
    Outcome.oscillating: Look("the loss keeps rising and falling without settling", "#CC79A7", "v"),
    Outcome.stuck: Look("the loss no longer moves, and the fit is no better than the mean score", "#999999", "s"),
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

    `late_rises`, `late_min` and `late_max` describe avg_loss in the last OSCILLATION_WINDOW epochs;
    `tenth_avg_loss` is avg_loss one tenth of the epochs before the last.
    """

    finite: Value
    prediction_spread: Value
    train_mse: Value
    target_variance: float
    target_spread: float
    late_rises: Value
    late_min: Value
    late_max: Value
    tenth_avg_loss: Value
    last_avg_loss: Value


def end_state(
    avg_loss: Floats,
    predictions: Floats,
    targets: Floats,
    *,
    train_mse: float,
    finite: bool,
) -> EndState[float]:
    """Summarise a training's end.

    Args:
        avg_loss: (epochs,) avg_loss of every epoch, score points squared.
        predictions: (n,) final predictions on the training rows, score points.
        targets: (n,) scores of the training rows.
        train_mse: mean squared error at the final weights.
        finite: whether every avg_loss and every weight stayed finite.
    """
    late = avg_loss[-OSCILLATION_WINDOW:]
    tenth = max(1, int(len(avg_loss) * STATIONARY_WINDOW))
    return EndState(
        finite=finite,
        prediction_spread=float(np.ptp(predictions)) if finite else float("nan"),
        train_mse=train_mse,
        target_variance=float(np.var(targets)),
        target_spread=float(np.ptp(targets)),
        late_rises=int(np.count_nonzero(late[1:] > late[:-1])),
        late_min=float(late.min()),
        late_max=float(late.max()),
        # A single epoch shows no change, which is no evidence that nothing changes.
        tenth_avg_loss=float(avg_loss[-1 - tenth]) if len(avg_loss) > tenth else float("inf"),
        last_avg_loss=float(avg_loss[-1]),
    )


OUTCOMES = tuple(Outcome)
"""The outcomes by their codes."""


def classify(state: EndState[float]) -> Outcome:
    """Return the outcome of one training."""
    return OUTCOMES[int(outcome_codes(state))]


def outcome_codes(state: EndState[float] | EndState[NDArray[Any]]) -> Integers:
    """Return the place in OUTCOMES of each training's outcome: the first rule that applies, in the order of `Outcome`.

    One training has one code, in an array without dimensions.
    """
    # Targets that do not differ are rightly predicted by one number: that is a fit, not a collapse, and its
    # yardstick is the spread that would count as none.
    variance = np.maximum(state.target_variance, COLLAPSED_SPREAD**2)
    # The losses of a diverged training may differ by inf - inf, and those of one about to diverge may exceed a double
    # when they are multiplied.
    with np.errstate(invalid="ignore", over="ignore"):
        moved = np.abs(np.subtract(state.last_avg_loss, state.tenth_avg_loss))
        stationary = moved < np.multiply(STATIONARY_CHANGE, state.tenth_avg_loss)
        swings = state.late_max > np.multiply(1 + OSCILLATION_SWING, state.late_min)
    same_prediction = np.less(state.prediction_spread, COLLAPSED_SPREAD)
    fits = state.train_mse < (1 - FIT_SHARE) * variance
    rules = [
        (np.logical_not(state.finite), Outcome.diverged),
        (same_prediction & np.greater_equal(state.target_spread, COLLAPSED_SPREAD), Outcome.collapsed),
        (state.train_mse < CONVERGED_SHARE * variance, Outcome.converged),
        (np.greater_equal(state.late_rises, OSCILLATION_RISES) & swings, Outcome.oscillating),
        (stationary & fits, Outcome.converged),
        (stationary, Outcome.stuck),
    ]
    codes = [OUTCOMES.index(outcome) for _, outcome in rules]
    return np.select([rule for rule, _ in rules], codes, default=OUTCOMES.index(Outcome.slow))
