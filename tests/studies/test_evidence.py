"""Evidence: what a study is judged on is what was trained on, found wherever it lies, refused if it is of others."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from student_score.config.schema import Config, DatasetConfig, NetworkConfig, TrackingConfig, TrainingConfig
from student_score.data.article import ARTICLE_ROWS
from student_score.data.rows import Rows
from student_score.errors import InputError
from student_score.model.activations import Activation
from student_score.model.sampling import Sampling
from student_score.studies import evidence
from student_score.studies.study import load
from student_score.tracking.record import Record, RecordedRun
from student_score.tracking.store import Store
from student_score.training.setup import Trainer
from student_score.training.train import ALGORITHM_VERSION

OTHER_ROWS = Rows(ARTICLE_ROWS.features, ARTICLE_ROWS.targets + 1)


def recording_config(uri: str, experiment: str = "plateau") -> Config:
    """Return the configuration of a study's run."""
    return Config(tracking=TrackingConfig(uri=uri, experiment=experiment))


@pytest.fixture
def use(monkeypatch):
    """Return a function that puts a study in the place of every other."""
    return lambda study: monkeypatch.setattr(evidence, "load", lambda _: study)


@pytest.fixture
def small(use):
    """Let the study `plateau` train nothing: its table has the sum of the scores of each of its rows; return it."""
    study = replace(
        load("plateau"),
        trainings=lambda rows: pd.DataFrame({"name": rows.keys(), "sum": [r.targets.sum() for r in rows.values()]}),
    )
    use(study)
    return study


def of_other_rows(study):
    """Return the study as if it had been changed to be about other rows."""
    return replace(study, rows={**study.rows, "student_scores": OTHER_ROWS})


# What a study has no use for.


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (Config(dataset=DatasetConfig(path="mine.csv")), "dataset.path=mine.csv: "),
        (Config(training=TrainingConfig(learning_rate=0.5)), "training.learning_rate=0.5: "),
        (Config(print_every=7), "print_every=7: "),
        (
            Config(training=TrainingConfig(learning_rate=0.5), print_every=7),
            "training.learning_rate=0.5, print_every=7: ",
        ),
        (Config(tracking=TrackingConfig(curve_points=50)), "tracking.curve_points=50: "),
    ],
    ids=["rows", "rate", "print", "two", "curves"],
)
def test_a_study_with_a_table_of_its_own_refuses_what_it_does_not_use(config, named):
    """It would be recorded, and have changed nothing."""
    with pytest.raises(InputError, match="the study plateau has no use for this; it trains on rows and") as caught:
        evidence.check_used("plateau", config, Config())
    assert str(caught.value).startswith(named)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (Config(network=NetworkConfig(activation=Activation.tanh)), "network.activation=tanh: "),
        (Config(dataset=DatasetConfig(test_fraction=0.4)), "dataset.test_fraction=0.4: "),
        (Config(training=TrainingConfig(sampling=Sampling.shuffled)), "training.sampling=shuffled: "),
    ],
    ids=["activation", "test rows", "sampling"],
)
def test_a_study_of_a_sweep_refuses_what_it_neither_varies_nor_ignores(config, named):
    """Its verdicts would be on another network than its claims; the message says what it looks at."""
    said = r"the study article has no use for this; it looks at training\.learning_rate, training\.epochs"
    with pytest.raises(InputError, match=said) as caught:
        evidence.check_used("article", config, Config())
    assert str(caught.value).startswith(named)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("plateau", Config(study="plateau", tracking=TrackingConfig(uri="sqlite:///x.db", experiment="other"))),
        ("article", Config(study="article", tracking=TrackingConfig(uri="sqlite:///x.db", experiment="other"))),
        ("article", Config(training=TrainingConfig(learning_rate=0.5, epochs=7))),
        ("article", Config(print_every=7)),
        ("article", Config(training=TrainingConfig(trainer=Trainer.reference))),
        ("article", Config(tracking=TrackingConfig(curve_points=50))),
    ],
    ids=["store of a table", "store of a sweep", "varied", "print", "trainer", "curves"],
)
def test_what_a_study_uses_or_what_changes_no_number_is_accepted(name, config):
    """Where it is recorded; what a sweep varies; how it is trained, printed and drawn."""
    evidence.check_used(name, config, Config())


