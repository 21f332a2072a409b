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

SPECTRAL = Claim(
    name="spectral",
    whose=Whose.literature,
    sentence=(
        "No training converges to a minimum at which the product of an epoch's row updates, seen on the residuals, has "
        "a spectral radius of 1 or more."
    ),
    source="linear stability of the minima that SGD selects (Wu, Ma and E 2018), here for a repeated row order",
    rule=(
        "The spectral radius is below 1 for every training that converged with train_mse below 1e-12, at least one of "
        "them at a rate above the limit of the gradient flow's minimum."
    ),
)
LIMIT = Claim(
    name="limit",
    whose=Whose.ours,
    sentence="At the minimum that small rates reach, that radius becomes 1 near a rate of 0.0016.",
    source="prediction of this study",
    rule=(
        "The smallest rate with radius 1, rounded to four decimals, is 0.0016 both at the gradient flow's minimum and, "
        "for each row order, at the minimum of the smallest rate that reached one."
    ),
)
REGROWTH = Claim(
    name="regrowth",
    whose=Whose.ours,
    sentence="The limit at the gradient flow's minimum predicts the first rate at which a fallen loss grows again.",
    source="prediction of this study",
    rule=(
        "In every row order the smallest rate with a rise lies within 5 % of the limit at the flow's minimum. A rise: "
        "after the first 100 epochs avg_loss exceeds by more than 1 % its lowest value since then, or 1e-12 if that is "
        "higher. Undecided where the rates on both sides of the first rise are too far apart to tell."
    ),
)
BOUND_RULE = "At every rate above 0.00165 whose training converged with train_mse below 1e-12, rate * {} > 2."
PER_ROW = Claim(
    name="per_row",
    whose=Whose.ours,
    sentence="Converged trainings above 0.00165 exceed 2 / max |J_i|², up to which no single row's update expands.",
    source="each update is a contraction up to this rate (Tanabe 1971), which is sufficient; that it is not necessary "
    "is a prediction of this study",
    rule=BOUND_RULE.format("max |J_i|²"),
)
FULL_BATCH = Claim(
    name="full_batch",
    whose=Whose.ours,
    sentence="Converged trainings above 0.00165 exceed 2 / sharpness, the limit of full-batch descent.",
    source="the limit of full-batch descent (Cohen et al. 2021); that it does not bind here is a prediction of this "
    "study",
    rule=BOUND_RULE.format("sharpness"),
)
BATCH_SHARPNESS = Claim(
    name="batch_sharpness",
    whose=Whose.ours,
    sentence="Converged trainings above 0.00165 exceed 2 / batch sharpness.",
    source="the level at which batch sharpness settles (Andreyev and Beneventano 2024); that it does not bind here is "
    "a prediction of this study",
    rule=BOUND_RULE.format("batch sharpness"),
)
CLAIMS = (SPECTRAL, LIMIT, REGROWTH, PER_ROW, FULL_BATCH, BATCH_SHARPNESS)
