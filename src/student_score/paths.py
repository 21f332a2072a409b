"""Where things lie."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
"""Where conf/, data/ and experiments/ lie."""

CONF = REPOSITORY / "conf"
EXPERIMENTS = REPOSITORY / "experiments"
CACHE = REPOSITORY / ".cache"


def known_studies() -> list[str]:
    """Return the names of the studies: the folders of experiments/ that hold a study.py."""
    return sorted(path.parent.name for path in EXPERIMENTS.glob("*/study.py"))
