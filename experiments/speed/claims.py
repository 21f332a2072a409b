"""What is claimed of the fastest rate and of range tests, and what it takes to decide it."""

from student_score.studies.claims import Claim, Whose

WITHIN, NEAR = 0.02, 0.10
"""Relative distances of the best rate from the limit: the one predicted, and a wider one."""

LOWEST_ERROR = 1e-24
"""Score points squared. Where the lowest error is below this, rounding decides which rate has it."""

NEIGHBOURS = 21
"""Rates in a row whose median error tells the typical one in their middle."""

STEP = 0.01
"""Of the limit: the rates around it may lie so far apart."""

DECAY_JUDGED = (2e-4, 1.5e-3)
"""Learning rates. Nearer to the limit two eigenvalues have almost the same modulus, and the decay is no straight
line."""

DECAY_ERROR = 0.01
"""Relative: the fitted slopes must be nearer to those predicted."""

LEAST_POINTS = 10
"""Of a fit that decides."""

LEAST_RATES = 10
"""At which there is such a fit, in each row order."""

FACTOR = 3.0
"""By which a reading must move with the length of the ramp."""

EXPONENT, EXPONENT_ERROR = -0.5, 0.1
"""Of the length of a linear ramp where its loss falls most steeply, and how far from it the interval may reach."""

CONFIDENCE = 0.95
"""Of that interval."""

GRID_RULE = (
    "best is the rate with the lowest train_mse after 250, 350, 500, 700, 1,000, 1,400 or 2,000 epochs in one of the "
    "six row orders, limit the smallest rate at which an epoch's residual map has spectral radius 1 at the gradient "
    "flow's minimum. The rates must reach from half to one and a half times the limit, in steps of at most 1 % of it. "
    "Left out are lengths and orders whose lowest error is below 1e-24, where rounding decides which rate has it."
)
BEST = Claim(
    name="best_rate",
    whose=Whose.ours,
    sentence=(
        "From the article's start the rate with the lowest error lies within 2 % of the spectral limit, in every row "
        "order and after every number of epochs from 250 to 2,000."
    ),
    source="prediction of this study: on a quadratic with a large condition number, 2 / (largest + smallest curvature) "
    "is fastest",
    rule=f"|best / limit - 1| <= 0.02 everywhere, where {GRID_RULE}",
)
BEST_NEAR = Claim(
    name="best_rate_near",
    whose=Whose.ours,
    sentence=(
        "In every row order and after every such number of epochs the rate with the lowest error, and the typically "
        "best one, lie within 10 % of the spectral limit."
    ),
    source="prediction of this study, after measurements from 4 % below to 8 % above the limit",
    rule=(
        f"|best / limit - 1| <= 0.1 everywhere, on either half of the rates, taken alternately; and for the middle of "
        f"those 21 neighbouring rates whose median error is lowest. Here {GRID_RULE}"
    ),
)
DECAY = Claim(
    name="late_decay",
    whose=Whose.ours,
    sentence="Late in a training the logarithm of the loss falls by 2 ln(1 / spectral radius) an epoch.",
    source="linear stability of the epoch's map at a minimum that fits every row",
    rule=(
        "In every row order and at every rate from 0.0002 to 0.0015, at least ten of them, the slope of a "
        "least-squares line through ln avg_loss over the log-spaced epochs with avg_loss between 1e-16 and 1e-8, at "
        "least ten, is within 1 % of 2 ln(spectral radius of the residual map at the final parameters)."
    ),
    is_check=True,
)
RANGE_RULE = (
    "Over nine lengths from 100 to 10,000 epochs of a ramp from 0.000001 to 0.01, the largest reading is at least "
    "three times the smallest, in each of the six row orders, both on ramps that are linear and on those that are "
    "exponential. The reading: {}."
)
RISE_READING = Claim(
    name="range_test_rise",
    whose=Whose.ours,
    sentence="The rate at which a range test's loss starts to rise moves by a factor of three as the ramp gets a "
    "hundred times as long.",
    source="the test is Smith's (2017, section 3.3), the factor a prediction of this study",
    rule=RANGE_RULE.format(
        "the rate of the first epoch whose avg_loss exceeds by more than 1 % the lowest before it, or 1e-12 if that is "
        "higher"
    ),
)
STEEPEST_READING = Claim(
    name="range_test_steepest",
    whose=Whose.ours,
    sentence="The rate at which a range test's loss falls most steeply moves by a factor of three as the ramp gets a "
    "hundred times as long.",
    source="the reading is that of fastai's finder (Howard and Gugger 2020) after Smith (2017), the factor a "
    "prediction of this study",
    rule=RANGE_RULE.format(
        "the rate of the epoch whose avg_loss is furthest below the epoch's before it, among the epochs before "
        "avg_loss first exceeds four times the lowest before it"
    ),
)
FOURFOLD_READING = Claim(
    name="range_test_fourfold",
    whose=Whose.ours,
    sentence="The rate at which a range test's loss exceeds four times its lowest moves by a factor of three as the "
    "ramp gets a hundred times as long.",
    source="where fastai's finder stops (Howard and Gugger 2020); the factor is the others', measured before as 1.9 in "
    "the article's row order",
    rule=RANGE_RULE.format(
        "the rate of the first epoch whose avg_loss exceeds four times the lowest before it, or 4e-12 if that is higher"
    ),
)
POWER = Claim(
    name="range_test_power",
    whose=Whose.ours,
    sentence="On linear ramps the rate at which the loss falls most steeply goes with the length to a power between "
    "-0.6 and -0.4.",
    source="for slow ramps the loss depends on the sum of the rates so far; on a linear ramp the rate goes with the "
    "square root of that sum, and with 1 / sqrt(length)",
    rule=(
        "In each of the six row orders the 95 % interval (Student's t) of the slope of a least-squares line through "
        "ln reading over ln length, nine lengths from 100 to 10,000, lies between -0.6 and -0.4."
    ),
)
CLAIMS = (BEST, BEST_NEAR, DECAY, RISE_READING, STEEPEST_READING, FOURFOLD_READING, POWER)
