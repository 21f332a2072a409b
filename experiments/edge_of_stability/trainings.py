"""The trainings and the gradient flows that the edge of stability is judged on: a row of the table for each."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from student_score.arrays import Floats, Integers, Mask
from student_score.data.rows import Rows, Split, split_rows
from student_score.model.network import ARTICLE_START
from student_score.model.sampling import Sampling
from student_score.stability.landscape import Landscape
from student_score.training.many import train_many
from student_score.training.setup import Networks, Setup
from student_score.training.trajectory import log_spaced_epochs

from .claims import FLOOR
from .rates import (
    BEYOND,
    BEYOND_GROUP,
    CATAPULT_GROUP,
    DOUBLES,
    FINE,
    FINE_GROUP,
    FINER,
    FINER_GROUP,
    GRID,
    GRID_GROUP,
    LAST_BITS_GROUP,
    MEMBERS,
    NEARBY_GROUP,
    SPARSE,
    catapult_rates,
    last_bits,
    nearby,
)

STEPS, LONG = 20_000, 200_000
"""Steps of full-batch descent, and ten times as many to see what lasts."""

EARLY, LATE, BETWEEN = 200, 2000, 100
"""Steps after each of which the sharpness is taken, at the start and at the end, and log-spaced ones between them."""

EVERY = 40
"""Of the last steps of an ensemble, the sharpness is taken after two in a row of so many: it may alternate."""

CHECKED = range(STEPS, LONG + 1, STEPS)
"""Steps of a long training at which the share of the last ones that raise the loss is taken."""

CURVE = 60
"""Log-spaced steps at which the table keeps the sharpness, and that after the next step, for the figure."""

SHARPNESS_AFTER, RISES_UNTIL = "sharpness_after_", "rises_until_"
"""What the names of the columns with these begin with; the step follows."""

DESCENT, RADAU, RUNGE_KUTTA = "full batch", "flow, Radau", "flow, Runge-Kutta"

FLOW_TIME = 64.0
"""Of the flow; a step of descent takes rate. By then its loss is below `claims.SETTLED`."""


def trainings(rows: Mapping[str, Rows]) -> pd.DataFrame:
    """Integrate the gradient flow, and train at every rate; a row for each.

    Args:
        rows: the article's students by their name.
    """
    split = split_rows(rows["student_scores"])
    centres = np.repeat(GRID, MEMBERS)
    close = np.concatenate([nearby(rate) for rate in GRID])
    catapult = catapult_rates(split.train)
    tables = [
        pd.DataFrame([flow_row(split, method) for method in (RADAU, RUNGE_KUTTA)]),
        *(descend(split, GRID, steps, all_steps(steps)).assign(group=GRID_GROUP) for steps in (STEPS, LONG)),
        descend(split, close, STEPS, some_steps(STEPS)).assign(group=NEARBY_GROUP, centre=centres),
        *(
            descend(split, nearby(rate)[::SPARSE], LONG, follows=True).assign(group=NEARBY_GROUP, centre=rate)
            for rate in GRID
        ),
        descend(split, last_bits(FINE), STEPS).assign(group=LAST_BITS_GROUP, centre=np.repeat(FINE, DOUBLES)),
        descend(split, FINE, STEPS, some_steps(STEPS)).assign(group=FINE_GROUP),
        descend(split, FINER, STEPS).assign(group=FINER_GROUP),
        descend(split, BEYOND, STEPS).assign(group=BEYOND_GROUP),
        descend(split, catapult, STEPS).assign(group=CATAPULT_GROUP),
    ]
    return pd.concat(tables, ignore_index=True).copy()  # In one piece, which pandas wants.


def landscape(split: Split) -> Landscape:
    """Return the half loss of the article's network."""
    return Landscape(split.train, ARTICLE_START.hidden_size)


