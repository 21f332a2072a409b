"""The edge of stability: judged on real trainings, refuted by tables that contradict it, undecided without enough."""

from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from student_score.model.network import ARTICLE_START
from student_score.model.sampling import Sampling
from student_score.stability.landscape import Landscape
from student_score.studies.claims import Verdict
from student_score.studies.study import load
from student_score.training.many import train_many
from student_score.training.setup import Networks, Setup

STUDY = load("edge_of_stability")
claims, trainings, rates, ensembles, judge, judge_ends, figure = (
    import_module(f"student_score_experiments.edge_of_stability.{name}")
    for name in ("claims", "trainings", "rates", "ensembles", "judge", "judge_ends", "figure")
)

NAMES = [claim.name for claim in STUDY.claims]
GRID, FINE = rates.GRID, rates.FINE


def judged(table):
    """Return claim -> judgement."""
    return {item.claim.name: item for item in STUDY.judge(table)}


def verdicts(table):
    """Return claim -> verdict."""
    return {name: item.verdict.name for name, item in judged(table).items()}


def trained(group, learning_rates, centres=(), steps=trainings.STEPS):
    """Return rows of trainings that do what the claims want, as a table of the study has them."""
    learning_rates = np.asarray(learning_rates)
    limit = 2 / 1350.76
    at_edge = (learning_rates > limit) & (learning_rates < claims.UPPER + 5e-7)
    failed = learning_rates > 2 / 595.34
    table = pd.DataFrame(
        {
            "method": trainings.DESCENT,
            "learning_rate": learning_rates,
            "steps": float(steps),
            "outcome": np.where(failed, "collapsed", "converged"),
            "late_rises": np.where(at_edge, 0.5, 0.0),
            "late_loss_first_tenth": 2.0,
            "late_loss_last_tenth": 1.0,
            "end_loss": 1.0,
            "start_sharpness": 595.34,
            "end_sharpness": np.minimum(2 / learning_rates, 1350.0),
            "early_ratio_largest": 1.1,
            "later_ratio_largest": 1.05,
            "met_ratio_smallest": 0.95,
            "met_ratio_largest": 1.05,
            "last_rise_step": 15_000.0,
            "last_rise_loss": 1e-5,
            **{f"{trainings.RISES_UNTIL}{step}": 0.5 for step in trainings.CHECKED},
            "reaches_edge_after_step": np.where(learning_rates > limit, 300.0, np.nan),
            "late_ratio_median": np.where(at_edge, 1.0, 0.9),
            "group": group,
        }
    )
    return table.assign(centre=centres) if len(centres) else table


@pytest.fixture(scope="session")
def ideal():
    """Return a table by which nearly all claims hold: no training at a single rate does what others do not."""
    close = np.concatenate([rates.nearby(rate) for rate in GRID])
    centres = np.repeat(GRID, rates.MEMBERS)
    flow = {"start_sharpness": 595.34, "end_sharpness": 1350.76, "largest_sharpness": 1350.76, "end_loss": 1e-12}
    tables = [
        pd.DataFrame([{"method": method, **flow} for method in (trainings.RADAU, trainings.RUNGE_KUTTA)]),
        trained(rates.NEARBY_GROUP, close, centres),
        *(
            trained(rates.NEARBY_GROUP, rates.nearby(rate)[:: rates.SPARSE], np.full(21, rate), trainings.LONG)
            for rate in GRID
        ),
        trained(rates.LAST_BITS_GROUP, rates.last_bits(FINE), np.repeat(FINE, rates.DOUBLES)),
        trained(rates.FINE_GROUP, FINE),
        trained(rates.FINER_GROUP, rates.FINER),
        trained(rates.BEYOND_GROUP, rates.BEYOND),
        trained(rates.CATAPULT_GROUP, np.linspace(0.02187, 0.04374, rates.MEMBERS)).assign(outcome="converged"),
    ]
    return pd.concat(tables, ignore_index=True)


def change(table, chosen, **columns):
    """Return the table with columns of the chosen rows replaced."""
    changed = table.copy()
    for name, value in columns.items():
        changed.loc[chosen, name] = value
    return changed


