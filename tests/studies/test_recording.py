"""The study of what recording costs: what it times does the work, and its verdicts follow from the times."""

import re
import sqlite3
import subprocess
from contextlib import closing, nullcontext
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pandas as pd
import pytest

from student_score.data.article import ARTICLE_ROWS
from student_score.errors import InputError
from student_score.model.activations import Activation
from student_score.studies.study import load
from student_score.sweeps.sweep import MEMBERSHIP
from student_score.tracking.bulk import BulkWriter
from student_score.tracking.store import Store

STUDY = load("recording")
extent, figure, judge, measure, methods, processes = (
    import_module(f"student_score_experiments.recording.{name}")
    for name in ("extent", "figure", "judge", "measure", "methods", "processes")
)

TINY = extent.Extent(
    rounds=1, warm_up=False, rates=2, activations=(Activation.relu,), hidden_sizes=(2,), client_runs=2, script_runs=3,
    epochs=20, server_runs=0, planned_rates=5,
)  # fmt: skip


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """Return what a run that measures little finds, and each method's folder, which a full run removes."""
    base, made = tmp_path_factory.mktemp("recording"), []

    def kept(dir=base):  # noqa: A002 - the name of TemporaryDirectory's parameter
        made.append(Path(mkdtemp(dir=dir)))
        return nullcontext(str(made[-1]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "TemporaryDirectory", kept)
        table = STUDY.trainings(STUDY.rows, extent=TINY)
    return table, dict(zip(table["method"], made[1:], strict=True))


@pytest.fixture(scope="session")
def small_table(small_run):
    """Return the table alone."""
    return small_run[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "points"),
    [
        (methods.PLAIN, {"avg_loss": 3 * TINY.epochs, "train_mse": 3 * TINY.epochs}),
        (methods.EACH_EPOCH, {"avg_loss": 1 + TINY.epochs}),
    ],
)
def test_the_plain_script_stores_what_it_should(small_run, method, points):
    """Each job is a run with its parameters and its curves, and only what comes after the first is timed."""
    table, folders = small_run
    with closing(sqlite3.connect(folders[method] / "mlflow.db")) as connection:
        count = dict(connection.execute("SELECT key, count(*) FROM metrics GROUP BY key").fetchall())
        params = connection.execute("SELECT DISTINCT key, value FROM params").fetchall()
    assert count == points
    rates = sorted(float(value) for key, value in params if key == "learning_rate")
    assert rates == pytest.approx([1e-5, 1e-4, 1e-3] if method == methods.PLAIN else [1e-4])
    timed = table.set_index("method").loc[method, "runs"]
    assert timed == (2 if method == methods.PLAIN else 1)


def without(values, names):
    """Return what stands under other names."""
    return {name: value for name, value in values.items() if name not in names}


@pytest.mark.slow
def test_the_records_are_those_of_the_sweep(small_run):
    """What the client is given to store is what a sweep stores, but for times, ids and where the store lies."""
    folder = small_run[1][methods.SWEEP]
    store = Store(methods.sqlite(folder), folder.name)
    [parent] = store.search("tags.kind = 'sweep'")
    swept = {child.name: child for child in store.children(parent.run_id)}
    for record in extent.records(TINY, 2):
        child = swept.pop(record.name)
        own = {"sweep_id", "job_hash"}
        places = {"tracking.uri", "tracking.experiment"}
        assert without(child.params, places) == without(record.params, places)
        assert without(record.tags, own).items() <= child.tags.items()
        assert set(child.metrics) == set(record.metrics) | {
            name for name, (_, values) in record.curves.items() if values
        }
    assert not swept


@pytest.mark.slow
@pytest.mark.usefixtures("legible")
def test_a_small_run_measures_every_method(small_table, tmp_path):
    """Every method yields a positive cost per run, units stand in the columns' names, report and figure can be made."""
    assert small_table["method"].tolist() == [
        methods.SWEEP,
        methods.CLIENT,
        methods.PLAIN,
        methods.EACH_EPOCH,
        methods.PLANNING,
    ]
    per_run = small_table["seconds"] / small_table["runs"] * 1e3
    assert small_table["milliseconds_per_run"].tolist() == pytest.approx(per_run.tolist())
    assert (per_run > 0).all()
    assert small_table.set_index("method")["peak_megabytes"][[methods.SWEEP, methods.PLANNING]].between(20, 1000).all()
    assert any(methods.PLAIN in line for line in STUDY.report(small_table))
    STUDY.draw(small_table, tmp_path)
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    assert len(pd.read_csv(tmp_path / "table.csv")) == len(small_table)


