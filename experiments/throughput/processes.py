IN_A_PROCESS = """
import json, sys
from pathlib import Path
from time import perf_counter
import numpy as np
from student_score import engine
from student_score.activations import Activation
from student_score.dataset import Rows, split_rows
from student_score.network import ARTICLE_START, Initialisation, initialise
from student_score.training import train_many

features, targets, activation, hidden_size, networks, epochs = json.loads(sys.argv[1])
split = split_rows(Rows(np.array(features), np.array(targets)))
start = initialise(Initialisation.he, n_features=2, hidden_size=hidden_size) if hidden_size != 2 else ARTICLE_START

def train(networks, epochs, special=None):
    started = perf_counter()
    rates = np.geomspace(1e-5, 1.0, networks)
    options = {"hidden_size": hidden_size, "epochs": epochs, "activation": Activation[activation], "special": special}
    trained = train_many(split, start.flat(), learning_rate=rates, **options)
    seconds = perf_counter() - started
    sample = np.linspace(0, networks - 1, 64).astype(int)
    alone = train_many(split, start.flat(), learning_rate=rates[sample], **options)
    if not np.array_equal(trained.finals[sample], alone.finals):
        sys.exit("the networks are not all trained as they are alone")
    return seconds

general = train(4, 1, special=False)
first = train(128, 1, special=True)
seconds = train(networks, epochs) if networks else 0.0
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
peaks = [int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:")]
measured = {"general": general, "first": first, "seconds": seconds}
print(json.dumps({**measured, "peak_megabytes": peaks[0] if peaks else None}))
"""
"""Times train_many in a process of its own: the first call of the general kernel and of a special one, then the
networks asked for.

Peak memory is known on Linux only, and read there from /proc: getrusage would count that of the parent process too.
"""


def in_a_process(activation: Activation, hidden_size: int, networks: int, cache: Path | None = None) -> dict[str, Any]:
    """Run the code above, with kernels cached in the given folder, and return what it printed."""
    arguments = [ARTICLE.features.tolist(), ARTICLE.targets.tolist(), activation.name, hidden_size, networks, EPOCHS]
    environment = {**os.environ, **({"NUMBA_CACHE_DIR": str(cache)} if cache else {})}
    command = [sys.executable, "-c", IN_A_PROCESS, json.dumps(arguments)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured
def million(effort: Effort) -> Iterator[dict[str, Any]]:
    """Yield the time and the peak memory of a million trainings with their outcomes, in a process of their own."""
    say(f"million: {effort.million} trainings in {effort.slow_rounds} rounds")
    subject = process_subject("million", TRAIN_MANY, ARTICLE.activation, 2, effort.million, all_threads())
    for number in range(1, effort.slow_rounds + 1):
        measured = in_a_process(ARTICLE.activation, 2, effort.million)
        yield subject.row(number, 1, measured["seconds"]) | {
            "peak_megabytes": float(measured["peak_megabytes"] or "nan")
        }


def first_calls(effort: Effort) -> Iterator[dict[str, Any]]:
    """Yield the time of the first call with an empty cache, and of the first in another process that finds it full."""
    say(f"first_call: {len(effort.first_calls)} networks in {effort.slow_rounds} rounds")
    for number in range(1, effort.slow_rounds + 1):
        for activation, hidden_size in effort.first_calls:
            with TemporaryDirectory() as folder:
                for method in (FIRST, CACHED):
                    measured = in_a_process(activation, hidden_size, 0, Path(folder))
                    subject = process_subject("first_call", method, activation, hidden_size, 128, all_threads())
                    # Compilation, not training, is what was timed, so no cost per network is given.
                    yield subject.row(number, 1, measured["first"]) | {"epochs": 1, COST: np.nan, "scaled": False}
                    if method == FIRST:
                        general = replace(subject, method=GENERAL_FIRST)
                        yield general.row(number, 1, measured["general"]) | {"epochs": 1, COST: np.nan, "scaled": False}


def process_subject(
    part: str, method: str, activation: Activation, hidden_size: int, networks: int, threads: int
) -> Subject:
    """Return the row's contents for what a process of its own measured."""
    start = simulated(3, hidden_size).start
    problem = Problem(features=ARTICLE.features, targets=ARTICLE.targets, start=start, activation=activation)
    return Subject(
        part=part, method=method, train=start.flat, problem=problem, networks=networks, epochs=EPOCHS, threads=threads
    )
