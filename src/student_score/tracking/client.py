"""Writes finished runs one by one through MLflow's client: slower than in bulk, and possible with any store."""

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from student_score.tracking.internals import dataset_input
from student_score.tracking.record import Record, mlflow_tags

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

        A process killed meanwhile leaves those that were finished, and a last one whose status is RUNNING.
        """
        run_ids: list[str] = []
        try:
            for record in records:
                tags = mlflow_tags(record.name, record.tags, record.note, parent_run_id)
                run = self.client.create_run(self.experiment_id, record.start_time, tags=tags, run_name=record.name)
                run_ids.append(str(run.info.run_id))
                self.fill(run_ids[-1], record)
                self.client.set_terminated(run_ids[-1], record.status, record.end_time)
        except BaseException:
            with suppress(Exception):  # What came first is what the user must hear.
                for run_id in run_ids:
                    self.client.delete_run(run_id)
            raise
        return run_ids

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
