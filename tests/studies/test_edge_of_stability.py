"""The edge of stability: judged on real trainings, refuted by tables that contradict it, undecided without enough."""

from importlib import import_module

import numpy as np
import pytest

from student_score.model.network import ARTICLE_START
from student_score.model.sampling import Sampling
from student_score.stability.landscape import Landscape
from student_score.studies.study import load
from student_score.training.many import train_many
from student_score.training.setup import Networks, Setup

STUDY = load("edge_of_stability")
claims, trainings, judge, figure = (
    import_module(f"student_score_experiments.edge_of_stability.{name}")
    for name in ("claims", "trainings", "judge", "figure")
)

NAMES = [claim.name for claim in STUDY.claims]
RATES = trainings.RATES[[0, 1, 2, 7]].tolist()
BEYOND = (0.00265, 0.004)


def verdicts(table):
    """Return claim -> verdict."""
    return {item.claim.name: item.verdict.name for item in STUDY.judge(table)}


@pytest.fixture(scope="session")
def table():
    """Return the table of four of the rates and two beyond them; Radau's flow stands for Runge-Kutta's, too."""
    with pytest.MonkeyPatch.context() as patch:
        integrate = trainings.flow_row
        patch.setattr(
            trainings,
            "flow_row",
            lambda split, method: integrate(split, trainings.RADAU) | {"method": method},
        )
        return STUDY.trainings(STUDY.rows, rates=RATES, beyond=BEYOND)


@pytest.fixture(scope="session")
def real(table):
    """Return the verdicts on it."""
    return verdicts(table)


def test_the_claims_on_real_trainings(real):
    """Below the range, the flow and the leaving are as predicted; all that rests on 0.001486 or lasts is refuted."""
    assert list(real) == NAMES
    supported = {"below_the_range", "some_leave_the_edge", "flow_ignores_the_edge", "above_the_range"}
    assert {name for name, verdict in real.items() if verdict == "supported"} == supported
    assert "undecided" not in real.values()


@pytest.mark.slow
def test_another_integrator_of_the_flow_agrees(table, article_split):
    """Runge-Kutta's explicit method, in 26,000 small steps, ends at Radau's sharpness within 1e-8 of it."""
    row = trainings.flow_row(article_split, trainings.RUNGE_KUTTA)
    radau = judge.flows(table)[trainings.RADAU]
    assert set(row) <= set(radau)
    assert row["end_sharpness"] == pytest.approx(radau["end_sharpness"], rel=1e-8)
    assert row["end_loss"] < claims.SETTLED
    changed = table.copy()
    for name, value in row.items():
        changed.loc[table["method"] == trainings.RUNGE_KUTTA, name] = value
    assert verdicts(changed)["flow_ignores_the_edge"] == "supported"


def test_without_the_lowest_rate_of_the_range_it_hovers(table):
    """From 0.00157 to 0.002 the medians lie at 2 / rate, and half of the steps raise the loss."""
    inner = table[~np.isclose(table["learning_rate"], RATES[1])]
    assert verdicts(inner)["hovers_at_the_edge"] == "supported"
    last = table[(table["learning_rate"] == RATES[3]) & (table["steps"] == trainings.STEPS)].iloc[0]
    assert last["late_rises"] == pytest.approx(0.5, abs=0.001)
    # The median hides that the sharpness alternates.
    assert last["late_ratio_1_percent"] < 0.98
    assert last["late_ratio_99_percent"] > 1.02


def test_pieces_are_bit_identical_to_one_training(article_split):
    """Continued in segments, full-batch training passes through the states of shorter trainings, bit for bit."""
    rates = np.array([0.0014, 0.002, 0.0026, 0.01])
    taken = np.array([0, 1, 2, 5, 40, 41, 300])
    states = trainings.states_at(article_split, rates, taken)
    assert states[0].tolist() == [ARTICLE_START.flat().tolist()] * 4
    networks = Networks(starts=ARTICLE_START.flat(), learning_rate=rates)
    for step, state in zip(taken[1:].tolist(), states[1:], strict=True):
        setup = Setup(split=article_split, hidden_size=2, epochs=step, sampling=Sampling.full_batch)
        assert state.tobytes() == train_many(setup, networks).finals.tobytes()


def test_pieces_that_end_elsewhere_are_an_error(monkeypatch, article_split):
    """The study checks what it rests on."""
    pieces = trainings.states_at
    monkeypatch.setattr(trainings, "states_at", lambda *args: pieces(*args) * (1 + 1e-15))
    with pytest.raises(ArithmeticError, match="in pieces"):
        trainings.descend(article_split, [0.0014], 50)


def test_late_steps_are_all_recorded():
    """The first 200 and the last 2,000 steps are taken one by one, those of the figure in pairs, also in long runs."""
    for steps in (trainings.STEPS, trainings.LONG):
        taken = trainings.recorded_steps(steps)
        assert taken[:201].tolist() == list(range(201))
        assert taken[-2001:].tolist() == list(range(steps - 2000, steps + 1))
        assert set(trainings.shown_steps(steps)) <= set(taken)
    assert trainings.shown_steps(trainings.STEPS).tolist() == trainings.shown_steps(trainings.LONG).tolist()


def test_rows_hold_what_landscape_says(table, article_split):
    """The sharpness at the start and at the end is the Hessian's largest eigenvalue there."""
    row = table[(table["learning_rate"] == RATES[3]) & (table["steps"] == trainings.STEPS)].iloc[0]
    states = trainings.states_at(article_split, np.array([RATES[3]]), np.array([0, 1, 2, trainings.STEPS]))[:, 0]
    largest = np.linalg.eigvalsh(trainings.landscape(article_split).hessian(states))[:, -1]
    assert row["start_sharpness"] == largest[0]
    columns = ["sharpness_after_1", "sharpness_after_2", "end_sharpness"]
    assert row[columns].tolist() == pytest.approx(largest[1:], rel=1e-12)


