"""What is asked of a trainer: what networks trained together share, and what belongs to each. Every check is here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from student_score.arrays import Floats, Integers
from student_score.data.rows import Rows, Split
from student_score.errors import InputError
from student_score.model.activations import Activation
from student_score.model.outcome import can_collapse
from student_score.model.sampling import Sampling, check_row_order

LARGEST_OBSERVED = 500
"""Parameters of an observed network: its Hessian is dense, 2 MB at this size."""


class Trainer(Enum):
    """Which of the two trainers runs; they agree in every bit."""

    compiled = "compiled"
    reference = "reference"


class Observable(Enum):
    """What can be recorded along a training beside its losses.

    `sharpness` is the largest eigenvalue of the Hessian of the half loss on the training rows.
    """

    sharpness = "sharpness"


@dataclass(frozen=True, eq=False, kw_only=True)
class Setup:
    """What networks that are trained together share.

    Attributes:
        split: training rows, test rows and scaling.
        hidden_size: hidden units of every network, at least 1.
        epochs: passes over the training rows, at least 1.
        activation: of the hidden units.
        sampling: in which order, and how many rows at a time.
        recorded_epochs: (m,) increasing epochs after which the mean squared errors are taken; none by default.

    Raises:
        InputError: a value is outside its range.

    >>> from student_score import ARTICLE_ROWS, Activation, Setup, split_rows
    >>> Setup(split=split_rows(ARTICLE_ROWS), hidden_size=8, epochs=1000, activation=Activation.tanh).size
    33
    """

    split: Split
    hidden_size: int
    epochs: int
    activation: Activation = Activation.relu
    sampling: Sampling = Sampling.cyclic
    recorded_epochs: ArrayLike = ()

    def __post_init__(self) -> None:
        check_hidden_size(self.hidden_size)
        check_epochs(self.epochs)
        object.__setattr__(self, "recorded_epochs", self.increasing("recorded_epochs", self.recorded_epochs))

    def increasing(self, name: str, values: ArrayLike) -> Integers:
        """Return epochs as an array (m,), which may be empty; InputError unless they increase within 1..epochs."""
        given = np.asarray(values)
        wanted = np.ascontiguousarray(given, dtype=np.int64)
        inside = wanted.ndim == 1 and bool((wanted >= 1).all() and (wanted <= self.epochs).all())
        if not inside or (np.diff(wanted) <= 0).any() or (wanted != given).any():
            raise InputError(f"{name}={given} must be whole numbers that increase within 1..{self.epochs}")
        return wanted

    @property
    def can_collapse(self) -> bool:
        """Whether the training targets differ, so that one prediction for all rows is a collapse and not a fit."""
        return can_collapse(float(np.ptp(self.split.train.targets)))

    @property
    def n_features(self) -> int:
        """Features of a row."""
        return int(self.split.train.features.shape[1])

    @property
    def size(self) -> int:
        """Weights and biases of a network."""
        return self.hidden_size * (self.n_features + 2) + 1

    @cached_property
    def scaled(self) -> tuple[Rows, ...]:
        """The training rows, and the test rows if there are any, as the networks see them."""
        split = self.split
        return tuple(split.scaling.apply(rows) for rows in (split.train, split.test) if rows is not None)


class Each(NamedTuple):
    """What belongs to each network: the first axis of every array counts the networks."""

    starts: Floats
    hidden_rates: Floats
    output_rates: Floats
    row_orders: Integers
    seeds: NDArray[np.uint64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Networks:
    """What belongs to each network: an entry for each along the first axis, or one for all of them.

    Attributes:
        starts: (size,) or (networks, size) flat parameters to start from, as `Parameters.flat` orders them.
        learning_rate: () or (networks,) step size, positive and finite.
        output_learning_rate: () or (networks,) step size of w2 and b2 where it differs from that of w1 and b1.
        row_order: (n,) or (networks, n) permutations of 0..n-1 for `cyclic` and `full_batch`; 0, 1, ... by default.
        seed: () or (networks,) integers, of the random orders of `shuffled` and `with_replacement`.

    Raises:
        InputError: a value is outside its range. Whether they fit a setup shows when they meet it, in `each`.

    >>> from student_score import ARTICLE_ROWS, ARTICLE_START, Networks, Setup, split_rows
    >>> networks = Networks(starts=ARTICLE_START.flat(), learning_rate=[0.0001, 0.001, 0.01])
    >>> networks.each(Setup(split=split_rows(ARTICLE_ROWS), hidden_size=2, epochs=1000)).starts.shape
    (3, 9)
    """

    starts: ArrayLike
    learning_rate: ArrayLike
    output_learning_rate: ArrayLike | None = None
    row_order: ArrayLike | None = None
    seed: ArrayLike = 0

    def __post_init__(self) -> None:
        for name, values in vars(self).items():
            check_regular(name, values)
        check_learning_rate(self.learning_rate)
        if self.output_learning_rate is not None:
            check_learning_rate(self.output_learning_rate, name="output_learning_rate")
        if np.asarray(self.seed).dtype.kind not in "iu":
            raise InputError(f"seed={self.seed} must be whole numbers of at most 64 bits")

    def each(self, setup: Setup) -> Each:
        """Return an entry for each network, without copying what they share.

        Raises:
            InputError: shapes do not fit the setup or each other, or a row order is none of its rows.
        """
        n = len(setup.split.train)
        given: dict[str, tuple[NDArray[Any], tuple[int, ...]]] = {
            "starts": (np.asarray(self.starts, dtype=np.float64), (setup.size,)),
            "learning_rate": (np.asarray(self.learning_rate, dtype=np.float64), ()),
            "row_order": (np.arange(n) if self.row_order is None else np.asarray(self.row_order), (n,)),
            # A negative seed wraps around, as in `sampling`.
            "seed": (np.asarray(self.seed).astype(np.uint64), ()),
        }
        if self.output_learning_rate is not None:
            given["output_learning_rate"] = (np.asarray(self.output_learning_rate, dtype=np.float64), ())
        if self.row_order is not None:
            check_row_orders(given["row_order"][0], n, setup.sampling)
            given["row_order"] = (given["row_order"][0].astype(np.int64, copy=False), (n,))
        networks = count(given, setup)
        spread = {name: np.broadcast_to(values, (networks, *own)) for name, (values, own) in given.items()}
        return Each(
            starts=spread["starts"],
            hidden_rates=spread["learning_rate"],
            output_rates=spread.get("output_learning_rate", spread["learning_rate"]),
            row_orders=spread["row_order"],
            seeds=spread["seed"],
        )


class Effort(NamedTuple):
    """How the compiled trainer goes about its work, which changes no bit.

    Attributes:
        threads: 1..NUMBA_NUM_THREADS; all of them by default.
        progress: called in the calling thread as progress(networks done, networks), first with 0, before compilation.
        special: whether a kernel of the networks' own size and activation trains, or the general one; by default what
            ends sooner, compilation included.
    """

    threads: int | None = None
    progress: Callable[[int, int], None] | None = None
    special: bool | None = None


def check_regular(name: str, values: ArrayLike | None) -> None:
    """Raise InputError unless the values can stand in one array."""
    try:
        np.asarray(values)
    except ValueError:
        raise InputError(f"{name}: its entries are of different lengths, and need one shape") from None


def check_hidden_size(hidden_size: int) -> None:
    """Raise InputError unless a network has a hidden unit."""
    if hidden_size < 1:
        raise InputError(f"hidden_size={hidden_size}: it must be at least 1")


def check_epochs(epochs: int) -> None:
    """Raise InputError unless there is an epoch to train."""
    if epochs < 1:
        raise InputError(f"epochs={epochs}: it must be at least 1")


def check_learning_rate(learning_rate: ArrayLike, *, name: str = "learning_rate") -> None:
    """Raise InputError, naming the first that is not, unless every rate is positive and finite."""
    rates = np.asarray(learning_rate, dtype=np.float64)
    good = np.isfinite(rates) & (rates > 0)
    if not good.all():
        raise InputError(f"{name}={rates[~good].flat[0]}: it must be a positive, finite number")


def check_observe(observe: Sequence[Observable], size: int) -> None:
    """Raise InputError unless a network of `size` parameters can be observed, each observable named once."""
    names = f"observe=[{','.join(observable.name for observable in observe)}]"
    if len(set(observe)) < len(observe):
        raise InputError(f"{names}: each can be named only once")
    if observe and size > LARGEST_OBSERVED:
        raise InputError(
            f"{names}: a network of {size} parameters is too large, it may have at most {LARGEST_OBSERVED}"
        )


def check_row_orders(orders: NDArray[Any], n: int, sampling: Sampling) -> None:
    """Raise InputError, naming the first that is none, unless each order, (n,) or (networks, n), is one of n rows."""
    rows = np.atleast_2d(orders)
    fixed = sampling in {Sampling.cyclic, Sampling.full_batch}
    bad = (np.sort(rows) != np.arange(n)).any(axis=-1) if fixed and rows.shape[-1] == n else np.ones(len(rows), bool)
    for order in rows[bad][:1].tolist():
        check_row_order(order, n, sampling)


def count(given: dict[str, tuple[NDArray[Any], tuple[int, ...]]], setup: Setup) -> int:
    """Return how many networks the arrays are for, given each array with the shape of one network's entry.

    Raises:
        InputError: an array has another shape, or they disagree.
    """
    counts = {}
    for name, (values, own) in given.items():
        if values.ndim not in {len(own), len(own) + 1} or values.shape[values.ndim - len(own) :] != own:
            many = "(" + ", ".join(map(str, ("networks", *own))) + ("," if not own else "") + ")"
            raise InputError(
                f"{name} has shape {values.shape}; {setup.n_features} features, hidden_size={setup.hidden_size} and "
                f"{len(setup.split.train)} rows need {own} or {many}"
            )
        if values.ndim > len(own):
            counts[name] = len(values)
    if len(set(counts.values())) > 1 or 0 in counts.values():
        raise InputError(f"the number of networks must be the same, at least 1, in every argument, but is {counts}")
    return next(iter(counts.values()), 1)
