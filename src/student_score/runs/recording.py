"""What MLflow is told about a run: everything that is recorded is made here, from one description of the run."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from math import inf, log10
from pathlib import Path
from time import time
from typing import Any

import numpy as np
import yaml

from student_score.arrays import Floats
from student_score.data.baseline import BASELINES
from student_score.masking import cut, masked
from student_score.runs.execution import Run
from student_score.runs.provenance import provenance
from student_score.runs.task import Task
from student_score.runs.transcript import LISTED_PARAMETERS, described_collapse, transcript
from student_score.tracking.record import Input, Record
from student_score.tracking.views import LOG_LOSS_METRIC, LOG_RATE_METRIC, RATE_METRIC
from student_score.training.train import predict_scores

SHORT_NAMES = {"training.learning_rate": "lr", "network.hidden_size": "h", "network.seed": "seed"}
"""What every run's name says; further swept keys go by their last part."""

STANDING = ("training.learning_rate", "network.activation", "network.hidden_size", "network.seed")
"""Keys that stand in every run's name."""


TABLED = ("avg_loss", "train_mse", "validation_mse", "test_mse", "collapse_epoch", "diverged_epoch")
"""Metrics that a sweep's table has a column for, beside those of the baselines."""


LEAST_ERROR = "baseline/least_possible/expected_mse"
"""Of simulated students: the error on new ones of the best prediction there is."""


LONGEST_NAME = 250
"""Characters of a run's name that every database of MLflow's has room for."""


def run_name(flat: Mapping[str, Any], swept: Sequence[str] = ()) -> str:
    """Return a readable name such as `lr=0.01 relu h=2 seed=0`, what was swept first, of a flattened configuration."""
    keys = [key for key in swept if key in flat] + [key for key in STANDING if key not in swept]
    parts = (
        str(flat[key]) if key == "network.activation" else f"{SHORT_NAMES.get(key, key.rsplit('.', 1)[-1])}={flat[key]}"
        for key in keys
    )
    return cut(" ".join(parts), LONGEST_NAME)


def record(run: Run, *, swept: Sequence[str] = (), tags: Mapping[str, str] | None = None) -> Record:
    """Return everything MLflow is told about a run; non-finite numbers are left out, the outcome says why."""
    outcome = run.trajectory.outcome
    return Record(
        name=run_name(run.task.description.flat, swept),
        start_time=run.started,
        end_time=run.started + round(run.seconds * 1000),
        params=params(run.task),
        tags={"outcome": outcome.name, "mlflow.runColor": outcome.colour, **identity_tags(run.task), **(tags or {})},
        metrics=finite(scalars(run)),
        curves=curves(run),
        inputs=inputs(run.task),
        note=note(run),
        write_files=lambda folder: write_files(run, folder),
    )


def params(task: Task) -> dict[str, str]:
    """Return the configuration as MLflow's parameters."""
    return {key: value_text(value) for key, value in task.description.flat.items()}


def identity_tags(task: Task) -> dict[str, str]:
    """Return the tags that say what was trained, on which rows, with which code and versions."""
    hashes = {"config_hash": task.description.config_hash, "job_hash": task.description.job_hash}
    notes = {"data.notes": " ".join(task.notes)} if task.notes else {}
    return {**hashes, "data.sha256": task.data_digest, **notes, **provenance()}


LONGEST_CAUSE = 1000
"""Characters of what a failed run raised that are recorded."""


def failure(task: Task, error: Exception, *, swept: Sequence[str], tags: Mapping[str, str]) -> Record:
    """Return everything MLflow is told about a run that failed: its configuration, and the cause as the tag `error`."""
    now = int(time() * 1000)
    return Record(
        name=run_name(task.description.flat, swept),
        start_time=now,
        end_time=now,
        status="FAILED",
        params=params(task),
        tags={"error": masked(f"{type(error).__name__}: {error}")[:LONGEST_CAUSE], **identity_tags(task), **tags},
    )