@pytest.mark.slow
def test_a_small_run_decides_nothing(small_table):
    """The claims are about full sizes."""
    assert {item.verdict.name for item in STUDY.judge(small_table)} == {"undecided"}


@pytest.mark.slow
def test_a_server_stores_what_the_client_sends_and_ends(tmp_path):
    """The server on loopback takes the records of a sweep, runs left out are noticed, and nothing listens later."""
    (tmp_path / "place").mkdir()
    with processes.serving(tmp_path) as address:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
        row = methods.client(extent.records(TINY, 1), TINY.epochs, tmp_path / "place", uri=address)
        assert row["seconds"] > 0
        methods.require_runs(address, "place", 1)
        with pytest.raises(RuntimeError, match="holds 1 finished runs, not 2"):
            methods.require_runs(address, "place", 2)
    assert not processes.answers(address)


def test_the_client_alone_stores_run_after_run(tmp_path, monkeypatch):
    """MLflow's client, not the bulk writer, is what is measured; runs left out are noticed."""
    monkeypatch.setattr(BulkWriter, "write", None)
    row = methods.client(extent.records(TINY, 1), TINY.epochs, tmp_path)
    assert row["seconds"] > 0
    methods.require_runs(methods.sqlite(tmp_path), tmp_path.name, 1)
    with pytest.raises(RuntimeError, match="holds 1 finished runs, not 2"):
        methods.require_runs(methods.sqlite(tmp_path), tmp_path.name, 2)


def test_the_file_that_commands_read_is_checked():
    """Rows other than those in data/student_scores.csv cannot be recorded as the study's."""
    measure.check_data(STUDY.rows)
    with pytest.raises(InputError, match="other rows"):
        measure.check_data({extent.ROWS: ARTICLE_ROWS.take([0, 1])})


def test_a_sweep_and_a_plan_have_the_sizes_that_are_judged():
    """The full sweep has 1,000 runs, the plan 10,000 jobs, and the sweep through a server 40 of one network."""
    full = extent.Extent()
    assert (full.runs, replace(full, rates=full.planned_rates).runs) == (extent.RUNS, extent.JOBS) == (1000, 10_000)
    assert full.of_one_network().runs == full.server_runs == 40


def test_without_a_server_the_rest_is_measured(tmp_path, monkeypatch):
    """A server that ends at once is no reason to fail."""
    monkeypatch.setattr(processes, "server_command", lambda *_, **__: ["false"])
    assert measure.through_a_server(replace(TINY, server_runs=1), tmp_path) == []


def test_a_command_that_fails_says_why(tmp_path):
    """Its output is part of the error."""
    with pytest.raises(RuntimeError, match="nonsense"):
        processes.student_score(["nonsense=1"], folder=tmp_path, uri=methods.sqlite(tmp_path))


def test_commands_belong_to_no_sweep(monkeypatch, tmp_path):
    """A study that a sweep's job would start does not hand on whose job it is."""
    monkeypatch.setenv(MEMBERSHIP, "{}")
    seen = subprocess.run(["env"], env=processes.environment("sqlite:///x"), capture_output=True, text=True, check=True)
    assert MEMBERSHIP not in seen.stdout
    assert "MLFLOW_TRACKING_URI=sqlite:///x" in seen.stdout