def test_a_sweep_on_other_rows_is_refused():
    """By the key that named them; the study's own rows are accepted from whatever file."""
    evidence.check_rows("article", ARTICLE_ROWS.digest(), "copy.csv")
    with pytest.raises(InputError, match=r"dataset\.path=mine\.csv: the study article is about the rows student_sco"):
        evidence.check_rows("article", OTHER_ROWS.digest(), "mine.csv")


# What is recorded.


def test_what_a_study_trains_on_is_what_its_run_records(store_uri):
    """The run of `plateau` has both of its rows as datasets and both digests as a tag, and they are read back."""
    study = load("plateau")
    assert len(study.digests) == 2
    store, run_id, table = evidence.record_trainings("plateau", recording_config(store_uri))
    run = store.client.get_run(run_id)
    inputs = {item.dataset.name: item.dataset.digest for item in run.inputs.dataset_inputs}
    assert inputs == {name: rows.digest()[:36] for name, rows in study.rows.items()}
    assert run.data.tags["data.sha256"].split() == list(study.digests)
    _, found = evidence.read_evidence("plateau", store_uri)
    assert (found.run.run_id, found.size, found.data) == (run_id, len(table), study.digests)
    pd.testing.assert_frame_equal(found.content, table, check_exact=True)


def test_a_study_is_handed_the_rows_it_is_recorded_with(store_uri, small, use):
    """Other rows in the study are other trainings and another digest: there is no second source of rows."""
    sums = []
    for study in (small, of_other_rows(small)):
        use(study)
        _, _, table = evidence.record_trainings("plateau", recording_config(store_uri))
        _, found = evidence.read_evidence("plateau", store_uri)
        assert found.data == study.digests
        sums.append(dict(zip(table["name"], table["sum"], strict=True)))
    assert sums == [{"student_scores": 240.0, "five": 375.0}, {"student_scores": 243.0, "five": 375.0}]


def test_a_study_of_a_sweep_has_no_table_to_record(store_uri):
    """Asking for one is a mistake of the program."""
    with pytest.raises(TypeError, match="the study article has no trainings of its own"):
        evidence.record_trainings("article", recording_config(store_uri))


# What is found.


def experiments(uri: str) -> set[str]:
    """Return the names of the experiments of a store."""
    return {item.name for item in Store(uri).client.search_experiments()}


def test_records_are_found_in_whatever_experiment_they_lie(store_uri, small):
    """Recorded under another name they are found; reading creates no experiment of the study's own name."""
    _, run_id, _ = evidence.record_trainings("plateau", recording_config(store_uri, "other"))
    before = experiments(store_uri)
    _, found = evidence.read_evidence("plateau", store_uri)
    assert found.run.run_id == run_id
    assert experiments(store_uri) == before == {"Default", "other"}


def test_the_latest_records_count_wherever_they_lie(store_uri, small, monkeypatch):
    """Not the last of some experiment: the one that was begun last."""
    started = iter([200.0, 200.0, 100.0, 100.0])
    monkeypatch.setattr(evidence, "time", lambda: next(started))
    _, latest, _ = evidence.record_trainings("plateau", recording_config(store_uri, "first"))
    evidence.record_trainings("plateau", recording_config(store_uri, "second"))
    assert evidence.read_evidence("plateau", store_uri)[1].run.run_id == latest


def test_asking_makes_no_store_and_no_experiment(tmp_path, store_uri):
    """Where there are no records the message says how they are made."""
    with pytest.raises(InputError, match=r"no records of the study plateau .* student-score experiment=plateau"):
        evidence.read_evidence("plateau", f"sqlite:///{tmp_path / 'none.db'}")
    assert not (tmp_path / "none.db").exists()
    before = experiments(store_uri)
    with pytest.raises(InputError, match=r"no records of the study article .* student-score -m experiment=article"):
        evidence.read_evidence("article", store_uri)
    assert experiments(store_uri) == before == {"Default"}


