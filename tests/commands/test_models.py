"""`tracking.log_model=true`: models of a single run, and of the best run of a sweep."""

import re
from collections.abc import Callable

import pytest

from student_score.errors import TrackingError
from student_score.serving import keeping
from student_score.tracking.store import Store

RATES = "training.learning_rate=0.0001,0.001,1e9"


@pytest.fixture
def store(store_uri: str) -> Store:
    """Return the store that the commands write to."""
    return Store(store_uri, "student-score")


def models(store: Store) -> set[tuple[str, str]]:
    """Return the run and the name of every model."""
    return {(model.source_run_id, model.name) for model in store.client.search_logged_models([store.experiment_id])}


def address(out: str) -> str:
    """Return where the command says that the model is."""
    [line] = re.findall(r"^Model: (\S+)$", out, flags=re.MULTILINE)
    assert out.endswith(f" mlflow models serve -m {line} --env-manager local\n")
    return line


def test_a_single_run_keeps_its_models(in_process, store):
    """The command says where the network's is; without the key there is none."""
    done = in_process("tracking.log_model=true", "training.epochs=20")
    run_id = re.search(r"Recorded as run (\w+)", done.out)[1]
    assert (done.code, address(done.out)) == (0, f"runs:/{run_id}/network")
    assert models(store) == {(run_id, "network"), (run_id, "linear")}
    assert "Model:" not in in_process("training.epochs=20").out
    assert len(models(store)) == 2


def test_a_run_that_diverged_keeps_none(in_process, store):
    """The run is recorded, the command says why there is no model, and ends well."""
    done = in_process("tracking.log_model=true", "training.epochs=20", "training.learning_rate=1e9")
    assert (done.code, models(store)) == (0, set())
    assert "No model was kept: the run" in done.err
    assert "diverged and predicts nothing" in done.err


@pytest.mark.slow
def test_a_sweep_keeps_the_models_of_its_best_run(in_process, store):
    """One run's, whose address the parent's tags hold, beside the run's id."""
    done = in_process("-m", "tracking.log_model=true", "training.epochs=20", RATES)
    [parent] = store.search("tags.kind = 'sweep'")
    best = parent.tags["best.run_id"]
    assert (done.code, address(done.out)) == (0, f"runs:/{best}/network")
    assert parent.tags["best.model"] == f"runs:/{best}/network"
    assert models(store) == {(best, "network"), (best, "linear")}
    assert parent.status == "FINISHED"
    assert "The model is the best run's" not in done.out


@pytest.mark.slow
def test_a_sweep_says_on_how_many_rows_its_model_was_trained(in_process):
    """Where rows were held out, it did not see them all."""
    done = in_process("-m", "tracking.log_model=true", "training.epochs=5", "dataset.test_fraction=0.3", RATES)
    assert done.code == 0, done.err
    assert "The model is the best run's, trained on 2 of 3 rows; the others chose it or tested it.\n" in done.out


@pytest.mark.slow
def test_a_finished_sweep_gets_its_models_later(in_process, store):
    """The key changes no run: the same sweep with it trains nothing again, and adds the models of its best run."""
    assert in_process("-m", "training.epochs=20", RATES).code == 0
    before = {run.run_id: run.status for run in store.search("")}
    done = in_process("-m", "training.epochs=20", RATES, "tracking.log_model=true")
    assert done.code == 0, done.err
    assert "3 of 3 runs are recorded already" in done.out
    assert {run.run_id: run.status for run in store.search("")} == before
    kept = models(store)
    assert {name for _, name in kept} == {"network", "linear"}
    assert in_process("-m", "training.epochs=20", RATES, "tracking.log_model=true").code == 0
    assert models(store) == kept


@pytest.mark.slow
def test_a_sweep_without_a_best_run_keeps_none(in_process, store):
    """All of its networks diverged: it says so, and ends as it would without the key."""
    done = in_process("-m", "tracking.log_model=true", "training.epochs=20", "training.learning_rate=1e9,2e9")
    assert (done.code, models(store)) == (0, set())
    assert "No model was kept: the sweep has no best run" in done.err


@pytest.mark.slow
@pytest.mark.parametrize(("more", "said"), [([], "the run .* is recorded"), (["-m"], "the same command does what is")])
def test_a_model_that_cannot_be_kept_leaves_what_is_recorded(in_process, store, monkeypatch, more, said):
    """The exit code says that something failed, the sentence what, and that the runs are there."""

    def fail(*_arguments: object) -> None:
        raise TrackingError("the store is full")

    monkeypatch.setattr(keeping, "keep", fail)
    values = RATES if more else "training.learning_rate=0.001"
    done = in_process(*more, "tracking.log_model=true", "training.epochs=20", values)
    assert done.code == 1
    assert "its model could not be kept: the store is full" in done.err
    assert "Nothing was recorded" not in done.err
    assert re.search(said, done.err)
    assert {run.status for run in store.search("")} == {"FINISHED"}


def test_what_a_sweep_keeps_cannot_be_swept(in_process: Callable[..., object], store):
    """The key holds for a sweep as a whole."""
    done = in_process("-m", "tracking.log_model=true,false", "training.epochs=20")
    assert done.code == 2
    assert "tracking.log_model" in done.err
