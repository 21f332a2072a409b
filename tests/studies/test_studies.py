"""Studies: values with claims, papers and rows; verdicts follow from what was found and are written with numbers."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from student_score.config.schema import Config
from student_score.data.article import ARTICLE_ROWS
from student_score.data.rows import Rows
from student_score.errors import InputError
from student_score.paths import CONF, EXPERIMENTS, REPOSITORY, known_studies
from student_score.studies import study
from student_score.studies.claims import Claim, Verdict, Whose, tally, tightest

CLAIM = Claim(name="c", whose=Whose.literature, sentence="S.", source="s", rule="R.")

TWO = {"found": 46221, "allowed at most": 1e-6}
"""The numbers that decide it."""


def toy(**changes) -> study.Study:
    """Return a study that finds its claim supported by whatever evidence there is."""
    made = study.Study(
        place=9,
        question="Q?",
        caption="C.",
        claims=[CLAIM],
        rows={"student_scores": ARTICLE_ROWS},
        judge=lambda evidence: [CLAIM.judge(True, {"n": len(evidence)}, TWO)],
        conclude=lambda judgements: [f"{len(judgements)} claim is decided."],
        draw=lambda evidence, folder: (folder / "figure.png").write_text(f"picture of {evidence}"),
        report=lambda evidence: iter([f"evidence: {evidence}"]),
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("holds", "verdict"), [(True, Verdict.supported), (False, Verdict.refuted), (None, Verdict.undecided)]
)
def test_a_verdict_follows_from_what_was_found(holds, verdict):
    """True supports, False refutes, None leaves undecided."""
    judged = CLAIM.judge(holds, {"n": 1}, TWO, "Something else.")
    assert judged.verdict is verdict
    assert judged.instead == ("Something else." if verdict is Verdict.refuted else "")


@pytest.mark.parametrize("two", [{}, {"found": 1}, {"found": 1, "allowed": 2, "more": 3}])
def test_two_numbers_decide_a_claim(two):
    """A verdict cannot be given without them; where nothing is decided there may be none."""
    with pytest.raises(ValueError, match=f"c: two numbers decide a claim, not {len(two)}: "):
        CLAIM.judge(True, {}, two)
    assert CLAIM.judge(None, {"missing": "all"}).decided_by == {}


def test_a_refuted_claim_says_what_is_true_instead():
    """It cannot be refuted without."""
    with pytest.raises(ValueError, match="c: it is refuted, so say what is true instead"):
        CLAIM.judge(False, {}, TWO)


def test_the_tightest_limit_decides():
    """Of several limits, the one that is exceeded most or comes nearest to it; any excess of 0 comes first."""
    time, memory = ("time (s)", 3.0, "below (s)", 6.0), ("memory (MB)", 400.0, "below (MB)", 600.0)
    assert tightest(time, memory) == {"memory (MB)": 400.0, "below (MB)": 600.0}
    assert tightest(("rises", 1, "claimed", 0), memory) == {"rises": 1, "claimed": 0}
    assert tightest(memory, ("time (s)", float("inf"), "below (s)", 6.0)) == {
        "time (s)": float("inf"),
        "below (s)": 6.0,
    }
    assert tightest(memory, ("rises", 0, "claimed", 0)) == {"memory (MB)": 400.0, "below (MB)": 600.0}


def test_verdicts_are_written_with_the_numbers(tmp_path):
    """verdicts.json holds the question, every claim with its rule, verdict and numbers; nan is refused."""
    judgements = [CLAIM.judge(True, {"n": 1}, TWO), CLAIM.judge(False, {}, TWO, "T."), CLAIM.judge(None, {})]
    study.write_verdicts(tmp_path / "v.json", "Q?", judgements)
    written = json.loads((tmp_path / "v.json").read_text())
    assert written["question"] == "Q?"
    claim = {"name": "c", "whose": "literature", "sentence": "S.", "source": "s", "rule": "R."}
    assert written["claims"] == [
        {**claim, "verdict": "supported", "decided_by": TWO, "measured": {"n": 1}},
        {**claim, "verdict": "refuted", "instead": "T.", "decided_by": TWO, "measured": {}},
        {**claim, "verdict": "undecided", "measured": {}},
    ]
    endless = replace(CLAIM.judge(True, {}, TWO), measured={"n": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        study.write_verdicts(tmp_path / "v.json", "Q?", [endless])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("holds", [True, False])
def test_what_is_not_finite_decides_nothing(tmp_path, value, holds):
    """Alone or in a pair it leaves a claim undecided, and says so; beside the two numbers it is written in words."""
    for two in ({"found": value, "allowed": 1}, {"from to": [0.5, value], "allowed": 1}):
        judged = CLAIM.judge(holds, {"n": 1}, two, "Something else.")
        assert (judged.verdict, judged.instead) == (Verdict.undecided, "")
        assert judged.measured == {"n": 1, "missing": f"finite numbers: {next(iter(two))}"}
    beside = CLAIM.judge(holds, {"n": value, "pair": [value, 0.5]}, TWO, "Something else.")
    assert beside.verdict is (Verdict.supported if holds else Verdict.refuted)
    assert beside.measured == {"n": "not finite", "pair": ["not finite", 0.5]}
    study.write_verdicts(tmp_path / "v.json", "Q?", [beside])


def test_checks_are_counted_apart():
    """A claim is supported or refuted, a check passed or failed; what none did is not said."""
    check = replace(CLAIM, is_check=True)
    claims = [CLAIM.judge(True, {}, TWO), CLAIM.judge(True, {}, TWO), CLAIM.judge(None, {})]
    assert tally(claims) == "2 claims supported, 1 undecided"
    passed, failed = check.judge(True, {}, TWO), check.judge(False, {}, TWO, "T.")
    assert tally([failed, *claims, passed, passed]) == "2 claims supported, 1 undecided; 2 checks passed, 1 failed"
    assert tally([CLAIM.judge(False, {}, TWO, "T."), check.judge(None, {})]) == "1 claim refuted; 1 check undecided"
    assert tally([]) == ""
    assert [item.is_defect for item in (passed, failed, *claims)] == [False, True, False, False, False]


@pytest.mark.parametrize("evidence", [[1], pd.DataFrame({"n": [1]})])
def test_a_key_that_is_no_column_is_a_bug(monkeypatch, evidence):
    """Older records lack a column of their table; any other key that a judge looks for in vain is raised."""

    def looks_for(_):
        raise KeyError("n")

    monkeypatch.setattr(study, "load", lambda _: toy(judge=looks_for))
    with pytest.raises(KeyError, match="n"):
        study.judged("toy", evidence)


def test_an_unknown_study_is_named():
    """The message lists the studies there are."""
    with pytest.raises(InputError, match=f"there is no study 'nothing'; there are {', '.join(known_studies())}"):
        study.load("nothing")


def test_what_is_no_study_is_refused(monkeypatch):
    """STUDY must be a Study; the message names the file."""
    monkeypatch.setattr(study, "module", lambda _: SimpleNamespace(STUDY=3))
    with pytest.raises(TypeError, match=r"experiments/plateau/study\.py: STUDY is 3, not a Study"):
        study.load("plateau")


@pytest.mark.parametrize("name", known_studies())
def test_a_study_has_its_papers(name):
    """Each study has a README, claims with distinct names, and committed verdicts on exactly these claims."""
    own = study.load(name)
    assert (EXPERIMENTS / name / "README.md").read_text().startswith("# ")
    names = [claim.name for claim in own.claims]
    assert len(set(names)) == len(names) > 0
    committed = json.loads((EXPERIMENTS / name / "results/verdicts.json").read_text())
    assert committed["question"] == own.question
    assert [claim["name"] for claim in committed["claims"]] == names
    for written, claim in zip(committed["claims"], own.claims, strict=True):
        assert {key: written.get(key) for key in claim.plain()} == claim.plain()
        assert len(written["decided_by"]) == 2
        assert ("instead" in written) == (written["verdict"] == "refuted")
    assert (EXPERIMENTS / name / "results/figure.png").exists()


@pytest.mark.parametrize("name", [name for name in known_studies() if not study.load(name).benchmark])
def test_the_readme_counts_what_came_out(committed, name):
    """The study's line in the table begins with how many claims and checks came out how."""
    assert f"| {tally(committed(name))}: " in next(
        line for line in (REPOSITORY / "README.md").read_text().splitlines() if line.startswith(f"| [{name}](")
    )


