"""The study of networks beside regressions: its students, its errors, and a judge that other tables would turn."""

import warnings
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap, norm

from student_score.data.baseline import fit_baselines
from student_score.data.rows import Scale, split_rows
from student_score.data.simulation import World, everyone, expected_score, least_error, simulate
from student_score.estimator import StudentScoreRegressor
from student_score.studies.study import judged, load

STUDY = load("baseline")
claims, trainings, differences, judge = (
    import_module(f"student_score_experiments.baseline.{name}")
    for name in ("claims", "trainings", "differences", "judge")
)

SEEDS = trainings.SEEDS[:2]


@pytest.fixture(scope="module")
def real() -> pd.DataFrame:
    """Return the table of two replicates."""
    return trainings.trainings(STUDY.rows, seeds=SEEDS)


@pytest.fixture(autouse=True)
def _fewer_resamples(monkeypatch):
    """Let a bootstrap take a tenth of its time."""
    assert differences.RESAMPLES == 9999
    monkeypatch.setattr(differences, "RESAMPLES", 999)


TRUE = {
    "mean": {10: 200.0, 30: 190.0, 100: 180.0, 300: 178.0},
    "linear": {10: 40.0, 30: 20.0, 100: 18.0, 300: 17.0},
    "ridge": {10: 36.0, 30: 20.0, 100: 18.0, 300: 17.0},
    "quadratic": {10: 90.0, 30: 5.0, 100: 2.0, 300: 1.0},
    "network of 2": {10: 60.0, 30: 25.0, 100: 12.0, 300: 9.0},
    "network of 8": {10: 50.0, 30: 15.0, 100: 8.0, 300: 4.0},
}
"""Excess errors of a table in which every claim is true, but for those of the linear world."""


@pytest.fixture
def ideal() -> pd.DataFrame:
    """Return a table of 24 replicates in which every claim is true, all of a replicate's errors being off alike."""
    rows = []
    for world in World:
        least = round(least_error(world, 5.0), 4)
        for model, errors in TRUE.items():
            for n, excess in errors.items():
                if world is World.linear and model in ("linear", "ridge"):
                    # Between the two formulas, near enough to both where both are judged.
                    excess = 75 / (n - 4) * (0.95 if model == "linear" else 0.9)  # noqa: PLW2901
                for seed in range(2000, 2024):
                    luck = 1 + 0.02 * np.sin(seed)
                    rows.append({
                        "world": world.name, "n": n, "seed": seed, "least": least, "model": model,
                        "error": least + excess * luck, "error_after_100": least + 1.1 * excess * luck,
                        "outcome": "slow" if "network" in model else "fitted",
                    })  # fmt: skip
    return pd.DataFrame(rows)


def verdicts(table) -> dict[str, str]:
    """Return claim -> verdict."""
    return {item.claim.name: item.verdict.name for item in judged("baseline", table)}


def difference(table, case):
    """Return the difference in a case."""
    return differences.difference(differences.Errors(table), case)


def where(table, world=None, n=None, model=None):
    """Return which rows of a table are of a world, a number of students and a model."""
    chosen = pd.Series(data=True, index=table.index)
    for column, value in (("world", world), ("n", n), ("model", model)):
        if value is not None:
            chosen &= table[column].isin([value] if isinstance(value, str | int) else value)
    return chosen


def test_the_students_are_those_of_the_seeds():
    """The first 10 of a replicate's 300 are its 10; the pool of a world holds 200, none looked at before the claims."""
    assert len(trainings.SEEDS) == 200
    assert min(trainings.SEEDS) >= 1200
    for world in World:
        pool = STUDY.rows[world.name]
        assert len(pool) == 200 * 300
        for seed, n in ((2000, 10), (2017, 100), (2199, 300)):
            own = trainings.students(pool, trainings.Case(world, n, seed))
            assert own.digest() == simulate(world, n, noise=5.0, seed=seed).digest()


