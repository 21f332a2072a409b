"""Whatever stands in names, headers and paths is shown sign by sign: no markup, no formula, no terminal escape."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from student_score.tracking.store import Store

BIN = Path(sys.executable).parent

STRANGE = [
    "[/red]",
    "$a_{$",
    "a\nb",
    "a\tb",
    "\u202eabc",
    "<img src=x>` **b**",
    "%s {0} \\",
    "a\x1b[35mb",
    "a\x07\x9b2Jb",
]

LINES = 19
"""Of a transcript of three rows, three new inputs, two features and two units."""

REFUSED = "\x07\x1b\x9b"
"""Signs that no name may have; a file may have them in its header."""


def quoted(text: str) -> str:
    """Return a text as a value for Hydra."""
    return '"' + text.replace('"', '\\"') + "\\" * (len(text) - len(text.rstrip("\\"))) + '"'


def overrides(folder: Path, strange: str) -> list[str]:
    """Return the overrides for a file that is strange in its path and header, under a strange name and experiment."""
    path = folder / f"{strange}.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'"hours_{strange}","{strange} slept",score\n5,8,85\n2,6,60\n8,7,95\n', newline="")
    return [
        f"dataset.name={quoted(strange)}",
        f"dataset.path={quoted(str(path))}",
        f"dataset.features=[{quoted('hours_' + strange)},{quoted(strange + ' slept')}]",
        "dataset.target=score",
        f"tracking.experiment={quoted('in ' + strange)}",
        "training.epochs=5",
    ]


def harmless(text: str) -> bool:
    """Say whether a text holds nothing but signs that can be printed, line breaks and tabs."""
    return all(line.replace("\t", "").isprintable() for line in text.split("\n"))


def check(done, strange: str) -> None:
    """Fail unless a command did its work, or refused signs that no name may have, and said nothing that steers."""
    refused = any(sign in strange for sign in REFUSED)
    assert done.code == (2 if refused else 0), done.err
    assert harmless(done.out + done.err)


@pytest.mark.parametrize("strange", STRANGE)
def test_a_training(cli, folder, store_uri, strange):
    """Its lines and the recorded transcript are those of any other training, with the names as they are."""
    done = cli(*overrides(folder, strange))
    check(done, strange)
    if done.code == 0:
        [run] = Store(store_uri, f"in {strange}").search("")
        transcript = run.read_text("transcript.txt")
        assert harmless(transcript)
        assert (transcript.count("\n"), done.out.count("\n")) == (LINES, LINES + 3)


@pytest.mark.slow
@pytest.mark.parametrize("strange", [*STRANGE[:3], *STRANGE[5:6]])
def test_a_sweep(cli, folder, store_uri, strange):
    """All of its figures are drawn, its page has no markup but its own, and its table a line for each name."""
    done = cli("-m", *overrides(folder, strange), f"dataset.name={quoted(strange)},b", "-v")
    check(done, strange)
    if done.code == 0:
        [parent] = Store(store_uri, f"in {strange}").search("tags.kind = 'sweep'")
        assert harmless(parent.read_text("conclusion.txt") + parent.tags["mlflow.note.content"])
        assert parent.read("results.png").startswith(b"\x89PNG")
        assert not list(folder.parent.rglob("undrawn.txt"))


@pytest.mark.parametrize("strange", STRANGE)
def test_a_header_that_is_quoted(cli, folder, strange):
    """A file says which columns it has, whatever they are called; the sentence is one line."""
    path = folder / "plain.csv"
    path.write_text(f'"hours_{strange}","{strange} slept",score\n5,8,85\n', newline="")
    done = cli("dataset.path=plain.csv")
    assert done.code == 2
    assert harmless(done.out + done.err)
    assert done.err.splitlines()[-1].startswith("student-score: ")
    assert "has no column" in done.err.splitlines()[-1]


def on_a_terminal(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the command on a terminal of its own; return its exit code and what the terminal was sent."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(
        [BIN / "student-score", *arguments], cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    seen = b""
    try:
        while data := os.read(ours, 65536):
            seen += data
    except OSError:  # The other end is closed.
        pass
    os.close(ours)
    return process.wait(timeout=60), seen.decode()


@pytest.mark.slow
def test_on_a_terminal(store_uri, folder):
    """What Rich draws there has the names as they are, and nothing of theirs steers it."""
    code, seen = on_a_terminal(folder, "-m", *overrides(folder, "[/red] $a_{$"), "training.learning_rate=0.1,0.2")
    assert code == 0, seen
    assert seen.count("[/red] $a_{$") >= 3
    assert "\x1b[" in seen
    code, seen = on_a_terminal(folder, *overrides(folder, "a\x1b[35mb"))
    assert code == 2
    assert "a\\x1b[35mb" in seen
    assert "\x1b[35m" not in seen
