"""What is claimed of a dead network, and the rules that decide it."""

from student_score.studies.claims import Claim, Whose

TOLERANCE = 1e-6
"""Score points, or score points squared, from a closed form: rounding moves some 1e-11, a wrong form whole points."""

LEAST_COLLAPSED = 10
"""Full-batch trainings, or trainings of starts at a rate, below which a claim on their heights is undecided."""

EARLY = 100
"""Epoch by which a start has to collapse for its height to be judged: at the lowest rate less than 1e-18 of the bias's
way is then left after 1500."""

THREE_ROWS = Claim(
    name="three_rows",
    whose=Whose.ours,
    sentence="For three rows a dead network's avg_loss settles at 3 Var(y) / (1 + q + q^2), q = 1 - rate.",
    source="closed form",
    rule="|simulated - closed form| < 1e-6 for 25 rates in [0.01, 1.9] and six row orders, all of them collapsed.",
    is_check=True,
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
    is_check=True,
)
FIVE_ROWS = Claim(
    name="five_rows",
    whose=Whose.ours,
    sentence="For any number of rows the height is a sum over the Fourier components of the scores in their order.",
    source="closed form, Parseval's theorem",
    rule="|simulated - closed form| < 1e-6 for five rows in ten orders at 25 rates, all of them collapsed.",
    is_check=True,
)
FULL_BATCH = Claim(
    name="full_batch",
    whose=Whose.ours,
    sentence="Trained with full batches, a dead network ends at exactly the variance of the scores, at every rate.",
    source="closed form",
    rule="|avg_loss - Var(y)| < 1e-6 for every full-batch training that collapsed, at least ten of them.",
    is_check=True,
)
BIAS_SETTLES = Claim(
    name="bias_settles",
    whose=Whose.ours,
    sentence="The article's network, once dead, stays finite below a rate of 2 and does not from 2.2 on.",
    source="the half loss has curvature 1 along the bias; 2 / curvature is the classical limit",
    rule=(
        "On three rows, one by one in six orders and in full batches, every training at one of 27 rates below 2 stays "
        "finite for 3000 updates, and every one at 2.2, 2.5 and 3 becomes non-finite."
    ),
    is_check=True,
)
ALL_COLLAPSE = Claim(
    name="all_collapse",
    whose=Whose.ours,
    sentence=(
        "At nine rates from 0.01 to 1.9 nearly every start ends as a constant, in every row order: He's "
        "initialisation with 1, 2, 4 or 8 units."
    ),
    source=(
        "at such rates a step moves weights by more than their size, and where all active units err on the same side "
        "the next step makes their sums negative; a prediction of this study"
    ),
    rule=(
        "Of 1000 starts, each trained at nine rates from 0.01 to 1.9 in six row orders, the 99 % Wilson interval of "
        "the share of those that collapse in all 54 trainings lies above 99 %; refuted if it lies below, undecided if "
        "it contains 99 %."
    ),
)
NONE_DIVERGES = Claim(
    name="none_diverges",
    whose=Whose.ours,
    sentence="At these rates almost no start becomes non-finite: the units die before it can.",
    source="each step cubes the size of the weights at most, and few steps pass before all units are dead",
    rule=(
        "Of the same 1000 starts the 99 % Wilson interval of the share of those that become non-finite in any of their "
        "54 trainings lies below 1 %; refuted if it lies above, undecided if it contains 1 %."
    ),
)
HEIGHTS_OF_STARTS = Claim(
    name="heights_of_starts",
    whose=Whose.ours,
    sentence=(
        "The height does not depend on the start: networks from He's initialisation, once dead, settle at the same "
        "closed form."
    ),
    source="once a network is dead nothing of its start is left but the distance of the bias, which shrinks",
    rule=(
        "After 1500 epochs |simulated - closed form| < 1e-6 for every training of these 1000 starts that collapsed in "
        "its first 100 epochs, at least ten of them at each of the nine rates."
    ),
    is_check=True,
)
CLAIMS = (
    THREE_ROWS,
    ANY_ORDER,
    FIVE_ROWS,
    FULL_BATCH,
    BIAS_SETTLES,
    ALL_COLLAPSE,
    NONE_DIVERGES,
    HEIGHTS_OF_STARTS,
)

CONFIDENCE = 0.99
"""Of every interval."""

FEW = 0.01
"""Share of starts that counts as almost none; one minus it counts as nearly all."""

SURELY = 2.2
"""Rate from which 3000 updates are enough for the bias to leave the range of doubles."""
