"""Compiled kernels on disk: each in one file that carries its own checksum, so that no damaged one is ever run.

Numba keeps an index of pickles beside pickles of machine code, and runs whatever they hold. A flipped bit would train
wrong numbers or end the process; two processes that compile different kernels at once may both take the next number
for their file, and then run one for the other. Here a file is named after all that its kernel was compiled from, holds
that and the code behind the checksum of both, and appears whole or not at all.
"""

import hashlib
import logging
import pickle
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core.serialize import dumps

DIGEST_BYTES = hashlib.sha256().digest_size


class KeptKernels:
    """Stands in for numba's IndexDataCacheFile: saves and loads what was compiled of one function.

    Args:
        folder: where the files lie.
        name: what their names begin with.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name

    def load(self, key: object) -> Any:
        """Return what was saved under a key; None if nothing was, or if it has been damaged since."""
        identity = identify(key)
        try:
            content = self.path(identity).read_bytes()
        except OSError:
            return None
        digest, kept = content[:DIGEST_BYTES], memoryview(content)[DIGEST_BYTES:]
        if hashlib.sha256(kept).digest() != digest or kept[: len(identity)] != identity:
            said = "The compiled trainer in %s is damaged and is compiled anew."
            logging.getLogger(__name__).warning(said, self.folder)
            return None
        return pickle.loads(kept[len(identity) :])  # noqa: S301 - It is what this user's `save` wrote, to the last bit.

    def save(self, key: object, data: object) -> None:
        """Keep something under a key; where that cannot be done, the next process compiles it again."""
        identity = identify(key)
        kept = identity + dumps(data)  # type: ignore[no-untyped-call] # numba has no types
        path = self.path(identity)
        unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
        try:
            unfinished.write_bytes(hashlib.sha256(kept).digest() + kept)
            unfinished.replace(path)
        except OSError:
            with suppress(OSError):
                unfinished.unlink()

    def path(self, identity: bytes) -> Path:
        """Return the file for what is identified so."""
        return self.folder / f"{self.name}.{hashlib.sha256(identity).hexdigest()[:32]}.nbc"


def identify(key: object) -> bytes:
    """Return all that decides what is compiled: the versions, and numba's key, which is of types, processor and code.

    The code's part of the key holds `cache.source_fingerprint`, as every kernel closes over it.
    """
    return repr((numba.__version__, llvmlite.__version__, sys.version, key)).encode()


def keep(kernel: Any) -> None:
    """Let a kernel that numba would keep be kept here."""
    kept = kernel._cache  # noqa: SLF001 - Numba offers no other way; a test says when these names are gone.
    kept._cache_file = KeptKernels(Path(kept.cache_path), kept._impl.filename_base)  # noqa: SLF001 - likewise
