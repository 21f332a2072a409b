"""The rules of the house that a machine can check."""

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src/student_score"

LEVELS = (
    ("errors", "arrays", "masking", "paths", "plots"),
    ("model",),
    ("data",),
    ("training", "stability"),
    ("config", "tracking", "estimator"),
    ("runs",),
    ("sweeps", "studies", "serving", "maps"),
    ("commands",),
)
"""Rooms, lowest first; a room imports only from levels below its own."""

CORE = ("errors", "arrays", "masking", "paths", "model", "data", "training", "stability", "estimator")
"""What needs neither Hydra nor MLflow."""

FRONT = ("__init__", "__main__")
"""The package's own files, which show others."""

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
"""Every module of the package, by its name within it."""


def imports(path: Path) -> Iterator[str]:
    """Yield every module that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(path: Path) -> set[str]:
    """Return the modules of the package that a file imports; of a package, those that it takes from it."""
    names = {name.removeprefix("student_score.") for name in imports(path) if name.startswith("student_score.")}
    found = names & MODULES.keys()
    taken = {name.rpartition(".")[0] for name in names if name in MODULES}
    return {name for name in found if name not in taken}


def users(library: str) -> set[str]:
    """Return the modules that import a library."""
    return {name for name, path in MODULES.items() if library in {found.split(".")[0] for found in imports(path)}}


def room(module: str) -> str:
    """Return the room that a module lies in."""
    return module.split(".", maxsplit=1)[0]


def test_every_room_has_a_level():
    """The table of levels names the rooms there are, each once."""
    assert sorted(name for level in LEVELS for name in level) == sorted({*map(room, MODULES)} - set(FRONT))


@pytest.mark.parametrize("module", sorted(set(MODULES) - set(FRONT)))
def test_imports_point_down(module):
    """No module imports from another room of its own level, or from one above."""
    [level] = [number for number, names in enumerate(LEVELS) if room(module) in names]
    allowed = {room(module), *(name for names in LEVELS[:level] for name in names)}
    assert {room(name) for name in ours(MODULES[module])} <= allowed


def test_no_module_imports_itself_by_a_detour():
    """Following imports from any module, late ones too, never leads back to it."""
    # A package stands for its __init__ file, which Python runs before any module within it.
    arrows = {module: ours(path) - {module} for module, path in MODULES.items()}
    for start, first in arrows.items():
        seen, ahead = set(), list(first)
        while ahead:
            module = ahead.pop()
            assert module != start, f"{start} is imported by what it imports"
            if module not in seen:
                seen.add(module)
                ahead += arrows[module]


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("mlflow", {"tracking", "serving"}),
        ("sqlalchemy", {"tracking"}),
        ("alembic", {"tracking"}),
        ("matplotlib", {"plots", "sweeps"}),
        ("hydra", {"config", "sweeps", "commands"}),
        ("rich", {"commands"}),
        ("numba", {"training"}),
        ("llvmlite", {"training"}),
        ("jinja2", {"studies"}),
    ],
)
def test_a_library_has_few_users(library, rooms):
    """Only the rooms named import the library, so that it can be replaced there."""
    assert {room(module) for module in users(library)} == rooms


@pytest.mark.parametrize(
    ("library", "modules"),
    [
        ("alembic", {"tracking.failures", "tracking.internals"}),
        ("matplotlib", {"plots", "sweeps.axes", "sweeps.figures"}),
        ("rich", {"commands.tables", "commands.terminal"}),
    ],
)
def test_a_library_has_few_modules(library, modules):
    """Within its rooms, only these modules import it; axes names a type of matplotlib's."""
    assert users(library) == modules


