"""Command lines that mean nothing: each ends in a short sentence and exit code 2, trains nothing and leaves nothing."""

import shutil
import tempfile
from pathlib import Path

import pytest

MANY = "1" * 5000
LONG = "a" * 100_000

MISTAKES = [
    *[
        (value, "it must be a word; network can be article, he")
        for value in ("network=null", "network=[]", "network={}")
    ],
    ("dataset=0", "dataset=0: it must be a word; dataset can be csv, simulated, student_scores"),
    ("network=1.5", "network=1.5: it must be a word"),
    ("dataset=[csv]", "dataset=[csv]: it must be a word"),
    ("dataset={}", "dataset={}: it must be a word"),
    ("training=null", "training can be article, full_batch"),
    ("experiment=[rates,article]", "it must be a word; experiment can be article, baseline"),
    ("network=", "network can be article, he"),
    ("network='a b'", "network can be article, he"),
    ("hydra/launcher=null", "hydra/launcher=null: it must be a word"),
    ("hydra/launcher=nowhere", "hydra/launcher can be basic,"),
    ("training.learning_rate=[[1]]", "'[[1]]' of type 'list' could not be converted to Float"),
    ("dataset.features=[[a]]", "dataset.features=[['a']]: it must be a list of columns' names"),
    ("dataset.features={a:1}", "dataset.features={a:1}"),
    ("network.hidden_size={}", "could not be converted to Integer"),
    (f"training.epochs={MANY}", "a number has more digits than can be read"),
    (f"training.row_order=[{MANY}]", "a number has more digits than can be read"),
    (f"training.epochs=range(0,{MANY})", "a number has more digits than can be read"),
    (f"training.epochs=logspace(1,{MANY},3)", "a number has more digits than can be read"),
    (f"training.epochs='{MANY}'", "could not be converted to Integer"),
    (f"training.learning_rate={'1' * 400}", "a number has more digits than any that can be used"),
    (f"dataset.new_inputs=[[{'1' * 400},1]]", "a number has more digits than any that can be used"),
    (
        "dataset.path='~nobody_here/x.csv'",
        "x.csv: there is no user whose home ~nobody_here is",
    ),
    ("hydra.run.dir=/proc/x", "/proc/x cannot be used"),
    ("hydra.mode=foo", "expected one of [RUN, MULTIRUN]"),
    ("hydra.verbose=17", "hydra.verbose=17: it can be true, false, or the names of loggers"),
    ("hydra.job.env_copy=[NOWHERE]", "hydra.job.env_copy=[NOWHERE]: KeyError: 'NOWHERE'"),
    ("-m hydra.sweeper._target_=os.system", "hydra.sweeper._target_=os.system: RuntimeError: Invalid plugin"),
    ("hydra.job.chdir=true", "hydra.job.chdir=true: relative paths start at the current directory"),
    ("+new=1", "new: there is no such key"),
    ("~network", "~network: nothing can be left out"),
    ("~training.epochs", "~training.epochs: nothing can be left out"),
    ("training.epochs=${x}", "training.epochs: Interpolation key 'x' not found"),
    ("training.epochs=${oc.env:NOWHERE}", "training.epochs: KeyError raised"),
    ("training.epochs=${training.epochs}", "training.epochs: Recursive interpolation detected"),
    ("dataset.name='${'", "Error merging override dataset.name='${'"),
    ("training.epochs=\0", "the override: character 17 of 'training.epochs=\\x00' is U+0000"),
    ("dataset.name='\x1b[31m'", "is U+001B, which is no part of a text"),
    ("dataset.target='\udcff'", "is U+DCFF, which is no part of a text"),
    ("", "cannot parse the override ''"),
    (
        "dataset.features=[Größe,h]",
        """; texts of more than plain letters need quotes: 'dataset.features=["Größe","h"]'""",
    ),
    ("dataset.target=p=[1]", """; texts of more than plain letters need quotes: 'dataset.target="p=[1]"'"""),
    (
        "-m dataset.seed=1,2",
        "dataset.seed=2: it is for simulated students, dataset=simulated, and these come from a file",
    ),
    ("dataset.n=20", "dataset.n=20: it is for simulated students"),
    ("dataset.noise=1", "dataset.noise=1.0: it is for simulated students"),
    ("=", "a key has to stand before the ="),
    ("=1", "'=1': a key has to stand before the ="),
    ("dataset.name=sort(a=b)", "'sort(a=b)': there is no argument 'a'"),
    ("a=", "Could not override 'a'"),
    (f"dataset.name={LONG}", "it has 100000 characters, and may have at most 500"),
    (f"tracking.experiment={'a' * 257}", "it has 257 characters, and may have at most 256"),
    ("tracking.experiment=' '", "tracking.experiment: it must not be empty"),
    ("dataset.name=' '", "dataset.name: it must not be empty"),
    (f"training.epochs={LONG}", "could not be converted to Integer"),
    (LONG, "missing EQUAL"),
    (f"{LONG}=1", "there is no key of 100000 characters"),
    (f"training.epochs={'[' * 500}{']' * 500}", "its brackets are nested too deeply"),
    ("training.epochs=[1,range(1,3)]", "range(), choice() and the like stand alone, not in a list"),
    (f"dataset.features={'a,' * 3000}a", "several values make a sweep, which needs -m"),
    ("-sc", "-sc: it takes install=SHELL or uninstall=SHELL, and SHELL can be bash, fish or zsh"),
    ("-sc install=nothing", "-sc: it takes install=SHELL"),
    ("-sc query=bash", "-sc: it takes install=SHELL"),
    ("--shell-completion install", "-sc: it takes install=SHELL"),
    ("--resolve", "The --resolve flag can only be used in conjunction with --cfg"),
    ("--run -m", "Only one of --run, --multirun"),
    ("--config-path nowhere", "nowhere' not found"),
    ("--config-name nothing", "Cannot find primary config 'nothing'"),
    ("--config-dir nowhere", "nowhere' not found"),
    ("--cfg job network=null", "network=null: it must be a word"),
    ("--cfg job training.epochs=x", "could not be converted to Integer"),
    ("-m training.epochs=range(0,1,0)", "training.epochs=range(0,1,0): the step of a range must not be 0"),
    ("-m training.epochs=int(range(0,1,0.5))", "the step of a range must not be 0"),
    ("-m training.epochs=range(0,inf,1)", "a range takes finite numbers"),
    ("-m training.epochs=range(nan,1)", "a range takes finite numbers"),
    ("-m training.epochs=1,range(1,3)", "range(), choice() and the like stand alone, not in a list"),
    ("-m training.epochs=glob(*)", "the sweep is empty"),
    ("-m network=article,null", "it must be a word; network can be article, he"),
    ("-m dataset={}", "it must be a word"),
    ("-m hydra/launcher=nowhere", "hydra/launcher can be basic,"),
    ("-m hydra/sweeper=null", "hydra/sweeper=null: it must be a word"),
    ("-m dataset.name='${a',b", "token recognition error"),
]


