"""The compiled trainer computes what the reference trainer computes, every bit of it, however it is called."""

import itertools
from dataclasses import replace

import numba
import numpy as np
import pytest

from student_score.data.article import ARTICLE_ROWS
from student_score.data.rows import Rows, Scaling, Split
from student_score.model.activations import Activation
from student_score.model.network import ARTICLE_START
from student_score.model.sampling import Sampling
from student_score.training.engine import batch, kernel, train_networks
from student_score.training.engine.cache import GENERAL, source_fingerprint
from student_score.training.engine.layout import ACTIVATION_CODES
from student_score.training.engine.scalars import activate
from student_score.training.setup import Effort, Networks, Setup

START = ARTICLE_START.flat()
ORDERS = list(itertools.permutations(range(3)))
BOTH, GENERAL_ONLY = (True, False), (False,)  # by which kernels: a special one and the general, or the latter alone


@pytest.mark.parametrize(
    ("count", "inside"),
    [
        pytest.param(200, True, id="200 inside the chaotic band"),
        pytest.param(2000, True, id="2000 inside the chaotic band", marks=pytest.mark.slow),
        pytest.param(2000, False, id="2000 outside it"),
    ],
)
def test_the_articles_network_at_random_rates(article_split, assert_equals_reference, count, inside):
    """Final parameters, losses, collapse and divergence agree in every bit, in all six row orders, by both kernels.

    The reference takes 4 ms per training of 1000 epochs: inside the band, where the last bit decides, all rates run for
    as long, outside it every 20th.
    """
    rng = np.random.default_rng(1)
    rates = rng.uniform(1.8e-3, 2.25e-3, count) if inside else 10 ** rng.uniform(-5, 0.5, count)
    plan = [(1000, np.arange(count))] if inside else [(60, np.arange(count)), (1000, np.arange(0, count, 20))]
    for epochs, chosen in plan:
        setup = Setup(split=article_split, hidden_size=2, epochs=epochs, recorded_epochs=[1, 17, epochs])
        networks = Networks(starts=START, learning_rate=rates[chosen], row_order=np.array(ORDERS)[chosen % 6])
        assert_equals_reference(setup, networks, BOTH)


# Hidden size, features, rows, networks, epochs. A special kernel takes seconds to compile, so there are few of them:
# for each kind of activation, for a full batch, and for sizes on both sides of each limit, in blocks and alone.
SMALL, LONE, UNROLLED, LOOPED, LONGER, LARGE = (
    *((2, 2, 3, 30, 230), (1, 1, 1, 20, 120)),
    *((8, 4, 4, 5, 60), (9, 2, 4, 5, 60)),
    *((8, 5, 7, 3, 110), (32, 3, 50, 2, 12)),
)
EACH_ROW = (Sampling.cyclic, Sampling.shuffled, Sampling.with_replacement)  # they share a kernel
CASES = [
    (SMALL, Activation.relu, tuple(Sampling), BOTH),
    (SMALL, Activation.tanh, EACH_ROW, BOTH),
    (SMALL, Activation.sigmoid, EACH_ROW, BOTH),
    *(
        (SMALL, activation, (Sampling.full_batch,), GENERAL_ONLY)
        for activation in (Activation.tanh, Activation.sigmoid)
    ),
    *(
        (SMALL, activation, tuple(Sampling), GENERAL_ONLY)
        for activation in (Activation.leaky_relu, Activation.identity)
    ),
    (LONE, Activation.relu, EACH_ROW, GENERAL_ONLY),
    (UNROLLED, Activation.relu, EACH_ROW, BOTH),  # 49 parameters: a row has no loops
    (UNROLLED, Activation.tanh, EACH_ROW, GENERAL_ONLY),
    (LOOPED, Activation.relu, EACH_ROW, BOTH),  # more units than are unrolled
    (LONGER, Activation.leaky_relu, EACH_ROW, BOTH),  # 57 parameters, more than are unrolled; one network a block
    (LARGE, Activation.relu, EACH_ROW, BOTH),
]

REUSED = {(case[0], case[1], sampling) for case in CASES for sampling in case[2] if case[3] is BOTH}
"""Shapes, activations and samplings that have a special kernel."""


@pytest.mark.parametrize(
    ("shape", "activation", "samplings", "kernels"),
    CASES,
    ids=[f"{case[0][0]}x{case[0][1]}x{case[0][2]} {case[1].name}, {len(case[2])} samplings" for case in CASES],
)
def test_every_activation_sampling_and_size(assert_equals_reference, shape, activation, samplings, kernels):
    """Random starts, rates from 1e-5 to 3, orders, seeds and test rows; many diverge, some collapse."""
    for sampling in samplings:
        assert_equals_reference(*random_problem(*shape, activation, sampling, seed=7), kernels)


