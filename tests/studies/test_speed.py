"""The study of speed: its verdicts on few trainings, and that each of them can come out otherwise."""

from importlib import import_module

import numpy as np
import pytest

from student_score.model.network import ARTICLE_START
from student_score.stability.landscape import Landscape
from student_score.stability.thresholds import residual_map
from student_score.studies.study import load
from student_score.training.train import train

STUDY = load("speed")
claims, trainings, judge, fastest = (
    import_module(f"student_score_experiments.speed.{name}") for name in ("claims", "trainings", "judge", "best")
)

REDUCED = {"rates": trainings.RATES[::5], "decay_rates": trainings.DECAY_RATES[::6]}


def verdicts(table) -> dict[str, str]:
    """Return claim -> verdict."""
    return {item.claim.name: item.verdict.name for item in STUDY.judge(table)}


@pytest.fixture(scope="session")
def table():
    """Return the study's table on a reduced grid."""
    return STUDY.trainings(STUDY.rows, **REDUCED)


@pytest.fixture(scope="session")
def ideal(table):
    """Return the table with errors that are lowest at the limit, and grow with the distance from it."""
    limit = table.loc[table["part"] == "flow", "limit"].iloc[0]
    errors = (table["learning_rate"] / limit - 1) ** 2 + 1e-9
    return table.assign(**{trainings.error_name(length): errors for length in trainings.LENGTHS})


def test_the_full_grid():
    """2,351 rates up to one and a half times the limit, and ramps that take from 100 to 10,000 epochs."""
    assert len(trainings.RATES) == len(set(trainings.RATES)) == 2351
    assert (trainings.RATES[0], trainings.RATES[-1]) == (0.00005, 0.0024)
    assert (trainings.RAMP_LENGTHS[0], trainings.RAMP_LENGTHS[-1]) == (100, 10_000)
    assert len(set(trainings.ORDERS)) == 6


def test_a_reduced_grid_decides_every_claim(table):
    """The best rate lies elsewhere, and of three readings one moves by a factor of three in every row order."""
    found = verdicts(table)
    assert list(found) == [claim.name for claim in STUDY.claims]
    assert {name for name, verdict in found.items() if verdict == "supported"} == {
        "late_decay",
        "range_test_steepest",
        "range_test_power",
    }
    assert "undecided" not in found.values()


@pytest.mark.slow
def test_a_wrong_residual_map_changes_a_verdict(monkeypatch):
    """With rows in reverse nothing changes, with gradients 1 % too large the decay is not the one predicted."""
    wrong = {"reverse": lambda k, rate, order: residual_map(k, rate, [*order][::-1])}
    wrong["larger"] = lambda k, rate, order: residual_map(1.0201 * k, rate, order)
    for name, verdict in (("reverse", "supported"), ("larger", "refuted")):
        monkeypatch.setattr(trainings, "residual_map", wrong[name])
        small = STUDY.trainings(STUDY.rows, rates=(0.001,), decay_rates=REDUCED["decay_rates"], ramp_lengths=(100,))
        assert verdicts(small)["late_decay"] == verdict


def test_errors_lowest_at_the_limit_support(ideal):
    """In every order and after every length; the neighbours agree."""
    found = {item.claim.name: item for item in STUDY.judge(ideal)}
    for name in ("best_rate", "best_rate_near"):
        assert found[name].verdict.name == "supported"
        assert found[name].measured["orders_and_lengths"] == 42


@pytest.mark.parametrize(
    ("share", "refuted"), [(1.01, []), (1.05, ["best_rate"]), (1.2, ["best_rate", "best_rate_near"])]
)
def test_another_best_rate_refutes(ideal, share, refuted):
    """A lower error away from the limit, in one row order and after one length."""
    changed = ideal.copy()
    limit = changed.loc[changed["part"] == "flow", "limit"].iloc[0]
    rates = changed.loc[(changed["part"] == "rate") & (changed["row_order"] == "231"), "learning_rate"]
    changed.loc[(rates - share * limit).abs().idxmin(), "train_mse_700"] = 1e-12
    found = verdicts(changed)
    assert [name for name in ("best_rate", "best_rate_near") if found[name] == "refuted"] == refuted


def test_a_luck_that_neighbours_do_not_share_is_seen(ideal):
    """The typically best rate is the middle of good neighbours, wherever single rates are better."""
    limit = ideal.loc[ideal["part"] == "flow", "limit"].iloc[0]
    changed, rates = ideal.copy(), ideal["learning_rate"]
    changed.loc[(rates - 0.0004).abs() < 6e-5, "train_mse_250"] = 1e-10
    changed.loc[(rates - 0.0012).abs() < 1e-6, "train_mse_250"] = 1e-11
    best = [each for each in fastest.best_rates(changed[changed["part"] == "rate"], limit) if each.length == 250]
    assert [each.ratio * limit for each in best] == pytest.approx([0.0012] * 6, abs=1e-5)
    assert [each.typical * limit for each in best] == pytest.approx([0.0004] * 6, abs=7e-5)


