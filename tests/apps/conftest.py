"""Runs the installed commands as a user would, in a process of their own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def student_score(fresh_uri: str, folder: Path) -> Command:
    """Return a function that runs `student-score` with the given arguments in an empty folder with a fresh store."""

    def run(*arguments: str, command: str = "student-score") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BIN / command, *arguments], cwd=folder, capture_output=True, text=True, timeout=120, check=False
        )

    return run
