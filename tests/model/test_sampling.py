"""In which order the rows are visited."""

from collections import Counter
from itertools import islice, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from student_score.errors import InputError
from student_score.model.sampling import Sampling, check_row_order, draw, row_orders, seed_after

SEED_0 = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC, 0x1B39896A51A8749B]
"""The first outputs of SplitMix64 for seed 0, as its authors' C program prints them."""


def splitmix64(seed):
    """Yield SplitMix64's outputs, written from the published C: unsigned arithmetic modulo 2^64."""
    while True:
        seed = (seed + 0x9E3779B97F4A7C15) % 2**64
        z = seed
        z = (z ^ z // 2**30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z // 2**27) * 0x94D049BB133111EB % 2**64
        yield z ^ z // 2**31


def drawn(seed, bound, count):
    """Return `count` successive draws below `bound`."""
    numbers = []
    for _ in range(count):
        seed, number = draw(seed, bound)
        numbers.append(number)
    return numbers


def test_draws_are_the_published_outputs_of_splitmix64():
    """With bound 2^32 a draw is an output's upper half; for seed 0 the outputs are the published ones."""
    assert list(islice(splitmix64(0), 5)) == SEED_0
    assert drawn(0, 2**32, 5) == [0xE220A839, 0x6E789E6A, 0x06C45D18, 0xF88BB8A8, 0x1B39896A]


@given(seed=st.integers(0, 2**64 - 1), bound=st.integers(1, 2**32))
def test_a_draw_scales_the_upper_half_of_an_output(seed, bound):
    """A draw is floor(bound * (output's upper 32 bits) / 2^32), so it lies in 0..bound-1."""
    expected = [bound * (output // 2**32) // 2**32 for output in islice(splitmix64(seed), 6)]
    assert drawn(seed, bound, 6) == expected
    assert all(0 <= number < bound for number in expected)


@pytest.mark.parametrize("sampling", [Sampling.cyclic, Sampling.full_batch])
def test_fixed_samplings_repeat_one_order(sampling):
    """`cyclic` and `full_batch` visit the rows in `row_order`, by default the file's, in every epoch."""
    assert list(row_orders(sampling, 4, 3)) == [[0, 1, 2, 3]] * 3
    assert list(row_orders(sampling, 4, 3, row_order=[2, 0, 3, 1], seed=9)) == [[2, 0, 3, 1]] * 3


def test_shuffled_orders_follow_the_generator_as_worked_by_hand():
    """Durstenfeld's shuffle of 0, 1, 2 by the outputs for seed 0 gives 1, 0, 2 and then 2, 1, 0.

    The outputs as fractions of 2^64 are 0.883, 0.432, 0.026, 0.971. First epoch: 3 * 0.883 gives 2, place 2 stays;
    2 * 0.432 gives 0, places 1 and 0 swap. Second epoch, from 0, 1, 2 again: 3 * 0.026 gives 0, places 2 and 0 swap;
    2 * 0.971 gives 1, place 1 stays.
    """
    assert list(row_orders(Sampling.shuffled, 3, 2, seed=0)) == [[1, 0, 2], [2, 1, 0]]


def test_visits_with_replacement_follow_the_generator_as_worked_by_hand():
    """The outputs for seed 0 times 3, rounded down, are 2, 1, 0 and then 2, 0."""
    # 3 * (0.883, 0.432, 0.026, 0.971, 0.106) is 2.65, 1.29, 0.08, 2.91, 0.32.
    first, second = row_orders(Sampling.with_replacement, 3, 2, seed=0)
    assert first == [2, 1, 0]
    assert second[:2] == [2, 0]


@given(n_rows=st.integers(1, 9), epochs=st.integers(1, 6), seed=st.integers(0, 2**64 - 1))
def test_shuffled_epochs_are_permutations(n_rows, epochs, seed):
    """Every shuffled epoch visits every row once."""
    orders = list(row_orders(Sampling.shuffled, n_rows, epochs, seed=seed))
    assert len(orders) == epochs
    assert all(sorted(order) == list(range(n_rows)) for order in orders)


@given(n_rows=st.integers(1, 9), epochs=st.integers(1, 6), seed=st.integers(0, 2**64 - 1))
def test_visits_with_replacement_stay_in_range(n_rows, epochs, seed):
    """Every epoch has n visits, each to one of the rows 0..n-1."""
    orders = list(row_orders(Sampling.with_replacement, n_rows, epochs, seed=seed))
    assert [len(order) for order in orders] == [n_rows] * epochs
    assert {row for order in orders for row in order} <= set(range(n_rows))


def test_all_permutations_are_about_equally_frequent():
    """Among 6000 shuffled epochs of three rows each of the six orders occurs 1000 times, give or take 150."""
    # A binomial count has standard deviation sqrt(6000 * 1/6 * 5/6) = 28.9; 150 is more than five of them.
    counts = Counter(map(tuple, row_orders(Sampling.shuffled, 3, 6000, seed=1)))
    assert set(counts) == set(permutations(range(3)))
    assert all(abs(count - 1000) < 150 for count in counts.values())


def test_all_rows_are_about_equally_frequent_with_replacement():
    """Among 6000 epochs of three visits each row is visited 6000 times, give or take 320, in any place."""
    # The standard deviation of a row's count is sqrt(18000 * 1/3 * 2/3) = 63.2, of its count in one place 36.5.
    orders = list(row_orders(Sampling.with_replacement, 3, 6000, seed=1))
    assert all(abs(sum(order.count(row) for order in orders) - 6000) < 320 for row in range(3))
    for place in range(3):
        counts = Counter(order[place] for order in orders)
        assert all(abs(counts[row] - 2000) < 185 for row in range(3))
    # Of the 27 equally likely epochs, 6 visit three different rows.
    distinct = sum(len(set(order)) == 3 for order in orders)
    assert abs(distinct - 6000 * 6 / 27) < 165  # five times sqrt(6000 * 2/9 * 7/9) = 32.2


@pytest.mark.parametrize("sampling", [Sampling.shuffled, Sampling.with_replacement])
def test_the_seed_decides_random_orders(sampling):
    """The same seed gives the same orders, another seed others, and more epochs continue the same stream."""
    orders = list(row_orders(sampling, 5, 20, seed=3))
    assert orders == list(row_orders(sampling, 5, 40, seed=3))[:20]
    assert orders != list(row_orders(sampling, 5, 20, seed=4))
    assert len(set(map(tuple, orders))) > 10


@pytest.mark.parametrize("sampling", [Sampling.shuffled, Sampling.with_replacement])
def test_random_samplings_refuse_a_row_order(sampling):
    """Their orders depend on the seed alone: a `row_order` would be accepted and ignored."""
    with pytest.raises(InputError, match=rf"row_order=\[2, 1, 0\] has no meaning where .*{sampling.name}"):
        next(row_orders(sampling, 3, 5, row_order=[2, 1, 0]))


@pytest.mark.parametrize("sampling", Sampling)
def test_a_single_row_has_a_single_order(sampling):
    """One row is visited once an epoch, whatever the sampling."""
    assert list(row_orders(sampling, 1, 3, seed=5)) == [[0]] * 3


BAD_ORDERS = {
    "a row twice": [0, 0, 1],
    "too few": [0, 1],
    "too many": [0, 1, 2, 3],
    "counted from 1": [1, 2, 3],
    "negative": [0, 1, -1],
    "empty": [],
}


@pytest.mark.parametrize("row_order", BAD_ORDERS.values(), ids=BAD_ORDERS.keys())
def test_a_row_order_is_a_permutation(row_order):
    """Any other list is refused, with the list and the allowed range in the message."""
    for attempt in (
        lambda: check_row_order(row_order, 3, Sampling.cyclic),
        lambda: next(row_orders(Sampling.cyclic, 3, 1, row_order=row_order)),
    ):
        with pytest.raises(InputError, match=r"row_order=\[.*0\.\.2") as caught:
            attempt()
        assert str(row_order) in str(caught.value)


def test_a_long_row_order_is_not_listed_whole():
    """Of 10,000 rows a message has the first 20; of 20 all."""
    order = list(range(10_000))
    with pytest.raises(InputError, match=r"^row_order=\[0, 1, .*, 19, and 9980 more\] has no meaning") as caught:
        check_row_order(order, 10_000, Sampling.shuffled)
    assert len(str(caught.value)) < 300
    with pytest.raises(InputError, match=r"^row_order=\[0, 1, .*, 19, and 9980 more\] must name each") as caught:
        check_row_order(order, 9_999, Sampling.cyclic)
    assert len(str(caught.value)) < 300
    with pytest.raises(InputError, match=r"^row_order=\[0, 1, .*, 18, 19\] must name each"):
        check_row_order(order[:20], 3, Sampling.cyclic)


@given(order=st.permutations(range(6)))
def test_every_permutation_is_a_row_order(order):
    """`check_row_order` lets every permutation pass."""
    check_row_order(order, 6, Sampling.cyclic)


@given(
    sampling=st.sampled_from(Sampling),
    n_rows=st.integers(1, 9),
    first=st.integers(0, 5),
    seed=st.integers(0, 2**64 - 1),
)
def test_an_interrupted_order_goes_on(sampling, n_rows, first, seed):
    """Some epochs, and four more from the seed after them, are the orders of all of them."""
    later = seed_after(sampling, n_rows, first, seed=seed)
    pieces = [*row_orders(sampling, n_rows, first, seed=seed), *row_orders(sampling, n_rows, 4, seed=later)]
    assert pieces == list(row_orders(sampling, n_rows, first + 4, seed=seed))
    assert 0 <= later < 2**64
