"""Figures of a sweep: what is drawn where, whatever was swept and however the runs ended."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from student_score.errors import InputError
from student_score.model.outcome import Outcome
from student_score.plots import Curve, number_labels, plain, round_numbers
from student_score.sweeps import figures
from student_score.sweeps.listing import listing
from student_score.sweeps.table import parsed

RATE, SIZE, SEED = "training.learning_rate", "network.hidden_size", "network.seed"
ACTIVATION, ORDER = "network.activation", "training.row_order"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Return the figures that the test draws; each is laid out and rendered as if it were written."""
    kept: list[Figure] = []

    def keep(figure: Figure, path: Path, *, dpi: int) -> None:
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
    "no baselines": table({RATE: [0.1, 1]}).drop(columns="baseline/mean/train_mse"),
    "nothing": pd.DataFrame(),
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
        for legend in figure.legends:
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


def words(axes: Axes) -> list[str]:
    """Return what is written in and beside a panel."""
    return [text.get_text() for text in axes.texts]


def test_diverged_runs_stand_in_a_strip(drawn):
    """Their last finite loss, however small, is no final loss; losses beyond a thousand times the mean's join them."""
    runs = table({RATE: [0.1, 0.2, 1.0, 10.0]}, ("slow", "slow", "oscillating", "diverged"), train_mse=[1, 300, 1e9, 5])
    figures.losses(runs, (RATE,), Path("unused"))
    [axes] = drawn[0].axes
    [diverged], [far], [slow] = (labelled(axes, name) for name in ("diverged (1)", "oscillating (1)", "slow (2)"))
    assert diverged.get_ydata() == far.get_ydata() > 0.9
    assert max(slow.get_ydata()) < 0.9
    assert "diverged, or above 2e+05" in words(axes)
    assert axes.get_ylim()[1] < 3000
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_baselines_are_named_beside_their_lines(drawn):
    """The mean score with its error, linear regression with its R² on the same rows."""
    runs = table({RATE: [0.1, 0.2]}, train_mse=[60.0, 90.0], **{"baseline/linear/train_mse": 50.0})
    figures.losses(runs, (RATE,), Path("unused"))
    assert {"mean score:\n200", "linear regression:\n50 (R² 0.75)"} <= set(words(drawn[0].axes[0]))


def test_an_exact_baseline_does_not_stretch_the_axis(drawn):
    """It stands in a strip at the lower edge, and is said to be exact."""
    runs = table({RATE: [0.1, 0.2]}, train_mse=[1.0, 90.0], **{"baseline/linear/train_mse": 1.7e-29})
    figures.losses(runs, (RATE,), Path("unused"))
    [axes] = drawn[0].axes
    assert {"linear regression:\n0 (exact)", "below 2e-10: an exact fit"} <= set(words(axes))
    assert axes.get_ylim()[0] > 0.1


def test_the_loss_of_test_rows_comes_first(drawn):
    """Where there are test rows, their panel is above that of the training rows."""
    figures.losses(table({RATE: [0.1, 0.2]}, test_mse=[3.0, 4.0]), (RATE,), Path("unused"))
    assert [axes.get_ylabel().split()[1] for axes in drawn[0].axes] == ["test_mse", "train_mse"]


def test_means_over_seeds_are_drawn_with_their_intervals(drawn):
    """A series for each activation, a point for each rate, ends as `t_interval` has them."""
    runs = table({RATE: [0.1, 0.2], ACTIVATION: ["relu", "tanh"], SEED: [0, 1, 2]})
    figures.losses(runs, (RATE, ACTIVATION, SEED), Path("unused"))
    [axes] = drawn[0].axes
    relu, tanh = axes.containers
    assert {"activation=relu", "activation=tanh"} <= set(words(axes))
    assert relu.lines[0].get_xdata().tolist() == [0.1, 0.2]
    assert relu.lines[0].get_ydata().tolist() == [2.0, 8.0]
    assert tanh.lines[0].get_ydata().tolist() == [5.0, 11.0]
    half = 4.302652729911275 / np.sqrt(3)  # s = 1, two degrees of freedom
    [ends] = [segment[:, 1] for segment in tanh.lines[2][0].get_segments()[:1]]
    np.testing.assert_allclose(ends, [5.0 - half, 5.0 + half])


