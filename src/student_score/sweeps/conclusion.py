"""What a sweep found, in at most five sentences."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def conclude(table: "pd.DataFrame", swept: Sequence[str]) -> list[str]:
    """Return what a sweep found: what is best, against what, where training fails, what to try next."""
    return []
