"""What a hidden unit does with its weighted sum, and how steeply."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from student_score.model.activations import LEAKY_SLOPE, TABLE, Activation, step

BY_HAND = [
    (Activation.relu, 2.5, 2.5, 1.0),
    (Activation.relu, -2.5, 0.0, 0.0),
    (Activation.relu, 0.0, 0.0, 0.0),  # the article's slope is 1 only where z > 0
    (Activation.leaky_relu, 2.5, 2.5, 1.0),
    (Activation.leaky_relu, -2.0, -0.02, 0.01),  # -2 times 0.01
    (Activation.leaky_relu, 0.0, 0.0, 0.01),
    (Activation.identity, -2.5, -2.5, 1.0),
    (Activation.tanh, 0.0, 0.0, 1.0),
    (Activation.tanh, math.log(2.0), 0.6, 0.64),  # (2 - 1/2) / (2 + 1/2) is 3/5; 1 - 9/25 is 16/25
    (Activation.tanh, -math.log(2.0), -0.6, 0.64),
    (Activation.sigmoid, 0.0, 0.5, 0.25),
    (Activation.sigmoid, math.log(3.0), 0.75, 0.1875),  # 1 / (1 + 1/3) is 3/4; 3/4 times 1/4 is 3/16
    (Activation.sigmoid, -math.log(3.0), 0.25, 0.1875),  # 1 / (1 + 3)
]


@pytest.mark.parametrize(
    ("activation", "z", "output", "slope"), BY_HAND, ids=[f"{case[0].value} of {case[1]:.3g}" for case in BY_HAND]
)
def test_outputs_and_slopes_are_those_of_the_definitions(activation, z, output, slope):
    """Each activation's output and slope come out as worked by hand."""
    assert activation.evaluate(z) == pytest.approx((output, slope), rel=4e-16, abs=0.0)


@pytest.mark.parametrize("activation", Activation)
@given(size=st.floats(1e-3, 6.0), negative=st.booleans())
def test_the_slope_is_the_derivative_of_the_output(activation, size, negative):
    """Away from the kink at 0, the central difference of the output is the slope."""
    z, h = (-size if negative else size), 1e-5
    ahead, behind = activation.evaluate(z + h)[0], activation.evaluate(z - h)[0]
    # The error is h^2 / 6 times a third derivative of at most 2 plus a rounding of 6 * 2.2e-16 / h: below 3e-10.
    assert activation.evaluate(z)[1] == pytest.approx((ahead - behind) / (2 * h), rel=0, abs=3e-10)


@pytest.mark.parametrize("activation", Activation)
def test_arrays_have_the_bits_of_the_scalar_function(activation):
    """`outputs` and `slopes` keep the shape and equal the scalar function element by element, in every bit."""
    z = np.array([[-800.0, -3.7, -1e-300], [0.0, 0.1, 41.5]])
    check_bits(activation, z)


@pytest.mark.parametrize("activation", Activation)
@given(z=st.lists(st.floats(-750, 750) | st.floats(width=64), min_size=6, max_size=6))
def test_arrays_of_any_doubles_have_the_bits_of_the_scalar_function(activation, z):
    """Signed zeros, subnormal and infinite numbers, and nan as such, included."""
    check_bits(activation, np.array(z).reshape(2, 3))


def check_bits(activation, z):
    """Compare arrays (2, 3) with the scalar function."""
    for values, part in ((activation.outputs(z), 0), (activation.slopes(z), 1)):
        expected = np.array([[activation.evaluate(float(value))[part] for value in row] for row in z])
        assert values.dtype == np.float64
        assert np.array_equal(np.isnan(values), np.isnan(expected))
        assert np.where(np.isnan(values), 0.0, values).tobytes() == np.where(np.isnan(values), 0.0, expected).tobytes()
        assert values.shape == (2, 3)


def test_every_activation_has_an_entry():
    """The table names each member of the enum, and the members' functions and kinks are the table's."""
    assert set(TABLE) == set(Activation)
    assert all(activation.evaluate is TABLE[activation].evaluate for activation in Activation)
    kinked = {activation for activation in Activation if activation.has_kinks}
    assert kinked == {Activation.relu, Activation.leaky_relu}


@pytest.mark.parametrize("activation", Activation)
@given(size=st.floats(1e-3, 6.0), negative=st.booleans())
def test_the_bend_is_the_derivative_of_the_slope(activation, size, negative):
    """Away from the kink at 0, the central difference of the slope is the second derivative."""
    z, h = (-size if negative else size), 1e-5
    ahead, behind = activation.evaluate(z + h)[1], activation.evaluate(z - h)[1]
    output, slope = (np.array([value]) for value in activation.evaluate(z))
    # The error is h^2 / 6 times a fourth derivative of at most 4.1 (tanh), 7e-11, plus a rounding of 8e-16 / h, 8e-11.
    assert activation.bends(output, slope) == pytest.approx((ahead - behind) / (2 * h), rel=0, abs=2e-10)


