"""What is claimed of dead units, and the rules that decide it."""

from student_score.studies.claims import Claim, Whose

CONFIDENCE = 0.99
"""Of every interval, and of the four hidden sizes' together."""

FEW = 0.01
"""A share below this, by the upper end of its interval, counts as prevented."""

VERY_LIKELY, MOST = 0.9, 0.5
"""Shares that intervals have to lie above."""

NEARLY_ALL = 0.99
"""Share of the units that the flow kills which are to have a negative w2."""

LEAST = 100
"""Networks of a hidden size, or living units, below which a claim is undecided."""

BORN_DEAD = Claim(
    name="born_dead",
    whose=Whose.ours,
    sentence=(
        "A ReLU unit is born dead with probability 1/2 - angle / (2 pi), angle being the opening of the cone that the "
        "rows span: its biases start at 0, and the directions of its weights are uniform (He et al. 2015)."
    ),
    source="closed form, a prediction of this study",
    rule="The 99 % Clopper-Pearson interval of the observed share of all units contains it.",
    is_check=True,
)
ALL_BORN_DEAD = Claim(
    name="all_born_dead",
    whose=Whose.ours,
    sentence="All H units of a network are born dead with the H-th power of that probability.",
    source="closed form, a prediction of this study",
    rule=(
        "For each of H = 1, 2, 4, 8 the Clopper-Pearson interval of the observed share of networks contains it; each "
        "has 99.75 % confidence, so that all four together have 99 %."
    ),
    is_check=True,
)
NONE_DIES = Claim(
    name="none_dies_at_0.001",
    whose=Whose.ours,
    sentence="No unit that is alive at the start is dead after 1000 epochs at a rate of 0.001, in any row order.",
    source="prediction of this study",
    rule="Of all units alive at the start, none is dead at the end, in each of the six row orders.",
)
NONE_BY_STEP = Claim(
    name="no_step_kills_at_0.001",
    whose=Whose.ours,
    sentence=(
        "At a rate of 0.001 no step kills, in any row order: a unit that dies there also dies at an infinitesimal rate."
    ),
    source="prediction of this study",
    rule=(
        "No unit is dead at the end at 0.001 that was alive at the start and at the end of the control at 0.00001, in "
        "each of the six row orders."
    ),
)
ALL_DIE = Claim(
    name="all_die_at_0.002",
    whose=Whose.ours,
    sentence="At a rate of 0.002 all units die within 1000 epochs, in every row order.",
    source="prediction of this study, made from the article's row order",
    rule=(
        "All units that are alive at the start are dead after 1000 epochs at 0.002, in each of the six row orders. "
        "The shares of networks that lose all their units are told with Clopper-Pearson intervals, each of 99.83 % "
        "confidence, so that all six together have 99 %."
    ),
)
ALL_DIE_LATER = Claim(
    name="all_die_from_0.0027",
    whose=Whose.ours,
    sentence="At 0.0027, 0.003 and 0.005 nearly every network loses all its units, in every row order.",
    source="prediction of this study: at rates beyond any stable minimum a network can only end dead",
    rule=(
        "At each of the three rates and in each of the six row orders the Clopper-Pearson interval of the share of "
        "networks, of those with a living unit at the start, that have none after 1000 epochs lies above 99 %; refuted "
        "if it lies below in one case, undecided otherwise. Each of the 18 has 99.94 % confidence, all together 99 %."
    ),
)
CONTROL_IS_FLOW = Claim(
    name="control_is_flow",
    whose=Whose.ours,
    sentence="The control's rate is infinitesimal: at a tenth of it the same units die.",
    source="gradient descent follows the flow as its rate goes to 0; a prediction of this study",
    rule=(
        "The 99 % Clopper-Pearson interval of the share of networks in which other units die at 0.000001 than at "
        "0.00001, for as long in rate times epochs, lies below 1 %; undecided if it contains 1 %."
    ),
)
FLOW_KILLS_NEGATIVE = Claim(
    name="flow_kills_negative_w2",
    whose=Whose.ours,
    sentence=(
        "Nearly all units that gradient flow kills have a negative w2 at the start: predictions start below the "
        "scores, so the flow pushes the sums of such a unit down."
    ),
    source="the sign of the gradient at the start, a prediction of this study",
    rule=(
        "Of the units that the control kills, at least 100 of them, at least 99 % have w2 < 0 at the start. It is a "
        "count of these units, whose interval is told beside it."
    ),
)
BIAS_PREVENTS = Claim(
    name="bias_of_0.1_prevents",
    whose=Whose.literature,
    sentence="A small positive bias, b1 = 0.1 at the start, keeps units from being born dead.",
    source="Goodfellow, Bengio and Courville 2016, section 8.4: 0.1 rather than 0 avoids saturation at the start",
    rule=(
        "On the article's rows as they are the 99 % Clopper-Pearson interval of the share of units born dead lies "
        "below 1 %; undecided if it contains 1 %."
    ),
)
LARGE_BIAS_PREVENTS = Claim(
    name="bias_of_1_prevents",
    whose=Whose.ours,
    sentence="A bias ten times as large, b1 = 1, keeps units from being born dead.",
    source="what the smaller bias begins the larger one may finish",
    rule="The same interval as for 0.1.",
)
ACTIVE_ON_MOST = Claim(
    name="bias_of_0.1_activates",
    whose=Whose.literature,
    sentence="With b1 = 0.1 a unit is very likely active at the start on most of the rows, raw or standardised.",
    source="Goodfellow, Bengio and Courville 2016, section 6.3.1",
    rule=(
        "With raw features and with standardised ones the 99 % Clopper-Pearson interval of the share of units that are "
        "active on at least two of the three rows lies above 90 %; refuted if it lies below with one of the two, "
        "undecided otherwise."
    ),
)
BIAS_INTEGRAL = Claim(
    name="bias_integral",
    whose=Whose.ours,
    sentence=(
        "With b1 = 0.1 and with b1 = 1 the probability is the integral, over the directions of the cone of dead units, "
        "of the chance that the weights are long enough to outweigh the bias on every row."
    ),
    source="closed form up to an integral, a prediction of this study",
    rule=(
        "For both biases the Clopper-Pearson interval of the observed share of all units contains it; each has 99.5 % "
        "confidence, so that both together have 99 %."
    ),
    is_check=True,
)
CENTRED = Claim(
    name="standardised_none_born_dead",
    whose=Whose.ours,
    sentence="With standardised features no unit is born dead, whether b1 is 0, 0.1 or 1.",
    source="centred rows add up to 0, so the sums of a unit add up to three times its bias and cannot all be negative",
    rule="No unit is born dead, with any of the three biases.",
    is_check=True,
)
POSITIVE_WEIGHTS = Claim(
    name="positive_w1_none_born_dead",
    whose=Whose.ours,
    sentence="With |w1| in place of w1 no unit is born dead.",
    source="the rows' features are positive",
    rule="No unit is born dead.",
    is_check=True,
)
POSITIVE_WEIGHTS_PREVENT = Claim(
    name="positive_w1_prevents",
    whose=Whose.ours,
    sentence="With |w1| in place of w1 almost no network has a dead unit after training at 0.001, in any row order.",
    source="a prediction of this study",
    rule=(
        "In each of the six row orders the Clopper-Pearson interval of the share of networks with a dead unit at the "
        "end lies below 1 %; refuted if it lies above in one, undecided otherwise. Each has 99.83 % confidence."
    ),
)
LEAKY_REVIVES = Claim(
    name="leaky_relu_revives",
    whose=Whose.literature,
    sentence=(
        "With leaky ReLU a unit that is inactive on every row recovers: most networks that start with such units have "
        "none after 30,000 epochs at 0.001."
    ),
    source="Maas et al. 2013: a unit that keeps a slope can recover",
    rule=(
        "Of the networks with a unit that is inactive on every row at the start, the 99 % Clopper-Pearson interval of "
        "the share of those in which all these units are active on some row at the end lies above 50 %; refuted if it "
        "lies below, undecided if it contains 50 %."
    ),
)
CLAIMS = (
    BORN_DEAD,
    ALL_BORN_DEAD,
    NONE_DIES,
    NONE_BY_STEP,
    ALL_DIE,
    ALL_DIE_LATER,
    CONTROL_IS_FLOW,
    FLOW_KILLS_NEGATIVE,
    BIAS_PREVENTS,
    LARGE_BIAS_PREVENTS,
    ACTIVE_ON_MOST,
    BIAS_INTEGRAL,
    CENTRED,
    POSITIVE_WEIGHTS,
    POSITIVE_WEIGHTS_PREVENT,
    LEAKY_REVIVES,
)