def test_the_core_runs_without_hydra_and_mlflow():
    """Importing all of the core loads neither hydra, omegaconf nor mlflow, nor the slow scientific libraries.

    The estimator alone loads scikit-learn, whose base classes it has.
    """
    slow = {"hydra", "omegaconf", "mlflow", "sklearn", "pandas", "matplotlib"}
    core = [f"student_score.{module}" for module in MODULES if room(module) in CORE and module != "estimator"]
    code = f"""
import sys, {", ".join(core)}
print(*sys.modules)
import student_score.estimator
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    without, with_estimator = map(set, map(str.split, done.stdout.splitlines()))
    assert not slow & without
    assert slow & with_estimator <= {"sklearn", "pandas"}


def test_no_file_is_too_long_to_read_at_once():
    """No file of the package or of a study has more than 310 lines."""
    files = [*MODULES.values(), *ROOT.glob("experiments/*/*.py")]
    assert {path.name: n for path in files if (n := len(path.read_text().splitlines())) > 310} == {}


def test_a_study_draws_its_own_figure():
    """The package knows no study by name: a new one is a folder of experiments/ and a file of conf/experiment/."""
    # The word `article` is also that of the network's start.
    names = {path.parent.name for path in ROOT.glob("experiments/*/study.py")} - {"article"}
    words = re.compile("|".join(rf"experiments/{name}|[\"']{name}[\"']" for name in names))
    assert [module for module, path in MODULES.items() if words.search(path.read_text())] == []


def test_lint_ignores_carry_a_reason():
    """Every rule switched off in pyproject.toml has a comment, every noqa and type: ignore a code and a reason."""
    text = (ROOT / "pyproject.toml").read_text()
    codes = [line for line in text.splitlines() if re.match(r'    "[A-Z]+\d+",', line)]
    assert codes
    assert all("#" in line for line in codes)
    for path in [*ROOT.glob("src/**/*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("experiments/**/*.py")]:
        for line in path.read_text().splitlines():
            if "# noqa" in line and "re.match" not in line and '"# noqa' not in line:
                assert re.search(r"# noqa: [A-Z]+\d+(, [A-Z]+\d+)*( - \w+|$)", line), f"{path.name}: {line}"


def test_the_lock_is_hashed_and_names_no_index():
    """Every requirement is pinned with a hash, and no address of an index stands in the lock."""
    text = (ROOT / "requirements.lock").read_text()
    requirements = re.findall(r"^[a-z0-9].*?(?=^[a-z0-9#]|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert len(requirements) > 50
    assert all("==" in entry and "--hash=sha256:" in entry for entry in requirements)
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text)


def test_declared_dependencies_are_locked():
    """Every dependency of pyproject.toml, for users and for development, stands in the lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.match(r"[A-Za-z0-9_-]+", requirement)[0].lower() for requirement in declared}
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE))
    assert names <= locked


def test_no_unfinished_business():
    """Nothing in the tree is marked as to be done."""
    marks = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")))
    for folder in ("src", "experiments", "tests", "conf"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".yaml", ".md"}:
                assert not marks.search(path.read_text()), path


def test_the_data_is_what_its_readme_says():
    """data/README.md states the checksum of the file beside it."""
    digest = hashlib.sha256((ROOT / "data/student_scores.csv").read_bytes()).hexdigest()
    assert digest in (ROOT / "data/README.md").read_text()


def test_the_documents_show_the_levels():
    """The table of levels in the package's README is the one that is checked here."""
    rows = re.findall(r"^\| (\d) \| (.+?) \|", (PACKAGE / "README.md").read_text(), flags=re.MULTILINE)
    assert [tuple(re.findall(r"`(\w+)`", names)) for _, names in rows] == list(LEVELS)


def test_the_lock_sets_up_what_the_extras_name():
    """The lock holds the launchers of the extra `cluster`, and the README does not send anybody to install them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lock = (ROOT / "requirements.lock").read_text()
    assert all(f"{name}==" in lock for name in project["optional-dependencies"]["cluster"])
    for document in (ROOT / "README.md", ROOT / "conf/README.md"):
        assert "pip install -e" not in document.read_text()
