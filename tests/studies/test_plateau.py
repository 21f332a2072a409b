"""The study of the plateau: judged on its own trainings, refuted by wrong closed forms and by other tables."""

from importlib import import_module

import numpy as np
import pytest

from student_score.stability.collapse import collapsed_avg_loss, collapsed_bias
from student_score.studies.study import load

STUDY = load("plateau")
claims, trainings, judge = (
    import_module(f"student_score_experiments.plateau.{name}") for name in ("claims", "trainings", "judge")
)


def verdicts(table) -> dict[str, str]:
    """Return claim -> verdict."""
    return {item.claim.name: item.verdict.name for item in STUDY.judge(table)}


@pytest.fixture(scope="session")
def table():
    """Return the study's own table of trainings."""
    return STUDY.trainings(STUDY.rows)


def test_the_claims_on_real_trainings(table):
    """All claims hold."""
    assert verdicts(table) == {claim.name: "supported" for claim in STUDY.claims}


def test_the_table_is_a_row_for_each_training(table):
    """25 rates that settle and 8 around the limit; six orders, full batches, ten orders of five rows; 1000 starts."""
    counts = table[table["start"] == trainings.ARTICLE].groupby(["rows", "sampling"]).size()
    assert counts.to_dict() == {(3, "cyclic"): 33 * 6, (3, "full_batch"): 33, (5, "cyclic"): 25 * 10}
    orders = table.groupby("rows")["row_order"].unique()
    assert sorted(orders[3]) == ["123", "132", "213", "231", "312", "321"]
    assert len(set(orders[5])) == 10
    drawn = table[table["start"] != trainings.ARTICLE]
    assert drawn.groupby("hidden_size")["start"].nunique().to_dict() == dict.fromkeys((1, 2, 4, 8), 250)
    assert set(drawn.groupby(["start", "learning_rate", "row_order"]).size()) == {1}
    assert len(drawn) == 1000 * 9 * 6


def test_three_of_the_five_rows_are_the_articles(article_rows):
    """The two others have hours from the article and scores that are made up."""
    five = trainings.ROWS[trainings.FIVE]
    assert five.features.tolist() == [*article_rows.features.tolist(), [6.0, 7.0], [3.0, 5.0]]
    assert five.targets.tolist() == [*article_rows.targets.tolist(), 80.0, 55.0]


@pytest.mark.parametrize(
    ("name", "wrong", "refuted"),
    [
        (
            "collapsed_avg_loss_of_three",
            lambda y, rate: 3 * np.var(y) / (2 - rate),
            ["three_rows", "heights_of_starts"],
        ),
        ("collapsed_avg_loss", lambda y, rate: collapsed_avg_loss(y, rate / 2), ["five_rows"]),
        ("collapsed_bias", lambda y, rate: collapsed_bias(y[::-1], rate), ["any_order"]),
    ],
)
def test_a_wrong_closed_form_is_refuted(table, monkeypatch, name, wrong, refuted):
    """One without the square of q, one at half the rate, one with the rows in reverse: each refutes its own claims."""
    monkeypatch.setattr(judge, name, wrong)
    assert [name for name, verdict in verdicts(table).items() if verdict == "refuted"] == refuted


def test_other_tables_are_refuted(table):
    """Heights 0.1 % too high, and trainings that diverge below the limit."""
    higher = verdicts(table.assign(avg_loss=table["avg_loss"] * 1.001))
    assert {name for name, verdict in higher.items() if verdict == "refuted"} == {
        "three_rows",
        "five_rows",
        "full_batch",
        "heights_of_starts",
    }
    early = table.copy()
    early.loc[early["learning_rate"] > 1.5, "outcome"] = "diverged"
    assert verdicts(early)["bias_settles"] == "refuted"
    assert verdicts(early)["three_rows"] == "refuted", "not all of them collapsed"
    finite = table.assign(outcome="collapsed")
    assert verdicts(finite)["bias_settles"] == "refuted", "nothing diverges above the limit"
    below = table[table["learning_rate"] < trainings.BEYOND[-3]]
    assert verdicts(below)["bias_settles"] == "undecided", "nothing was trained where it must diverge"