def test_the_students_on_whom_errors_are_measured():
    """They are spread like all students: their means, variances and misfits of a line are nearly those of all."""
    for world in World:
        rows = trainings.everyone(world)
        assert len(rows) == 2000
        assert rows.targets.tolist() == expected_score(world, rows.features, noise=5.0).tolist()
        features, weights = everyone()
        scores = expected_score(world, features, noise=5.0)
        mean = weights @ scores
        assert np.mean(rows.targets) == pytest.approx(mean, abs=0.05)
        assert np.var(rows.targets) == pytest.approx(weights @ (scores - mean) ** 2, rel=0.01)
        design = np.column_stack([np.ones(len(features)), features]) * np.sqrt(weights)[:, None]
        coefficients = np.linalg.lstsq(design, scores * np.sqrt(weights))[0]
        best = np.sum((design @ coefficients - scores * np.sqrt(weights)) ** 2)
        assert judge.misfit(world) == pytest.approx(best, rel=0.02)
    slept = np.unique(trainings.everyone(World.linear).features[:, 1])
    assert slept[-1] == 10
    assert slept[0] == pytest.approx(norm.ppf(0.5 / 80, 7, 1.5))


def test_a_row_for_each_model_in_each_case(real):
    """Four worlds, four numbers of students, two replicates; four regressions and two networks."""
    assert len(real) == 4 * 4 * 2 * 6
    assert set(real.groupby(["world", "n", "seed"]).size()) == {6}
    assert sorted(set(real["model"])) == sorted(differences.MODELS)
    networks = real["model"].isin(differences.NETWORKS)
    assert set(real.loc[~networks, "outcome"]) == {"fitted"}
    assert real.loc[networks, ["error_after_20", "error_after_50", "error_after_100"]].notna().all(axis=None)
    assert (real["error"] > real["least"]).all()


@pytest.mark.parametrize(("world", "n", "seed"), [(World.saturating, 30, 2001), (World.sleep_optimum, 10, 2000)])
def test_errors_are_those_of_what_anybody_would_fit(real, world, n, seed):
    """Of the estimator with its defaults, and of every run's baselines, with fresh students of a million."""
    rows = simulate(world, n, seed=seed)
    own = real[where(real, world.name, n) & (real["seed"] == seed)].set_index("model")["error"]
    grid = trainings.everyone(world)
    least = least_error(world, 5.0)
    for size in (2, 8):
        predicted = fitted(StudentScoreRegressor(hidden_size=size, random_state=seed), rows).predict(grid.features)
        expected = least + np.mean((predicted - grid.targets) ** 2)
        assert own[f"network of {size}"] == pytest.approx(expected, abs=1e-4)
    fresh = simulate(world, 200_000, seed=99)
    split = split_rows(rows, scale=Scale.features_and_target)
    object.__setattr__(split, "test", fresh)
    for name, found in fit_baselines(split).items():
        assert own[name] == pytest.approx(found.test_mse, rel=0.03)


def fitted(model, rows):
    """Return a fitted estimator, whatever it warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(rows.features, rows.targets)


def test_an_interval_is_scipys():
    """BCa, of the mean, with the claims' confidence, and the same whenever it is asked."""
    values = np.random.default_rng(3).exponential(size=50)
    found = differences.Estimate.of(values)
    expected = bootstrap(
        (values,), np.mean, n_resamples=999, confidence_level=0.9975, method="BCa", rng=np.random.default_rng(0)
    ).confidence_interval
    assert (found.low, found.high) == (expected.low, expected.high)
    assert (found.mean, found.median) == (np.mean(values), np.median(values))
    assert differences.Estimate.of(np.full(20, 2.5)) == (2.5, 2.5, 2.5, 2.5)
    for broken in (np.array([]), np.array([1.0, np.nan]), np.array([1.0, np.inf]), np.array([1.0, 1e300])):
        assert np.isnan(differences.Estimate.of(broken)).all()


def test_differences_are_paired_by_replicate(ideal):
    """Whatever the order of the rows; a replicate that lacks one of the two is left out."""
    case = differences.Case(World.interaction, 30, "network of 8", "linear")
    found = difference(ideal, case)
    assert difference(ideal.sample(frac=1, random_state=0), case) == found
    assert found.high - found.low < 0.1, "most of what errors vary by is common to both"
    short = ideal.drop(index=ideal[where(ideal, "interaction", 30, "linear")].index[:3])
    assert difference(short, case).mean == pytest.approx(found.mean, abs=0.2)


