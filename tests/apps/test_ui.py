"""The MLflow UI of a sweep, in a real browser, and `student-score-ui`, which serves it."""

import json
import math
import os
import shutil
import signal
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
from student_score.commands.ui import LISTED, links, ui
from student_score.tracking.record import RecordedRun
from student_score.tracking.store import Store
from student_score.tracking.views import LOSS_LIMITS, loss_limits, run_link

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


SCREENSHOTS = os.environ.get("STUDENT_SCORE_SCREENSHOTS")
"""A folder for pictures of the pages as the tests left them; pytest's temporary folders have them otherwise."""


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def answers(address: str) -> bool:
    """Say whether a server answers there."""
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


def printed_lines(process: subprocess.Popen[str]) -> list[str]:
    """Return what `student-score-ui` prints until it serves."""
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or not lines[-1].startswith("Serving"):
        line = process.stdout.readline()
        assert line, lines
        lines.append(line.strip())
    return lines


@dataclass(frozen=True)
class Served:
    """A store with one sweep, and the UI that serves it."""

    store: Store
    parent: RecordedRun
    address: str
    printed: list[str]
    """The lines that `student-score-ui` printed."""

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
            printed = printed_lines(process)
            address = f"http://127.0.0.1:{port}/"
            assert answers(f"{address}health")  # From the moment the links are there.
            yield Served(store, parent, address, printed)
        finally:
            process.terminate()
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
def page(browser, request, tmp_path) -> Iterator[Any]:
    """Return a page of a browser that has never seen the UI; keep a picture of what it shows at the end."""
    context = browser.new_context(viewport={"width": 1600, "height": 1000})
    context.set_default_timeout(PATIENCE)
    context.add_init_script(ASSISTANT)
    page = context.new_page()
    yield page
    page.screenshot(path=Path(SCREENSHOTS or tmp_path) / f"{request.node.name}.png")
    context.close()


def drawn(page, curve: str, count: int, *, place: int = 0) -> dict[str, Any]:
    """Return what a chart of a metric shows, as soon as it shows `count` named traces; `place` counts such charts."""
    cards = page.get_by_test_id("experiment-view-compare-runs-card")
    plot = cards.filter(has=page.get_by_text(curve, exact=True)).nth(place).locator(".js-plotly-plot")
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
    assert served.printed[-3] == "All runs of the experiment student-score:"
    page.goto(served.printed[-2])
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
    page.set_viewport_size({"width": 1600, "height": 1800})
    shown = drawn(page, "train_mse", RUNS, place=1)
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


@pytest.mark.slow
def test_the_link_of_a_sweep_is_printed_once_the_server_answers(served, page):
    """It says what came out, has the chosen port, and opens losses against the rate beside the runs by outcome."""
    outcomes = served.parent.tags["outcomes"]
    assert served.printed[0] == f"{served.parent.name} on student_scores: {outcomes}"
    assert served.printed[1] == served.store.sweep_links(served.parent.run_id, served.address)[0]
    page.goto(served.printed[1])
    runs = {run.name: run for run in served.store.children(served.parent.run_id)}
    shown = drawn(page, "train_mse", len(runs))
    assert shown["axes"] == ["linear", "log"]
    settled = {name for name, run in runs.items() if run.tags["outcome"] != "diverged"}
    for trace in shown["traces"]:
        run = runs[trace["name"].removesuffix(" (train_mse)")]
        assert trace["x"] == pytest.approx([math.log10(float(run.params["training.learning_rate"]))])
        assert trace["y"] == pytest.approx([run.metrics["train_mse"]])
        settled.discard(run.name)
    assert not settled
    listed = {run.tags["outcome"] for run in runs.values()}
    page.set_viewport_size({"width": 1600, "height": 4000})
    for outcome in listed:
        page.get_by_text(f"Group: {outcome}", exact=True).wait_for()


@pytest.mark.slow
def test_the_page_of_a_sweep_says_what_it_was_and_shows_its_figure(served, page):
    """Data, best run, conclusion and settings are there; the figure is loaded from the server that shows the page."""
    link = run_link(served.address, served.store.experiment_id, served.parent.run_id)
    page.goto(link)
    page.get_by_text("Show more", exact=True).click()
    figure = page.locator("img[src*='get-artifact?path=results.png']")
    figure.wait_for()
    page.wait_for_function("image => image.complete && image.naturalWidth > 300", arg=figure.element_handle())
    note = page.inner_text("body")
    for words in (
        "60 runs on student_scores (student_scores.csv, 3 rows)",
        "Best run:",
        "All runs: network.initialisation=he.",
        "The rest as by default: dataset.features=",
        "student-score\nRuns\n",
    ):
        assert words in note
    for sentence in served.parent.read_text("conclusion.txt").splitlines():
        assert sentence in note


@pytest.mark.slow
def test_runs_are_compared_by_their_rate_and_loss(served, page):
    """The page for comparing runs opens on what differs between them against the loss."""
    rates = served.store.search("params.`network.seed` = '0' and params.`network.activation` = 'tanh'")[2:5]
    chosen = json.dumps([run.run_id for run in rates])
    page.goto(f'{served.address}#/compare-runs?runs={chosen}&experiments=["{served.store.experiment_id}"]')
    plot = page.locator(".js-plotly-plot").first
    plot.wait_for()
    labels = plot.evaluate("plot => plot.data[0].dimensions.map(axis => axis.label)")
    assert labels == ["training.learning_rate", "avg_loss"]


