"""One training: what is measured and when, samplings, scaling, and the two trainers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from student_score.data.article import ARTICLE_ROWS
from student_score.data.rows import Rows, Scale, Split, split_rows
from student_score.model.activations import Activation
from student_score.model.network import ARTICLE_START, Initialisation, Parameters, initialise
from student_score.model.sampling import Sampling
from student_score.training.setup import Networks, Setup, Trainer
from student_score.training.train import predict_scores, train, train_each

ARTICLE = split_rows(ARTICLE_ROWS)


def random_rows(n=12, n_features=2, seed=0):
    """Return rows of uniform numbers in hours and score points."""
    rng = np.random.default_rng(seed)
    return Rows(rng.uniform(0, 9, size=(n, n_features)), rng.uniform(30, 100, size=n))


def one_unit(w1, b1, w2, b2):
    """Return the parameters of a network with one feature and one hidden unit."""
    return Parameters(np.array([[w1]]), np.array([b1]), np.array([w2]), b2)


def one_row(feature, target):
    """Return a split whose only row is a feature and a target."""
    return split_rows(Rows(np.array([[feature]]), np.array([target])))


def assert_same_bits(one, other):
    """Assert that two trajectories have the same curves, ends and epochs, in every bit."""
    for name in ("avg_loss", "recorded_epochs", "train_mse", "predictions", "dead_units"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name
    assert one.final.flat().tobytes() == other.final.flat().tobytes()
    assert (one.collapse_epoch, one.diverged_epoch) == (other.collapse_epoch, other.diverged_epoch)
    assert repr(one.end) == repr(other.end)  # the spread of a diverged training is nan, which equals nothing


# What is measured, and when.


def test_test_errors_exist_if_and_only_if_there_are_test_rows():
    """Without test rows test_mse is None; with them it has a value for every recorded epoch."""
    rows = random_rows()
    start = initialise(Initialisation.he, n_features=2, hidden_size=3)
    without = train(split_rows(rows), start, learning_rate=1e-4, epochs=20)
    assert without.test_mse is None
    split = split_rows(rows, test_fraction=0.25)
    assert len(split.test) == 3
    trajectory = train(split, start, learning_rate=1e-4, epochs=20)
    assert trajectory.test_mse.shape == trajectory.train_mse.shape == trajectory.recorded_epochs.shape
    assert trajectory.test_mse[-1] != trajectory.train_mse[-1]


def test_test_rows_do_not_train():
    """Other test rows give other test errors and the same training, in every bit."""
    rows = random_rows()
    split = split_rows(rows, test_fraction=0.25, scale=Scale.features)
    other = Split(split.train, random_rows(5, seed=9), split.scaling, split.train_indices, split.test_indices)
    start = initialise(Initialisation.he, n_features=2, hidden_size=3)
    one, two = (train(part, start, learning_rate=1e-3, epochs=50) for part in (split, other))
    assert_same_bits(one, two)
    assert (one.test_mse != two.test_mse).all()


@pytest.mark.parametrize("scale", Scale)
@pytest.mark.parametrize("sampling", Sampling)
def test_mean_squared_errors_are_those_of_the_weights_after_the_epoch(scale, sampling):
    """train_mse and test_mse of epoch k are the squared errors, in points, of a training that ends with epoch k."""
    split = split_rows(random_rows(), test_fraction=0.25, scale=scale)
    start = initialise(Initialisation.he, n_features=2, hidden_size=3)
    settings = {"learning_rate": 1e-3, "sampling": sampling, "seed": 4}
    recorded = np.array([1, 2, 7, 20])
    whole = train(split, start, epochs=20, recorded_epochs=recorded, **settings)
    assert whole.recorded_epochs.tolist() == recorded.tolist()
    for k, train_mse, test_mse in zip(recorded, whole.train_mse, whole.test_mse, strict=True):
        part = train(split, start, epochs=int(k), **settings)
        assert part.avg_loss.tobytes() == whole.avg_loss[:k].tobytes()
        for rows, error in ((split.train, train_mse), (split.test, test_mse)):
            predictions = predict_scores(part.final, rows.features, activation=Activation.relu, scaling=split.scaling)
            assert error == pytest.approx(np.mean((predictions - rows.targets) ** 2), rel=1e-12)
    assert whole.end.train_mse == pytest.approx(whole.train_mse[-1], rel=1e-12)
    assert whole.predictions == pytest.approx(
        predict_scores(whole.final, split.train.features, activation=Activation.relu, scaling=split.scaling), rel=1e-14
    )


def test_both_losses_of_one_epoch_by_hand():
    """In one epoch avg_loss is taken before each row's update, train_mse after all of them."""
    # x 2, score 2, an identity unit with w1 w2 = 1 and b2 = 1: prediction 3, error 1. At rate 1/2 all gradients (w1 2,
    # b1 1, w2 2, b2 1) halve: w1 0, b1 -1/2, w2 0, b2 1/2, so the prediction is 1/2 and the error -3/2.
    trajectory = train(
        one_row(2.0, 2.0), one_unit(1.0, 0.0, 1.0, 1.0), learning_rate=0.5, epochs=1, activation=Activation.identity
    )
    assert trajectory.avg_loss.tolist() == [1.0]
    assert trajectory.train_mse.tolist() == [2.25]
    assert trajectory.predictions.tolist() == [0.5]