def test_means_of_exact_fits_stand_on_the_end_of_the_axis(drawn):
    """Seeds that all fit exactly have a mean below the axis: it stands where the strip begins, the runs within it."""
    losses = [1e-28, 2e-28, 3e-28, 10.0, 20.0, 30.0]
    figures.losses(table({RATE: [0.1, 0.2], SEED: [0, 1, 2]}, train_mse=losses), (RATE, SEED), Path("unused"))
    [axes] = drawn[0].axes
    [means] = axes.containers
    lowest, mean = means.lines[0].get_ydata()
    assert axes.get_ylim()[0] < lowest < 10
    assert mean == pytest.approx(20)
    [runs] = labelled(axes, "slow")
    assert (runs.get_ydata()[:3] < 0.1).all()


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
    assert bar.get_ylabel() == RATE
    assert [text.get_text() for text in bar.get_yticklabels()] == ["1", "3", "10", "30", "100", "300"]


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
    assert bar.get_ylabel() == RATE
    assert labelled(axes, "diverged (3)")


def test_words_have_a_legend_instead_of_a_colour_bar(drawn):
    """One entry for each of the first swept key's values."""
    runs = table({ACTIVATION: ["relu", "tanh"], SEED: [0, 1]})
    figures.curves(runs, (SEED, ACTIVATION), falling, Path("unused"))
    [axes] = drawn[0].axes
    assert len(labelled(axes, "network.activation=")) == 2
    assert len({line.get_color()[:3].tobytes() for line in axes.lines[:4]}) == 2


def test_outcomes_are_counted(drawn):
    """A panel a key, a row an outcome with its number, a tile with the count for each value that ended so."""
    runs = table({RATE: [0.1, 0.2], SEED: [0, 1, 2]}, ("slow", "diverged", "diverged", "slow", "slow", "diverged"))
    figures.outcomes(runs, (RATE, SEED), Path("unused"))
    left, right = drawn[0].axes
    assert [text.get_text() for text in left.get_yticklabels()] == ["slow (3)", "diverged (3)"]
    assert [text.get_text() for text in left.get_xticklabels()] == ["0.1", "0.2"]
    assert [(*text.get_position(), text.get_text()) for text in left.texts] == [
        (0, 0, "1"),
        (1, 0, "2"),
        (0, 1, "2"),
        (1, 1, "1"),
    ]
    assert [(*text.get_position(), text.get_text()) for text in right.texts] == [
        (0, 0, "2"),
        (1, 0, "1"),
        (1, 1, "1"),
        (2, 1, "2"),
    ]


def test_the_one_that_converged_is_seen(drawn):
    """Among a thousand rates it has a row of its own, and a mark at its rate."""
    outcomes = ["slow"] * 1000
    outcomes[500] = "converged"
    rates = np.geomspace(1e-4, 1.0, 1000)
    figures.outcomes(table({RATE: rates}, outcomes), (RATE,), Path("unused"))
    [axes] = drawn[0].axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["converged (1)", "slow (999)"]
    converged, slow = axes.collections
    assert converged.get_offsets().tolist() == [[rates[500], 0]]
    assert len(slow.get_offsets()) == 999
    assert axes.get_xscale() == "log"


