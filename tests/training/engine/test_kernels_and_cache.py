"""Kernels: which is worth compiling, that processes share them, and that none outlives the source it came from."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

import student_score
from student_score.model.activations import Activation
from student_score.training.engine import cache
from student_score.training.engine.layout import ACTIVATION_CODES, SAMPLING_CODES

PACKAGE = Path(student_score.__file__).parent
RELU = ACTIVATION_CODES[Activation.relu]

SCRIPT = """
import sys
import numpy as np
import student_score
from student_score import Networks, Rows, Setup, split_rows
from student_score.model.activations import Activation
from student_score.training.engine import train_networks
from student_score.training.engine.cache import GENERAL, source_fingerprint
from student_score.training.engine.kernel import make_kernel
from student_score.training.engine.layout import ACTIVATION_CODES
from student_score.training.setup import Effort

special = {"True": True, "None": None}[sys.argv[1]]
setup = Setup(split=split_rows(Rows(np.ones((1, 1)), np.zeros(1))), hidden_size=1, epochs=1)
networks = Networks(starts=[2.0, 0.0, 3.0, 0.0], learning_rate=0.25, output_learning_rate=0.5)
print(student_score.__file__)
print(*train_networks(setup, networks, Effort(special=special)).finals[0].tolist())
for constants in ((1, 1, ACTIVATION_CODES[Activation.relu], False, 1), GENERAL):
    kernel = make_kernel(*constants, source_fingerprint(), on_disk=True)
    print(sum(kernel.stats.cache_hits.values()), sum(kernel.stats.cache_misses.values()), end=" ")
