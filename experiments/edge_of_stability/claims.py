"""What is claimed of the edge of stability, and the thresholds that decide it."""

from student_score.studies.claims import Claim, Whose

LOWER, UPPER = 0.00148, 0.00258
"""Ends of the range of learning rates in which the plan of this study expects the edge."""

HOVERS = 0.002
"""Largest distance from 1 of the median of sharpness * rate / 2 over the last steps."""

HALF = (0.4, 0.6)
"""Share of steps that raise the loss which counts as about half."""

OVERSHOOT = 1.1
"""Largest sharpness * rate / 2 that counts as meeting the edge from below."""

AGREE = 1e-6
"""Largest relative distance at which two integrators of the flow agree on the sharpness at its end."""

SETTLED = 1e-10
"""Score points squared. A flow whose loss is below has come to its end."""

COHEN = "Cohen et al. 2021"
HOVERING = Claim(
    name="hovers_at_the_edge",
    whose=Whose.ours,
    sentence="For rates between 0.00148 and 0.00258 the sharpness ends up hovering at 2 / rate.",
    source=f"{COHEN}; the range is a prediction of this study",
    rule=(
        "At every rate of the 15 within the range the median of sharpness * rate / 2 over the last 2,000 of 20,000 "
        "steps is within 0.2 % of 1."
    ),
)
HALF_RISE = Claim(
    name="half_of_the_steps_raise_the_loss",
    whose=Whose.literature,
    sentence="At the edge about half of all steps raise the loss, and over many steps it still falls.",
    source=COHEN,
    rule=(
        "At every rate of the 15 within the range, of the last 2,000 steps 40 % to 60 % raise the loss, and its mean "
        "over the last tenth of them is below that over the first tenth."
    ),
)
FROM_BELOW = Claim(
    name="meets_the_edge_from_below",
    whose=Whose.literature,
    sentence="The sharpness rises until it meets 2 / rate and stays near it.",
    source=f"progressive sharpening, {COHEN}",
    rule="At every rate of the 15 within the range, sharpness * rate / 2 never exceeds 1.1 at any recorded step.",
)
BELOW = Claim(
    name="below_the_range",
    whose=Whose.literature,
    sentence="At a rate below 0.00148 the sharpness ends under 2 / rate, and the loss only falls.",
    source=COHEN,
    rule="At every rate of the 15 below the range: sharpness * rate / 2 < 1 at the end, none of the last steps rises.",
)
UPPER_EDGE = Claim(
    name="above_the_range",
    whose=Whose.ours,
    sentence="At rates above 0.00258 descent no longer hovers at the edge.",
    source="prediction of this study",
    rule="At every rate above the range the median of sharpness * rate / 2 is more than 0.2 % away from 1.",
)
LEAVES = Claim(
    name="some_leave_the_edge",
    whose=Whose.ours,
    sentence="At some rates within the range descent meets the edge and leaves it again.",
    source="prediction of this study",
    rule=(
        "At one rate within the range at least, sharpness * rate / 2 is 1 or more at a recorded step after the first "
        "200, but none of the last 2,000 of 20,000 steps raises the loss."
    ),
)
LASTS = Claim(
    name="hovering_lasts",
    whose=Whose.literature,
    sentence="Hovering lasts: ten times as many steps later half of the steps still raise the loss.",
    source=f"{COHEN}, where training stays at the edge until it ends",
    rule=(
        "At every rate of the 15 at which 40 % to 60 % of the last 2,000 of 20,000 steps raise the loss, so do 40 % to "
        "60 % of the last 2,000 of 200,000."
    ),
)
FLOW = Claim(
    name="flow_ignores_the_edge",
    whose=Whose.literature,
    sentence="The edge comes from the steps: gradient flow goes through 2 / rate of every rate in the range.",
    source=COHEN,
    rule=(
        "Radau's and Runge-Kutta's sharpness at the end of the flow agree within 1e-6 of it, it exceeds 2 / rate by "
        "more than 0.2 % at every rate of the 15 within the range, and the loss there is below 1e-10."
    ),
)
LOWER_EDGE = Claim(
    name="flow_gives_the_lower_edge",
    whose=Whose.literature,
    sentence="The range begins at 2 / (sharpness at the end of gradient flow).",
    source=COHEN,
    rule=(
        "Of the 15 rates, and two more 2 % to either side of that limit, sharpness * rate / 2 is 1 or more at a "
        "recorded step after the first 200 at every rate above the limit and at none below."
    ),
)
CATAPULT = Claim(
    name="catapult",
    whose=Whose.ours,
    sentence="Training converges up to a rate of 2 / (sharpness at the start), and not beyond.",
    source="Lewkowycz et al. 2020, where this is the limit of the phase without a catapult",
    rule="Of the trainings for 20,000 steps, those below it neither collapse nor diverge, and all above it do.",
)
CLAIMS = (HOVERING, HALF_RISE, FROM_BELOW, BELOW, UPPER_EDGE, LEAVES, LASTS, FLOW, LOWER_EDGE, CATAPULT)