def test_an_ideal_table_supports_what_does_not_exclude_another(ideal):
    """Some leave where nearly all hover; a sharp end and survivors at the catapult's rates exclude each other."""
    found = verdicts(ideal)
    open_or_refuted = {name for name, verdict in found.items() if verdict != "supported"}
    assert open_or_refuted == {"one_rate_where_collapse_begins", "some_leave_the_edge", "sharpness_at_the_start"}
    assert found["some_leave_the_edge"] == "refuted"
    failing = change(ideal, ideal["learning_rate"].round(6) >= 0.0026, outcome="collapsed")
    assert verdicts(failing)["one_rate_where_collapse_begins"] == "supported"
    start = change(ideal, ideal["group"] == rates.CATAPULT_GROUP, outcome="collapsed")
    assert verdicts(start)["sharpness_at_the_start"] == "supported"


@pytest.mark.slow
def test_claims_can_come_out_otherwise(ideal):
    """Each of these tables refutes a claim, or supports the one that the ideal table refutes."""
    rate, group = ideal["learning_rate"], ideal["group"]
    next_to = (group == rates.NEARBY_GROUP) & (ideal["steps"] == trainings.STEPS)
    some = next_to & np.isclose(rate, 0.002, rtol=1e-5)
    fine, last = group == rates.FINE_GROUP, group == rates.LAST_BITS_GROUP
    one = next_to & (rate == 0.002)
    flow, long = ideal["method"] != trainings.DESCENT, ideal["steps"] == trainings.LONG
    low = fine & (rate < 0.00141)
    turned = {
        "hovers_at_the_edge": [change(ideal, some, late_ratio_median=1.003), change(ideal, some, late_rises=0.0)],
        "half_of_the_steps_raise_the_loss": [
            change(ideal, some, late_rises=0.3),
            change(ideal, some, late_loss_last_tenth=3.0),
        ],
        "meets_the_edge_from_below": [
            change(ideal, some, met_ratio_largest=1.21, later_ratio_largest=1.21),
            change(ideal, some, met_ratio_smallest=0.79),
            change(ideal, some, met_ratio_smallest=np.nan, met_ratio_largest=np.nan),
        ],
        "below_the_range": [change(ideal, low, late_rises=0.1), change(ideal, low, end_sharpness=2000.0)],
        "above_the_range": [change(ideal, fine & (rate > 0.0026), late_ratio_median=1.0, late_rises=0.5)],
        "one_rate_where_collapse_begins": [
            change(ideal, fine & rate.between(0.0020005, 0.00201), outcome="diverged"),
            change(ideal, (group == rates.FINER_GROUP) & (rate == 0.00259999), outcome="collapsed"),
        ],
        "some_leave_the_edge": [change(ideal, some, late_rises=0.0)],
        "hovering_lasts": [change(ideal, long, late_rises=0.0)],
        "flow_ignores_the_edge": [
            change(ideal, flow, end_sharpness=1000.0),
            change(ideal, flow, end_loss=1e-5),
            change(ideal, ideal["method"] == trainings.RADAU, end_sharpness=1351.0),
        ],
        "flow_gives_the_lower_edge": [
            change(ideal, fine & (rate.round(6) == 0.001482), reaches_edge_after_step=np.nan),
            change(ideal, fine & (rate.round(6) == 0.001479), reaches_edge_after_step=300.0),
        ],
        "catapult": [change(ideal, group == rates.CATAPULT_GROUP, outcome="collapsed")],
        "sharpness_at_the_start": [change(ideal, group == rates.BEYOND_GROUP, outcome="converged")],
        "the_ninth_decimal_decides_nothing": [change(ideal, one, late_rises=0.0)],
        "rounding_decides_nothing": [change(ideal, last & (rate == 0.002), outcome="collapsed")],
    }
    assert list(turned) == NAMES
    for name, tables in turned.items():
        for changed in tables:
            item = judged(changed)[name]
            assert item.verdict is (Verdict.supported if name == "some_leave_the_edge" else Verdict.refuted), name
            assert len(item.decided_by) == 2
    said = judged(turned["rounding_decides_nothing"][0])["rounding_decides_nothing"]
    assert said.instead.startswith("At 1 of 1,301 rates rounding decides how a training ends; they lie from 0.002")