def test_an_ideal_table_supports_what_it_is_made_for(ideal):
    """With 10 students quadratic regression wins nowhere, and 24 replicates without a failure may be one in twenty.

    In the linear world errors follow one formula with 300 students, and not the other.
    """
    found = verdicts(ideal)
    assert {name: verdict for name, verdict in found.items() if verdict != "supported"} == {
        "excess_over_the_best_line": "refuted",
        "quadratic_beats_the_network": "refuted",
        "few_networks_fail": "undecided",
    }
    other = ideal.copy()
    linear = where(other, "linear", model="linear")
    base = other.loc[linear, "least"].iloc[0] + judge.misfit(World.linear)
    n = other.loc[linear, "n"]
    other.loc[linear, "error"] = base + base * (3 * n - 2) / (n * (n - 4))
    assert verdicts(other)["excess_over_the_best_line"] == "supported"
    ten = where(other, "linear", 10, "linear")
    assert verdicts(other.assign(error=other["error"] + 50 * ten))["excess_over_the_best_line"] == "supported"
    assert verdicts(other)["line_excess"] == "refuted"


@pytest.mark.parametrize(
    ("claim", "cases"),
    [
        ("line_wins_in_the_linear_world", [("linear", 300, "network of 2")]),
        ("8_units_win_in_the_saturating_world", [("saturating", 30, "network of 8")]),
        ("2_units_win_in_the_saturating_world", [("saturating", 300, "network of 2")]),
        ("sign_changes_in_the_interaction_world_2_units", [("interaction", 30, "network of 2")]),
        ("sign_changes_in_the_interaction_world_2_units", [("interaction", 100, "network of 2")]),
        ("sign_changes_in_the_interaction_world_8_units", [("interaction", 10, "network of 8")]),
        ("8_units_beat_quadratic_with_10", [("saturating", 10, "network of 8")]),
        ("ridge_helps_with_10_students", [("sleep_optimum", 10, "ridge")]),
    ],
)
def test_one_case_on_the_other_side_refutes(ideal, claim, cases):
    """One that cannot be told leaves it undecided; what is true instead names the world and the students."""
    theirs = "quadratic" if "quadratic" in claim else "linear"
    for case in cases:
        chosen, against = where(ideal, *case), where(ideal, *case[:2], theirs)
        gap = ideal.loc[chosen, "error"].to_numpy() - ideal.loc[against, "error"].to_numpy()
        turned = ideal.copy()
        turned.loc[chosen, "error"] = turned.loc[against, "error"].to_numpy() - gap
        [item] = [item for item in judged("baseline", turned) if item.claim.name == claim]
        assert item.verdict.name == "refuted"
        assert f"{case[0].replace('_', ' ')} (" in item.instead
        level = ideal.copy()
        level.loc[chosen, "error"] = level.loc[against, "error"].to_numpy() + np.sin(np.arange(24) * 2.6)
        assert verdicts(level)[claim] == "undecided"


def test_cases_that_quadratic_regression_wins_are_counted(ideal):
    """28 of 32 and 21 of 24 are needed; more than 4, or 3, of a network's refute."""
    found = {item.claim.name: item for item in judged("baseline", ideal)}
    assert found["quadratic_beats_the_network_from_30"].measured["quadratic_wins"] == 24
    all_lost = ideal.copy()
    for n in (10, 30, 100, 300):
        all_lost.loc[where(all_lost, n=n, model="quadratic"), "error"] = 0.5 + all_lost["least"]
    won = {item.claim.name: item for item in judged("baseline", all_lost)}["quadratic_beats_the_network"]
    assert (won.verdict.name, won.measured["quadratic_wins"]) == ("supported", 32)
    for few, verdict in ((3, "supported"), (4, "refuted")):
        changed = ideal.copy()
        pairs = [(world.name, model) for world in World for model in differences.NETWORKS][:few]
        for world, model in pairs:
            changed.loc[where(changed, world, 300, model), "error"] -= 20
        assert verdicts(changed)["quadratic_beats_the_network_from_30"] == verdict
        level, parabola = where(changed, "linear", 30, "network of 2"), where(changed, "linear", 30, "quadratic")
        changed.loc[level, "error"] = changed.loc[parabola, "error"].to_numpy() + np.sin(np.arange(24) * 2.6)
        assert verdicts(changed)["quadratic_beats_the_network_from_30"] == ("undecided" if few == 3 else verdict)


