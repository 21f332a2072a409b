"""The study of stability limits: its verdicts on few trainings, and that each of them can come out otherwise."""

import math
from importlib import import_module

import numpy as np
import pytest

from student_score.model.network import ARTICLE_START
from student_score.stability import thresholds
from student_score.stability.landscape import Landscape
from student_score.stability.thresholds import per_row_threshold
from student_score.studies.study import load

STUDY = load("stability")
claims, trainings, judge = (
    import_module(f"student_score_experiments.stability.{name}") for name in ("claims", "trainings", "judge")
)

RATES = (0.001, 0.00155, 0.0016, 0.00165, 0.0017, 0.0019)
BOUNDS = {
    "per_row": "per_row_limit",
    "full_batch": "full_batch_limit",
    "batch_sharpness": "batch_sharpness_limit",
}


def verdicts(table) -> dict[str, str]:
    """Return claim -> verdict."""
    return {item.claim.name: item.verdict.name for item in STUDY.judge(table)}


@pytest.fixture(scope="session")
def table():
    """Return the study's table on six rates."""
    return STUDY.trainings(STUDY.rows, rates=RATES)


@pytest.fixture(scope="session")
def minima(table):
    """Return which rows of the table are trainings that reached a minimum."""
    return table["cyclic_limit"].notna() & (table["row_order"] != trainings.FLOW)


@pytest.fixture(scope="session")
def surface(article_rows) -> Landscape:
    """Return the half loss of the article's network."""
    return Landscape(article_rows, 2)


def test_six_rates_decide_every_claim(table):
    """All claims hold but that the loss grows again at the same rate in every row order."""
    found = verdicts(table)
    assert list(found) == [claim.name for claim in STUDY.claims]
    assert found.pop("regrowth") == "refuted"
    assert set(found.values()) == {"supported"}


def test_the_full_grid():
    """48 rates from 0.00005 to 0.0024 in all orders of three rows."""
    assert len(set(trainings.RATES)) == 48
    assert (trainings.RATES[0], trainings.RATES[-1]) == (0.00005, 0.0024)
    assert len(set(trainings.ORDERS)) == 6


def test_the_table_holds_what_was_trained(table, minima):
    """A row for the flow and one for each rate and order; measures at minima alone, where nothing is left to fit."""
    assert len(table) == 1 + len(RATES) * 6
    assert table["row_order"].nunique() == 7
    assert (table.loc[minima, "train_mse"] < claims.AT_MINIMUM).all()
    assert set(table.loc[minima, "outcome"]) == {"converged"}
    assert (table.loc[minima, "spectral_radius"] > 0.9).all()
    flow = table.iloc[0]
    assert flow["train_mse"] < 1e-24
    assert flow["full_batch_limit"] == pytest.approx(2 / flow["sharpness"], rel=1e-9)


def test_three_rows_have_one_limit_in_all_orders(table, surface):
    """At one minimum the six orders share the limit, so that what differs is the minimum they reach."""
    flow = table.iloc[0]
    p = surface.gradient_flow(ARTICLE_START.flat(), [trainings.FLOW_TIME])[0]
    limits = [trainings.at_minimum(surface, p, 0.001, order)["cyclic_limit"] for order in trainings.ORDERS]
    assert limits == pytest.approx([flow["cyclic_limit"]] * 6, rel=1e-10)
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
    assert verdicts(STUDY.trainings(STUDY.rows, rates=(0.0019,)))["spectral"] == "refuted"


def test_an_unstable_minimum_refutes(table, minima):
    """One training with a radius of 1 is enough."""
    changed = table.copy()
    changed.loc[minima[minima].index[-1], "spectral_radius"] = 1.0
    assert verdicts(changed)["spectral"] == "refuted"


def test_the_limit_can_be_elsewhere(table):
    """Limits 5 % higher no longer round to 0.0016."""
    assert verdicts(table.assign(cyclic_limit=table["cyclic_limit"] * 1.05))["limit"] == "refuted"


@pytest.mark.parametrize("name", BOUNDS)
def test_a_bound_that_one_training_keeps_refutes(table, minima, name):
    """A limit above the rate of one training contradicts that all exceed it."""
    changed = table.copy()
    changed.loc[minima[minima].index[-1], BOUNDS[name]] = 0.002
    found = verdicts(changed)
    assert found[name] == "refuted"
    assert [found[other] for other in BOUNDS if other != name] == ["supported"] * 2


def test_regrowth_at_the_limit_in_all_orders_supports(table):
    """Were there a rise from 0.00165 on and none below, the limit would have predicted it."""
    rising = table.assign(rise_epoch=np.where(table["learning_rate"] >= 0.00165, 200, 0))
    assert verdicts(rising)["regrowth"] == "supported"


def test_rates_too_far_apart_leave_regrowth_undecided(table):
    """Without the rates next to the limit no one can tell where the first rise would have been."""
    rising = table.assign(rise_epoch=np.where(table["learning_rate"] >= 0.00165, 200, 0))
    assert verdicts(rising[~rising["learning_rate"].isin([0.00155, 0.0016])])["regrowth"] == "undecided"
    assert verdicts(rising[rising["learning_rate"] <= 0.0016])["regrowth"] == "undecided"


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
    assert {name for name, verdict in found.items() if verdict == "undecided"} == {"spectral", "limit", "regrowth"}


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
    assert judge.near(below, first, 1.0) is holds


def test_a_rise_is_measured_from_the_lowest_loss():
    """A rise of 1 % does not count, one of 2 % does; neither the first 100 epochs nor rounding do."""
    falling = np.concatenate([np.full(100, 1e-3), np.geomspace(1, 1e-6, 200)])
    assert trainings.rise_epoch(falling) == 0
    for share, epoch in ((1.009, 0), (1.02, 251)):
        loss = falling.copy()
        loss[250] = share * falling[249]
        assert trainings.rise_epoch(loss) == epoch
    assert trainings.rise_epoch(1e-30 * falling[::-1]) == 0
    assert trainings.rise_epoch(falling[:50]) == 0


@pytest.mark.usefixtures("legible")
def test_figure_and_report(table, tmp_path):
    """The figure is drawn; the report counts the trainings and tells the flow's limits if the table has them."""
    STUDY.draw(table, tmp_path)
    assert (tmp_path / "figure.png").stat().st_size > 20_000
    counts, limits, kink = STUDY.report(table)
    assert "36 trainings: " in counts
    assert limits.endswith(
        "per row 0.001025, full batch 0.001481, cyclic 0.001597, shuffled 0.001573, with replacement 0.001249"
    )
    assert "nearest kink, 0.88 from it" in kink
    assert len(list(STUDY.report(table[table["row_order"] != trainings.FLOW]))) == 1
    assert len(list(STUDY.report(table.drop(columns=["shuffled_limit", "kink_distance"])))) == 1
