"""Hydra's multirun without its cost: the same jobs and the same configurations as Hydra's own sweeper and composer."""

from dataclasses import replace

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser import overrides_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from student_score.config import jobs
from student_score.config.compose import composition_problem, register, to_config
from student_score.config.jobs import (
    Composer,
    causes,
    check_count,
    completed,
    expand,
    failed,
    logspace,
    parsed,
    register_functions,
    texts,
)
from student_score.config.schema import Config
from student_score.errors import InputError
from student_score.paths import REPOSITORY


@pytest.fixture(scope="module", name="hydra")
def hydra_():
    """Return Hydra's loader and the composed configuration of a command without overrides."""
    register()
    register_functions()
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
    ["training.learning_rate=logspace(1e-5,1,41)", "training.epochs=int(logspace(10,1000,3))"],
    ["dataset=csv", "dataset.path=a.csv,b.csv", "training.seed=1,2"],
    ["dataset.features=[hours_slept]", "dataset.new_inputs=[]", "training.seed=1,2"],
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


COUNTED = [
    ("training.epochs=1,2,3", 3),
    ("training.epochs=7", 1),
    ("training.epochs=choice(1,2)", 2),
    ("training.epochs=shuffle(1,2,3,4)", 4),
    ("training.epochs=sort(range(1,8))", 7),
    ("training.epochs=range(1,8,2)", 4),
    ("training.epochs=range(8,1,-2)", 4),
    ("training.epochs=range(5,5)", 0),
    ("training.epochs=range(5,1)", 0),
    ("training.learning_rate=range(0.1,0.5,0.1)", 4),
    ("training.learning_rate=range(0.5,2)", 2),
    ("training.learning_rate=float(range(1,4))", 3),
    ("training.epochs=int(range(1.5,4.5))", 3),
    ("training.epochs=int(logspace(10,1000,5))", 5),
    ("training.learning_rate=logspace(1e-5,1,41)", 41),
    ("network=glob(*)", 3),
    ("network=glob(none_such*)", 0),
]


@pytest.mark.parametrize(("argument", "number"), COUNTED, ids=[argument for argument, _ in COUNTED])
def test_values_are_counted_without_being_listed(hydra, argument, number):
    """As many are counted as a list would have."""
    loader, _ = hydra
    [override] = OverridesParser.create(config_loader=loader).parse_overrides([argument])
    assert jobs.count(override) == number
    if number:
        assert len(expand([argument], loader)) == number


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["training.epochs=range(0,1e12)"], "training.epochs (1000000000000): 1000000000000 jobs"),
        (["training.epochs=range(1,1000000000000000)"], "999999999999999 jobs"),
        (["training.learning_rate=range(0,1e300,1e-300)"], "training.learning_rate ("),
        (["training.epochs=shuffle(range(0,1e12))"], "1000000000000 jobs"),
        (["training.epochs=int(range(1.0,1e12))"], "999999999999 jobs"),
        (
            ["training.epochs=range(0,1000)", "network.seed=range(0,101)", "network=he"],
            "training.epochs (1000) times network.seed (101): 101000 jobs are more than sweep.most_jobs=100000",
        ),
    ],
)
def test_too_many_jobs_are_refused_before_they_are_listed(hydra, arguments, asked):
    """The sentence has their number and the key that limits it; a million million would not fit into memory."""
    loader, base = hydra
    with pytest.raises(InputError) as caught:
        check_count(arguments, loader, base)
    assert asked in str(caught.value)
    assert "are more than sweep.most_jobs=100000; ask for fewer, or raise that limit" in str(caught.value)


def test_a_key_that_is_given_twice_counts_once(hydra):
    """Its last value holds, as in the jobs."""
    check_count(["training.epochs=range(0,1e12)", "training.epochs=1,2"], *hydra)


RATES = (
    "1e-05,1.334e-05,1.778e-05,2.371e-05,3.162e-05,4.217e-05,5.623e-05,7.499e-05,"
    "0.0001,0.0001334,0.0001778,0.0002371,0.0003162,0.0004217,0.0005623,0.0007499,"
    "0.001,0.001334,0.001778,0.002371,0.003162,0.004217,0.005623,0.007499,"
    "0.01,0.01334,0.01778,0.02371,0.03162,0.04217,0.05623,0.07499,"
    "0.1,0.1334,0.1778,0.2371,0.3162,0.4217,0.5623,0.7499,1.0"
)
"""Under these rates sweeps stand in stores."""