@pytest.mark.parametrize("activation", [Activation.relu, Activation.leaky_relu])
@pytest.mark.parametrize("z", [-2.0, 0.0, 2.0])
def test_functions_with_kinks_do_not_bend(activation, z):
    """Their second derivative is 0 wherever it exists, and counts as 0 on the kink."""
    output, slope = (np.array([[value]]) for value in activation.evaluate(z))
    assert activation.bends(output, slope).tolist() == [[0.0]]


def test_leaky_relu_leaks_a_hundredth():
    """The slope below zero is the 0.01 of leaky_relu's first description."""
    assert LEAKY_SLOPE == 0.01


@given(z=st.floats(-700, 700))
@example(z=0.0)
def test_sigmoid_and_tanh_are_one_function(z):
    """1/(1 + e^-z) + 1/(1 + e^z) is 1, and tanh(z/2) is 2/(1 + e^-z) - 1."""
    output = Activation.sigmoid.evaluate(z)[0]
    assert output + Activation.sigmoid.evaluate(-z)[0] == pytest.approx(1.0, rel=4e-16)
    # Below 1 a unit in the last place is at most 1.1e-16: three for tanh, two for twice the sigmoid, one to round.
    assert Activation.tanh.evaluate(z / 2)[0] == pytest.approx(2 * output - 1, rel=0, abs=6.7e-16)


@pytest.mark.parametrize(
    ("activation", "z", "limit"),
    [
        (Activation.sigmoid, 1e4, 1.0),
        (Activation.sigmoid, math.inf, 1.0),
        (Activation.sigmoid, -1e4, 0.0),  # e^10000 would overflow
        (Activation.sigmoid, -math.inf, 0.0),
        (Activation.tanh, 1e4, 1.0),
        (Activation.tanh, math.inf, 1.0),
        (Activation.tanh, -1e4, -1.0),
        (Activation.tanh, -math.inf, -1.0),
    ],
)
def test_saturated_units_reach_their_limit_with_slope_zero(activation, z, limit):
    """Far from 0 the exponential neither overflows nor leaves a slope."""
    assert activation.evaluate(z) == (limit, 0.0)


def test_the_sigmoid_is_as_steep_left_of_zero_as_right_of_it():
    """The slope e^-|z| / (1 + e^-|z|)^2 depends on |z| alone; at 40 it is e^-40 = 4.248e-18."""
    slope = math.exp(-40.0)  # the denominator differs from 1 by 8e-18
    assert Activation.sigmoid.evaluate(-40.0)[1] == pytest.approx(slope, rel=1e-12, abs=0.0)
    assert Activation.sigmoid.evaluate(40.0)[1] == pytest.approx(slope, rel=1e-12, abs=0.0)


def test_relu_hides_nan_and_the_others_show_it():
    """The larger of 0 and nan is 0 as in the article's max(0, sum), so finiteness has to be tested elsewhere."""
    assert Activation.relu.evaluate(math.nan) == (0.0, 0.0)
    for activation in (Activation.leaky_relu, Activation.tanh, Activation.sigmoid, Activation.identity):
        assert math.isnan(activation.evaluate(math.nan)[0])


@pytest.mark.parametrize(
    ("z", "threshold", "output"),
    [(1.3, 1.0, 1.0), (1.0, 1.0, 0.0), (0.7, 1.0, 0.0), (-0.5, -1.0, 1.0)],
    ids=["above", "at the threshold", "below", "negative threshold"],
)
def test_step_fires_only_above_its_threshold(z, threshold, output):
    """The step activation is 1 if the sum exceeds the threshold, else 0."""
    assert step(z, threshold=threshold) == output


def test_step_has_threshold_zero_unless_told():
    """Without a threshold, positive sums fire and 0 does not."""
    assert (step(0.1), step(0.0), step(-0.1)) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize("threshold", [0.0, 1.0, -2.5])
def test_no_gradient_passes_through_step(threshold):
    """On either side of the threshold its difference quotient is exactly 0, so the weights into a unit never move.

    That is why the article turns to other activations and why `step` is none of `Activation`; at the threshold itself
    it has no slope, as the quotient across it grows without bound.
    """
    for distance in (1e-3, 0.1, 1.0, 40.0):
        for z in (threshold - distance, threshold + distance):
            for h in (distance / 2, distance / 1000):
                assert (step(z + h, threshold=threshold) - step(z - h, threshold=threshold)) / (2 * h) == 0.0
    for h in (1e-1, 1e-3, 1e-6):
        across = (step(threshold + h, threshold=threshold) - step(threshold - h, threshold=threshold)) / (2 * h)
        assert across == 1 / (2 * h)
    assert "step" not in Activation.__members__


def test_the_tangent_is_as_accurate_as_the_c_librarys():
    """At 2,000 points from 1e-12 to 20, both signs, it is within 5 units in the last place of math.tanh."""
    # Ours is within 3 of the truth, the C library's within 2.
    for z in np.geomspace(1e-12, 20, 1000).tolist():
        for signed in (z, -z):
            expected = math.tanh(signed)
            assert abs(Activation.tanh.evaluate(signed)[0] - expected) <= 5 * math.ulp(expected)
    assert Activation.tanh.evaluate(math.inf) == (1.0, 0.0)
    assert Activation.tanh.evaluate(0.0) == (0.0, 1.0)