def test_what_cannot_be_drawn_is_named(tmp_path):
    """A curve that cannot be read costs the figure of curves, not the others; no half of a file is left."""

    def curve(run_id: str) -> Curve:
        raise OSError(f"no file\nof {run_id}")

    runs = table({SIZE: [1, 2]})
    assert figures.draw_all(runs, (SIZE,), curve, tmp_path) == [
        "curves.png could not be drawn: OSError: no file of run0"
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outcomes.png", "results.png"]


def test_half_a_file_is_removed(tmp_path, monkeypatch):
    """A disk that fills up while a figure is written leaves none, and each is named."""

    def fail(figure: Figure, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(figures, "save", fail)
    assert len(figures.draw_all(table({SIZE: [1, 2]}), (SIZE,), falling, tmp_path)) == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a $x_1$ \\frac", r"a \$x_1\$ \frac"), ("one\ntwo\x07", r"one\ntwo\x07"), ("Σ あ\ud800", r"Σ \u3042\ud800")],
)
def test_texts_from_outside_are_drawn_as_they_are(text, shown):
    """No formula, no line break, no letter that the font lacks."""
    assert plain(text) == shown


def test_ticks_of_log_axes_are_round_and_few():
    """Between any two ends, at most nine, with labels of one kind."""
    assert round_numbers(1e-5, 1.0).tolist() == pytest.approx([1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    assert round_numbers(4, 60).tolist() == [5, 10, 20, 50]
    assert len(round_numbers(1e-250, 1e250)) <= 9
    assert number_labels(round_numbers(1e-5, 1e-2)) == ["10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²"]
    assert number_labels(np.array([0.001, 1.0, 2000.0])) == ["0.001", "1", "2,000"]


LOSSES = st.one_of(
    st.none(),
    st.sampled_from([0.0, 1e-300, 1.7e-29, 1.0, 216.7, 1e300, np.nan, np.inf]),
    st.floats(1e-300, 1e300),
)
TEXTS = st.text(st.sampled_from("ab$[_^\\\n{}%#あéع😀\x00\x07\u200b"), max_size=80)
VALUES = st.one_of(
    st.floats(-1e300, 1e300),
    st.floats(1e-300, 1e300),
    st.integers(-(2**70), 2**70),
    st.booleans(),
    st.none(),
    TEXTS,
    st.lists(st.integers(0, 3), max_size=40),
)
COLUMNS = st.one_of(
    st.just(VALUES),
    st.sampled_from([st.floats(1e-300, 1e300), st.floats(-1e300, 1e300), st.integers(0, 4), TEXTS, st.just(0.1)]),
)


@st.composite
def sweeps(draw: st.DrawFn) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return any table of a sweep, with its swept keys."""
    size = draw(st.integers(1, 30))
    seeds = draw(st.lists(st.sampled_from([SEED, "training.seed"]), unique=True, max_size=2))
    keys = [*draw(st.lists(TEXTS.map("key.".__add__), unique=True, max_size=3)), *seeds]
    columns = {key: draw(st.integers(0, 3).map(st.just) if key in seeds else COLUMNS) for key in keys}

    def column(values: st.SearchStrategy[object]) -> list[object]:
        return draw(st.lists(values, min_size=size, max_size=size))

    # A recorded parameter is text; lists stay it.
    recorded = {
        key: [
            value if key in seeds else parsed(value if isinstance(value, str) else json.dumps(value))
            for value in column(values)
        ]
        for key, values in columns.items()
    }
    known = draw(st.lists(st.sampled_from(NUMBERS), unique=True))
    losses = {name: column(LOSSES) for name in known}
    ends = st.sampled_from([*(outcome.name for outcome in Outcome), "unknown"])
    some = {
        "outcome": column(draw(st.sampled_from([ends, st.just("diverged")]))),
        "run_id": list(map(str, range(size))),
    }
    return pd.DataFrame({**recorded, **some, **losses}), tuple(keys)


NUMBERS = (
    *("avg_loss", "train_mse", "test_mse"),
    *(f"baseline/{name}/{loss}" for name in ("mean", "linear") for loss in ("train_mse", "test_mse")),
)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sweep=sweeps(), losses=st.lists(LOSSES.map(lambda loss: np.nan if loss is None else loss), max_size=8))
def test_any_sweep_can_be_drawn_and_listed(sweep, losses, monkeypatch):
    """No warning, no error, whatever was swept, whatever it is called, however the runs ended."""
    monkeypatch.setattr(figures, "save", lambda figure, _path, **_: figure.draw_without_rendering())
    runs, swept = sweep
    curve = (np.arange(1, len(losses) + 1), np.array(losses, dtype=float))
    assert figures.draw_all(runs, swept, lambda _: curve, Path("unused")) == []
    assert listing(runs, swept) is not None


def test_curves_that_cannot_be_read_are_left_out(drawn, tmp_path):
    """The title says how many are drawn, a sentence which are not; without any, the frame is drawn all the same."""
    runs = table({RATE: np.geomspace(1e-5, 1, 14)})
    gone = {f"run{number}" for number in range(12)}

    def curve(run_id: str) -> Curve:
        if run_id in gone:
            raise InputError(f"trajectory.npz of run {run_id} is gone")
        return falling(run_id)

    [said] = figures.draw_all(runs, [RATE], curve, tmp_path)
    assert said == (
        "curves.png lacks a run: trajectory.npz of run run0 is gone, and the same is true of run1, run2, run3, run4, "
        "run5, run6, run7, run8, run9, run10 and 1 more; delete these runs in the UI, and the same command trains them "
        "again"
    )
    assert drawn[-1].axes[0].get_title() == "The loss of 2 of 14 trainings"
    assert len([line for line in drawn[-1].axes[0].lines if len(line.get_xdata()) > 2]) == 2
    gone |= {"run12", "run13"}
    assert len(figures.curves(runs, [RATE], curve, tmp_path / "curves.png")) == 14
    assert drawn[-1].axes[0].get_title() == "The loss of 0 of 14 trainings"


def test_a_figure_that_fails_says_little_and_no_secret(tmp_path):
    """What a library raises is cut, on one line, and holds no password."""

    def draw(_path: Path) -> None:
        raise RuntimeError("http://ann:secret@host\n\x1b" + "x" * 10**5)

    said = figures.undrawn(draw, tmp_path / "curves.png")
    assert said.startswith(r"curves.png could not be drawn: RuntimeError: http://ann:***@host \x1bxxx")
    assert len(said) < 500
