"""Times train_many in a process of its own: a first call of the general kernel and of a special one, then a large one.

Peak memory is known on Linux only, and read there from /proc: getrusage would count that of the parent process too.
"""

import json
import sys
from pathlib import Path
from time import perf_counter

import numpy as np

import student_score.training.engine  # noqa: F401 - Imported before anything is timed.
from student_score.data.rows import Rows, split_rows
from student_score.model.activations import Activation
from student_score.training.many import train_many
from student_score.training.setup import Effort, Networks, Setup


def main(arguments: str) -> None:
    """Print the seconds of each call and the peak memory as JSON, given what to train, also as JSON."""
    asked = json.loads(arguments)
    split = split_rows(Rows(np.array(asked["features"]), np.array(asked["targets"])))

    def seconds(networks: int, epochs: int, *, special: bool | None = None) -> float:
        setup = Setup(
            split=split,
            hidden_size=asked["hidden_size"],
            epochs=epochs,
            activation=Activation[asked["activation"]],
        )
        rates = np.geomspace(1e-5, 1.0, networks)
        effort = Effort(special=special)
        many = Networks(starts=asked["start"], learning_rate=rates)
        started = perf_counter()
        trained = train_many(setup, many, effort)
        taken = perf_counter() - started
        sample = np.linspace(0, networks - 1, 64).astype(int)
        alone = train_many(setup, Networks(starts=asked["start"], learning_rate=rates[sample]), effort)
        if not np.array_equal(trained.finals[sample], alone.finals):
            sys.exit("the networks are not all trained as they are alone")
        return taken

    general, first = seconds(4, 1, special=False), seconds(128, 1, special=True)
    measured = {"general": general, "first": first, "seconds": 0.0}
    if asked["networks"]:
        measured["seconds"] = seconds(asked["networks"], asked["epochs"])
    print(json.dumps({**measured, "peak_megabytes": peak_megabytes()}))


def peak_megabytes() -> float | None:
    """Return the peak memory of this process, None where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    peaks = [int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:")]
    return peaks[0] if peaks else None


if __name__ == "__main__":
    main(sys.argv[1])
