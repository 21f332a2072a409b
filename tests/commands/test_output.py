"""Output that finds no reader, no room or no letter: the work goes on, and the exit code says what became of it."""

import errno
import io
import os
import pty
import subprocess
import sys
import threading

import pytest

from student_score.commands import output, terminal
from student_score.errors import InputError


class Broken(io.StringIO):
    """A stream that takes `room` signs, then fails whenever it is written to or flushed."""

    def __init__(self, number: int, room: int) -> None:
        super().__init__()
        self.number, self.room, self.tries = number, room, 0

    def write(self, text: str) -> int:
        """Write a text, or fail."""
        if self.tell() + len(text) > self.room:
            self.tries += 1
            raise OSError(self.number, os.strerror(self.number))
        return super().write(text)


def speaking(code: int = 0, text: str = "abc") -> int:
    """Print three lines and return a code, as a command does."""
    for _ in range(3):
        print(text, flush=True)
    return code


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (errno.EPIPE, 141, ""),
        (
            errno.ENOSPC,
            1,
            "student-score: the output could not be written: No space left on device; what was recorded stays\n",
        ),
    ],
)
def test_work_goes_on_without_a_reader(monkeypatch, capsys, number, code, said):
    """The command runs to its end, what fails is tried once, and the code says so unless the command has its own."""
    for own in (0, 2):
        stream = Broken(number, 5)
        monkeypatch.setattr(sys, "stdout", stream)
        assert terminal.delivered(lambda own=own: speaking(own)) == (own or code)
        assert sys.stdout is stream
        assert (stream.getvalue(), stream.tries) == ("abc\n", 1)
        assert capsys.readouterr().err == ("" if own else said)


def test_nobody_hears_of_stderr_that_failed(monkeypatch, capsys):
    """The exit code says it; stdout holds the results."""
    monkeypatch.setattr(sys, "stderr", Broken(errno.ENOSPC, 0))
    assert terminal.delivered(lambda: terminal.complain("a", 0) or speaking()) == 1
    assert capsys.readouterr().out == "abc\n" * 3


def test_a_stream_that_is_closed_is_none(monkeypatch, capsys):
    """Python has no stdout or stderr then: what is written goes nowhere."""
    monkeypatch.setattr(sys, "stdout", None)
    assert terminal.delivered(speaking) == 0
    monkeypatch.setattr(sys, "stderr", None)
    assert terminal.delivered(lambda: terminal.complain("a", 2)) == 2
    assert (sys.stdout, sys.stderr) == (None, None)
    assert capsys.readouterr() == ("", "")


def test_no_file_takes_the_place_of_a_stream_that_is_closed():
    """Else what a library prints would end up in it."""
    code = (
        "import os; from student_score.commands.output import outlets\n"
        "os.close(1); os.close(0)\n"
        "with outlets(): os.write(2, repr([os.readlink(f'/proc/self/fd/{k}') for k in (0, 1)]).encode())"
    )
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=True)
    assert done.stderr == "['/dev/null', '/dev/null']"


@pytest.mark.parametrize(("encoding", "said"), [("ascii", "R\\xb2 M\\xfcller\\u3042"), ("latin-1", "R² Müller\\u3042")])
def test_a_sign_that_the_encoding_lacks_stands_as_its_escape(monkeypatch, encoding, said):
    """Terminals of another time show R² and names with umlauts too."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    monkeypatch.setattr(sys, "stdout", stream)
    assert terminal.delivered(lambda: speaking(text="R² Müllerあ")) == 0
    assert stream.buffer.getvalue().decode(encoding) == f"{said}\n" * 3


def test_what_is_printed_neither_steers_the_terminal_nor_tells_a_password(capsys):
    """On both streams, line breaks and tabs stay; a traceback of Python's own is no output of the command."""

    def command() -> int:
        print("a\x1b[31m\tb\nhttp://ann:secret@host")
        print("c\x07 http://ann:secret@host", file=sys.stderr)
        return 0

    assert terminal.delivered(command) == 0
    assert capsys.readouterr() == (
        "a\\x1b[31m\tb\nhttp://ann:***@host\n",
        "c\\x07 http://ann:***@host\n",
    )


def test_rich_may_steer_the_terminal(capsys):
    """Its bars and tables are drawn on the same stream, with passwords masked."""
    with output.outlets() as (out, _):
        output.canvas(sys.stdout).write("\x1b[31mhttp://ann:secret@host\n")
        assert (out.isatty(), out.encoding.lower()) == (False, "utf-8")
    assert capsys.readouterr().out == "\x1b[31mhttp://ann:***@host\n"
    assert output.canvas(sys.stdout) is sys.stdout


def test_a_sentence_is_one_line(capsys):
    """An error may quote anything, and still is one line."""
    assert terminal.explain(InputError("a\nb\x1b[0m\r")) == 2
    assert capsys.readouterr().err == "student-score: a\\nb\\x1b[0m\\r\n"


def test_on_a_terminal_what_is_under_way_is_no_markup(monkeypatch):
    """Rich reads neither a tag nor an escape into what it is to show, and draws it."""
    reader, writer = pty.openpty()
    seen: list[bytes] = []

    def read() -> None:
        while data := os.read(reader, 1000):
            seen.append(data)
            if b"the end" in b"".join(seen):
                return

    listening = threading.Thread(target=read)
    listening.start()
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        with output.outlets():
            with terminal.waiting("Training [/red] \x1b[35m"):
                pass
            with terminal.waiting("") as say:
                say("Compiling [/b]\x07")
        print("the end", file=stream, flush=True)
        listening.join(timeout=10)
    os.close(reader)
    text = b"".join(seen).decode()
    assert "Training [/red] \\x1b[35m" in text
    assert "Compiling [/b]\\x07" in text
    assert "\x1b[35m" not in text
    assert "\x1b[" in text
