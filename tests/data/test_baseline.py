"""What a network has to beat."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from student_score.data.article import ARTICLE_ROWS
from student_score.data.baseline import BASELINES, fit_baselines, linear_baseline, mean_baseline, measure
from student_score.data.rows import Rows, Scale, split_rows


def random_split(seed=0, n=15, **settings):
    """Return a split of rows of uniform hours and scores, a third of them for testing."""
    rng = np.random.default_rng(seed)
    rows = Rows(rng.uniform(0, 9, size=(n, 2)), rng.uniform(30, 100, size=n))
    return split_rows(rows, test_fraction=1 / 3, **settings)


def test_the_mean_of_the_articles_scores_by_hand():
    """Predicting 80 for everyone has squared errors 25, 400, 225: the mean is 650/3."""
    assert mean_baseline(split_rows(ARTICLE_ROWS)).train_mse == pytest.approx(650 / 3, rel=1e-14)


def test_a_straight_line_fits_the_articles_rows_exactly():
    """The three scores are 20 + 5 studied + 5 slept, so least squares leaves nothing but rounding."""
    assert (20 + 5 * ARTICLE_ROWS.features.sum(axis=1)).tolist() == ARTICLE_ROWS.targets.tolist()
    assert linear_baseline(split_rows(ARTICLE_ROWS)).train_mse < 1e-24


def test_least_squares_by_hand():
    """Through (0, 0), (1, 0), (2, 3) goes the line -1/2 + 3/2 x: errors -1/2, 1, -1/2, mean square 1/2."""
    # Slope: sum of (x - 1)(y - 1) is 1 + 0 + 2, over sum of (x - 1)^2 = 2; intercept 1 - 3/2.
    rows = Rows(np.array([[0.0], [1.0], [2.0]]), np.array([0.0, 0.0, 3.0]))
    assert linear_baseline(split_rows(rows)).train_mse == pytest.approx(0.5, rel=1e-14)
    assert mean_baseline(split_rows(rows)).train_mse == pytest.approx(2.0, rel=1e-14)  # (1 + 1 + 4) / 3


@pytest.mark.parametrize("scale", Scale)
@given(seed=st.integers(0, 1000))
def test_both_baselines_are_fitted_on_training_rows_and_measured_on_both(scale, seed):
    """Coefficients come from the training rows by the pseudo-inverse; test errors are theirs on the test rows.

    A straight line and a mean do not change when features are standardised, so scaling has no effect.
    """
    split = random_split(seed, scale=scale)
    designs = [np.column_stack([np.ones(len(rows)), rows.features]) for rows in (split.train, split.test)]
    for baseline, columns in ((mean_baseline, 1), (linear_baseline, 3)):
        coefficients = np.linalg.pinv(designs[0][:, :columns]) @ split.train.targets
        errors = [
            np.mean((design[:, :columns] @ coefficients - rows.targets) ** 2)
            for design, rows in zip(designs, (split.train, split.test), strict=True)
        ]
        fitted = baseline(split)
        assert (fitted.train_mse, fitted.test_mse) == pytest.approx(tuple(errors), rel=1e-9)


@given(seed=st.integers(0, 1000))
def test_the_line_beats_the_mean_on_the_rows_it_is_fitted_to(seed):
    """The mean is the line with slopes 0, so least squares cannot do worse on the training rows."""
    split = random_split(seed)
    assert linear_baseline(split).train_mse <= mean_baseline(split).train_mse * (1 + 1e-12)


@pytest.mark.parametrize("name", BASELINES)
def test_test_errors_exist_if_and_only_if_there_are_test_rows(name):
    """Without test rows a baseline's test_mse is None, never 0."""
    _, fit = BASELINES[name]
    assert fit(split_rows(ARTICLE_ROWS)).test_mse is None
    assert fit(random_split()).test_mse > 0


def test_every_baseline_has_a_name_for_people_and_is_fitted():
    """The table names the straight line and the mean, in the order they are shown, and all of it is fitted."""
    assert {"linear": ("linear regression", linear_baseline), "mean": ("mean score", mean_baseline)} == BASELINES
    split = random_split()
    fitted = fit_baselines(split)
    assert list(fitted) == list(BASELINES) == ["linear", "mean"]
    assert fitted == {"linear": linear_baseline(split), "mean": mean_baseline(split)}


def test_a_predictor_is_measured_in_mean_squares():
    """Predicting the hours slept, 8, 6, 7, for scores 85, 60, 95 has squared errors 77^2, 54^2, 88^2."""
    measured = measure(split_rows(ARTICLE_ROWS), lambda features: features[:, 1])
    assert measured.train_mse == pytest.approx((5929 + 2916 + 7744) / 3, rel=1e-15)
