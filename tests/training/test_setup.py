"""What is asked of a trainer: every value that cannot be trained with is named, and entries are shared, not copied."""

import math

import numpy as np
import pytest

from student_score.data.article import ARTICLE_ROWS
from student_score.data.rows import Rows, split_rows
from student_score.errors import InputError
from student_score.model.network import ARTICLE_START
from student_score.model.sampling import Sampling
from student_score.training.setup import (
    Networks,
    Observable,
    Setup,
    Trainer,
    check_epochs,
    check_hidden_size,
    check_learning_rate,
    check_observe,
)
from student_score.training.train import train, train_each

ARTICLE = split_rows(ARTICLE_ROWS)
START = ARTICLE_START.flat()
NAN, INF = math.nan, math.inf

REFUSALS = {
    "rate 0": ({"learning_rate": 0.0}, r"^learning_rate=0\.0: it must be a positive, finite number$"),
    "rate -1": ({"learning_rate": -1.0}, r"^learning_rate=-1\.0: "),
    "rate nan": ({"learning_rate": NAN}, "^learning_rate=nan: "),
    "rate inf": ({"learning_rate": INF}, "^learning_rate=inf: "),
    "rate -inf": ({"learning_rate": -INF}, "^learning_rate=-inf: "),
    "no epochs": ({"epochs": 0}, "^epochs=0: it must be at least 1$"),
    "negative epochs": ({"epochs": -5}, "^epochs=-5: "),
    "row order too short": (
        {"row_order": [0, 1]},
        r"^row_order=\[0, 1\] must name each of the 3 training rows 0\.\.2 exactly once$",
    ),
    "row order empty": ({"row_order": []}, r"^row_order=\[\] must name each"),
    "row order from 1": ({"row_order": [1, 2, 3]}, r"^row_order=\[1, 2, 3\] must"),
    "row order of a full batch": ({"row_order": [0, 0, 1], "sampling": Sampling.full_batch}, r"^row_order=\[0, 0, 1\]"),
    "row order of a random sampling": (
        {"row_order": [0, 2, 1], "sampling": Sampling.shuffled},
        r"^row_order=\[0, 2, 1\] has no meaning where sampling=shuffled",
    ),
    "epoch 0 recorded": (
        {"recorded_epochs": np.array([0, 3])},
        r"^recorded_epochs=\[0 3\] must be whole numbers that increase within 1\.\.5$",
    ),
    "an epoch too late": ({"recorded_epochs": np.array([1, 6])}, r"^recorded_epochs=\[1 6\]"),
    "an epoch twice": ({"recorded_epochs": np.array([2, 2, 5])}, r"^recorded_epochs=\[2 2 5\]"),
    "epochs out of order": ({"recorded_epochs": np.array([1, 4, 3, 5])}, r"^recorded_epochs=\[1 4 3 5\]"),
    "half an epoch": ({"recorded_epochs": [1.5]}, r"^recorded_epochs=\[1\.5\]"),
    "epochs in a table": ({"recorded_epochs": [[1, 2]]}, r"^recorded_epochs=\[\[1 2\]\]"),
    "half a seed": ({"seed": 0.5}, r"^seed=0\.5 must be whole numbers of at most 64 bits$"),
    "too long a seed": ({"seed": 2**64}, f"^seed={2**64} must be whole numbers"),
}


@pytest.mark.parametrize("trainer", Trainer)
@pytest.mark.parametrize(("changes", "message"), REFUSALS.values(), ids=REFUSALS.keys())
def test_values_out_of_range_are_refused(changes, message, trainer):
    """The message names the value and what is allowed; the same training without the fault runs."""
    good = {"learning_rate": 1e-4, "epochs": 5, "trainer": trainer}
    with pytest.raises(InputError, match=message):
        train(ARTICLE, ARTICLE_START, **(good | changes))
    assert len(train(ARTICLE, ARTICLE_START, **good).avg_loss) == 5


@pytest.mark.parametrize("n_features", [1, 3])
def test_a_start_for_other_features_is_refused(n_features):
    """The message names the start's shape, the rows' features and the shapes that would do."""
    rows = Rows(np.ones((4, n_features)), np.ones(4))
    size = 2 * (n_features + 2) + 1  # nine for two features
    with pytest.raises(
        InputError, match=rf"^starts has shape \(9,\); {n_features} features, hidden_size=2 .* need \({size},\)"
    ):
        train(split_rows(rows), ARTICLE_START, learning_rate=1e-4, epochs=5)