@pytest.mark.parametrize("name", known_studies())
def test_a_study_has_its_experiment_file(name):
    """conf/experiment/NAME.yaml names it, is recorded under its name, and says how it is run."""
    text = (CONF / "experiment" / f"{name}.yaml").read_text()
    content = yaml.safe_load(text)
    assert (content["study"], content["tracking"]["experiment"]) == (name, name)
    assert text.splitlines()[1].endswith(study.command(name))
    # A study with trainings of its own has no use for a sweep.
    assert ("hydra" in content) == (study.load(name).trainings is None)


@pytest.mark.parametrize("name", known_studies())
def test_a_study_has_rows_and_their_digests(name):
    """Records are recognised by the rows that were trained on, so a study names them, and changes none by itself."""
    own = study.load(name)
    assert set(own.digests) == {rows.digest() for rows in own.rows.values()} != set()
    assert all(isinstance(rows, Rows) for rows in own.rows.values())
    assert own.digests == tuple(sorted(set(own.digests)))


@pytest.mark.parametrize("name", known_studies())
def test_a_study_varies_only_what_there_is(name):
    """Keys of the configuration, swept by its experiment file; a study with trainings of its own varies none."""
    own = study.load(name)
    content = yaml.safe_load((CONF / "experiment" / f"{name}.yaml").read_text())
    swept = content.get("hydra", {}).get("sweeper", {}).get("params", {})
    assert set(own.varies) == set(swept)
    for key in own.varies:
        group, field = key.split(".")
        assert hasattr(getattr(Config(), group), field)