def test_what_settles_is_counted_on_three_rows_alone(table):
    """27 rates below 2 and three from 2.2 on, in six orders and full batches; one of them missing is missed."""
    [judged] = [item for item in STUDY.judge(table) if item.claim.name == "bias_settles"]
    assert list(judged.decided_by.values()) == [30 * 7, 30 * 7]
    assert (judged.measured["trainings"], judged.measured["diverged"]) == (33 * 7, 3 * 7)
    five = table["rows"] == len(trainings.ROWS[trainings.FIVE])
    assert verdicts(table.assign(outcome=table["outcome"].mask(five, "diverged")))["bias_settles"] == "supported"
    [lone] = table[(table["learning_rate"] == 2.5) & (table["sampling"] == "full_batch")].index
    [judged] = [item for item in STUDY.judge(table.drop(index=lone)) if item.claim.name == "bias_settles"]
    assert (judged.verdict.name, judged.measured["missing"]) == ("undecided", 1)


def test_the_height_of_one_start_refutes(table):
    """If it was dead early; one that died late has not settled, and is not judged."""
    changed = table.copy()
    drawn = (changed["start"] != trainings.ARTICLE) & (changed["learning_rate"] == 0.02)
    lone = changed[drawn].index[17]
    changed.loc[lone, "avg_loss"] += 2e-6
    found = verdicts(changed)
    assert {name for name, verdict in found.items() if verdict != "supported"} == {"heights_of_starts"}
    changed.loc[lone, "collapse_epoch"] = claims.EARLY + 1
    assert set(verdicts(changed).values()) == {"supported"}
    changed.loc[drawn, "collapse_epoch"] = claims.EARLY + 1
    assert verdicts(changed)["heights_of_starts"] == "undecided", "at one of the nine rates"


@pytest.mark.parametrize(("claim", "outcome"), [("all_collapse", "slow"), ("none_diverges", "diverged")])
@pytest.mark.parametrize(("starts", "verdict"), [(2, "undecided"), (40, "refuted")])
def test_starts_that_end_otherwise_count(table, claim, outcome, starts, verdict):
    """One training of a start is enough; two of 1000 starts leave 1 % inside the interval, forty do not."""
    changed = table.copy()
    seeds = sorted(set(table["start"]) - {trainings.ARTICLE})[:starts]
    once = (changed["learning_rate"] == 0.05) & (changed["row_order"] == "312")
    changed.loc[changed["start"].isin(seeds) & once, "outcome"] = outcome
    [judged] = [item for item in STUDY.judge(changed) if item.claim.name == claim]
    assert judged.verdict.name == verdict
    assert judged.measured["trainings_otherwise"] == starts
    assert judged.measured["rates_of_these"] == [0.05]
    assert ("0.05 to 0.05" in judged.instead) == (verdict == "refuted")


def test_heights_that_depend_on_the_order_are_refuted(table):
    """So are biases that do not."""
    first = table["row_order"] == "123"
    moved = table.assign(avg_loss=table["avg_loss"] + np.where(first, 2e-6, 0.0))
    equal = table.assign(b2=table.groupby(["rows", "learning_rate"])["b2"].transform("mean"))
    for changed in (moved, equal):
        assert verdicts(changed)["any_order"] == "refuted"


def test_a_diverged_training_crashes_no_claim(table):
    """Its numbers are not finite: what they would decide is refuted by its outcome or undecided."""
    broken = table.copy()
    one = (broken["start"] == trainings.ARTICLE) & (broken["learning_rate"] == 0.01) & (broken["row_order"] == "213")
    broken.loc[one, ["outcome", "avg_loss", "train_mse", "b2"]] = ["diverged", np.inf, np.nan, np.nan]
    found = verdicts(broken)
    assert (found["three_rows"], found["any_order"], found["bias_settles"]) == ("refuted", "undecided", "refuted")
    assert found["five_rows"] == found["all_collapse"] == "supported"


def test_a_short_table_decides_nothing(table):
    """With too few trainings, with one, or without any, the claims are undecided and say how many are missing."""
    for short in (table.iloc[:10], table.iloc[:1], table.iloc[:0]):
        found = STUDY.judge(short)
        assert {item.verdict.name for item in found} == {"undecided"}
        assert all("missing" in item.measured for item in found)


@pytest.mark.usefixtures("legible")
def test_figure_and_report(table, tmp_path):
    """The figure is drawn and the report says how the trainings ended."""
    STUDY.draw(table, tmp_path)
    assert (tmp_path / "figure.png").stat().st_size > 20_000
    assert list(STUDY.report(table)) == ["\n54481 trainings: 54460 collapsed, 21 diverged"]
