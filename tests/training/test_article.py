"""Every figure of the article: one step by hand, both trainings digit for digit, and the other pieces it defines.

The article is a tutorial that builds this network from scratch in Ruby. It prints numbers as Ruby's `round` leaves
them, without trailing zeros, so 0.8 stands for 0.80; `repr` of a rounded Python float looks the same.
"""

import json
import math

import numpy as np
import pytest

from student_score.model.activations import Activation, step
from student_score.model.network import ARTICLE_START, Parameters, predict, weighted_sum, weighted_sums
from student_score.model.outcome import Outcome
from student_score.paths import EXPERIMENTS
from student_score.training.reference import Network, train_epochs
from student_score.training.train import train

FEATURES, SCORES = [[5.0, 8.0], [2.0, 6.0], [8.0, 7.0]], [85.0, 60.0, 95.0]
INPUTS = [[5, 8], [2, 6], [8, 7], [6, 7], [3, 5], [9, 8]]

PRINTED = {
    1e-4: {
        "avg_loss": "2.68 1.59 1.14 0.96 0.88 0.85 0.84 0.83 0.83 0.83 0.83 0.82 0.82 0.82 0.81 0.81 0.81 0.81 0.8 0.8",
        "studied to h1, h2": "1.336 1.122",
        "slept to h1, h2": "2.021 0.739",
        "h1, h2 to score": "2.581 1.28",
        "b1": "0.824 0.073",
        "b2": "10.193",
        "predictions": "86.1 59.2 94.6 84.9 57.9 105.7",
    },
    0.01: {
        "avg_loss": "482.11 231.57 219.43 218.87" + 16 * " 218.85",
        "studied to h1, h2": "-8.216 -1.446",
        "slept to h1, h2": "-29.491 -8.804",
        "h1, h2 to score": "-44.62 -26.389",
        "b1": "-4.653 -1.651",
        "b2": "80.034",
        "predictions": "80.0 80.0 80.0 80.0 80.0 80.0",
    },
}


def printed(values, digits):
    """Return the values as the article prints them: rounded, without trailing zeros, separated by blanks."""
    return " ".join(repr(round(float(value), digits)) for value in np.ravel(values))


@pytest.fixture(scope="module")
def article(article_split):
    """Return a function that trains the article's network for 1000 epochs at a rate, once for each rate."""
    done = {}

    def at(rate):
        if rate not in done:
            done[rate] = train(article_split, ARTICLE_START, learning_rate=rate, epochs=1000)
        return done[rate]

    return at


def test_the_file_holds_the_articles_three_students(article_split):
    """Hours studied, hours slept and exam score, in the article's order."""
    assert article_split.train.features.tolist() == FEATURES
    assert article_split.train.targets.tolist() == SCORES


# One step, worked by hand: the first student, [5, 8] -> 85.


def one_step(learning_rate):
    """Return the parameters and avg_loss of the trainer after one epoch of one row, the article's first."""
    net = Network.of(ARTICLE_START)
    [(loss, active)] = train_epochs(
        net, FEATURES, SCORES, activation=Activation.relu, learning_rate=learning_rate, orders=[[0]]
    )
    assert active
    return net.parameters(), loss


def gradients():
    """Return the gradients of the first step: at rate 1 they are what the step subtracts."""
    after, _ = one_step(1.0)
    return Parameters.from_flat(ARTICLE_START.flat() - after.flat(), n_features=2, hidden_size=2)


def as_printed(figures):
    """Return figures of two decimals to compare with: half a unit of the last digit, ties counted as equal."""
    return pytest.approx(np.array(figures), rel=0, abs=0.005 + 1e-9)


def test_the_first_sums_and_the_first_prediction():
    """The sums are 4.9 and 1.3, and the prediction is 14.57."""
    # First unit: 5*0.4 + 8*0.3 + 0.5. Second: 5*0.6 - 8*0.2 - 0.1. Prediction: 4.9*0.8 + 1.3*0.5 + 10.
    student = np.array(FEATURES[:1])
    assert printed(weighted_sums(ARTICLE_START, student), 10) == "4.9 1.3"
    assert printed(predict(ARTICLE_START, student, Activation.relu), 10) == "14.57"


