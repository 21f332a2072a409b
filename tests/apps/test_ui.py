"""The MLflow UI of a sweep, in a real browser, and `student-score-ui`, which serves it."""

import json
import math
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from student_score.commands.terminal import guarded
from student_score.commands.ui import ui
from student_score.tracking.record import RecordedRun
from student_score.tracking.store import Store
from student_score.tracking.views import LOSS_LIMITS, loss_limits

BIN = Path(sys.executable).parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
RATES = (1e-05, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 3.0)
SWEEP = [f"training.learning_rate={','.join(map(str, RATES))}", "network.activation=relu,tanh", "network.seed=0,1,2"]
RUNS = len(RATES) * 2 * 3

PATIENCE = 60_000
"""Milliseconds to wait for what the UI draws."""

ASSISTANT = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"
"""Keeps a panel closed that otherwise covers a part of the page."""

TRACES = """plot => ({
    traces: plot.data.map(trace => ({name: trace.name, x: Array.from(trace.x), y: Array.from(trace.y)})),
    axes: [plot.layout.xaxis.type, plot.layout.yaxis.type],
    range: plot.layout.yaxis.range,
})"""

HEADINGS = """cells => cells
    .sort((one, other) => one.getAttribute('aria-colindex') - other.getAttribute('aria-colindex'))
    .map(cell => cell.getAttribute('col-id'))"""
CELLS = """rows => rows
    .map(row => [Number(row.getAttribute('row-index')), row.querySelector(`[col-id=${JSON.stringify(COLUMN)}]`)])
    .filter(([place, cell]) => cell !== null)
    .sort((one, other) => one[0] - other[0])
    .map(([place, cell]) => cell.innerText)"""


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_until_up(address: str) -> None:
    """Wait until the server answers."""
    for _ in range(300):
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"{address} does not answer")


@dataclass(frozen=True)
class Served:
    """A store with one sweep, and the UI that serves it."""

    store: Store
    parent: RecordedRun
    address: str
    printed: str
    """The link that `student-score-ui` printed."""

    def history(self, name: str, metric: str) -> tuple[list[int], list[float]]:
        """Return the recorded steps and values of a run's metric."""
        [run] = self.store.search(f"attributes.run_name = '{name}'")
        points = sorted(self.store.client.get_metric_history(run.run_id, metric), key=lambda point: point.step)
        return [point.step for point in points], [point.value for point in points]


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Served]:
    """Sweep 60 runs, some of which diverge, and serve the UI."""
    folder = tmp_path_factory.mktemp("served")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    start = partial(subprocess.Popen, cwd=folder, env={**os.environ, "MLFLOW_TRACKING_URI": uri}, text=True)
    assert start([BIN / "student-score", "-m", "network=he", *SWEEP], stdout=subprocess.DEVNULL).wait(timeout=120) == 0
    store, port = Store(uri, "student-score"), free_port()
    [parent] = store.search("tags.kind = 'sweep'")
    command = [BIN / "student-score-ui", "--port", str(port)]
    with start(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            printed = process.stdout.readline().strip().removeprefix("Chart of the runs: ")
            address = f"http://127.0.0.1:{port}/"
            wait_until_up(f"{address}health")
            yield Served(store, parent, address, printed)
        finally:
            os.killpg(process.pid, 15)
            process.wait(timeout=30)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Start Chromium; skip where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium or Chrome is installed")
    from playwright.sync_api import sync_playwright

    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*quiet, "--disable-component-update"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser) -> Iterator[Any]:
    """Return a page of a browser that has never seen the UI."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    context.set_default_timeout(PATIENCE)
    context.add_init_script(ASSISTANT)
    yield context.new_page()
    context.close()


def drawn(page, curve: str, count: int) -> dict[str, Any]:
    """Return what the chart of a curve shows, as soon as it shows `count` named traces."""
    cards = page.get_by_test_id("experiment-view-compare-runs-card")
    plot = cards.filter(has=page.get_by_text(curve, exact=True)).first.locator(".js-plotly-plot")
    plot.wait_for()
    shown: dict[str, Any] = {}
    until = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < until:
        shown = plot.evaluate(TRACES)
        if len({trace["name"] for trace in shown["traces"]}) >= count:
            break
        page.wait_for_timeout(200)
    return shown


def column(page, name: str) -> list[str]:
    """Return the cells of a column of the table of runs, from top to bottom."""
    return page.locator(".ag-row").evaluate_all(CELLS.replace("COLUMN", json.dumps(name)))


def wait_for_rows(page, count: int) -> None:
    """Wait until the table of runs has so many rows; the page grows so high that all of them are drawn."""
    page.set_viewport_size({"width": 1600, "height": 40 * count + 600})
    names = page.locator(".ag-row [col-id='attributes.`Run Name`']")
    names.nth(count - 1).wait_for()
    assert names.count() == count


def wait_for_order(page, name: str, wanted: list[float]) -> None:
    """Wait until the numbers in a column are the wanted ones, or fail with what they are instead."""
    until = time.monotonic() + PATIENCE / 1000
    while (shown := [float(cell) for cell in column(page, name)]) != wanted and time.monotonic() < until:
        page.wait_for_timeout(200)
    assert shown == wanted


def names(runs) -> list[str]:
    """Return the names of runs, sorted."""
    return sorted(run.name for run in runs)


@pytest.mark.slow
def test_the_printed_link_opens_every_loss_curve_on_log_axes(served, page):
    """All 60 curves of avg_loss are drawn with the recorded values, those of diverged runs too."""
    page.goto(served.printed)
    shown = drawn(page, "avg_loss", RUNS)
    traces = {trace["name"].removesuffix(" (avg_loss)"): trace for trace in shown["traces"]}
    runs = served.store.search("tags.outcome != ''")
    assert sorted(traces) == names(runs)
    assert len(runs) == RUNS
    assert shown["axes"] == ["log", "log"]
    assert shown["range"] == pytest.approx([math.log10(end) for end in LOSS_LIMITS])
    diverged = [run.name for run in runs if run.tags["outcome"] == "diverged"]
    assert len(diverged) >= 3
    for name in ("lr=0.001 relu seed=0 h=2", *diverged):
        steps, values = served.history(name, "avg_loss")
        assert traces[name]["x"] == steps
        assert traces[name]["y"] == pytest.approx(values, rel=1e-12)
        assert (max(values) > LOSS_LIMITS[1]) == (name in diverged)


@pytest.mark.slow
def test_the_link_of_a_sweep_opens_its_curves_in_view(served, page):
    """Its loss axis holds the end of every run that did not diverge, and no more than a few decades beyond."""
    runs = served.store.children(served.parent.run_id)
    chart, _ = served.store.sweep_links(served.parent.run_id, served.address)
    page.goto(chart)
    shown = drawn(page, "train_mse", RUNS)
    assert sorted({trace["name"].removesuffix(" (train_mse)") for trace in shown["traces"]}) == names(runs)
    lowest, highest = (10**end for end in shown["range"])
    assert (lowest, highest) == pytest.approx(loss_limits(runs))
    settled = [run for run in runs if run.tags["outcome"] != "diverged"]
    assert all(lowest < run.metrics[name] < highest for run in settled for name in ("avg_loss", "train_mse"))
    assert highest / lowest < 1e9


@pytest.mark.slow
def test_the_table_of_a_sweep_sorts_by_numbers(served, page):
    """It opens by rate, 1e-05 first, with what was swept, outcomes and losses; a click on avg_loss sorts by it."""
    runs = served.store.children(served.parent.run_id)
    swept = json.loads(served.parent.tags["swept"])
    _, table = served.store.sweep_links(served.parent.run_id, served.address)
    page.goto(table)
    wait_for_rows(page, RUNS)
    headings = page.locator(".ag-header-cell").evaluate_all(HEADINGS)
    wanted = [*(f"params.`{key}`" for key in swept), "tags.`outcome`", "metrics.`avg_loss`", "metrics.`train_mse`"]
    assert [heading for heading in headings if heading in wanted] == wanted
    assert "metrics.`baseline/linear/train_mse`" in headings
    wait_for_order(page, "params.`training.learning_rate`", [rate for rate in RATES for _ in range(6)])
    outcomes = [run.tags["outcome"] for run in runs]
    assert sorted(column(page, "tags.`outcome`")) == sorted(outcomes)
    page.get_by_test_id("sort-header-avg_loss").click()
    wait_for_order(page, "metrics.`avg_loss`", sorted((run.metrics["avg_loss"] for run in runs), reverse=True))


@pytest.mark.slow
def test_the_table_can_be_opened_by_outcome(served, page):
    """MLflow's menus sort by no tag, its address does."""
    order = "searchFilter=tags.outcome+!%3D+''&orderByKey=tags.%60outcome%60&orderByAsc=true"
    experiment = f"{served.address}#/experiments/{served.store.experiment_id}"
    page.goto(f"{experiment}/runs?workflowType=machine_learning&compareRunsMode=TABLE&{order}")
    wait_for_rows(page, RUNS)
    outcomes = {run.name: run.tags["outcome"] for run in served.store.children(served.parent.run_id)}
    shown = [outcomes[cell.split("\n")[-1]] for cell in column(page, "attributes.`Run Name`")]
    assert shown == sorted(outcomes.values())


