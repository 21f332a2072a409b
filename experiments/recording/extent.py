"""How much is measured: the sweep that is timed, as the command's arguments and as records."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from student_score.config.dataset import DatasetConfig
from student_score.config.schema import Config, NetworkConfig, TrainingConfig
from student_score.model.activations import Activation
from student_score.model.network import Initialisation
from student_score.paths import REPOSITORY
from student_score.runs.execution import execute
from student_score.runs.recording import record
from student_score.runs.task import prepare
from student_score.tracking.record import Record

EPOCHS, RUNS, JOBS = 1000, 1000, 10_000
"""Of a run, of the sweep, and of the plan that the claims are about."""

ROWS = "student_scores"
"""The name of the rows that are trained on."""

DATA = REPOSITORY / "data/student_scores.csv"
"""The file with them."""

NEW_INPUTS = [[6, 7], [3, 5], [9, 8]]
"""As in conf/dataset/student_scores.yaml."""

SWEPT = ("training.learning_rate", "network.activation", "network.hidden_size")
"""The keys of the sweep."""


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much is measured; a test measures less, and a table from less decides no claim.

    Attributes:
        rounds: in which the methods are measured.
        warm_up: whether the sweep is run once untimed, which compiles its kernels.
        rates, activations, hidden_sizes: of the sweep, all combined.
        client_runs: records that MLflow's client alone is given.
        script_runs: jobs of the plain script, the first of which is not timed.
        epochs: of a run.
        server_runs: rates of the sweep through a server; 0 if nothing goes through one.
        planned_rates: of the sweep that is only planned.
    """

    rounds: int = 3
    warm_up: bool = True
    rates: int = 50
    activations: Sequence[Activation] = tuple(Activation)
    hidden_sizes: Sequence[int] = (2, 4, 8, 16)
    client_runs: int = 50
    script_runs: int = 21
    epochs: int = EPOCHS
    server_runs: int = 40
    planned_rates: int = 500

    @property
    def runs(self) -> int:
        """The size of the sweep."""
        return self.rates * len(self.activations) * len(self.hidden_sizes)

    def of_one_network(self) -> "Extent":
        """Return the sweep that goes through a server: rates alone."""
        kinds, sizes = self.activations[:1], self.hidden_sizes[:1]
        return replace(self, rates=self.server_runs, activations=kinds, hidden_sizes=sizes)

    def arguments(self) -> list[str]:
        """Return the sweep as the command's arguments."""
        return [
            "-m",
            "network=he",
            f"training.epochs={self.epochs}",
            f"training.learning_rate={','.join(map(str, learning_rates(self.rates)))}",
            f"network.activation={','.join(activation.name for activation in self.activations)}",
            f"network.hidden_size={','.join(map(str, self.hidden_sizes))}",
        ]


def learning_rates(number: int) -> list[float]:
    """Return log-spaced rates from 1e-5 to 1, of six digits; the first alone if one is enough."""
    return [float(f"{rate:.6g}") for rate in np.geomspace(1e-5, 1.0, number)]


def records(extent: Extent, number: int) -> list[Record]:
    """Return some of the sweep's records, evenly chosen: what the sweep itself hands to the store."""
    grid = list(itertools.product(learning_rates(extent.rates), extent.activations, extent.hidden_sizes))
    chosen = np.linspace(0, len(grid) - 1, number).round().astype(int)
    configs = [
        Config(
            dataset=DatasetConfig(path=str(DATA), new_inputs=NEW_INPUTS),
            network=NetworkConfig(initialisation=Initialisation.he, hidden_size=size, activation=activation),
            training=TrainingConfig(learning_rate=rate, epochs=extent.epochs),
        )
        for rate, activation, size in (grid[place] for place in chosen)
    ]
    return [record(execute(prepare(config)), swept=SWEPT, tags={"sweep_id": "0" * 64}) for config in configs]
