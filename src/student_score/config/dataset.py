"""Which students: a file or a simulated world, its columns, and which rows train, choose and test."""

from dataclasses import dataclass, field
from typing import Any

from student_score.config.checks import (
    LONGEST_DATASET,
    LONGEST_SHOWN,
    SEEDS,
    check_home,
    check_name,
    check_text,
    is_finite_number,
    keyed,
    require,
    require_seed,
    says,
)
from student_score.data.article import ARTICLE_FEATURES, ARTICLE_TARGET
from student_score.data.dialect import Decimal, Delimiter
from student_score.data.division import Division
from student_score.data.preparation import Missing
from student_score.data.rows import Scale
from student_score.data.simulation import LARGEST_NOISE, World
from student_score.masking import cut

LARGEST_SIMULATION = 10_000_000
"""Simulated students at most."""


@dataclass
class DatasetConfig:
    """Which rows, and what is done to them before training."""

    name: str = field(default="student_scores", metadata=says("a name for the rows, which runs record"))
    path: str = field(
        default="${repository:}/data/student_scores.csv",
        metadata=says(
            "a CSV file in UTF-8 with a header line, packed with gzip or not, or a Parquet file; relative paths start "
            "at the current directory",
            examples=("dataset=csv dataset.path=grades.csv",),
        ),
    )
    features: list[str] = field(
        default_factory=lambda: list(ARTICLE_FEATURES),
        metadata=says(
            "the columns that are the network's inputs",
            allowed="at least one column",
            examples=("dataset.features=[reading,maths]", """'dataset.features=["Hours Studied","Sleep Hours"]'"""),
        ),
    )
    target: str = field(
        default=ARTICLE_TARGET, metadata=says("the column to predict", examples=("dataset.target='Exam Score'",))
    )
    categorical: list[str] = field(
        default_factory=list,
        metadata=says(
            "those of dataset.features that hold words; each becomes indicators, column=category",
            allowed="columns of dataset.features",
        ),
    )
    missing: Missing = field(
        default=Missing.error,
        metadata=says(
            "what becomes of cells that are empty, NA, N/A, NaN, null, None, ? or -: a mistake, their rows left out, "
            "or the training rows' mean in their place"
        ),
    )
    delimiter: Delimiter = field(
        default=Delimiter.auto, metadata=says("what stands between two cells; found out from the first lines")
    )
    decimal: Decimal = field(
        default=Decimal.auto, metadata=says("what stands before decimals; found out from the first lines")
    )
    target_range: list[float] | None = field(
        default=None,
        metadata=says(
            "the least and the largest score there is: predictions for new rows and in predictions.csv are clipped to "
            "it and counted; errors and outcomes are the network's own, unclipped",
            allowed="two finite numbers, the first below the second",
            examples=("dataset.target_range=[0,100]",),
        ),
    )
    simulation: World | None = field(
        default=None,
        metadata=says(
            "a simulated world instead of a file: how the expected score depends on hours studied and slept",
            examples=("dataset=simulated dataset.simulation=saturating",),
        ),
    )
    n: int = field(default=300, metadata=says("simulated students", allowed=f"1..{LARGEST_SIMULATION}"))
    noise: float = field(
        default=5.0,
        metadata=says("standard deviation of simulated scores, in points", allowed=f"0..{LARGEST_NOISE:g}"),
    )
    seed: int = field(default=0, metadata=says("seed of the simulated students", allowed=SEEDS))
    test_fraction: float = field(
        default=0.0, metadata=says("the share of the rows held out for testing", allowed="at least 0 and below 1")
    )
    folds: int | None = field(
        default=None,
        metadata=says(
            "cut the shuffled rows into so many parts, each of which tests in turn",
            allowed="at least 2",
            examples=("dataset.folds=5 dataset.fold=2",),
        ),
    )
    fold: int = field(default=0, metadata=says("the part that tests, the others train", allowed="0..folds - 1"))
    validation_fraction: float = field(
        default=0.0,
        metadata=says(
            "the share of the other rows that chooses between configurations, and trains none",
            allowed="at least 0 and below 1",
        ),
    )
    split_seed: int = field(default=0, metadata=says("seed of the choice of test and validation rows", allowed=SEEDS))
    scale: Scale = field(
        default=Scale.none, metadata=says("what is standardised, by the training rows' mean and standard deviation")
    )
    new_inputs: list[Any] = field(
        default_factory=list,
        metadata=says(
            "rows of further inputs to predict after training",
            allowed="finite numbers, one for each of dataset.features, and words for those in dataset.categorical",
            examples=("dataset.new_inputs=[[6,7],[3,5]]",),
        ),
    )

    def __post_init__(self) -> None:
        require(bool(self.features), "dataset.features=[]", "at least one column is needed")
        check_name("dataset.name", self.name, LONGEST_DATASET)
        for key, names in (("features", self.features), ("categorical", self.categorical)):
            require(
                all(isinstance(name, str) for name in names),
                f"dataset.{key}={cut(str(names), LONGEST_SHOWN)}",
                "it must be a list of columns' names",
            )
        for key, texts in (("path", [self.path]), ("target", [self.target]), ("features", self.features)):
            for text in texts:
                check_text(f"dataset.{key}", text)
        unknown = [name for name in self.categorical if name not in self.features]
        require(
            not unknown,
            f"dataset.categorical={cut(str(unknown), LONGEST_SHOWN)}",
            "it must hold columns of dataset.features",
        )
        check_home("dataset.path", self.path)
        with keyed("dataset", self.__dataclass_fields__):
            _ = self.division
        require_seed("dataset.split_seed", self.split_seed)
        self.check_simulation()
        self.check_target_range()
        for row in self.new_inputs:
            self.check_input(row)

    @property
    def division(self) -> Division:
        """Which rows train, choose and test."""
        return Division(
            test_fraction=self.test_fraction,
            folds=self.folds,
            fold=self.fold,
            validation_fraction=self.validation_fraction,
            seed=self.split_seed,
        )

    @property
    def origin(self) -> str:
        """Where the rows come from: the file's path, or the simulated world."""
        if self.simulation is None:
            return self.path
        return f"{self.n:,} simulated students ({self.simulation.name}, noise {self.noise:g}, seed {self.seed})"

    def check_simulation(self) -> None:
        """Raise InputError unless so many students can be simulated, where they are to be."""
        require_seed("dataset.seed", self.seed)
        require(1 <= self.n <= LARGEST_SIMULATION, f"dataset.n={self.n}", f"it must lie in 1..{LARGEST_SIMULATION}")
        require(
            is_finite_number(self.noise) and 0 <= self.noise <= LARGEST_NOISE,
            f"dataset.noise={self.noise}",
            f"it must lie in 0..{LARGEST_NOISE:g}, in points",
        )
        if self.simulation is None:
            self.check_no_simulation()
            return
        require(
            len(self.features) == len(ARTICLE_FEATURES) and not self.categorical,
            f"dataset.features={cut(str(self.features), LONGEST_SHOWN)}",
            "simulated students have two, hours studied and hours slept, both of them numbers",
        )
        require(
            not self.path,
            f"dataset.path={cut(self.path, LONGEST_SHOWN)}",
            "simulated students come from no file: dataset=simulated, or leave dataset.simulation out",
        )

    def check_no_simulation(self) -> None:
        """Raise InputError if what is for simulated students was set for a file, where it would change nothing."""
        for name in ("n", "noise", "seed"):
            value = getattr(self, name)
            require(
                value == self.__dataclass_fields__[name].default,
                f"dataset.{name}={value}",
                "it is for simulated students, dataset=simulated, and these come from a file; "
                "dataset.split_seed divides them otherwise",
            )

    def check_target_range(self) -> None:
        """Raise InputError unless the range has two ends, the lower first."""
        ends = self.target_range
        require(
            ends is None or (len(ends) == 2 and all(map(is_finite_number, ends)) and ends[0] < ends[1]),
            f"dataset.target_range={cut(str(ends), LONGEST_SHOWN)}",
            "it must be two finite numbers, the first below the second",
        )

    def check_input(self, row: object) -> None:
        """Raise InputError unless a row of new inputs has what each feature needs."""
        fits = isinstance(row, list) and len(row) == len(self.features)
        if isinstance(row, list) and fits:
            fits = all(
                isinstance(value, str) if name in self.categorical else is_finite_number(value)
                for name, value in zip(self.features, row, strict=True)
            )
        require(
            fits,
            f"dataset.new_inputs has the row {cut(str(row), LONGEST_SHOWN)}",
            f"each row needs {len(self.features)} finite numbers, one for each of dataset.features, and words for "
            "those in dataset.categorical",
        )