def test_the_first_error_and_the_first_loss():
    """The error, which is b2's gradient, is 14.57 - 85 = -70.43, and the loss is its square 4960.38, not half of it."""
    _, loss = one_step(1.0)
    assert gradients().b2 == pytest.approx(-70.43, rel=1e-13)
    assert printed(loss, 2) == "4960.38"
    assert loss == pytest.approx(70.43**2, rel=1e-13)


def test_the_first_gradients_of_the_output_layer():
    """Error times h1, error times h2 and the error itself: -345.11, -91.56, -70.43."""
    assert gradients().w2 == as_printed([-345.11, -91.56])
    assert gradients().w2 / gradients().b2 == pytest.approx(np.array([4.9, 1.3]), rel=1e-13)  # h1 and h2
    assert gradients().b2 == as_printed(-70.43)


def test_the_first_hidden_errors():
    """Error times the output weight before the step, -70.43*0.8 and -70.43*0.5; they are b1's gradients."""
    assert gradients().b1 == as_printed([-56.34, -35.22])
    assert gradients().b1 == pytest.approx(np.array([-56.344, -35.215]), rel=1e-13)


def test_the_first_gradients_of_the_hidden_layer():
    """The article multiplies its rounded hidden errors by the inputs; the trainer's gradients are those unrounded."""
    article_figures = np.array([[-281.7, -176.1], [-450.72, -281.76]])  # studied, slept to h1, h2
    assert pytest.approx(article_figures, rel=1e-14) == np.outer([5, 8], [-56.34, -35.22])
    assert gradients().w1 == pytest.approx(np.array([[-281.72, -176.075], [-450.752, -281.72]]), rel=1e-13)
    # Rounding to two decimals is off by 0.005 at most, which the inputs 5 and 8 multiply.
    assert (np.abs(gradients().w1 - article_figures) <= [[0.025 + 1e-9], [0.04 + 1e-9]]).all()


def test_the_weights_after_the_first_step():
    """At rate 0.0001 all nine parameters come out with the article's four decimals."""
    after, _ = one_step(1e-4)
    assert printed([*after.w2, after.b2], 4) == "0.8345 0.5092 10.007"
    # Studied to h1, slept to h1, studied to h2, slept to h2.
    assert printed(after.w1.T, 4) == "0.4282 0.3451 0.6176 -0.1718"
    assert printed(after.b1, 4) == "0.5056 -0.0965"


# Both trainings.


@pytest.mark.parametrize("rate", PRINTED)
def test_the_transcript_comes_out_digit_for_digit(article, rate):
    """Avg Loss of each fiftieth epoch, to two decimals."""
    avg_loss = article(rate).avg_loss
    assert len(avg_loss) == 1000
    assert printed(avg_loss[49::50], 2) == PRINTED[rate]["avg_loss"]


@pytest.mark.parametrize("rate", PRINTED)
def test_the_final_weights_come_out_digit_for_digit(article, rate):
    """All nine weights and biases after 1000 epochs, to three decimals."""
    final = article(rate).final
    assert {
        "studied to h1, h2": printed(final.w1[0], 3),
        "slept to h1, h2": printed(final.w1[1], 3),
        "h1, h2 to score": printed(final.w2, 3),
        "b1": printed(final.b1, 3),
        "b2": printed(final.b2, 3),
    }.items() <= PRINTED[rate].items()


@pytest.mark.parametrize("rate", PRINTED)
def test_the_six_predictions_come_out_digit_for_digit(article, rate):
    """Three training rows and three new students, to one decimal; the trajectory holds the first three."""
    trajectory = article(rate)
    scores = predict(trajectory.final, np.array(INPUTS, dtype=float), Activation.relu)
    assert printed(scores, 1) == PRINTED[rate]["predictions"]
    assert trajectory.predictions.tobytes() == scores[:3].tobytes()


def test_at_the_small_rate_the_loss_still_falls(article):
    """After 1000 epochs at 0.0001 avg_loss is 0.8002, the error at the final weights 0.7126, and it is no minimum."""
    trajectory = article(1e-4)
    assert printed(trajectory.avg_loss[-1], 4) == "0.8002"
    assert printed([trajectory.train_mse[-1], trajectory.end.train_mse], 4) == "0.7126 0.7126"
    assert trajectory.outcome is Outcome.slow
    assert (trajectory.collapse_epoch, trajectory.diverged_epoch) == (None, None)
    assert not trajectory.dead_units.any()


