"""`student-score --help` is made from the schema, says what is true, and fits a terminal of 80 columns."""

import shlex
from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass
from typing import Any, get_type_hints

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from student_score.config.compose import composition_problem, register, to_config
from student_score.config.help import OPENING, help_text
from student_score.config.identity import flattened, plain
from student_score.config.schema import Config
from student_score.errors import InputError
from student_score.model.activations import Activation
from student_score.paths import CONF
from student_score.runs.task import prepare


def keys(node: Any = Config, prefix: str = "") -> Iterator[tuple[str, "Field[Any]"]]:
    """Yield every key of the schema with its field."""
    kinds = get_type_hints(node)
    for item in fields(node):
        if is_dataclass(kinds[item.name]):
            yield from keys(kinds[item.name], f"{prefix}{item.name}.")
        else:
            yield f"{prefix}{item.name}", item


KEYS = dict(keys())


def configured(*overrides: str) -> Config:
    """Return the configuration that the command line would give."""
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return to_config(compose("config", overrides=list(overrides)))


def test_the_help_names_every_key_and_nothing_internal():
    """Each key stands once, at the start of a line, with its default; sweep.* after all others."""
    lines = help_text().splitlines()
    named = [line.split("=")[0].strip() for line in lines if line.startswith("  ") and line[2] != " "]
    assert [name for name in named if name in KEYS] == keys_in_order()
    assert not any("hydra." in line or "=schema" in line for line in lines)
    assert "  training.learning_rate=0.0001 " in help_text()
    assert "  network.activation=relu " in help_text()
    assert "  training.row_order=null " in help_text()
    assert "  dataset.features=[hours_studied,hours_slept]" in help_text()


def keys_in_order() -> list[str]:
    """Return all keys, those of a sweep's conduct last."""
    return sorted(flattened(plain(Config())), key=lambda key: key.startswith("sweep."))


def test_the_help_fits_a_terminal():
    """No line is longer than 80 columns."""
    assert [line for line in help_text().replace("$$", "$").splitlines() if len(line) > 80] == []


def test_the_help_names_every_value_of_an_enum():
    """An activation that is added to the table is allowed by the help too."""
    said = " ".join(help_text().split())
    assert f"({', '.join(activation.name for activation in Activation)})" in said
    assert "(none, features, features_and_target)" in said
    assert "(sharpness)" in said
    assert "(true or false)" in said


def test_the_help_names_every_option_of_every_group():
    """A file of conf/ is listed with its first comment."""
    for path in CONF.glob("*/*.yaml"):
        assert f"  {path.parent.name}={path.stem} " in help_text()
    assert "Gradient descent: one step an epoch" in help_text()


OUTSIDE = {
    "dataset.features": "[]",
    "dataset.categorical": "[school]",
    "dataset.target_range": "[100,0]",
    "dataset.n": "0",
    "dataset.noise": "-1",
    "dataset.seed": "-1",
    "dataset.test_fraction": "1",
    "dataset.folds": "1",
    "dataset.fold": "3",
    "dataset.validation_fraction": "1",
    "dataset.split_seed": "-1",
    "dataset.new_inputs": "[[1,x]]",
    "network.hidden_size": "0",
    "network.seed": "-1",
    "training.learning_rate": "0",
    "training.epochs": "0",
    "training.row_order": "[0,0,1]",
    "training.seed": "4294967296",
    "tracking.curve_points": "10001",
    "print_every": "0",
    "sweep.most_jobs": "0",
}
"""A value out of the range of every key that has one."""


def test_every_range_is_tried():
    """The table above has a value for each range that the help states."""
    assert {name for name, item in KEYS.items() if item.metadata["allowed"]} == set(OUTSIDE)


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_range_is_said_as_the_message_says_it(name):
    """What the help allows stands, word for word, in the sentence that refuses another value."""
    with pytest.raises((InputError, HydraException, OmegaConfBaseException)) as caught:
        prepare(configured(f"{name}={OUTSIDE[name]}"))
    message = str(caught.value) if isinstance(caught.value, InputError) else composition_problem(caught.value)
    assert str(KEYS[name].metadata["allowed"]).removeprefix("each row, counted from 0, ") in message


EXAMPLES = [example for item in KEYS.values() for example in item.metadata["examples"]]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_typed(example):
    """A shell passes each example on as overrides that compose."""
    assert isinstance(configured(*shlex.split(example)), Config)


def test_the_example_of_a_file_of_ones_own_trains(cli, folder):
    """The opening's command, as a shell would pass it on, trains on columns whose names have spaces."""
    (folder / "grades.csv").write_text("Hours Studied,Sleep Hours,Exam Score\n5,8,85\n2,6,60\n8,7,95\n")
    command = OPENING.partition("student-score dataset=csv")[2].replace("\\\n", " ")
    done = cli("dataset=csv", *shlex.split(command), "training.epochs=20")
    assert done.code == 0, done.err
    assert "Hours Studied -> h1" in done.out


def test_help_is_a_command(cli):
    """--help prints it, without Hydra's own words, and a $ in it is a $."""
    done = cli("--help")
    assert done.code == 0
    assert done.out.rstrip() == help_text().replace("$$", "$").rstrip()
