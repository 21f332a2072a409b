"""The names that the package shows: they load when they are asked for, and their examples are true."""

import ast
import doctest
import importlib
import inspect
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import student_score

ROOT = Path(__file__).resolve().parents[1]

HOME = {name: module for module, names in student_score.HOMES.items() for name in names}

SLOW = ("hydra", "matplotlib", "mlflow", "numba", "numpy", "pandas", "scipy", "sklearn")


def in_a_new_process(code):
    """Return what Python code prints as JSON in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_every_public_name_has_one_home():
    """`__all__` is sorted, as ruff sorts it, and names what HOMES names, each once."""
    assert sorted(student_score.__all__) == sorted(HOME)
    assert len(HOME) == sum(map(len, student_score.HOMES.values()))


def test_type_checkers_see_the_same_names_in_the_same_homes():
    """The imports under TYPE_CHECKING, which no test runs, are those that HOMES makes."""
    [block] = [node for node in ast.parse(Path(student_score.__file__).read_text()).body if isinstance(node, ast.If)]
    imported = {
        alias.name: node.module.removeprefix("student_score.")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == HOME


@pytest.mark.parametrize("name", student_score.__all__)
def test_a_public_name_is_the_one_of_its_module(name):
    """It loads, it is listed, and it is the very object of the module that HOMES names."""
    home = importlib.import_module(f"student_score.{HOME[name]}")
    assert getattr(student_score, name) is getattr(home, name)
    assert name in dir(student_score)


def test_the_version_is_the_one_of_the_project():
    """`__version__` is read when it is asked for, and listed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert student_score.__version__ == project["version"]
    assert "__version__" in dir(student_score)
    assert "__version__" not in vars(student_score)


def test_an_unknown_name_is_an_attribute_error():
    """The message is Python's own, so `hasattr` and misspelt imports do as always."""
    with pytest.raises(AttributeError, match=r"^module 'student_score' has no attribute 'trian'$"):
        _ = student_score.trian
    assert not hasattr(student_score, "trian")


def test_importing_the_package_loads_nothing_slow():
    """`import student_score` brings no library and none of its own modules; a name asked for brings what it needs."""
    code = """
import json, sys
import student_score
bare = sorted(sys.modules)
names = dir(student_score)
listed = sorted(sys.modules)
student_score.InputError
print(json.dumps([bare, names, listed, sorted(sys.modules)]))
"""
    bare, names, listed, asked = in_a_new_process(code)
    assert not [module for module in bare if module.partition(".")[0] in SLOW]
    assert [module for module in bare if module.startswith("student_score")] == ["student_score"]
    assert set(student_score.__all__) <= set(names)
    assert listed == bare
    assert set(asked) - set(bare) == {"student_score.errors"}


def test_training_needs_neither_tracking_nor_configuration():
    """The public names load numpy, but no Hydra, MLflow or matplotlib, nor yet numba; the estimator scikit-learn."""
    code = """
import json, sys
import student_score
for name in student_score.__all__:
    if name != "StudentScoreRegressor":
        getattr(student_score, name)
without = {name.partition('.')[0] for name in sys.modules}
from student_score import *
everything = {name.partition('.')[0] for name in sys.modules}
print(json.dumps([ARTICLE_ROWS.targets.tolist(), sorted(without), sorted(everything)]))
"""
    targets, without, everything = in_a_new_process(code)
    assert targets == [85.0, 60.0, 95.0]
    assert set(SLOW) & set(without) == {"numpy"}
    assert set(SLOW) & set(everything) - {"pandas"} == {"numpy", "scipy", "sklearn"}


@pytest.mark.parametrize("name", student_score.__all__)
def test_every_public_name_has_examples_and_they_are_true(name):
    """Each example of its docstring, or of its class's if it is an instance, prints what is written below it."""
    found = getattr(student_score, name)
    described = found if inspect.isclass(found) or inspect.isfunction(found) else type(found)
    # Without the module's own names: an example has to import what it uses.
    [test] = doctest.DocTestFinder(recurse=False).find(described, name, globs={})
    assert test.examples
    report = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert result.attempted == len(test.examples)
    assert result.failed == 0, "".join(report)
