"""The configuration: every field counts, every group composes, what is out of range is refused with a sentence."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from student_score.config.compose import composition_problem, register, to_config
from student_score.config.identity import PLACES, describe, flattened, plain
from student_score.config.schema import Config, DatasetConfig, TrackingConfig
from student_score.errors import InputError
from student_score.paths import REPOSITORY
from student_score.runs.execution import execute
from student_score.runs.recording import record
from student_score.runs.task import prepare
from student_score.runs.transcript import transcript
from student_score.training.train import ALGORITHM_VERSION


@cache
def composed(*overrides: str) -> Config:
    """Return the configuration that the command line would give; a composition takes 60 ms and more."""
    register()
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base="1.3"):
        return to_config(compose("config", overrides=list(overrides)))


TRAINING_FIELDS = {
    "dataset.path": ([], "dataset.path={other_csv}"),
    "dataset.features": (["network=he", "dataset.new_inputs=[]"], "dataset.features=[hours_studied]"),
    "dataset.target": (
        ["network=he", "dataset.features=[hours_studied]", "dataset.new_inputs=[]"],
        "dataset.target=hours_slept",
    ),
    "dataset.categorical": (["network=he", "dataset.new_inputs=[]"], "dataset.categorical=[hours_slept]"),
    "dataset.missing": (
        ["dataset.path={gaps_csv}", "dataset.new_inputs=[]", "dataset.missing=drop"],
        "dataset.missing=mean",
    ),
    "dataset.simulation": (["dataset=simulated"], "dataset.simulation=saturating"),
    "dataset.n": (["dataset=simulated"], "dataset.n=20"),
    "dataset.noise": (["dataset=simulated"], "dataset.noise=1"),
    "dataset.seed": (["dataset=simulated"], "dataset.seed=1"),
    "dataset.folds": (["dataset=simulated", "dataset.folds=2"], "dataset.folds=3"),
    "dataset.fold": (["dataset=simulated", "dataset.folds=2"], "dataset.fold=1"),
    "dataset.validation_fraction": ([], "dataset.validation_fraction=0.4"),
    "dataset.test_fraction": ([], "dataset.test_fraction=0.4"),
    "dataset.split_seed": (["dataset.test_fraction=0.4"], "dataset.split_seed=1"),
    "dataset.scale": ([], "dataset.scale=features"),
    "network.hidden_size": (["network=he"], "network.hidden_size=3"),
    "network.activation": ([], "network.activation=tanh"),
    "network.initialisation": ([], "network.initialisation=glorot"),
    "network.seed": (["network=he"], "network.seed=1"),
    "training.learning_rate": ([], "training.learning_rate=0.0002"),
    "training.epochs": ([], "training.epochs=30"),
    "training.sampling": ([], "training.sampling=full_batch"),
    "training.row_order": ([], "training.row_order=[2,1,0]"),
    "training.seed": (["training.sampling=shuffled"], "training.seed=1"),
}
"""Field -> (what must be set for it to matter, another value of it)."""

PROVENANCE_FIELDS = {
    "training.trainer": "training.trainer=reference",
    "training.observe": "training.observe=[sharpness]",
    "dataset.name": "dataset.name=another",
    "dataset.new_inputs": "dataset.new_inputs=[[1,2]]",
    "dataset.target_range": "dataset.target_range=[0,1]",
    "dataset.delimiter": "dataset.delimiter=comma",
    "dataset.decimal": "dataset.decimal=point",
    "tracking.log_model": "tracking.log_model=true",
    "tracking.uri": "tracking.uri=sqlite:////tmp/another.db",
    "tracking.experiment": "tracking.experiment=another",
    "tracking.curve_points": "tracking.curve_points=3",
    "print_every": "print_every=7",
    "study": "study=article",
}
"""Fields that change what is written down about a training, not its numbers."""


CONDUCT_FIELDS = {
    "sweep.fresh": "sweep.fresh=true",
    "sweep.dry_run": "sweep.dry_run=true",
    "sweep.fail_fast": "sweep.fail_fast=true",
    "sweep.most_jobs": "sweep.most_jobs=7",
}
"""Fields that steer a sweep; tests/sweeps and test_jobs.py show what each of them does."""

NOTED_FIELDS = {
    *("training.trainer", "tracking.uri", "tracking.experiment", "tracking.log_model", "study"),
    *("dataset.delimiter", "dataset.decimal"),
}
"""Of these, those that show in config.yaml alone."""


def test_every_field_is_listed():
    """The tables above name every field of the schema, so that none is accepted and ignored."""
    assert {*TRAINING_FIELDS, *PROVENANCE_FIELDS, *CONDUCT_FIELDS} == set(flattened(plain(Config())))


@pytest.fixture
def other_csv(tmp_path: Path) -> Path:
    """Return a file of other students."""
    path = tmp_path / "other.csv"
    path.write_text("hours_studied,hours_slept,exam_score\n1,8,50\n2,6,60\n8,7,95\n")
    return path


@pytest.fixture
def gaps_csv(tmp_path: Path) -> Path:
    """Return a file of students of whom one did not say how long they slept."""
    path = tmp_path / "gaps.csv"
    path.write_text("hours_studied,hours_slept,exam_score\n1,8,50\n2,,60\n8,7,95\n")
    return path


@pytest.mark.parametrize("field", TRAINING_FIELDS)
def test_a_training_field_changes_the_numbers(field, other_csv, gaps_csv):
    """Another value gives other weights, and another identity."""
    needed, change = TRAINING_FIELDS[field]
    tasks = [
        prepare(
            composed("training.epochs=20", *(text.format(other_csv=other_csv, gaps_csv=gaps_csv) for text in texts))
        )
        for texts in (needed, [*needed, change])
    ]
    first, second = (execute(task).trajectory.final.flat() for task in tasks)
    assert first.shape != second.shape or (first != second).any()
    assert tasks[0].description.config_hash != tasks[1].description.config_hash


@pytest.mark.parametrize("field", PROVENANCE_FIELDS)
def test_a_provenance_field_changes_the_record_alone(field, tmp_path):
    """Another value leaves every bit of the weights and the identity, and changes what is written down."""
    runs = [
        execute(prepare(composed("training.epochs=20", "print_every=5", *more)))
        for more in ([], [PROVENANCE_FIELDS[field]])
    ]
    first, second = (run.trajectory.final.flat() for run in runs)
    assert first.tobytes() == second.tobytes()
    assert runs[0].task.description.config_hash == runs[1].task.description.config_hash
    written = []
    for number, run in enumerate(runs):
        kept = record(run)
        folder = tmp_path / str(number)
        folder.mkdir()
        kept.write_files(folder)
        config = (folder / "config.yaml").read_text() if field in NOTED_FIELDS else ""
        written.append((kept.inputs, kept.curves, (folder / "predictions.csv").read_text(), [*transcript(run)], config))
    assert written[0] != written[1]


@pytest.mark.parametrize("field", CONDUCT_FIELDS)
def test_a_sweeps_conduct_leaves_no_trace_in_its_runs(field, tmp_path):
    """Numbers, identity, parameters and config.yaml are those of a run without it."""
    runs = [execute(prepare(composed("training.epochs=20", *more))) for more in ([], [CONDUCT_FIELDS[field]])]
    first, second = (run.task.description for run in runs)
    assert (first.config_hash, first.job_hash) == (second.config_hash, second.job_hash)
    written = []
    for number, run in enumerate(runs):
        folder = tmp_path / str(number)
        folder.mkdir()
        record(run).write_files(folder)
        written.append((record(run).params, (folder / "config.yaml").read_text()))
    assert written[0] == written[1]


@pytest.mark.parametrize("field", [*TRAINING_FIELDS, *PROVENANCE_FIELDS])
def test_a_sweep_knows_a_run_again_by_all_that_is_recorded(field, other_csv, gaps_csv):
    """Any field but those that say where something lies gives another run of a sweep."""
    needed, change = TRAINING_FIELDS.get(field) or ([], PROVENANCE_FIELDS[field])
    first, second = (
        prepare(
            composed("training.epochs=20", *(text.format(other_csv=other_csv, gaps_csv=gaps_csv) for text in texts))
        ).description.job_hash
        for texts in (needed, [*needed, change])
    )
    assert (first == second) == (field in PLACES and field != "dataset.path"), "the other file has other rows"


def test_the_identity_is_that_of_the_numbers(other_csv):
    """The hash follows the data's content and the algorithm's version, not the file's place or name."""
    copy = other_csv.with_name("copy.csv")
    copy.write_text(other_csv.read_text())
    first, second = (prepare(composed(f"dataset.path={path}")) for path in (other_csv, copy))
    assert first.description.config_hash == second.description.config_hash
    for changed in ({"data_digest": "0"}, {"algorithm_version": ALGORITHM_VERSION + 1}):
        known = {"data_digest": first.data_digest, "algorithm_version": ALGORITHM_VERSION, **changed}
        assert describe(first.config, **known).config_hash != first.description.config_hash


