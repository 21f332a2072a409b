"""Writes finished runs one by one through MLflow's client: slower than in bulk, and possible with any store."""

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from student_score.tracking.internals import dataset_input
from student_score.tracking.record import JOB_HASH, Record, mlflow_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True, kw_only=True)
class ClientWriter:
    """Writes to an experiment of any store that MLflow's client can reach."""

    client: "MlflowClient"
    experiment_id: str
    way: str
    at_once: int = 1

    def write(self, records: Sequence[Record], parent_run_id: str | None) -> list[str]:
        """Write all of the runs, or delete again those that were written before one that cannot be.

        A job whose run lies under the parent already is not recorded twice: the id is then that of the first. A
        process killed meanwhile leaves those that were finished, and a last one whose status is RUNNING.
        """
        run_ids: list[str] = []
        written: list[str] = []
        try:
            for record in records:
                known = self.finished(record, parent_run_id)
                if not known:
                    written.append(self.begin(record, parent_run_id))
                    self.fill(written[-1], record)
                    self.client.set_terminated(written[-1], record.status, record.end_time)
                    # Somebody else may have recorded the same job meanwhile, and see the same.
                    known = self.finished(record, parent_run_id) or [written[-1]]
                    for run_id in {*known[1:], written[-1]} - {known[0]}:
                        self.client.delete_run(run_id)
                run_ids.append(known[0])
        except BaseException:
            with suppress(Exception):  # What came first is what the user must hear.
                for run_id in written:
                    self.client.delete_run(run_id)
            raise
        return run_ids

    def begin(self, record: Record, parent_run_id: str | None) -> str:
        """Create a run with status RUNNING and return its id."""
        tags = mlflow_tags(record.name, record.tags, record.note, parent_run_id)
        run = self.client.create_run(self.experiment_id, record.start_time, tags=tags, run_name=record.name)
        return str(run.info.run_id)

    def finished(self, record: Record, parent_run_id: str | None) -> list[str]:
        """Return the ids, in order, of the finished runs of the same job under a parent."""
        if parent_run_id is None or not record.job_hash:
            return []
        found = self.client.search_runs(
            [self.experiment_id],
            f"tags.`mlflow.parentRunId` = '{parent_run_id}' and tags.`{JOB_HASH}` = '{record.job_hash}' "
            "and attributes.status = 'FINISHED'",
        )
        return sorted(str(run.info.run_id) for run in found)

    def fill(self, run_id: str, record: Record) -> None:
        """Write params, metrics, curves, datasets and artifacts of a run; the client sends them in batches."""
        from mlflow.entities import Metric, Param

        self.client.log_batch(
            run_id,
            metrics=[Metric(name, value, record.end_time, step) for name, value, step in record.points()],
            params=[Param(name, value) for name, value in record.params.items()],
        )
        if record.inputs:
            self.client.log_inputs(run_id, datasets=[dataset_input(item) for item in record.inputs])
        with tempfile.TemporaryDirectory() as folder:
            record.write_files(Path(folder))
            if any(Path(folder).iterdir()):
                self.client.log_artifacts(run_id, folder)

    def reopen(self, run_id: str) -> None:
        """Set a run that has ended back to RUNNING; its end time stays."""
        self.client.update_run(run_id, "RUNNING")

    def clean(self) -> None:
        """Do nothing: what the client leaves behind cannot be told from what another process is writing."""
