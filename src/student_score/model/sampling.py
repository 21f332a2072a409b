"""In which order the rows are visited: four samplings, the same on every machine and in every trainer."""

from collections.abc import Iterator, Sequence
from enum import Enum

from student_score.errors import InputError

MASK = (1 << 64) - 1
"""Keeps a sum or a product within 64 bits."""

STRIDE = 0x9E3779B97F4A7C15
"""By which the generator's state grows with each draw."""


class Sampling(Enum):
    """How the rows of an epoch are chosen.

    >>> from student_score import Sampling
    >>> from student_score.model.sampling import row_orders
    >>> list(row_orders(Sampling.cyclic, n_rows=3, epochs=2))
    [[0, 1, 2], [0, 1, 2]]
    >>> list(row_orders(Sampling.shuffled, n_rows=3, epochs=2, seed=0))
    [[1, 0, 2], [2, 1, 0]]
    """

    cyclic = "cyclic"
    shuffled = "shuffled"
    with_replacement = "with_replacement"
    full_batch = "full_batch"

    @property
    def is_random(self) -> bool:
        """Whether each epoch draws its rows or their order anew."""
        return self in {Sampling.shuffled, Sampling.with_replacement}


def check_row_order(row_order: Sequence[int] | None, n_rows: int, sampling: Sampling) -> None:
    """Raise InputError unless `row_order` is None, or names every row once and the sampling has a fixed order."""
    if row_order is None:
        return
    if sampling.is_random:
        raise InputError(
            f"row_order={described(row_order)} has no meaning where sampling={sampling.name}; leave it out"
        )
    if sorted(row_order) != list(range(n_rows)):
        raise InputError(
            f"row_order={described(row_order)} must name each of the {n_rows} training rows 0..{n_rows - 1} exactly "
            "once"
        )


LISTED_ROWS = 20
"""Rows of an order that a message lists; of others it says how many they are."""


def described(row_order: Sequence[int]) -> str:
    """Return an order of rows for a message: [2, 0, 1]."""
    left = f", and {len(row_order) - LISTED_ROWS} more" if len(row_order) > LISTED_ROWS else ""
    return f"[{', '.join(map(str, row_order[:LISTED_ROWS]))}{left}]"


def row_orders(
    sampling: Sampling, n_rows: int, epochs: int, *, row_order: Sequence[int] | None = None, seed: int = 0
) -> Iterator[list[int]]:
    """Yield, for each of `epochs` epochs, the indices of the rows in the order they are visited.

    `cyclic` and `full_batch` visit them in `row_order` (default 0, 1, ...), always; `shuffled` in a new random
    permutation each epoch; `with_replacement` draws each of the n visits anew. The random orders depend on `seed`
    alone, and refuse a `row_order`.
    """
    check_row_order(row_order, n_rows, sampling)
    fixed = list(range(n_rows)) if row_order is None else list(row_order)
    state = seed & MASK
    for _ in range(epochs):
        order = fixed
        if sampling is Sampling.shuffled:
            order = list(fixed)
            for last in range(n_rows - 1, 0, -1):  # Durstenfeld 1964
                state, other = draw(state, last + 1)
                order[last], order[other] = order[other], order[last]
        elif sampling is Sampling.with_replacement:
            order = []
            for _ in range(n_rows):
                state, row = draw(state, n_rows)
                order.append(row)
        yield order


def seed_after(sampling: Sampling, n_rows: int, epochs: int, *, seed: int) -> int:
    """Return the seed with which `row_orders` goes on after so many epochs as if it had not been interrupted."""
    draws = {Sampling.shuffled: n_rows - 1, Sampling.with_replacement: n_rows}.get(sampling, 0)
    return (seed + epochs * draws * STRIDE) & MASK


def draw(state: int, bound: int) -> tuple[int, int]:
    """Return the generator's next state and a random integer in 0..bound-1.

    SplitMix64 (Steele, Lea and Flood 2014) instead of numpy's generators: eight lines of integer arithmetic that a
    compiled trainer repeats exactly, and a stream that no new version of a library changes.
    """
    state = (state + STRIDE) & MASK
    mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
    mixed ^= mixed >> 31
    return state, ((mixed >> 32) * bound) >> 32
