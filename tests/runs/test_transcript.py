"""What a transcript says of rows that leave something open."""

from student_score.config.schema import Config, DatasetConfig, NetworkConfig, TrainingConfig
from student_score.model.network import Initialisation
from student_score.runs.execution import execute
from student_score.runs.task import prepare
from student_score.runs.transcript import described_input, label, transcript


def said(folder, rows: int, *, test_fraction: float = 0.0) -> str:
    """Return the transcript of a training on so many rows."""
    path = folder / "rows.csv"
    path.write_text("a,b,score\n" + "".join(f"{k},{k % 3},{k * 2}\n" for k in range(rows)))
    config = Config(
        dataset=DatasetConfig(path=str(path), features=["a", "b"], target="score", test_fraction=test_fraction),
        network=NetworkConfig(initialisation=Initialisation.he),
        training=TrainingConfig(epochs=5),
    )
    return "\n".join(transcript(execute(prepare(config))))


def test_one_row_has_no_variance(tmp_path):
    """Trained on one row, held out or not, the transcript says that its outcome means nothing."""
    sentence = "Trained on one row: its score has no variance, so that the outcome says nothing about fit"
    assert said(tmp_path, 1).endswith(sentence)
    assert said(tmp_path, 2, test_fraction=0.5).endswith(sentence)
    assert "Trained on one row" not in said(tmp_path, 2)


def test_missing_test_rows_are_said_where_there_are_rows_to_hold_out(tmp_path):
    """A table of three students has none to spare, one of eleven has."""
    assert "held out" not in said(tmp_path, 3)
    assert "No row was held out for testing: dataset.test_fraction=0.25" in said(tmp_path, 11)
    assert "held out" not in said(tmp_path, 12, test_fraction=0.25)


def test_a_columns_name_is_no_part_of_the_layout():
    """What would break a line or steer the terminal that shows the recorded transcript stands as its escape."""
    assert label("hours_a\n\x1b[31m") == "a\\n\\x1b[31m"
    assert described_input("hours_a\n\x1b[31m", 5.0) == "a\\n\\x1b[31m: 5h"
