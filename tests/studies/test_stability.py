"""The study of stability limits: its verdicts on few trainings, and that each of them can come out otherwise."""

import math
from functools import partial
from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from student_score.model.network import ARTICLE_START
from student_score.stability import thresholds
from student_score.stability.landscape import Landscape
from student_score.stability.thresholds import per_row_threshold
from student_score.studies.study import load

STUDY = load("stability")
claims, trainings, regrowth = (
    import_module(f"student_score_experiments.stability.{name}") for name in ("claims", "trainings", "regrowth")
)

RATES = (0.001, 0.00155, 0.0016, 0.00161, 0.00165, 0.0017, 0.0019)
CLOSE = (0.0016503, 0.00166001)
CLOSEST = (0.0016,)
DEEP_MSE, DEEP_AVG = (trainings.rise_name(loss, claims.DEEP, claims.RISE) for loss in ("train_mse", "avg_loss"))
SHALLOW = trainings.rise_name("train_mse", claims.FALL, claims.RISE)
RISES = (DEEP_MSE, DEEP_AVG, SHALLOW)
BOUNDS = {
    "per_row": "per_row_limit",
    "full_batch": "full_batch_limit",
    "batch_sharpness": "batch_sharpness_limit",
}


def verdicts(table) -> dict[str, str]:
    """Return claim -> verdict."""
    return {item.claim.name: item.verdict.name for item in STUDY.judge(table)}


@pytest.fixture(scope="session")
def few():
    """Return the study's table on seven rates and 100 random starts."""
    return STUDY.trainings(STUDY.rows, rates=RATES, close=CLOSE, closest=CLOSEST, he_networks=100)


@pytest.fixture(scope="session")
def table(few):
    """Return that table, its random starts as often as the claim about them needs."""
    return pd.concat([few, *[few[few["start"] == trainings.HE]] * 29], ignore_index=True)


@pytest.fixture(scope="session")
def minima(table):
    """Return which rows of the table are trainings from the article's start that reached a minimum."""
    article = (table["row_order"] != trainings.FLOW) & (table["start"] == trainings.ARTICLE)
    return table["spectral_radius"].notna() & article


@pytest.fixture(scope="session")
def surface(article_rows) -> Landscape:
    """Return the half loss of the article's network."""
    return Landscape(article_rows, 2)


def risen(table, rates, epoch=200):
    """Return the table with a rise by every definition at these rates and at no other."""
    column = np.where(rates, epoch, 0)
    return table.assign(**dict.fromkeys(RISES, column))


def test_few_rates_decide_every_claim(table):
    """All hold but those about rises: a shallow fall is followed by one at 0.001, and a deep one needs more rates."""
    found = verdicts(table)
    assert list(found) == [claim.name for claim in STUDY.claims]
    assert (found.pop("regrowth"), found.pop("departure")) == ("refuted", "undecided")
    assert set(found.values()) == {"supported"}


def test_the_full_grid():
    """Rates from 0.00005 to 0.0024, 2e-7 apart around the limit and 1e-8 above it, in all orders of three rows."""
    rates = np.array(trainings.RATES)
    assert (rates[0], rates[-1]) == (0.00005, 0.0024)
    assert set(trainings.COARSE) < set(trainings.RATES)
    steps = np.diff(rates)
    assert (steps > 1e-7).all()
    near = np.abs(rates / 0.001597 - 1) < claims.TOLERANCE
    assert np.diff(rates[near]) == pytest.approx(2e-7)
    both = np.sort([*trainings.CLOSE, *rates[(rates > claims.BEYOND) & (rates <= 0.00167)]])
    assert (both[0], both[-1]) == (0.00165001, 0.00167)
    assert np.diff(both) == pytest.approx(1e-8)
    deep = np.sort([*trainings.CLOSEST, *rates[near]])
    assert np.diff(deep[np.abs(deep / 0.001597 - 1) < claims.TOLERANCE]) == pytest.approx(2e-8)
    assert len(set(trainings.ORDERS)) == 6


