"""The study of dead units: judged on real trainings, refuted by tables that contradict it, undecided without enough."""

from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from student_score.model.activations import Activation
from student_score.model.network import Initialisation, Parameters, dead_units, initialise
from student_score.stability.landscape import Landscape
from student_score.studies.study import load

STUDY = load("death")
trainings, closed_forms, shares, judge = (
    import_module(f"student_score_experiments.death.{name}")
    for name in ("trainings", "closed_forms", "shares", "judge")
)

NAMES = [claim.name for claim in STUDY.claims]

EXPECTED = {
    "none_dies_at_0.001": "refuted",
    "no_step_kills_at_0.001": "refuted",
    "all_die_at_0.002": "refuted",
    "all_die_from_0.0027": "undecided",
    "control_is_flow": "undecided",
    "bias_of_0.1_prevents": "refuted",
    "bias_of_1_prevents": "refuted",
    "bias_of_0.1_activates": "refuted",
    "positive_w1_prevents": "refuted",
    "leaky_relu_revives": "refuted",
}
"""The verdicts on the reduced grid other than supported; undecided ones need more networks."""


def verdicts(table) -> dict[str, str]:
    """Return claim -> verdict."""
    return {item.claim.name: item.verdict.name for item in STUDY.judge(table)}


@pytest.fixture(scope="session")
def table():
    """Return the table of a reduced grid: tests that use it are slow, a control alone takes 100,000 epochs."""
    counts = trainings.Counts(born=600, networks=150, intervened=150, fine=30, ordered=60)
    return STUDY.trainings(STUDY.rows, counts=counts, rates=(trainings.CONTROL, 0.001, 0.002, *trainings.LATER))


@pytest.mark.slow
def test_the_claims_on_real_trainings(table):
    """On a reduced grid every claim comes out as on the full one, but for the control's, which needs more networks."""
    found = verdicts(table)
    assert list(found) == NAMES
    assert {name: verdict for name, verdict in found.items() if verdict != "supported"} == EXPECTED


@pytest.mark.slow
def test_the_table_is_a_row_for_each_training(table):
    """Every variant at its rates and in its orders, with seeds that no two sizes share."""
    counts = table.groupby(["start", "learning_rate", "row_order"]).size()
    he = counts["he"]
    assert he[:, "123"].tolist() == [4 * 30, 4 * 150, 4 * 600, *[4 * 150] * 4]
    assert set(he.drop("123", level="row_order")) == {4 * 60}
    assert sorted(he[0.002].index) == ["123", "132", "213", "231", "312", "321"]
    assert counts["positive w1"][0.001].tolist() == [4 * 150, *[4 * 60] * 5]
    leaky = table[table["start"] == trainings.LEAKY].groupby("epochs").size()
    assert leaky.to_dict() == {1000: 4 * 150, 30_000: 4 * 150, 100_000: 4 * 150}
    assert {name for name in table["start"] if "standardised" in name} == {
        "he, standardised",
        "b1 = +0.1, standardised",
        "b1 = +1, standardised",
    }
    assert table.groupby("seed")["hidden_size"].nunique().max() == 1
    assert (table["learning_rate"] * table["epochs"] >= 0.999).all()


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 4])
def test_counts_are_those_of_the_network_module(table, article_split, size):
    """Born dead and killed, unit by unit, as `dead_units` has them."""
    start, features = trainings.he_start(size, np.arange(40) + 1_000_000 * size), article_split.train.features
    ends = trainings.train(article_split, start, 0.001).finals
    masks = [
        np.array(
            [
                dead_units(Parameters.from_flat(p, n_features=2, hidden_size=size), features, Activation.relu)
                for p in states
            ]
        )
        for states in (start.parameters, ends)
    ]
    first = initialise(Initialisation.he, n_features=2, hidden_size=size, seed=int(start.seeds[0]))
    assert start.parameters[0].tolist() == first.flat().tolist()
    own = shares.select(table[table["hidden_size"] == size], trainings.HE, 0.001).iloc[:40]
    assert own["seed"].tolist() == start.seeds.tolist()
    assert own["born_dead"].tolist() == masks[0].sum(axis=1).tolist()
    assert own["killed"].tolist() == (masks[1] & ~masks[0]).sum(axis=1).tolist()


def test_an_intervention_changes_what_it_says():
    """Biases of 0.1 or 1, weights without their sign, or nothing but the activation; the other weights stay."""
    he = trainings.he_start(3, np.arange(5))
    small, bias, weights, leaky = (trainings.intervene(he, variant) for variant in trainings.INTERVENTIONS)
    assert (small.parameters[:, 6:9] == 0.1).all()
    assert (bias.parameters[:, 6:9] == 1).all()
    assert (
        np.delete(bias.parameters, [6, 7, 8], axis=1).tolist() == np.delete(he.parameters, [6, 7, 8], axis=1).tolist()
    )
    assert weights.parameters.tolist() == np.hstack([np.abs(he.parameters[:, :6]), he.parameters[:, 6:]]).tolist()
    assert leaky.parameters.tolist() == he.parameters.tolist()
    assert [start.variant for start in (he, bias, weights, leaky)] == ["he", "b1 = +1", "positive w1", "leaky ReLU"]
    assert small.variant == "b1 = +0.1"


