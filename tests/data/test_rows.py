"""Rows of students: what they may hold, how they are split, and how they are standardised."""

import hashlib
import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from student_score.data.division import Division
from student_score.data.rows import Rows, Scale, Scaling, split_rows
from student_score.errors import InputError

NAN, INF = math.nan, math.inf


def table(rows):
    """Return the rows as lists: features, then the target."""
    return np.column_stack([rows.features, rows.targets]).tolist()


def random_rows(n, n_features=2, seed=0):
    """Return rows of uniform numbers in hours and score points."""
    rng = np.random.default_rng(seed)
    return Rows(rng.uniform(0, 9, size=(n, n_features)), rng.uniform(30, 100, size=n))


@pytest.mark.parametrize(
    ("features", "targets"),
    [
        (np.ones((3, 2)), np.ones(2)),
        (np.ones((3, 2)), np.ones((3, 1))),
        (np.ones(3), np.ones(3)),
        (np.ones((0, 2)), np.ones(0)),
        (np.ones((3, 0)), np.ones(3)),
    ],
    ids=["too few targets", "targets as a column", "features as a vector", "no rows", "no features"],
)
def test_rows_of_the_wrong_shape_are_refused(features, targets):
    """The message names both shapes."""
    with pytest.raises(InputError) as caught:
        Rows(features, targets)
    assert str(features.shape) in str(caught.value)
    assert str(targets.shape) in str(caught.value)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_rows_are_finite(value):
    """One number that is not finite, in a feature or a target, is refused."""
    with pytest.raises(InputError, match="finite"):
        Rows(np.array([[1.0, value]]), np.ones(1))
    with pytest.raises(InputError, match="finite"):
        Rows(np.ones((2, 1)), np.array([1.0, value]))


def test_taken_rows_come_in_the_order_asked_for():
    """Rows 2, 0 of the article's students are [8, 7] -> 95 and [5, 8] -> 85."""
    rows = Rows(np.array([[5.0, 8], [2, 6], [8, 7]]), np.array([85.0, 60, 95]))
    assert table(rows.take([2, 0])) == [[8.0, 7.0, 95.0], [5.0, 8.0, 85.0]]


def test_the_digest_is_the_sha_256_of_the_numbers():
    """The digest hashes features and target of each row in turn as little-endian doubles, independent of memory."""
    rows = Rows(np.array([[5.0, 8], [2, 6]]), np.array([85.0, 60]))
    expected = hashlib.sha256(struct.pack("<6d", 5, 8, 85, 2, 6, 60)).hexdigest()
    assert rows.digest() == expected
    assert Rows(np.asfortranarray(rows.features), rows.targets.astype(">f8")).digest() == expected


def test_another_number_another_order_another_digest():
    """One last bit, two swapped rows or two swapped columns change the digest."""
    rows = random_rows(4)
    nudged = rows.features.copy()
    nudged[2, 1] = np.nextafter(nudged[2, 1], 10.0)
    digests = {
        rows.digest(),
        Rows(nudged, rows.targets).digest(),
        rows.take([1, 0, 2, 3]).digest(),
        Rows(rows.features[:, ::-1], rows.targets).digest(),
        rows.take([0, 1, 2]).digest(),
    }
    assert len(digests) == 5


def test_without_a_test_fraction_all_rows_train_in_their_order():
    """A fraction of 0 leaves no test rows and moves none; the seed then has no effect."""
    rows = random_rows(7)
    split = split_rows(rows, seed=3)
    assert split.test is None
    assert (split.train_indices, split.test_indices) == (tuple(range(7)), ())
    assert split.train.digest() == rows.digest()


@given(n=st.integers(2, 30), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 1000))
def test_the_split_is_scikit_learns(n, fraction, seed):
    """Both parts equal `train_test_split` of the rows themselves, and the indices say where they came from."""
    rows = random_rows(n)
    # scikit-learn rounds the number of test rows up.
    if math.ceil(fraction * n) == n:
        with pytest.raises(InputError, match=rf"test_fraction={fraction} of {n} rows leaves no row"):
            split_rows(rows, test_fraction=fraction, seed=seed)
        return
    split = split_rows(rows, test_fraction=fraction, seed=seed)
    expected = train_test_split(rows.features, rows.targets, test_size=fraction, random_state=seed)
    for ours, theirs in zip(
        (split.train.features, split.test.features, split.train.targets, split.test.targets), expected, strict=True
    ):
        assert ours.tobytes() == theirs.tobytes()
    assert sorted(split.train_indices + split.test_indices) == list(range(n))
    assert rows.take(list(split.train_indices)).digest() == split.train.digest()
    assert rows.take(list(split.test_indices)).digest() == split.test.digest()


@pytest.mark.parametrize(
    ("n", "fraction", "n_test"),
    [(10, 1e-9, 1), (10, 0.1, 1), (10, 0.11, 2), (10, 0.9, 9), (2, 0.5, 1), (3, 0.5, 2), (4, 0.25, 1)],
)
def test_the_number_of_test_rows_is_rounded_up(n, fraction, n_test):
    """The test part has ceil(fraction * n) rows, so any fraction above 0 has at least one."""
    split = split_rows(random_rows(n), test_fraction=fraction)
    assert (len(split.test), len(split.train)) == (n_test, n - n_test)