def test_a_share_near_its_limit_decides_nothing(ideal):
    """93 of 101 may be nine tenths of all, as 2 may be one in a hundred; 3 of 101 may not be nine tenths."""
    next_to = ideal[(ideal["group"] == rates.NEARBY_GROUP) & (ideal["centre"] == 0.002)]
    few = change(ideal, next_to[next_to["steps"] == trainings.STEPS].index[:8], late_rises=0.0)
    found = verdicts(few)
    assert found["hovers_at_the_edge"] == found["half_of_the_steps_raise_the_loss"] == "undecided"
    assert found["the_ninth_decimal_decides_nothing"] == "refuted"
    two = change(ideal, next_to[next_to["steps"] == trainings.STEPS].index[:2], late_rises=0.0)
    assert verdicts(two)["some_leave_the_edge"] == "refuted"
    many = change(ideal, ideal["centre"].isin(GRID) & (ideal.index % 101 == 0), late_rises=0.0)
    assert verdicts(many)["some_leave_the_edge"] == "undecided"


def test_where_trainings_leave_and_when_is_measured(ideal):
    """The longest stretch of rates, those at which some leave, the last rises, and who is still there on the way."""
    group, rate, long = ideal["group"], ideal["learning_rate"].round(6), ideal["steps"] == trainings.LONG
    left = (group == rates.FINE_GROUP) & (rate.between(0.0017, 0.00171) | rate.isin([0.0016, 0.001602, 0.002]))
    about = (ideal["centre"] == 0.002) & ~long
    found = judged(change(ideal, left | about, late_rises=0.0))["some_leave_the_edge"]
    assert found.decided_by == {"rates where some leave": 1, "needed at least": 1}
    names = ("leaving_with_six_decimals", "they_lie_within", "longest_stretch_where_all_leave", "rates_of_that_stretch")
    # At the rates above 0.00258 none hovers in the ideal table, and all have met the edge.
    outside = int((FINE > 0.0025805).sum())
    assert [found.measured[name] for name in names] == [14 + outside, [0.0016, 0.0027], [0.002581, 0.0027], outside]
    gone = change(ideal, long & (rate == 0.002), rises_until_80000=0.0, last_rise_step=70_000.0, last_rise_loss=2e-5)
    found = judged(gone)["hovering_lasts"].measured
    assert found["still_there_after_60000"] == found["at_the_edge"] == 13 * 21
    assert found["still_there_after_80000"] == 12 * 21
    assert found["still_there_after_80000_at_0.002000"] == 0
    assert found["last_rise"] == 70_000
    assert (found["last_rise_at_0.001571"], found["loss_after_it_at_0.002000"]) == ([15_000, 15_000], [2e-5, 2e-5])


def test_alternation_is_told_on_both_grids(ideal):
    """Of rates 1e-6 and 1e-8 apart: the lowest that fails, the highest that survives, and what lies between them."""
    group, rate = ideal["group"], ideal["learning_rate"]
    some = (group == rates.FINER_GROUP) & rate.between(0.002579995, 0.002580035)
    found = judged(change(ideal, some | (rate == 0.0026), outcome="collapsed"))["one_rate_where_collapse_begins"]
    assert found.decided_by == {"lowest rate that fails": 0.00258, "highest rate that survives": 0.0027}
    assert found.instead == (
        "Collapses and survivors alternate: 1e-6 apart 1 of 101 rates from 0.0026 to 0.0027 fail, with 2 switches; "
        "1e-8 apart 5 of 3,001 rates from 0.00258 to 0.00261 fail, with 4 switches."
    )


@pytest.mark.parametrize("outcome", ["collapsed", "diverged"])
def test_what_fails_neither_hovers_nor_rests(ideal, outcome):
    """A dead network's loss does not rise either, and that of a diverged one is no number."""
    failed = change(ideal, ideal["centre"].isin(GRID), outcome=outcome, late_rises=0.0, met_ratio_smallest=np.nan)
    found = judged(failed)
    assert found["hovers_at_the_edge"].verdict.name == "refuted"
    assert found["some_leave_the_edge"].verdict.name == "refuted"
    assert found["hovering_lasts"].verdict.name == "undecided"
    assert found["meets_the_edge_from_below"].verdict.name == "refuted"