def sweep(uri: str, *, rows: Rows = ARTICLE_ROWS, version: int = ALGORITHM_VERSION) -> list[str]:
    """Record a sweep of the study `article` with a run that finished and one that failed; return their ids."""
    store = Store(uri, "swept")
    times = {"start_time": 1, "end_time": 2}
    parent = store.record(Record(name="sweep", tags={"kind": "sweep", "study": "article"}, **times))
    tags = {"data.sha256": rows.digest(), "algorithm_version": str(version)}
    runs = [Record(name=status, status=status, tags=tags, **times) for status in ("FINISHED", "FAILED")]
    return [parent, *store.record_many(runs, parent)]


def test_a_sweep_is_judged_on_its_finished_runs(store_uri):
    """The parent run is what the verdicts are tagged on; a run that failed is no evidence."""
    parent, finished, _ = sweep(store_uri)
    _, found = evidence.read_evidence("article", store_uri)
    assert found.run.run_id == parent
    assert [run.run_id for run in found.content] == [finished]
    assert (found.size, found.data) == (1, (ARTICLE_ROWS.digest(),))


# What is refused.


def test_records_of_other_rows_are_refused(store_uri, small, use):
    """A study that was changed since is not judged on what it no longer is about; the digest is told."""
    evidence.record_trainings("plateau", recording_config(store_uri))
    use(of_other_rows(small))
    said = f"the study plateau are of other rows .SHA-256 {ARTICLE_ROWS.digest()}. .* student-score experiment=plateau"
    with pytest.raises(InputError, match=said):
        evidence.read_evidence("plateau", store_uri)


def test_a_sweep_of_other_rows_is_refused(store_uri):
    """As a table of them is."""
    sweep(store_uri, rows=OTHER_ROWS)
    with pytest.raises(InputError, match=f"of other rows .SHA-256 {OTHER_ROWS.digest()}"):
        evidence.read_evidence("article", store_uri)


def test_records_of_another_algorithm_are_refused(store_uri, small, monkeypatch):
    """The message names both versions, and the command that makes records anew."""
    evidence.record_trainings("plateau", recording_config(store_uri))
    monkeypatch.setattr(evidence, "ALGORITHM_VERSION", ALGORITHM_VERSION + 1)
    said = f"made by version {ALGORITHM_VERSION} of the algorithm, this is version {ALGORITHM_VERSION + 1}; make them"
    with pytest.raises(InputError, match=f"{said} anew: student-score experiment=plateau"):
        evidence.read_evidence("plateau", store_uri)


def test_a_sweep_of_another_algorithm_is_refused(store_uri):
    """One of its runs is enough."""
    sweep(store_uri, version=ALGORITHM_VERSION - 1)
    with pytest.raises(InputError, match=f"made by version {ALGORITHM_VERSION - 1} of the algorithm"):
        evidence.read_evidence("article", store_uri)


@pytest.mark.parametrize(("texts", "found"), [(["b a"], ("a", "b")), (["a", "a b"], ("a", "b")), ([], ()), ([""], ())])
def test_digests_of_runs_are_told_once(texts, found):
    """A run of several rows has theirs in a row; a run that says none has none."""
    blank = {"run_id": "", "name": "", "status": "FINISHED", "params": {}, "metrics": {}, "start_time": 1}
    runs = [RecordedRun(**blank, tags={"data.sha256": text} if text else {}, content=bytes) for text in texts]
    assert evidence.digests(runs) == found


def test_the_numbers_of_a_table_survive_recording(store_uri, small, use):
    """Doubles come back to the last bit, with what no text would keep."""
    values = np.array([0.1, np.nextafter(1.0, 2.0), np.inf, np.nan])
    use(replace(small, trainings=lambda _: pd.DataFrame({"value": values})))
    evidence.record_trainings("plateau", recording_config(store_uri))
    _, found = evidence.read_evidence("plateau", store_uri)
    assert found.content["value"].to_numpy().tobytes() == values.tobytes()
