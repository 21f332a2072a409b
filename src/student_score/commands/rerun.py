"""The command `student-score-rerun`: trains a recorded run again and compares every bit of the two trajectories."""

import sys
from collections.abc import Sequence
from typing import NoReturn

from student_score.commands.terminal import Parser, guarded
from student_score.config.schema import TrackingConfig
from student_score.errors import InputError
from student_score.masking import visible

IDENTICAL, DIFFERS = 0, 1
"""Exit codes of its own."""


def rerun(arguments: Sequence[str]) -> int:
    """Train a recorded run again and compare it in every bit; 0: identical, 1: different, 2: it cannot be done."""
    parser = Parser(prog="student-score-rerun", description=rerun.__doc__)
    parser.add_argument("run_id", help="the run, as the MLflow UI and results.csv name it")
    parser.add_argument("--uri", default=TrackingConfig().store_uri, help="the tracking store (%(default)s)")
    given = parser.parse_args(arguments)
    return compare_again(given.run_id, given.uri)


def compare_again(run_id: str, uri: str) -> int:
    """Train a recorded run again, print what changed since and whether it is identical; return the exit code.

    Raises:
        InputError: there is no such training, or its record cannot be read.
        TrackingError: the store cannot be used.
    """
    from student_score.config.compose import read_config
    from student_score.runs.compare import arrays, changes, compare
    from student_score.runs.execution import execute
    from student_score.runs.provenance import provenance
    from student_score.runs.task import prepare
    from student_score.tracking.address import exists, unusable
    from student_score.tracking.store import Store

    if not exists(uri):  # Opening the store would create it.
        raise unusable(uri, "there is no such file")
    run = Store(uri).run(run_id)
    if "kind" in run.tags:
        raise InputError(f"the run {run_id} is a {run.tags['kind']}; only a single training can be run again")
    recorded = run.trajectory()
    name = "config.yaml"
    config = read_config(run.read_text(name), name=f"{name} of run {run_id}")
    task = prepare(config)
    print(f"Run {run_id} ({visible(run.name)}), rows of {visible(config.dataset.origin)}")
    present = {**provenance(), "data.sha256": task.data_digest}
    for sentence in changes(run.tags, present, rows=config.dataset.origin):
        print(sentence)
    again = execute(task).trajectory
    differences = compare(recorded, again)
    if not differences:
        sizes = [len(array) for array in arrays(again).values()]
        print(f"identical: every bit of {sum(sizes)} numbers in {len(sizes)} arrays")
        return IDENTICAL
    print(f"differs: {differences[0].sentence}")
    if others := [item.array for item in differences[1:]]:
        print(f"also differing: {', '.join(others)}")
    return DIFFERS


def main() -> NoReturn:
    """Run the command."""
    sys.exit(guarded(lambda: rerun(sys.argv[1:]), name="student-score-rerun"))