MISFITS = {
    "a rate among many": ({"learning_rate": [1e-3, NAN, -1.0]}, "^learning_rate=nan: it must be a positive, finite"),
    "output rate": ({"output_learning_rate": -1.0}, r"^output_learning_rate=-1\.0: it must be a positive, finite"),
    "no networks": ({"learning_rate": []}, "same, at least 1, in every argument, but is {'learning_rate': 0}$"),
    "two rates for three seeds": (
        {"learning_rate": [0.1, 0.2], "seed": [1, 2, 3]},
        "^the number of networks must be the same, .* {'learning_rate': 2, 'seed': 3}$",
    ),
    "two output rates for three": (
        {"learning_rate": [0.1, 0.2, 0.3], "output_learning_rate": [0.1, 0.2]},
        "'output_learning_rate': 2",
    ),
    "starts too long": ({"starts": np.ones(10)}, r"^starts has shape \(10,\); .* need \(9,\) or \(networks, 9\)$"),
    "rates in a table": ({"learning_rate": [[0.1]]}, r"^learning_rate has shape \(1, 1\); .* or \(networks,\)$"),
    "the second of two orders": ({"row_order": [[2, 1, 0], [0, 0, 1]]}, r"^row_order=\[0, 0, 1\] must name each"),
    "orders in tables": ({"row_order": [[[0, 1, 2]]]}, r"^row_order has shape \(1, 1, 3\)"),
}


@pytest.mark.parametrize(("changes", "message"), MISFITS.values(), ids=MISFITS.keys())
def test_networks_that_do_not_fit_their_setup_are_refused(changes, message):
    """The first bad value, or the shapes and the numbers of networks, stand in the message."""
    setup = Setup(split=ARTICLE, hidden_size=2, epochs=5)
    with pytest.raises(InputError, match=message):
        Networks(**({"starts": START, "learning_rate": 1e-3} | changes)).each(setup)


def test_a_setup_needs_a_hidden_unit():
    """None and fewer are refused by the argument's name."""
    for hidden_size in (0, -3):
        for attempt in (check_hidden_size, lambda n: Setup(split=ARTICLE, hidden_size=n, epochs=1)):
            with pytest.raises(InputError, match=f"^hidden_size={hidden_size}: it must be at least 1$"):
                attempt(hidden_size)


def test_the_checks_let_good_values_pass():
    """The smallest and the largest allowed values are allowed."""
    check_hidden_size(1)
    check_epochs(1)
    check_learning_rate([5e-324, 1.7e308])
    check_observe([Observable.sharpness], 500)
    check_observe([], 10**6)


def test_the_epochs_to_record_become_an_array():
    """Any increasing whole numbers will do, floats and the empty list among them; by default there are none."""
    for given, expected in (([1, 3.0, 5], [1, 3, 5]), ((), []), (range(2, 4), [2, 3])):
        recorded = Setup(split=ARTICLE, hidden_size=2, epochs=5, recorded_epochs=given).recorded_epochs
        assert recorded.tolist() == expected
        assert recorded.dtype == np.int64
    assert Setup(split=ARTICLE, hidden_size=2, epochs=5).recorded_epochs.tolist() == []


def test_a_setup_knows_its_networks_size():
    """Two features and five units have 2*5 + 5 weights into and biases of units, 5 out of them and a bias: 21."""
    setup = Setup(split=ARTICLE, hidden_size=5, epochs=1)
    assert (setup.n_features, setup.size) == (2, 21)


def test_what_networks_share_is_not_copied_for_each():
    """A million networks from one start in one order take the memory of one; entries of their own are kept as given."""
    rates = np.geomspace(1e-4, 1e-2, 1_000_000)
    each = Networks(starts=START, learning_rate=rates).each(Setup(split=ARTICLE, hidden_size=2, epochs=1))
    assert each.starts.shape == (1_000_000, 9)
    assert each.row_orders.shape == (1_000_000, 3)
    assert (each.starts.strides[0], each.row_orders.strides[0], each.seeds.strides[0]) == (0, 0, 0)
    assert np.shares_memory(each.hidden_rates, rates)
    assert np.shares_memory(each.output_rates, rates)  # the output layer's rate is the other one unless it is given
    assert each.row_orders[-1].tolist() == [0, 1, 2]


def test_a_negative_seed_wraps_around():
    """-1 is 2^64 - 1, as where orders are drawn."""
    seeds = (
        Networks(starts=START, learning_rate=1e-3, seed=[-1, 2])
        .each(Setup(split=ARTICLE, hidden_size=2, epochs=1))
        .seeds
    )
    assert seeds.tolist() == [2**64 - 1, 2]


def test_the_reference_trainer_has_one_rate():
    """A rate of the output layer's own is refused where `train_each` is called, not where its result is looked at."""
    networks = Networks(starts=START, learning_rate=1e-3, output_learning_rate=2e-3)
    setup = Setup(split=ARTICLE, hidden_size=2, epochs=1)
    for settings in ({"trainer": Trainer.reference}, {"observe": [Observable.sharpness]}):
        with pytest.raises(InputError, match=r"^output_learning_rate: the reference trainer has one rate"):
            train_each(setup, networks, **settings)
    assert len(list(train_each(setup, networks))) == 1


@pytest.mark.parametrize("name", ["starts", "learning_rate", "output_learning_rate", "row_order", "seed"])
def test_entries_of_different_lengths_are_named(name):
    """Lists that cannot stand in one array are bad input, not an error of numpy's."""
    given = {"starts": ARTICLE_START.flat(), "learning_rate": 0.1, name: [[0, 1, 2], [0, 1]]}
    with pytest.raises(InputError, match=f"{name}: its entries are of different lengths"):
        Networks(**given)
