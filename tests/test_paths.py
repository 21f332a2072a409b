"""Where things lie: in a clone within it, else in the user's folders."""

import os
from pathlib import Path

import pytest

from student_score import paths

ROOT = Path(__file__).resolve().parents[1]


def no_home():
    """Raise what Path.home raises where there is no home."""
    raise RuntimeError("Could not determine home directory.")


@pytest.fixture
def installed(tmp_path, monkeypatch) -> Path:
    """Let the package look installed, with a home and a temporary directory of its own; return the folder of both."""
    monkeypatch.setattr(paths, "INSTALLED", True)
    monkeypatch.setattr(paths, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(paths, "mkdtemp", lambda prefix: f"{tmp_path}/{prefix}new")
    monkeypatch.setattr(paths, "cache_folder", paths.cache_folder.__wrapped__)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path


def test_in_a_clone_everything_lies_within_it():
    """The repository, what is made in it, and its cache."""
    assert ROOT == paths.REPOSITORY == paths.work_folder()
    assert paths.cache_folder() == ROOT / ".cache"


def test_an_installed_package_works_where_it_is_called(installed, monkeypatch):
    """It does not keep the folder that it was imported in."""
    monkeypatch.chdir(installed)
    assert paths.work_folder() == installed
    monkeypatch.chdir(installed / "home")
    assert paths.work_folder() == installed / "home"


def test_the_users_cache_is_where_the_standard_says(installed, monkeypatch):
    """XDG_CACHE_HOME names it unless it is relative, else it is ~/.cache; it is made."""
    assert paths.cache_folder() == installed / "home/.cache/student-score"
    assert paths.cache_folder().is_dir()
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert paths.cache_folder() == installed / "home/.cache/student-score"
    monkeypatch.setenv("XDG_CACHE_HOME", str(installed / "chosen"))
    assert paths.cache_folder() == installed / "chosen/student-score"


def test_without_a_home_the_cache_is_a_temporary_folder(installed, monkeypatch):
    """It is named by the user's number and open to nobody else."""
    monkeypatch.setattr(Path, "home", no_home)
    assert paths.cache_folder() == installed / f"student-score-{os.getuid()}"
    assert paths.cache_folder().stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("place", ["home/.cache", "home/.cache/student-score"])
def test_a_cache_folder_that_is_a_file_is_not_used(installed, monkeypatch, place):
    """The user's, and then the temporary one too; both files stay."""
    path, usual = installed / place, installed / f"student-score-{os.getuid()}"
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    assert paths.cache_folder() == usual
    usual.rmdir()
    usual.write_text("mine too")
    assert paths.cache_folder() == installed / "student-score-new"
    assert (path.read_text(), usual.read_text()) == ("mine", "mine too")


def test_a_temporary_folder_that_others_may_have_laid_out_is_not_used(installed, monkeypatch):
    """A link leads anywhere, and a folder of another user holds whatever that user wants to be run."""
    monkeypatch.setenv("HOME", os.devnull)
    usual = installed / f"student-score-{os.getuid()}"
    usual.symlink_to(installed / "home")
    assert paths.cache_folder() == installed / "student-score-new"
    usual.unlink()
    assert paths.cache_folder() == usual
    other = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: other)
    usual.rename(installed / f"student-score-{other}")
    assert paths.cache_folder() == installed / "student-score-new"


def test_who_has_no_home_gets_the_cache_for_one(installed, monkeypatch):
    """MLflow cannot be imported otherwise; a home that there is stays."""
    paths.ensure_home()
    assert os.environ["HOME"] == str(installed / "home")
    assert "MPLCONFIGDIR" not in os.environ
    monkeypatch.setattr(Path, "home", no_home)
    paths.ensure_home()
    assert os.environ["HOME"] == str(installed / f"student-score-{os.getuid()}")


def test_a_home_that_cannot_be_written_stays(installed, monkeypatch):
    """Only Matplotlib is sent elsewhere, unless it was sent somewhere already."""
    monkeypatch.setenv("HOME", os.devnull)
    monkeypatch.setenv("MPLCONFIGDIR", "chosen")
    paths.ensure_home()
    assert os.environ["MPLCONFIGDIR"] == "chosen"
    monkeypatch.delenv("MPLCONFIGDIR")
    paths.ensure_home()
    assert os.environ["MPLCONFIGDIR"] == str(installed / f"student-score-{os.getuid()}" / "matplotlib")
    assert os.environ["HOME"] == os.devnull
