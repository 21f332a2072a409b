"""Opens text files: what is none, too large, packed without an end or in another alphabet is named, not read."""

import codecs
import csv
import gzip
import io
import stat
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import IO, cast

from student_score.errors import InputError
from student_score.masking import cut, visible

LARGEST_FILE = 2**30
"""Bytes (1 GiB), packed or unpacked, some 50 million rows of the tutorial's."""

LONGEST_LINE = 2**24
"""Characters of a line; a file of zeros has none that ends."""

LISTED_NAMES = 10
"""Columns that a message lists; of others it says how many they are."""

LONGEST_CELL, LONGEST_PATH = 40, 300
"""Characters that are shown of a cell or a column's name, and of a path."""

KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""What a path may lead to that is no file; a pipe or a device would be waited for, or read without an end."""

GZIP, PARQUET, UTF_16 = b"\x1f\x8b", b"PAR1", (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""The bytes with which such files begin; workbooks are Excel's, new and old."""


@contextmanager
def opened(path: Path, delimiter: str = ",") -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Open a CSV file and yield its non-empty lines, each with its number; they never lie in memory all at once.

    Raises:
        InputError: the path leads to no readable file, or what it holds is no CSV in UTF-8.
    """
    with binary(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        packed = isinstance(file, gzip.GzipFile)  # The size of other files is known.
        yield non_empty(bounded(text, path) if packed else text, path, delimiter)


@contextmanager
def binary(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that may be packed with gzip."""
    start = first_bytes(path)
    if start.startswith(UTF_16):
        raise InputError(f"{shown(path)} is UTF-16 text; save it as UTF-8")
    if start.startswith(WORKBOOKS):
        raise InputError(f"{shown(path)} is an Excel workbook, or a zip archive; save the sheet as a CSV file in UTF-8")
    try:
        file: IO[bytes] = path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from None
    with file:
        yield cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if start.startswith(GZIP) else file


def first_bytes(path: Path) -> bytes:
    """Return the first bytes of a file that may be read.

    Raises:
        InputError: the path leads to no file, or to one that is too large or cannot be read.
    """
    try:
        check_file(path)
        with path.open("rb") as file:
            return file.read(4)
    except FileNotFoundError:
        raise InputError(f"path: there is no file {shown(path)}") from None
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: OSError) -> InputError:
    """Return what to say of a file that the system does not give."""
    return InputError(f"path: {shown(path)} cannot be read: {error.strerror or error}")


def check_file(path: Path) -> None:
    """Raise InputError unless a path leads to a file that is not too large, without opening it."""
    try:
        found = path.stat()
    except ValueError as error:  # Of a NUL, or what the file system's encoding does not have.
        raise InputError(f"path: {shown(path)} cannot be the name of a file: {error}") from None
    if not stat.S_ISREG(found.st_mode):
        kind = KINDS.get(stat.S_IFMT(found.st_mode), "no file")
        raise InputError(f"path: {shown(path)} is {kind}; a CSV file is needed")
    if found.st_size > LARGEST_FILE:
        raise InputError(
            f"path: {shown(path)} has {found.st_size / 2**30:.2f} GiB; a CSV file of at most "
            f"{LARGEST_FILE / 2**30:.2f} GiB can be read, so leave out columns or rows"
        )


def bounded(file: io.TextIOWrapper, path: Path) -> Iterator[str]:
    """Yield the lines of a file that may unpack to more than there is memory for."""
    size = 0
    while line := file.readline(LONGEST_LINE):
        size += len(line)
        if size > LARGEST_FILE or len(line) == LONGEST_LINE:
            if size <= LARGEST_FILE:
                raise InputError(
                    f"path: {shown(path)} has a line of more than {LONGEST_LINE:,} characters; leave out columns"
                )
            raise too_much(path)
        yield line


def check_unpacked(path: Path) -> None:
    """Raise InputError if a packed file unpacks to more than can be read: at once, which to read it would take long."""
    with binary(path) as file, suppress(OSError, EOFError, zlib.error):  # The reader names what is damaged.
        if not isinstance(file, gzip.GzipFile):
            return
        size = 0
        while block := file.read(2**20):
            size += len(block)
            if size > LARGEST_FILE:
                raise too_much(path)


def too_much(path: Path) -> InputError:
    """Return what to say of a packed file that holds more than can be read."""
    most = f"{LARGEST_FILE / 2**30:.2f} GiB"
    return InputError(f"path: {shown(path)} has more, unpacked, than {most}; leave out columns or rows")


def non_empty(lines: Iterable[str], path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of the non-empty lines of a CSV file, each with the number of the line it starts on."""
    reader, first = csv.reader(lines, strict=True, delimiter=delimiter), 1
    try:
        for cells in reader:
            if len(cells) > 1 or "".join(cells).strip():
                yield first, cells
            first = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{shown(path)} is not a CSV file: line {reader.line_num}: {error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{shown(path)} is not UTF-8 text: {undecodable(path, error)}") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{shown(path)} is a damaged gzip file: {error}") from None
    except OSError as error:
        raise unreadable(path, error) from None


def undecodable(path: Path, error: UnicodeDecodeError) -> str:
    """Return in words which byte of a file cannot be decoded; the error counts from somewhere in the file."""
    place, byte, before, decoder = error.start, error.object[error.start], 0, codecs.getincrementaldecoder("utf-8")()
    with binary(path) as file:
        while block := file.read(2**20):
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(block)
            except UnicodeDecodeError as found:
                place, byte = before - pending + found.start, found.object[found.start]
                break
            before += len(block)
    letter = cut(visible(bytes([byte]).decode("latin-1")), LONGEST_CELL)
    return f"byte {place} cannot be decoded; it is {byte:#04x}, in Latin-1 {letter!r}: save the file as UTF-8"


# --- Words of bounded length.


def quoted(names: Sequence[str]) -> str:
    """Return the first of the names for a message, and how many more there are: 'a', 'b'."""
    return listing([cut(repr(name), LONGEST_CELL) for name in islice(names, LISTED_NAMES)], len(names))


def listing(first: Sequence[str], count: int) -> str:
    """Return the first of `count` words for a message, and how many more there are."""
    return ", ".join(first) + (f" and {count - len(first)} more" if count > len(first) else "")


def shown(path: Path) -> str:
    """Return a path for a message."""
    return cut(visible(str(path)), LONGEST_PATH)
