"""`student-score-ui`: the chart of the runs in a real browser."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from student_score.tracking import Store

BIN = Path(sys.executable).parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
RATES = ("0.0001", "0.001", "0.01", "3")

TRACES = """plot => ({
    names: [...new Set(plot.data.map(trace => trace.name))],
    x: plot.layout.xaxis.type,
    y: plot.layout.yaxis.type,
})"""


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def served(student_score, store_uri, tmp_path) -> Iterator[str]:
    """Sweep four rates, serve the UI, and return the link that it prints."""
    done = student_score("-m", f"training.learning_rate={','.join(RATES)}")
    assert done.returncode == 0, done.stderr
    port = free_port()
    process = subprocess.Popen(
        [BIN / "student-score-ui", "--port", str(port)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    link = process.stdout.readline().strip().removeprefix("Chart of the runs: ")
    try:
        wait_until_up(f"http://127.0.0.1:{port}/health")
        yield link
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=30)
        process.stdout.close()


def wait_until_up(address: str) -> None:
    """Wait until the server answers."""
    for _ in range(300):
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"{address} does not answer")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome is installed")
def test_the_link_opens_every_loss_curve_on_log_axes(served):
    """The chart page shows avg_loss of all four runs, the diverged one too, on logarithmic axes."""
    from playwright.sync_api import expect, sync_playwright

    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*quiet, "--disable-component-update"])
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.goto(served)
        cards = page.get_by_test_id("experiment-view-compare-runs-card")
        card = cards.filter(has=page.get_by_text("avg_loss", exact=True)).first
        expect(card).to_be_visible(timeout=60_000)
        plot = card.locator(".js-plotly-plot")
        expect(plot).to_be_visible(timeout=60_000)
        shown = {}
        for _ in range(300):
            shown = plot.evaluate(TRACES)
            if len(shown["names"]) == len(RATES):
                break
            page.wait_for_timeout(100)
        browser.close()
    names = sorted(name.removesuffix(" (avg_loss)") for name in shown["names"])
    assert names == [f"lr={float(rate)!r} relu h=2 seed=0" for rate in RATES]
    assert (shown["x"], shown["y"]) == ("log", "log")


def test_a_port_in_use_is_named(store_uri):
    """The sentence says which port and how to choose another."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        done = subprocess.run(
            [BIN / "student-score-ui", "--port", port], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 2
    assert done.stderr == f"student-score: port {port} is in use; choose another with --port\n"


def test_the_link_alone(store_uri):
    """--link-only prints the link and serves nothing."""
    done = subprocess.run(
        [BIN / "student-score-ui", "--link-only"], capture_output=True, text=True, timeout=60, check=True
    )
    experiment = Store(store_uri, "student-score").experiment_id
    assert done.stdout.startswith(f"Chart of the runs: http://127.0.0.1:5000/#/experiments/{experiment}/runs?")
