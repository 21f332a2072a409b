"""What a study is judged on: recorded by it, or found again wherever it was recorded."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

from student_score.config.identity import flattened, numbers_of, plain
from student_score.config.schema import Config
from student_score.errors import InputError
from student_score.runs.provenance import provenance
from student_score.studies.study import Study, command, load
from student_score.tracking.address import exists
from student_score.tracking.failures import store_errors
from student_score.tracking.record import Input, Record, RecordedRun
from student_score.tracking.store import Store
from student_score.training.train import ALGORITHM_VERSION

if TYPE_CHECKING:
    import pandas as pd

TABLE = "trainings.parquet"
"""The artifact with the table of a study's trainings."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a study is judged on, as MLflow gives it back.

    Attributes:
        content: the table of its trainings, or the finished runs of its sweep.
        run: the run that holds the table, or the sweep's parent run.
        size: how many trainings or runs there are.
        data: the SHA-256 of the rows that were trained on.
    """

    content: Any
    run: RecordedRun
    size: int
    data: tuple[str, ...]


class NoRecordsError(InputError):
    """A study has not been recorded in a store."""


def read_evidence(name: str, uri: str) -> tuple[Store, Evidence]:
    """Return the store that holds a study's records, and the latest of them, whatever experiment they lie in.

    Raises:
        NoRecordsError: there are none.
        InputError: they are of other rows or of another version of the algorithm.
    """
    study = load(name)
    found = []
    if exists(uri):
        store = Store(uri)
        kind = "sweep" if study.trainings is None else "study"
        found = store.search(f"tags.kind = '{kind}' and tags.study = '{name}'")
    if not found:
        raise NoRecordsError(f"there are no records of the study {name} in {uri}; this makes them: {command(name)}")
    run = max(found, key=lambda run: run.start_time)
    runs = [run]
    if study.trainings is None:
        runs = [child for child in store.children(run.run_id) if child.status == "FINISHED"]
    content = runs if study.trainings is None else read_table(run)
    evidence = Evidence(content=content, run=run, size=len(content), data=digests(runs))
    check_version(name, runs)
    if strange := set(evidence.data) - set(study.digests):
        raise InputError(
            f"the latest records of the study {name} are of other rows (SHA-256 {', '.join(sorted(strange))}) than it "
            f"is about; this makes them anew: {command(name)}"
        )
    return store, evidence


def read_table(run: RecordedRun) -> "pd.DataFrame":
    """Return the table of trainings that a run holds."""
    import pandas as pd

    return pd.read_parquet(BytesIO(run.read(TABLE)))


def check_version(name: str, runs: Sequence[RecordedRun]) -> None:
    """Raise InputError unless all runs were trained by this version of the algorithm."""
    versions = {run.tags.get("algorithm_version", "unknown") for run in runs} - {str(ALGORITHM_VERSION)}
    if versions:
        raise InputError(
            f"records of the study {name} were made by version {' and '.join(sorted(versions))} of the algorithm, this "
            f"is version {ALGORITHM_VERSION}; make them anew: {command(name)}"
        )


def digests(runs: Sequence[RecordedRun]) -> tuple[str, ...]:
    """Return the SHA-256 of all rows that the runs were trained on; a run of several rows has them in a row."""
    return tuple(sorted({digest for run in runs for digest in run.tags.get("data.sha256", "").split()}))


def record_trainings(name: str, config: Config) -> tuple[Store, str, "pd.DataFrame"]:
    """Compute a study's table of trainings, record it as one run, and return it as read back from there.

    Raises:
        TypeError: it has none.
    """
    study = load(name)
    if study.trainings is None:
        raise TypeError(f"the study {name} has no trainings of its own")
    store = Store(config.tracking.store_uri, config.tracking.experiment)
    started = int(time() * 1000)
    table = study.trainings(study.rows)

    def write_files(folder: Path) -> None:
        table.to_csv(folder / "trainings.csv", index=False)
        table.to_parquet(folder / TABLE, index=False)

    record = Record(
        name=f"{name} ({len(table)} trainings)",
        start_time=started,
        end_time=int(time() * 1000),
        tags={"kind": "study", "study": name, "data.sha256": " ".join(study.digests), **provenance()},
        metrics={"trainings": float(len(table))},
        inputs=inputs(study),
        note=study.question,
        write_files=write_files,
    )
    run_id = store.record(record)
    return store, run_id, read_table(store.run(run_id))


def attach(store: Store, run_id: str, folder: Path) -> None:
    """Add a study's verdicts and figure, the files of a folder, to its run's artifacts; TrackingError if it fails."""
    with store_errors(store.uri):
        store.client.log_artifacts(run_id, str(folder))


def inputs(study: Study) -> list[Input]:
    """Return the rows that a study trains on as MLflow's datasets."""
    return [
        Input(
            name=name,
            digest=rows.digest(),
            context="training",
            source=json.dumps({"study": study.question}),
            profile=json.dumps({"rows": len(rows), "features": rows.features.shape[1]}),
        )
        for name, rows in study.rows.items()
    ]


def check_used(name: str, config: Config, default: Config) -> None:
    """Raise InputError, naming them, for keys that differ from the default although the study has no use for them.

    A study with trainings of its own uses none but the store and the experiment; one of a sweep also what it varies,
    and what changes no number.
    """
    study = load(name)
    own, usual = (flattened(plain(each)) for each in (config, default))
    if study.trainings is None:
        own, usual = numbers_of(own), numbers_of(usual)
    used = {"tracking.uri", "tracking.experiment", "study", *study.varies}
    unused = [f"{key}={value}" for key, value in own.items() if value != usual[key] and key not in used]
    if unused:
        said = (
            f"it looks at {', '.join(study.varies)}"
            if study.varies
            else "it trains on rows and with settings of its own"
        )
        raise InputError(f"{', '.join(unused)}: the study {name} has no use for this; {said}")


def check_rows(name: str, data_digest: str, path: str) -> None:
    """Raise InputError unless rows that were read are those that a study is about."""
    study = load(name)
    if data_digest not in study.digests:
        raise InputError(
            f"dataset.path={path}: the study {name} is about the rows {', '.join(study.rows)}, and these are others"
        )