def full_table(**changes):
    """Return a table of full size in which every claim holds narrowly; `changes` replace numbers by name."""
    numbers = {
        "seconds": 24.9, "megabytes": 799.0, "client": 50.0, "plain": 150.0, "each_epoch": 5000.0, "http_one": 5.0,
        "http_run": 0.125, "client_http": 100.0, "plan": 14.9,
    } | changes  # fmt: skip
    sweep_http = numbers["http_one"] + 39 * numbers["http_run"]
    rows = [
        ("sqlite", methods.SWEEP, 1000, numbers["seconds"], numbers["megabytes"]),
        ("sqlite", methods.CLIENT, 50, 50 * numbers["client"] / 1e3, np.nan),
        ("sqlite", methods.PLAIN, 20, 20 * numbers["plain"] / 1e3, np.nan),
        ("sqlite", methods.EACH_EPOCH, 1, numbers["each_epoch"] / 1e3, np.nan),
        ("planning", methods.PLANNING, 10_000, numbers["plan"], 300.0),
        ("server", methods.ONE_HTTP, 1, numbers["http_one"], 300.0),
        ("server", methods.SWEEP_HTTP, 40, sweep_http, 300.0),
        ("server", methods.CLIENT_HTTP, 40, 40 * numbers["client_http"] / 1e3, np.nan),
    ]
    blank = {"epochs": 1000, "cores": 2}
    return pd.DataFrame(
        [
            {"part": part, "method": method, "round": number, **blank, methods.PEAK: peak}
            | methods.cost_row(1000, runs, seconds)
            for number in (1, 2, 3)
            for part, method, runs, seconds, peak in rows
        ]
    )


def verdicts(table):
    """Return claim -> verdict."""
    return {item.claim.name: item.verdict.name for item in STUDY.judge(table)}


def test_every_claim_can_hold():
    """Times just within all targets support all claims, in the order in which they are listed."""
    assert verdicts(full_table()) == {claim.name: "supported" for claim in STUDY.claims}


@pytest.mark.parametrize(
    ("claim", "changes"),
    [
        ("thousand", {"seconds": 25.1}),
        ("thousand", {"megabytes": 801.0}),
        ("half_the_client", {"client": 49.7}),
        ("times_script", {"plain": 149.0}),
        ("times_each_epoch", {"each_epoch": 4979.0}),
        ("server", {"client_http": 99.0}),
        ("server", {"http_one": 6.0}),
        ("plan", {"plan": 15.1}),
    ],
)
def test_every_claim_can_fail(claim, changes):
    """A number just beyond its target refutes the claim."""
    assert verdicts(full_table(**changes))[claim] == "refuted"


@pytest.mark.parametrize(
    ("method", "undecided"),
    [
        (methods.SWEEP, {"thousand", "half_the_client", "times_script", "times_each_epoch"}),
        (methods.CLIENT, {"half_the_client"}),
        (methods.PLAIN, {"times_script"}),
        (methods.EACH_EPOCH, {"times_each_epoch"}),
        (methods.ONE_HTTP, {"server"}),
        (methods.CLIENT_HTTP, {"server"}),
        (methods.PLANNING, {"plan"}),
    ],
)
def test_what_was_not_measured_decides_nothing(method, undecided):
    """Without a method the claims about it are undecided, and report and costs still come out."""
    table = full_table()
    table = table[table["method"] != method]
    assert {claim for claim, verdict in verdicts(table).items() if verdict == "undecided"} == undecided
    assert list(STUDY.report(table))


def test_an_unknown_peak_leaves_the_thousand_undecided():
    """Where memory is unknown, nothing is claimed about it; planning has no limit."""
    found = verdicts(full_table(megabytes=np.nan))
    assert (found["thousand"], found["plan"]) == ("undecided", "supported")


def test_one_slow_round_decides_nothing():
    """The median over the rounds decides, so a disturbed round does not."""
    table = full_table()
    disturbed = (table["round"] == 2) & (table["method"] == methods.SWEEP)
    table.loc[disturbed, ["seconds", methods.COST]] *= 10
    assert set(verdicts(table).values()) == {"supported"}


@pytest.mark.usefixtures("legible")
def test_figure_and_report_of_a_full_table(tmp_path):
    """Units stand in the columns' names, the sweep over HTTP costs what one of 1,000 runs would."""
    table = full_table()
    STUDY.draw(table, tmp_path)
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    assert len(pd.read_csv(tmp_path / "table.csv")) == table["method"].nunique()
    assert figure.costs(table)[methods.SWEEP_HTTP] == pytest.approx([129.875] * 3)
    assert methods.ONE_HTTP not in figure.costs(table)
    assert any(methods.PLAIN in line for line in STUDY.report(table))


def test_the_cost_over_http_is_that_of_a_thousand_runs():
    """5 s for one run and 0.125 s for each further one are 129.875 s for 1,000 runs."""
    assert judge.cost_over_http(full_table()).tolist() == pytest.approx([129.875] * 3)