@pytest.mark.slow
def test_the_charts_of_a_run_begin_with_its_losses(served, page):
    """Behind the baselines, whose names have a slash, come avg_loss and train_mse, then weights; none is of zeros."""
    [run] = served.store.search("attributes.run_name = 'lr=0.001 tanh seed=0 h=2'")
    page.set_viewport_size({"width": 1600, "height": 4000})
    page.goto(f"{served.address}#/experiments/{served.store.experiment_id}/runs/{run.run_id}/model-metrics")
    cards = page.get_by_test_id("experiment-view-compare-runs-card")
    cards.nth(len(run.metrics) - 1).wait_for()
    titles = [text.split("\n")[0] for text in cards.all_inner_texts()]
    assert titles[:4] == ["train_mse", "train_mse", "avg_loss", "train_mse"]
    assert len(titles) == len(run.metrics)
    assert all(run.metrics.values())


@pytest.mark.slow
@pytest.mark.parametrize("nohup", [False, True])
def test_the_server_ends_quietly(store_uri, tmp_path, nohup):
    """With the terminal, unless nohup has it stay, and by Ctrl-C: 0, nothing on stderr, no process of it is left."""
    port = free_port()
    command = [BIN / "student-score-ui", "--port", str(port)]
    # What the process begins with; a shell lets what it starts in the background ignore Ctrl-C.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)
    ctrl_c = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        signal.signal(signal.SIGHUP, before)
        signal.signal(signal.SIGINT, ctrl_c)
        assert printed_lines(process)[-1] == "Serving until Ctrl-C"
        process.send_signal(signal.SIGHUP)
        if nohup:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=1)
            assert answers(f"http://127.0.0.1:{port}/health")
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0
    assert said in ("", "The MLflow server starts, which takes some seconds\n")
    assert not answers(f"http://127.0.0.1:{port}/health")
    here = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [line for line in here if str(tmp_path).encode() in line]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "99999"], "argument --port: '99999' is no whole number from 1 to 65535"),
        (["--port", "0"], "argument --port: '0' is no whole number from 1 to 65535"),
        (["--port", "-1"], "argument --port: '-1' is no whole number from 1 to 65535"),
        (["--port", "abc"], "argument --port: 'abc' is no whole number from 1 to 65535"),
        (["--port", "³"], "argument --port: '³' is no whole number from 1 to 65535"),
        (["--port"], "argument --port: expected one argument"),
        (["--colour", "\x1b[31m"], "unrecognized arguments: --colour \\x1b[31m"),
        (["--experiment", ""], "--experiment: it must not be empty"),
        (["--experiment", " "], "--experiment: it must not be empty"),
    ],
)
def test_arguments_that_mean_nothing_are_named(store_uri, capsys, arguments, said):
    """One line with the command's name, and exit code 2."""
    assert guarded(lambda: ui(arguments), name="student-score-ui") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"student-score-ui: {said}")


def test_a_server_that_cannot_start_is_explained(store_uri, capsys, monkeypatch):
    """The last line that the server said stands in the sentence."""
    broken = [sys.executable, "-c", "import sys; sys.exit('it is broken')"]
    monkeypatch.setattr("student_score.tracking.environment.server_command", lambda *_, **__: broken)
    before = {kind: signal.getsignal(kind) for kind in (signal.SIGTERM, signal.SIGHUP)}
    assert guarded(lambda: ui(["--port", str(free_port())]), name="student-score-ui") == 1
    for kind, handler in before.items():
        signal.signal(kind, handler)
    said = capsys.readouterr()
    assert said.err.splitlines()[-1] == "student-score-ui: the MLflow server could not start: it is broken"
    assert said.out == ""


def test_many_sweeps_are_a_screenful_of_links(store_uri, capsys):
    """The newest come first, of all experiments, with data and what came out; how many more there are is said."""
    stores = [Store(store_uri, name) for name in ("one", "two")]
    for number in range(LISTED + 2):
        tags = {"kind": "sweep", "data": "grades", "outcomes": f"{number} slow"}
        stores[number % 2].create(f"sweep {number} (9 runs)", tags, "", number + 1)
    said = list(links(Store(store_uri, "one"), "http://127.0.0.1:5001/", LISTED))
    assert len(said) == LISTED + 2
    assert said[0].startswith(f"sweep {LISTED + 1} (9 runs) on grades: {LISTED + 1} slow\n  http://127.0.0.1:5001/#/")
    assert said[1].startswith(f"sweep {LISTED} (9 runs)")
    assert said[-2] == "and 2 older sweeps"
    assert said[-1].startswith("All runs of the experiment one:\n  http://127.0.0.1:5001/#/")
    assert stores[0].experiment_id != stores[1].experiment_id
    assert [f"experiments/{store.experiment_id}/" in said[place] for place, store in enumerate(stores)] == [
        LISTED % 2 == 1,
        LISTED % 2 == 1,
    ]


def test_a_port_in_use_is_named(store_uri, capsys):
    """The sentence says which port and how to choose another."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        assert guarded(lambda: ui(["--port", port]), name="student-score-ui") == 2
    assert capsys.readouterr().err == f"student-score-ui: port {port} is in use; choose another with --port\n"


def test_the_link_alone(store_uri, capsys):
    """--link-only prints the links of the newest sweep and of all runs, and serves nothing."""
    store = Store(store_uri, "student-score")
    for number in (1, 2):
        parent = store.create(f"sweep {number}", {"kind": "sweep"}, "", number)
        store.share_sweep(parent, swept=[], runs=[])
    assert ui(["--link-only"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "sweep 2: running",
        f"  {store.sweep_links(parent)[0]}",
        "All runs of the experiment student-score:",
        f"  {store.chart_link()}",
    ]
