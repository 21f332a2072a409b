"""What is claimed of the fastest rate and of range tests, and what it takes to decide it."""

from student_score.studies.claims import Claim, Whose

WITHIN = 0.02
"""Largest relative distance of the best rate from the limit."""

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
"""At which there is such a fit."""

FACTOR = 3.0
"""By which a reading must move with the length of the ramp."""

BEST = Claim(
    name="best_rate",
    whose=Whose.ours,
    sentence="The rate with the lowest error after 1000 epochs lies within 2 % of the spectral limit.",
    source="prediction of this study: on a quadratic with a large condition number, 2 / (largest + smallest curvature) "
    "is fastest",
    rule=(
        "|best / limit - 1| <= 0.02, best being the rate with the lowest train_mse after 1000 epochs and limit the "
        "smallest rate at which an epoch's residual map has spectral radius 1 at the gradient flow's minimum. The "
        "rates must reach from half to one and a half times the limit, in steps of at most 1 % of it."
    ),
)
DECAY = Claim(
    name="late_decay",
    whose=Whose.ours,
    sentence="Late in a training the logarithm of the loss falls by 2 ln(1 / spectral radius) an epoch.",
    source="linear stability of the epoch's map at a minimum that fits every row",
    rule=(
        "At every rate from 0.0002 to 0.0015, at least ten of them, the slope of a least-squares line through "
        "ln avg_loss over the log-spaced epochs with avg_loss between 1e-16 and 1e-8, at least ten, is within 1 % of "
        "2 ln(spectral radius of the residual map at the final parameters)."
    ),
)
RANGE_RULE = (
    "Over nine lengths from 100 to 10,000 epochs of a ramp from 0.000001 to 0.01, the largest reading is at least "
    "three times the smallest, both on ramps that are linear and on those that are exponential. The reading: {}."
)
RISE_READING = Claim(
    name="range_test_rise",
    whose=Whose.ours,
    sentence="The rate at which a range test's loss starts to rise moves by a factor of three with the ramp's length.",
    source="the test is Smith's (2017, section 3.3), the factor a prediction of this study",
    rule=RANGE_RULE.format(
        "the rate of the first epoch whose avg_loss exceeds by more than 1 % the lowest before it, or 1e-12 if that is "
        "higher"
    ),
)
STEEPEST_READING = Claim(
    name="range_test_steepest",
    whose=Whose.ours,
    sentence="The rate at which a range test's loss falls most steeply moves by a factor of three with its length.",
    source="the reading is that of fastai's finder (Howard and Gugger 2020) after Smith (2017), the factor a "
    "prediction of this study",
    rule=RANGE_RULE.format(
        "the rate of the epoch whose avg_loss is furthest below the epoch's before it, among the epochs before "
        "avg_loss first exceeds four times the lowest before it"
    ),
)
CLAIMS = (BEST, DECAY, RISE_READING, STEEPEST_READING)
