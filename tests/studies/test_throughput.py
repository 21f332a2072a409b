"""The benchmark: what it compares computes the same, and its verdicts follow from the times."""

import importlib.util
import shutil
from functools import partial
from importlib import import_module

import numpy as np
import pandas as pd
import pytest

from student_score.model.activations import Activation
from student_score.studies.study import load

STUDY = load("throughput")
figure, judge, measure, methods, problems, processes, rivals, subjects = (
    import_module(f"student_score_experiments.throughput.{name}")
    for name in ("figure", "judge", "measure", "methods", "problems", "processes", "rivals", "subjects")
)
ARTICLE = problems.article_problem(STUDY.rows)

general = partial(methods.engine, special=False)
"""The engine without compiling a kernel for the size: the bits are the same, and what little is trained here ends
sooner."""

EPOCHS = 40
RATES = np.array([1e-5, 1e-4, 2e-3, 1e-2])
"""A slow one, the article's two, and one inside the unstable band."""


def simulated(n, hidden_size):
    """Return a problem of simulated rows."""
    return problems.simulated_problem({problems.simulated_name(n): problems.simulated(n)}, n, hidden_size)


def reference(rate, problem=ARTICLE):
    """Return what the reference trainer ends with."""
    return methods.reference(problem, epochs=EPOCHS, learning_rate=rate)()


@pytest.mark.parametrize(
    "make",
    [rivals.numpy_batched, rivals.numpy_in_place, general, pytest.param(methods.engine, marks=pytest.mark.slow)],
    ids=["plain", "in place", "engine", "engine, special kernel"],
)
@pytest.mark.parametrize("problem", [ARTICLE, simulated(7, 5)], ids=["article", "five units"])
def test_batched_methods_equal_the_reference(make, problem):
    """Both batched NumPy forms and the engine end in the reference's parameters, in every bit."""
    ends = make(problem, epochs=EPOCHS, learning_rates=RATES)()
    assert np.array_equal(ends, [reference(rate, problem) for rate in RATES])


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler")
def test_the_c_loop_equals_the_reference_and_the_engine():
    """The yardstick computes the same, in every bit, in blocks that are full or not."""
    learning_rates = np.geomspace(1e-5, 1e-2, 70)
    ends = rivals.c_loop(ARTICLE, epochs=EPOCHS, learning_rates=learning_rates)()
    assert np.array_equal(ends, general(ARTICLE, epochs=EPOCHS, learning_rates=learning_rates)())
    assert np.array_equal(ends[-1], reference(learning_rates[-1]))


@pytest.mark.parametrize("make", [rivals.numpy_loop, rivals.sklearn_training])
def test_single_methods_equal_the_reference_but_for_rounding(make):
    """The NumPy loop and MLPRegressor agree to 1e-12: their matrix products may round otherwise. Twice, to be sure."""
    train = make(ARTICLE, epochs=EPOCHS, learning_rate=1e-4)
    for _ in range(2):  # MLPRegressor keeps its weights between calls unless they are overwritten.
        assert train() == pytest.approx(reference(1e-4), rel=1e-12)


@pytest.mark.skipif(not importlib.util.find_spec("torch"), reason="PyTorch is not installed")
def test_torch_equals_the_reference_but_for_rounding():
    """PyTorch's automatic gradients are the article's."""
    train = rivals.torch_training(ARTICLE, epochs=EPOCHS, learning_rate=1e-4)
    assert train() == pytest.approx(reference(1e-4), rel=1e-12)


@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="JAX is not installed")
def test_jax_equals_the_reference_but_for_rounding():
    """JAX's gradients of the half loss are the article's, for every network of a batch."""
    ends = rivals.jax_training(ARTICLE, epochs=EPOCHS, learning_rates=RATES[:2])()
    assert ends == pytest.approx(np.array([reference(rate) for rate in RATES[:2]]), rel=1e-11)


def test_no_training_of_the_sweeps_stops_early():
    """At the rates that are timed, all networks stay finite on every kind of rows: one that diverged costs less."""
    for problem in (*map(simulated, (3, 30, 300, 3, 3), (2, 2, 2, 16, 64)), ARTICLE):
        ends = general(problem, epochs=200, learning_rates=problems.rates(16))()
        assert np.isfinite(ends).all()


def test_subjects_take_turns():
    """Each round times every subject once, every other round in reverse, after a call that warms up."""
    calls = []
    subjects = [
        measure.Subject(
            part="p", method=name, train=lambda name=name: calls.append(name), problem=ARTICLE,
            networks=5, epochs=100,
        )
        for name in "ab"
    ]  # fmt: skip
    table = measure.measure(subjects, rounds=2, least_seconds=0)
    assert calls == [*"ab", *"ab", *"ab", *"ba"]  # warm up, find how many calls to make, first and second round
    assert [(row["round"], row["method"]) for row in table] == [(1, "a"), (1, "b"), (2, "b"), (2, "a")]
    # 2 s for 4 calls of 5 networks of 100 epochs are 100 ms a network of 100 epochs, 1 s one of 1000.
    assert subjects[0].row(1, 4, 2.0)[measure.COST] == pytest.approx(1e6)
    assert subjects[0].row(1, 4, 2.0)["scaled"]


