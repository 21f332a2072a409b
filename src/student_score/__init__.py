"""One tiny network, and the truth about its learning rate.

The names below are the package's public face; each is loaded when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from student_score.data.article import ARTICLE_ROWS
    from student_score.data.csv_file import read_csv
    from student_score.data.rows import Rows, split_rows
    from student_score.errors import InputError
    from student_score.estimator import StudentScoreRegressor
    from student_score.model.activations import Activation
    from student_score.model.network import ARTICLE_START, Parameters, initialise
    from student_score.model.outcome import Outcome
    from student_score.model.sampling import Sampling
    from student_score.stability.landscape import Landscape
    from student_score.training.many import train_many
    from student_score.training.setup import Networks, Setup
    from student_score.training.train import train
    from student_score.training.trajectory import Trajectory

    __version__: str

__all__ = [
    "ARTICLE_ROWS",
    "ARTICLE_START",
    "Activation",
    "InputError",
    "Landscape",
    "Networks",
    "Outcome",
    "Parameters",
    "Rows",
    "Sampling",
    "Setup",
    "StudentScoreRegressor",
    "Trajectory",
    "initialise",
    "read_csv",
    "split_rows",
    "train",
    "train_many",
]

HOMES = {
    "data.article": ("ARTICLE_ROWS",),
    "data.csv_file": ("read_csv",),
    "data.rows": ("Rows", "split_rows"),
    "errors": ("InputError",),
    "estimator": ("StudentScoreRegressor",),
    "model.activations": ("Activation",),
    "model.network": ("ARTICLE_START", "Parameters", "initialise"),
    "model.outcome": ("Outcome",),
    "model.sampling": ("Sampling",),
    "stability.landscape": ("Landscape",),
    "training.many": ("train_many",),
    "training.setup": ("Networks", "Setup"),
    "training.train": ("train",),
    "training.trajectory": ("Trajectory",),
}
"""The module of each public name."""


def __dir__() -> list[str]:
    """Return the module's names, the public ones whether they are loaded or not."""
    return sorted({*globals(), *__all__, "__version__"})


def __getattr__(name: str) -> Any:
    """Return a public name, loading its module, or the version that is installed."""
    if name == "__version__":
        from importlib.metadata import version

        return version("student-score")
    for module, names in HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
