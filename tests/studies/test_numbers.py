"""Numbers as people read them."""

import pytest

from student_score.studies.numbers import bound, in_percent, number, percent, typeset


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (46221, "46,221"),
        (0, "0"),
        (0.0, "0"),
        (0.123456, "0.1235"),
        (0.0001, "0.0001"),
        (0.0015969, "0.001597"),
        (1350.7559, "1,351"),
        (24070.0, "24,070"),
        (-2.5, "-2.5"),
        (5.07e-18, "5.07e-18"),
        (1e-6, "1e-6"),
        (1.683e-29, "0 (exact)"),
        (True, "yes"),
        (None, "none"),
        ("slow", "slow"),
        ([0.4127, 0.422], "0.4127 to 0.422"),
        ([1, 2], "1, 2"),
        ([], "none"),
        (float("inf"), "not finite"),
        ([0.5, float("nan")], "0.5 to not finite"),
    ],
)
def test_a_number_is_read_at_a_glance(value, read):
    """Four digits, thousands in groups, a pair of shares as a range, and what rounding left as 0."""
    assert number(value) == read


def test_shares_are_told_in_per_cent():
    """With four digits among numbers, with three in a sentence."""
    assert percent(0.188434) == 18.84
    assert in_percent(0.188434) == "18.8 %"


@pytest.mark.parametrize(
    ("text", "set_"),
    [
        ("below 1e-6", "below 10⁻⁶"),
        ("5.07e-18 points²", "5.07 × 10⁻¹⁸ points²"),
        ("1e+16", "10¹⁶"),
        ("at 0.0001", "at 0.0001"),
        ("base 2e", "base 2e"),
        ("within 2 % of it", "within 2\N{NO-BREAK SPACE}% of it"),
    ],
)
def test_powers_of_ten_are_raised_on_a_page(text, set_):
    """A factor of 1 is left out, and what is no such number stays."""
    assert typeset(text) == set_


@pytest.mark.parametrize(
    ("distances", "power"),
    [
        ([], None),
        ([0.0], 1e-15),
        ([3e-12, 1e-20], 1e-11),
        ([0.5, 2.0], 10.0),
        ([0.5, float("nan")], float("inf")),
        ([float("inf"), 0.5], float("inf")),
    ],
)
def test_distances_are_told_as_a_power_of_ten(distances, power):
    """The smallest above them all: their own digits depend on the machine."""
    assert bound(distances) == power