def test_no_two_studies_have_one_place():
    """The report tells them in this order, benchmarks last."""
    order = study.in_order()
    places = [study.load(name).place for name in order]
    assert places == sorted(set(places))
    assert sorted(order) == known_studies()
    assert order[:4] == ["article", "plateau", "death", "stability"]
    benchmarks = [study.load(name).benchmark for name in order]
    assert benchmarks == sorted(benchmarks)


def test_a_new_study_is_a_folder(tmp_path, monkeypatch):
    """It is found by its study.py and loaded once; what lies beside it can be imported from there."""
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "rows.py").write_text("ROWS = {}\n")
    (folder / "study.py").write_text(
        "from student_score.studies.study import Study\n\nfrom .rows import ROWS\n\n"
        "STUDY = Study(place=1, question='Q?', caption='', claims=(), rows=ROWS, judge=list, draw=print, report=iter,"
        " conclude=list)\n"
    )
    monkeypatch.setattr("student_score.paths.EXPERIMENTS", tmp_path)
    monkeypatch.setattr(study, "EXPERIMENTS", tmp_path)
    monkeypatch.setattr(study, "PACKAGE", "student_score_elsewhere")
    assert study.in_order() == ["new"]
    assert study.load("new") is study.load("new")
    assert study.load("new").question == "Q?"
    with pytest.raises(InputError, match="there is no study 'plateau'; there are new"):
        study.load("plateau")


def test_conclusions_go_to_the_folder_that_is_given(tmp_path, monkeypatch):
    """Verdicts and figure are written there, and the last lines say where."""
    monkeypatch.setattr(study, "load", lambda _: toy())
    folder = tmp_path / "some" / "where"
    judgements = study.conclude("toy", [1, 2], folder)
    assert sorted(path.name for path in folder.iterdir()) == ["figure.png", "verdicts.json"]
    assert json.loads((folder / "verdicts.json").read_text())["claims"][0]["measured"] == {"n": 2}
    lines = list(study.closing("toy", [1, 2], judgements, folder))
    assert lines[0] == "evidence: [1, 2]"
    assert f"Verdicts of the study toy ({folder}):" in lines
    assert "1 claim is decided." in lines
    assert lines[-3:] == ["  SUPPORTED: S.", "      found: 46,221; allowed at most: 1e-6", "1 claim supported."]
    refuted = [CLAIM.judge(False, {}, TWO, "T.")]
    assert list(study.closing("toy", [], refuted, folder))[-4:-2] == [
        "  REFUTED: S. (the literature's claim)",
        "      Instead: T.",
    ]
    # Its own folder is told as seen from the repository.
    assert "Verdicts of the study toy (results/toy):" in list(
        study.closing("toy", [], judgements, study.results_folder("toy"))
    )


def test_digests_name_each_rows_once():
    """Two names of the same rows have one digest; they are sorted, whatever order the rows are in."""
    other = Rows(ARTICLE_ROWS.features, np.array([1.0, 2.0, 3.0]))
    rows = {"a": other, "b": ARTICLE_ROWS, "c": ARTICLE_ROWS}
    assert toy(rows=rows).digests == tuple(sorted([other.digest(), ARTICLE_ROWS.digest()]))
    assert toy(rows=dict(reversed(rows.items()))).digests == toy(rows=rows).digests
