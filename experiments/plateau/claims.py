"""What is claimed of a dead network, and the rules that decide it."""

from student_score.studies.claims import Claim, Whose

TOLERANCE = 1e-6
"""Score points, or score points squared, from a closed form: rounding moves some 1e-11, a wrong form whole points."""

LEAST_COLLAPSED = 10
"""Full-batch trainings below which their claim is undecided."""

THREE_ROWS = Claim(
    name="three_rows",
    whose=Whose.ours,
    sentence="For three rows a dead network's avg_loss settles at 3 Var(y) / (1 + q + q^2), q = 1 - rate.",
    source="closed form",
    rule="|simulated - closed form| < 1e-6 for 25 rates in [0.01, 1.9] and six row orders, all of them collapsed.",
)
ANY_ORDER = Claim(
    name="any_order",
    whose=Whose.ours,
    sentence="For three rows the height does not depend on the row order, but the bias does.",
    source="closed form",
    rule=(
        "At each rate the heights of the six orders differ by less than 1e-6, the biases by more than 1e-6, and each "
        "bias is within 1e-6 of its closed form."
    ),
)
FIVE_ROWS = Claim(
    name="five_rows",
    whose=Whose.ours,
    sentence="For any number of rows the height is a sum over the Fourier components of the scores in their order.",
    source="closed form, Parseval's theorem",
    rule="|simulated - closed form| < 1e-6 for five rows in ten orders at 25 rates, all of them collapsed.",
)
FULL_BATCH = Claim(
    name="full_batch",
    whose=Whose.ours,
    sentence="Trained with full batches, a dead network ends at exactly the variance of the scores, at every rate.",
    source="closed form",
    rule="|avg_loss - Var(y)| < 1e-6 for every full-batch training that collapsed, at least ten of them.",
)
LIMIT = Claim(
    name="limit",
    whose=Whose.ours,
    sentence="No training becomes non-finite below a rate of 2.",
    source="the half loss has curvature 1 along the bias; 2 / curvature is the classical limit",
    rule="Every training at a rate below 2 stays finite, and at least one above 2 does not.",
)
CLAIMS = (THREE_ROWS, ANY_ORDER, FIVE_ROWS, FULL_BATCH, LIMIT)
