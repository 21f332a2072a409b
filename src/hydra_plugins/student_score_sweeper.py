"""Hydra's doors to the sweeps: the sweeper and the launcher that `student-score -m` uses."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

LONGEST = 200
"""Characters of the arguments that are said again."""


@dataclass
class StudentScoreSweeperConfig:
    """`params` holds what an experiment sweeps, written as on the command line."""

    _target_: str = "hydra_plugins.student_score_sweeper.StudentScoreSweeper"
    params: dict[str, str] = field(default_factory=dict)


@dataclass
class StudentScoreLauncherConfig:
    """It has no settings."""

    _target_: str = "hydra_plugins.student_score_sweeper.StudentScoreLauncher"


for group, node in (("hydra/sweeper", StudentScoreSweeperConfig), ("hydra/launcher", StudentScoreLauncherConfig)):
    ConfigStore.instance().store(group=group, name="student_score", node=node, provider="student_score")


class StudentScoreLauncher(Launcher):
    """Trains jobs that agree together, in this process.

    Under the sweeper below it only marks that choice. Another sweeper, one that optimises say, launches its jobs
    through it and gets back what each of them reached.
    """

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:  # noqa: ARG002 - Hydra's signature
        """Take what Hydra hands over."""
        self.loader, self.base = hydra_context.config_loader, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:  # noqa: ARG002 - Hydra's signature
        """Run jobs given as overrides."""
        from student_score.commands.sweep import launch_jobs

        return launch_jobs(job_overrides, self.loader, self.base)


class StudentScoreSweeper(Sweeper):
    """Expands the grid as Hydra documents, checks every job, then runs what is left of them under one parent run."""

    def __init__(self, params: dict[str, str]) -> None:
        super().__init__()
        self.params = params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands over and make the launcher that the configuration names."""
        self.loader, self.base, self.launched = hydra_context.config_loader, config, 0
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run all jobs."""
        from student_score.commands.terminal import announce

        written = [f"{key}={value}" for key, value in self.params.items()] + arguments
        asked = " ".join(written) or "the sweep"
        announce(f"Checking the jobs of {asked if len(asked) <= LONGEST else asked[:LONGEST] + '...'}")
        from student_score.commands.sweep import sweep_arguments
        from student_score.config.jobs import check_count

        check_count(written, self.loader, self.base)
        together = isinstance(self.launcher, StudentScoreLauncher)
        sweep_arguments(written, self.loader, self.base, launch=None if together else self.launch)

    def launch(self, jobs: Sequence[Sequence[str]]) -> Sequence[JobReturn]:
        """Hand jobs to a launcher of Hydra's."""
        first, self.launched = self.launched, self.launched + len(jobs)
        return self.launcher.launch(jobs, initial_job_idx=first)
