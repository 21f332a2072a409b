"""Simulated students: what is known of them is what they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import kstest, norm

from student_score.data import simulation
from student_score.data.simulation import World, censored, everyone, expected_score, least_error, score, simulate
from student_score.errors import InputError

MANY = 200_000


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (World.linear, [80.0, 85.0, 35.0]),
        (World.saturating, [30 + 60 * (1 - np.exp(-5 / 3)), 30 + 60 * (1 - np.exp(-8 / 3)), 30.0]),
        (World.interaction, [61.25, 65.0, 35.0]),
        (World.sleep_optimum, [59.25, 53.25, -20.75]),
    ],
)
def test_scores_by_hand(world, expected):
    """5 h of study and 7 h of sleep; 8 h and 5 h; 0 h and 3 h."""
    assert score(world, np.array([[5.0, 7.0], [8.0, 5.0], [0.0, 3.0]])).tolist() == pytest.approx(expected, rel=1e-14)


def test_hours_are_distributed_as_it_says():
    """Hours studied are uniform, hours slept normal but cut off, neither depends on the other nor on the noise."""
    rows = simulate(World.linear, MANY, seed=1)
    studied, slept = rows.features.T
    assert kstest(studied / 8, "uniform").pvalue > 0.001
    inside = (slept > 3) & (slept < 10)
    assert kstest(norm.cdf(slept[inside], 7, 1.5), "uniform", args=(norm.cdf(3, 7, 1.5), norm.cdf(10, 7, 1.5)
                  - norm.cdf(3, 7, 1.5))).pvalue > 0.001  # fmt: skip
    assert np.mean(slept == 3) == pytest.approx(norm.cdf(3, 7, 1.5), abs=0.0005)
    assert np.mean(slept == 10) == pytest.approx(norm.sf(10, 7, 1.5), abs=0.002)
    noise = rows.targets - score(World.linear, rows.features)
    whole = (rows.targets > 0) & (rows.targets < 100) & (studied < 4)
    assert kstest(noise[whole] / 5, "norm").pvalue > 0.001
    assert np.abs(np.corrcoef([studied[whole], slept[whole], noise[whole]]) - np.eye(3)).max() < 0.01


@given(seed=st.integers(0, 2**63), few=st.integers(1, 20), more=st.integers(0, 20), noise=st.floats(0, 1000))
def test_the_first_of_more_students_are_those_of_fewer(seed, few, more, noise):
    """In every world, and their hours are the same in all worlds and with any noise; scores lie in 0 to 100."""
    plain = simulate(World.linear, few, noise=0.0, seed=seed)
    for world in World:
        some, all_ = (simulate(world, n, noise=noise, seed=seed) for n in (few, few + more))
        assert some.features.tolist() == all_.features[:few].tolist() == plain.features.tolist()
        assert some.targets.tolist() == all_.targets[:few].tolist()
        assert all_.targets.min() >= 0
        assert all_.targets.max() <= 100


def test_each_of_three_streams_is_a_child_of_the_seed():
    """So that a seed gives the same students in every version."""
    studied, slept, noise = (np.random.default_rng(child) for child in np.random.SeedSequence(17).spawn(3))
    hours = np.column_stack([studied.uniform(0, 8, 50), np.clip(slept.normal(7, 1.5, 50), 3, 10)])
    scores = np.clip(35 + 0.75 * hours[:, 0] * hours[:, 1] + 5 * noise.normal(size=50), 0, 100)
    rows = simulate(World.interaction, 50, seed=17)
    assert rows.features.tolist() == hours.tolist()
    assert rows.targets == pytest.approx(scores, abs=6e-10, rel=0)


def test_other_seeds_give_other_students():
    """In hours and in scores."""
    first, other = (simulate(World.linear, 3, seed=seed) for seed in (0, 1))
    assert not set(first.features.ravel()) & set(other.features.ravel())
    assert not set(first.targets) & set(other.targets) - {100.0}


def test_without_noise_scores_are_the_expected_ones():
    """But for their ninth decimal, to which scores are rounded; the least possible error is 0."""
    for world in World:
        rows = simulate(world, 100, noise=0.0)
        assert rows.targets == pytest.approx(expected_score(world, rows.features, noise=0.0), abs=6e-10, rel=0)
        assert rows.targets.tolist() == np.round(rows.targets, 9).tolist()
        assert least_error(world, 0.0) == 0.0


@pytest.mark.parametrize("noise", [0.01, 1.0, 5.0, 30.0, 1000.0])
@pytest.mark.parametrize("mean", [-200.0, -3.0, 0.0, 47.0, 99.9, 100.0, 250.0])
def test_a_score_that_is_cut_off_by_integration(mean, noise):
    """Expectation and variance are integrals of the chance to exceed a score."""

    def above(points):
        return norm.sf(points, mean, noise)

    where = [max(0.0, min(100.0, mean + k * noise)) for k in (-8, -3, -1, 0, 1, 3, 8)]
    expectation = quad(above, 0, 100, points=where, epsabs=1e-12, limit=500)[0]
    second = quad(lambda points: 2 * points * above(points), 0, 100, points=where, epsabs=1e-10, limit=500)[0]
    [found], [variance] = censored(np.array([mean]), noise)
    assert found == pytest.approx(expectation, abs=1e-8)
    assert variance == pytest.approx(second - expectation**2, abs=2e-7)
    assert variance >= 0


@pytest.mark.parametrize("noise", [2.0, 5.0, 40.0])
@pytest.mark.parametrize("world", World)
def test_the_least_error_is_that_of_the_expected_score(world, noise):
    """On many students, within four standard errors; a prediction a point away errs by one more."""
    rows = simulate(world, MANY, noise=noise, seed=7)
    expected = expected_score(world, rows.features, noise=noise)
    squares = (rows.targets - expected) ** 2
    assert np.mean(squares) == pytest.approx(least_error(world, noise), abs=4 * np.std(squares) / np.sqrt(MANY))
    worse = np.mean((rows.targets - expected - 1) ** 2)
    assert worse == pytest.approx(least_error(world, noise) + 1, rel=0.02)


def test_least_errors():
    """Little noise is cut off nowhere but in two worlds, much noise everywhere: half the scores are 0, half 100."""
    assert least_error(World.interaction, 1e-6) == pytest.approx(1e-12, rel=1e-9)
    assert least_error(World.linear, 1e-6) < 0.98e-12
    assert [round(least_error(world, 5.0), 2) for world in World] == [23.68, 24.99, 24.99, 24.81]
    for world in World:
        assert 2430 < least_error(world, 1000.0) < 2500


def test_a_variance_is_never_negative():
    """Nor is there a warning, however little the noise."""
    scores = np.linspace(-300, 400, 7001)
    for noise in (1e-300, 1e-9, 0.5, 2.0, 5.0):
        expected, variances = censored(scores, noise)
        assert variances.min() >= 0
        assert variances.max() <= noise**2 * (1 + 1e-12)
        assert expected == pytest.approx(np.clip(scores, 0, 100), abs=noise)


def test_more_nodes_change_nothing(monkeypatch):
    """The quadrature's error is far below what is printed, and so are the moments of the hours."""
    features, weights = everyone()
    assert weights.sum() == pytest.approx(1, abs=1e-14)
    assert weights @ features == pytest.approx([4, np.mean(simulate(World.linear, MANY).features[:, 1])], abs=0.02)
    before = [least_error.__wrapped__(world, 5.0) for world in World]
    monkeypatch.setattr(simulation, "NODES", 200)
    assert [least_error.__wrapped__(world, 5.0) for world in World] == pytest.approx(before, abs=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 0}, "n=0: it must be at least 1"),
        ({"n": 3, "seed": -1}, "seed=-1: it must be at least 0"),
        ({"n": 3, "noise": -1.0}, r"noise=-1.0: it must lie in 0\.\.1000, in points"),
        ({"n": 3, "noise": float("nan")}, r"noise=nan: it must lie in 0\.\.1000"),
        ({"n": 3, "noise": float("inf")}, r"noise=inf: it must lie in 0\.\.1000"),
    ],
)
def test_what_cannot_be_simulated(settings, message):
    """Is refused in a sentence that begins with the argument."""
    with pytest.raises(InputError, match=message):
        simulate(World.linear, settings.pop("n"), **settings)


def test_noise_is_checked_everywhere():
    """Before anything is computed."""
    for wrong in (-1.0, 1001.0):
        with pytest.raises(InputError, match="noise="):
            least_error(World.linear, wrong)
        with pytest.raises(InputError, match="noise="):
            expected_score(World.linear, np.ones((1, 2)), noise=wrong)