@pytest.mark.slow
def test_without_enough_trainings_nothing_is_decided(ideal):
    """A claim whose trainings are missing, wholly or in part, is undecided and says what is missing."""
    for table in (ideal.iloc[:0], ideal[ideal["method"] != trainings.DESCENT].iloc[:1]):
        found = judged(table)
        assert {item.verdict.name for item in found.values()} == {"undecided"}
        assert all("missing" in item.measured for item in found.values())
    group, rate = ideal["group"], ideal["learning_rate"]
    ninths = {"hovers_at_the_edge", "half_of_the_steps_raise_the_loss", "meets_the_edge_from_below"}
    ninths |= {"some_leave_the_edge", "the_ninth_decimal_decides_nothing"}
    fine = {"below_the_range", "above_the_range", "one_rate_where_collapse_begins", "flow_gives_the_lower_edge"}
    for missing, expected in (
        ((group == rates.NEARBY_GROUP) & (rate == 0.002), ninths),
        (group == rates.FINE_GROUP, fine | {"sharpness_at_the_start", "hovers_at_the_edge"}),
        (
            (group == rates.FINE_GROUP) & (rate == FINE[90]),
            {"one_rate_where_collapse_begins", "sharpness_at_the_start"},
        ),
        (
            (group == rates.FINER_GROUP) & (rate == rates.FINER[90]),
            {"one_rate_where_collapse_begins", "sharpness_at_the_start"},
        ),
        (group == rates.LAST_BITS_GROUP, {"rounding_decides_nothing"}),
        (group == rates.CATAPULT_GROUP, {"catapult", "sharpness_at_the_start"}),
        (ideal["steps"] == trainings.LONG, {"hovering_lasts"}),
        (ideal["method"] == trainings.RADAU, {"flow_ignores_the_edge", "flow_gives_the_lower_edge"}),
    ):
        found, before = verdicts(ideal[~missing]), verdicts(ideal)
        undecided = {name for name, verdict in found.items() if verdict == "undecided" != before[name]}
        assert undecided >= expected - {name for name, verdict in before.items() if verdict == "undecided"}


