"""Compiled kernels on disk: found again, never run once damaged, never taken for one another."""

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from numba.core.caching import IndexDataCacheFile

from student_score.training.engine import cache
from student_score.training.engine.kept import KeptKernels, keep
from student_score.training.engine.kernel import make_predictor

DATA = ("code", b"\x7fELF" + bytes(50))

DAMAGES = {
    "one bit less": lambda content, k: content[:k] + bytes([content[k] ^ 1]) + content[k + 1 :],
    "another byte": lambda content, k: content[:k] + bytes([content[k] ^ 0xFF]) + content[k + 1 :],
    "the beginning only": lambda content, k: content[:k],
    "the end only": lambda content, k: content[k + 1 :],
    "more than there was": lambda content, k: content + bytes(k + 1),
    "nothing but zeros": lambda content, k: bytes(len(content) + k),
}


@pytest.fixture
def kept(tmp_path):
    """Return a place for kernels."""
    return KeptKernels(tmp_path, "name")


def only_file(folder: Path) -> Path:
    """Return the only file of a folder."""
    [path] = folder.iterdir()
    return path


def test_what_was_saved_is_found_by_another_process(kept, tmp_path, caplog):
    """Under its key alone, without a word; nothing but the file is left behind."""
    assert kept.load("key") is None
    kept.save("key", DATA)
    again = KeptKernels(tmp_path, "name")
    assert again.load("key") == DATA
    assert again.load("other") is None
    assert only_file(tmp_path).suffix == ".nbc"
    assert caplog.messages == []


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_kernel_is_not_loaded(kept, tmp_path, caplog, damage):
    """Whatever byte the damage is at, nothing of the file is used, which a line says; saved again, all is well."""
    kept.save("key", DATA)
    path = only_file(tmp_path)
    content = path.read_bytes()
    for k in range(len(content)):
        path.write_bytes(damage(content, k))
        caplog.clear()
        assert kept.load("key") is None
        assert caplog.messages == [f"The compiled trainer in {tmp_path} is damaged and is compiled anew."]
    kept.save("key", DATA)
    assert kept.load("key") == DATA


def test_a_kernel_in_the_place_of_another_is_not_loaded(kept, tmp_path):
    """A file that is whole, but of another key, as after a mix-up of copies."""
    kept.save("key", DATA)
    source = only_file(tmp_path)
    kept.save("other", DATA)
    [other] = set(tmp_path.iterdir()) - {source}
    shutil.copy(source, other)
    assert kept.load("other") is None
    assert kept.load("key") == DATA


def test_two_processes_that_save_at_once_do_not_take_each_others_kernel(tmp_path):
    """Numba numbers the files of a function: both would take number 1, and one of them find the other's code in it."""
    one, two = KeptKernels(tmp_path, "name"), KeptKernels(tmp_path, "name")
    assert (one.load("first"), two.load("second")) == (None, None)
    two.save("second", "second code")
    one.save("first", "first code")
    assert (one.load("first"), one.load("second")) == ("first code", "second code")


@pytest.mark.parametrize("method", ["write_bytes", "replace"])
def test_where_nothing_can_be_written_nothing_is_kept(kept, tmp_path, monkeypatch, method):
    """A full disk: no error, and no file without an end."""

    def full(path, *_):
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, method, full)
    kept.save("key", DATA)
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []
    KeptKernels(tmp_path / "absent", "name").save("key", DATA)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_file_is_not_loaded(kept, tmp_path):
    """A folder in the place of a kernel costs time."""
    kept.save("key", DATA)
    path = only_file(tmp_path)
    path.unlink()
    path.mkdir()
    assert kept.load("key") is None
    kept.save("key", DATA)
    assert only_file(tmp_path) == path


def test_numba_has_the_names_that_are_replaced(monkeypatch, tmp_path):
    """Where numba hands its files to, what it calls of it, and that a kernel goes through it."""
    assert {name for name in vars(IndexDataCacheFile) if not name.startswith("_")} == {"flush", "load", "save"}
    monkeypatch.setattr(cache.numba.config, "CACHE_DIR", str(tmp_path))
    kernel = make_predictor.__wrapped__(cache.source_fingerprint(), on_disk=True)
    assert type(kernel._cache._cache_file) is IndexDataCacheFile
    keep(kernel)
    assert type(kernel._cache._cache_file) is KeptKernels
    assert kernel._cache._cache_file.folder.parent == tmp_path
    assert kernel._cache._cache_file.name.startswith("kernel.make_predictor.locals.predict_rows")


def test_a_mark_that_cannot_be_looked_for_is_not_there(monkeypatch, tmp_path):
    """NUMBA_CACHE_DIR may be a name that is too long, or lie in a folder that this user may not look into."""
    monkeypatch.setattr(cache, "special_mark", lambda _: tmp_path / ("x" * 300) / "mark")
    assert not cache.is_worth_compiling((uuid.uuid4().int, 1, 0, False, 1), 1.0)
    cache.note_special((uuid.uuid4().int, 1, 0, False, 1))


@pytest.mark.parametrize("error", [OSError, RuntimeError, EOFError, AttributeError, ValueError, KeyError, ImportError])
def test_whatever_goes_wrong_on_disk_is_tried_without(error):
    """Pickles raise nearly anything."""

    class Kernel:
        overloads = ()

        def __call__(self):
            pass

    def make(fingerprint, *, on_disk):
        assert fingerprint == cache.source_fingerprint()
        if on_disk:
            raise error
        return Kernel()

    assert isinstance(cache.ready(make, (), list), Kernel)


SCRIPT = """
import numpy as np
from student_score.training.engine import cache, kernel
finals, features, found = np.array([[2.0, 0.0, 3.0, 0.0]]), np.ones((1, 1)), np.empty((1, 1))
arguments = (finals, features, 1, 0, found)
cache.ready(kernel.make_predictor, (), lambda: (finals[:0], features, 1, 0, found[:0]))(*arguments)
print(*found[0], *kernel.make_predictor(cache.source_fingerprint(), on_disk=True).stats.cache_hits.values())
"""


@pytest.mark.slow
def test_a_damaged_cache_costs_a_compilation_and_a_line(tmp_path):
    """The machine code of the predictor, 1 * 2 * 3 = 6 by hand: compiled by two processes at once, found, damaged."""
    said = []

    def predict(processes=1) -> set[str]:
        command, environment = [sys.executable, "-c", SCRIPT], os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
        running = [
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(processes)
        ]
        outputs = [process.communicate() for process in running]
        said[:] = [err for _, err in outputs]
        return {out.strip() for out, _ in outputs}

    assert predict(2) <= {"6.0", "6.0 1"}  # The second may find what the first compiled.
    assert said == ["", ""]
    assert predict() == {"6.0 1"}
    [path] = tmp_path.rglob("*.nbc*")
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 4, len(content), len(content) // 4):
        content[place] ^= 0x10
    path.write_bytes(content)
    assert predict() == {"6.0"}
    assert said == [f"The compiled trainer in {path.parent} is damaged and is compiled anew.\n"]
    assert predict() == {"6.0 1"}
    assert said == [""]