def test_the_table_holds_what_was_trained(few, table, minima):
    """A row for the flow, for each rate and order, and for each random start; measures at minima alone."""
    assert len(few) == 1 + (len(RATES) + len(CLOSE) + len(CLOSEST)) * 6 + 100
    assert few["row_order"].nunique() == 7
    assert (table.loc[minima, "train_mse"] < claims.AT_MINIMUM).all()
    assert set(table.loc[minima, "outcome"]) == {"converged"}
    assert (table.loc[minima, "spectral_radius"] > 0.9).all()
    flow = table.iloc[0]
    assert flow["train_mse"] < 1e-24
    assert flow["full_batch_limit"] == pytest.approx(2 / flow["sharpness"], rel=1e-9)


def test_random_starts_differ_and_have_rates_of_their_own(few):
    """Spread over the range that the rule names."""
    he = few[few["start"] == trainings.HE]
    assert he["seed"].nunique() == he["learning_rate"].nunique() == 100
    assert (he["learning_rate"].min(), he["learning_rate"].max()) == trainings.HE_RATES


def test_three_rows_have_one_limit_in_all_orders(table, surface):
    """At one minimum the six orders share the limit, so that what differs is the minimum they reach."""
    flow = table.iloc[0]
    p = surface.gradient_flow(ARTICLE_START.flat(), [trainings.FLOW_TIME])[0]
    limits = [trainings.at_minimum(surface, p, 0.001, order)["cyclic_limit"] for order in trainings.ORDERS]
    assert limits == pytest.approx([flow["cyclic_limit"]] * 6, rel=1e-10)
    assert limits == [flow[f"cyclic_limit_{trainings.written(order)}"] for order in trainings.ORDERS]
    assert "cyclic_limit" not in trainings.at_minimum(surface, p, 0.001002, range(3))
    assert flow["per_row_limit"] == per_row_threshold(surface.gram(p))


def test_the_flows_minimum_has_the_limits_of_random_orders(table, surface):
    """They lie between a single row's limit and the cyclic one; how far to a kink is known there and nowhere else."""
    flow, others = table.iloc[0], table.iloc[1:]
    assert flow["per_row_limit"] < flow["with_replacement_limit"] < flow["shuffled_limit"] < flow["cyclic_limit"]
    p = surface.gradient_flow(ARTICLE_START.flat(), [trainings.FLOW_TIME])[0]
    assert flow["shuffled_limit"] == thresholds.shuffled_threshold(surface.gram(p))
    assert flow["with_replacement_limit"] == thresholds.with_replacement_threshold(surface.gram(p))
    assert flow["kink_distance"] == surface.kink_distance(p)
    assert others[["shuffled_limit", "with_replacement_limit", "kink_distance"]].isna().all(axis=None)


def test_a_wrong_residual_map_changes_a_verdict(monkeypatch):
    """With gradients a tenth too large in the Gram matrix, stable minima look unstable."""
    right = thresholds.residual_map
    monkeypatch.setattr(trainings, "residual_map", lambda k, rate, order: right(1.21 * k, rate, order))
    assert (
        verdicts(STUDY.trainings(STUDY.rows, rates=(0.0019,), close=(), closest=(), he_networks=0))["spectral"]
        == "refuted"
    )


def test_an_unstable_minimum_refutes(table, minima):
    """One training with a radius of 1 is enough."""
    changed = table.copy()
    changed.loc[minima[minima].index[-1], "spectral_radius"] = 1.0
    assert verdicts(changed)["spectral"] == "refuted"
    changed = table.copy()
    changed.loc[table.index[table["spectral_radius"].notna()][-1], "spectral_radius"] = 1.0
    assert verdicts(changed)["spectral"] == "refuted"


def test_few_random_starts_do_not_decide(few):
    """Their share of unstable minima could still be more than rare."""
    [judged] = [item for item in STUDY.judge(few) if item.claim.name == "spectral"]
    assert judged.verdict.name == "undecided"
    assert judged.measured["missing"] == "minima from He starts"


def test_orders_with_limits_of_their_own_refute(table):
    """A check is refuted where its identity does not hold, and says what the limits are."""
    changed = table.assign(cyclic_limit_213=0.0017)
    [judged] = [item for item in STUDY.judge(changed) if item.claim.name == "one_limit"]
    assert judged.claim.is_check
    assert judged.instead == "The limits range from 0.001597 to 0.0017."
    [passed] = [item for item in STUDY.judge(table) if item.claim.name == "one_limit"]
    found, allowed = passed.decided_by.values()
    assert found <= allowed / 10, "far from the edge of its rule, or another machine's rounding crosses it"


