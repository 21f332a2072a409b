"""The compiled trainer: thousands of networks at once, every bit equal to the reference trainer's.

What one network computes, and in which order, is defined in `reference`; this package repeats it for many networks
side by side. A block of networks, its *lanes*, is trained together: each parameter is a row of one value per lane,
and the processor works on neighbouring lanes with one instruction. Lanes never meet in a sum, so no sum is reordered
and a network's bits depend neither on its neighbours nor on the number of threads. A large network, or one that
trains alone, gets a block of a single lane; there the same loops run over neighbouring hidden units instead.

One general kernel trains networks of any size, activation and sampling, one network at a time. Where there is more
work than that, a special kernel is compiled for (hidden size, number of features, activation, full batch or not,
lanes), in some three seconds, and is fifty times as fast. Both give the same bits. Kernels are kept on disk in
`numba` of the cache folder, elsewhere if NUMBA_CACHE_DIR says so. NUMBA_NUM_THREADS limits the threads.

From the outside in: `batch` takes arrays and returns arrays, `cache` compiles kernels and remembers them, `kept` are
their files, `kernel` is the loop over blocks, epochs and rows, `steps` are its parts, `scalars` what they are made of.
"""

import os
import sys
from contextlib import suppress

from student_score.paths import cache_folder

with suppress(OSError):  # Where nothing can be written, numba keeps nothing either.
    os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_folder() / "numba"))
if numba_config := sys.modules.get("numba.core.config"):  # It was imported before, and would write beside the source.
    numba_config.reload_config()

from student_score.training.engine.batch import TrainedNetworks, train_networks

__all__ = ["TrainedNetworks", "train_networks"]