@pytest.mark.parametrize(
    "choice",
    [
        f"{path.parent.name}={path.stem}"
        for path in sorted((REPOSITORY / "conf").glob("*/*.yaml"))
        if path.parent.name != "experiment"
    ]
    + [f"+experiment={path.stem}" for path in sorted((REPOSITORY / "conf/experiment").glob("*.yaml"))],
)
def test_every_option_composes(choice):
    """Every file under conf/ gives a configuration within its ranges; those of any CSV file need the file."""
    wants_file = choice in ("dataset=csv", "+experiment=own_data")
    file = ["dataset.path=data/student_scores.csv"] if wants_file else []
    assert isinstance(composed(choice.removeprefix("+"), *file), Config)


def test_a_csv_file_has_to_be_named():
    """dataset=csv alone is refused with the keys to write, and would otherwise train on the article's rows."""
    with pytest.raises(InputError, match=r"^dataset\.path is empty: .* dataset=csv dataset\.path=FILE .*=COLUMN$"):
        composed("dataset=csv")
    with pytest.raises(InputError, match=r"^dataset\.path is empty"):
        composed("dataset.path=''")


def test_columns_left_at_the_articles_names_are_missing(tmp_path):
    """A file without the article's columns is refused with the names of those that it has."""
    path = tmp_path / "grades.csv"
    path.write_text("reading,grade\n1,2\n")
    with pytest.raises(InputError, match=r"no column 'hours_studied', .*; its columns are 'reading', 'grade'"):
        prepare(composed("dataset=csv", f"dataset.path={path}"))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("training.learning_rate=0", "training.learning_rate=0.0: it must be a positive, finite number"),
        ("training.learning_rate=-0.1", "training.learning_rate=-0.1: it must be"),
        ("training.learning_rate=nan", "training.learning_rate=nan: it must be"),
        ("training.learning_rate=inf", "training.learning_rate=inf: it must be"),
        ("training.epochs=0", "training.epochs=0: it must be at least 1"),
        ("training.epochs=1.5", "'1.5' of type 'float' could not be converted to Integer"),
        ("training.epochs=abc", "'abc' of type 'str' could not be converted to Integer"),
        ("training.seed=-1", "training.seed=-1: it must lie in 0..4294967295"),
        ("network.hidden_size=0", "network.hidden_size=0: it must be at least 1"),
        ("network.activation=swish", "expected one of [relu, leaky_relu, tanh, sigmoid, identity]"),
        ("network.initialisation=zeros", "expected one of [article, he, glorot]"),
        ("training.sampling=random", "expected one of [cyclic, shuffled, with_replacement, full_batch]"),
        ("training.observe=[flatness]", "expected one of [sharpness]"),
        ("training.observe=[sharpness,sharpness]", "observe=[sharpness,sharpness]: each can be named only once"),
        ("dataset.scale=all", "expected one of [none, features, features_and_target]"),
        ("dataset.test_fraction=1", "dataset.test_fraction=1.0: it must be at least 0 and below 1"),
        ("dataset.test_fraction=-0.1", "dataset.test_fraction=-0.1: it must be at least 0"),
        ("dataset.features=[]", "dataset.features=[]: at least one column"),
        ("dataset.new_inputs=[[1]]", "dataset.new_inputs has the row [1]: each row needs 2 finite numbers"),
        ("dataset.new_inputs=[[1,x]]", "dataset.new_inputs has the row [1, 'x']"),
        ("dataset.new_inputs=[[1,nan]]", "dataset.new_inputs has the row [1, nan]"),
        ("tracking.curve_points=1", "tracking.curve_points=1: it must lie in 2..10000"),
        ("tracking.experiment=''", "tracking.experiment: it must not be empty"),
        (f"tracking.experiment={'e' * 257}", "it has 257 characters, and may have at most 256"),
        ("dataset.name=''", "dataset.name: it must not be empty"),
        (f"dataset.name={'d' * 501}", "it has 501 characters, and may have at most 500"),
        ("dataset.path='~nobody_here/a.csv'", "there is no user whose home ~nobody_here is"),
        ("sweep.most_jobs=0", "sweep.most_jobs=0: it must lie in 1..10000000"),
        ("sweep.most_jobs=10000001", "sweep.most_jobs=10000001: it must lie in 1..10000000"),
        ("print_every=0", "print_every=0: it must be at least 1"),
        ("study=none_such", "study=none_such: it can be article, "),
        ("training.learning_rat=1", "Did you mean training.learning_rate?"),
        ("+training.momentum=1", "training.momentum: there is no such key. The keys are training.learning_rate,"),
        ("+momentum=1", "momentum: there is no such key. The keys are dataset.name,"),
        ("training.epochs=1000000000000", "it must be at most 268435456; a run keeps every epoch's loss"),
        ("network.hidden_size=1000000000", "4000000001 parameters are more than 268435456"),
        ("network=huge", "Could not find 'network/huge'; network can be article, he"),
    ],
)
def test_what_is_out_of_range_is_named(override, said):
    """The message names the value and what is allowed."""
    with pytest.raises((InputError, HydraException, OmegaConfBaseException)) as caught:
        prepare(composed(override))
    message = str(caught.value) if isinstance(caught.value, InputError) else composition_problem(caught.value)
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: DatasetConfig(name="a\x01b"), r"dataset\.name: character 2 of 'a\\x01b' is U\+0001, which is no part"),
        (lambda: DatasetConfig(path="\udcff.csv"), r"dataset\.path: character 1 of '\\udcff.csv' is U\+DCFF"),
        (lambda: DatasetConfig(target="a\0"), r"dataset\.target: character 2 of"),
        (lambda: DatasetConfig(features=["a", "\x7f"]), r"dataset\.features: character 1 of"),
        (lambda: TrackingConfig(experiment="\x1b[2J"), r"tracking\.experiment: character 1 of"),
        (lambda: DatasetConfig(new_inputs=[[10**400, 1]]), r"needs 2 finite numbers"),
    ],
)
def test_what_cannot_be_written_down_is_refused_by_files_too(made, said):
    """A name of a file of conf/, which no command line checks, ends before the training and not at the record."""
    with pytest.raises(InputError, match=said):
        made()


