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
claims, trainings = (import_module(f"student_score_experiments.speed.{name}") for name in ("claims", "trainings"))

REDUCED = {
    "rates": trainings.RATES[700:2400:10],
    "decay_rates": trainings.DECAY_RATES[::12],
    "ramp_lengths": (100, 10_000),
}


def verdicts(table) -> dict[str, str]:
    """Return claim -> verdict."""
    return {item.claim.name: item.verdict.name for item in STUDY.judge(table)}


@pytest.fixture(scope="session")
def table():
    """Return the study's table on a reduced grid."""
    return STUDY.trainings(STUDY.rows, **REDUCED)


def test_the_full_grid():
    """4,651 rates, and ramps that take from 100 to 10,000 epochs."""
    assert len(trainings.RATES) == len(set(trainings.RATES)) == 4651
    assert (trainings.RATES[0], trainings.RATES[-1]) == (0.00005, 0.0047)
    assert (trainings.RAMP_LENGTHS[0], trainings.RAMP_LENGTHS[-1]) == (100, 10_000)


def test_a_reduced_grid_decides_every_claim(table):
    """All claims hold."""
    assert verdicts(table) == {claim.name: "supported" for claim in STUDY.claims}


def test_a_wrong_residual_map_changes_a_verdict(monkeypatch):
    """With rows in reverse nothing changes, with gradients 1 % too large the decay is not the one predicted."""
    wrong = {"reverse": lambda k, rate, order: residual_map(k, rate, [*order][::-1])}
    wrong["larger"] = lambda k, rate, order: residual_map(1.0201 * k, rate, order)
    for name, verdict in (("reverse", "supported"), ("larger", "refuted")):
        monkeypatch.setattr(trainings, "residual_map", wrong[name])
        small = STUDY.trainings(STUDY.rows, rates=(0.001,), decay_rates=REDUCED["decay_rates"], ramp_lengths=(100,))
        assert verdicts(small)["late_decay"] == verdict


def test_another_best_rate_refutes(table):
    """A lower error 5 % above the limit."""
    limit = table.loc[table["part"] == "flow", "limit"].iloc[0]
    changed = table.copy()
    rates = changed.loc[changed["part"] == "rate", "learning_rate"]
    changed.loc[(rates - 1.05 * limit).abs().idxmin(), "train_mse"] = 0.0
    assert verdicts(changed)["best_rate"] == "refuted"


def test_one_slope_off_by_two_per_cent_refutes(table):
    """Within the judged range; above it a slope may be off."""
    changed = table.copy()
    changed["slope"] *= np.where(changed["learning_rate"] > claims.DECAY_JUDGED[1], 1.02, 1.0)
    assert verdicts(changed)["late_decay"] == "supported"
    changed.loc[changed["slope"].first_valid_index(), "slope"] *= 1.02
    assert verdicts(changed)["late_decay"] == "refuted"


@pytest.mark.parametrize("reading", ["rise", "steepest"])
def test_a_steady_reading_on_one_ramp_refutes(table, reading):
    """Only the claim about that reading."""
    steady = table.copy()
    steady.loc[steady["shape"] == "linear", reading] = 0.001
    found = verdicts(steady)
    assert found[f"range_test_{reading}"] == "refuted"
    assert list(found.values()).count("refuted") == 1


def test_what_is_missing_is_said(table):
    """Coarse rates, few decays, short fits, missing lengths or readings, or no flow: undecided, with the reason."""
    rows, ramp = table["part"], table["part"] == "ramp"
    cases = {
        "best_rate": [
            table[rows != "flow"],
            table[(rows != "rate") | (table["learning_rate"] < 0.0015)],
            table[(rows != "rate") | (table.index % 3 == 0)],
            table[rows != "rate"],
        ],
        "late_decay": [
            table[(rows != "decay") | (table["learning_rate"] > 0.0008)],
            table.assign(points=table["points"].clip(upper=9)),
        ],
        "range_test_rise": [table[~ramp | (table["epochs"] > 100)], table.assign(rise=np.nan)],
        "range_test_steepest": [table[~ramp | (table["shape"] == "linear")]],
    }
    for name, tables in cases.items():
        for partial in tables:
            [judged] = [item for item in STUDY.judge(partial) if item.claim.name == name]
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
    assert "170 rate" in line