@pytest.mark.slow
def test_no_dead_unit_is_revived(table):
    """Without a slope no gradient reaches a dead ReLU unit; leaky ReLU's can become active."""
    leaky = table["start"] == trainings.LEAKY
    assert table.loc[~leaky, "revived"].sum() == 0
    assert table.loc[leaky, "revived"].sum() > 0


def test_the_control_is_the_gradient_flow(article_split):
    """Radau's integration of the flow kills the same units as the control, in ten networks of two units."""
    rows, start = article_split.train, trainings.he_start(2, np.arange(10))
    control = trainings.inactive(rows, 2, trainings.train(article_split, start, trainings.CONTROL).finals)
    surface = Landscape(rows, 2)
    # An epoch of three rows takes three times the flow's time, since the half loss is their mean.
    flow = np.stack([surface.gradient_flow(p, [3.0])[0] for p in start.parameters])
    assert trainings.inactive(rows, 2, flow).tolist() == control.tolist()
    assert 0 < control.sum() < control.size


def test_no_share_is_told_as_all():
    """Three digits would make 100 % of the upper end of an interval below it."""
    assert shares.Counted(1700, 1701, 0.99329, 0.999976).told() == "99.9 % (99.3 % to 99.998 %)"
    assert shares.Counted(1696, 1701, 0.990211, 0.999583).told() == "99.7 % (99 % to 99.96 %)"
    assert shares.Counted(100, 100, 0.95, 1.0).told() == "100 % (95 % to 100 %)"
    assert shares.Counted(0, 100, 0.0, 0.05).told() == "0 % (0 % to 5 %)"


@pytest.mark.slow
def test_negative_output_weights_are_counted_by_size(table):
    """Of the units that the control kills; the counts of the four sizes add up to those that decide."""
    [judged] = [item for item in STUDY.judge(table) if item.claim.name == "flow_kills_negative_w2"]
    by_size = [judged.measured[f"negative_w2_in_hidden_size_{size}"] for size in trainings.SIZES]
    assert np.sum(by_size, axis=0).tolist() == [judged.measured["negative_w2"], judged.measured["killed"]]
    assert all(0 < negative <= killed for negative, killed in by_size)


@pytest.mark.parametrize(("number", "total"), [(0, 100), (3, 100), (100, 100), (1696, 1701)])
def test_the_interval_is_clopper_and_pearsons(number, total):
    """As SciPy's exact test has it."""
    exact = binomtest(number, total).proportion_ci(confidence_level=0.99, method="exact")
    assert shares.interval(number, total) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_the_integral_without_a_bias_is_the_closed_form(article_rows):
    """A bias near 0 leaves the angle alone; a large one kills next to nothing."""
    near = closed_forms.probability_born_dead_with_bias(article_rows, 1e-9)
    assert near == pytest.approx(closed_forms.probability_born_dead(article_rows), abs=1e-5)
    assert closed_forms.probability_born_dead_with_bias(article_rows, 30.0) < 0.001
    # The opening lies between (8, 7) and (2, 6).
    assert closed_forms.opening(article_rows) == pytest.approx(np.arccos((8 * 2 + 7 * 6) / np.sqrt(113 * 40)))


def at(table, start, rate, *, order=None, epochs=None, **columns):
    """Return the table with columns of one variant at one rate replaced, by values or functions of the column."""
    changed = table.copy()
    chosen = (changed["start"] == start) & (changed["learning_rate"] == rate)
    chosen &= (changed["row_order"] == order) if order else True
    chosen &= (changed["epochs"] == epochs) if epochs else True
    for name, value in columns.items():
        changed.loc[chosen, name] = value(changed.loc[chosen]) if callable(value) else value
    return changed


def all_units(rows):
    """Return how many units are alive at the start."""
    return rows["hidden_size"] - rows["born_dead"]


