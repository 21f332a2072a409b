"""What is claimed of networks beside straight lines and parabolas, and the rules that decide it.

Each interval is the BCa bootstrap interval of a mean over the replicates, which are independent, with 99.75 %
confidence: four together have 99 %, eight 98 %.
"""

from student_score.studies.claims import Claim, Whose

CONFIDENCE = 0.9975
"""Of every interval."""

LEAST = 20
"""Replicates below which nothing is decided."""

ABOUT = (0.75, 1.25)
"""Times a formula, within which an error is about what the formula says."""

MOST_CASES = 0.875
"""Share of the cases that counts as nearly all: 28 of 32, 21 of 24."""

FEW = 0.05
"""A share of replicates below this, by the upper end of its interval, counts as hardly any."""

LINE_WINS = Claim(
    name="line_wins_in_the_linear_world",
    whose=Whose.ours,
    sentence=(
        "Where scores rise in a straight line, linear regression beats networks of 2 and 8 units, with 10, 30, 100 and "
        "300 students."
    ),
    source=(
        "a line that is true but for the scores cut off at 100, with 3 coefficients where the networks have 9 and 33; "
        "a prediction of this study"
    ),
    rule=(
        "In the linear world, for both sizes and all four numbers of students, the interval of the mean difference of "
        "errors, network minus linear regression, lies above 0; refuted if one of the eight lies below, undecided "
        "otherwise."
    ),
)
LINE_EXCESS = Claim(
    name="line_excess",
    whose=Whose.ours,
    sentence=(
        "In the linear world the error of linear regression exceeds the least possible one by sigma^2 3/(n - 4) with n "
        "students, sigma being the standard deviation of the noise."
    ),
    source=(
        "least squares with two normal features (Breiman and Freedman 1983), to the first order in 1/n and without "
        "cut scores; a prediction of this study"
    ),
    rule=(
        "For 10, 30, 100 and 300 students the interval of the mean excess over the least possible error "
        "lies within 0.75 to 1.25 times sigma^2 3/(n - 4); refuted if one lies outside, undecided otherwise."
    ),
)
BEST_LINE_EXCESS = Claim(
    name="excess_over_the_best_line",
    whose=Whose.ours,
    sentence=(
        "In the linear world the error of linear regression exceeds that of the best straight line there is, s^2, by "
        "s^2 (3n - 2)/(n (n - 4)) with 30 students or more: cutting scores off at 100 bends the truth, and no line "
        "follows."
    ),
    source=(
        "the exact formula for two normal features (Breiman and Freedman 1983), with the misfit of the best line as "
        "further noise; hours studied are uniform, which matters in the second order of 1/n"
    ),
    rule=(
        "For 30, 100 and 300 students the interval of the mean excess over the best line's error lies within 0.75 to "
        "1.25 times this formula; refuted if one lies outside, undecided otherwise."
    ),
)
EIGHT_WIN = Claim(
    name="8_units_win_in_the_saturating_world",
    whose=Whose.ours,
    sentence=(
        "Where scores level off with the hours studied, networks of 8 units beat linear regression from 30 students on."
    ),
    source="a line misses the bend by 23.7 points squared however many students there are; a prediction of this study",
    rule=(
        "In the saturating world with 30, 100 and 300 students the interval of the mean difference, network of 8 units "
        "minus linear regression, lies below 0; refuted if one of the three lies above, undecided otherwise."
    ),
)
TWO_WIN = Claim(
    name="2_units_win_in_the_saturating_world",
    whose=Whose.ours,
    sentence=(
        "Where scores level off with the hours studied, networks of 2 units beat linear regression from 100 students "
        "on."
    ),
    source="as many starts of so few units end far from the best fit; a look at other replicates",
    rule="As for 8 units, with 100 and 300 students.",
)
SIGN_OF_TWO = Claim(
    name="sign_changes_in_the_interaction_world_2_units",
    whose=Whose.ours,
    sentence=(
        "Where study helps those more who sleep more, linear regression beats networks of 2 units with 30 students, "
        "and they beat it with 100."
    ),
    source=(
        "a line misses 6.4 points squared; what is estimated costs 25 points squared times parameters over students; "
        "a prediction of this study"
    ),
    rule=(
        "In the interaction world the interval of the mean difference, network minus linear regression, lies above 0 "
        "with 30 students and below 0 with 100; refuted if one of the two lies on the other side, undecided otherwise."
    ),
)
SIGN_OF_EIGHT = Claim(
    name="sign_changes_in_the_interaction_world_8_units",
    whose=Whose.ours,
    sentence=(
        "Where study helps those more who sleep more, linear regression beats networks of 8 units with 10 students, "
        "and they beat it with 100."
    ),
    source="a look at other replicates, which could not tell them from linear regression with 30 students",
    rule="As for 2 units, above 0 with 10 students and below 0 with 100.",
)
QUADRATIC_WINS = Claim(
    name="quadratic_beats_the_network",
    whose=Whose.ours,
    sentence=(
        "Quadratic regression beats networks nearly everywhere: in four worlds, with 10, 30, 100 and 300 students, "
        "with 2 and 8 units."
    ),
    source="three of the four worlds are, but for cut scores, quadratic or nearly so; a prediction of this study",
    rule=(
        "In at least 28 of the 32 cases the interval of the mean difference, network minus quadratic regression, lies "
        "above 0; refuted if in more than 4 it lies below, undecided otherwise."
    ),
)
QUADRATIC_WINS_FROM_30 = Claim(
    name="quadratic_beats_the_network_from_30",
    whose=Whose.ours,
    sentence="With 30 students or more quadratic regression beats networks nearly everywhere.",
    source="the formula for five normal features: with 30 students its 6 coefficients cost a quarter of sigma^2",
    rule=(
        "The interval of the mean difference, network minus quadratic regression, lies above 0 in at least 21 of the "
        "24 cases with 30 students or more; refuted if it lies below 0 in more than 3, undecided otherwise."
    ),
)
EIGHT_WIN_WITH_10 = Claim(
    name="8_units_beat_quadratic_with_10",
    whose=Whose.ours,
    sentence="With 10 students networks of 8 units beat quadratic regression in every world.",
    source=(
        "the formula for five normal features: with 10 students 6 coefficients cost two sigma^2, and more where hours "
        "lie unluckily, while a network that is trained briefly stays near a line"
    ),
    rule=(
        "With 10 students the interval of the mean difference, network minus quadratic regression, lies below 0 in all "
        "four worlds; refuted if one lies above, undecided otherwise."
    ),
)
HALF_AS_LONG = Claim(
    name="half_as_long",
    whose=Whose.ours,
    sentence="Who wins against linear regression does not turn on the length: after 100 epochs no case changes sides.",
    source="errors hardly fall after 100 epochs; a look at other replicates",
    rule=(
        "Of the 32 intervals of the mean difference, network minus linear regression, none lies on one side of 0 after "
        "100 epochs and on the other after 200."
    ),
)
RIDGE_HELPS = Claim(
    name="ridge_helps_with_10_students",
    whose=Whose.ours,
    sentence="With 10 students ridge regression beats linear regression in every world.",
    source=(
        "Hoerl and Kennard 1970: some penalty always beats none; that leaving rows out finds a good one is a "
        "prediction of this study"
    ),
    rule=(
        "With 10 students the interval of the mean difference, ridge minus linear regression, lies below 0 in all four "
        "worlds; refuted if one lies above, undecided otherwise."
    ),
)
FEW_FAIL = Claim(
    name="few_networks_fail",
    whose=Whose.ours,
    sentence=(
        "Hardly any network of 8 units collapses, sticks or diverges at a rate of 0.01, with standardised rows and in "
        "any of the worlds."
    ),
    source="all units of a network would have to die, and centred rows leave none dead at the start",
    rule=(
        "Of the replicates, each with four worlds and four numbers of students, the upper end of the 99.75 % "
        "Clopper-Pearson interval of the share of those in which any of the 16 networks fails lies below 5 %; refuted "
        "if the lower end lies above, undecided otherwise."
    ),
)
CLAIMS = (
    LINE_WINS,
    LINE_EXCESS,
    BEST_LINE_EXCESS,
    EIGHT_WIN,
    TWO_WIN,
    SIGN_OF_TWO,
    SIGN_OF_EIGHT,
    QUADRATIC_WINS,
    QUADRATIC_WINS_FROM_30,
    EIGHT_WIN_WITH_10,
    HALF_AS_LONG,
    RIDGE_HELPS,
    FEW_FAIL,
)