PARTS = ["methods", "networks", "rows", "hidden_size", "epochs", "activation", "large", "million"]

SMALL = problems.Extent(
    rounds=2, sweep_rounds=2, slow_rounds=1, least_seconds=0, epochs=20, networks=100, sweep_networks=16,
    network_counts=(1, 20), row_counts=(3, 10), hidden_sizes=(2,), epoch_counts=(10, 20),
    activations=(Activation.relu,), large_rows=50, million=1000, first_calls=(),
)  # fmt: skip


@pytest.fixture(scope="session")
def small_table():
    """Return what a run that measures little finds, the first calls aside, with the general kernel."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (measure, subjects):
            patch.setattr(module, "engine", lambda *args, **kwargs: general(*args, **kwargs | {"special": False}))
        return STUDY.trainings(SMALL.rows(), extent=SMALL)


@pytest.mark.usefixtures("legible")
def test_a_small_run_measures_every_part(small_table, tmp_path):
    """Every part yields positive times, what was scaled says so, and report and figure can be made of it."""
    assert small_table["part"].unique().tolist() == PARTS
    assert (small_table["seconds"] > 0).all()
    assert small_table[small_table["method"] == methods.SKLEARN]["scaled"].all()
    assert small_table[small_table["part"] == "million"]["peak_megabytes"].between(50, 400).all()
    lines = list(STUDY.report(small_table))
    assert any(methods.NUMPY_LOOP in line for line in lines)
    STUDY.draw(small_table, tmp_path)
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    assert len(pd.read_csv(tmp_path / "table.csv")) == len(figure.summary(small_table))


@pytest.mark.slow
def test_a_cached_first_call_is_faster():
    """A process that finds the kernel in the cache does not compile it again; of this alone a small run decides."""
    extent = problems.Extent(slow_rounds=1, first_calls=((Activation.relu, 2),))
    table = pd.DataFrame(processes.first_calls(STUDY.rows, extent))
    assert set(table["part"]) == {"first_call"}
    seconds = table.set_index("method")["seconds"]
    assert (seconds > 0).all()
    assert seconds[methods.CACHED] < min(seconds[methods.FIRST], seconds[methods.GENERAL_FIRST])
    assert verdicts(table)["first_call"] in {"supported", "refuted"}
    assert len([line for line in STUDY.report(pd.concat([full_table(), table])) if methods.FIRST in line]) == 2


@pytest.mark.slow
def test_the_engines_special_kernels_are_measured():
    """A small run with the kernels that a full one compiles."""
    table = STUDY.trainings(SMALL.rows(), extent=SMALL)
    assert table["part"].unique().tolist() == PARTS


def test_a_small_run_decides_nothing(small_table):
    """The claims are about full sizes."""
    assert set(verdicts(small_table).values()) == {"undecided"}


def test_rows_that_are_trained_on_are_those_that_are_recorded():
    """The study names all rows of a full run, the simulated ones too, and a run takes them from there."""
    assert list(STUDY.rows) == ["student_scores", *(f"simulated_{n}" for n in (3, 10, 30, 100, 300, 1000, 10_000))]
    rows, used = SMALL.rows(), set()
    for timed, _ in subjects.timed_subjects(rows, SMALL):
        used |= {id(subject.problem.rows) for subject in timed}
    assert used == {id(each) for each in rows.values()}
    with pytest.raises(KeyError, match="simulated_3"):
        subjects.hidden_size_sweep({"student_scores": rows["student_scores"]}, SMALL)


def full_table(**changes):
    """Return a table of full size in which every claim holds narrowly; `changes` replace times by name."""
    numbers = {
        "engine": 8.0, "reference": 3201.0, "numpy": 65.0, "in_place": 64.1, "sklearn": 240_001.0, "two_threads": 4.4,
        "seconds": 5.9, "megabytes": 599.0, "growth": 1.0, "smooth": 40.0, "large": 49.0, "first": 3.9, "cached": 0.39,
        "c": 6.0,
    } | changes  # fmt: skip
    blank = {"rows": 3, "hidden_size": 2, "activation": "relu", "epochs": 1000, "threads": 1, "networks": 1}
    rows = []

    def add(part, method, cost, **others):
        rows.append(blank | {"part": part, "method": method, measure.COST: cost, "seconds": 1.0} | others)

    add("methods", methods.REFERENCE, numbers["reference"])
    add("methods", methods.NUMPY_BATCHED, numbers["numpy"])
    add("methods", methods.NUMPY_IN_PLACE, numbers["in_place"])
    add("methods", methods.SKLEARN, numbers["sklearn"])
    add("methods", methods.ENGINE, numbers["engine"], networks=10_000)
    add("methods", methods.C_LOOP, numbers["c"], networks=10_000)
    add("methods", methods.ENGINE_ALL, numbers["two_threads"], networks=10_000, threads=2)
    full = problems.Extent()
    sizes = {
        "networks": full.network_counts,
        "rows": full.row_counts,
        "hidden_size": full.hidden_sizes,
        "epochs": full.epoch_counts,
    }
    for part, values in sizes.items():
        expected = judge.expected_growth(part, np.array(values, dtype=float))
        for step, (value, cost) in enumerate(zip(values, expected, strict=True)):
            add(part, methods.ENGINE, cost * numbers["growth"] ** step, **{part: value})
    for activation in ("sigmoid", "tanh"):
        add("activation", methods.REFERENCE, 4000.0, activation=activation)
        add("activation", methods.ENGINE, numbers["smooth"], activation=activation)
    add("large", methods.SKLEARN, 2500.0, rows=10_000, hidden_size=16, epochs=1)
    add("large", methods.ENGINE, numbers["large"], rows=10_000, hidden_size=16, epochs=100)
    million = {"networks": 1_000_000, "threads": 2, "peak_megabytes": numbers["megabytes"]}
    add("million", methods.TRAIN_MANY, 1.0, **(million | {"seconds": numbers["seconds"]}))
    add("first_call", methods.FIRST, np.nan, seconds=numbers["first"])
    add("first_call", methods.CACHED, np.nan, seconds=numbers["cached"])
    return pd.DataFrame([row | {"round": number} for number in (1, 2, 3) for row in rows])


def verdicts(table):
    """Return claim -> verdict."""
    return {item.claim.name: item.verdict.name for item in STUDY.judge(table)}


def test_every_claim_can_hold():
    """Times just within all targets support all claims."""
    assert set(verdicts(full_table()).values()) == {"supported"}
    assert list(verdicts(full_table())) == [claim.name for claim in STUDY.claims]


@pytest.mark.parametrize(
    ("claim", "changes"),
    [
        ("times_reference", {"reference": 3199.0}),
        ("times_numpy", {"in_place": 63.9}),
        ("times_numpy", {"numpy": 63.9}),
        ("times_sklearn", {"sklearn": 239_999.0}),
        ("c_cost", {"c": 5.999}),
        ("two_threads", {"two_threads": 4.5}),
        ("million", {"seconds": 6.1}),
        ("million", {"megabytes": 601.0}),
        ("linear", {"growth": 1.26}),
        ("smooth", {"smooth": 40.1}),
        ("large", {"large": 50.1}),
        ("first_call", {"first": 4.1}),
        ("first_call", {"cached": 0.41}),
    ],
)
def test_every_claim_can_fail(claim, changes):
    """A time just beyond its target refutes the claim."""
    assert verdicts(full_table(**changes))[claim] == "refuted"


def test_one_slow_round_decides_nothing():
    """The median over the rounds decides, so a disturbed round does not."""
    table = full_table()
    disturbed = (table["round"] == 2) & (table["method"] == methods.ENGINE)
    table.loc[disturbed, measure.COST] *= 10
    assert set(verdicts(table).values()) == {"supported"}


def test_an_unknown_peak_leaves_the_million_undecided():
    """Where the system does not tell a process its peak memory, nothing is claimed about it."""
    assert verdicts(full_table(megabytes=np.nan))["million"] == "undecided"


def test_without_a_c_compiler_its_loop_is_no_yardstick():
    """Where the C loop was not measured, the engine is not compared with it."""
    table = full_table()
    assert verdicts(table[table["method"] != methods.C_LOOP])["c_cost"] == "undecided"


def test_other_numbers_of_threads_leave_the_second_thread_undecided():
    """What four threads take says nothing about two."""
    table = full_table()
    table.loc[table["method"] == methods.ENGINE_ALL, "threads"] = 4
    assert verdicts(table)["two_threads"] == "undecided"


def test_networks_left_out_are_noticed(monkeypatch):
    """A batch in which one network in a hundred keeps its start is refused."""
    monkeypatch.setattr(measure, "engine", general)
    rates = problems.rates(200)
    train = general(ARTICLE, epochs=20, learning_rates=rates)
    subject = measure.Subject(part="p", method="m", train=train, problem=ARTICLE, networks=200, epochs=20)
    measure.check(subject, train())
    ends = train()
    ends[-2:] = ARTICLE.start.flat()
    with pytest.raises(RuntimeError, match="m: its 200 networks are not all trained"):
        measure.check(subject, ends)