def test_rows_that_are_not_drawn_are_looked_at(article_split, assert_equals_reference):
    """A tenth of these networks live through an epoch that draws no row on which a unit is active; all kernels agree.

    One of 64 lanes may collapse while others train on.
    """
    setup = Setup(split=article_split, hidden_size=2, epochs=300, sampling=Sampling.with_replacement)
    networks = Networks(starts=START, learning_rate=0.0018, seed=np.arange(150))
    assert_equals_reference(setup, networks, BOTH)
    trained = train_networks(setup, networks, Effort(special=True))
    assert 30 < np.count_nonzero(trained.collapse_epoch) < 120


@pytest.mark.parametrize("sampling", Sampling)
@pytest.mark.parametrize("activation", Activation)
def test_collapses_from_saturated_starts(assert_equals_reference, activation, sampling):
    """Units that begin flat, on some rows or all, with outputs that differ or do not; some diverge afterwards."""
    setup, networks = random_problem(*SMALL, activation, sampling, seed=17)
    starts = np.asarray(networks.starts) * 10.0 ** np.random.default_rng(18).integers(0, 4, (len(networks.starts), 1))
    kernels = BOTH if (SMALL, activation, sampling) in REUSED else GENERAL_ONLY
    assert_equals_reference(setup, replace(networks, starts=starts), kernels)


@pytest.mark.slow
@pytest.mark.parametrize("sampling", Sampling)
@pytest.mark.parametrize("activation", Activation)
def test_the_general_kernel_trains_any_size(assert_equals_reference, activation, sampling):
    """Thirty shapes drawn from 1 to 32 units, 1 to 5 features and 1 to 50 rows, without a compilation between them."""
    shapes = np.random.default_rng(11)
    general = kernel.make_kernel(*GENERAL, source_fingerprint(), on_disk=True)
    before = len(general.signatures)
    for seed in range(30):
        hidden_size, n_features, n = (int(shapes.integers(1, last + 1)) for last in (32, 5, 50))
        problem = random_problem(hidden_size, n_features, n, 2, 12, activation, sampling, seed=seed)
        assert_equals_reference(*problem, GENERAL_ONLY)
    assert len(general.signatures) == max(1, before)


def random_problem(hidden_size, n_features, n, networks, epochs, activation, sampling, *, seed):
    """Return random networks and their setup: random rows, two for testing, and a target that is not in points."""
    rng = np.random.default_rng(seed)
    deviation = 2.7
    train, test = (
        Rows(rng.uniform(low, 10, (count, n_features)), deviation * rng.uniform(bottom, 90, count))
        for low, bottom, count in ((-3, -20, n), (0, 0, 2))
    )
    scaling = Scaling(np.zeros(n_features), np.ones(n_features), 0.0, deviation)
    starts = rng.normal(size=(networks, hidden_size * (n_features + 2) + 1))
    rates = 10 ** rng.uniform(-5, 0.5, networks)
    orders = np.array([rng.permutation(n) for _ in range(networks)])
    seeds = rng.integers(-(2**63), 2**63 - 1, networks)
    setup = Setup(
        split=Split(train, test, scaling, tuple(range(n)), (n, n + 1)),
        hidden_size=hidden_size,
        epochs=epochs,
        activation=activation,
        sampling=sampling,
        recorded_epochs=[1, 5, epochs],
    )
    fixed = sampling in {Sampling.cyclic, Sampling.full_batch}
    return setup, Networks(starts=starts, learning_rate=rates, row_order=orders if fixed else None, seed=seeds)


def test_the_cases_cover_what_kernels_differ_in():
    """Special kernels lie on both sides of each limit, in blocks and alone; no activation or sampling is left out."""
    special = [case[0] for case in CASES if case[3] is BOTH]
    assert {units - kernel.MOST_UNROLLED for units, *_ in special} >= {0, 1}
    sizes = [units * (inputs + 2) + 1 for units, inputs, *_ in special if units == kernel.MOST_UNROLLED]
    assert min(sizes) <= kernel.LARGEST_UNROLLED < max(sizes)
    assert {networks >= batch.FEWEST_LANED for _, _, _, networks, _ in special} == {True, False}
    assert {(case[1], sampling) for case in CASES for sampling in case[2]} == set(
        itertools.product(Activation, Sampling)
    )
    straight = {ACTIVATION_CODES[case[1]] in kernel.STRAIGHT for case in CASES if case[3] is BOTH}
    assert straight == {True, False}