def test_the_limit_can_be_elsewhere(table):
    """Limits 5 % higher no longer round to 0.0016."""
    assert verdicts(table.assign(cyclic_limit=table["cyclic_limit"] * 1.05))["limit"] == "refuted"


@pytest.mark.parametrize("name", BOUNDS)
def test_a_bound_that_one_training_keeps_refutes(table, minima, name):
    """A limit above the rate of one training contradicts that all exceed it."""
    changed = table.copy()
    changed.loc[table.loc[minima, "learning_rate"].idxmax(), BOUNDS[name]] = 0.002
    found = verdicts(changed)
    assert found[name] == "refuted"
    [judged] = [item for item in STUDY.judge(changed) if item.claim.name == name]
    assert judged.measured["not_exceeding_in_rows_123"] == 1
    assert judged.measured["at_the_smallest"] == "0.0019 in rows 123"
    assert [found[other] for other in BOUNDS if other != name] == ["supported"] * 2


@pytest.mark.parametrize("claim", ["regrowth", "departure"])
def test_rises_at_the_limit_in_all_orders_support(table, claim):
    """Were there a rise from 0.00161 on and none below, the limit would have predicted it."""
    rising = risen(table, table["learning_rate"] >= 0.00161)
    assert verdicts(rising)[claim] == "supported"
    rising.loc[(rising["row_order"] == "213") & (rising["learning_rate"] < 0.0019), list(RISES)] = 0
    assert verdicts(rising)[claim] == "refuted"


def test_rises_and_ends_are_counted_from_the_first_on(table):
    """Of the rates up to 0.0017 that are 0.00161, 0.00165 and 0.0017, of which one is quiet; ends up to the last."""
    rising = risen(table, table["learning_rate"] >= 0.00161)
    rising.loc[(rising["row_order"] == "312") & (rising["learning_rate"] == 0.00165), list(RISES)] = 0
    rising.loc[(rising["row_order"] == "231") & (rising["learning_rate"] == 0.0017), SHALLOW] = trainings.NOT_FALLEN
    found = {item.claim.name: item.measured for item in STUDY.judge(rising)}
    assert found["departure"]["rises_and_rates_from_there_to_0.0017_of_train_mse_in_rows_312"] == [2, 3]
    assert found["departure"]["rises_and_rates_from_there_to_0.0017_of_avg_loss_in_rows_123"] == [3, 3]
    assert found["regrowth"]["ends_and_rates_from_there_in_rows_231"] == [1, 2]
    assert found["regrowth"]["ends_and_rates_from_there_in_rows_123"] == [0, 0]


def test_rises_by_one_loss_alone_refute_departure(table):
    """Both losses decide; what the other does is told."""
    rising = risen(table, table["learning_rate"] >= 0.00161).assign(**{DEEP_AVG: 0})
    [judged] = [item for item in STUDY.judge(rising) if item.claim.name == "departure"]
    assert judged.verdict.name == "refuted"
    assert "in 6 of 12 cases" in judged.instead
    assert "by avg_loss in rows 321 it is at no rate" in judged.instead


def test_rates_too_far_apart_leave_regrowth_undecided(table):
    """Without the rates next to the limit no one can tell where the first rise would have been."""
    rising = risen(table, table["learning_rate"] >= 0.00161)
    apart = rising[~rising["learning_rate"].isin([0.00155, 0.0016])]
    for short_of in (apart, rising[rising["learning_rate"] <= 0.0016]):
        assert [verdicts(short_of)[claim] for claim in ("regrowth", "departure")] == ["undecided"] * 2


def test_trainings_that_end_before_they_fall_are_censored(table):
    """They count as not trained at: the next rate decides, and without one nothing does."""
    rising = risen(table, table["learning_rate"] >= 0.00161)
    for ended, verdict in (([0.00161], "supported"), ([0.00155, 0.0016], "undecided")):
        censored = rising.copy()
        censored.loc[censored["learning_rate"].isin(ended), list(RISES)] = trainings.NOT_FALLEN
        assert verdicts(censored)["regrowth"] == verdict