def test_in_a_full_batch_avg_loss_is_the_train_mse_an_epoch_before():
    """A full batch measures all errors before its one step, so both losses are one curve, shifted by one."""
    trajectory = train(
        ARTICLE,
        ARTICLE_START,
        learning_rate=1e-4,
        epochs=50,
        sampling=Sampling.full_batch,
        recorded_epochs=np.arange(1, 51),
    )
    assert trajectory.train_mse[:-1].tobytes() == trajectory.avg_loss[1:].tobytes()


def test_by_default_the_first_the_last_and_at_most_200_epochs_are_recorded():
    """Short trainings are recorded whole, long ones on a log axis."""
    long = train(ARTICLE, ARTICLE_START, learning_rate=1e-4, epochs=1500)
    assert (long.recorded_epochs[0], long.recorded_epochs[-1]) == (1, 1500)
    assert 100 < len(long.recorded_epochs) == len(long.train_mse) <= 200
    short = train(ARTICLE, ARTICLE_START, learning_rate=1e-4, epochs=4)
    assert short.recorded_epochs.tolist() == [1, 2, 3, 4]


def test_the_start_is_kept_and_not_changed():
    """The trajectory holds the start as it was, and the final parameters apart from it."""
    before = ARTICLE_START.flat().tobytes()
    trajectory = train(ARTICLE, ARTICLE_START, learning_rate=0.01, epochs=10)
    assert ARTICLE_START.flat().tobytes() == trajectory.start.flat().tobytes() == before
    assert trajectory.final.flat().tobytes() != before


# Samplings.


@pytest.mark.parametrize("sampling", [Sampling.cyclic, Sampling.full_batch])
@pytest.mark.parametrize("learning_rate", [1e-4, 0.0019], ids=["at 0.0001", "in the unstable band"])
def test_the_identity_is_the_default_row_order(sampling, learning_rate):
    """Naming the rows 0, 1, 2 in their order changes no bit."""
    settings = {"learning_rate": learning_rate, "epochs": 300, "sampling": sampling}
    assert_same_bits(
        train(ARTICLE, ARTICLE_START, **settings), train(ARTICLE, ARTICLE_START, row_order=[0, 1, 2], **settings)
    )


@pytest.mark.parametrize("order", [[1, 2, 0], [2, 1, 0], [0, 2, 1]], ids=str)
def test_a_row_order_trains_as_a_file_in_that_order(order):
    """Cyclic training on rearranged rows has the bits of a `row_order`, even inside the unstable band."""
    settings = {"learning_rate": 0.0019, "epochs": 300}
    ordered = train(ARTICLE, ARTICLE_START, row_order=order, **settings)
    rearranged = train(split_rows(ARTICLE_ROWS.take(order)), ARTICLE_START, **settings)
    assert ordered.avg_loss.tobytes() == rearranged.avg_loss.tobytes()
    assert ordered.final.flat().tobytes() == rearranged.final.flat().tobytes()
    assert ordered.predictions[order].tobytes() == rearranged.predictions.tobytes()