def test_what_is_allowed_can_be_recorded(cli):
    """The longest names, with every sign that MLflow or a database might mind, are those that MLflow keeps."""
    odd = "é 名'\"/\\:%20;<b>[x]{y}#?&🙂\t"
    done = cli(
        f"tracking.experiment={quoted(odd + 'e' * (256 - len(odd)))}",
        f"dataset.name={quoted(odd + 'd' * (500 - len(odd)))}",
        "training.epochs=2",
    )
    assert done.code == 0, done.err


def quoted(text: str) -> str:
    """Return a text in quotes, as Hydra's grammar takes it."""
    return QuotedString(text, Quote.single).with_quotes()


def test_defaults_are_the_article():
    """Without overrides the article's training is configured: 0.0001, 1000 epochs, two ReLU units, fixed start."""
    config = composed()
    assert (config.training.learning_rate, config.training.epochs) == (0.0001, 1000)
    task = prepare(config)
    np.testing.assert_array_equal(task.start.w1, [[0.4, 0.6], [0.3, -0.2]])
    np.testing.assert_array_equal(task.inputs, [[5, 8], [2, 6], [8, 7], [6, 7], [3, 5], [9, 8]])


@pytest.mark.parametrize(
    ("overrides", "config_hash", "job_hash"),
    [
        (
            [],
            "574665a4a7b532b0d99ecbf6636bca618c4bbf131e8e00a41570391f359c392e",
            "cbeef8f0ec817a5c6a063eee9a0deb66e52751311466287a39aa29604d6bd46d",
        ),
        (
            [
                "network=he",
                "network.hidden_size=4",
                "training.sampling=shuffled",
                "training.learning_rate=0.002",
                "dataset.scale=features",
            ],
            "f84378e83323bc15fbfb7e3b16b9af2029c01c72eb74c03ce1dcfd11989e10fc",
            "5d3f5224e82d3277f996f140c7ce34a6db79aaf357d86220a3131762f571b78c",
        ),
    ],
)
def test_runs_that_were_recorded_are_known_again(overrides, config_hash, job_hash):
    """These hashes stand in stores: another one would make sweeps start over. A field that is added changes job_hash.

    Raise ALGORITHM_VERSION where numbers change, and only then write new hashes here.
    """
    found = prepare(composed(*overrides)).description
    assert (found.config_hash, found.job_hash) == (config_hash, job_hash)
