"""Which code and which versions ran."""

import platform
import subprocess
from functools import cache
from importlib.metadata import version

from student_score.paths import REPOSITORY
from student_score.training.train import ALGORITHM_VERSION


@cache
def provenance() -> dict[str, str]:
    """Return which code and which versions ran, as far as they can be known."""
    tags = {
        "algorithm_version": str(ALGORITHM_VERSION),
        "python": platform.python_version(),
        "machine": platform.machine(),
        **{name: version(name) for name in ("numpy", "numba", "llvmlite", "scikit-learn")},
    }
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(describe, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):  # No git, or no repository: the run simply does not say.
        return tags
    commit, _, dirty = done.stdout.strip().partition("-")
    return {**tags, "git.commit": commit, "git.dirty": str(bool(dirty)).lower()}
