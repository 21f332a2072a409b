"""What the page of a sweep says: data, best run, conclusion, settings, and no markup that a user wrote."""

from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from student_score.config.jobs import Choice
from student_score.config.schema import Config, DatasetConfig, NetworkConfig, TrackingConfig, TrainingConfig
from student_score.model.network import Initialisation
from student_score.sweeps.description import announcement, code, prose
from student_score.sweeps.plan import Plan, data_name, make_plan

HOSTILE = "<img src=x onerror=alert(1)> **b** ` c [d](javascript:e) | # _f_ http://g.h ![i](j)"


def plan(path: Path, name: str = "csv") -> Plan:
    """Return a sweep of two rates on a file."""

    def compose(job: tuple[Choice, ...]) -> Config:
        return Config(
            dataset=DatasetConfig(name=name, path=str(path), test_fraction=0.34),
            network=NetworkConfig(initialisation=Initialisation.he),
            training=TrainingConfig(learning_rate=job[0].value),
            tracking=TrackingConfig(experiment="tests"),
        )

    key = "training.learning_rate"
    return make_plan([(Choice(text=f"{key}={rate}", key=key, value=rate, plain=True),) for rate in (0.1, 0.2)], compose)


@pytest.fixture
def grades(tmp_path: Path) -> Path:
    """Return a file of three rows."""
    path = tmp_path / "grades.csv"
    path.write_text("hours_studied,hours_slept,exam_score\n1,2,3\n2,3,4\n3,5,6\n")
    return path


def test_a_sweep_says_its_data_and_what_its_runs_share(grades):
    """Rows are counted, the folder of the file is not told, and what differs from the defaults comes first."""
    told = announcement(plan(grades))
    assert told.startswith("2 runs of `student-score` on `grades` (`grades.csv`, 1 rows, 2 more for testing).")
    first, second = told.split("\n\n")[1:]
    assert first == "All runs: `dataset.test_fraction=0.34`, `network.initialisation=he`."
    assert second.startswith("The rest as by default: `dataset.features=")
    assert "learning_rate" not in told
    assert str(grades.parent) not in told


def test_sweeps_of_other_data_have_other_names(grades):
    """A file's name is that of its rows until somebody names them; the tutorial's go without saying."""
    assert plan(grades).name == "sweep of learning_rate on grades (2 runs)"
    assert plan(grades, "class of 2026").name == "sweep of learning_rate on class of 2026 (2 runs)"
    assert data_name(DatasetConfig(path="data/student_scores.csv")) == "student_scores"


@pytest.mark.parametrize("shown", [code, prose])
def test_what_a_user_wrote_is_no_markup(shown):
    """Nothing in a name becomes a tag, a link, an image or an emphasis."""
    html = MarkdownIt("commonmark", {"linkify": False}).render(f"Data {shown(HOSTILE)}, 3 rows")
    assert not any(tag in html for tag in ("<img", "<a", "<strong", "<em"))
    assert "alert(1)" in html.replace("&#40;", "(").replace("&#41;", ")")


@pytest.mark.parametrize("shown", [code, prose])
def test_a_page_has_no_control_characters_and_no_passwords(shown):
    """An escape is shown as one, and who may read the page is not told how to write to the store."""
    assert shown("a\x1b[31m http://ann:secret@host").isprintable()
    assert "x1b" in shown("a\x1b[31m")
    assert "secret" not in shown("no answer from http://ann:secret@host")


def test_a_name_that_is_long_or_empty_is_shown(grades):
    """It is cut, or said to be empty, and line breaks are spaces."""
    assert code("a" * 100) == f"`{'a' * 80}...`"
    assert code("") == "(empty)"
    assert code("a\nb") == "`a b`"
