r"""What is not for screens: passwords in addresses, signs that steer a terminal, texts without an end.

Data, configurations and what libraries say of them may hold any.
"""

import re

PASSWORDS = re.compile(
    r"(://[^\s/:@?#'\"]*:|https?://(?=[^\s/:@?#'\"]+@))[^\s'\"]*(?=@)"
    r"|([?&;](?:\w*password|passwd|pwd|\w*token|\w*secret)=)[^\s&;'\"]*",
    re.IGNORECASE,
)
"""Those of addresses, as far as the last @ of a word: people write an @ into a password; the one name of a server's
address, which may be a token; and those of queries."""


def masked(text: str) -> str:
    """Return a text with *** in place of every password in an address.

    >>> masked("http://ann:secret@host:5000 and postgresql://host/db?user=ann&password=secret")
    'http://ann:***@host:5000 and postgresql://host/db?user=ann&password=***'
    """
    return PASSWORDS.sub(r"\1\2***", text)


def visible(text: str, *, keep: str = "") -> str:
    r"""Return a text in which every sign that cannot be printed, but those to `keep`, stands as its escape.

    >>> print(visible("a\x1b[31m\nb"))
    a\x1b[31m\nb
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign in keep else sign.encode("unicode_escape").decode() for sign in text
    )


def cut(text: str, longest: int) -> str:
    """Return a text, or its beginning and its end where it is too long."""
    if len(text) <= longest:
        return text
    half = (longest - 3) // 2
    return f"{text[:half]}...{text[-half:]}"
