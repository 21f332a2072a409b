"""What a sweep will do: every job composed, checked and identified before the first one starts."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from student_score.config.compose import composition_problem
from student_score.config.dataset import DatasetConfig
from student_score.config.identity import flattened, plain
from student_score.config.jobs import Job, texts
from student_score.config.schema import Config
from student_score.errors import InputError
from student_score.runs.task import Known, Task, prepare

LISTED_PROBLEMS = 20
"""Problems that one message names; of the others it says how many they are."""

UNSWEPT = (
    "tracking.uri",
    "tracking.experiment",
    "tracking.log_model",
    "study",
    "sweep.fresh",
    "sweep.dry_run",
    "sweep.fail_fast",
    "sweep.most_jobs",
)
"""Keys that hold for a sweep as a whole."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One run of a sweep: the job that asks for it and the checked task."""

    job: Job
    task: Task

    @property
    def job_hash(self) -> str:
        """The hash by which the sweep knows the run again."""
        return self.task.description.job_hash


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The runs of a sweep, each once; `repeated` jobs asked for one that was there already."""

    members: Sequence[Member]
    swept: tuple[str, ...]
    repeated: int

    @property
    def config(self) -> Config:
        """What all runs have in common: store, experiment, study and the sweep's conduct."""
        return self.members[0].task.config

    @cached_property
    def sweep_id(self) -> str:
        """The hash by which the sweep is known again."""
        return hashlib.sha256("\n".join(sorted(member.job_hash for member in self.members)).encode()).hexdigest()

    @property
    def name(self) -> str:
        """The name of the parent run."""
        what = ", ".join(key.rsplit(".", 1)[-1] for key in self.swept) or "one job"
        runs = f"{len(self.members)} run{'s'[: len(self.members) != 1]}"
        where = "" if self.data == DatasetConfig().name else f" on {self.data}"  # The tutorial's goes without saying.
        return f"sweep of {what}{where} ({runs})"

    @property
    def data(self) -> str:
        """What the rows are called, or how many sets of them there are."""
        names = list(dict.fromkeys(data_name(member.task.config.dataset) for member in self.members))
        return names[0] if len(names) == 1 else f"{len(names)} data sets"


LONGEST_NAME = 60
"""Characters of a data set's name that are shown."""


def data_name(dataset: DatasetConfig) -> str:
    """Return what a data set is called: its name, or that of its file where nobody named it."""
    stem = Path(dataset.path).stem
    name = stem if dataset.name in ("csv", DatasetConfig().name) else dataset.name
    return "".join(letter if letter.isprintable() else " " for letter in name)[:LONGEST_NAME]


def make_plan(jobs: Sequence[Job], compose: Callable[[Job], Config]) -> Plan:
    """Compose and check every job.

    Raises:
        InputError: naming every job that cannot run, by its overrides, and why; or what no sweep can vary.
    """
    members: list[Member] = []
    problems: list[tuple[Job, str]] = []
    known = Known.nothing()
    for job in jobs:
        try:
            members.append(Member(job=job, task=prepare(compose(job), known)))
        except InputError as error:
            problems.append((job, str(error)))
        except (HydraException, OmegaConfBaseException) as error:
            problems.append((job, composition_problem(error)))
    if len(problems) == len(jobs) and len({problem for _, problem in problems}) == 1:  # What is wrong is no job's own.
        raise InputError(problems[0][1])
    if problems:
        raise InputError(f"{len(problems)} of {len(jobs)} jobs cannot run, so none was started. {described(problems)}")
    swept = swept_keys([member.task.config for member in members], written=[choice.key for choice in jobs[0]])
    different: dict[str, Member] = {}
    for member in members:
        different.setdefault(member.job_hash, member)
    return Plan(members=list(different.values()), swept=tuple(swept), repeated=len(jobs) - len(different))


def described(problems: Sequence[tuple[Job, str]]) -> str:
    """Return what is wrong with which jobs; what many have in common is said once, with the first of them."""
    same: dict[str, list[Job]] = {}
    for job, problem in problems:
        same.setdefault(problem, []).append(job)
    listed = [
        f"{' '.join(texts(jobs[0]))}{f' and {len(jobs) - 1} more' if len(jobs) > 1 else ''}: {problem}"
        for problem, jobs in list(same.items())[:LISTED_PROBLEMS]
    ]
    if len(same) > LISTED_PROBLEMS:
        listed.append(f"and {len(same) - LISTED_PROBLEMS} more problems")
    return " | ".join(listed)


def swept_keys(configs: Sequence[Config], *, written: Sequence[str]) -> list[str]:
    """Return the configuration keys in which the jobs differ, in the order of the keys or groups `written`.

    Raises:
        InputError: one of them holds for the sweep as a whole.
    """
    flat = [flattened(plain(config)) for config in configs]
    differing = [key for key in flat[0] if any(other[key] != flat[0][key] for other in flat[1:])]
    if whole := [key for key in differing if key in UNSWEPT]:
        raise InputError(f"{' and '.join(whole)}: a sweep has one store, one experiment, one study and one conduct")
    places = {name: place for place, name in enumerate(written)}
    return sorted(differing, key=lambda key: places.get(key, places.get(key.split(".", 1)[0], len(places))))
