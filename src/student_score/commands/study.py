"""Studies at the terminal: run as sweeps or as tables of trainings, judged again, told on one page."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from student_score.commands.terminal import Parser, guarded, waiting
from student_score.config.compose import default_config, register
from student_score.config.schema import Config, TrackingConfig
from student_score.errors import InputError, SweepError
from student_score.paths import INSTALLED, known_studies, work_folder

if TYPE_CHECKING:
    from student_score.sweeps.plan import Plan
    from student_score.tracking.store import Store


class DefectError(SweepError):
    """A check of a study failed: everything was recorded and written, and none of it can be trusted."""


def has_own_trainings(name: str) -> bool:
    """Say whether a study computes a table of trainings instead of judging a sweep."""
    from student_score.studies.study import load

    return load(name).trainings is not None


def run_trainings(name: str, config: Config) -> None:
    """Run a study that keeps its trainings in one table, and print what it found.

    Raises:
        InputError: the configuration has settings that the study does not use.
        DefectError: a check failed.
    """
    from student_score.studies.evidence import check_used, record_trainings
    from student_score.tracking.address import check_reachable

    check_used(name, config, default_config())
    check_reachable(config.tracking.store_uri)
    with waiting(f"Training the networks of the study {name}"):
        store, run_id, table = record_trainings(name, config)
    close(name, table, store, run_id)


def check_sweep(name: str, plan: "Plan", default: Config) -> None:
    """Raise InputError unless the runs of a sweep are what a study judges."""
    from student_score.studies.evidence import check_rows, check_used

    if has_own_trainings(name):
        raise InputError(f"the study {name} is no sweep; run it without -m: student-score experiment={name}")
    for member in plan.members:
        check_used(name, member.task.config, default)
        check_rows(name, member.task.data_digest, member.task.config.dataset.path)


def close(name: str, evidence: Any, store: "Store", run_id: str) -> None:
    """Judge a study on its evidence, add what comes out to its run, and print it: its report, conclusion and verdicts.

    Raises:
        InputError: the folder of its results cannot be written.
        DefectError: a check failed.
    """
    from student_score.studies import study
    from student_score.studies.claims import DEFECT
    from student_score.studies.evidence import attach

    folder = study.results_folder(name)
    judgements = study.conclude(name, evidence, folder)
    attach(store, run_id, folder)
    store.set_tags(run_id, {f"verdict.{item.claim.name}": item.verdict.name for item in judgements})
    if store.experiment is not None:
        store.describe_experiment(store.experiment, study.load(name).question)
    print("\n".join(study.closing(name, evidence, judgements, folder)))
    if failed := [item.claim.name for item in judgements if item.is_defect]:
        raise DefectError(f"the study {name}: {', '.join(failed)} failed. {DEFECT}")


def publish(names: Sequence[str], uri: str) -> int:
    """Write the verdicts and figures that are committed, judged on recorded runs, and print where they lie.

    Args:
        names: of the studies; without any, all that are recorded, but no benchmark, whose numbers are a machine's own.
        uri: the store that holds their records.

    Raises:
        InputError: this is no clone, or there are no records, or none that can be used; nothing was written.
        DefectError: a check failed; nothing was written.
    """
    from student_score.studies.claims import DEFECT
    from student_score.studies.evidence import NoRecordsError, read_evidence
    from student_score.studies.study import conclude, in_order, judged, load, place, published_folder

    if INSTALLED:
        raise InputError("--publish writes the results that a clone of the repository commits, and this is no clone")
    found = {}
    for name in names or [name for name in in_order() if not load(name).benchmark]:
        try:
            found[name] = read_evidence(name, uri)[1]
        except NoRecordsError:
            if names:
                raise
    if not found:
        raise InputError(f"no study is recorded in {uri}; student-score-study lists the commands that do so")
    for name, evidence in found.items():
        if failed := [item.claim.name for item in judged(name, evidence.content) if item.is_defect]:
            raise DefectError(f"nothing was written; the study {name}: {', '.join(failed)} failed. {DEFECT}")
    for name, evidence in found.items():
        conclude(name, evidence.content, published_folder(name))
        print(f"{name}: {place(published_folder(name))}")
    return 0


def judge(arguments: Sequence[str]) -> int:
    """Judge a study again on its recorded runs, without training; or list the studies."""
    parser = Parser(prog="student-score-study", description=judge.__doc__)
    parser.add_argument("name", nargs="?", help=f"one of {', '.join(known_studies())}; all are listed without it")
    parser.add_argument("--uri", default=TrackingConfig().store_uri, help="the store that holds its records")
    parser.add_argument(
        "--publish",
        action="store_true",
        help="write the results that are committed, in experiments/NAME/results, of one study or of all recorded ones "
        "but the benchmarks",
    )
    given = parser.parse_args(arguments)
    from student_score.studies.evidence import read_evidence
    from student_score.studies.study import command, in_order, load

    if given.publish:
        register()
        return publish([given.name] if given.name else [], given.uri)
    if given.name is None:
        for name in in_order():
            print(f"{command(name)}{'  # a benchmark' if load(name).benchmark else ''}")
        return 0
    register()
    store, evidence = read_evidence(given.name, given.uri)
    close(given.name, evidence.content, store, evidence.run.run_id)
    return 0


def report(arguments: Sequence[str]) -> int:
    """Write report.html: every claim with its verdict, judged anew on the recorded runs."""
    parser = Parser(prog="student-score-report", description=report.__doc__)
    parser.add_argument("--uri", default=TrackingConfig().store_uri, help="the store that holds the records")
    parser.add_argument("--output", type=Path, default=work_folder() / "report.html", help="the file to write")
    given = parser.parse_args(arguments)
    from student_score.studies.claims import DEFECT
    from student_score.studies.report import write

    register()
    try:
        chapters = write(given.output, given.uri)
    except OSError as error:
        raise InputError(f"{given.output} cannot be written: {error.strerror}") from None
    for part in chapters:
        if part.is_recorded:
            print(f"{part.name}: {part.tally or part.missing}")
        for item in part.defects:
            print(f"  FAILED: {item.claim.sentence} {DEFECT}")
    if unrecorded := [part.name for part in chapters if not part.is_recorded]:
        print(f"Not recorded yet: {', '.join(unrecorded)}; student-score-study lists their commands")
    print(f"Report: {given.output}")
    return int(any(part.defects for part in chapters))


def study_main() -> NoReturn:
    """Run `student-score-study`."""
    sys.exit(guarded(lambda: judge(sys.argv[1:]), name="student-score-study"))


def report_main() -> NoReturn:
    """Run `student-score-report`."""
    sys.exit(guarded(lambda: report(sys.argv[1:]), name="student-score-report"))