"""
"""Trains one network once; the same update is worked by hand in test_equality.py."""

BY_HAND = "-2.5 -4.5 -3.0 -3.0"


class Seen(NamedTuple):
    """What a process that trained once has to say."""

    finals: str
    kernels: str
    """How often the special kernel was found on disk and compiled, and the general one."""


def train_once(folder: Path, *, special: bool | None = None, package: Path = PACKAGE) -> Seen:
    """Train a little in a fresh process that keeps its kernels in `folder`."""
    # Without bytecode files: they go by a source's size and second, and miss a quick edit.
    environment = {"NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", SCRIPT, str(special)]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    source, finals, kernels = done.stdout.strip().splitlines()
    assert Path(source).parent == package
    return Seen(finals, kernels.strip())


@pytest.mark.slow
def test_a_second_process_finds_the_kernels_on_disk(tmp_path):
    """Little work compiles the general kernel; where a special one was compiled before, it is used for little too."""
    assert train_once(tmp_path) == (BY_HAND, "0 0 0 1")
    assert train_once(tmp_path) == (BY_HAND, "0 0 1 0")
    assert train_once(tmp_path, special=True) == (BY_HAND, "0 1 0 0")
    assert train_once(tmp_path) == (BY_HAND, "1 0 0 0")


@pytest.mark.slow
def test_an_unusable_cache_folder_only_costs_time(tmp_path):
    """NUMBA_CACHE_DIR names a file: training works all the same."""
    (tmp_path / "file").write_text("")
    seen = train_once(tmp_path / "file", special=True)
    assert seen.finals == BY_HAND
    assert seen.kernels.split()[2:] == ["0", "0"]


EDITS = {
    # The file, what it says, what it is made to say, and where the update that is worked by hand then ends.
    # Its hidden error is 6 * 3 = 18: b1 moves by 0.25 * 18 = 4.5, here the other way.
    "training/engine/steps.py": ("b1 + j, lane] -= rate", "b1 + j, lane] += rate", "-2.5 4.5 -3.0 -3.0"),
    # A slope of 2 doubles the hidden error: w1 and b1 move by 9.
    "model/activations.py": ("return (z, 1.0) if z", "return (z, 2.0) if z", "-7.0 -9.0 -3.0 -3.0"),
    # The output layer's rate for all weights: w1 and b1 move by 0.5 * 18 = 9 too.
    "training/engine/epochs.py": ("else hidden_rates[network]", "else output_rates[network]", "-7.0 -9.0 -3.0 -3.0"),
}


@pytest.fixture(scope="module")
def trained_copy(tmp_path_factory):
    """Return a copy of the package that has been trained with once, and the folder of its kernels."""
    home = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, home / "student_score", ignore=shutil.ignore_patterns("__pycache__"))
    assert train_once(home / "kernels", package=home / "student_score") == (BY_HAND, "0 0 0 1")
    return home / "student_score", home / "kernels"


def kernels_kept(folder: Path) -> int:
    """Return how many compiled functions lie in the folder."""
    return len(list(folder.rglob("*.nbc")))


@pytest.mark.slow
@pytest.mark.parametrize("file", EDITS)
def test_editing_a_compiled_file_leads_to_a_recompilation(trained_copy, file):
    """The edited arithmetic trains, not the kernel kept from before; put back, the file has its old kernel again.

    Numba itself watches kernel.py alone, which stays as it is. That the other files count as well is tested below.
    """
    (package, folder), (old, new, finals) = trained_copy, EDITS[file]
    kept, before = kernels_kept(folder), (package / "training/engine/kernel.py").stat()
    assert train_once(folder, package=package) == (BY_HAND, "0 0 1 0")
    assert kernels_kept(folder) == kept > 0
    path = package / file
    text, times = path.read_text(), path.stat()
    assert old in text
    path.write_text(text.replace(old, new))
    try:
        edited = train_once(folder, package=package)
    finally:
        path.write_text(text)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert edited == (finals, "0 0 0 1")
    assert kernels_kept(folder) > kept
    assert (package / "training/engine/kernel.py").stat().st_mtime_ns == before.st_mtime_ns


def test_the_compiled_files_are_those_of_the_engine_and_its_activations():
    """All of the engine but what calls kernels (__init__, batch), keeps and watches them, and the activations."""
    engine = set((PACKAGE / "training/engine").glob("*.py"))
    callers = {PACKAGE / f"training/engine/{name}.py" for name in ("__init__", "batch", "cache", "compiling", "kept")}
    assert callers < engine
    assert len(set(cache.COMPILED_FILES)) == len(cache.COMPILED_FILES)
    assert set(cache.COMPILED_FILES) == engine - callers | {PACKAGE / "model/activations.py"}


def test_the_fingerprint_changes_with_each_compiled_file(tmp_path, monkeypatch):
    """One byte more in any of them, and other codes of the samplings, give a fingerprint of their own."""
    fingerprint = cache.source_fingerprint.__wrapped__
    copies = [shutil.copy(path, tmp_path / path.name) for path in cache.COMPILED_FILES]
    seen = {fingerprint()}
    monkeypatch.setattr(cache, "COMPILED_FILES", copies)
    assert {fingerprint()} == seen  # It is of what the files say, not of where they lie.
    for path in copies:
        before = path.read_bytes()
        path.write_bytes(before + b"\n")
        seen.add(fingerprint())
        path.write_bytes(before)
    monkeypatch.setattr(cache, "SAMPLING_CODES", dict(zip(SAMPLING_CODES, (1, 0, 2, 3), strict=True)))
    seen.add(fingerprint())
    assert len(seen) == 1 + len(copies) + 1


def test_much_work_is_worth_a_special_kernel(monkeypatch):
    """What counts is the work of all calls: small ones that go on get a kernel of their own in the end."""
    monkeypatch.setattr(cache, "special_mark", lambda _: None)
    monkeypatch.setattr(cache, "asked", Counter())
    constants = (2, 2, RELU, False, 1)
    assert not cache.is_worth_compiling(constants, 0.4 * cache.SPECIAL_UPDATES)
    assert not cache.is_worth_compiling(constants, 0.5 * cache.SPECIAL_UPDATES)
    assert cache.is_worth_compiling(constants, 0.2 * cache.SPECIAL_UPDATES)
    assert cache.is_worth_compiling((3, *constants[1:]), 2 * cache.SPECIAL_UPDATES)


def test_a_special_kernel_that_is_there_is_used_for_little_work(monkeypatch, tmp_path):
    """Once noted, here or by another process that left its mark, it trains whatever there is; others are not meant."""
    monkeypatch.setattr(cache, "special_mark", lambda constants: tmp_path / "marks" / str(constants))
    monkeypatch.setattr(cache, "asked", Counter())
    constants = (2, 2, RELU, False, 1)
    assert not cache.is_worth_compiling(constants, 1.0)
    cache.note_special(constants)
    assert cache.is_worth_compiling(constants, 1.0)
    monkeypatch.setattr(cache, "asked", Counter())  # as in another process
    assert cache.is_worth_compiling(constants, 1.0)
    assert not cache.is_worth_compiling((3, *constants[1:]), 1.0)
