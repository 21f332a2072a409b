"""What is claimed of the edge of stability, and the thresholds that decide it."""

from student_score.studies.claims import Claim, Whose

LOWER, UPPER = 0.00148, 0.00258
"""Ends of the range of learning rates in which the plan of this study expects the edge."""

HOVERS = 0.002
"""Largest distance from 1 of the median of sharpness * rate / 2 over the last steps."""

FLOOR = 1e-18
"""Score points squared. A step that raises the loss to less does not count: there it rises by rounding alone."""

HALF = (0.4, 0.6)
"""Share of steps that raise the loss which counts as about half."""

NEAR = (0.8, 1.2)
"""Sharpness * rate / 2 that counts as staying near the edge."""

AGREE = 1e-6
"""Largest relative distance at which two integrators of the flow agree on the sharpness at its end."""

SETTLED = 1e-10
"""Score points squared. A flow whose loss is below has come to its end."""

CONFIDENCE = 0.99
"""Of every interval, which is Wilson's (1927)."""

NEARLY_ALL, SOME, MOST = 0.9, 0.01, 0.5
"""Shares that count as nearly all, as some, and as most, by the interval's end on their side."""

COHEN = "Cohen et al. 2021"
HOVERING = Claim(
    name="hovers_at_the_edge",
    whose=Whose.ours,
    sentence="For rates between 0.00148 and 0.00258 the sharpness ends up hovering at 2 / rate.",
    source=f"{COHEN}; the range is a prediction of this study",
    rule=(
        "A training hovers if the median of sharpness * rate / 2 over 50 pairs of neighbouring steps, 40 apart, of the "
        "last 2,000 of 20,000 steps is within 0.2 % of 1 and 40 % to 60 % of these 2,000 steps raise the loss, to more "
        "than 1e-18. At each of the 13 rates of the grid within the range the 99 % Wilson interval of the share that "
        "hovers, of the 101 trainings within 1e-9 of it, lies above 90 %; refuted if one lies below, else undecided."
    ),
)
HALF_RISE = Claim(
    name="half_of_the_steps_raise_the_loss",
    whose=Whose.literature,
    sentence="At the edge about half of all steps raise the loss, and over many steps it still falls.",
    source=COHEN,
    rule=(
        "At each of the 13 rates of the grid within the range the 99 % Wilson interval of the share of its 101 "
        "trainings in which, of the last 2,000 of 20,000 steps, 40 % to 60 % raise the loss, to more than 1e-18, and "
        "its mean over the last tenth of them is below that over the first tenth, lies above 90 %; refuted if one lies "
        "below, else undecided."
    ),
)
FROM_BELOW = Claim(
    name="meets_the_edge_from_below",
    whose=Whose.literature,
    sentence="The sharpness rises until it meets 2 / rate and stays near it.",
    source=f"progressive sharpening, {COHEN}",
    rule=(
        "The first 200 steps do not count. The sharpness rises until it meets the edge if sharpness * rate / 2 is "
        "below 1 after steps 199 and 200 and 1 or more at a later recorded step; it stays near it if from the first "
        "such step to step 20,000 it lies between 0.8 and 1.2 at all recorded ones. At each of the 13 rates of the "
        "grid within the range the 99 % Wilson interval of the share of its 101 trainings that do both lies above "
        "90 %; refuted if one lies below, else undecided."
    ),
)
BELOW = Claim(
    name="below_the_range",
    whose=Whose.literature,
    sentence="At a rate below 0.00148 the sharpness ends under 2 / rate, and the loss only falls.",
    source=COHEN,
    rule=(
        "At every rate from 0.0014 to 0.001479, in steps of 1e-6: sharpness * rate / 2 < 1 at the end, none of the "
        "last 2,000 of 20,000 steps raises the loss to more than 1e-18."
    ),
)
UPPER_EDGE = Claim(
    name="above_the_range",
    whose=Whose.ours,
    sentence="At rates above 0.00258 descent no longer hovers at the edge.",
    source="prediction of this study",
    rule="At none of the rates above 0.00258, up to 0.0027 in steps of 1e-6, does a training for 20,000 steps hover.",
)
SHARP_END = Claim(
    name="one_rate_where_collapse_begins",
    whose=Whose.ours,
    sentence="There is one rate below which descent survives, and above which it collapses.",
    source="what is assumed where a largest stable rate is quoted",
    rule=(
        "Of the trainings for 20,000 steps at the rates from 0.0014 to 0.0027 in steps of 1e-6, and from 0.00257 to "
        "0.00261 in steps of 1e-8, all that neither collapse nor diverge are at lower rates than all that do."
    ),
)
LEAVES = Claim(
    name="some_leave_the_edge",
    whose=Whose.ours,
    sentence="At one rate within the range, at least, trainings meet the edge and leave it again.",
    source="prediction of this study",
    rule=(
        "A training leaves if sharpness * rate / 2 is 1 or more at a recorded step after the first 200, none of the "
        "last 2,000 of 20,000 steps raises the loss to more than 1e-18, and it neither collapses nor diverges. At one "
        "of the 13 rates of the grid within the range at least the 99 % Wilson interval of the share that leaves, of "
        "its 101 trainings, lies above 1 %; refuted if that of the 1,313 trainings at all of them lies below, else "
        "undecided."
    ),
)
LASTS = Claim(
    name="hovering_lasts",
    whose=Whose.literature,
    sentence="Hovering lasts: ten times as many steps later half of the steps still raise the loss.",
    source=f"{COHEN}, where training stays at the edge until it ends",
    rule=(
        "Of every fifth of the 101 trainings about each of the grid's 15 rates, those count in which 40 % to 60 % of "
        "the last 2,000 of 20,000 steps raise the loss, to more than 1e-18. The 99 % Wilson interval of the share of "
        "them in which so do 40 % to 60 % of the last 2,000 of 200,000 lies above 90 %; refuted if it lies below, else "
        "undecided."
    ),
)
FLOW = Claim(
    name="flow_ignores_the_edge",
    whose=Whose.literature,
    sentence="The edge comes from the steps: gradient flow goes through 2 / rate of every rate in the range.",
    source=COHEN,
    rule=(
        "Radau's and Runge-Kutta's sharpness at the end of the flow agree within 1e-6 of it, it exceeds 2 / rate by "
        "more than 0.2 % at each of the 13 rates of the grid within the range, and the loss there is below 1e-10."
    ),
)
LOWER_EDGE = Claim(
    name="flow_gives_the_lower_edge",
    whose=Whose.literature,
    sentence="The range begins at 2 / (sharpness at the end of gradient flow).",
    source=COHEN,
    rule=(
        "Of the rates from 0.0014 in steps of 1e-6 that lie within 5 % of that limit, sharpness * rate / 2 is 1 or "
        "more at a recorded step after the first 200 at every rate above the limit and at none below."
    ),
)
CATAPULT = Claim(
    name="catapult",
    whose=Whose.literature,
    sentence=(
        "Training works beyond 2 / lambda_0, the largest eigenvalue of the tangent kernel at the start: a catapult "
        "takes it to a flatter place."
    ),
    source="Lewkowycz et al. 2020, who find it for ReLU networks far beyond 4 / lambda_0",
    rule=(
        "Of 101 rates evenly spaced from 2 / lambda_0 to 4 / lambda_0, lambda_0 being the largest eigenvalue of the "
        "Gram matrix of the predictions' gradients over the number of rows, the 99 % Wilson interval of the share at "
        "which 20,000 steps neither collapse nor diverge lies above 50 %; refuted if below, else undecided."
    ),
)
START_CURVATURE = Claim(
    name="sharpness_at_the_start",
    whose=Whose.ours,
    sentence="Training survives up to a rate of 2 / (sharpness at the start), and not beyond.",
    source="the quadratic approximation of the loss at the start",
    rule=(
        "Of the trainings for 20,000 steps at the rates from 0.0014 to 0.0027 in steps of 1e-6, from 0.00257 to "
        "0.00261 in steps of 1e-8, at seven from 0.003 to 0.1 and at the 101 from 2 / lambda_0 to 4 / lambda_0, all "
        "below it neither collapse nor diverge, and all above it do."
    ),
)
NINTH_DECIMAL = Claim(
    name="the_ninth_decimal_decides_nothing",
    whose=Whose.ours,
    sentence="How a training ends does not depend on the ninth decimal of its rate.",
    source="what is assumed where the outcome of a single training is quoted",
    rule=(
        "A training fails (it collapses or diverges), is at the edge (40 % to 60 % of the last 2,000 of 20,000 steps "
        "raise the loss, to more than 1e-18), rests (none does), or is none of these. At each of the grid's 15 rates "
        "all 101 trainings within 1e-9 of it, 2e-11 apart, are the same of the four."
    ),
)
ROUNDING = Claim(
    name="rounding_decides_nothing",
    whose=Whose.ours,
    sentence="How a training ends is not decided by rounding.",
    source="what is assumed where the outcome of a single training is quoted",
    rule=(
        "At every rate from 0.0014 to 0.0027 in steps of 1e-6 the trainings at the five doubles nearest to it, which "
        "differ in the last bits, are the same of the four that the claim on the ninth decimal names."
    ),
)
CLAIMS = (
    HOVERING,
    HALF_RISE,
    FROM_BELOW,
    BELOW,
    UPPER_EDGE,
    SHARP_END,
    LEAVES,
    LASTS,
    FLOW,
    LOWER_EDGE,
    CATAPULT,
    START_CURVATURE,
    NINTH_DECIMAL,
    ROUNDING,
)