@pytest.mark.parametrize("activation", Activation)
def test_compiled_activations_equal_the_scalar_functions(bits, activation):
    """Outputs and slopes agree in every bit from 0 to infinity, several at a time or one by one, nan included."""
    sizes = np.concatenate([[0.0, 5e-324, np.inf, np.nan], 10 ** np.random.default_rng(2).uniform(-320, 3, 5000)])
    edges = np.concatenate([np.nextafter(edge, [0.0, edge, 1e9]) for edge in (354.0, 708.0, np.log(2) / 2)])
    z = np.concatenate([sizes, edges, np.random.default_rng(3).uniform(0, 720, 5000)])
    z = np.concatenate([z, -z])
    code = ACTIVATION_CODES[activation]

    @numba.njit(error_model="numpy")
    def evaluate(z, outputs, slopes):
        for k in range(len(z)):
            outputs[k], slopes[k] = activate(code, z[k])

    outputs, slopes = np.empty_like(z), np.empty_like(z)
    evaluate(z, outputs, slopes)
    assert bits(outputs) == bits(activation.outputs(z))
    assert bits(slopes) == bits(activation.slopes(z))


def test_threads_and_company_change_no_bit(bits, train_article):
    """A network ends the same alone, in a half-empty block, among 300 others, on one thread or on all."""
    rates = np.random.default_rng(3).uniform(1.8e-3, 2.25e-3, 1000)
    one, every = (train_article(rates, effort=Effort(threads=threads, special=True)) for threads in (1, None))
    assert bits(one.finals) == bits(every.finals)
    counts = (1, batch.FEWEST_LANED - 1, batch.FEWEST_LANED, 15, 16, 17, 63, 64, 65, 127, 128, 129, 999)
    for part in (slice(0, 1), slice(7, 12), slice(100, 117), *(slice(1, 1 + count) for count in counts)):
        apart = train_article(rates[part])
        assert bits(apart.finals) == bits(one.finals[part])
        assert apart.collapse_epoch.tolist() == one.collapse_epoch[part].tolist()


def test_long_row_lists_do_not_fit_the_table_and_change_nothing(monkeypatch, assert_equals_reference):
    """A table of rows that holds a part of them only is refilled within the epoch."""
    monkeypatch.setattr(batch, "TABLE_VALUES", 4096)
    assert 1 < batch.TABLE_VALUES // (batch.LANES * 3) < 50
    rng = np.random.default_rng(5)
    rows = Rows(rng.uniform(0, 9, (50, 2)), rng.uniform(40, 90, 50))
    split = Split(rows, None, Scaling(np.zeros(2), np.ones(2)), tuple(range(50)), ())
    networks = Networks(starts=np.tile(START, (20, 1)), learning_rate=1e-4)
    assert_equals_reference(Setup(split=split, hidden_size=2, epochs=4), networks, BOTH)


def test_the_output_layer_has_a_rate_of_its_own():
    """After one update on one row, w2 moves by its own rate and w1 by the other: worked by hand.

    x = 1, target 0; w1 = 2, b1 = 0, w2 = 3, b2 = 0: z = h = 2, prediction = error = 6.
    w1 and b1 move by 0.25 * 6 * 3 = 4.5, w2 by 0.5 * 6 * 2 = 6, b2 by 0.5 * 6 = 3.
    """
    split = Split(Rows(np.ones((1, 1)), np.zeros(1)), None, Scaling(np.zeros(1), np.ones(1)), (0,), ())
    networks = Networks(starts=[2.0, 0.0, 3.0, 0.0], learning_rate=0.25, output_learning_rate=0.5)
    trained = train_networks(Setup(split=split, hidden_size=1, epochs=1), networks)
    assert trained.finals.tolist() == [[-2.5, -4.5, -3.0, -3.0]]


def test_the_suite_would_catch_a_reassociated_sum(bits, train_article, article_split, assert_equals_reference):
    """x1*w1 + x0*w0 + b is the same as x0*w0 + x1*w1 + b, but (b + x0*w0) + x1*w1 is not: the bits differ.

    The article's network is trained with the bias added first, in the reference's own arithmetic otherwise.
    """
    rate, epochs = 2.0e-3, 60
    w = START.tolist()
    for _ in range(epochs):
        for x, target in zip(ARTICLE_ROWS.features.tolist(), ARTICLE_ROWS.targets.tolist(), strict=True):
            z = [(w[4 + j] + x[0] * w[j]) + x[1] * w[2 + j] for j in range(2)]
            h = [max(0.0, value) for value in z]
            error = h[0] * w[6] + h[1] * w[7] + w[8] - target
            for j in range(2):
                hidden_error = error * w[6 + j] * float(z[j] > 0)
                w[6 + j] -= rate * (error * h[j])
                w[4 + j] -= rate * hidden_error
                w[j] -= rate * (hidden_error * x[0])
                w[2 + j] -= rate * (hidden_error * x[1])
            w[8] -= rate * error
    setup = Setup(split=article_split, hidden_size=2, epochs=epochs)
    assert_equals_reference(setup, Networks(starts=START, learning_rate=rate), BOTH)
    assert bits(w) != bits(train_article(rate, epochs=epochs).finals[0])
