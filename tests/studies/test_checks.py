"""What the page and the commands say of claims that are refuted, and of checks that pass and fail."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from student_score.commands.study import DefectError, judge
from student_score.commands.study import report as told
from student_score.config.schema import Config, TrackingConfig
from student_score.studies import evidence, report, study
from student_score.studies.claims import DEFECT, Claim, Verdict, Whose


@pytest.fixture(scope="module")
def uri(tmp_path_factory, empty_store) -> str:
    """Return a store that holds the records of the study `plateau`, and no others."""
    address = f"sqlite:///{shutil.copy(empty_store, tmp_path_factory.mktemp('checks') / 'mlflow.db')}"
    evidence.record_trainings("plateau", Config(tracking=TrackingConfig(uri=address, experiment="plateau")))
    return address


def page_of(chapters, uri) -> str:
    """Return the page of these chapters."""
    return report.render(chapters, uri=uri, written=datetime.now(UTC))


OURS = Claim(name="ours", whose=Whose.ours, sentence="Loss < 1.", source="s", rule="r")
THEIRS = Claim(name="theirs", whose=Whose.article, sentence="Loss rises.", source="s", rule="r")
CHECK = Claim(name="check", whose=Whose.ours, sentence="1 = 1.", source="s", rule="r", is_check=True)
TWO = {"distance (points²)": 3.2e-9, "allowed": 1e-12}


def judged_otherwise(monkeypatch, *judgements):
    """Let the study `plateau` judge so, and conclude with how many claims it has."""
    changed = replace(
        study.load("plateau"),
        claims=[item.claim for item in judgements],
        judge=lambda _: list(judgements),
        conclude=lambda found: [f"{len(found)} judgements."],
    )
    for room in (report, study):
        monkeypatch.setattr(room, "load", lambda _: changed)


def test_a_refuted_claim_says_whose_it_was_and_what_is_true_instead(uri, monkeypatch):
    """With its two numbers, in its study and in the list of those that are refuted; checks are not among them."""
    supported, passed = THEIRS.judge(True, {}, TWO), CHECK.judge(True, {}, TWO)
    judged_otherwise(monkeypatch, OURS.judge(False, {}, TWO, "T < 1."), supported, passed)
    part = report.chapter("plateau", uri)
    assert [item.claim.name for item in part.refuted] == ["ours"]
    page = page_of([part], uri)
    assert "Refuted, 1 of 2 claims: 1 of our own</summary>" in page
    assert '<a href="#plateau.ours">Loss &lt; 1.</a>' in page
    assert "refuted</span>, our own claim</p>" in page
    assert "<strong>Instead:</strong> T &lt; 1.</p>" in page
    assert "<dt>distance (points²)</dt><dd>3.2 × 10⁻⁹</dd>" in page


def test_checks_are_told_beside_the_claims(uri, monkeypatch):
    """They are counted apart, wherever something is counted, come after the claims, and are passed."""
    claims = [OURS.judge(False, {}, TWO, "T."), THEIRS.judge(True, {}, TWO)]
    judged_otherwise(monkeypatch, CHECK.judge(True, {}, TWO), *claims)
    page = page_of([report.chapter("plateau", uri)], uri)
    counted = "1 claim supported, 1 refuted; 1 check passed"
    assert page.count(counted) == 3, "for all, in the contents and above its claims"
    assert page.index('id="plateau.theirs"') < page.index("<h3>Checks: ") < page.index('id="plateau.check"')
    assert 'class="word"><span aria-hidden="true">✓</span> passed</span>' in page
    assert DEFECT not in page


def test_a_check_that_fails_is_said_first_and_aloud(uri, monkeypatch, tmp_path, capsys):
    """Before anything else on the page; the commands print it, end in 1, and publish nothing."""
    judged_otherwise(monkeypatch, CHECK.judge(False, {}, TWO, "1 < 1."), THEIRS.judge(True, {}, TWO))
    page = page_of([report.chapter("plateau", uri)], uri)
    assert page.index(f"1 check failed. {DEFECT}") < page.index("<h1>")
    assert "Refuted, " not in page
    assert "1 claim supported; 1 check failed" in page
    monkeypatch.setattr(report, "in_order", lambda: ["plateau"])
    assert told(["--uri", uri, "--output", str(tmp_path / "page.html")]) == 1
    said = capsys.readouterr().out
    assert "plateau: 1 claim supported; 1 check failed\n" in said
    assert f"  FAILED: 1 = 1. {DEFECT}" in said
    with pytest.raises(DefectError, match=r"the study plateau: check failed\. A check that fails is a defect"):
        judge(["plateau", "--uri", uri])
    assert "  FAILED: 1 = 1.\n      Instead: 1 < 1." in capsys.readouterr().out
    monkeypatch.setattr(study, "published_folder", lambda name: tmp_path / name)
    with pytest.raises(DefectError, match=r"nothing was written; the study plateau: check failed"):
        judge(["plateau", "--publish", "--uri", uri])
    assert not (tmp_path / "plateau").exists()


def test_a_table_from_before_a_column_leaves_all_undecided(uri, monkeypatch):
    """A rule looks for a column that the records lack: the page says so, without a figure; nothing is raised."""
    read = evidence.read_table
    monkeypatch.setattr(evidence, "read_table", lambda run: read(run).drop(columns="outcome"))
    part = report.chapter("plateau", uri)
    assert {item.verdict for item in part.judgements} == {Verdict.undecided}
    assert part.figure == ""
    assert "Missing: a column of the table, which was recorded before there was one: outcome; " in page_of([part], uri)