LONGEST_VALUE = 6000
"""Characters of a parameter's value that MLflow keeps."""


def value_text(value: object) -> str:
    """Return a parameter's value as text; of one that MLflow could not keep, its beginning and where the whole is."""
    text = value if isinstance(value, str) else json.dumps(value)
    rest = " ... (the whole is in config.yaml)"
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - len(rest)] + rest


def finite(metrics: dict[str, float | None]) -> dict[str, float]:
    """Return the metrics that have a finite value."""
    return {name: value for name, value in metrics.items() if value is not None and np.isfinite(value)}


def scalars(run: Run) -> dict[str, float | None]:
    """Return the metrics that are one number a run; None for what did not happen, so that nobody charts a row of zeros.

    The page of a run charts metrics in the order of their names, but those with a slash before all others: names with
    a dot come after the losses.
    """
    trajectory, end = run.trajectory, run.trajectory.end
    metrics: dict[str, float | None] = {
        RATE_METRIC: run.task.config.training.learning_rate,  # As a parameter it is text, and sorts as such.
        LOG_LOSS_METRIC: logarithm(end.train_mse),
        "diverged_epoch": trajectory.diverged_epoch,
        "collapse_epoch": trajectory.collapse_epoch,
        "units.dead": float(np.count_nonzero(trajectory.dead_units)) or None,
        "units.prediction_spread": end.prediction_spread,
        "validation_mse": run.validation_mse,
    }
    for name, baseline in run.baselines.items():
        metrics[f"baseline/{name}/train_mse"] = baseline.train_mse
        metrics[f"baseline/{name}/validation_mse"] = baseline.validation_mse
        metrics[f"baseline/{name}/test_mse"] = baseline.test_mse
    metrics[LEAST_ERROR] = run.task.least_error
    if trajectory.final.size <= LISTED_PARAMETERS:
        metrics |= {f"weight.{name}": value for name, value in trajectory.final.named()}
    return metrics


def logarithm(value: float) -> float | None:
    """Return the decimal logarithm, None where there is none."""
    return log10(value) if 0 < value < inf else None


def curves(run: Run) -> dict[str, tuple[list[int], list[float]]]:
    """Return the curves at the recorded epochs, and the logarithm of the rate at the last of them.

    Charts of the MLflow UI have no logarithmic axis for a metric other than the epoch, and draw one metric against
    another where both have a value in the same epoch. `sharpness_ratio`
    is sharpness / (2 / learning_rate): at 1, full-batch descent is at its classical limit.
    """
    trajectory = run.trajectory
    epochs = trajectory.recorded_epochs
    values = {"avg_loss": trajectory.avg_loss[epochs - 1], "train_mse": trajectory.train_mse}
    if trajectory.test_mse is not None:
        values["test_mse"] = trajectory.test_mse
    if run.sharpness is not None:
        values["sharpness"] = run.sharpness
        values["sharpness_ratio"] = run.sharpness * (run.task.config.training.learning_rate / 2)
    found = {
        name: (epochs[np.isfinite(curve)].tolist(), curve[np.isfinite(curve)].tolist())
        for name, curve in values.items()
    }
    last = found["train_mse"][0][-1:]
    return {**found, LOG_RATE_METRIC: (last, [log10(run.task.config.training.learning_rate)] * len(last))}


def inputs(task: Task) -> list[Input]:
    """Return the training and test rows as MLflow's datasets."""
    dataset, split = task.config.dataset, task.split
    return [
        Input(
            name=dataset.name,
            digest=rows.digest(),
            context=context,
            source=json.dumps({"uri": dataset.origin}),
            profile=json.dumps({"rows": len(rows), "features": dataset.features, "target": dataset.target}),
        )
        for context, rows in (("training", split.train), ("validation", split.validation), ("testing", split.test))
        if rows is not None
    ]


