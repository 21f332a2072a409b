"""Passwords are masked wherever they stand in a text, and no sign that steers a terminal stays in one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from student_score.masking import cut, masked, visible


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://ann:secret@host:5000/path", "http://ann:***@host:5000/path"),
        ("uri=postgresql+psycopg://ann:se:c@r/et@h/db is down", "uri=postgresql+psycopg://ann:***@h/db is down"),
        ("'http://a:b@h', \"http://c:d@h\"", "'http://a:***@h', \"http://c:***@h\""),
        ("http://:secret@host", "http://:***@host"),
        ("https://token@host/mlflow", "https://***@host/mlflow"),
        ("mysql://h/db?user=ann&password=s3&sslmode=on", "mysql://h/db?user=ann&password=***&sslmode=on"),
        ("x://h/?sslPassword=a&PWD=b&api_token=c", "x://h/?sslPassword=***&PWD=***&api_token=***"),
    ],
)
def test_a_password_in_an_address_is_masked(text, said):
    """Of every scheme, with signs that people write into one, and in a query."""
    assert masked(text) == said
    assert masked(said) == said


@pytest.mark.parametrize(
    "text",
    ["mysql://ann@host/", "http://localhost:5000/#/runs?filter=a", "ann:secret@host", "sqlite:////tmp/a@b.db", "a?b=c"],
)
def test_what_is_no_password_stays(text):
    """A name alone, a port, a path and a query's other keys."""
    assert masked(text) == text


@given(st.text(st.characters(blacklist_categories=["Z", "C"], blacklist_characters="'\""), min_size=1), st.text())
def test_no_password_is_left_over(password, around):
    """Whatever it is made of, it is gone, unless the text holds it elsewhere too."""
    rest = f"{around} http://ann:***@host {around}"
    assert password in rest or password not in masked(f"{around} http://ann:{password}@host {around}")


@given(st.text())
def test_every_text_can_be_shown(text):
    """What can be printed, or is to be kept, stays as it is; everything else stands as its escape."""
    assert visible(text).isprintable()
    assert visible(text, keep=text) == text
    if text.isprintable():
        assert visible(text) == text


def test_escapes_are_those_of_python():
    """A terminal shows which sign it was spared."""
    assert visible("\x1b[31m\x07\x9b\u202e\ud800 a\nb", keep="\n") == "\\x1b[31m\\x07\\x9b\\u202e\\ud800 a\nb"


def test_a_long_text_keeps_its_ends():
    """What is cut says so, and is as long as it may be."""
    assert cut("abc", 3) == "abc"
    assert cut("a" * 50 + "z" * 50, 11) == "aaaa...zzzz"
