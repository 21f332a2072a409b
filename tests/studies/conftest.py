"""What tests of conclusions, of the page and of figures need: the judgements that are committed, a look at letters."""

import json
from collections.abc import Callable

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from student_score.paths import EXPERIMENTS
from student_score.plots import WIDTH
from student_score.studies.claims import Judgement, Verdict
from student_score.studies.study import load


@pytest.fixture(scope="session")
def committed() -> Callable[[str], list[Judgement]]:
    """Return a function that gives the judgements that a study's verdicts.json tells of."""

    def judgements(name: str) -> list[Judgement]:
        entries = json.loads((EXPERIMENTS / name / "results/verdicts.json").read_text())["claims"]
        return [
            Judgement(
                claim=claim,
                verdict=Verdict[entry["verdict"]],
                measured=entry["measured"],
                decided_by=entry.get("decided_by", {"found": 1.5, "allowed": 2.5}),
                instead=f"Something else than {claim.name} is true." if entry["verdict"] == "refuted" else "",
            )
            for claim, entry in zip(load(name).claims, entries, strict=True)
        ]

    return judgements


@pytest.fixture
def legible(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no figure be saved whose letters are small where it is shown: below 9 points, or on a wide canvas."""
    savefig = Figure.savefig

    def looked_at(figure, *args, **kwargs):
        savefig(figure, *args, **kwargs)
        texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
        assert texts
        assert {text.get_text(): text.get_size() for text in texts if text.get_size() < 9} == {}
        assert figure.get_figwidth() <= WIDTH

    monkeypatch.setattr(Figure, "savefig", looked_at)
