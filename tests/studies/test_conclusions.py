"""Conclusions: prose that follows from the verdicts, and says something else or less when they do."""

from dataclasses import replace

import pytest

from student_score.paths import known_studies
from student_score.studies.claims import UNDECIDED, Verdict
from student_score.studies.study import load

OTHER = {Verdict.supported: Verdict.refuted, Verdict.refuted: Verdict.supported, Verdict.undecided: Verdict.supported}
"""A verdict -> the opposite one, or one that decides."""


def instead(claim):
    """Return what stands for that which is true instead."""
    return f"Something else than {claim.name} is true."


RESTS_ON = {
    "baseline": {
        "line_wins_in_the_linear_world",
        "8_units_win_in_the_saturating_world",
        "2_units_win_in_the_saturating_world",
        "sign_changes_in_the_interaction_world_2_units",
        "sign_changes_in_the_interaction_world_8_units",
        "quadratic_beats_the_network_from_30",
        "8_units_beat_quadratic_with_10",
    },
    "article": {"not_converged", "units_die", "loss_increases", "bias_alone", "transcripts", "linear_rows"},
    "plateau": {"three_rows", "five_rows", "heights_of_starts", "any_order", "full_batch", "all_collapse"},
    "death": {
        "born_dead",
        "none_dies_at_0.001",
        "no_step_kills_at_0.001",
        "all_die_at_0.002",
        "all_die_from_0.0027",
        "control_is_flow",
        "flow_kills_negative_w2",
        "bias_of_0.1_prevents",
        "positive_w1_prevents",
        "leaky_relu_revives",
    },
    "stability": {"spectral", "full_batch", "limit", "departure"},
    "edge_of_stability": {
        "flow_ignores_the_edge",
        "meets_the_edge_from_below",
        "hovering_lasts",
        "rounding_decides_nothing",
    },
    "speed": {"best_rate", "best_rate_near", "range_test_steepest", "range_test_fourfold"},
}
"""Study -> the claims that its conclusion turns with. Benchmarks count all of theirs."""

TOLD = {"edge_of_stability": {"hovers_at_the_edge"}}
"""Study -> the claims of which it tells what was measured, however they came out."""

JUDGED = sorted(RESTS_ON)


def with_verdict(judgements, name, verdict):
    """Return the judgements, one of them with another verdict."""
    return [
        replace(item, verdict=verdict, instead=instead(item.claim) if verdict is Verdict.refuted else "")
        if item.claim.name == name
        else item
        for item in judgements
    ]


def flipped(judgements, *names):
    """Return the judgements, those on the named claims turned into their opposites."""
    for item in judgements:
        if item.claim.name in names:
            judgements = with_verdict(judgements, item.claim.name, OTHER[item.verdict])
    return judgements


@pytest.mark.parametrize("name", known_studies())
def test_a_conclusion_is_one_to_four_sentences(committed, name):
    """With every number filled in, whatever the verdicts are."""
    study, real = load(name), committed(name)
    names = [item.claim.name for item in real]
    for judgements in (real, flipped(real, *names), *(flipped(real, one) for one in names)):
        sentences = study.conclude(judgements)
        assert 1 <= len(sentences) <= 4
        for sentence in sentences:
            assert not sentence[0].islower()
            assert sentence.endswith(".")
            assert not set("{}") & set(sentence)


@pytest.mark.parametrize("name", known_studies())
def test_without_verdicts_there_is_nothing_to_conclude(committed, name):
    """And that is said."""
    nothing = [replace(item, verdict=Verdict.undecided, measured={}, decided_by={}) for item in committed(name)]
    assert load(name).conclude(nothing) == [UNDECIDED]


@pytest.mark.parametrize("name", JUDGED)
def test_a_conclusion_turns_with_the_verdicts(committed, name):
    """If every claim comes out the other way, no sentence remains."""
    study, real = load(name), committed(name)
    turned = study.conclude(flipped(real, *(item.claim.name for item in real)))
    assert not set(study.conclude(real)) & set(turned)


@pytest.mark.parametrize("name", JUDGED)
def test_a_conclusion_rests_on_single_claims(committed, name):
    """Each of these, the other way round or undecided, changes it; the other claims do not."""
    study, real = load(name), committed(name)
    said = study.conclude(real)
    names = [claim.name for claim in study.claims]
    assert {one for one in names if study.conclude(flipped(real, one)) != said} == RESTS_ON[name]
    undecided = {one for one in names if study.conclude(with_verdict(real, one, Verdict.undecided)) != said}
    so_already = {item.claim.name for item in real if item.verdict is Verdict.undecided}
    assert undecided == (RESTS_ON[name] | TOLD.get(name, set())) - so_already


@pytest.mark.parametrize(
    ("name", "claim", "words"),
    [
        ("article", "units_die", "units are dead"),
        ("article", "loss_increases", "jumps once"),
        ("article", "not_converged", "still learning"),
        ("plateau", "heights_of_starts", "54,400 networks"),
        ("death", "all_die_at_0.002", "networks lose all units, in six row orders"),
        ("death", "no_step_kills_at_0.001", "by a step"),
        ("death", "control_is_flow", "However small the rate"),
        ("death", "leaky_relu_revives", "only 5.58 % of the networks recover"),
        ("stability", "spectral", "What limits the rate"),
        ("stability", "spectral", "ends at other minima"),
        ("stability", "limit", "becomes 1 at a rate of 0.001597"),
        ("edge_of_stability", "flow_ignores_the_edge", "gradient flow"),
        ("speed", "range_test_steepest", "reads its own length"),
        ("baseline", "2_units_win_in_the_saturating_world", "and networks of 2 from 100 on"),
        ("baseline", "sign_changes_in_the_interaction_world_8_units", "networks of 8 units with 10 students"),
        ("baseline", "line_wins_in_the_linear_world", "the line wins"),
        ("baseline", "8_units_beat_quadratic_with_10", "loses to networks of 8 units with 10"),
    ],
)
def test_words_go_with_their_claim(committed, name, claim, words):
    """They are in the conclusion as it is, and not if the claim comes out the other way."""
    study, real = load(name), committed(name)
    assert words in " ".join(study.conclude(real))
    assert words not in " ".join(study.conclude(flipped(real, claim)))


def test_a_refuted_claim_is_concluded_with_what_is_true_instead(committed):
    """Its sentence gives way to that."""
    assert "Something else than bias_alone is true." in load("article").conclude(
        flipped(committed("article"), "bias_alone")
    )


@pytest.mark.parametrize("name", [name for name in known_studies() if load(name).benchmark])
def test_benchmarks_count_the_targets_that_are_met(committed, name):
    """Measured times stand, whether a target was met or not."""
    study, real = load(name), committed(name)
    met = sum(item.verdict is Verdict.supported for item in real)
    assert study.conclude(real)[-1] == f"{met} of {len(real)} targets are met."
    turned = study.conclude(flipped(real, *(item.claim.name for item in real)))
    assert turned == [*study.conclude(real)[:-1], f"{len(real) - met} of {len(real)} targets are met."]
