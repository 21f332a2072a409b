"""The network's parameters: where they start, how they lie in one flat vector, and what they predict."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np

from student_score.arrays import Floats, Mask
from student_score.errors import InputError
from student_score.model.activations import Activation


@dataclass(frozen=True, eq=False)
class Parameters:
    """Weights and biases of a network with one hidden layer and one linear output.

    Attributes:
        w1: (n_features, hidden_size) weights from feature i to hidden unit j.
        b1: (hidden_size,) biases of the hidden units.
        w2: (hidden_size,) weights from hidden unit j to the score.
        b2: bias of the score.

    >>> from student_score import ARTICLE_START, Parameters
    >>> dict(ARTICLE_START.named())["w1_2_1"], ARTICLE_START.size
    (0.3, 9)
    >>> Parameters.from_flat(ARTICLE_START.flat(), n_features=2, hidden_size=2).w1.tolist()
    [[0.4, 0.6], [0.3, -0.2]]
    """

    w1: Floats
    b1: Floats
    w2: Floats
    b2: float

    def __post_init__(self) -> None:
        for name, expected in (("b1", (self.hidden_size,)), ("w2", (self.hidden_size,))):
            if getattr(self, name).shape != expected:
                raise InputError(f"{name} has shape {getattr(self, name).shape}; w1 needs {expected}")

    @property
    def n_features(self) -> int:
        """Number of features of a row."""
        return int(self.w1.shape[0])

    @property
    def hidden_size(self) -> int:
        """Number of hidden units."""
        return int(self.w1.shape[1])

    @property
    def size(self) -> int:
        """Number of weights and biases."""
        return self.hidden_size * (self.n_features + 2) + 1

    def flat(self) -> Floats:
        """Return all parameters as one vector: w1 row by row, b1, w2, b2."""
        return np.concatenate([self.w1.ravel(), self.b1, self.w2, [self.b2]])

    @classmethod
    def from_flat(cls, vector: Floats, *, n_features: int, hidden_size: int) -> "Parameters":
        """Return the parameters that `flat` would write as `vector`."""
        if vector.shape != (hidden_size * (n_features + 2) + 1,):
            raise InputError(
                f"a flat vector of shape {vector.shape} cannot hold {n_features} features and {hidden_size} units"
            )
        w1, b1, w2, b2 = np.split(vector, np.cumsum([n_features * hidden_size, hidden_size, hidden_size]))
        return cls(w1.reshape(n_features, hidden_size).copy(), b1.copy(), w2.copy(), float(b2[0]))

    def named(self) -> Iterator[tuple[str, float]]:
        """Yield every parameter with its name, counted from 1 as the article does: w1_1_2, b1_1, w2_1, b2."""
        for i, row in enumerate(self.w1, start=1):
            yield from ((f"w1_{i}_{j}", float(w)) for j, w in enumerate(row, start=1))
        yield from ((f"b1_{j}", float(b)) for j, b in enumerate(self.b1, start=1))
        yield from ((f"w2_{j}", float(w)) for j, w in enumerate(self.w2, start=1))
        yield "b2", self.b2

    def is_finite(self) -> bool:
        """Say whether every weight and bias is a finite number."""
        return bool(np.isfinite(self.flat()).all())


class Initialisation(Enum):
    """Where the parameters start."""

    article = "article"
    he = "he"
    glorot = "glorot"


ARTICLE_START = Parameters(
    w1=np.array([[0.4, 0.6], [0.3, -0.2]]),
    b1=np.array([0.5, -0.1]),
    w2=np.array([0.8, 0.5]),
    b2=10.0,
)
"""The tutorial's fixed start: two features, two hidden units."""


def initialise(initialisation: Initialisation, *, n_features: int, hidden_size: int, seed: int = 0) -> Parameters:
    """Return the parameters a training starts from.

    `he` draws weights from a normal distribution with variance 2 / fan_in (He et al. 2015, equation 10), `glorot`
    from one with variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010, equation 12); biases start at 0. The fans
    are n_features and hidden_size for w1, hidden_size and 1 for w2.

    >>> from student_score import initialise
    >>> from student_score.model.network import Initialisation
    >>> start = initialise(Initialisation.he, n_features=2, hidden_size=8, seed=1)
    >>> start.w1.shape, start.size, start.b2
    ((2, 8), 33, 0.0)
    """
    if n_features < 1 or hidden_size < 1:
        raise InputError(f"n_features={n_features}, hidden_size={hidden_size}: both must be at least 1")
    if initialisation is Initialisation.article:
        if (n_features, hidden_size) != (ARTICLE_START.n_features, ARTICLE_START.hidden_size):
            raise InputError(
                "initialisation=article has 2 features and 2 hidden units, but this network has "
                f"{n_features} and {hidden_size}; he or glorot fit any"
            )
        return ARTICLE_START
    rng = np.random.default_rng(seed)
    fan_out = {Initialisation.he: (0, 0), Initialisation.glorot: (hidden_size, 1)}[initialisation]
    return Parameters(
        w1=rng.normal(size=(n_features, hidden_size)) * np.sqrt(2 / (n_features + fan_out[0])),
        b1=np.zeros(hidden_size),
        w2=rng.normal(size=hidden_size) * np.sqrt(2 / (hidden_size + fan_out[1])),
        b2=0.0,
    )


def weighted_sum(values: Floats, weights: Floats, bias: float) -> Floats:
    """Return v0*w0 + v1*w1 + ... + bias for each row of `values` (n, k), summed strictly left to right.

    `values @ weights` may add in another order or fuse a multiplication with an addition. That changes the last bit,
    and inside the unstable band of learning rates the last bit decides how the training ends.
    """
    total: Floats = values[:, 0] * weights[0]
    for k in range(1, len(weights)):
        total = total + values[:, k] * weights[k]
    return total + bias


def weighted_sums(parameters: Parameters, features: Floats) -> Floats:
    """Return z (n, hidden_size): each hidden unit's weighted sum on each row of `features` (n, n_features)."""
    columns = [weighted_sum(features, w, b) for w, b in zip(parameters.w1.T, parameters.b1, strict=True)]
    return np.stack(columns, axis=1)


def predict(parameters: Parameters, features: Floats, activation: Activation) -> Floats:
    """Return the prediction (n,) for each row of `features` (n, n_features), bit for bit the trainers' own."""
    with np.errstate(all="ignore"):  # A diverged network predicts inf or nan: a result, not a fault.
        hidden = activation.outputs(weighted_sums(parameters, features))
        return weighted_sum(hidden, parameters.w2, parameters.b2)


def dead_units(parameters: Parameters, features: Floats, activation: Activation) -> Mask:
    """Return which hidden units (hidden_size,) have zero slope on every row of `features` (n, n_features)."""
    with np.errstate(all="ignore"):
        slopes = activation.slopes(weighted_sums(parameters, features))
    dead: Mask = np.all(slopes == 0.0, axis=0)
    return dead
