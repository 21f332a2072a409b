"""The commands' last word: what failed is said in a sentence, with the exit code for its kind."""

import errno
import signal
import sys
import threading
import time

import pytest

from student_score.commands import sweep, terminal
from student_score.commands.terminal import end_on_signals
from student_score.config.jobs import Choice, filled
from student_score.config.schema import Config, DatasetConfig, TrackingConfig
from student_score.errors import InputError, SweepError, TrackingError
from student_score.runs import execution
from student_score.tracking.store import Store


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("epochs=0: it must be at least 1"), 2, "student-score: epochs=0: it must be at least 1\n"),
        (TrackingError("no store"), 2, "student-score: no store. Nothing was recorded.\n"),
        (SweepError("1 of 2 jobs failed: a=1: x"), 1, "student-score: 1 of 2 jobs failed: a=1: x\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/a/b"),
            2,
            "student-score: /a/b cannot be used: No space left on device\n",
        ),
        (OSError(errno.EFBIG, "File too large"), 2, "student-score: the system refused: File too large\n"),
        (TimeoutError(), 2, "student-score: the system refused: TimeoutError\n"),
        (MemoryError(), 2, "student-score: there is not enough memory\n"),
        (
            MemoryError("Unable to allocate 8.00 EiB"),
            2,
            "student-score: there is not enough memory: Unable to allocate 8.00 EiB\n",
        ),
        (RecursionError("maximum"), 2, "student-score: the input is nested too deeply to be read\n"),
        (
            ZeroDivisionError("division by zero"),
            1,
            (
                "student-score: unexpected ZeroDivisionError: division by zero. "
                "HYDRA_FULL_ERROR=1 shows where it happened.\n"
            ),
        ),
    ],
)
def test_an_error_becomes_a_sentence_and_an_exit_code(error, code, said, capsys):
    """2 for bad input and for a machine that cannot, 1 for work that failed."""
    assert terminal.explain(error) == code
    assert capsys.readouterr().err == said


def test_only_what_records_says_that_nothing_was(capsys):
    """The other commands read."""
    assert terminal.explain(TrackingError("no store"), name="student-score-rerun") == 2
    assert capsys.readouterr().err == "student-score-rerun: no store\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a", "b"], "unrecognized arguments: b; a-command --help says what there is"),
        ([], "the following arguments are required: run; a-command --help says what there is"),
    ],
)
def test_arguments_are_bad_input_too(arguments, said):
    """They are said like all other mistakes."""
    parser = terminal.Parser(prog="a-command")
    parser.add_argument("run")
    with pytest.raises(InputError, match=f"^{said}$"):
        parser.parse_args(arguments)


def test_help_is_no_mistake(capsys):
    """It ends with 0."""
    assert terminal.guarded(lambda: len(str(terminal.Parser(prog="x").parse_args(["--help"]))), name="x") == 0
    assert capsys.readouterr().out.startswith("usage: x ")


@pytest.mark.parametrize(("before", "handled"), [(signal.SIG_DFL, True), (signal.SIG_IGN, False)])
def test_a_signal_that_is_ignored_stays_so(before, handled):
    """Under nohup a hang-up changes nothing; else it ends the command with its own code."""
    kinds = (signal.SIGTERM, signal.SIGHUP)
    saved = [signal.signal(kind, before) for kind in kinds]
    try:
        terminal.end_on_signals()
        handlers = [signal.getsignal(kind) for kind in kinds]
    finally:
        for kind, handler in zip(kinds, saved, strict=True):
            signal.signal(kind, handler)
    assert [handler != before for handler in handlers] == [handled] * 2
    for kind, handler in zip(kinds, handlers, strict=True):
        if handled:
            with pytest.raises(SystemExit, match=str(128 + kind)):
                handler(kind, None)


def test_a_sweep_whose_jobs_fail_says_which(store_uri, monkeypatch, request, capsys):
    """The failed job is named with its cause after the others ran, and the parent run says FAILED."""
    path = str(request.config.rootpath / "data/student_scores.csv")
    base = Config(dataset=DatasetConfig(path=path), tracking=TrackingConfig(experiment="tests"))
    execute = execution.execute_together

    def broken(tasks):
        if any(task.config.training.epochs == 7 for task in tasks):
            raise ValueError("no luck")
        return execute(tasks)

    monkeypatch.setattr(execution, "execute_together", broken)
    key = "training.epochs"
    jobs = [(Choice(text=f"{key}={epochs}", key=key, value=epochs, plain=True),) for epochs in (6, 7)]
    with pytest.raises(SweepError, match=r"^1 of 2 jobs failed: training\.epochs=7: no luck$"):
        sweep.run_sweep(jobs, lambda job: filled(base, {key: job[0].value}), lambda: base, None)
    assert "None of 1 run collapsed or diverged" in capsys.readouterr().out
    store = Store(store_uri, "tests")
    [parent] = store.search("tags.kind = 'sweep'")
    assert parent.status == "FAILED"
    assert sorted(child.status for child in store.children(parent.run_id)) == ["FAILED", "FINISHED"]


def test_what_takes_longer_than_a_moment_is_said(monkeypatch, capsys):
    """Where there is no terminal a line on stderr says what is under way, once, and not if it is done at once."""
    monkeypatch.setattr(terminal, "SECONDS_OF_SILENCE", 0.01)
    with terminal.waiting("Training") as say:
        time.sleep(0.2)
        say("Compiling")
    assert capsys.readouterr().err == "Training\nCompiling\n"
    monkeypatch.setattr(terminal, "SECONDS_OF_SILENCE", 60)
    with terminal.waiting("Training"):
        pass
    assert capsys.readouterr() == ("", "")
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


NAMES = ("ui", "rerun", "predict", "study")


@pytest.mark.parametrize("name", ["student-score", *(f"student-score-{name}" for name in NAMES)])
def test_every_command_speaks_alike(name, monkeypatch, capsys):
    """Bad input is 2, failed work 1, Ctrl-C 130, each with the command's name; a traceback comes if it is asked for."""

    def failing(error: BaseException) -> int:
        def command() -> int:
            raise error

        return terminal.guarded(command, name=name)

    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    assert [
        failing(error) for error in (InputError("a"), TrackingError("b"), SweepError("c"), KeyboardInterrupt())
    ] == [
        2,
        2,
        1,
        130,
    ]
    said = capsys.readouterr().err.splitlines()
    assert [line.startswith(f"{name}: ") for line in said] == [True] * 4
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(InputError):
        failing(InputError("a"))


class Awkward:
    """Something whose destructor is interrupted."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __del__(self) -> None:
        raise self.error


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interruption_that_python_would_lose_is_heeded(error, monkeypatch):
    """A destructor swallows what is raised in it; a Ctrl-C or the exit on a signal comes again right after it."""
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    before = {kind: signal.getsignal(kind) for kind in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        end_on_signals()
        Awkward(error)  # Nobody keeps it.
        with pytest.raises(error):
            time.sleep(5)
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
