"""The network as a regressor of scikit-learn's, for pipelines, searches and cross-validation.

It alone of the core imports scikit-learn when it is imported: base classes cannot come late.
"""

import warnings
from enum import Enum
from numbers import Integral, Real
from typing import Any, Self, TypeVar

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data

from student_score.arrays import Floats
from student_score.data.rows import Rows, Scale, Scaling, Split
from student_score.errors import InputError
from student_score.model.activations import Activation
from student_score.model.network import Initialisation, Parameters, initialise
from student_score.model.outcome import COLLAPSED_SPREAD, Outcome, classify, end_state
from student_score.model.sampling import Sampling, seed_after
from student_score.training.setup import check_epochs
from student_score.training.train import predict_scores, train

ADVICE: dict[Outcome, str] = {
    Outcome.diverged: "lower learning_rate",
    Outcome.collapsed: "lower learning_rate, or take another random_state or activation='leaky_relu'",
    Outcome.oscillating: "lower learning_rate",
    Outcome.stuck: "take another learning_rate or random_state; if nothing helps, the features may not tell the target",
    Outcome.slow: "raise epochs or learning_rate",
}
"""What to try where the result is not to be trusted yet. Without an entry, `fit` does not warn."""

KEPT = ("hidden_size", "activation", "initialisation", "scale")
"""Parameters that a training in progress cannot change."""

Choice = TypeVar("Choice", bound=Enum)


class StudentScoreRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn comes without types
    """One hidden layer and a linear output, trained by gradient descent that does not stop before its epochs are over.

    The same data and settings give the same bits as `student-score`, where `random_state` is both `network.seed` and
    `training.seed`. Sample weights are not supported.

    Args:
        hidden_size: hidden units, at least 1.
        activation: of the hidden units: relu, leaky_relu, tanh, sigmoid or identity.
        initialisation: where the weights start: he, glorot or article.
        learning_rate: the size of a step, positive and finite.
        epochs: passes over the training rows, at least 1.
        sampling: in which order, and how many rows at a time: shuffled, with_replacement, cyclic or full_batch.
        scale: what is standardised on the rows of `fit`: none, features or features_and_target.
        random_state: seed of the start and of the rows' order; a `RandomState`, or NumPy's own for None, is asked for
            one.

    Attributes:
        outcome_: how the training ended, an `Outcome`. It is judged in the target's own units, as score points: targets
            that differ by less than a thousandth have to be multiplied first, as a warning says.
        loss_curve_: (n_iter_,) avg_loss of every epoch, in the target's units squared.
        n_iter_: epochs that were run; fewer than `epochs` only if the training diverged.
        parameters_: the weights and biases, in the network's own units.
        scaling_: how features and target are standardised.
        n_features_in_: features of a row.
        feature_names_in_: (n_features_in_,) names of the features, where X had names.

    >>> from sklearn.datasets import make_friedman1
    >>> from student_score import StudentScoreRegressor
    >>> X, y = make_friedman1(n_samples=300, noise=0.5, random_state=0)
    >>> model = StudentScoreRegressor(learning_rate=0.03, epochs=400, random_state=0).fit(X[:200], y[:200])
    >>> model.outcome_.name, round(model.score(X[200:], y[200:]), 2)
    ('settled', 0.93)
    """

    parameters_: Parameters
    scaling_: Scaling
    outcome_: Outcome
    loss_curve_: Floats
    n_iter_: int

    def __init__(
        self,
        hidden_size: int = 8,
        *,
        activation: str | Activation = "relu",
        initialisation: str | Initialisation = "he",
        learning_rate: float = 0.01,
        epochs: int = 200,
        sampling: str | Sampling = "shuffled",
        scale: str | Scale = "features_and_target",
        random_state: int | RandomState | None = None,
    ) -> None:
        self.hidden_size = hidden_size
        self.activation = activation
        self.initialisation = initialisation
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.sampling = sampling
        self.scale = scale
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803 - scikit-learn's name
        """Train a new network.

        Warns with a ConvergenceWarning, which says how the training ended and what to try, unless it converged or
        settled. The first fit on a machine compiles the trainer, in some five seconds; the first of
        a process loads it, in half of one.

        Args:
            X: (n, n_features) numbers, none of them missing.
            y: (n,) targets.

        Raises:
            ValueError: X, y or a parameter is outside its range; an InputError where the sentence is ours.
            TypeError: a parameter, or X, is of another kind.
        """
        self._check_kinds()
        rows = self._rows(X, y, reset=True)
        seed = seed_of(self.random_state)
        self._train(rows, *self._beginning(rows, seed), seed, epochs=self.epochs)
        if self.outcome_ in ADVICE:
            self._warn()
        if 0 < (spread := float(np.ptp(rows.targets))) < COLLAPSED_SPREAD:
            warnings.warn(
                f"the targets differ by no more than {spread:.3g}, where predictions within {COLLAPSED_SPREAD:g} count "
                "as one: outcome_ says nothing; multiply them",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def partial_fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803 - scikit-learn's name
        """Train for one epoch, from where the last call ended.

        Rows are standardised as in the first call. As many calls with the same rows as there are epochs end as `fit`
        does, bit for bit. Warns only if the training diverged.

        Args:
            X: (n, n_features) numbers, none of them missing.
            y: (n,) targets.

        Raises:
            ValueError: as `fit`; or the training had diverged, or a parameter changed that cannot change.
            TypeError: as `fit`.
        """
        self._check_kinds()
        begun = hasattr(self, "parameters_")
        if begun:
            self._check_unchanged()
        rows = self._rows(X, y, reset=not begun)
        if begun:
            self._train(rows, self.scaling_, self.parameters_, self._next_seed, epochs=1, earlier=self.loss_curve_)
        else:
            seed = seed_of(self.random_state)
            self._train(rows, *self._beginning(rows, seed), seed, epochs=1)
        if self.outcome_ is Outcome.diverged:
            self._warn()
        return self

    def predict(self, X: ArrayLike) -> Floats:  # noqa: N803 - scikit-learn's name
        """Return the predictions (n,), in the target's units, for X (n, n_features).

        Raises:
            ValueError: X does not fit what was trained, or is too large for predictions to be finite; or the training
                diverged, so that there is nothing to predict with.
        """
        check_is_fitted(self)
        features: Floats = validate_data(self, X, dtype=np.float64, reset=False)
        self._check_usable()
        activation = chosen("activation", self._begun["activation"], Activation)
        with np.errstate(all="ignore"):  # What is too large gets a sentence.
            scores = predict_scores(self.parameters_, features, activation=activation, scaling=self.scaling_)
        if bad := int(np.count_nonzero(~np.isfinite(scores))):
            raise InputError(f"X: {bad} of {len(scores)} rows have predictions beyond what a double can hold")
        return scores

    def _check_kinds(self) -> None:
        """Raise TypeError or ValueError unless every number is one; its range is the trainers' to check."""
        for name in ("hidden_size", "epochs"):
            check_scalar(getattr(self, name), name, Integral)
        check_scalar(self.learning_rate, "learning_rate", Real)
        check_epochs(self.epochs)

    def _check_unchanged(self) -> None:
        """Raise InputError unless the training in progress can go on."""
        self._check_usable()
        for name in KEPT:
            if getattr(self, name) != self._begun[name]:
                raise InputError(
                    f"{name}={getattr(self, name)}: the training in progress began with {self._begun[name]}; fit "
                    "begins another"
                )

    def _check_usable(self) -> None:
        """Raise InputError if the training diverged."""
        if self.outcome_ is Outcome.diverged:
            raise InputError(
                f"the training diverged in epoch {self.n_iter_}, so that there is no network to use; "
                f"{self._advice()}, and fit again"
            )

    def _advice(self) -> str:
        """Return what to try."""
        bare = self.outcome_ is Outcome.diverged and self._begun["scale"] in {"none", Scale.none}
        return ADVICE[self.outcome_] + (", or standardise with scale='features_and_target'" if bare else "")

    def _rows(self, X: ArrayLike, y: ArrayLike, *, reset: bool) -> Rows:  # noqa: N803 - scikit-learn's name
        """Return checked rows; `reset` says whether their columns are new or have to be those of the first call."""
        features, targets = validate_data(self, X, y, dtype=np.float64, y_numeric=True, reset=reset)
        return Rows(features, targets.astype(np.float64, copy=False))

    def _beginning(self, rows: Rows, seed: int) -> tuple[Scaling, Parameters]:
        """Return how rows are standardised, and where a new network starts."""
        start = initialise(
            chosen("initialisation", self.initialisation, Initialisation),
            n_features=rows.features.shape[1],
            hidden_size=self.hidden_size,
            seed=seed,
        )
        return Scaling.fit(rows, chosen("scale", self.scale, Scale)), start

    def _train(
        self, rows: Rows, scaling: Scaling, start: Parameters, seed: int, *, epochs: int, earlier: ArrayLike = ()
    ) -> None:
        """Train from `start`, after epochs with the losses `earlier`, and keep where and how it ended."""
        sampling = chosen("sampling", self.sampling, Sampling)
        trajectory = train(
            Split(rows, None, scaling, train_indices=tuple(range(len(rows))), test_indices=()),
            start,
            learning_rate=self.learning_rate,
            epochs=epochs,
            activation=chosen("activation", self.activation, Activation),
            sampling=sampling,
            seed=seed,
            recorded_epochs=(),
        )
        self.scaling_, self.parameters_ = scaling, trajectory.final
        self.loss_curve_ = np.concatenate([earlier, trajectory.avg_loss])
        self.n_iter_ = len(self.loss_curve_)
        with np.errstate(all="ignore"):  # What is beyond a double has diverged.
            end = end_state(
                self.loss_curve_,
                trajectory.predictions,
                rows.targets,
                train_mse=trajectory.end.train_mse,
                finite=trajectory.diverged_epoch is None,
                random_order=sampling.is_random,
            )
        self.outcome_ = classify(end)
        self._begun: dict[str, Any] = {name: getattr(self, name) for name in KEPT}
        self._next_seed = seed_after(sampling, len(rows), epochs, seed=seed)

    def _warn(self) -> None:
        """Say how the training ended and what to try, in the line of the caller's caller."""
        warnings.warn(
            f"{type(self).__name__} ended as {self.outcome_.name} in epoch {self.n_iter_} "
            f"(learning_rate={self.learning_rate:g}): {self.outcome_.sentence}. To try: {self._advice()}.",
            ConvergenceWarning,
            stacklevel=3,
        )


def chosen(name: str, value: str | Choice, choices: type[Choice]) -> Choice:
    """Return the member of an enum that is named or given.

    Raises:
        InputError: there is none.
    """
    try:
        return choices(value)
    except ValueError:
        raise InputError(f"{name}={value!r}: it can be {', '.join(choice.name for choice in choices)}") from None


def seed_of(random_state: int | RandomState | None) -> int:
    """Return the seed that a random state is or, if it is a generator, draws.

    Raises:
        ValueError: it is neither, or out of range.
    """
    generator = check_random_state(random_state)
    return int(random_state) if isinstance(random_state, int | np.integer) else int(generator.randint(2**31))
