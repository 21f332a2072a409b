"""What is claimed of dead units, and the rules that decide it."""

from student_score.studies.claims import Claim, Whose

CONFIDENCE = 0.99
"""Of every interval, and of the four hidden sizes' together."""

FEW = 0.01
"""A share below this, by the upper end of its interval, counts as prevented."""

NEXT_TO_ALL = 0.99
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
)
NONE_DIES = Claim(
    name="none_dies_at_0.001",
    whose=Whose.ours,
    sentence="No unit that is alive at the start is dead after 1000 epochs at a rate of 0.001.",
    source="prediction of this study",
    rule="Of all units alive at the start, none is dead at the end, in every hidden size.",
)
NONE_BY_STEP = Claim(
    name="no_step_kills_at_0.001",
    whose=Whose.ours,
    sentence="At a rate of 0.001 no step kills: a unit that dies there also dies at an infinitesimal rate.",
    source="prediction of this study",
    rule="No unit is dead at the end at 0.001 that was alive at the start and at the end of the control at 0.00001.",
)
ALL_DIE = Claim(
    name="all_die_at_0.002",
    whose=Whose.ours,
    sentence="At a rate of 0.002 all units die.",
    source="prediction of this study",
    rule="All units that are alive at the start are dead after 1000 epochs at 0.002, in every hidden size.",
)
CONTROL_IS_FLOW = Claim(
    name="control_is_flow",
    whose=Whose.ours,
    sentence="The control's rate is infinitesimal: at a tenth of it the same units die.",
    source="prediction of this study",
    rule=(
        "The 99 % Clopper-Pearson interval of the share of networks in which other units die at 0.000001 than at "
        "0.00001, for as long in rate times epochs, lies below 1 %; undecided if it contains 1 %."
    ),
)
FLOW_KILLS_NEGATIVE = Claim(
    name="flow_kills_negative_w2",
    whose=Whose.ours,
    sentence=(
        "Next to all units that gradient flow kills have a negative w2 at the start: predictions start below the "
        "scores, so the flow pushes the sums of such a unit down."
    ),
    source="the sign of the gradient at the start, a prediction of this study",
    rule="Of the units that the control kills, at least 100 of them, at least 99 % have w2 < 0 at the start.",
)
POSITIVE_BIAS_PREVENTS = Claim(
    name="positive_bias_prevents",
    whose=Whose.literature,
    sentence="A positive bias, b1 = +1 at the start, keeps units from being born dead.",
    source="Goodfellow, Bengio and Courville 2016, section 8.4, who recommend a small positive bias such as 0.1",
    rule=(
        "The 99 % Clopper-Pearson interval of the share of units born dead lies below 1 %; undecided if it contains "
        "1 %."
    ),
)
POSITIVE_BIAS_INTEGRAL = Claim(
    name="positive_bias_integral",
    whose=Whose.ours,
    sentence=(
        "With b1 = +1 the probability is the integral, over the directions of the cone of dead units, of the chance "
        "that the weights are long enough to outweigh the bias on every row."
    ),
    source="closed form up to an integral, a prediction of this study",
    rule="The 99 % Clopper-Pearson interval of the observed share of all units contains it.",
)
POSITIVE_WEIGHTS_PREVENT = Claim(
    name="positive_w1_prevents",
    whose=Whose.ours,
    sentence="With |w1| in place of w1 no unit is born dead, and next to none is dead after training at 0.001.",
    source="the rows' features are positive; a prediction of this study",
    rule=(
        "No unit is born dead, and the 99 % Clopper-Pearson interval of the share of networks with a dead unit at the "
        "end at 0.001 lies below 1 %; undecided if it contains 1 %."
    ),
)
LEAKY_PREVENTS = Claim(
    name="leaky_relu_prevents",
    whose=Whose.literature,
    sentence="With leaky ReLU no network ends as a constant at 0.001, where from the same starts ReLU networks do.",
    source="Maas et al. 2013: a unit that keeps a slope can recover",
    rule=(
        "The 99 % Clopper-Pearson interval of the share of collapsed networks lies below 1 % with leaky ReLU, and "
        "above 1 % with ReLU from the same starts; undecided if one of them contains 1 %."
    ),
)
CLAIMS = (
    BORN_DEAD,
    ALL_BORN_DEAD,
    NONE_DIES,
    NONE_BY_STEP,
    ALL_DIE,
    CONTROL_IS_FLOW,
    FLOW_KILLS_NEGATIVE,
    POSITIVE_BIAS_PREVENTS,
    POSITIVE_BIAS_INTEGRAL,
    POSITIVE_WEIGHTS_PREVENT,
    LEAKY_PREVENTS,
)