@pytest.mark.parametrize(
    ("sampling", "orders"),
    [(Sampling.shuffled, [[1, 0, 2], [2, 1, 0]]), (Sampling.with_replacement, [[2, 1, 0]])],
    ids=lambda value: getattr(value, "value", ""),
)
def test_random_samplings_visit_the_drawn_rows(sampling, orders):
    """For seed 0 the first orders, worked by hand from the generator's published outputs, are the ones visited."""
    expected = ARTICLE_START
    for order in orders:
        expected = train(ARTICLE, expected, learning_rate=1e-3, epochs=1, row_order=order).final
    trajectory = train(ARTICLE, ARTICLE_START, learning_rate=1e-3, epochs=len(orders), sampling=sampling, seed=0)
    assert trajectory.final.flat().tobytes() == expected.flat().tobytes()


@pytest.mark.parametrize("sampling", Sampling)
def test_the_seed_matters_to_random_samplings_alone(sampling):
    """Another seed gives another training exactly where orders are random."""
    one, two = (
        train(ARTICLE, ARTICLE_START, learning_rate=1e-3, epochs=20, sampling=sampling, seed=seed) for seed in (1, 2)
    )
    same = one.final.flat().tobytes() == two.final.flat().tobytes()
    assert same == (sampling in {Sampling.cyclic, Sampling.full_batch})


@given(order=st.permutations(range(3)), epochs=st.integers(1, 30))
def test_a_full_batch_does_not_depend_on_the_row_order(order, epochs):
    """Full-batch training ends at the same place in every row order, up to rounding."""
    settings = {"learning_rate": 1e-4, "epochs": epochs, "sampling": Sampling.full_batch}
    one, two = (train(ARTICLE, ARTICLE_START, row_order=rows, **settings) for rows in (None, order))
    assert one.final.flat() == pytest.approx(two.final.flat(), rel=1e-11)
    assert one.avg_loss == pytest.approx(two.avg_loss, rel=1e-11)


# Scaling.


@pytest.mark.parametrize("scale", [Scale.features, Scale.features_and_target])
@pytest.mark.parametrize("sampling", [Sampling.cyclic, Sampling.full_batch])
def test_scaled_training_is_training_on_standardised_rows(scale, sampling):
    """Weights are those of rows standardised by hand; losses are theirs times the target's variance."""
    rows = random_rows()
    features = (rows.features - rows.features.mean(axis=0)) / rows.features.std(axis=0)
    mean, deviation = (rows.targets.mean(), rows.targets.std()) if scale is Scale.features_and_target else (0.0, 1.0)
    by_hand = split_rows(Rows(features, (rows.targets - mean) / deviation))
    start = initialise(Initialisation.glorot, n_features=2, hidden_size=3)
    settings = {"learning_rate": 0.01, "epochs": 40, "sampling": sampling}
    scaled, plain = (train(split, start, **settings) for split in (split_rows(rows, scale=scale), by_hand))
    assert scaled.final.flat() == pytest.approx(plain.final.flat(), rel=1e-10, abs=1e-12)
    assert scaled.avg_loss == pytest.approx(plain.avg_loss * deviation**2, rel=1e-10)
    assert scaled.train_mse == pytest.approx(plain.train_mse * deviation**2, rel=1e-10)
    assert scaled.predictions == pytest.approx(plain.predictions * deviation + mean, rel=1e-10)
    assert scaled.end.target_variance == pytest.approx(rows.targets.var(), rel=1e-14)


def test_predicted_scores_by_hand():
    """A feature is standardised on its way in, an output taken back to points on its way out."""
    # Features 1, 3 and targets 10, 30 have means 2, 20 and deviations 1, 10. For feature 5 the network sees 3 and
    # answers relu(3 * 2 - 1) * 0.5 + 1 = 3.5, which is 3.5 * 10 + 20 points; for 2 it sees 0: relu(-1) * 0.5 + 1 = 1.
    split = split_rows(Rows(np.array([[1.0], [3.0]]), np.array([10.0, 30.0])), scale=Scale.features_and_target)
    scores = predict_scores(
        one_unit(2.0, -1.0, 0.5, 1.0), np.array([[5.0], [2.0]]), activation=Activation.relu, scaling=split.scaling
    )
    assert scores.tolist() == [55.0, 30.0]


