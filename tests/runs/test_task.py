"""A task: what is refused before anything is trained, and what a sweep of tasks holds."""

import dataclasses

import numpy as np
import pytest

from student_score.config.schema import Config, DatasetConfig, NetworkConfig, TrainingConfig
from student_score.data.preparation import Missing
from student_score.data.rows import Rows, split_rows
from student_score.errors import InputError
from student_score.model.network import Initialisation
from student_score.paths import REPOSITORY
from student_score.runs import needs, task
from student_score.runs.recording import identity_tags
from student_score.runs.task import Known, check_total, prepare
from student_score.training.setup import Trainer


def rows_of_the_article(**settings):
    """Return the article's rows, as a configuration that was not composed names them."""
    return DatasetConfig(path=str(REPOSITORY / "data/student_scores.csv"), **settings)


def wide(hidden_size, **settings):
    """Return a configuration of a wide network with a random start."""
    network = NetworkConfig(hidden_size=hidden_size, initialisation=Initialisation.he, seed=settings.pop("seed", 0))
    return Config(dataset=rows_of_the_article(), network=network, training=TrainingConfig(**settings))


def test_a_network_that_would_not_fit_is_not_even_started(monkeypatch):
    """The memory is asked for before the weights are drawn, 2 GiB of them for 2**28 parameters."""
    monkeypatch.setattr(needs, "memory", lambda: 12 * 2**30)
    monkeypatch.setattr(task, "initialise", None)
    with pytest.raises(InputError, match=r"^network.hidden_size=67000000: the run would take about 76.6 GiB"):
        prepare(wide(67_000_000))
    with pytest.raises(InputError, match=r"^print_every=1: the run would take"):
        prepare(dataclasses.replace(wide(2, epochs=2**28), print_every=1))


def test_rows_new_inputs_and_test_rows_count(monkeypatch):
    """All of them are predicted."""
    seen = []
    monkeypatch.setattr(task, "check_memory", lambda _, rows, inputs: seen.append((rows, inputs)))
    prepare(Config(dataset=rows_of_the_article(new_inputs=[[6, 7], [1, 2]], test_fraction=0.3)))
    assert seen == [(5, 2)]


def test_a_start_is_drawn_anew_and_never_held():
    """Both times the same weights; a sweep's tasks are as small as their configurations."""
    prepared = prepare(wide(1000, seed=3))
    assert prepared.start is not prepared.start
    np.testing.assert_array_equal(prepared.start.flat(), prepared.start.flat())
    assert prepared.size == prepared.start.size == 4001
    assert {field.name for field in dataclasses.fields(prepared)} == {
        "config",
        "split",
        "preparation",
        "data_digest",
        "notes",
    }


@pytest.mark.parametrize(("hidden_size", "epochs", "most"), [(2, 1000, 2097), (2, 10**7, 1), (10_000, 1, 52)])
def test_wide_networks_train_in_small_company(hidden_size, epochs, most):
    """Curves and weights of those trained together are 2**21 numbers at most, or one network's."""
    assert prepare(wide(hidden_size, epochs=epochs)).most_together == most


def test_sets_of_rows_that_a_sweep_cannot_hold_are_refused(monkeypatch):
    """1000 rows of three numbers take 64 bytes each: 10 sets fit 640,000 bytes, 11 do not, and none more is kept."""
    rows = Rows(np.ones((1000, 2)), np.arange(1000.0))
    split = split_rows(rows, test_fraction=0.25)
    monkeypatch.setattr(task, "memory", lambda: 640_000)
    check_total(10, split)
    with pytest.raises(InputError, match=r"^dataset: the jobs .* more than 10 sets of rows"):
        check_total(11, split)
    monkeypatch.setattr(task, "memory", lambda: 2 * 3 * 64)
    known = Known.nothing()
    for seed in (1, 2):
        prepare(Config(dataset=rows_of_the_article(split_seed=seed, test_fraction=0.3)), known)
    with pytest.raises(InputError, match=r"^dataset: the jobs of this sweep need about 0.0 GiB"):
        prepare(Config(dataset=rows_of_the_article(split_seed=3, test_fraction=0.3)), known)
    assert len(known.splits) == 2
    assert len(known.tables) == 1  # The file is read once.


def test_how_long_it_takes_is_said_when_anybody_would_wonder():
    """The article's run is not worth a word, one of a hundred million epochs is."""
    assert prepare(Config(dataset=rows_of_the_article())).takes == ""
    assert prepare(wide(2, epochs=10**8, trainer=Trainer.reference)).takes == "This takes about 9 min"


def test_a_single_run_says_how_long_it_takes(cli, monkeypatch):
    """On stderr, before it trains; not where it takes a moment."""
    assert "This takes" not in cli().err
    monkeypatch.setattr(task, "WORTH_SAYING", 0)
    done = cli()
    assert done.code == 0
    assert "This takes about 1 s\n" in done.err
    assert "This takes" not in done.out


def test_what_was_found_out_of_a_file_is_said_once_and_recorded(tmp_path, caplog):
    """Signs, rows and gaps in a sentence, and how many rows are left out; every run has the sentence as a tag."""
    path = tmp_path / "grades.csv"
    path.write_text("hours_studied;hours_slept;exam_score\n1,5;8;50\n2;;60\n8;7;95\n")
    known = Known.nothing()
    for seed in (0, 1):
        dataset = DatasetConfig(path=str(path), missing=Missing.drop, split_seed=seed)
        prepared = prepare(Config(dataset=dataset), known)
    note = "grades.csv: semicolons between cells; decimal commas; 3 rows; missing cells: hours_slept 1"
    assert caplog.messages == [note, "1 of 3 rows are left out: a cell is missing"]
    assert len(prepared.split) == 2
    assert identity_tags(prepared)["data.notes"] == note
    assert "data.notes" not in identity_tags(prepare(Config(dataset=rows_of_the_article())))