@pytest.mark.parametrize(("n", "fraction"), [(1, 0.5), (1, 1e-9), (2, 0.51), (10, 0.91)])
def test_a_test_fraction_leaves_a_row_to_train_on(n, fraction):
    """The message names the fraction and the number of rows."""
    with pytest.raises(InputError, match=rf"^test_fraction={fraction} of {n} rows"):
        split_rows(random_rows(n), test_fraction=fraction)


@pytest.mark.parametrize("fraction", [-0.5, 1.0, 1.5, 7, NAN, INF])
def test_a_test_fraction_is_a_share(fraction):
    """A fraction that is negative, 1 or more, or not a number is refused, with or without rows at hand."""
    for attempt in (
        lambda: Division(test_fraction=fraction),
        lambda: split_rows(random_rows(10), test_fraction=fraction),
    ):
        with pytest.raises(InputError, match=rf"^test_fraction={fraction}: it must be at least 0 and below 1"):
            attempt()


def test_the_seed_decides_the_split():
    """One seed gives one split, another seed another."""
    one, same, other = (split_rows(random_rows(20), test_fraction=0.3, seed=seed) for seed in (1, 1, 2))
    assert one.test_indices == same.test_indices != other.test_indices


def test_standardised_features_by_hand():
    """Features 1, 3 and target 10, 30 become -1, 1 as their means are 2, 20 and their deviations 1, 10."""
    rows = Rows(np.array([[1.0], [3.0]]), np.array([10.0, 30.0]))
    both = Scaling.fit(rows, Scale.features_and_target)
    assert table(both.apply(rows)) == [[-1.0, -1.0], [1.0, 1.0]]
    assert (both.target_mean, both.target_deviation) == (20.0, 10.0)
    # A new feature becomes (7 - 2) / 1, a new score 0.3 * 10 + 20.
    assert both.features(np.array([[7.0]])).tolist() == [[5.0]]
    assert both.scores(np.array([0.3])).tolist() == [23.0]
    assert table(Scaling.fit(rows, Scale.features).apply(rows)) == [[-1.0, 10.0], [1.0, 30.0]]
    assert Scaling.fit(rows, Scale.features).scores(np.array([0.3])).tolist() == [0.3]


def test_without_scaling_every_bit_stays():
    """`Scale.none` returns features, targets and outputs as they are."""
    rows = random_rows(50)
    scaling = split_rows(rows).scaling
    assert scaling.apply(rows).digest() == rows.digest()
    assert scaling.scores(rows.targets).tobytes() == rows.targets.tobytes()
    assert (scaling.target_mean, scaling.target_deviation) == (0.0, 1.0)


@pytest.mark.parametrize("scale", Scale)
@given(n=st.integers(2, 20), seed=st.integers(0, 1000))
def test_scores_undo_the_scaling_of_targets(scale, n, seed):
    """Standardised targets, taken back to score points, are the targets up to rounding."""
    rows = random_rows(n, seed=seed)
    scaling = Scaling.fit(rows, scale)
    assert scaling.scores(scaling.apply(rows).targets) == pytest.approx(rows.targets, rel=1e-14)


@given(n=st.integers(2, 20), n_features=st.integers(1, 4), seed=st.integers(0, 1000))
def test_standardised_rows_have_mean_zero_and_deviation_one(n, n_features, seed):
    """On the rows it was fitted on, every scaled column has mean 0 and standard deviation 1 (divisor n)."""
    rows = random_rows(n, n_features, seed)
    columns = np.array(table(Scaling.fit(rows, Scale.features_and_target).apply(rows))).T
    # Deviations of two uniform numbers can be small, and rounding grows by range over deviation.
    assert columns.mean(axis=1) == pytest.approx(0.0, abs=1e-10)
    assert columns.std(axis=1) == pytest.approx(1.0, rel=1e-10)


def test_a_constant_column_is_only_centred():
    """A feature or target that does not vary becomes 0: its deviation counts as 1, so nothing is divided by 0."""
    rows = Rows(np.array([[4.0, 1.0], [4.0, 3.0]]), np.array([60.0, 60.0]))
    scaling = Scaling.fit(rows, Scale.features_and_target)
    assert table(scaling.apply(rows)) == [[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]]
    assert scaling.scores(np.array([0.0, 2.0])).tolist() == [60.0, 62.0]


@pytest.mark.parametrize("scale", [Scale.features, Scale.features_and_target])
def test_standardising_is_fitted_on_training_rows_only(scale):
    """Means and deviations are those of the training part; no test row, however far off, has a say in them."""
    rows = random_rows(20)
    split = split_rows(rows, test_fraction=0.4, seed=2, scale=scale)
    assert split.scaling.feature_means == pytest.approx(split.train.features.mean(axis=0), rel=1e-14)
    assert split.scaling.feature_deviations == pytest.approx(split.train.features.std(axis=0), rel=1e-14)
    if scale is Scale.features_and_target:
        assert split.scaling.target_mean == pytest.approx(split.train.targets.mean(), rel=1e-14)
        assert split.scaling.target_deviation == pytest.approx(split.train.targets.std(), rel=1e-14)
    features, targets = rows.features.copy(), rows.targets.copy()
    features[list(split.test_indices)] += 1e6
    targets[list(split.test_indices)] -= 1e6
    other = split_rows(Rows(features, targets), test_fraction=0.4, seed=2, scale=scale)
    assert other.test_indices == split.test_indices
    assert other.scaling.apply(other.train).digest() == split.scaling.apply(split.train).digest()
