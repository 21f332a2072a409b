"""Hydra's multirun without its cost: the same jobs and the same configurations as Hydra's own sweeper and composer."""

from dataclasses import replace

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from student_score.config import jobs
from student_score.config.compose import register, to_config
from student_score.config.jobs import Composer, causes, completed, expand, failed, parsed, texts
from student_score.config.schema import Config
from student_score.errors import InputError
from student_score.paths import REPOSITORY


@pytest.fixture(scope="module", name="hydra")
def hydra_():
    """Return Hydra's loader and the composed configuration of a command without overrides."""
    register()
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base="1.3"):
        base = compose("config", return_hydra_config=True)
        yield GlobalHydra.instance().config_loader(), base


SWEEPS = [
    ["training.learning_rate=0.1,0.01"],
    ["training.learning_rate=1e-3,5,.5", "network.activation=relu,tanh", "training.epochs=10"],
    ["training.epochs=range(1,5)", "training.learning_rate=range(0.1,0.5,step=0.1)"],
    ["network.activation=choice(relu,tanh)", "network.seed=choice(1,2)"],
    ["network=article,he", "network.seed=1,2"],
    ["network=glob(*)", "training.seed=3"],
    ["training=glob(*,exclude=full*)"],
    ["training.row_order=null,[0,1,2],[2,1,0]"],
    ["dataset.name='a b','c,d'", "network=he"],
    ["experiment=rates,article", "training.epochs=5,6"],
    ["training.learning_rate=0.1,0.2", "training.learning_rate=0.3,0.4"],
    ["training.epochs=sort(3,1,2)"],
    ["training.learning_rate=float(range(1,3))"],
    ["++training.epochs=1,2", "print_every=10"],
    ["training={learning_rate:0.1,epochs:3}", "training.seed=1,2"],
    ["training.seed=1,2", "training={seed:7}"],
    ["network.seed='${training.seed}'", "training.seed=1,2"],
    ["tracking.experiment=null_and_void", "dataset.test_fraction=0"],
]


@pytest.mark.parametrize("arguments", SWEEPS, ids=" ".join)
def test_jobs_are_those_of_hydras_sweeper(hydra, arguments):
    """The same overrides in the same order, for every way of writing a sweep that Hydra documents."""
    loader, _ = hydra
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(arguments)
    [jobs] = BasicSweeper.split_arguments(overrides, max_batch_size=None)
    assert [texts(job) for job in expand(arguments, loader)] == jobs


@pytest.mark.slow
@pytest.mark.parametrize("arguments", SWEEPS, ids=" ".join)
def test_configurations_are_those_that_hydra_composes(hydra, arguments):
    """Every job's configuration equals that of a composition of its own."""
    loader, base = hydra
    composer = Composer(loader, base)
    for job in expand(arguments, loader):
        assert composer(job) == to_config(loader.load_sweep_config(base, texts(job)))


def test_plain_values_cost_no_composition(hydra, monkeypatch):
    """A hundred jobs that differ in plain values and one group take a composition for each of its options."""
    loader, base = hydra
    composer = Composer(loader, base)
    composed = []
    original = composer.compose
    monkeypatch.setattr(composer, "compose", lambda overrides: composed.append(overrides) or original(overrides))
    jobs = expand(["training.epochs=range(1,51)", "network=article,he"], loader)
    assert len({composer(job).training.epochs for job in jobs}) == 50
    assert composed == [("network=article",), ("network=he",)]


BAD = [
    "training.epochs=many",
    "training.epochs=0",
    "training.learning_rate=nan",
    "training.learning_rate=null",
    "network.activation=swish",
    "training.row_order=[a]",
    "training.rate=1",
    "+momentum=1",
    "network=huge",
    "training.epochs=${nothing}",
]


@pytest.mark.parametrize("override", BAD)
def test_a_bad_job_raises_what_hydra_raises(hydra, override):
    """The short way says nothing else about a bad value than a composition does."""
    loader, base = hydra
    problems = []
    for config in (Composer(loader, base), lambda job: to_config(loader.load_sweep_config(base, texts(job)))):
        with pytest.raises((InputError, HydraException, OmegaConfBaseException)) as caught:
            config(parsed([override], loader))
        problems.append((caught.type, str(caught.value)))
    assert problems[0] == problems[1]


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        (
            "training.learning_rate=interval(0.1,1)",
            "an interval has no list of values; use a list, range() or choice()",
        ),
        ("training.epochs=range(5,5)", "the sweep is empty, no value is left"),
        ("network=glob(none_such*)", "the sweep is empty, no value is left"),
    ],
)
def test_what_is_no_list_of_values_is_refused(hydra, argument, said):
    """The message repeats the argument and says why nothing runs."""
    with pytest.raises(InputError) as caught:
        expand([argument], hydra[0])
    assert str(caught.value).startswith(f"{argument}: {said}")


def test_a_group_set_to_nothing_is_bad_input(hydra):
    """Hydra raises a bare ValueError for it, which would look like a fault of the program."""
    loader, base = hydra
    with pytest.raises(InputError, match="network=null: Config group override must be a string"):
        Composer(loader, base)(parsed(["network=null"], loader))


def test_checks_hold_for_replaced_values():
    """`filled` builds dataclasses anew, so that their ranges are checked, and leaves the template alone."""
    template = Config()
    assert jobs.filled(template, {"training.epochs": 7}) == replace(
        template, training=replace(template.training, epochs=7)
    )
    assert template.training.epochs == 1000
    with pytest.raises(InputError, match=r"training\.epochs=0"):
        jobs.filled(template, {"training.epochs": 0})


def test_the_private_names_of_hydra_are_there():
    """`JobReturn._return_value` holds what a job raised; the public name raises it and prints a line.

    BasicSweeper, which the tests above compare with, is Hydra's default sweeper. If a new version of Hydra fails
    here, jobs.py is the one module to mend.
    """
    error = ValueError("no luck")
    assert causes([completed(1.5, ["a=1"]), failed(error, ["a=2"])]) == [None, error]
    done = JobReturn(status=JobStatus.COMPLETED)
    done.return_value = 2.5
    assert done._return_value == 2.5
