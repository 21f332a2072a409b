"""`student-score` under arguments that nobody would think of: always a sentence and an exit code, never a traceback.

STUDENT_SCORE_FUZZ=5000 tries that many examples, and other ones each time.
"""

import os
import sqlite3
from contextlib import closing
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from student_score.config.identity import flattened, plain
from student_score.config.schema import GROUPS, Config
from student_score.paths import CONF
from student_score.sweeps import pace

FUZZ = os.environ.get("STUDENT_SCORE_FUZZ")
EXAMPLES = int(FUZZ or 120)
LONGEST = 2000
"""Characters that a command may say on stderr."""

often = settings(
    max_examples=EXAMPLES,
    derandomize=not FUZZ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

WRONG = ["epochs", "training.rate", "hydra.job.chdir", "hydra.job", "hydra.sweep.subdir", "hydra.mode.x", "a.b.c"]
KEYS = [*flattened(plain(Config())), *WRONG]
OPTIONS = {
    group: [path.stem for path in (CONF / group).glob("*.yaml") if group != "experiment"] for group in (*GROUPS,)
} | {"experiment": ["rates", "article"], "hydra/launcher": ["nowhere"], "hydra/sweeper": ["nothing"]}
"""Of the experiments, those whose trainings are short."""

WORDS = {
    member.name
    for node in GROUPS.values()
    for kind in get_type_hints(node).values()
    for inner in (kind, *get_args(kind))
    if isinstance(inner, type) and issubclass(inner, Enum)
    for member in inner
}
"""What keys that take one of some words take."""

NUMBERS = [
    *("0", "-1", "1", "2", "3", "7", "0.5", "1e-3", "1.0", "-0.0", "1_000", "0x10", "1e400", "-1e400", "nan", "inf"),
    *("-inf", "4294967295", "4294967296", "9223372036854775808", "1" * 40, "1" * 400, "1" * 5000, "1e-320", "true"),
]
NASTY = [
    *("", "''", '""', "null", "???", "[???]", "{}", "[]", "[[]]", "[[1]]", "[a]", "{a:1}", "{a:{b:1}}", "[1,[2]]"),
    *("${x}", "${training.epochs}", "${oc.env:NOPE}", "${cache:}", "${oc.decode:'{'}", "'${'", "$", "\\", "'", '"'),
    *("~", "~/x.csv", "~nobody_here/x.csv", "/", ".", "..", "/proc/x", "/dev/null", "a b", "a=b", "a,b", "a:b", "#"),
    *("\0", "\x1b[31m", "\n", "\t", "\u2028", "\ud800", "é", "名前", "🙂", "'a\tb'", "%20", "<b>", "[red]x[/red]"),
    *("http://", "http://[::1", "http://127.0.0.1:port", "nonsense", "foo://x", "sqlite://", "sqlite:///:memory:"),
    *("sqlite:///other.db", "file:///x", "postgresql://x", "http://127.0.0.1:1", "a.csv", "'a%20b.csv'", "[6,7]"),
    *("[[6,7]]", "[[6,7],[1]]", "[0,1,2]", "[2,1,0]", "[0,0,1]", "[hours_studied]", "[sharpness]", "x" * 300),
    *("x" * 600, "[" * 60 + "]" * 60, "article", "range", "True", "NULL", "None", "1;2"),
]
CALLS = ("range", "choice", "logspace", "glob", "sort", "shuffle", "int", "float", "str", "bool", "tag", "interval")
FORMS = ["{}", "[{}]", "[[{}]]", "'{}'", '"{}"', "{{a:{}}}", *(f"{call}({{}})" for call in CALLS)]

GOOD = [
    *("network=he", "network.hidden_size=3", "network.seed=1,2", "network.activation=tanh", "network=glob(*)"),
    *("training=full_batch", "training.learning_rate=0.01,0.1", "training.learning_rate=logspace(0.001,1,3)"),
    *("training.learning_rate=3", "training.seed=range(0,3)", "training.sampling=shuffled,cyclic", "print_every=1"),
    *("training.row_order=[2,1,0]", "training.trainer=reference", "training.observe=[sharpness]", "tracking=local"),
    *("dataset=csv dataset.path=a.csv", "dataset.new_inputs=[[1,2]]", "dataset.test_fraction=0.4", "experiment=rates"),
    *("dataset.features=[hours_slept] dataset.new_inputs=[]", "dataset.name='é'", "dataset.scale=features"),
    *("tracking.experiment='a/b:c'", "tracking.curve_points=2", "dataset.name=a,b", "sweep.fail_fast=true"),
]
"""What can be trained, alone or with what stands beside it."""

values = st.one_of(
    st.sampled_from(NUMBERS),
    st.sampled_from(NASTY),
    st.sampled_from(sorted(WORDS)),
    st.integers(-3, 50).map(str),
    st.floats(width=32).map(str),
    st.text(max_size=12),
)


@st.composite
def written(draw: st.DrawFn) -> str:
    """Draw a value as one could write it: alone, in lists, in braces, in quotes, or in calls of Hydra's functions."""
    if draw(st.integers(0, 2)):
        return draw(values)
    inner = draw(st.lists(values, max_size=3))
    return draw(st.sampled_from(FORMS)).format(",".join(inner))


@st.composite
def overrides(draw: st.DrawFn) -> str:
    """Draw an override, now and then one that is none at all."""
    if not draw(st.integers(0, 15)):
        return draw(st.one_of(st.text(max_size=8), st.sampled_from(["", "=", "a=", "=1", "training.epochs", "a=b=c"])))
    sign = draw(st.sampled_from([""] * 12 + ["+", "++", "~", " "]))
    if draw(st.integers(0, 3)):
        return f"{sign}{draw(st.sampled_from(KEYS))}={draw(written())}"
    group = draw(st.sampled_from(sorted(OPTIONS)))
    option = draw(st.one_of(st.sampled_from(OPTIONS[group]), written()))
    return f"{sign}{group}={option}"


# Not --info: with it Hydra turns on all debug records of this process, for the tests that follow too.
ASKED = [
    *([],) * 6,
    *(["-m"],) * 6,
    *(["--cfg", "job"], ["--cfg", "job", "--resolve"], ["-sc"], ["-v"], ["--resolve"]),
    *(["--package", "x"], ["--config-name", "nothing"], ["--config-dir", "nowhere"], ["--shell-completion"]),
]


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """Draw arguments; what is valid ends soon."""
    asked = draw(st.sampled_from(ASKED))
    drawn = draw(st.lists(overrides(), min_size=1, max_size=2)) if draw(st.integers(0, 2)) else []
    for good in draw(st.lists(st.sampled_from(GOOD), max_size=3)):
        drawn = [*good.split(), *drawn]
    # As arguments they would be options of Hydra's, which may do anything; an experiment of a study may take minutes.
    drawn = [text for text in drawn if not text.startswith("-")]
    few = ["sweep.most_jobs=12", *draw(st.sampled_from([["sweep.dry_run=true"]] * 7 + [[]]))] if asked == ["-m"] else []
    return [*asked, *drawn, "training.epochs=2", *few]


def recorded(folder: Path) -> int:
    """Return how many runs are in the stores of a folder, not counting those that are open or have no tables."""
    total = 0
    for path in folder.rglob("*.db"):
        with closing(sqlite3.connect(path)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            total += connection.execute("SELECT count(*) FROM runs").fetchone()[0] if "runs" in tables else 0
    return total


@pytest.fixture
def places(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder above all that a command may write, with a file of rows where commands run.

    A dry run does not measure how fast this machine is, which takes more than a second.
    """
    monkeypatch.setattr(pace, "seconds", lambda *_: 1.0)
    (folder / "a.csv").write_text("hours_studied,hours_slept,exam_score\n5,8,85\n2,6,60\n8,7,95\n")
    return tmp_path


def check_manners(done: Any, new_runs: int) -> None:
    """Fail unless a command ended as commands end."""
    said = done.err
    assert done.code in (0, 2), said
    assert "student-score: unexpected" not in said
    assert "Traceback" not in said
    assert "Error executing job" not in said
    assert len(said) <= LONGEST
    assert all(line.isprintable() for line in said.split("\n"))
    if done.code:
        assert said.startswith("usage: ") or "student-score: " in said
        assert not new_runs, said


@pytest.mark.slow
@often
@given(arguments=command_lines())
def test_any_command_line_ends_in_a_sentence(cli, places, arguments):
    """Exit code 0, or 2 with a short sentence in printable letters and no new run."""
    before = recorded(places)
    done = cli(*arguments)
    check_manners(done, recorded(places) - before)
