"""What does the article's training really do? Judged on a sweep of its learning rates."""

from collections.abc import Iterator, Sequence

from student_score.data.article import ARTICLE_ROWS
from student_score.studies.study import Study
from student_score.tracking.record import RecordedRun

from .claims import CLAIMS
from .conclusion import conclude
from .figure import draw
from .judge import by_rate_and_epochs, judge
from .published import PUBLISHED, published_and_computed

QUESTION = "What does the article's training really do, at the rate it recommends and at the rates it warns of?"

CAPTION = (
    "Loss against epoch at the article's learning rates, its printed numbers as white points: at 0.01 and "
    "0.1 the curves run into the line of a constant prediction and stay there."
)


def report(runs: Sequence[RecordedRun]) -> Iterator[str]:
    """Yield both transcripts side by side: what the article printed, what came out."""
    found = by_rate_and_epochs(runs)
    if any((run["learning_rate"], run["epochs"]) not in found for run in PUBLISHED["runs"]):
        return
    columns = [(run, found[run["learning_rate"], run["epochs"]].trajectory()) for run in PUBLISHED["runs"]]
    yield "\nThe article's transcripts, as published and as computed here:"
    yield f"{'':22}" + "".join(f"{'learning rate ' + format(run['learning_rate'], 'g'):>26}" for run, _ in columns)
    yield f"{'':22}" + f"{'published':>15}{'computed':>11}" * len(columns)
    tables = [list(published_and_computed(*column)) for column in columns]
    for entries in zip(*tables, strict=True):
        yield f"{entries[0][0]:22}" + "".join(f"{published:>15}{computed:>11}" for _, published, computed in entries)


STUDY = Study(
    place=1,
    question=QUESTION,
    caption=CAPTION,
    claims=CLAIMS,
    rows={"student_scores": ARTICLE_ROWS},
    judge=judge,
    conclude=conclude,
    draw=draw,
    report=report,
    answers=True,
    varies=("training.learning_rate", "training.epochs"),
)
