"""Claims that can turn out false, and what the numbers say about them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Verdict(Enum):
    """What the numbers say about a claim."""

    supported = "supported"
    refuted = "refuted"
    undecided = "undecided"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence that can be false, where it comes from, and the rule, fixed beforehand, that decides it."""

    name: str
    sentence: str
    source: str
    rule: str

    def judge(self, holds: bool | None, measured: Mapping[str, Any]) -> "Judgement":
        """Return the verdict: None means that the records cannot decide."""
        verdict = {True: Verdict.supported, False: Verdict.refuted, None: Verdict.undecided}[holds]
        return Judgement(claim=self, verdict=verdict, measured=dict(measured))


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A claim, its verdict, and the numbers behind it."""

    claim: Claim
    verdict: Verdict
    measured: dict[str, Any]

    def plain(self) -> dict[str, Any]:
        """Return the judgement as it is written to verdicts.json."""
        return {**vars(self.claim), "verdict": self.verdict.name, "measured": self.measured}