def flow_row(split: Split, method: str) -> dict[str, Any]:
    """Integrate the gradient flow from the article's start and return its row of the table."""
    from scipy.integrate import solve_ivp  # Late: it takes a third of a second to import.

    surface, times = landscape(split), np.concatenate([[0.0], np.geomspace(1e-5, FLOW_TIME, 400)])
    if method == RADAU:
        states = surface.gradient_flow(ARTICLE_START.flat(), times)
    else:
        states = solve_ivp(
            lambda _, p: -surface.gradient(p),
            (0.0, FLOW_TIME),
            ARTICLE_START.flat(),
            t_eval=times,
            rtol=1e-9,
            atol=1e-9,
        ).y.T
    sharpness = surface.sharpness(states)
    return {
        "method": method,
        "start_sharpness": sharpness[0],
        "end_sharpness": sharpness[-1],
        "largest_sharpness": sharpness.max(),
        "end_loss": float(np.mean(surface.residuals(states[-1]) ** 2)),
    }


def all_steps(steps: int) -> Integers:
    """Return the steps after which the sharpness is taken where training is followed closely, 0 being the start."""
    ends = np.arange(min(EARLY, steps) + 1), np.arange(max(steps - LATE, 0), steps + 1)
    return np.unique(np.concatenate([*ends, log_spaced_epochs(steps, 2 * BETWEEN), shown_steps(steps)]))


def some_steps(steps: int) -> Integers:
    """Return the steps for the members of an ensemble: the first ones, and pairs of neighbours after them."""
    second = np.arange(steps, steps - LATE, -EVERY)
    between = log_spaced_epochs(steps - LATE - 1, BETWEEN)
    return np.unique(np.concatenate([np.arange(EARLY + 1), between, between + 1, second - 1, second]))


def shown_steps(steps: int) -> Integers:
    """Return the steps of the figure, in pairs of neighbours: the sharpness may alternate from step to step."""
    first = log_spaced_epochs(min(steps, STEPS) - 1, CURVE)
    return np.unique(np.concatenate([first, first + 1]))


def full_batch(split: Split, steps: int, recorded: Sequence[int] | Integers = ()) -> Setup:
    """Return what the trainings of the article's network share."""
    return Setup(
        split=split,
        hidden_size=ARTICLE_START.hidden_size,
        epochs=steps,
        sampling=Sampling.full_batch,
        recorded_epochs=recorded,
    )


def states_at(split: Split, rates: Floats, taken: Integers) -> Floats:
    """Return the states (m, networks, parameters) of full-batch descent after the given steps.

    A step depends on nothing but the state before it, so training goes on from where it stopped, bit for bit.
    """
    states = [np.tile(ARTICLE_START.flat(), (len(rates), 1))]
    for count in np.diff(taken).tolist():
        networks = Networks(starts=states[-1], learning_rate=rates)
        states.append(train_many(full_batch(split, count), networks).finals)
    return np.stack(states)


def descend(
    split: Split, rates: Floats, steps: int, taken: Integers | None = None, *, follows: bool = False
) -> pd.DataFrame:
    """Train at every rate by full-batch descent on the half loss; a row of the table for each.

    Args:
        split: the rows.
        rates: a training for each.
        steps: of every training.
        taken: steps after which the sharpness is taken, the last one among them; only the losses without.
        follows: whether the loss is followed step by step, which takes memory for each.

    Raises:
        ArithmeticError: training in pieces ended elsewhere than training at once.
    """
    followed = np.arange(0 if follows else max(steps - LATE, 0), steps) + 1
    networks = Networks(starts=ARTICLE_START.flat(), learning_rate=rates)
    whole = train_many(full_batch(split, steps, followed), networks)
    return pd.DataFrame(
        {
            "method": DESCENT,
            "learning_rate": rates,
            "steps": steps,
            "outcome": [outcome.name for outcome in whole.outcomes],
            **late_losses(whole.avg_loss[:, -LATE:]),
            "end_loss": whole.end.train_mse,
            **(followed_losses(whole.avg_loss) if follows else {}),
            **({} if taken is None else on_the_way(split, rates, taken, whole.finals)),
        }
    )