@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_at_a_large_rate_the_network_becomes_a_constant(article, rate):
    """At 0.01 and 0.1 both units die within two epochs, and every student gets the same score."""
    trajectory = article(rate)
    assert trajectory.outcome is Outcome.collapsed
    assert trajectory.collapse_epoch <= 2
    assert trajectory.diverged_epoch is None
    assert trajectory.dead_units.tolist() == [True, True]
    assert len(set(trajectory.predictions.tolist())) == 1
    # The printed losses never rise, although the article says that they tend to.
    series = trajectory.avg_loss[49::50]
    assert (np.diff(np.round(series, 2)) <= 0).all()


def test_at_rate_2_the_loss_stays_finite(article):
    """The dead network's bias swings for ever by the same amount: avg_loss stays near 1.149e14 without diverging."""
    trajectory = article(2.0)
    assert len(trajectory.avg_loss) == 1000
    assert trajectory.avg_loss[-1] == pytest.approx(1.149e14, rel=5e-4)
    assert trajectory.final.is_finite()
    assert trajectory.diverged_epoch is None
    assert trajectory.outcome is Outcome.collapsed


def test_at_rate_3_the_loss_diverges_without_an_exception(article):
    """The dead network's error doubles with every row until it exceeds a double; the training ends there."""
    trajectory = article(3.0)
    assert trajectory.outcome is Outcome.diverged
    assert trajectory.diverged_epoch == len(trajectory.avg_loss) < 1000
    assert trajectory.avg_loss[-1] == math.inf
    assert np.isfinite(trajectory.avg_loss[:-1]).all()
    # Three rows an epoch double the error three times, so avg_loss grows by 64.
    assert trajectory.avg_loss[-2] / trajectory.avg_loss[-3] == pytest.approx(64.0, rel=1e-12)


def test_the_published_figures_are_recorded_for_the_study():
    """The article's study compares with the same figures, to the digit, as the tests above."""
    published = json.loads((EXPERIMENTS / "article" / "published.json").read_text())
    assert published["inputs"] == INPUTS
    assert published["print_every"] == 50
    assert [(run["learning_rate"], run["epochs"]) for run in published["runs"]] == [(1e-4, 1000), (0.01, 1000)]
    for run in published["runs"]:
        figures = {
            "avg_loss": run["avg_loss"],
            "studied to h1, h2": run["w1"][0],
            "slept to h1, h2": run["w1"][1],
            "h1, h2 to score": run["w2"],
            "b1": run["b1"],
            "b2": [run["b2"]],
            "predictions": run["predictions"],
        }
        assert {name: " ".join(map(repr, values)) for name, values in figures.items()} == PRINTED[run["learning_rate"]]


# The other pieces.


def test_the_battery_saver_fires():
    """One neuron by hand: battery low, power-hungry apps and no charger weigh 0.6 + 0.3 + 0.4 = 1.3, above 1.0."""
    weights = np.array([0.6, 0.3, 0.4])
    everything = weighted_sum(np.array([[1.0, 1.0, 1.0]]), weights, 0.0)
    assert printed(everything, 10) == "1.3"
    assert step(float(everything[0]), threshold=1.0) == 1.0


@pytest.mark.parametrize(
    ("inputs", "fires"),
    [((1, 0, 1), 0.0), ((1, 1, 0), 0.0), ((0, 1, 1), 0.0), ((0, 0, 0), 0.0), ((1, 1, 1), 1.0)],
    ids=["no apps", "at the charger", "battery full", "nothing", "everything"],
)
def test_the_battery_saver_needs_all_three_reasons(inputs, fires):
    """Without one of them the sum is 1.0, 0.9 or 0.7, which does not exceed the threshold."""
    total = weighted_sum(np.array([inputs], dtype=float), np.array([0.6, 0.3, 0.4]), 0.0)
    assert step(float(total[0]), threshold=1.0) == fires


@pytest.mark.parametrize(
    ("activation", "z", "output"),
    [
        (Activation.relu, 1.3, 1.3),
        (Activation.relu, -1.3, 0.0),
        (Activation.sigmoid, 1.3, 1 / (1 + math.exp(-1.3))),
        (Activation.sigmoid, -1.3, 1 / (1 + math.exp(1.3))),
    ],
)
def test_the_articles_other_activations(activation, z, output):
    """ReLU is max(0, sum) and sigmoid 1/(1 + e^-sum)."""
    assert activation.evaluate(z)[0] == pytest.approx(output, rel=4e-16)