@pytest.mark.slow
def test_a_sweep_is_one_row_that_unfolds(served, page):
    """Left alone, the table shows the parent run; a click shows the 60 runs under it, named by what was swept."""
    page.goto(f"{served.address}#/experiments/{served.store.experiment_id}/runs?workflowType=machine_learning")
    wait_for_rows(page, 1)
    page.locator(".ag-row [col-id='attributes.`Run Name`'] button").first.click()
    wait_for_rows(page, RUNS + 1)
    shown = [cell.split("\n")[-1] for cell in column(page, "attributes.`Run Name`")]
    assert shown[0] == served.parent.name == "sweep of learning_rate, activation, seed (60 runs)"
    assert sorted(shown[1:]) == sorted(
        f"lr={rate!r} {activation} seed={seed} h=2"
        for rate in RATES
        for activation in ("relu", "tanh")
        for seed in range(3)
    )


@pytest.mark.slow
def test_the_note_of_a_sweep_leads_to_its_curves(served, page):
    """The parent run's page has the links to the chart and to the table of its runs."""
    page.goto(f"{served.address}#/experiments/{served.store.experiment_id}/runs/{served.parent.run_id}")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="table", exact=True).click()
    wait_for_rows(opened.value, RUNS)


def test_a_port_in_use_is_named(store_uri, capsys):
    """The sentence says which port and how to choose another."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert guarded(lambda: ui(["--port", port]), name="student-score-ui") == 2
    assert capsys.readouterr().err == f"student-score-ui: port {port} is in use; choose another with --port\n"


def test_the_link_alone(store_uri, capsys):
    """--link-only prints the link and serves nothing."""
    assert ui(["--link-only"]) == 0
    experiment = Store(store_uri, "student-score").experiment_id
    assert capsys.readouterr().out.startswith(
        f"Chart of the runs: http://127.0.0.1:5000/#/experiments/{experiment}/runs?"
    )