def test_the_rates_of_recorded_sweeps_are_a_logspace(hydra):
    """logspace(1e-5,1,41), of the command line and of conf/experiment/rates.yaml, gives the list that stood there."""
    loader, _ = hydra
    written = OmegaConf.load(REPOSITORY / "conf/experiment/rates.yaml").hydra.sweeper.params["training.learning_rate"]
    assert written == "logspace(1e-5,1,41)"
    jobs = expand([f"training.learning_rate={written}"], loader)
    assert texts([job[0] for job in jobs]) == [f"training.learning_rate={rate}" for rate in RATES.split(",")]
    assert all(job[0].plain for job in jobs)


@pytest.mark.parametrize(
    ("ends", "values"),
    [
        ((1, 1000, 4), [1.0, 10.0, 100.0, 1000.0]),
        ((1, 0.01, 3), [1.0, 0.1, 0.01]),
        ((0.123456, 7.654321, 3), [0.123456, 0.9721, 7.654321]),
        ((1, 1.001, 5), [1.0, 1.0002, 1.0005, 1.0007, 1.001]),
        ((1.00004, 1.0002, 3), [1.00004, 1.0001, 1.0002]),
        ((1e-308, 1e308, 3), [1e-308, 1.0, 1e308]),
        ((1, 2, 2), [1.0, 2.0]),
    ],
)
def test_a_logspace_has_its_ends_and_short_values_that_differ(ends, values):
    """Values go from the first to the last, up or down, with four digits or as few more as keep them apart."""
    assert logspace(*ends).list == values


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("logspace(1e-5,1,1)", "the count 1 must be a whole number within 2..100000"),
        ("logspace(1e-5,1,2.0)", "the count 2.0 must be a whole number"),
        ("logspace(1e-5,1,many)", "the count many must be a whole number"),
        ("logspace(1e-5,1,1000000)", "the count 1000000 must be a whole number"),
        ("logspace(0,1,3)", "0 must be a positive, finite number"),
        ("logspace(-1,1,3)", "-1 must be a positive, finite number"),
        ("logspace(1,inf,3)", "inf must be a positive, finite number"),
        ("logspace(nan,1,3)", "nan must be a positive, finite number"),
        ("logspace(a,1,3)", "a must be a positive, finite number"),
        ("logspace(true,2,3)", "True must be a positive, finite number"),
        ("logspace(1,1,3)", "there are no 3 different numbers between 1 and 1"),
        ("logspace(1,2)", "missing a required argument: 'count'"),
        ("logspac(1,2,3)", "Unknown function 'logspac'; the functions are bool, choice, float, glob, int, interval, l"),
    ],
)
def test_what_is_no_logspace_is_named(hydra, call, said):
    """The sentence names the key, the call and what is allowed."""
    with pytest.raises(HydraException) as caught:
        expand([f"training.learning_rate={call}"], hydra[0])
    message = composition_problem(caught.value)
    assert said in message
    assert "training.learning_rate" in message
    assert "\n" not in message


def test_a_group_set_to_nothing_is_bad_input(hydra):
    """Hydra would raise a bare ValueError for it, which would look like a fault of the program."""
    loader, base = hydra
    with pytest.raises(InputError, match="network=null: it must be a word; network can be article, he"):
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

    `overrides_parser.create_functions` returns the functions of its grammar, which `OverridesParser.create` calls by
    that name. BasicSweeper, which the tests above compare with, is Hydra's default sweeper. If a new version of Hydra
    fails here, jobs.py is the one module to mend.
    """
    error = ValueError("no luck")
    assert causes([completed(1.5, ["a=1"]), failed(error, ["a=2"])]) == [None, error]
    register_functions()
    register_functions()
    functions = overrides_parser.create_functions()
    assert functions.functions["logspace"] is logspace
    assert "range" in functions.definitions
    assert OverridesParser.create().functions.functions["logspace"] is logspace
    done = JobReturn(status=JobStatus.COMPLETED)
    done.return_value = 2.5
    assert done._return_value == 2.5
