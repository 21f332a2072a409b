"""The table of a sweep: a line a configuration, whatever was swept and however the runs ended."""

import math

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from student_score.model.outcome import Outcome
from student_score.sweeps.listing import BEST, LISTED, listing

RATE, SEED = "training.learning_rate", "network.seed"


def table(*rows, **columns):
    """Return a sweep's table of (rate, seed, outcome, train_mse); the mean score's error is 10, the line's 1e-29."""
    entries = [
        {RATE: rate, SEED: seed, "outcome": outcome, "avg_loss": loss, "train_mse": loss, "run_id": f"run{place}"}
        for place, (rate, seed, outcome, loss) in enumerate(rows)
    ]
    baselines = {"baseline/mean/train_mse": 10.0, "baseline/linear/train_mse": 1.683e-29}
    return pd.DataFrame(entries).assign(**baselines, **columns)


def lines(runs, swept):
    """Return the headings and the cells of a listing, line by line."""
    columns = listing(runs, swept).columns
    return [[column.heading for column in columns], *map(list, zip(*(column.cells for column in columns), strict=True))]


def test_each_run_is_a_line_where_no_seed_was_swept():
    """Rates in full, the outcome, R² beside the error, and below the baselines: rounding is shown as 0 (exact)."""
    runs = table((0.0001334, 0, "slow", 2.0), (0.1, 0, "collapsed", 10.0))
    assert lines(runs, (RATE,)) == [
        ["learning_rate", "outcome", "train_mse", "R²", "avg_loss"],
        ["0.0001334", "slow", "2", "0.800", "2"],
        ["0.1", "collapsed", "10", "0", "10"],
        ["linear regression", "", "0 (exact)", "1.000", ""],
        ["mean score", "", "10", "0", ""],
    ]
    assert listing(runs, (RATE,)).title == "2 configurations"


def test_baselines_that_were_fitted_have_a_line():
    """Where rows were held out also a parabola and a ridge; one that no run has is no line of dashes."""
    runs = table((0.1, 0, "slow", 2.0)).assign(test_mse=3.0)
    both = runs.assign(**{"baseline/quadratic/test_mse": 1.5, "baseline/ridge/validation_mse": 2.5})
    assert [row[0] for row in lines(both, (RATE,))[2:]] == [
        *("linear regression", "mean score", "quadratic regression", "ridge regression"),
    ]
    assert lines(both, (RATE,))[4][2:4] == ["1.5", ""]
    one = runs.assign(**{"baseline/quadratic/test_mse": [float("nan")], "baseline/ridge/test_mse": 2.5})
    assert [row[0] for row in lines(one, (RATE,))[2:]] == ["linear regression", "mean score", "ridge regression"]


def test_seeds_are_averaged_and_missing_ones_are_marked():
    """Two seeds of 1 and 3 have the mean 2 ± 12.7; where one diverged, the other stands alone, with a star."""
    runs = table((0.1, 0, "slow", 1.0), (0.1, 1, "settled", 3.0), (0.2, 0, "slow", 4.0), (0.2, 1, "diverged", 1e300))
    assert lines(runs, (RATE, SEED))[1:3] == [
        ["0.1", "1 settled, 1 slow", "2 ± 13", "0.800", "2 ± 13"],
        ["0.2", "1 diverged, 1 slow", "4*", "0.600", "4*"],
    ]
    found = listing(runs, (RATE, SEED))
    assert found.title == "2 configurations, 4 runs"
    assert found.remark == "± is the 95 % interval of the mean over the seeds. * mean of the runs that did not diverge."


def test_of_many_configurations_the_best_are_listed():
    """Of more than 50 the 20 best, the very best first, and where the others are."""
    runs = table(*((rate, 0, "slow", abs(rate - 30.0)) for rate in map(float, range(LISTED + 1))))
    found = listing(runs, (RATE,))
    rates = list(found.columns[0].cells)
    assert rates[:3] == ["30.0", "29.0", "31.0"]
    assert len(rates) == BEST + 2
    assert found.remark == "The 20 best of 51 configurations; results.csv has them all."


def test_test_rows_come_first():
    """What decides stands first, and stays where width is short; avg_loss goes first, train_mse next."""
    runs = table((0.1, 0, "slow", 2.0), test_mse=3.0, **{"baseline/mean/test_mse": 12.0})
    columns = listing(runs, (RATE,)).columns
    assert [(column.heading, column.rank) for column in columns] == [
        ("learning_rate", 0), ("outcome", 0), ("test_mse", 0), ("R²", 0), ("train_mse", 1), ("R²", 1), ("avg_loss", 2),
    ]  # fmt: skip


def test_a_sweep_of_seeds_alone_has_a_line_too():
    """Nothing else was swept: the line is the network's."""
    runs = table((0.1, 0, "slow", 1.0), (0.1, 1, "slow", 1.0))
    assert lines(runs, (SEED,))[1][:3] == ["the network", "2 slow", "1 ± 0.0"]
    assert listing(pd.DataFrame(), (RATE,)).title == "0 configurations"


TEXT = st.text(max_size=30) | st.sampled_from(["[/red]", "$a_{$", "a\nb", "\x1b[31m", None, True])


@given(
    data=st.data(),
    values=st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=4) | st.lists(TEXT, min_size=1, max_size=4),
    mean=st.one_of(st.floats(1e-300, 1e300), st.just(0.0), st.just(math.nan)),
)
def test_every_table_can_be_listed(data, values, mean):
    """Whatever was swept, whatever the numbers: no warning, no error, no control character, as many cells as lines."""
    number = st.one_of(st.floats(1e-300, 1e300), st.just(0.0), st.just(math.nan))
    ended = st.sampled_from([outcome.name for outcome in Outcome])
    rows = [(value, seed, data.draw(ended), data.draw(number)) for value in values for seed in range(2)]
    runs = table(*rows, test_mse=data.draw(st.sampled_from([None, np.nan, 1e300])))
    for swept in ((RATE,), (SEED,), (RATE, SEED), ()):
        found = listing(runs.assign(**{"baseline/mean/train_mse": mean}), swept)
        assert len({len(column.cells) for column in found.columns}) == 1
        assert all(cell.isprintable() for column in found.columns for cell in column.cells)
