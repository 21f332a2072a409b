"""Figures of a sweep: what is drawn where, whatever was swept and however the runs ended."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from student_score.plots import Curve
from student_score.sweeps import figures

RATE, SIZE, SEED = "training.learning_rate", "network.hidden_size", "network.seed"
ACTIVATION, ORDER = "network.activation", "training.row_order"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Return the figures that the test draws; each is laid out and rendered as if it were written."""
    kept: list[Figure] = []

    def keep(figure: Figure, path: Path) -> None:
        figure.draw_without_rendering()
        kept.append(figure)

    monkeypatch.setattr(figures, "save", keep)
    return kept


def table(swept: dict[str, Sequence[object]], outcomes: Sequence[str] = ("slow",), **columns: object) -> pd.DataFrame:
    """Return the table of a grid of `swept` values; outcomes are dealt in turn, train_mse is 1, 2, ..."""
    rows = [dict(zip(swept, values, strict=True)) for values in itertools.product(*swept.values())]
    runs = pd.DataFrame(rows, index=range(len(rows)))
    return runs.assign(
        **{
            "outcome": [outcome for outcome, _ in zip(itertools.cycle(outcomes), rows, strict=False)],
            "avg_loss": 1.0,
            "train_mse": np.arange(1.0, len(rows) + 1),
            "test_mse": None,
            "baseline/mean/train_mse": 200.0,
            "run_id": [f"run{number}" for number in range(len(rows))],
            **columns,
        }
    )


def falling(_run_id: str) -> Curve:
    """Return a curve that settles."""
    return np.arange(1, 11), 100.0 / np.arange(1, 11)


def labelled(axes: Axes, start: str) -> list[object]:
    """Return what the legend entries that start so stand for."""
    return [h for h, label in zip(*axes.get_legend_handles_labels(), strict=True) if label.startswith(start)]


MANY_OUTCOMES = ("converged", "diverged", "collapsed", "stuck", "oscillating", "slow")