def test_the_typical_rate_is_told_for_other_numbers_of_neighbours(ideal):
    """Fifteen good rates in a row are most of 11 and of 21 neighbours, not of 41: there the limit's stay the best."""
    limit = ideal.loc[ideal["part"] == "flow", "limit"].iloc[0]
    step = trainings.RATES[5] - trainings.RATES[0]
    changed = ideal.copy()
    changed.loc[(ideal["learning_rate"] - 0.0004).abs() < 7.1 * step, "train_mse_250"] = 1e-10
    [near] = [item for item in STUDY.judge(changed) if item.claim.name == "best_rate_near"]
    for neighbours, away in ((11, True), (21, True), (41, False)):
        told = near.measured[f"typical_ratios_after_250_epochs_of_{neighbours}_neighbours"]
        ratios = {order: float(ratio) for order, ratio in (each.split(": ") for each in told.split(", "))}
        expected = 0.0004 / limit if away else 1.0
        assert ratios == pytest.approx(dict.fromkeys(map(trainings.written, trainings.ORDERS), expected), rel=0.15)
    assert fastest.OTHER_NEIGHBOURS == (11, 41)


def test_where_rounding_decides_no_rate_is_best(ideal):
    """A length and order whose lowest error is next to nothing is left out; diverged trainings are never best."""
    changed, limit = ideal.copy(), ideal.loc[ideal["part"] == "flow", "limit"].iloc[0]
    own = changed["row_order"] == "132"
    changed.loc[own & (changed["learning_rate"] == 0.001), "train_mse_2000"] = 1e-28
    changed.loc[own & (changed["learning_rate"] > 0.001), "train_mse_250"] = np.nan
    found = {(each.order, each.length): each for each in fastest.best_rates(changed[changed["part"] == "rate"], limit)}
    assert len(found) == 41
    assert ("132", 2000) not in found
    assert found["132", 250].ratio * limit == pytest.approx(0.001)
    nothing = ideal.assign(**{trainings.error_name(length): np.nan for length in trainings.LENGTHS})
    assert {verdicts(nothing)[name] for name in ("best_rate", "best_rate_near")} == {"undecided"}


def test_one_slope_off_by_two_per_cent_refutes(table):
    """Within the judged range; above it a slope may be off."""
    changed = table.copy()
    changed["slope"] *= np.where(changed["learning_rate"] > claims.DECAY_JUDGED[1], 1.02, 1.0)
    assert verdicts(changed)["late_decay"] == "supported"
    changed.loc[changed["slope"].first_valid_index(), "slope"] *= 1.02
    assert verdicts(changed)["late_decay"] == "refuted"


@pytest.mark.parametrize("reading", ["rise", "steepest", "fourfold"])
def test_a_steady_reading_in_one_order_refutes(table, reading):
    """Only the claim about that reading, and for the steepest fall the one about its power."""
    lengths = np.where(table["part"] == "ramp", table["epochs"], 100)
    moving = table.assign(**dict.fromkeys(("rise", "steepest", "fourfold"), 0.01 / np.sqrt(lengths)))
    about_ramps = [name for name in verdicts(moving) if name.startswith("range_test")]
    assert {verdicts(moving)[name] for name in about_ramps} == {"supported"}
    moving.loc[(moving["shape"] == "linear") & (moving["row_order"] == "312"), reading] = 0.001
    found = verdicts(moving)
    expected = {f"range_test_{reading}"} | ({"range_test_power"} if reading == "steepest" else set())
    assert {name for name in about_ramps if found[name] == "refuted"} == expected


def test_a_power_has_its_interval(table):
    """A straight line has none to speak of; a scattered one has a wide one around its power."""
    ramp = table[(table["shape"] == "linear") & (table["row_order"] == "123")]
    exact = judge.power(ramp.assign(steepest=ramp["epochs"] ** -0.7), "steepest")
    assert exact == pytest.approx((-0.7, -0.7), abs=1e-6)
    scatter = np.exp(0.3 * (-1.0) ** np.arange(len(ramp)))
    low, high = judge.power(ramp.assign(steepest=scatter * ramp["epochs"] ** -0.7), "steepest")
    assert low < -0.7 < high
    assert high - low > 0.2


