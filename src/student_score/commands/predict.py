"""The command `student-score-predict`: predicts the rows of a file with a recorded training."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from student_score.commands.terminal import Parser, guarded
from student_score.config.schema import TrackingConfig
from student_score.masking import visible


def predict(arguments: Sequence[str]) -> int:
    """Predict the rows of a file with a recorded training, or the best run of a sweep; write them with predictions."""
    parser = Parser(prog="student-score-predict", description=predict.__doc__)
    parser.add_argument("run_id", help="the run, as the MLflow UI and results.csv name it")
    parser.add_argument("path", type=Path, help="a file with the columns of the run's features, written like the run's")
    parser.add_argument("--output", type=Path, default=Path("predictions.csv"), help="what is written (%(default)s)")
    parser.add_argument("--uri", default=TrackingConfig().store_uri, help="the tracking store (%(default)s)")
    given = parser.parse_args(arguments)
    predict_file(given.run_id, given.path, given.output, given.uri)
    return 0


def predict_file(run_id: str, path: Path, output: Path, uri: str) -> None:
    """Predict the rows of a file, write them, and print what is to be known of them.

    Raises:
        InputError: there is no such training, it predicts nothing, or the file cannot be read or written.
        TrackingError: the store cannot be used.
    """
    from student_score.serving.files import check_whole, read_rows, write_rows
    from student_score.serving.predictions import predict_rows, source
    from student_score.tracking.address import exists, unusable
    from student_score.tracking.store import Store

    if not exists(uri):  # Opening the store would create it.
        raise unusable(uri, "there is no such file")
    found = source(Store(uri), run_id)
    if found.run.run_id != run_id:
        print(f"The best run of this sweep is {found.run.run_id}, trained on {found.rows:,} rows")
    print(f"Run {found.run.run_id} ({visible(found.run.name)}): {found.outcome}")
    given = read_rows(path, found.config.dataset)
    for note in given.table.notes:
        print(note)
    check_whole(given, found.config.dataset, found.weights["means"])
    predictions = predict_rows(found, given.table.frame)
    write_rows(output, given, predictions.told)
    for remark in predictions.remarks():
        print(remark)
    count = predictions.count
    print(f"{count:,} prediction{'s'[: count != 1]} of {visible(found.target)}: {visible(str(output))}")


def main() -> NoReturn:
    """Run the command."""
    sys.exit(guarded(lambda: predict(sys.argv[1:]), name="student-score-predict"))
