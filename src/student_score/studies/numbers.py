"""Numbers as people read them: few digits, thousands in groups, units in the words beside them."""

import re
from collections.abc import Sequence
from math import ceil, floor, inf, isfinite, log10
from typing import Any

ROUNDING = 1e-20
"""What lies nearer to 0 than this is 0 but for rounding: scores are some 100, and their squares round at 1e-12."""

SCIENTIFIC = re.compile(r"\b(?:(1)|(\d+(?:\.\d+)?))e([+-]?\d+)\b")
"""A number with a power of ten, the factor 1 apart."""

SUPERSCRIPTS = str.maketrans("0123456789-+", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺")


NOT_FINITE = "not finite"
"""What stands for infinity and for what is no number: JSON has neither, and nothing rests on them."""


def are_finite(value: Any) -> bool:
    """Say whether a value, or each one of a list, is something else than infinity or not a number."""
    if isinstance(value, list | tuple):
        return all(map(are_finite, value))
    return not isinstance(value, float) or isfinite(value)


def written(value: Any) -> Any:
    """Return a value as JSON can hold it: words stand for what is not finite."""
    if isinstance(value, list | tuple):
        return [written(item) for item in value]
    return value if are_finite(value) else NOT_FINITE


def number(value: Any) -> str:
    """Return what was measured as a reader wants it: four digits, thousands in groups, a pair as a range.

    Example:
        >>> number(46221), number(0.123456), number(1.683e-29), number([0.4127, 0.422]), number(None)
        ('46,221', '0.1235', '0 (exact)', '0.4127 to 0.422', 'none')
    """
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, list | tuple):
        is_range = len(value) == 2 and all(isinstance(item, float) for item in value)
        return (" to " if is_range else ", ").join(map(number, value)) or "none"
    if isinstance(value, float):
        return digits(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def digits(value: float) -> str:
    """Return a number with four digits, small ones with a power of ten."""
    if not isfinite(value):
        return NOT_FINITE
    if 0 < abs(value) < ROUNDING:
        return "0 (exact)"
    if value == 0 or 1e-5 <= abs(value) < 1e15:
        places = max(0, 3 - floor(log10(abs(value)))) if value else 0
        text = f"{value:,.{places}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    factor, power = f"{value:.3e}".split("e")
    return f"{factor.rstrip('0').rstrip('.')}e{int(power)}"


def percent(share: float) -> float:
    """Return a share in per cent, to four digits."""
    return float(f"{100 * share:.4g}")


def in_percent(share: float) -> str:
    """Return a share in per cent as it stands in a sentence, with three digits."""
    return f"{number(float(f'{100 * share:.3g}'))} %"


def bound(distances: Sequence[float]) -> float | None:
    """Return the smallest power of ten above all distances: the distances' own digits depend on the machine.

    It is infinity if any distance is not finite.
    """
    if not all(map(isfinite, distances)):
        return inf
    return float(f"1e{ceil(log10(max(*distances, 1e-15)))}") if distances else None


def typeset(text: str) -> str:
    """Return a sentence as on a page: 1e-6 becomes 10⁻⁶, and no line ends between a number and its %."""
    return SCIENTIFIC.sub(raised, text).replace(" %", "\N{NO-BREAK SPACE}%")


def raised(found: re.Match[str]) -> str:
    """Return a number with its power of ten raised."""
    _, factor, power = found.groups()
    return f"{factor} × 10".removeprefix("None × ") + f"{int(power)}".translate(SUPERSCRIPTS)