def test_every_rate_is_a_decimal_number(article_rows):
    """No rate has digits that LAPACK or an integrator has a say in: training amplifies them."""
    assert [float(f"{rate:.6f}") for rate in GRID] == GRID.tolist()
    assert [float(f"{rate:.6f}") for rate in FINE] == FINE.tolist()
    assert [float(f"{rate:.8f}") for rate in rates.FINER] == rates.FINER.tolist()
    for rate in GRID:
        close = rates.nearby(rate)
        assert [float(f"{one:.11f}") for one in close] == close.tolist()
        assert close[rates.MEMBERS // 2] == rate
        assert np.abs(close - rate).max() == pytest.approx(1e-9)
    catapult = rates.catapult_rates(article_rows)
    assert [float(f"{rate:.8f}") for rate in catapult] == catapult.tolist()
    # 2 / lambda_0, with four digits: the last ones of the eigenvalue change nothing.
    assert catapult[[0, -1]].tolist() == [0.02187, 0.04374]


def test_last_bits_are_the_nearest_doubles():
    """The rate in the middle, and two neighbours on either side."""
    found = rates.last_bits(np.array([0.002, 0.0025])).reshape(2, 5)
    assert found[:, 2].tolist() == [0.002, 0.0025]
    assert (np.nextafter(found[:, :-1], 1) == found[:, 1:]).all()


def test_pieces_are_bit_identical_to_one_training(article_split):
    """Continued in segments, full-batch training passes through the states of shorter trainings, bit for bit."""
    some = np.array([0.0014, 0.002, 0.0026, 0.01])
    taken = np.array([0, 1, 2, 5, 40, 41, 300])
    states = trainings.states_at(article_split, some, taken)
    assert states[0].tolist() == [ARTICLE_START.flat().tolist()] * 4
    networks = Networks(starts=ARTICLE_START.flat(), learning_rate=some)
    for step, state in zip(taken[1:].tolist(), states[1:], strict=True):
        setup = Setup(split=article_split, hidden_size=2, epochs=step, sampling=Sampling.full_batch)
        assert state.tobytes() == train_many(setup, networks).finals.tobytes()


def test_pieces_that_end_elsewhere_are_an_error(monkeypatch, article_split):
    """The study checks what it rests on."""
    pieces = trainings.states_at
    monkeypatch.setattr(trainings, "states_at", lambda *args: pieces(*args) * (1 + 1e-15))
    with pytest.raises(ArithmeticError, match="in pieces"):
        trainings.descend(article_split, np.array([0.0014]), 50, np.array([0, 50]))


def test_late_steps_are_recorded_in_pairs():
    """The first 200 one by one, and the last 2,000 on the grid; about it pairs of neighbours after the first ones."""
    for steps in (trainings.STEPS, trainings.LONG):
        taken = trainings.all_steps(steps)
        assert taken[:201].tolist() == list(range(201))
        assert taken[-2001:].tolist() == list(range(steps - 2000, steps + 1))
        assert set(trainings.shown_steps(steps)) <= set(taken)
        taken = trainings.some_steps(steps)
        assert taken[:201].tolist() == list(range(201))
        assert all(step + 1 in taken or step - 1 in taken for step in taken)
        late = taken[taken > steps - trainings.LATE]
        assert (len(late), taken[-1]) == (100, steps)
        assert (late[1::2] - late[::2] == 1).all()
    assert trainings.shown_steps(trainings.STEPS).tolist() == trainings.shown_steps(trainings.LONG).tolist()


def test_the_sharpness_meets_the_edge_from_below():
    """Only if it is below 1 after steps 199 and 200 and 1 later; from then on all steps count, and none before."""
    taken = np.array([0, 5, 199, 200, 201, 300, 400])
    ways = np.array(
        [
            [0.4, 3.0, 0.97, 0.98, 0.5, 1.0, 1.1],
            [0.4, 3.0, 1.01, 0.98, 0.99, 1.0, 1.1],
            [0.4, 3.0, 0.97, 1.01, 0.99, 1.0, 1.1],
            [0.4, 3.0, 0.97, 0.98, 0.99, 0.98, 0.99],
            [0.4, 3.0, 0.97, 0.98, 1.3, 0.7, 1.0],
        ]
    )
    found = pd.DataFrame(trainings.approach(ways, taken))
    assert found["early_ratio_largest"].tolist() == [3.0] * 5
    assert found["later_ratio_largest"].tolist() == [1.1, 1.1, 1.1, 0.99, 1.3]
    assert found["met_ratio_smallest"].tolist() == pytest.approx([1.0, np.nan, np.nan, np.nan, 0.7], nan_ok=True)
    assert found["met_ratio_largest"].tolist() == pytest.approx([1.1, np.nan, np.nan, np.nan, 1.3], nan_ok=True)
    assert ensembles.meets_and_stays(found).tolist() == [True, False, False, False, False]


def test_the_last_rise_is_above_rounding():
    """Step k raises the loss if that after it is larger than that before, and more than 1e-18."""
    losses = np.tile(np.geomspace(1.0, 1e-30, trainings.LONG), (3, 1))
    losses[0, 50_000] = losses[0, 49_999] * 1.5
    losses[1, 190_000] = 1e-19
    losses[2, -1] = 2.0
    found = trainings.followed_losses(losses)
    assert found["last_rise_step"].tolist() == pytest.approx([50_000, np.nan, trainings.LONG - 1], nan_ok=True)
    assert found["last_rise_loss"].tolist() == pytest.approx([losses[0, 50_000], np.nan, 2.0], nan_ok=True)
    shares = [found[f"{trainings.RISES_UNTIL}{step}"].tolist() for step in trainings.CHECKED]
    assert shares[:-1] == [[0.0] * 3] * 9
    assert shares[-1] == [0.0, 0.0, 1 / (trainings.LATE - 1)]


@pytest.mark.parametrize(
    ("chosen", "run"),
    [([], []), ([0, 0], [0, 0]), ([1, 0, 1, 1, 0], [0, 0, 1, 1, 0]), ([1, 1, 0, 1, 1], [1, 1, 0, 0, 0]), ([1], [1])],
)
def test_the_longest_run_of_rates(chosen, run):
    """The first of the longest."""
    assert ensembles.in_longest_run(np.array(chosen, dtype=bool)).astype(int).tolist() == run


@pytest.fixture(scope="session")
def single(article_split):
    """Return the table of four trainings of the grid, followed closely."""
    steps = trainings.STEPS
    return trainings.descend(article_split, GRID[[0, 2, 7, 14]], steps, trainings.all_steps(steps))


def test_real_trainings_are_at_the_edge(single, article_split):
    """Below, and at it; the median hides that the sharpness alternates. Their rows hold what `Landscape` says."""
    low, _, middle, _ = (row for _, row in single.iterrows())
    assert low["late_ratio_median"] == pytest.approx(0.936, abs=0.001)
    assert ensembles.ends(single).tolist() == ["rests", *["at the edge"] * 3]
    assert ensembles.hovers(single).tolist() == [False, True, True, True]
    assert middle["late_rises"] == pytest.approx(0.5, abs=0.001)
    assert middle["late_ratio_1_percent"] < 0.98
    assert middle["late_ratio_99_percent"] > 1.02
    states = trainings.states_at(article_split, GRID[[7]], np.array([0, 1, 2, trainings.STEPS]))[:, 0]
    largest = np.linalg.eigvalsh(trainings.landscape(article_split).hessian(states))[:, -1]
    columns = ["start_sharpness", "sharpness_after_1", "sharpness_after_2", "end_sharpness"]
    assert middle[columns].tolist() == pytest.approx(largest, rel=1e-12)


def test_pairs_of_steps_have_the_median_of_all(single, article_split):
    """What a hundred of the last steps say of the median is what all 2,000 say."""
    pairs = trainings.descend(article_split, GRID[[2, 7, 14]], trainings.STEPS, trainings.some_steps(trainings.STEPS))
    assert pairs["late_ratio_median"].tolist() == pytest.approx(single["late_ratio_median"].tolist()[1:], abs=5e-4)


def test_real_trainings_about_a_rate_end_in_different_ways(article_split):
    """Of 101 within 1e-9 of 0.002514 most are at the edge and some have left it; about 0.002 all are alike."""
    found = [
        ensembles.ends(trainings.descend(article_split, rates.nearby(rate), trainings.STEPS)) for rate in GRID[[7, 13]]
    ]
    assert set(found[0]) == {"at the edge"}
    assert found[1].value_counts().to_dict() == {"at the edge": 88, "rests": 13}


@pytest.mark.slow
def test_two_integrators_of_the_flow_agree(article_split):
    """Runge-Kutta's explicit method, in 26,000 small steps, ends at Radau's sharpness within 1e-8 of it."""
    radau, other = (trainings.flow_row(article_split, how) for how in (trainings.RADAU, trainings.RUNGE_KUTTA))
    assert other["end_sharpness"] == pytest.approx(radau["end_sharpness"], rel=1e-8)
    assert max(radau["end_loss"], other["end_loss"]) < claims.SETTLED
    found = judge_ends.judge_flow(pd.DataFrame([radau, other]))
    assert found.verdict is Verdict.supported
    # Far enough from where rounding would turn, for what the machine decides: 1e-8 of it.
    assert abs(radau["end_sharpness"] * 100 % 1 - 0.5) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "hovering"), [(2.0, 0), (1.01, 0), (1.0, 3)])