@pytest.mark.slow
def test_claims_can_come_out_otherwise(table):
    """Each of these tables turns a claim's verdict."""
    he, moderate, control, small = trainings.HE, 0.001, trainings.CONTROL, trainings.SMALL_BIAS
    size = lambda rows: rows["hidden_size"]  # noqa: E731
    turned = {
        "born_dead": (at(table, he, moderate, born_dead=lambda rows: rows["hidden_size"] // 2), "refuted"),
        "all_born_dead": (at(table, he, moderate, born_dead=size), "refuted"),
        "none_dies_at_0.001": (at(table, he, moderate, killed=0), "supported"),
        "no_step_kills_at_0.001": (at(table, he, moderate, killed_by_step=0.0), "supported"),
        "all_die_at_0.002": (at(table, he, 0.002, order="213", killed=0), "refuted"),
        "all_die_from_0.0027": (at(table, he, 0.0027, order="231", killed=0), "refuted"),
        "flow_kills_negative_w2": (at(table, he, control, killed_negative_w2=0), "refuted"),
        "bias_of_0.1_prevents": (at(table, small, moderate, born_dead=0), "supported"),
        "bias_of_1_prevents": (at(table, trainings.LARGE_BIAS, moderate, born_dead=0), "supported"),
        "bias_integral": (at(table, small, moderate, born_dead=0), "refuted"),
        "standardised_none_born_dead": (at(table, f"{small}, standardised", moderate, born_dead=1), "refuted"),
        "positive_w1_none_born_dead": (at(table, trainings.POSITIVE_WEIGHTS, moderate, born_dead=1), "refuted"),
        "leaky_relu_revives": (
            at(table, trainings.LEAKY, moderate, epochs=30_000, revived=lambda rows: rows["born_dead"]),
            "supported",
        ),
    }
    diverged = at(turned["leaky_relu_revives"][0], trainings.LEAKY, moderate, epochs=30_000, outcome="diverged")
    assert verdicts(diverged)["leaky_relu_revives"] == "refuted"
    both = at(at(table, small, moderate, active_on_most=size), f"{small}, standardised", moderate, active_on_most=size)
    turned["bias_of_0.1_activates"] = (both, "supported")
    # The two others have a test of their own, which repeats networks.
    assert {*turned, "control_is_flow", "positive_w1_prevents"} == set(NAMES)
    for name, (changed, verdict) in turned.items():
        assert verdicts(changed)[name] == verdict, name


@pytest.mark.slow
def test_every_order_and_rate_counts(table):
    """Where all units die in every order the claims are supported, where some live in one order it is named."""
    dead = table
    for rate in (0.002, *trainings.LATER):
        dead = at(dead, trainings.HE, rate, killed=all_units)
    dead = pd.concat([dead] * 8, ignore_index=True)
    found = verdicts(dead)
    assert (found["all_die_at_0.002"], found["all_die_from_0.0027"]) == ("supported", "supported")
    alive = at(dead, trainings.HE, 0.005, order="321", killed=0)
    [judged] = [item for item in STUDY.judge(alive) if item.claim.name == "all_die_from_0.0027"]
    assert "in 1 of 18 cases: 0 % (0 % to" in judged.instead
    assert "at 0.005 with rows 321" in judged.instead
    [name, _] = judged.decided_by
    assert name == "99.94 % interval of the share that loses all units at 0.005, rows 321 (%)"


def many(table, variant, rate, copies):
    """Return the table with the trainings of a variant at a rate repeated."""
    own = table[(table["start"] == variant) & np.isclose(table["learning_rate"], rate, rtol=1e-9, atol=0)]
    return pd.concat([table, *[own] * copies], ignore_index=True)


@pytest.mark.slow
def test_rare_events_need_many_networks(table):
    """The two claims whose intervals must lie below 1 % come out either way where there are enough networks."""
    calm = at(table, trainings.HE, trainings.FINER, killed_by_step=0.0, spared=0.0)
    assert verdicts(calm)["control_is_flow"] == "undecided"
    assert verdicts(many(calm, trainings.HE, trainings.FINER, 5))["control_is_flow"] == "supported"
    wild = at(calm, trainings.HE, trainings.FINER, killed_by_step=1.0)
    assert verdicts(many(wild, trainings.HE, trainings.FINER, 4))["control_is_flow"] == "refuted"
    quiet = at(table, trainings.POSITIVE_WEIGHTS, 0.001, killed=0)
    assert verdicts(quiet)["positive_w1_prevents"] == "undecided"
    assert verdicts(many(quiet, trainings.POSITIVE_WEIGHTS, 0.001, 4))["positive_w1_prevents"] == "supported"
    one = at(quiet, trainings.POSITIVE_WEIGHTS, 0.001, order="312", killed=1)
    assert verdicts(one)["positive_w1_prevents"] == "refuted"


@pytest.mark.slow
def test_too_few_networks_decide_nothing(table):
    """The claims are undecided and say what is missing."""
    few = table.groupby(["start", "row_order", "learning_rate", "epochs", "hidden_size"]).head(5)
    for short in (table.iloc[:0], few):
        judgements = STUDY.judge(short)
        assert {item.verdict.name for item in judgements} == {"undecided"}
        assert all("missing" in item.measured for item in judgements)


@pytest.mark.slow
def test_a_wrong_theory_is_refuted(table, monkeypatch):
    """With twice the angle the shares of dead units no longer fit; without the length of the weights neither."""
    monkeypatch.setattr(closed_forms, "opening", lambda rows: 2 * np.ptp(np.arctan2(*rows.features.T[::-1])))
    found = verdicts(table)
    assert (found["born_dead"], found["all_born_dead"]) == ("refuted", "refuted")
    monkeypatch.setattr(judge, "probability_born_dead_with_bias", lambda *_: 0.4156)
    assert verdicts(table)["bias_integral"] == "refuted"


@pytest.mark.slow
@pytest.mark.usefixtures("legible")
def test_figure_and_report(table, tmp_path):
    """The figure is drawn and the report has a line for each variant and rate."""
    STUDY.draw(table, tmp_path)
    assert (tmp_path / "figure.png").stat().st_size > 20_000
    assert len(list(STUDY.report(table))) == 2 + (7 + 5 * 5) + 3 * 2 + (2 + 5)