def test_small_rates_decide_little(table):
    """Without minima above the flow's limit there is nothing to exceed; what is missing is said."""
    judged = STUDY.judge(table[table["learning_rate"] <= 0.00155])
    found = {item.claim.name: item for item in judged}
    for name in ("spectral", *BOUNDS):
        assert found[name].verdict.name == "undecided"
        assert "missing" in found[name].measured


def test_without_the_flow_nothing_compares_with_it(table):
    """The claims about the flow's minimum are undecided; those about the bounds are not."""
    found = verdicts(table[table["row_order"] != trainings.FLOW])
    undecided = {name for name, verdict in found.items() if verdict == "undecided"}
    assert undecided == {"spectral", "limit", "one_limit", "regrowth", "departure"}


def test_diverged_trainings_decide_nothing(table):
    """Without a single training that stays finite every claim but the check at the flow's minimum is undecided."""
    lost = table["row_order"] != trainings.FLOW
    measures = [name for name in table if name not in {"row_order", "learning_rate", "outcome", "start"}]
    diverged = table.astype(dict.fromkeys(measures, float))
    diverged.loc[lost, measures], diverged.loc[lost, "outcome"] = np.nan, "diverged"
    diverged.loc[lost, [name for name in measures if name.startswith("rise")]] = trainings.NOT_FALLEN
    found = verdicts(diverged)
    assert found.pop("one_limit") == "supported"
    assert set(found.values()) == {"undecided"}


@pytest.mark.parametrize(
    ("below", "first", "holds"),
    [
        (0.96, 1.0, True),
        (0.90, 1.0, None),
        (math.nan, 1.0, None),
        (0.99, math.nan, None),
        (1.01, 1.06, None),
        (math.nan, 0.90, False),
        (1.06, 1.10, False),
        (1.06, math.nan, False),
    ],
)
def test_where_the_first_rise_lies(below, first, holds):
    """Known to be near, known to be far, or unknown, for a limit of 1 and a tolerance of 5 %."""
    assert regrowth.near(below, first, 1.0) is holds


def test_a_rise_is_measured_from_the_lowest_loss_after_the_fall():
    """One by 40 % does not count, one by 60 % does; neither those before the fall nor rounding do."""
    epochs = 10 * np.arange(1, 301)
    falling = np.concatenate([np.tile([1.0, 5.0], 50), np.geomspace(1, 1e-6, 200)])
    rise = partial(trainings.rise_epoch, epochs, level=0.01, rise=1.5)
    assert rise(falling) == 0
    for share, epoch in ((1.4, 0), (1.6, 2510)):
        loss = falling.copy()
        loss[250] = share * falling[249]
        assert rise(loss) == epoch
    assert rise(1e-20 * falling[::-1]) == 0
    assert rise(falling + 1) == trainings.NOT_FALLEN
    assert rise(np.where(epochs > 2800, np.nan, falling)) == 2810


def test_losses_are_taken_densely_at_first():
    """After each of the first epochs and every seventh later, within the training."""
    recorded = trainings.recorded_epochs(trainings.EPOCHS)
    assert recorded[: trainings.DENSE].tolist() == list(range(1, trainings.DENSE + 1))
    assert set(np.diff(recorded[trainings.DENSE - 1 :])) == {trainings.STRIDE}
    assert trainings.recorded_epochs(50).tolist() == list(range(1, 51))


@pytest.mark.usefixtures("legible")
def test_figure_and_report(table, tmp_path):
    """The figure is drawn; the report counts the trainings and tells the flow's limits if the table has them."""
    STUDY.draw(table, tmp_path)
    assert (tmp_path / "figure.png").stat().st_size > 20_000
    counts, limits, kink = STUDY.report(table)
    assert f"{len(table) - 1} trainings: " in counts
    assert limits.endswith(
        "per row 0.001025, full batch 0.001481, cyclic 0.001597, shuffled 0.001573, with replacement 0.001249"
    )
    assert "nearest kink, 0.88 from it" in kink
    assert len(list(STUDY.report(table[table["row_order"] != trainings.FLOW]))) == 1
    assert len(list(STUDY.report(table.drop(columns=["shuffled_limit", "kink_distance"])))) == 1
