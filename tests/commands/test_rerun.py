"""A recorded run is trained again: every bit is compared, and what changed since is named."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from student_score.commands import rerun
from student_score.commands.terminal import guarded
from student_score.config.schema import Config, DatasetConfig, NetworkConfig, TrackingConfig, TrainingConfig
from student_score.model.activations import Activation
from student_score.model.network import Initialisation
from student_score.model.sampling import Sampling
from student_score.paths import REPOSITORY
from student_score.runs import compare
from student_score.runs.execution import Run, execute, execute_together
from student_score.runs.recording import record
from student_score.runs.task import prepare
from student_score.tracking.address import local_folder
from student_score.tracking.store import Store
from student_score.training.setup import Observable
from student_score.training.trajectory import Trajectory

DATA = REPOSITORY / "data/student_scores.csv"

HE = NetworkConfig(initialisation=Initialisation.he, hidden_size=3)

CONFIGS = {
    "relu": Config(training=TrainingConfig(epochs=30)),
    "tanh, shuffled": Config(
        network=replace(HE, activation=Activation.tanh), training=TrainingConfig(epochs=30, sampling=Sampling.shuffled)
    ),
    "diverged": Config(training=TrainingConfig(epochs=300, learning_rate=10.0)),
    "test rows": Config(dataset=DatasetConfig(test_fraction=0.3), network=HE, training=TrainingConfig(epochs=30)),
    "few curve points": Config(training=TrainingConfig(epochs=30), tracking=TrackingConfig(curve_points=3)),
    "observed": Config(training=TrainingConfig(epochs=30, observe=[Observable.sharpness])),
}


def trained(config: Config, path: Path) -> Run:
    """Train on the rows in `path`."""
    return execute(prepare(replace(config, dataset=replace(config.dataset, path=str(path)))))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Return a copy of the article's rows that the test may change."""
    return Path(shutil.copy(DATA, tmp_path / "rows.csv"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Store:
    """Return a store for the runs of all tests."""
    return Store(f"sqlite:///{shutil.copy(empty_store, tmp_path_factory.mktemp('store') / 'mlflow.db')}", "tests")


@pytest.fixture
def recorded(store: Store, rows: Path) -> str:
    """Return the id of a recorded run that the test may change."""
    return store.record(record(trained(CONFIGS["relu"], rows)))


@pytest.fixture
def again(store: Store) -> Callable[[str], int]:
    """Return the command for the tests' store, from run id to exit code."""
    return lambda run_id: command(run_id, store.uri)


def command(run_id: str, uri: str) -> int:
    """Run the command in this process and return its exit code."""
    return guarded(lambda: rerun.rerun([run_id, "--uri", uri]), name="student-score-rerun")


def artifact(store: Store, run_id: str, name: str) -> Path:
    """Return the file of a run's artifact, which the test may change."""
    folder = local_folder(store.client.get_run(run_id).info.artifact_uri)
    assert folder is not None
    return folder / name


def test_a_recorded_run_is_identical(store, again, rows, capsys):
    """relu, tanh, shuffled, diverged, with test rows: the same bits come out, and no run is added."""
    ids = store.record_many([record(trained(config, rows)) for config in CONFIGS.values()])
    experiments, runs = len(store.client.search_experiments()), len(store.search(""))
    for run_id, name in zip(ids, CONFIGS, strict=True):
        assert again(run_id) == 0, name
        out = capsys.readouterr().out
        numbers = sum(len(array) for array in compare.arrays(store.run(run_id).trajectory()).values())
        arrays = 22 if name in ("test rows", "observed") else 21
        assert f"identical: every bit of {numbers} numbers in {arrays} arrays\n" in out, name
        assert "data.sha256" not in out
    assert len(store.search("")) == runs
    assert len(store.client.search_experiments()) == experiments


def test_runs_trained_together_are_identical_alone(store, again, rows):
    """A sweep trains many at once; one of them alone has the same bits."""
    configs = [
        Config(dataset=DatasetConfig(path=str(rows)), training=TrainingConfig(epochs=30, learning_rate=rate))
        for rate in (0.0001, 0.01, 10.0)
    ]
    ids = store.record_many([record(run) for run in execute_together([prepare(config) for config in configs])])
    assert [again(run_id) for run_id in ids] == [0, 0, 0]


def test_one_ulp_is_found(store, recorded, again, capsys):
    """The smallest change of one recorded number is located: the array, the epoch, both values, their bits."""
    path = artifact(store, recorded, "trajectory.npz")
    with np.load(path) as content:
        arrays = dict(content)
    loss = float(arrays["avg_loss"][16])
    changed = float(np.nextafter(loss, np.inf))
    arrays["avg_loss"][16] = changed
    np.savez(path, **arrays)
    assert again(recorded) == 1
    out = capsys.readouterr().out
    before, after = (np.array(value, dtype=">f8").tobytes().hex() for value in (changed, loss))
    assert f"differs: avg_loss, epoch 17: recorded {changed!r} (0x{before}), now {loss!r} (0x{after})\n" in out
    assert "also differing" not in out


def test_every_array_is_compared(rows):
    """Whatever is changed in a trajectory is found, and found where it is; nothing else is."""
    first = trained(CONFIGS["test rows"], rows).trajectory
    assert compare.compare(first, trained(CONFIGS["test rows"], rows).trajectory) == []
    for name, place in (("train_mse", "epoch 30"), ("test_mse", "epoch 30"), ("predictions", "index 1")):
        changed = getattr(first, name).copy()
        changed[-1] = np.nextafter(changed[-1], np.inf)
        [found] = compare.compare(first, replace(first, **{name: changed}))
        assert (found.array, found.place) == (name, place)
    observed = trained(CONFIGS["observed"], rows).trajectory
    states = observed.observed.copy()
    states[-1, 0] = 0.0
    [found] = compare.compare(observed, replace(observed, observed=states))
    assert (found.array, found.place, found.again) == ("observed", "epoch 30, w1_1_1", "0.0 (0x0000000000000000)")
    for name in ("start", "final"):
        changed = replace(getattr(first, name), b2=-1.0)
        [found] = compare.compare(first, replace(first, **{name: changed}))
        assert (found.array, found.place, found.again) == (name, "b2", "-1.0 (0xbff0000000000000)")
    [found] = compare.compare(first, replace(first, dead_units=~first.dead_units))
    assert (found.array, found.place) == ("dead_units", "index 0")
    for change in ({"collapse_epoch": 7}, {"diverged_epoch": 7}):
        [found] = compare.compare(first, replace(first, **change))
        assert found.again == "7 (0x0000000000000007)"
    [found] = compare.compare(first, replace(first, end=replace(first.end, late_rises=0.99)))
    assert found.array == "end.late_rises"


def test_zeros_and_lengths_differ_too(rows):
    """0.0 is not -0.0; a shorter curve that agrees as far as it goes is still another curve."""
    first = trained(CONFIGS["relu"], rows).trajectory
    zero, minus = (replace(first, avg_loss=np.array([value])) for value in (0.0, -0.0))
    [found] = compare.compare(zero, minus)
    assert found.sentence == ("avg_loss, epoch 1: recorded 0.0 (0x0000000000000000), now -0.0 (0x8000000000000000)")
    [found] = compare.compare(first, replace(first, avg_loss=first.avg_loss[:-1]))
    assert found.sentence == ("avg_loss, length: recorded 30 values of type float64, now 29 values of type float64")
    [found] = compare.compare(first, replace(first, test_mse=np.array([1.0])))
    assert (found.array, found.place) == ("test_mse", "length")


def test_changed_rows_are_named_and_still_compared(recorded, again, rows, capsys):
    """The file whose rows changed is named; the trajectories differ, and the first difference is told."""
    rows.write_text(rows.read_text().replace("60", "61"))
    assert again(recorded) == 1
    out = capsys.readouterr().out
    assert f"The rows in {rows} changed: data.sha256 " in out
    assert "differs: avg_loss, epoch 1: recorded " in out
    assert "also differing: train_mse, final, " in out


def test_missing_rows_are_named(store, recorded, again, rows, monkeypatch, capsys, tmp_path):
    """A file that is gone is named; a relative path is looked for in the current directory."""
    rows.rename(tmp_path / "elsewhere.csv")
    assert again(recorded) == 2
    assert capsys.readouterr().err == f"student-score-rerun: dataset.path: there is no file {rows}\n"
    config = artifact(store, recorded, "config.yaml")
    config.write_text(config.read_text().replace(str(rows), "elsewhere.csv"))
    monkeypatch.chdir(tmp_path)
    assert again(recorded) == 0
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert again(recorded) == 2
    assert f"there is no file {tmp_path / 'below/elsewhere.csv'}\n" in capsys.readouterr().err


def test_a_study_that_is_gone_is_no_obstacle(store, recorded, again, capsys):
    """Whose claims a run was to judge does not change its numbers."""
    config = artifact(store, recorded, "config.yaml")
    config.write_text(config.read_text().replace("study: null", "study: forgotten"))
    assert again(recorded) == 0


def test_a_bad_configuration_is_a_sentence(store, recorded, again, capsys):
    """Empty, no mapping, no YAML, an unknown key, a wrong type."""
    for text in ("", "- 1\n", "a: [\n", "unknown: 1\n", "training:\n  epochs: many\n"):
        artifact(store, recorded, "config.yaml").write_text(text)
        assert again(recorded) == 2, text
        assert capsys.readouterr().err.startswith("student-score-rerun: "), text


def test_a_broken_trajectory_is_a_sentence(store, recorded, again, capsys):
    """An artifact that is damaged or gone is named."""
    path = artifact(store, recorded, "trajectory.npz")
    path.write_bytes(path.read_bytes()[:100])
    assert again(recorded) == 2
    assert f"trajectory.npz of run {recorded} is not a recorded trajectory" in capsys.readouterr().err
    path.unlink()
    assert again(recorded) == 2
    assert f"trajectory.npz of run {recorded} cannot be fetched: " in capsys.readouterr().err


def test_what_is_no_single_training_is_refused(store, recorded, again, capsys):
    """No such run, a deleted one, a sweep's parent: a sentence each, exit code 2."""
    for unknown in ("0" * 32, "../x"):
        assert again(unknown) == 2
        assert capsys.readouterr().err == f"student-score-rerun: there is no run {unknown!r} in {store.uri}\n"
    parent = store.create("sweep of seed (2 runs)", {"kind": "sweep"}, "", 1)
    assert again(parent) == 2
    assert "is a sweep; only a single training can be run again" in capsys.readouterr().err
    store.delete(recorded)
    assert again(recorded) == 2
    assert f"the run {recorded} was deleted" in capsys.readouterr().err


def test_an_unreachable_store_is_a_sentence_and_none_is_made(tmp_path, capsys):
    """A file that does not exist is not created; a server that does not answer is named."""
    missing = tmp_path / "none.db"
    assert command("0" * 32, f"sqlite:///{missing}") == 2
    assert "none.db cannot be used: there is no such file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert command("0" * 32, "http://127.0.0.1:1") == 2
    assert "http://127.0.0.1:1 cannot be used" in capsys.readouterr().err


def test_changes_are_told_one_by_one():
    """Commit, uncommitted changes then and now, versions, rows; what is as it was is not mentioned."""
    present = {"git.commit": "b", "git.dirty": "false", "python": "3.11", "numpy": "2", "data.sha256": "d"}
    assert compare.changes(present, present, rows="x.csv") == []
    recorded = {"git.commit": "a", "git.dirty": "true", "python": "3.11", "numpy": "1", "data.sha256": "c"}
    assert compare.changes(recorded, present, rows="x.csv") == [
        "The code changed: commit a, now b.",
        "The code may have changed: it was not committed when the run was recorded.",
        "The rows in x.csv changed: data.sha256 c, now d.",
        "numpy changed: 1, now 2.",
    ]
    dirty = {"git.commit": "b", "git.dirty": "true", "data.sha256": "d", "algorithm_version": "3"}
    assert compare.changes({"git.commit": "b", "data.sha256": "d"}, dirty, rows="x.csv") == [
        "The code may have changed: it is not committed now.",
        "algorithm_version changed: not recorded, now 3.",
    ]


def test_the_command_exits_with_its_code(store, recorded, monkeypatch, capsys):
    """0 and one line on stdout that says how many numbers are equal; the store is the usual one if none is named."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    monkeypatch.setattr("sys.argv", ["student-score-rerun", recorded])
    with pytest.raises(SystemExit) as leaving:
        rerun.main()
    out, err = capsys.readouterr()
    assert (leaving.value.code, err) == (0, "")
    assert out.splitlines()[-1].startswith("identical: every bit of ")


def test_a_trajectory_survives_its_file(rows, tmp_path):
    """What is compared after a round trip through the file is what was compared before."""
    first = trained(CONFIGS["diverged"], rows).trajectory
    first.save(tmp_path / "trajectory.npz")
    assert compare.compare(Trajectory.load(tmp_path / "trajectory.npz"), first) == []