def test_a_wrong_hessian_puts_nothing_at_the_edge(factor, hovering, monkeypatch, article_split):
    """A Hessian of the sum of squares, twice that of the half loss, or one 1 % too large."""
    right = Landscape.hessian
    monkeypatch.setattr(Landscape, "hessian", lambda self, p: factor * right(self, p))
    taken = trainings.some_steps(trainings.STEPS)
    found = trainings.descend(article_split, GRID[[0, 2, 7, 14]], trainings.STEPS, taken)
    assert int(ensembles.hovers(found).sum()) == hovering


@pytest.mark.usefixtures("legible")
def test_figure_and_report(ideal, single, tmp_path):
    """The figure is drawn, of the grid and of ensembles, and the report has a line for each training of the grid."""
    grid = [single.assign(group=rates.GRID_GROUP, steps=steps) for steps in (trainings.STEPS, trainings.LONG)]
    table = pd.concat([ideal, *grid], ignore_index=True)
    STUDY.draw(table, tmp_path)
    assert (tmp_path / "figure.png").stat().st_size > 20_000
    assert len(list(STUDY.report(table))) == 2 + 8


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"outcome": "collapsed", "late_ratio_median": 0.001}, "collapses"),
        ({"late_ratio_median": 0.936}, "comes to rest below the edge, at 0.936"),
        ({"late_ratio_median": 1.1}, "comes to rest above the edge, at 1.100"),
        ({"reaches_edge_after_step": 4068.0}, "settles below the edge for some 4,000 steps"),
        ({}, "across it by 95 % after step 200, 3 % late"),
    ],
)
def test_panels_say_what_happens(changes, words):
    """Each training that the figure follows is described by its own row of the table."""
    row = {
        "outcome": "oscillating", "learning_rate": 0.002, "later_ratio_largest": 1.95, "late_ratio_median": 1.0,
        "late_ratio_99_percent": 1.028, "reaches_edge_after_step": 216.0,
    }  # fmt: skip
    assert figure.what_happens(row | changes) == words


def test_the_figure_follows_trainings_by_rate(single):
    """Of the rates in the table those that are shown, in order; a rate that was not trained is left out."""
    assert [row["learning_rate"] for row in figure.ways(single[1:])] == [0.001571, 0.002, 0.0026]
