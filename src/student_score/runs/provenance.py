"""Which code and which versions ran."""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from student_score.paths import REPOSITORY
from student_score.training.train import ALGORITHM_VERSION


@cache
def provenance() -> dict[str, str]:
    """Return which code and which versions ran, as far as they can be known."""
    return {
        "algorithm_version": str(ALGORITHM_VERSION),
        "python": platform.python_version(),
        "machine": platform.machine(),
        **{name: version(name) for name in ("numpy", "numba", "llvmlite", "scikit-learn")},
        **(commit() or release()),
    }


def commit() -> dict[str, str]:
    """Return the commit of a clone and whether it was changed since; nothing outside a clone, or without git."""
    if not (REPOSITORY / ".git").exists():  # Git would find the repository that an environment happens to lie in.
        return {}
    describe = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(describe, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):  # The run simply does not say.
        return {}
    name, _, dirty = done.stdout.strip().partition("-")
    return {"git.commit": name, "git.dirty": str(bool(dirty)).lower()}


def release() -> dict[str, str]:
    """Return the version of the package, unless it runs without having been installed."""
    try:
        return {"student-score": version("student-score")}
    except PackageNotFoundError:
        return {}
