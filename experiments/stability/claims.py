"""What is claimed of per-sample descent's limits, and the rules that decide it."""

from student_score.studies.claims import Claim, Whose

AT_MINIMUM = 1e-12
"""Score points squared. A converged training whose train_mse is below this is at a minimum, not only near one."""

PREDICTED = 0.0016
"""Learning rate, to four decimals: where the minimum of small rates is predicted to turn unstable."""

TOLERANCE = 0.05
"""Share of the limit by which the first rate with a rise may differ from it."""

BEYOND = 0.00165
"""Rate above which the simpler bounds are to fail."""

FALL, RISE = 0.01, 1.5
"""A loss has fallen where train_mse is below this share of the targets' variance; it grows again where train_mse is
later more than so many times its lowest value."""

DEEP = 0.001
"""The same share for a deep fall, which leaves the first jumps of a training behind."""

LOSS_FLOOR = 1e-12
"""Score points squared; what lies below it counts as this much, since rounding moves it."""

RARE, CONFIDENCE = 0.01, 0.99
"""Share that the interval for other starts must stay below, and the interval's level."""

SAME = 1e-6
"""Relative difference within which the limits of several row orders are one."""

SPECTRAL = Claim(
    name="spectral",
    whose=Whose.literature,
    sentence=(
        "No training, from the article's start in any row order or from random starts, converges to a minimum at which "
        "the product of an epoch's row updates, seen on the residuals, has a spectral radius of 1 or more."
    ),
    source="linear stability of the minima that SGD selects (Wu, Ma and E 2018), here for a repeated row order",
    rule=(
        "The spectral radius is below 1 for every training that converged with train_mse below 1e-12. Undecided unless "
        "one of them, from the article's start, is at a rate above the limit of the gradient flow's minimum, and those "
        "from He starts, at rates from 0.0005 to 0.0025, are so many that the 99 % Wilson interval of the share with a "
        "radius of 1 or more lies below 1 %."
    ),
)
LIMIT = Claim(
    name="limit",
    whose=Whose.ours,
    sentence="At the minimum that small rates reach from the article's start, that radius becomes 1 near 0.0016.",
    source="prediction of this study",
    rule=(
        "The smallest rate with radius 1, rounded to four decimals, is 0.0016 both at the gradient flow's minimum and, "
        "for each row order, at the minimum of the smallest rate that reached one."
    ),
)
ONE_LIMIT = Claim(
    name="one_limit",
    whose=Whose.ours,
    sentence="At one minimum all six orders of three rows have the same limit.",
    source="rotating or reversing a product of symmetric factors leaves its spectrum as it is, and three rows have no "
    "other orders",
    rule="At the gradient flow's minimum the limits of the six orders differ by less than 1e-6 of the largest.",
    is_check=True,
)
REGROWTH = Claim(
    name="regrowth",
    whose=Whose.ours,
    sentence=(
        "From the article's start the limit at the gradient flow's minimum predicts, within 5 %, the first rate at "
        "which a fallen loss grows again, in each of the six row orders."
    ),
    source="prediction of this study",
    rule=(
        "In every row order the smallest rate with a rise lies within 5 % of the limit at the flow's minimum, among "
        "rates 2e-7 apart. A fall: train_mse below 1 % of the targets' variance. A rise: later, train_mse "
        "above 1.5 times its lowest value since then, or 1e-12 if that is higher. A training that ends before it has "
        "fallen is censored: its rate counts as not trained at. Undecided where the rates on both sides of the first "
        "rise are too far apart to tell."
    ),
)
DEPARTURE = Claim(
    name="departure",
    whose=Whose.ours,
    sentence=(
        "From the article's start the limit at the gradient flow's minimum predicts, within 5 %, the first rate at "
        "which a loss that has fallen below 0.1 % of the variance grows again, in each of the six row orders, by "
        "train_mse as by avg_loss."
    ),
    source="linear stability, which speaks of the neighbourhood of a minimum; made after the claim before this was "
    "refuted by jumps of the first 50 epochs",
    rule=(
        "As for the claim regrowth, with 0.1 % in the place of 1 % and rates 2e-8 apart; once with train_mse, and once "
        "with avg_loss for both the fall and the rise."
    ),
)
BOUND_RULE = (
    "At every rate above 0.00165, in any of the six row orders, whose training converged with train_mse below 1e-12, "
    "rate * {} > 2; rates up to 0.00167 are 1e-8 apart."
)
PER_ROW = Claim(
    name="per_row",
    whose=Whose.ours,
    sentence="From the article's start, minima reached at rates above 0.00165 lie beyond 2 / max |J_i|², up to "
    "which no row's update expands.",
    source="each update is a contraction up to this rate (Tanabe 1971), which is sufficient; that it is not necessary "
    "is a prediction of this study",
    rule=BOUND_RULE.format("max |J_i|²"),
)
FULL_BATCH = Claim(
    name="full_batch",
    whose=Whose.ours,
    sentence="From the article's start, minima reached at rates above 0.00165 lie beyond 2 / sharpness, the limit of "
    "full-batch descent.",
    source="the limit of full-batch descent (Cohen et al. 2021); that it does not bind here is a prediction of this "
    "study",
    rule=BOUND_RULE.format("sharpness"),
)
BATCH_SHARPNESS = Claim(
    name="batch_sharpness",
    whose=Whose.ours,
    sentence="From the article's start, minima reached at rates above 0.00165 lie beyond 2 / batch sharpness.",
    source="the level at which batch sharpness settles (Andreyev and Beneventano 2024); that it does not bind here is "
    "a prediction of this study",
    rule=BOUND_RULE.format("batch sharpness"),
)
CLAIMS = (SPECTRAL, LIMIT, ONE_LIMIT, REGROWTH, DEPARTURE, PER_ROW, FULL_BATCH, BATCH_SHARPNESS)
