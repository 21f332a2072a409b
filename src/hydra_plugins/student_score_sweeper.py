"""Hydra's door to `student_score.app.run_sweep`: the sweeper that `student-score -m` uses."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class StudentScoreSweeperConfig:
    """`params` holds what an experiment sweeps, written as on the command line."""

    _target_: str = "hydra_plugins.student_score_sweeper.StudentScoreSweeper"
    params: dict[str, str] = field(default_factory=dict)


ConfigStore.instance().store(
    group="hydra/sweeper", name="student_score", node=StudentScoreSweeperConfig, provider="student_score"
)


class StudentScoreSweeper(Sweeper):
    """Expands the grid as Hydra documents, checks every job, then launches all of them under one parent run."""

    def __init__(self, params: dict[str, str]) -> None:
        super().__init__()
        self.params = params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over and make the launcher that the configuration names."""
        self.loader, self.base = hydra_context.config_loader, config
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Run all jobs; returns Hydra's job returns."""
        from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

        from student_score.app import run_sweep

        written = [f"{key}={value}" for key, value in self.params.items()] + arguments
        overrides = OverridesParser.create(config_loader=self.loader).parse_overrides(written)
        [jobs] = BasicSweeper.split_arguments(overrides, max_batch_size=None)
        return run_sweep(
            jobs,
            compose=lambda job: self.loader.load_sweep_config(self.base, list(job)),
            launch=lambda: self.launcher.launch(jobs, initial_job_idx=0),
        )