def test_dead_units_are_judged_on_the_features_the_network_sees():
    """A unit relu(x - 0.5) is dead on the standardised features -1, 0.5, 0.5 and alive on the raw 2, 5, 5."""
    # 2, 5, 5 have mean 4 and variance (4 + 1 + 1) / 3 = 2, so the larger ones become 1 / sqrt(2) = 0.71.
    rows = Rows(np.array([[2.0], [5.0], [5.0]]), np.array([1.0, 2.0, 3.0]))
    start = one_unit(1.0, -0.75, 0.0, 0.0)
    raw, scaled = (
        train(split_rows(rows, scale=scale), start, learning_rate=1e-9, epochs=1)
        for scale in (Scale.none, Scale.features)
    )
    assert (raw.dead_units.tolist(), scaled.dead_units.tolist()) == ([False], [True])


# Two trainers, one meaning.


@pytest.mark.parametrize("sampling", Sampling)
@pytest.mark.parametrize("learning_rate", [1e-4, 1.9e-3, 0.01, 3.0])
def test_both_trainers_return_the_same_trajectory(sampling, learning_rate):
    """Compiled and reference agree in every bit of the whole trajectory, divergence and scaling included."""
    for split in (ARTICLE, split_rows(random_rows(), test_fraction=0.3, scale=Scale.features_and_target)):
        start = initialise(Initialisation.he, n_features=2, hidden_size=2, seed=3)
        compiled, reference = (
            train(split, start, learning_rate=learning_rate, epochs=300, sampling=sampling, seed=5, trainer=trainer)
            for trainer in Trainer
        )
        assert_same_bits(compiled, reference)
        if split.test is not None:
            assert compiled.test_mse.tobytes() == reference.test_mse.tobytes()


@pytest.mark.parametrize("trainer", Trainer)
@pytest.mark.parametrize("sampling", Sampling)
def test_networks_trained_together_end_as_each_does_alone(sampling, trainer):
    """`train_each` yields, in their order, the trajectories that `train` returns one by one, divergence included."""
    split = split_rows(random_rows(), test_fraction=0.3, scale=Scale.features)
    starts = [initialise(Initialisation.he, n_features=2, hidden_size=3, seed=seed) for seed in range(3)]
    rates, seeds, recorded = [1e-4, 1e-3, 1e3], [4, 5, 6], [1, 7, 40]
    orders = [np.random.default_rng(k).permutation(len(split.train)).tolist() for k in range(3)]
    fixed = sampling in {Sampling.cyclic, Sampling.full_batch}
    setup = Setup(split=split, hidden_size=3, epochs=40, sampling=sampling, recorded_epochs=recorded)
    networks = Networks(
        starts=[start.flat() for start in starts],
        learning_rate=rates,
        row_order=orders if fixed else None,
        seed=seeds,
    )
    together = list(train_each(setup, networks, trainer=trainer))
    assert [trajectory.diverged_epoch is None for trajectory in together] == [True, True, False]
    for k, trajectory in enumerate(together):
        alone = train(
            split,
            starts[k],
            learning_rate=rates[k],
            epochs=40,
            sampling=sampling,
            row_order=orders[k] if fixed else None,
            seed=seeds[k],
            recorded_epochs=recorded,
            trainer=trainer,
        )
        assert_same_bits(trajectory, alone)
        assert trajectory.start.flat().tobytes() == starts[k].flat().tobytes()


def test_epochs_to_record_are_the_callers_choice():
    """None at all will do: the curves of mean squared errors are then empty, and nothing else changes."""
    settings = {"learning_rate": 1e-3, "epochs": 20}
    recorded, bare = (train(ARTICLE, ARTICLE_START, recorded_epochs=wanted, **settings) for wanted in ([4, 9], []))
    assert recorded.recorded_epochs.tolist() == [4, 9]
    assert len(recorded.train_mse) == 2
    assert len(bare.recorded_epochs) == len(bare.train_mse) == 0
    assert bare.avg_loss.tobytes() == recorded.avg_loss.tobytes()
