"""What a network has to beat."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from student_score.data import baseline as room
from student_score.data.article import ARTICLE_ROWS
from student_score.data.baseline import (
    BASELINES,
    fit_baselines,
    left_out,
    linear_baseline,
    mean_baseline,
    measure,
    quadratic_baseline,
    ridge_baseline,
)
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
    assert fit(random_split()).validation_mse is None
    assert fit(random_split(validation_fraction=0.2)).validation_mse > 0


def test_every_baseline_has_a_name_for_people_and_is_fitted():
    """The table names them in the order they are shown, and all of it is fitted."""
    assert list(BASELINES) == ["linear", "mean", "quadratic", "ridge"]
    assert BASELINES["quadratic"][0] == "quadratic regression"
    split = random_split()
    fitted = fit_baselines(split)
    assert fitted == {name: fit(split) for name, (_, fit) in BASELINES.items()}
    assert left_out(split) == {}


def test_without_rows_to_measure_on_the_line_and_the_mean_are_enough():
    """A more flexible baseline is closer to any rows it is fitted to; validation rows are rows to measure on, too."""
    split = split_rows(ARTICLE_ROWS)
    assert fit_baselines(split) == {"linear": linear_baseline(split), "mean": mean_baseline(split)}
    assert left_out(split) == {}
    validated = split_rows(random_split().train, validation_fraction=0.2)
    assert list(fit_baselines(validated)) == list(BASELINES)


def errors(split, predictions):
    """Return the mean squared errors of predictions for the training rows and for the test rows."""
    return tuple(
        float(np.mean((predicted - rows.targets) ** 2))
        for predicted, rows in zip(predictions, (split.train, split.test), strict=True)
    )


@pytest.mark.parametrize("factor", [1.0, 1e6, 1e-6])
@pytest.mark.parametrize("scale", Scale)
def test_a_parabola_by_the_pseudo_inverse(scale, factor):
    """Squares and products of two features, whatever their units: it does not change when they are standardised."""
    rows = random_split(3, n=40).train
    split = split_rows(Rows(rows.features * factor, rows.targets), test_fraction=0.25, scale=scale)
    designs = []
    for part in (split.train, split.test):
        a, b = part.features.T / factor
        designs.append(np.column_stack([np.ones(len(part)), a, b, a * a, a * b, b * b]))
    coefficients = np.linalg.pinv(designs[0]) @ split.train.targets
    fitted = quadratic_baseline(split)
    expected = errors(split, [design @ coefficients for design in designs])
    assert (fitted.train_mse, fitted.test_mse) == pytest.approx(expected, rel=1e-9)


def test_a_ridge_by_its_normal_equations():
    """The penalty is the one whose errors are least where each training row is left out in turn."""
    rng = np.random.default_rng(2)
    features = rng.uniform(0, 9, size=(30, 2))
    split = split_rows(Rows(features, features @ [2.0, 1.0] + rng.normal(size=30) * 9), test_fraction=1 / 3)
    train = split.train
    mean, deviation = train.features.mean(axis=0), train.features.std(axis=0)

    def fit(rows, penalty):
        """Return slopes on standardised features, and the intercept."""
        z = (rows.features - mean) / deviation
        centred = z - z.mean(axis=0)
        slopes = np.linalg.solve(centred.T @ centred + penalty * np.eye(2), centred.T @ rows.targets)
        return slopes, rows.targets.mean() - z.mean(axis=0) @ slopes

    def predict(model, rows):
        return (rows.features - mean) / deviation @ model[0] + model[1]

    def left_out_error(penalty):
        kept = [train.take([k for k in range(len(train)) if k != out]) for out in range(len(train))]
        return sum(
            (predict(fit(rows, penalty), train.take([out]))[0] - train.targets[out]) ** 2
            for out, rows in enumerate(kept)
        )

    penalty = min(room.PENALTIES, key=left_out_error)
    assert penalty not in {room.PENALTIES[0], room.PENALTIES[-1]}, "a choice that could have come out otherwise"
    model = fit(train, penalty)
    fitted = ridge_baseline(split)
    expected = errors(split, [predict(model, rows) for rows in (split.train, split.test)])
    assert (fitted.train_mse, fitted.test_mse) == pytest.approx(expected, rel=1e-9)


def test_what_a_parabola_finds_and_a_line_does_not():
    """Scores that are a parabola are fitted exactly; test rows never help to fit."""
    rng = np.random.default_rng(0)
    features = rng.uniform(0, 9, size=(30, 2))
    scores = 50 + features[:, 0] * features[:, 1] - features[:, 1] ** 2
    split = split_rows(Rows(features, scores), test_fraction=0.3)
    assert quadratic_baseline(split).test_mse < 1e-20
    assert linear_baseline(split).test_mse > 1
    other = split_rows(Rows(features, scores), test_fraction=0.3)
    object.__setattr__(other, "test", Rows(split.test.features, split.test.targets + 1))
    assert quadratic_baseline(other).train_mse == quadratic_baseline(split).train_mse
    assert quadratic_baseline(other).test_mse == pytest.approx(1.0)


def held_out(train_rows, n_features, *, value=1.0):
    """Return a split of so many training rows of random features and two test rows."""
    rng = np.random.default_rng(1)
    rows = Rows(rng.normal(size=(train_rows + 2, n_features)) * value, rng.normal(size=train_rows + 2))
    return split_rows(rows, test_fraction=2 / (train_rows + 2))


@pytest.mark.parametrize(
    ("rows", "n_features", "reasons"),
    [
        (7, 2, {}),
        (6, 2, {"quadratic": "6 training rows are too few for its 6 coefficients"}),
        (1, 1, {"quadratic": "1 training rows are too few for its 3 coefficients",
                "ridge": "one training row is too few to choose a penalty"}),
        (600, 31, {"quadratic": "its 527 columns of 600 training rows are too many"}),
        (20, 40, {"quadratic": "20 training rows are too few for its 861 coefficients"}),
    ],
)  # fmt: skip
def test_a_baseline_that_cannot_be_fitted_is_left_out_and_said(rows, n_features, reasons):
    """The others are fitted, a line also where the rows are fewer than its slopes, with finite errors."""
    split = held_out(rows, n_features)
    assert left_out(split) == reasons
    fitted = fit_baselines(split)
    assert list(fitted) == [name for name in BASELINES if name not in reasons]
    assert all(np.isfinite([each.train_mse, each.test_mse]).all() for each in fitted.values())


def test_a_large_table_of_squares_is_left_out(monkeypatch):
    """Its columns times its rows are limited."""
    split = held_out(100, 2)
    monkeypatch.setattr(room, "MOST_VALUES", 500)
    assert left_out(split) == {}
    monkeypatch.setattr(room, "MOST_VALUES", 499)
    assert left_out(split) == {"quadratic": "its 5 columns of 100 training rows are too many"}


def test_with_fewer_rows_than_slopes_a_line_is_the_shortest_that_fits():
    """By the pseudo-inverse of centred features."""
    split = held_out(5, 20)
    mean = split.train.features.mean(axis=0)
    slopes = np.linalg.pinv(split.train.features - mean) @ split.train.targets
    predicted = (split.test.features - mean) @ slopes + split.train.targets.mean()
    fitted = linear_baseline(split)
    assert fitted.train_mse < 1e-25
    assert fitted.test_mse == pytest.approx(np.mean((predicted - split.test.targets) ** 2), rel=1e-9)


@pytest.mark.parametrize("constant", [True, False])
def test_features_that_never_vary_say_nothing(constant):
    """All four predict the mean score if none varies; one that varies is used as if it stood alone."""
    rng = np.random.default_rng(2)
    varies = np.full(30, 3.0) if constant else rng.normal(size=30)
    rows = Rows(np.column_stack([np.full(30, 0.1), varies]), rng.normal(size=30))
    alone = Rows(varies[:, None], rows.targets)
    both, single = (fit_baselines(split_rows(each, test_fraction=0.2)) for each in (rows, alone))
    for name in BASELINES:
        assert both[name].test_mse == pytest.approx(single[name].test_mse, rel=1e-9)
        assert (both[name].test_mse == pytest.approx(both["mean"].test_mse, rel=1e-9)) == (constant or name == "mean")


def test_numbers_whose_squares_are_no_doubles():
    """Nothing is raised, or warned of: a mean is always there, its error huge or none; a line is left out."""
    for value in (1e151, 1e308):
        split = held_out(10, 2, value=value / 5)
        object.__setattr__(
            split, "train", Rows(np.sign(split.train.features) * value, np.sign(split.train.targets) * value)
        )
        assert list(fit_baselines(split)) == ["mean"]
        assert not fit_baselines(split)["mean"].train_mse < 1e300
        assert left_out(split)["linear"] == "the squares of numbers beyond 1e+150 are no doubles"
    small = held_out(10, 2)
    object.__setattr__(small, "test", Rows(np.full((2, 2), 1e308), small.test.targets))
    assert not np.isfinite(fit_baselines(small)["quadratic"].test_mse)


def test_a_predictor_is_measured_in_mean_squares():
    """Predicting the hours slept, 8, 6, 7, for scores 85, 60, 95 has squared errors 77^2, 54^2, 88^2."""
    measured = measure(split_rows(ARTICLE_ROWS), lambda features: features[:, 1])
    assert measured.train_mse == pytest.approx((5929 + 2916 + 7744) / 3, rel=1e-15)
