"""Axes and grids: a pixel's value depends on its index alone, and a map is the same in tiles of any size."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from student_score import ARTICLE_ROWS, ARTICLE_START, InputError, Setup, split_rows
from student_score.maps.axes import Axis, Spacing
from student_score.maps.grid import Grid
from student_score.model.network import Initialisation
from student_score.training.setup import Effort


def axis(name="learning_rate", low="0.0018", high="0.0023", pixels=40, spacing=Spacing.linear):
    """Return an axis."""
    return Axis(name=name, low=Decimal(low), high=Decimal(high), pixels=pixels, spacing=spacing)


def test_linear_values_are_the_doubles_nearest_to_the_middles():
    """Fractions say what they are, without rounding on the way."""
    found = axis(pixels=7).values
    low, high = Fraction("0.0018"), Fraction("0.0023")
    assert found.tolist() == [float(low + (high - low) * Fraction(2 * k + 1, 14)) for k in range(7)]


def test_log_values_have_even_ratios():
    """The middles of pixels on a log axis from 1e-4 to 1 with four pixels are powers of ten times the root of ten."""
    found = axis(low="0.0001", high="1", pixels=4, spacing=Spacing.log).values
    np.testing.assert_allclose(found, 10.0 ** np.array([-3.5, -2.5, -1.5, -0.5]), rtol=1e-15)


@pytest.mark.parametrize("width", ["1e-3", "1e-9", "1e-15"])
def test_a_zoom_keeps_its_centre(width):
    """The pixels left and right of the centre lie as far from it, down to where doubles end."""
    found = Axis.about("learning_rate", centre=Decimal("0.00195"), width=Decimal(width), pixels=8).values
    assert found[3] < 0.00195 < found[4]
    np.testing.assert_allclose(np.diff(found), float(width) / 8, rtol=0, atol=5e-19)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"low": "0.1", "high": "0.1"}, "the first end must lie below the second"),
        ({"low": "0.2", "high": "0.1"}, "the first end must lie below the second"),
        ({"low": "0", "high": "1", "spacing": Spacing.log}, "a log axis from 0; it must begin above 0"),
        ({"low": "-1", "high": "1"}, "a rate must be positive"),
        ({"pixels": 0}, "at least 1 is needed"),
        ({"low": "0.00195", "high": "0.0019500000000000001", "pixels": 100}, "closer than doubles can tell apart"),
        ({"low": "nan"}, "no finite number"),
        ({"high": "1e400"}, "no finite number"),
        ({"name": "seed", "low": "0", "high": "10", "pixels": 5}, "a pixel each"),
        ({"name": "seed", "low": "0.5", "high": "5.5", "pixels": 5}, "a pixel each"),
    ],
)
def test_an_axis_that_cannot_be_is_refused(settings, said):
    """The sentence names the axis."""
    with pytest.raises(InputError, match=rf"^{settings.get('name', 'learning_rate')}: .*{said}"):
        axis(**settings)


def grid(x, y=None, **more):
    """Return a grid of the article's networks."""
    setup = Setup(split=split_rows(ARTICLE_ROWS), hidden_size=2, epochs=60)
    return Grid(setup=setup, x=x, y=y, start=ARTICLE_START, learning_rate=0.0001, **more)


def whole(found, side, threads=None):
    """Return the pixels of a grid, trained in tiles of a side."""
    rows = {}
    for tile in found.tiles(side):
        pixels = found.train(tile, Effort(threads=threads))
        for name, part in pixels._asdict().items():
            full = rows.setdefault(name, np.zeros(found.shape, part.dtype))
            full[tile.top : tile.bottom, tile.left : tile.right] = part
    return rows


def test_a_map_is_the_same_in_tiles_of_any_size_and_threads():
    """Every array, in every bit."""
    found = grid(
        axis("hidden_learning_rate", "0.0005", "0.05", 23, Spacing.log),
        axis("output_learning_rate", "0.0005", "0.05", 17, Spacing.log),
    )
    first = whole(found, 100)
    assert len(np.unique(first["outcome"])) > 1
    for side, threads in ((1, 1), (5, 1), (16, 2)):
        other = whole(found, side, threads)
        for name, array in first.items():
            assert array.tobytes() == other[name].tobytes(), name


def test_rates_parameters_and_seeds_reach_their_networks():
    """Row by row: x varies fastest."""
    tile = next(iter(grid(axis(pixels=3), axis("b2", "-1", "1", 2)).tiles(9)))
    networks = grid(axis(pixels=3), axis("b2", "-1", "1", 2)).networks(tile)
    assert np.asarray(networks.learning_rate).tolist() == axis(pixels=3).values.tolist() * 2
    assert np.asarray(networks.starts)[:, -1].tolist() == [-0.5] * 3 + [0.5] * 3
    seeds = grid(axis(pixels=2), axis("seed", "3", "5", 2), initialisation=Initialisation.he).networks(
        next(iter(grid(axis(pixels=2), axis("seed", "3", "5", 2)).tiles(9)))
    )
    assert np.asarray(seeds.seed).tolist() == [3, 3, 4, 4]
    starts = np.asarray(seeds.starts)
    assert (starts[0] == starts[1]).all()
    assert (starts[0] != starts[2]).any()


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (axis("w3_1", "0", "1"), None, "w3_1: no axis; it can be learning_rate, "),
        (axis(), axis(), "learning_rate: both axes vary it"),
        (axis(), axis("output_learning_rate"), "learning_rate is that of both layers"),
    ],
)
def test_axes_that_do_not_fit_are_refused(x, y, said):
    """The sentence says what can be."""
    with pytest.raises(InputError, match=said):
        grid(x, y)
