"""Where results go: what everybody's commands write git does not see, and one command writes what is committed."""

import shutil
import subprocess
from pathlib import Path

import pytest

from student_score.commands.study import close, judge
from student_score.config.schema import Config, TrackingConfig
from student_score.errors import InputError
from student_score.paths import EXPERIMENTS, REPOSITORY, known_studies
from student_score.studies import evidence, study
from student_score.tracking.store import Store


@pytest.fixture(scope="module")
def uri(tmp_path_factory, empty_store) -> str:
    """Return a store that holds the records of the study `plateau`, and no others."""
    address = f"sqlite:///{shutil.copy(empty_store, tmp_path_factory.mktemp('publishing') / 'mlflow.db')}"
    evidence.record_trainings("plateau", Config(tracking=TrackingConfig(uri=address, experiment="plateau")))
    return address


@pytest.fixture
def published(tmp_path, monkeypatch) -> Path:
    """Return the folder that stands for experiments/ where publishing writes."""
    monkeypatch.setattr(study, "published_folder", lambda name: tmp_path / "experiments" / name / "results")
    return tmp_path / "experiments"


def files(folder: Path) -> dict[str, bytes]:
    """Return what lies in a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.skipif(not (REPOSITORY / ".git").exists(), reason="this is no clone")
@pytest.mark.parametrize("name", known_studies())
def test_git_sees_the_published_results_alone(name):
    """Those that commands write are ignored; those that are committed are not."""

    def is_ignored(folder: Path) -> bool:
        command = ["git", "check-ignore", "--quiet", "--no-index", str(folder / "verdicts.json")]
        return subprocess.run(command, cwd=REPOSITORY, check=False).returncode == 0

    assert is_ignored(study.results_folder(name))
    assert study.published_folder(name) == EXPERIMENTS / name / "results"
    assert not is_ignored(study.published_folder(name))


def test_what_a_study_finds_lies_in_the_work_folder_and_on_its_run(uri, results, capsys):
    """Verdicts and figure are the same files in both; the last lines say where."""
    assert judge(["plateau", "--uri", uri]) == 0
    assert "Verdicts of the study plateau (results/plateau):" in capsys.readouterr().out
    written = files(results / "plateau")
    assert set(written) == {"verdicts.json", "figure.png"}
    [run] = Store(uri, "plateau").search("tags.study = 'plateau'")
    assert {name: run.read(name) for name in written} == written


def test_results_that_cannot_be_written_end_in_a_sentence(uri, results):
    """A file in the place of the folder stands for whatever forbids it."""
    results.write_text("in the way")
    store, found = evidence.read_evidence("plateau", uri)
    with pytest.raises(InputError, match=r"results/plateau cannot be written: Not a directory"):
        close("plateau", found.content, store, found.run.run_id)


def test_publishing_writes_what_is_committed(uri, published, results, capsys):
    """The verdicts of a cheap study come out byte for byte, beside its figure; nothing goes anywhere else."""
    assert judge(["plateau", "--publish", "--uri", uri]) == 0
    assert capsys.readouterr().out == "plateau: experiments/plateau/results\n"
    committed = files(EXPERIMENTS / "plateau/results")
    written = files(published / "plateau/results")
    assert set(written) == set(committed)
    assert written["verdicts.json"] == committed["verdicts.json"]
    assert [path.name for path in published.iterdir()] == ["plateau"]
    assert not results.exists()


@pytest.mark.slow
def test_publishing_writes_what_is_committed_of_a_sweep(cli, published, results):
    """The article's sweep, likewise; without a name whatever is recorded is published."""
    assert cli("-m", "experiment=article").code == 0
    assert judge(["--publish"]) == 0
    committed = (EXPERIMENTS / "article/results/verdicts.json").read_bytes()
    assert (published / "article/results/verdicts.json").read_bytes() == committed
    assert [path.name for path in published.iterdir()] == ["article"]


def test_benchmarks_are_published_by_name_alone(uri, published, monkeypatch):
    """Their numbers are those of a machine; without a name they are not even looked for."""
    asked = []

    def unrecorded(name, uri):
        asked.append(name)
        raise evidence.NoRecordsError(f"no records of {name}")

    monkeypatch.setattr(evidence, "read_evidence", unrecorded)
    with pytest.raises(InputError, match=f"no study is recorded in {uri}"):
        judge(["--publish", "--uri", uri])
    assert sorted(asked) == [name for name in known_studies() if not study.load(name).benchmark]
    with pytest.raises(InputError, match="no records of throughput"):
        judge(["throughput", "--publish", "--uri", uri])
    assert not published.exists()


def test_records_that_cannot_be_used_publish_nothing(uri, published, monkeypatch):
    """All are read before the first is written."""
    read = evidence.read_evidence

    def one_is_stale(name, uri):
        if name == "stability":
            raise InputError("the records of stability are old")
        return read(name, uri)

    monkeypatch.setattr(evidence, "read_evidence", one_is_stale)
    with pytest.raises(InputError, match="the records of stability are old"):
        judge(["--publish", "--uri", uri])
    assert not published.exists()


def test_only_a_clone_publishes(uri, published, monkeypatch):
    """An installed package has nothing that is committed."""
    monkeypatch.setattr("student_score.commands.study.INSTALLED", True)
    with pytest.raises(InputError, match="and this is no clone"):
        judge(["plateau", "--publish", "--uri", uri])
    assert not published.exists()
