"""What a run needs: memory that must be there, and time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from student_score.config.schema import Config, DatasetConfig, NetworkConfig, TrainingConfig
from student_score.errors import InputError
from student_score.model.activations import Activation
from student_score.model.network import Initialisation
from student_score.runs import needs
from student_score.training.setup import Observable, Trainer

ROOT = Path(__file__).resolve().parents[2]
GIB = 2**30


def configured(*, hidden_size=2, epochs=1000, print_every=50, **training):
    """Return a configuration with a random start."""
    activation = training.pop("activation", Activation.relu)
    network = NetworkConfig(hidden_size=hidden_size, initialisation=Initialisation.he, activation=activation)
    dataset = DatasetConfig(path="rows.csv")
    return Config(
        dataset=dataset,
        network=network,
        training=TrainingConfig(epochs=epochs, **training),
        print_every=print_every,
    )


def test_memory_is_that_of_parameters_epochs_lines_and_rows():
    """By hand: 100 units on 2 features have 401 parameters; 1000 epochs print 20 lines."""
    assert needs.memory_needed(configured(hidden_size=100), 7, 2) == {
        "network.hidden_size=100": needs.PARAMETER * 401 + needs.UNIT_OF_A_ROW * 700,
        "training.epochs=1000": needs.EPOCH * 1000,
        "print_every=50": needs.LINE * 20,
        "dataset.path=rows.csv": needs.ROW * 7,
    }


@pytest.mark.parametrize(
    ("settings", "rows", "named"),
    [
        ({"hidden_size": 10_000_000}, 3, "network.hidden_size=10000000: the run would take about 11."),
        ({"hidden_size": 10_000}, 10_000_000, "network.hidden_size=10000: "),
        ({"epochs": 200_000_000, "print_every": 10**8}, 3, "training.epochs=200000000: "),
        ({"epochs": 20_000_000, "print_every": 1}, 3, "print_every=1: "),
        ({}, 100_000_000, "dataset.path=rows.csv: "),
    ],
    ids=["a wide network", "a wide network on many rows", "many epochs", "many lines", "many rows"],
)
def test_what_does_not_fit_is_refused_by_what_takes_most(monkeypatch, settings, rows, named):
    """The sentence has the key, what it would take and what is there; a little more memory, and it passes."""
    config = configured(**settings)
    needed = needs.PROCESS + sum(needs.memory_needed(config, rows, 2).values())
    assert needed - needs.PROCESS > needs.FREE
    monkeypatch.setattr(needs, "memory", lambda: needed)
    needs.check_memory(config, rows, 2)
    monkeypatch.setattr(needs, "memory", lambda: needed - 1)
    with pytest.raises(InputError, match=rf"but {needed / GIB:.1f} GiB are there") as caught:
        needs.check_memory(config, rows, 2)
    assert str(caught.value).startswith(named)


def test_memory_is_what_the_control_groups_leave(monkeypatch, tmp_path):
    """The smallest limit of a group and those around it; without one, or with `max`, the machine's memory."""
    entries = "1:name=systemd:/other\n0::/outer/inner\n"
    read_text = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda path: entries if str(path) == "/proc/self/cgroup" else read_text(path)
    )
    monkeypatch.setattr(needs, "CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}.get)
    assert needs.memory.__wrapped__() == 4_096_000
    (tmp_path / "outer/inner").mkdir(parents=True)
    (tmp_path / "outer/inner/memory.max").write_text("max\n")
    assert needs.memory.__wrapped__() == 4_096_000
    (tmp_path / "memory.max").write_text("9000000\n")
    assert needs.memory.__wrapped__() == 4_096_000
    (tmp_path / "outer/memory.max").write_text("3000000\n")
    assert needs.memory.__wrapped__() == 3_000_000
    (tmp_path / "outer/inner/memory.max").write_text("2000000\n")
    assert needs.memory.__wrapped__() == 2_000_000
    entries = "0::/\n"
    (tmp_path / "memory.max").write_text("1000000\n")
    assert needs.memory.__wrapped__() == 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "rows"),
    [
        (["network.hidden_size=150000", "training.epochs=1", "training.learning_rate=1e-9"], 3),
        (["training.epochs=3000000", "print_every=100"], 3),
    ],
    ids=["wide", "long"],
)
def test_a_run_takes_less_than_is_asked_for(fresh_uri, folder, settings, rows):
    """The peak of a process that trains and records stays below the estimate, and well above half of it."""
    given = {key: float(value) for key, value in (setting.split("=") for setting in settings)}
    config = configured(
        hidden_size=int(given.get("network.hidden_size", 2)),
        epochs=int(given["training.epochs"]),
        print_every=int(given.get("print_every", 50)),
    )
    estimate = needs.PROCESS + sum(needs.memory_needed(config, rows, 2).values())
    command = [Path(sys.executable).with_name("student-score"), "network.initialisation=he", *settings]
    # A process begins with the peak of the one that starts it, so a small one does; this one may be large.
    code = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
    code += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    done = subprocess.run(
        [sys.executable, "-c", code, *command], cwd=folder, capture_output=True, text=True, check=True
    )
    assert 0.5 * estimate < int(done.stdout) * 1024 < estimate


@pytest.mark.parametrize(
    ("settings", "update"),
    [
        ({}, needs.UPDATE),
        ({"activation": Activation.tanh}, needs.EXPONENTIAL_UPDATE),
        ({"activation": Activation.sigmoid}, needs.EXPONENTIAL_UPDATE),
        ({"activation": Activation.tanh, "trainer": Trainer.reference}, needs.REFERENCE_UPDATE),
        ({"observe": [Observable.sharpness]}, needs.REFERENCE_UPDATE),
    ],
)
def test_time_is_that_of_updates_and_of_recording(settings, update):
    """By hand: 401 parameters on 7 rows for 1000 epochs are 2,807,000 updates."""
    recording = 401 * needs.WRITTEN_PARAMETER + 20 * needs.PRINTED_LINE + 700 * needs.PREDICTED_UNIT
    expected = 2_807_000 * update + recording
    assert needs.seconds_needed(configured(hidden_size=100, **settings), 7, 2) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (12.4, "12 s"), (99, "99 s"), (170, "3 min"), (5000, "83 min"), (7200, "2 h"), (1e9, "11,574 days")],
)
def test_a_duration_is_said_no_more_exactly_than_it_is_known(seconds, words):
    """Two digits, and a unit that fits."""
    assert needs.duration(seconds) == words


def test_every_input_of_the_network_counts():
    """Indicators of categories are inputs as columns are: 100 units on 7 of them have 901 parameters."""
    needed = needs.memory_needed(configured(hidden_size=100), 7, 7)
    assert needed["network.hidden_size=100"] == needs.PARAMETER * 901 + needs.UNIT_OF_A_ROW * 700
    config = configured(hidden_size=100)
    assert needs.seconds_needed(config, 7, 7) > 2 * needs.seconds_needed(config, 7, 2)


def test_no_machine_is_too_small_for_the_articles_run(monkeypatch):
    """What any run takes is no reason to refuse one."""
    monkeypatch.setattr(needs, "memory", lambda: 100 * 2**20)
    needs.check_memory(configured(), 3, 2)
    with pytest.raises(InputError):
        needs.check_memory(configured(epochs=2_000_000), 3, 2)


def test_lines_have_a_way_out_of_their_own():
    """Who asks for every epoch's line can ask for fewer."""
    with pytest.raises(InputError, match=r"^print_every=1: .*; print fewer lines, or use a larger machine$"):
        needs.check_memory(configured(epochs=2**28, print_every=1), 3, 2)
