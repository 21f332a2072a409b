"""Claims that can turn out false, what the numbers say about them, and sentences that follow from that."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import inf, isfinite
from typing import Any

from student_score.studies.numbers import are_finite, number, written


class Verdict(Enum):
    """What the numbers say about a claim."""

    supported = "supported"
    refuted = "refuted"
    undecided = "undecided"


PASSED = {Verdict.supported: "passed", Verdict.refuted: "failed"}
"""Verdict -> how it is said of a check."""


class Whose(Enum):
    """Who claims it, as the page says it."""

    article = "the article's"
    literature = "the literature's"
    ours = "our own"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence that can be false, whose it is, where it comes from, and the rule that decides it.

    It is committed before the run that judges it.

    Example:
        >>> claim = Claim(name="c", whose=Whose.ours, sentence="Loss stays below 1.", source="a guess", rule="max < 1")
        >>> judged = claim.judge(False, {"rates": 3}, {"largest loss": 2.5, "allowed": 1}, instead="It reaches 2.5.")
        >>> judged.verdict.name, judged.instead
        ('refuted', 'It reaches 2.5.')
    """

    name: str
    whose: Whose
    sentence: str
    source: str
    rule: str
    is_check: bool = False
    """Whether it has to hold wherever the code is right, as identities do: it says nothing new about networks."""

    def plain(self) -> dict[str, str | bool]:
        """Return the claim as it is written to verdicts.json, which says of checks that they are some."""
        said = {**vars(self), "whose": self.whose.name}
        return said if self.is_check else {key: value for key, value in said.items() if key != "is_check"}

    def judge(
        self,
        holds: bool | None,
        measured: Mapping[str, Any],
        decided_by: Mapping[str, Any] | None = None,
        instead: str = "",
    ) -> "Judgement":
        """Return the verdict: None means that the records cannot decide, and so does a number that is not finite.

        Args:
            holds: what the rule says.
            measured: everything that was measured, by name.
            decided_by: the two numbers that decide it, usually what was found and what the claim allows; units stand
                in their names.
            instead: what is true where the claim is false, in words made of what was measured; dropped otherwise.

        Raises:
            ValueError: a verdict without its two numbers, or a refuted claim without what is true instead.
        """
        two = dict(decided_by or {})
        if endless := [name for name, value in two.items() if not are_finite(value)]:
            return self.judge(None, {**measured, "missing": f"finite numbers: {', '.join(endless)}"})
        verdict = {True: Verdict.supported, False: Verdict.refuted, None: Verdict.undecided}[holds]
        if len(two) != 2 and (two or verdict is not Verdict.undecided):
            raise ValueError(f"{self.name}: two numbers decide a claim, not {len(two)}: {', '.join(two) or 'none'}")
        if verdict is Verdict.refuted and not instead:
            raise ValueError(f"{self.name}: it is refuted, so say what is true instead")
        return Judgement(
            claim=self,
            verdict=verdict,
            measured={name: written(value) for name, value in measured.items()},
            decided_by=two,
            instead=instead if verdict is Verdict.refuted else "",
        )


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A claim, its verdict, the two numbers that decide it, what is true instead if it is refuted, and all numbers."""

    claim: Claim
    verdict: Verdict
    measured: dict[str, Any]
    decided_by: dict[str, Any]
    instead: str

    @property
    def word(self) -> str:
        """The verdict as it is said: a check is passed or failed."""
        return PASSED.get(self.verdict, self.verdict.name) if self.claim.is_check else self.verdict.name

    @property
    def is_defect(self) -> bool:
        """Whether it is a check that failed, which is no finding but a defect of the code."""
        return self.claim.is_check and self.verdict is Verdict.refuted

    def plain(self) -> dict[str, Any]:
        """Return the judgement as it is written to verdicts.json."""
        instead = {"instead": self.instead} if self.instead else {}
        decided_by = {"decided_by": self.decided_by} if self.decided_by else {}
        return {
            **self.claim.plain(),
            "verdict": self.verdict.name,
            **instead,
            **decided_by,
            "measured": self.measured,
        }


def tally(judgements: Sequence[Judgement]) -> str:
    """Return how many claims and how many checks came out how, in words; empty without judgements.

    Example:
        >>> claim = Claim(name="c", whose=Whose.ours, sentence="S.", source="s", rule="r")
        >>> check = Claim(name="d", whose=Whose.ours, sentence="S.", source="s", rule="r", is_check=True)
        >>> two = {"found": 1, "allowed": 2}
        >>> tally([claim.judge(True, {}, two), check.judge(True, {}, two), claim.judge(False, {}, two, "T.")])
        '1 claim supported, 1 refuted; 1 check passed'
    """
    said = []
    for kind, is_check in (("claim", False), ("check", True)):
        counts = Counter(item.word for item in judgements if item.claim.is_check is is_check)
        words = [word for word in (*PASSED.values(), *Verdict.__members__) if counts[word]]
        parts = [f"{counts[word]} {word}" for word in words]
        if parts:
            plural = "" if counts[words[0]] == 1 else "s"
            parts[0] = f"{counts[words[0]]} {kind}{plural} {words[0]}"
            said.append(", ".join(parts))
    return "; ".join(said)


DEFECT = "A check that fails is a defect of the code: trust no number of this study until it is mended."
"""What is said wherever a check failed."""


@dataclass(frozen=True)
class Findings:
    """The judgements of a study, asked by claim, so that its conclusion says no more than they do."""

    judgements: Sequence[Judgement]

    def of(self, claim: Claim) -> Judgement:
        """Return the judgement on a claim."""
        return next(item for item in self.judgements if item.claim.name == claim.name)

    def holds(self, *claims: Claim) -> bool:
        """Say whether all of these claims are supported."""
        return all(self.of(claim).verdict is Verdict.supported for claim in claims)

    def fails(self, *claims: Claim) -> bool:
        """Say whether all of these claims are refuted."""
        return all(self.of(claim).verdict is Verdict.refuted for claim in claims)

    def say(self, claim: Claim, supported: str) -> Iterator[str]:
        """Yield a sentence where its claim is supported, what is true instead where it is refuted, else nothing.

        Names of measured numbers in braces stand for them.
        """
        found = self.of(claim)
        if found.verdict is Verdict.supported:
            yield self.fill(supported, claim)
        elif found.verdict is Verdict.refuted:
            yield found.instead

    def tell(self, claim: Claim, measured: str) -> Iterator[str]:
        """Yield a sentence that only tells numbers measured for a claim, where they decided it, either way."""
        if self.of(claim).verdict is not Verdict.undecided:
            yield self.fill(measured, claim)

    def fill(self, text: str, *claims: Claim) -> str:
        """Return a text with the numbers measured for these claims in the place of their names in braces."""
        for claim in claims:
            for name, value in self.of(claim).measured.items():
                text = text.replace(f"{{{name}}}", number(value))
        return text


UNDECIDED = "The records decide none of the claims that its answer rests on."
"""The conclusion of a study where there is nothing to conclude."""


LONGEST = 4
"""Sentences of a conclusion, at most: the first are the most important."""


def prose(*parts: Iterator[str]) -> list[str]:
    """Return sentences in a row, the first few of them, or that there is nothing to conclude."""
    return [sentence for part in parts for sentence in part][:LONGEST] or [UNDECIDED]


def tightest(*limits: tuple[str, float, str, float]) -> dict[str, float]:
    """Return the two numbers of that limit which is exceeded most, or comes nearest to it.

    Args:
        limits: of each what was found and how much is allowed, both above 0 or just the first 0, after their names.
    """
    found, value, allowed, limit = max(limits, key=excess)
    return {found: value, allowed: limit}


def excess(limit: tuple[str, float, str, float]) -> float:
    """Return how often what was found is what is allowed; infinity if it is not finite, or more than the 0 allowed."""
    _, value, _, allowed = limit
    if not isfinite(value) or (value and not allowed):
        return inf
    return value / allowed if allowed else 0.0