def change(table, chosen, **columns):
    """Return the table with columns of the chosen rows replaced."""
    changed = table.copy()
    for name, value in columns.items():
        changed.loc[chosen, name] = value
    return changed


def test_claims_can_come_out_otherwise(table, real):
    """Each of these tables turns a claim's verdict."""
    rate, steps = table["learning_rate"], table["steps"]
    inside = rate.between(claims.LOWER, claims.UPPER)
    flow = table["method"] != trainings.DESCENT
    short, long = steps == trainings.STEPS, steps == trainings.LONG
    limit = 2 / judge.flows(table)[trainings.RADAU]["end_sharpness"]
    falls = {"late_loss_first_tenth": 2.0, "late_loss_last_tenth": 1.0}
    reached = np.where(rate > limit, 300.0, np.nan)
    failed = np.where(rate > 2 / 595.34, "collapsed", "converged")
    turned = {
        "hovers_at_the_edge": change(table, inside, late_ratio_median=1.001),
        "half_of_the_steps_raise_the_loss": change(table, inside, late_rises=0.45, **falls),
        "meets_the_edge_from_below": change(table, inside, largest_sharpness=1000.0),
        "below_the_range": change(table, rate == RATES[0], late_rises=0.1),
        "above_the_range": change(table, rate == BEYOND[0], late_ratio_median=1.0),
        "some_leave_the_edge": change(table, inside, late_rises=0.5),
        "hovering_lasts": change(table, long, late_rises=0.5),
        "flow_ignores_the_edge": change(table, flow, end_sharpness=1000.0),
        "flow_gives_the_lower_edge": table.assign(reaches_edge_after_step=reached),
        "catapult": change(table.assign(outcome=failed), flow, outcome=np.nan),
    }
    assert list(turned) == NAMES
    for name, changed in turned.items():
        assert real[name] != verdicts(changed)[name] != "undecided", name
    unsettled = change(table, flow, end_loss=1e-5)
    apart = change(table, table["method"] == trainings.RADAU, end_sharpness=1351.0)
    assert {verdicts(other)["flow_ignores_the_edge"] for other in (unsettled, apart)} == {"refuted"}
    assert short.sum() == len(RATES) + len(BEYOND) + 2


def test_a_short_table_decides_nothing(table):
    """Without the trainings they need, the claims are undecided and say what is missing."""
    judgements = STUDY.judge(table.iloc[:0])
    assert {item.verdict.name for item in judgements} == {"undecided"}
    assert all("missing" in item.measured for item in judgements)
    no_long = verdicts(table[table["steps"] != trainings.LONG])
    assert {name for name, verdict in no_long.items() if verdict == "undecided"} == {"hovering_lasts"}
    no_flow = verdicts(table[table["method"] == trainings.DESCENT])
    expected = {"flow_ignores_the_edge", "flow_gives_the_lower_edge"}
    assert {name for name, verdict in no_flow.items() if verdict == "undecided"} == expected
    low = verdicts(table[table["learning_rate"].isna() | (table["learning_rate"] < claims.LOWER)])
    assert {name for name, verdict in low.items() if verdict != "undecided"} == {"below_the_range"}
    near = verdicts(table[~table["learning_rate"].between(0.00145, 0.001453)])
    assert near["flow_gives_the_lower_edge"] == "undecided"


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "below"), [(2.0, "refuted"), (1.01, "supported"), (1.0, "supported")])
def test_a_wrong_hessian_turns_verdicts(factor, below, monkeypatch, article_split):
    """A Hessian of the sum of squares, twice that of the half loss, or one 1 % too large puts nothing at the edge."""
    right = Landscape.hessian
    monkeypatch.setattr(Landscape, "hessian", lambda self, p: factor * right(self, p))
    found = verdicts(trainings.descend(article_split, [RATES[0], *RATES[2:]], trainings.STEPS))
    assert found["hovers_at_the_edge"] == ("supported" if factor == 1.0 else "refuted")
    assert found["below_the_range"] == below


@pytest.mark.usefixtures("legible")
def test_figure_and_report(table, tmp_path):
    """The figure is drawn and the report has a line for each training."""
    STUDY.draw(table, tmp_path)
    assert (tmp_path / "figure.png").stat().st_size > 20_000
    assert len(list(STUDY.report(table))) == 2 + len(table) - 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"outcome": "collapsed", "late_ratio_median": 0.001}, "collapses"),
        ({"late_ratio_median": 0.936}, "comes to rest below the edge, at 0.936"),
        ({"late_ratio_median": 1.1}, "comes to rest above the edge, at 1.100"),
        ({"reaches_edge_after_step": 4068.0}, "settles below the edge until step 4,068"),
        ({}, "across the edge by up to 95 %, late by 3 %"),
    ],
)
def test_panels_say_what_happens(changes, words):
    """Each training that the figure follows is described by its own row of the table."""
    row = {
        "outcome": "oscillating", "learning_rate": 0.002, "largest_sharpness": 1950.0, "late_ratio_median": 1.0,
        "late_ratio_99_percent": 1.028, "reaches_edge_after_step": 216.0,
    }  # fmt: skip
    assert figure.what_happens(row | changes) == words


def test_the_figure_follows_trainings_by_rate(table):
    """Of the rates in the table those that are shown, in order; a rate that was not trained is left out."""
    short = table[table["steps"] == trainings.STEPS]
    assert [row["learning_rate"] for row in figure.ways(short)] == pytest.approx([0.0014, 0.0015714, 0.002], rel=1e-4)