@pytest.mark.parametrize(("line", "said"), MISTAKES, ids=[repr(line[:60]) for line, _ in MISTAKES])
def test_a_mistake_ends_in_a_sentence(first_cli, folder, tmp_path, line, said):
    """Exit code 2, the reason in at most 1,000 letters, nothing on stdout, no store and no file."""
    done = first_cli(*(line.split(" ") if line.startswith("-") else [line]))
    assert done.code == 2, done.err
    assert said in done.err
    assert len(done.err) <= 1000
    assert "unexpected" not in done.err
    assert done.err.replace("\n", "").isprintable()
    assert done.out == ""
    assert not list(folder.iterdir())
    assert not list(tmp_path.glob("mlflow.db*"))


VALUED = [
    *("dataset.name", "dataset.path", "dataset.target", "training.epochs", "training.learning_rate", "tracking.uri"),
    *("tracking.experiment", "network.activation", "training.row_order", "sweep.dry_run", "print_every", "study"),
]


@pytest.mark.parametrize("key", VALUED)
@pytest.mark.parametrize("value", ["???", "'???'"])
def test_a_missing_value_is_named(first_cli, key, value):
    """OmegaConf's sign for a value that is missing is never taken for one."""
    done = first_cli(f"{key}={value}")
    assert (done.code, done.err) == (2, f"student-score: {key}={value}: the value of {key} is missing\n")


def test_a_missing_value_within_a_list_is_named(first_cli):
    """So it is among the names of columns."""
    assert "the value of dataset.features is missing" in first_cli("dataset.features=[a,???]").err


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_shells_can_have_completion(first_cli, shell):
    """What is right is not taken for a mistake."""
    assert first_cli("-sc", f"install={shell}").code == 0


def test_a_groups_keys_can_stand_in_braces(cli):
    """Hydra takes them together, which stays allowed."""
    assert cli("training={epochs:2,seed:3}").code == 0


def test_the_limit_of_jobs_can_be_set(first_cli, folder):
    """On the command line or by an experiment's file; nothing is recorded, and a sweep cannot vary it."""
    done = first_cli("-m", "training.epochs=1,2,3", "network.seed=1,2", "sweep.most_jobs=5")
    assert done.code == 2
    assert "training.epochs (3) times network.seed (2): 6 jobs are more than sweep.most_jobs=5;" in done.err
    assert first_cli("-m", "training.epochs=1,2", "sweep.most_jobs=2", "sweep.dry_run=true").code == 0
    (folder / "own/experiment").mkdir(parents=True)
    (folder / "own/experiment/few.yaml").write_text("# @package _global_\nsweep:\n  most_jobs: 1\n")
    done = first_cli("--config-dir", "own", "-m", "experiment=few", "training.epochs=1,2")
    assert done.code == 2
    assert "2 jobs are more than sweep.most_jobs=1;" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("state", ["no store", "a store"])
def test_a_dry_run_leaves_nothing(in_process, tmp_path, fresh_uri, empty_store, monkeypatch, state):
    """No store, lock, folder or file: not here, not beside the store, not among temporary files, not for Hydra.

    SQLite keeps two files beside a store that is read; nothing is in the one that holds what was written.
    """
    cache, temporary = tmp_path / "cache", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr("student_score.config.compose.cache_folder", lambda: cache)
    if state == "a store":
        shutil.copy(empty_store, fresh_uri.removeprefix("sqlite:///"))
    before = contents(tmp_path)
    assert in_process("-m", "training.epochs=1,2", "network=article,he", "sweep.dry_run=true").code == 0
    after = contents(tmp_path)
    if state == "a store":
        after.pop("mlflow.db-shm", None)
        assert after.pop("mlflow.db-wal", b"") == b""
    assert after == before


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return all that lies in a folder: files with what they hold, and folders."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}
