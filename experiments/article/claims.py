"""What is claimed of the article's training, and the rules that decide it."""

from student_score.studies.claims import Claim, Whose

TRANSCRIPTS = Claim(
    name="transcripts",
    whose=Whose.article,
    sentence="The article's two transcripts come out digit for digit: losses, final weights and predictions.",
    source="the article",
    rule="Every published number equals the computed one, rounded to the digits printed.",
)
LOSS_INCREASES = Claim(
    name="loss_increases",
    whose=Whose.article,
    sentence="With a rate that is too large, 0.01 or 0.1, the loss tends to increase instead of decrease.",
    source="the article",
    rule=(
        "Supported if at both rates train_mse is larger after 1000 epochs than at the start, refuted if it is smaller "
        "at both, undecided otherwise."
    ),
)
ONE_JUMP = Claim(
    name="one_jump",
    whose=Whose.ours,
    sentence=(
        "At 0.01 and 0.1 the loss of the article's network jumps once, in epoch 1, falls to its plateau and then "
        "creeps up by less than 0.01."
    ),
    source=(
        "the first steps overshoot; a network that has died approaches a constant geometrically, which changes its "
        "loss by a term linear in the distance, of either sign"
    ),
    rule=(
        "At both rates: train_mse is larger after epoch 1 than at the start; all rises of avg_loss from one epoch to "
        "the next, from epoch 2 on, add up to less than 0.01; avg_loss is smaller in epoch 1000 than train_mse at the "
        "start."
    ),
)
UNITS_DIE = Claim(
    name="units_die",
    whose=Whose.ours,
    sentence=(
        "At 0.01 and 0.1 both hidden units of the article's network die in epoch 1 or 2, and it becomes a constant."
    ),
    source="ReLU units have no slope where they are inactive, so nothing revives them",
    rule="At both rates: collapse_epoch is at most 2, all units end dead, and the outcome is collapsed.",
)
BIAS_ALONE = Claim(
    name="bias_alone",
    whose=Whose.ours,
    sentence="The 218.85 at which the loss stays at 0.01 is what the output bias alone costs, still being trained.",
    source="closed form for a network whose units are all dead, see the study plateau",
    rule="|last avg_loss - closed form| < 1e-6 at 0.01 and at 0.1.",
    is_check=True,
)
NOT_CONVERGED = Claim(
    name="not_converged",
    whose=Whose.ours,
    sentence=(
        "At 0.0001 the article's network has not converged after 1000 epochs; it needs some 46,000 to come below 0.01."
    ),
    source="a pilot computation",
    rule=(
        "The outcome after 1000 epochs is slow, and the first epoch with avg_loss below 0.01 lies within 2 % of 46,000."
    ),
)
TWO_LOSSES = Claim(
    name="two_losses",
    whose=Whose.ours,
    sentence="The loss that the article prints is not the error of the network it ends with.",
    source="avg_loss takes each row's error before that row's update",
    rule="At 0.0001, after 1000 epochs, avg_loss exceeds train_mse by more than 5 %.",
    is_check=True,
)
LINEAR = Claim(
    name="linear_rows",
    whose=Whose.ours,
    sentence=(
        "The three rows lie exactly on score = 20 + 5 studied + 5 slept, so a straight line fits them without error "
        "and they cannot show that a network is needed."
    ),
    source="arithmetic",
    rule="20 + 5 studied + 5 slept equals every score, and linear regression's train_mse is below 1e-20.",
    is_check=True,
)
CLAIMS = (TRANSCRIPTS, LOSS_INCREASES, ONE_JUMP, UNITS_DIE, BIAS_ALONE, NOT_CONVERGED, TWO_LOSSES, LINEAR)

CREEP = 0.01
"""Score points squared: a loss that rises by less than this is printed the same, or with one more hundredth."""

LAST_COLLAPSE = 2
"""Epoch by which both units are to be dead."""

BIAS_TOLERANCE = 1e-6
"""Score points squared, from the closed form: the article prints two decimals, rounding moves 1e-11."""

FITTED = 0.01
"""Score points squared: an avg_loss below this is printed as 0.0 or 0.01, the training is at its end."""

PILOT_EPOCH, PILOT_TOLERANCE = 46_000, 0.02
"""The first epoch below FITTED as the pilot computation had it, and the share by which it may differ."""

EXCESS = 0.05
"""Share of train_mse by which avg_loss is to exceed it."""

EXACT = 1e-20
"""Score points squared: linear regression's error on rows that lie on a plane is rounding alone."""