def test_eight_cases_of_32_lost_refute_that_it_wins_nearly_everywhere(ideal):
    """With 10 students it loses to all networks here."""
    [item] = [item for item in judged("baseline", ideal) if item.claim.name == "quadratic_beats_the_network"]
    assert item.verdict.name == "refuted"
    assert "wins 0 of 8 with 10, 8 of 8 with 30, 8 of 8 with 100, 8 of 8 with 300 students" in item.instead


def test_a_case_that_changes_sides_with_the_length_refutes(ideal):
    """And is named."""
    changed = ideal.copy()
    changed.loc[where(changed, "interaction", 100, "network of 8"), "error_after_100"] += 30
    [item] = [item for item in judged("baseline", changed) if item.claim.name == "half_as_long"]
    assert item.verdict.name == "refuted"
    assert item.instead == ("1 of 32 cases change sides: network of 8 in the world interaction with 100 students.")


@pytest.mark.parametrize(
    ("failures", "verdict"), [(0, "supported"), (1, "supported"), (3, "undecided"), (40, "refuted")]
)
def test_hardly_any_is_less_than_one_in_twenty(failures, verdict):
    """Of 200 replicates, by the interval's upper end."""
    seeds = np.repeat(np.arange(200), 16)
    outcomes = np.where((seeds < failures) & (np.arange(3200) % 16 == 5), "diverged", "slow")
    table = pd.DataFrame({"model": "network of 8", "seed": seeds, "outcome": outcomes})
    assert judge.judge_failures(pd.concat([table, table.assign(model="network of 2")])).verdict.name == verdict


@pytest.mark.parametrize(("replicates", "verdict"), [(0, "undecided"), (20, "refuted")])
def test_failed_networks_count_by_replicate(ideal, replicates, verdict):
    """None of 24 may still be one in twenty; failures of 2 units are told beside them."""
    changed = ideal.copy()
    failed = where(changed, "linear", 10, "network of 8") & (changed["seed"] < 2000 + replicates)
    changed.loc[failed, "outcome"] = "collapsed"
    changed.loc[where(changed, "linear", 10, "network of 2"), "outcome"] = "stuck"
    [item] = [item for item in judged("baseline", changed) if item.claim.name == "few_networks_fail"]
    assert item.verdict.name == verdict
    assert item.measured["8_units_replicates_with_a_failure"] == replicates
    assert item.measured["2_units_failed"] == 24


def test_what_is_missing_or_not_finite_decides_nothing(ideal):
    """A model with too few replicates, and one that diverged in a case that counts."""
    few = ideal.drop(index=ideal[where(ideal, "interaction", 30, "ridge")].index[:5])
    assert set(verdicts(few).values()) == {"undecided"}
    broken = ideal.copy()
    broken.loc[where(broken, "saturating", 30, "network of 8").idxmax(), "error"] = np.inf
    found = verdicts(broken)
    assert found["8_units_win_in_the_saturating_world"] == found["half_as_long"] == "undecided"
    assert found["2_units_win_in_the_saturating_world"] == "supported"
    ideal.loc[where(ideal, "saturating", 30, "network of 8").idxmax(), "error_after_100"] = np.nan
    assert verdicts(ideal)["half_as_long"] == "undecided"


@pytest.mark.usefixtures("legible")
def test_figure_and_report(ideal, tmp_path):
    """The figure is drawn; the report has a line for each world and number of students, and the failed networks."""
    STUDY.draw(ideal, tmp_path)
    assert (tmp_path / "figure.png").stat().st_size > 20_000
    lines = list(STUDY.report(ideal))
    assert len(lines) == 2 + 16 + 2
    assert lines[2].split()[:2] == ["linear", "10"]
    assert lines[-1] == "0 % of the trainings of a network of 8 failed"