CASES = {
    "one run": table({}),
    "one diverged run": table({}, ("diverged",), train_mse=None),
    "rates": table({RATE: np.geomspace(1e-5, 1, 41)}, MANY_OUTCOMES),
    "all diverged": table({RATE: [1.0, 10.0]}, ("diverged",), avg_loss=1e300, train_mse=1e300),
    "one value": table({SIZE: [2], SEED: [0, 1, 2]}, ("slow", "diverged")),
    "words": table({"flag": [True, False], ORDER: [str(order) for order in itertools.permutations(range(4))]}),
    "seeds": table({SEED: range(5)}, ("slow", "diverged")),
    "all seeds diverged": table({RATE: [0.1], SEED: range(5)}, ("diverged",)),
    "four keys": table(
        {RATE: [0.1, 1], SIZE: [1, 2], SEED: [0, 1], ACTIVATION: ["relu", "tanh"]}, MANY_OUTCOMES, test_mse=2.0
    ),
    "equal targets": table({RATE: [0.1, 1]}, **{"baseline/mean/train_mse": 0.0, "train_mse": 0.0}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_sweep_can_be_drawn(drawn, case):
    """No warning, no error: one run, only diverged ones, words, seeds; every legend lies inside its figure."""
    runs = CASES[case]
    swept = tuple(name for name in runs if "." in name or name == "flag")

    def curve(run_id: str) -> Curve:
        epochs = np.arange(1, 40)
        diverged = runs.set_index("run_id")["outcome"][run_id] == "diverged"
        return epochs, 10.0 ** (np.where(epochs < 39, epochs * 8.0, np.inf) if diverged else -epochs)

    figures.losses(runs, swept, Path("unused"))
    figures.curves(runs, swept, curve, Path("unused"))
    figures.outcomes(runs, swept, Path("unused"))
    assert len(drawn) == 3
    for figure in drawn:
        [legend] = figure.legends
        box, page = legend.get_window_extent(), figure.bbox
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1


def test_a_figure_is_written(tmp_path):
    """The files are PNGs, equal for equal tables."""
    paths = [tmp_path / "first.png", tmp_path / "second.png"]
    for path in paths:
        figures.losses(table({SIZE: [1, 2]}), (SIZE,), path)
    first, second = (path.read_bytes() for path in paths)
    assert first.startswith(b"\x89PNG")
    assert first == second


def test_diverged_runs_stand_on_the_edge(drawn):
    """Their last finite loss, however small, is no final loss; the others keep the panel to themselves."""
    runs = table({RATE: [0.1, 0.2, 10.0]}, ("slow", "slow", "diverged"), train_mse=[1.0, 300.0, 5.0])
    figures.losses(runs, (RATE,), Path("unused"))
    [axes] = drawn[0].axes
    [diverged], [edge] = labelled(axes, "diverged (1)"), labelled(axes, "edge: diverged")
    assert diverged.get_ydata() == edge.get_ydata()[0] == 3000.0
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_means_over_seeds_are_drawn_with_their_intervals(drawn):
    """A series for each activation, a point for each rate, ends as `configurations` has them."""
    runs = table({RATE: [0.1, 0.2], ACTIVATION: ["relu", "tanh"], SEED: [0, 1, 2]})
    figures.losses(runs, (RATE, ACTIVATION, SEED), Path("unused"))
    [axes] = drawn[0].axes
    [relu], [tanh] = labelled(axes, "activation=relu"), labelled(axes, "activation=tanh")
    assert relu.lines[0].get_xdata().tolist() == [0.1, 0.2]
    assert relu.lines[0].get_ydata().tolist() == [2.0, 8.0]
    assert tanh.lines[0].get_ydata().tolist() == [5.0, 11.0]
    half = 4.302652729911275 / np.sqrt(3)  # s = 1, two degrees of freedom
    [ends] = [segment[:, 1] for segment in tanh.lines[2][0].get_segments()[:1]]
    np.testing.assert_allclose(ends, [5.0 - half, 5.0 + half])


def test_means_of_exact_fits_stand_on_the_end_of_the_axis(drawn):
    """Seeds that all fit exactly have a mean far below the axis, and so has their interval: neither is negative."""
    losses = [1e-28, 2e-28, 3e-28, 10.0, 20.0, 30.0]
    figures.losses(table({RATE: [0.1, 0.2], SEED: [0, 1, 2]}, train_mse=losses), (RATE, SEED), Path("unused"))
    [axes] = drawn[0].axes
    [means] = axes.containers
    assert means.lines[0].get_ydata().tolist() == [axes.get_ylim()[0], 20.0]
    [exact, _] = [segment[:, 1].tolist() for segment in means.lines[2][0].get_segments()]
    assert exact == [axes.get_ylim()[0]] * 2


def test_of_many_runs_curves_are_chosen_evenly(drawn):
    """Of 999 shuffled rates 200 are drawn, smallest and largest among them, and the title says so."""
    rates = np.random.default_rng(0).permutation(np.arange(1.0, 1000.0))
    asked: list[str] = []

    def curve(run_id: str) -> Curve:
        asked.append(run_id)
        return falling(run_id)

    runs = table({RATE: rates})
    figures.curves(runs, (RATE,), curve, Path("unused"))
    chosen = runs.set_index("run_id")[RATE][asked].to_numpy()
    assert len(chosen) == 200
    assert (chosen[0], chosen[-1]) == (1, 999)
    assert set(np.diff(chosen)) <= {5, 6}
    axes, bar = drawn[0].axes
    assert axes.get_title() == "The loss of 200 of 999 trainings, evenly chosen"
    assert (bar.get_ylabel(), bar.get_yscale()) == (RATE, "log")


def test_a_diverged_curve_ends_in_a_cross(drawn):
    """At its last finite loss, or on the edge if that is far above what settled."""
    curves = {
        "run0": falling(""),
        "run1": (np.arange(1, 4), np.array([100.0, 200.0, np.inf])),
        "run2": (np.arange(1, 4), np.array([1e3, 1e200, np.nan])),
        "run3": (np.array([1]), np.array([np.inf])),
    }
    runs = table({RATE: [0.1, 0.2, 0.3, 0.4]}, ("slow", "diverged", "diverged", "diverged"))
    figures.curves(runs, (RATE,), curves.__getitem__, Path("unused"))
    axes, bar = drawn[0].axes
    top = axes.get_ylim()[1]
    crosses = [(*line.get_xdata(), *line.get_ydata()) for line in axes.lines if line.get_marker() == "x"]
    assert [cross for cross in crosses if cross] == [(2, 200.0), (2, top), (1, top)]
    assert top == 2000.0
    assert bar.get_yscale() == "linear"
    assert labelled(axes, "diverged (3)")


def test_words_have_a_legend_instead_of_a_colour_bar(drawn):
    """One entry for each of the first swept key's values."""
    runs = table({ACTIVATION: ["relu", "tanh"], SEED: [0, 1]})
    figures.curves(runs, (SEED, ACTIVATION), falling, Path("unused"))
    [axes] = drawn[0].axes
    assert len(labelled(axes, "network.activation=")) == 2
    assert len({line.get_color()[:3].tobytes() for line in axes.lines[:4]}) == 2


def heights(axes: Axes) -> np.ndarray:
    """Return the heights (outcomes, bars) of a panel's bars."""
    return np.array([[bar.get_height() for bar in bars] for bars in axes.containers])


def test_shares_of_outcomes_add_up(drawn):
    """A panel a key, a bar a value, in each the share of every outcome that occurs."""
    runs = table({RATE: [0.1, 0.2], SEED: [0, 1, 2]}, ("slow", "diverged", "diverged", "slow", "slow", "diverged"))
    figures.outcomes(runs, (RATE, SEED), Path("unused"))
    left, right = drawn[0].axes
    np.testing.assert_allclose(heights(left), [[1 / 3, 2 / 3], [2 / 3, 1 / 3]])
    np.testing.assert_allclose(heights(right), [[1, 0.5, 0], [0, 0.5, 1]])
    slow, diverged = left.containers
    for below, above in zip(slow, diverged, strict=True):
        assert above.get_y() == pytest.approx(below.get_height())
    assert [text.get_text() for text in left.get_xticklabels()] == ["0.1", "0.2"]
    assert left.get_xlabel() == f"{RATE} (3 runs a bar)"
    colours = [bars[0].get_facecolor() for bars in left.containers]
    assert colours == [(0.0, 114 / 255, 178 / 255, 1.0), (0.0, 0.0, 0.0, 1.0)]


def test_many_numbers_are_binned(drawn):
    """Above 40 values there are 20 bins, even on the axis; every run is in one, empty bins stay empty."""
    rates = np.append(np.geomspace(1e-4, 1e-1, 60), 1.0)
    figures.outcomes(table({RATE: rates}), (RATE,), Path("unused"))
    [axes] = drawn[0].axes
    assert axes.get_xscale() == "log"
    [shares] = heights(axes)
    assert len(shares) == 20
    assert (shares[:15] == 1).all()
    assert shares[16:].tolist() == [0, 0, 0, 1]