def test_what_is_missing_is_said(table):
    """Coarse rates, few decays, short fits, missing lengths, orders or readings, or no flow: undecided, with why."""
    rows, ramp = table["part"], table["part"] == "ramp"
    best = [
        table[rows != "flow"],
        table[(rows != "rate") | (table["learning_rate"] < 0.0015)],
        table[(rows != "rate") | (table.index % 20 == 0)],
        table[rows != "rate"],
        table[(rows != "rate") | (table["row_order"] != "213")],
    ]
    cases = {
        "best_rate": best,
        "best_rate_near": best,
        "late_decay": [
            table[(rows != "decay") | (table["learning_rate"] > 0.0008)],
            table[(rows != "decay") | (table["row_order"] != "321")],
            table.assign(points=table["points"].clip(upper=9)),
        ],
        "range_test_rise": [table[~ramp | (table["epochs"] > 100)], table.assign(rise=np.nan)],
        "range_test_steepest": [table[~ramp | (table["shape"] == "linear")]],
        "range_test_fourfold": [table[~ramp | (table["row_order"] != "123")]],
        "range_test_power": [table[~ramp | (table["epochs"] < 10_000)]],
    }
    for name, tables in cases.items():
        for short_of in tables:
            [judged] = [item for item in STUDY.judge(short_of) if item.claim.name == name]
            assert judged.verdict.name == "undecided"
            assert judged.measured["missing"]


def test_a_ramp_of_one_rate_is_a_training(article_split):
    """Epoch by epoch at a constant rate, avg_loss is the trainer's, bit for bit."""
    expected = train(article_split, ARTICLE_START, learning_rate=0.001, epochs=300).avg_loss
    assert np.array_equal(trainings.ramped(article_split.train, np.full(300, 0.001)), expected)


def test_a_ramp_uses_each_rate_once(article_split):
    """Two epochs at one rate and one at another are two trainings, the second from where the first ended."""
    rows = article_split.train
    first = train(article_split, ARTICLE_START, learning_rate=0.001, epochs=2)
    second = train(article_split, first.final, learning_rate=0.002, epochs=1)
    assert trainings.ramped(rows, np.array([0.001, 0.001, 0.002])).tolist() == [*first.avg_loss, *second.avg_loss]


def test_a_rise_is_measured_from_the_lowest_loss():
    """The first loss that exceeds the lowest before it by more than the share; losses of rounding do not count."""
    losses = np.array([5.0, 3.0, 3.02, 3.04, 2.0, 13.0])
    assert trainings.first_rise(losses, 0.01) == 3
    assert trainings.first_rise(losses, 3.0) == 5
    assert trainings.first_rise(losses[:3], 0.01) is None
    assert trainings.first_rise(1e-15 * losses, 0.01) is None
    assert trainings.steepest_fall(losses) == 1
    assert trainings.steepest_fall(losses[1:]) == 3
    assert trainings.steepest_fall(losses[:1]) is None


def test_the_fit_takes_the_window_alone():
    """An exponential decay is recovered from the points inside the window, whatever lies outside."""
    epochs = np.arange(1, 2001)
    loss = np.exp(-0.05 * epochs)
    loss[loss > 1e-8] = 1.0
    slope, points = trainings.fitted_decay(epochs, loss)
    assert slope == pytest.approx(-0.05, rel=1e-12)
    assert points == np.count_nonzero((loss < 1e-8) & (loss > 1e-16))
    assert np.isnan(trainings.fitted_decay(epochs, np.ones(2000))[0])


def test_above_the_limit_the_peaks_fall_as_predicted(article_split):
    """At 0.0018 the loss oscillates, led by a complex pair; a line through its peaks has the predicted slope."""
    trained = train(article_split, ARTICLE_START, learning_rate=0.0018, epochs=10_000)
    landscape = Landscape(article_split.train, 2)
    operator = residual_map(landscape.gram(trained.final.flat()), 0.0018, range(3))
    moduli = np.sort(np.abs(np.linalg.eigvals(operator)))
    assert moduli[-1] == pytest.approx(moduli[-2], rel=1e-12)
    loss = trained.avg_loss
    peaks = [k for k in range(25, 9975) if 1e-18 < loss[k] == loss[k - 25 : k + 26].max() < 1e-8]
    assert len(peaks) >= 5
    assert np.polyfit(peaks, np.log(loss[peaks]), 1)[0] == pytest.approx(2 * np.log(moduli[-1]), rel=0.01)


@pytest.mark.usefixtures("legible")
def test_the_figure_and_the_report(table, tmp_path):
    """Both can be made of the table."""
    STUDY.draw(table, tmp_path)
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    [line] = STUDY.report(table)
    assert "2826 rate" in line
