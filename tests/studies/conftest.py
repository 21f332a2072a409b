"""What tests of conclusions and of the page need: the judgements that are committed."""

import json
from collections.abc import Callable

import pytest

from student_score.paths import EXPERIMENTS
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