def on_the_way(split: Split, rates: Floats, taken: Integers, finals: Floats) -> dict[str, Any]:
    """Return the table's columns on the sharpness after the steps that were taken, of trainings that end at `finals`.

    Raises:
        ArithmeticError: training in pieces ends elsewhere.
    """
    states = states_at(split, rates, taken)
    if not np.array_equal(states[-1], finals, equal_nan=True):
        raise ArithmeticError("full-batch training in pieces is not what it is at once")
    sharpness = landscape(split).sharpness(states).T
    ratio = sharpness * rates[:, None] / 2
    low, median, high = np.percentile(ratio[:, taken > taken[-1] - LATE], [1, 50, 99], axis=1)
    return {
        "start_sharpness": sharpness[:, 0],
        "end_sharpness": sharpness[:, -1],
        **approach(ratio, taken),
        "reaches_edge_after_step": [first_step(taken, reached) for reached in (ratio >= 1) & (taken > EARLY)],
        "late_ratio_median": median,
        "late_ratio_1_percent": low,
        "late_ratio_99_percent": high,
        **{
            f"{SHARPNESS_AFTER}{step}": sharpness[:, taken == step][:, 0]
            for step in shown_steps(int(taken[-1]))
            if step in taken
        },
    }


def approach(ratio: Floats, taken: Integers) -> dict[str, Any]:
    """Return the table's columns on how sharpness * rate / 2 comes to the edge; see `claims.FROM_BELOW`."""
    later = ratio[:, taken > EARLY]
    met = np.maximum.accumulate(later >= 1, axis=1)
    from_below = (ratio[:, (taken == EARLY - 1) | (taken == EARLY)] < 1).all(axis=1)
    meets = met[:, -1] & from_below
    low, high = np.where(met, later, np.inf).min(axis=1), np.where(met, later, -np.inf).max(axis=1)
    return {
        "early_ratio_largest": ratio[:, taken <= EARLY].max(axis=1),
        "later_ratio_largest": later.max(axis=1),
        "met_ratio_smallest": np.where(meets, low, np.nan),
        "met_ratio_largest": np.where(meets, high, np.nan),
    }


def late_losses(losses: Floats) -> dict[str, Any]:
    """Return the table's columns on the losses (networks, m) before each of the last steps."""
    tenth = losses.shape[1] // 10
    return {
        "late_rises": rises(losses).mean(axis=1),
        "late_loss_first_tenth": losses[:, :tenth].mean(axis=1),
        "late_loss_last_tenth": losses[:, -tenth:].mean(axis=1),
    }


def followed_losses(losses: Floats) -> dict[str, Any]:
    """Return the table's columns on the losses (networks, steps) before each step: how many raise it, and the last."""
    rising = rises(losses)
    last = rising.shape[1] - 1 - rising[:, ::-1].argmax(axis=1)
    ever = rising.any(axis=1)
    return {
        **{f"{RISES_UNTIL}{step}": rises(losses[:, step - LATE : step]).mean(axis=1) for step in CHECKED},
        "last_rise_step": np.where(ever, last + 1, np.nan),
        "last_rise_loss": np.where(ever, losses[np.arange(len(losses)), last + 1], np.nan),
    }


def rises(losses: Floats) -> Mask:
    """Return which steps but the last raise the loss, by more than rounding; avg_loss is the loss before a step."""
    found: Mask = (losses[:, 1:] > losses[:, :-1]) & (losses[:, 1:] > FLOOR)
    return found


def first_step(taken: Integers, reached: Mask) -> float:
    """Return the first of the steps at which something is reached; NaN if it is nowhere."""
    return float(taken[reached.argmax()]) if reached.any() else float("nan")