def note(run: Run) -> str:
    """Return the run's entry in the lab book."""
    config, trajectory = run.task.config, run.trajectory
    network, training, rows = config.network, config.training, len(run.task.split.train)
    described = described_collapse(trajectory)
    collapse = f" Collapsed in epoch: {described}." if described else ""
    diverged = f" It diverged in epoch {trajectory.diverged_epoch}." if trajectory.diverged_epoch else ""
    baselines = ", ".join(f"{BASELINES[name][0]} {found.train_mse:.4g}" for name, found in run.baselines.items())
    return (
        f"{len(trajectory.avg_loss)} of {training.epochs} epochs at learning rate {training.learning_rate:g} on "
        f"{rows} rows ({training.sampling.name}); {network.hidden_size} {network.activation.name} units, "
        f"{network.initialisation.name} start.\n\n**{trajectory.outcome.name}**: {trajectory.outcome.sentence}."
        f"{collapse}{diverged} Mean squared error {trajectory.end.train_mse:.4g} ({baselines})."
    )


YAML_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""Ten times as fast where PyYAML was built with libyaml."""


MOST_PREDICTED = 1000
"""Rows of a file up to which predictions.csv has them: those of 10,000, for 500 runs, take 300 MB and a minute."""


def write_files(run: Run, folder: Path) -> None:
    """Write the artifacts: config, transcript, weights, predictions and the whole trajectory."""
    task, trajectory = run.task, run.trajectory
    (folder / "config.yaml").write_text(
        yaml.dump(task.description.nested, Dumper=YAML_DUMPER, sort_keys=False), encoding="utf-8"
    )
    (folder / "transcript.txt").write_text("\n".join(transcript(run)) + "\n", encoding="utf-8")
    (folder / "weights.json").write_text(json.dumps(weights(run), indent=1) + "\n")
    trajectory.save(folder / "trajectory.npz")
    with (folder / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["rows", *task.feature_names, task.config.dataset.target, "prediction"])
        writer.writerows(prediction_table(run))


def weights(run: Run) -> dict[str, object]:
    """Return all that is needed to predict without this project; a weight that is not finite is null.

    `student_score.serving.model` says what each is, and predicts from them.
    """
    task, final, scaling = run.task, run.trajectory.final, run.task.split.scaling
    dataset, preparation = task.config.dataset, task.preparation

    def numbers(array: Floats) -> object:
        return np.where(np.isfinite(array), array.astype(object), np.array(None)).tolist()

    return {
        "kind": "network",
        "columns": dataset.features,
        "means": preparation.means,
        "categories": preparation.categories,
        "target": dataset.target,
        "target_range": dataset.target_range,
        "target_seen": [float(task.split.train.targets.min()), float(task.split.train.targets.max())],
        "activation": task.config.network.activation.name,
        "w1": numbers(final.w1),
        "b1": numbers(final.b1),
        "w2": numbers(final.w2),
        "b2": numbers(np.array(final.b2)),
        "feature_means": scaling.feature_means.tolist(),
        "feature_deviations": scaling.feature_deviations.tolist(),
        "target_mean": scaling.target_mean,
        "target_deviation": scaling.target_deviation,
    }


def prediction_table(run: Run) -> Iterator[list[object]]:
    """Yield a line a row: which rows they are, the features, the true score if known, the prediction in its range.

    New rows always have one, those of the file if they are at most MOST_PREDICTED.
    """
    task = run.task
    groups: list[tuple[str, Floats, Sequence[float | str]]] = [
        (name, rows.features, rows.targets.tolist())
        for name, rows in (
            ("training", task.split.train),
            ("validation", task.split.validation),
            ("testing", task.split.test),
        )
        if rows is not None and len(task.split) <= MOST_PREDICTED
    ]
    groups.append(("new", task.new_inputs, [""] * len(task.new_inputs)))
    for name, features, targets in groups:
        scores = task.within(
            predict_scores(
                run.trajectory.final,
                features,
                activation=task.config.network.activation,
                scaling=task.split.scaling,
            )
        )
        for row, target, score in zip(features.tolist(), targets, scores.tolist(), strict=True):
            yield [name, *row, target, score]
