"""Train thousands of networks at once, and keep of each how it ended."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from student_score.arrays import Floats, Integers
from student_score.model.outcome import OUTCOMES, EndState, Outcome, outcome_codes
from student_score.training.setup import Effort, Networks, Setup


@dataclass(frozen=True, eq=False, kw_only=True)
class Trainings:
    """How many networks, trained on the same rows, ended; losses in score points squared.

    Attributes:
        finals: (networks, size) flat parameters after the last epoch run, in the networks' own units.
        recorded_epochs: (m,) the epochs at which the curves below were taken.
        avg_loss, train_mse: (networks, m) curves; NaN where divergence left nothing to record.
        test_mse: (networks, m) the same on the test rows; None without test rows.
        last_avg_loss: (networks,) avg_loss of the last epoch that ran.
        collapse_epoch, diverged_epoch: (networks,) epochs as in `Trajectory`; 0 if none.
        end: what the outcomes were decided from.
        outcome_codes: (networks,) places in `outcome.OUTCOMES`.
    """

    finals: Floats
    recorded_epochs: Integers
    avg_loss: Floats
    train_mse: Floats
    test_mse: Floats | None
    last_avg_loss: Floats
    collapse_epoch: Integers
    diverged_epoch: Integers
    end: EndState[Any]
    outcome_codes: Integers

    def __len__(self) -> int:
        return len(self.finals)

    @property
    def outcomes(self) -> list[Outcome]:
        """How each training ended."""
        return [OUTCOMES[code] for code in self.outcome_codes]


def train_many(setup: Setup, networks: Networks, effort: Effort | None = None) -> Trainings:
    """Train many networks at once, each as `train` would, bit for bit.

    >>> import numpy as np
    >>> from student_score import ARTICLE_ROWS, ARTICLE_START, Networks, Setup, split_rows, train_many
    >>> setup = Setup(split=split_rows(ARTICLE_ROWS), hidden_size=2, epochs=1000)
    >>> rates = np.linspace(0.0018, 0.00225, 100_000)
    >>> many = train_many(setup, Networks(starts=ARTICLE_START.flat(), learning_rate=rates))
    >>> len(many), sorted({outcome.name for outcome in many.outcomes})
    (100000, ['collapsed', 'converged', 'oscillating', 'slow'])

    Args:
        setup: what they share.
        networks: what belongs to each.
        effort: how to go about it; the bits are the same.

    Raises:
        InputError: the two do not fit together, or the machine's memory does not hold the results.
    """
    from student_score.training.engine import train_networks  # Late: importing numba takes half a second.

    scaling, targets = setup.split.scaling, setup.split.train.targets
    trained = train_networks(setup, networks, effort, keep_predictions=True)
    finite = trained.diverged_epoch == 0
    with np.errstate(all="ignore"):  # A diverged network predicts inf or nan: a result, not a fault.
        predictions = scaling.scores(trained.predictions)
        end = EndState(
            finite=finite,
            prediction_spread=np.where(finite, np.ptp(predictions, axis=1), np.nan),
            train_mse=np.mean((predictions - targets) ** 2, axis=1),
            target_variance=float(np.var(targets)),
            target_spread=float(np.ptp(targets)),
            random_order=setup.sampling.is_random,
            late_rises=trained.late_rises,
            late_rise=trained.late_rise,
            late_min=trained.late_min,
            late_max=trained.late_max,
            late_mean=trained.late_mean,
            earlier_mean=trained.earlier_mean,
        )
        points = scaling.squared_points
        return Trainings(
            finals=trained.finals,
            recorded_epochs=trained.recorded_epochs,
            avg_loss=trained.avg_loss * points,
            train_mse=trained.train_mse * points,
            test_mse=None if trained.test_mse is None else trained.test_mse * points,
            last_avg_loss=trained.last_avg_loss,
            collapse_epoch=trained.collapse_epoch,
            diverged_epoch=trained.diverged_epoch,
            end=end,
            outcome_codes=outcome_codes(end),
        )
