"""The verdicts on dead units, from the table of trainings alone."""

from typing import Any

import numpy as np
import pandas as pd

from student_score.data.article import ARTICLE_ROWS
from student_score.model.outcome import Outcome
from student_score.studies.claims import Claim, Judgement
from student_score.studies.numbers import in_percent, number, percent

from .claims import (
    ALL_BORN_DEAD,
    ALL_DIE,
    BORN_DEAD,
    CONTROL_IS_FLOW,
    FLOW_KILLS_NEGATIVE,
    LEAKY_PREVENTS,
    LEAST,
    NEXT_TO_ALL,
    NONE_BY_STEP,
    NONE_DIES,
    POSITIVE_BIAS_INTEGRAL,
    POSITIVE_BIAS_PREVENTS,
    POSITIVE_WEIGHTS_PREVENT,
)
from .closed_forms import opening, probability_born_dead, probability_born_dead_with_bias
from .shares import (
    INTERVAL,
    alive,
    born_dead_by_size,
    farness,
    few,
    interval,
    missing,
    percents,
    rare,
    seeds_of,
    select,
    share,
)
from .trainings import BIAS, CONTROL, FINER, HE, LARGE, LEAKY, MODERATE, POSITIVE_BIAS, POSITIVE_WEIGHTS, SIZES

TOLD = {"killed": "units that die", "killed_by_step": "units that a step kills"}
"""The column of a count of deaths -> what it counts."""

DIED = {"killed": "are dead at the end", "killed_by_step": "die by a step"}
"""The column of a count of deaths -> what became of these units."""


def judge(table: pd.DataFrame) -> list[Judgement]:
    """Return a verdict for each claim, from the table of trainings alone."""
    moderate = select(table, HE, MODERATE)
    controlled = moderate[moderate["killed_by_step"].notna()]
    positive_bias = select(table, POSITIVE_BIAS, MODERATE)
    return [
        judge_born_dead(BORN_DEAD, moderate, probability_born_dead(ARTICLE_ROWS)),
        judge_all_born_dead(moderate),
        judge_deaths(NONE_DIES, moderate, "killed", expected=0.0),
        judge_deaths(NONE_BY_STEP, controlled, "killed_by_step", expected=0.0),
        judge_deaths(ALL_DIE, select(table, HE, LARGE), "killed", expected=1.0),
        judge_control(select(table, HE, FINER), select(table, HE, 10 * CONTROL)),
        judge_flow(select(table, HE, CONTROL)),
        judge_positive_bias(positive_bias),
        judge_born_dead(POSITIVE_BIAS_INTEGRAL, positive_bias, probability_born_dead_with_bias(ARTICLE_ROWS, BIAS)),
        judge_positive_weights(select(table, POSITIVE_WEIGHTS, MODERATE)),
        judge_leaky(select(table, LEAKY, MODERATE), moderate),
    ]


def judge_born_dead(claim: Claim, table: pd.DataFrame, predicted: float) -> Judgement:
    """Compare the share of units born dead with a probability."""
    if len(table) < LEAST:
        return claim.judge(None, missing(len(table)))
    count, total = int(table["born_dead"].sum()), int(table["hidden_size"].sum())
    low, high = interval(count, total)
    angle = {"opening_degrees": round(float(np.degrees(opening(ARTICLE_ROWS))), 4)}
    measured = {"predicted": round(predicted, 6), **angle, **share("born_dead", count, total), **seeds_of(table)}
    return claim.judge(
        low <= predicted <= high,
        measured,
        {INTERVAL.format("units born dead"): percents(low, high), "predicted (%)": percent(predicted)},
        f"{in_percent(count / total)} of {total:,} units are born dead, not {in_percent(predicted)}.",
    )


def judge_all_born_dead(table: pd.DataFrame) -> Judgement:
    """Compare the share of networks without a living unit with the powers."""
    if absent := [size for size in SIZES if (table["hidden_size"] == size).sum() < LEAST]:
        return ALL_BORN_DEAD.judge(None, {"missing": f"{LEAST} networks of each of the hidden sizes {absent}"})
    holds, measured = True, dict[str, Any]()
    by_size = born_dead_by_size(table)
    for size, found in by_size.items():
        holds &= found.low <= found.predicted <= found.high
        measured[f"hidden_size_{size}_predicted"] = round(found.predicted, 6)
        measured[f"hidden_size_{size}_all_born_dead"] = found.number
        measured[f"hidden_size_{size}_of"] = found.total
        measured[f"hidden_size_{size}_clopper_pearson_99.75"] = [round(found.low, 6), round(found.high, 6)]
    size, worst = max(by_size.items(), key=lambda item: farness(item[1]))
    return ALL_BORN_DEAD.judge(
        holds,
        {**measured, **seeds_of(table)},
        {
            f"99.75 % interval of the networks of {size} units born dead (%)": percents(worst.low, worst.high),
            "predicted (%)": percent(worst.predicted),
        },
        f"Of {worst.total:,} networks of {size} units {worst.number:,} are born dead, "
        f"{in_percent(worst.number / worst.total)} instead of {in_percent(worst.predicted)}.",
    )


def judge_deaths(claim: Claim, table: pd.DataFrame, column: str, *, expected: float) -> Judgement:
    """Count the deaths among the units that are alive at the start; the interval is one of networks."""
    living, died = alive(table), int(table[column].sum())
    if living < LEAST:
        return claim.judge(None, missing(living, "units alive at the start"))
    networks = table[table["born_dead"] < table["hidden_size"]]
    measured: dict[str, Any] = {"alive_at_the_start": living, column: died, f"{column}_share": round(died / living, 6)}
    for size, group in networks.groupby("hidden_size"):
        measured[f"{column}_share_in_hidden_size_{size}"] = round(int(group[column].sum()) / alive(group), 6)
    measured |= share("networks_with_such_a_death", int((networks[column] > 0).sum()), len(networks))
    return claim.judge(
        died == expected * living,
        {**measured, **seeds_of(table)},
        {f"{TOLD[column]}, of {living:,} alive at the start": died, "claimed": round(expected * living)},
        f"{died:,} of {living:,} units that are alive at the start {DIED[column]}, {in_percent(died / living)}, "
        f"in {in_percent(measured['networks_with_such_a_death_share'])} of the networks.",
    )


def judge_control(finer: pd.DataFrame, coarser: pd.DataFrame) -> Judgement:
    """Count the networks in which a rate kills other units than the control."""
    if len(finer) < LEAST:
        return CONTROL_IS_FLOW.judge(None, missing(len(finer)))
    names = ("different_at_a_tenth_of_the_rate", "different_at_ten_times_the_rate")
    measured: dict[str, Any] = {}
    for name, table in zip(names, (finer, coarser), strict=True):
        if len(table):
            measured |= share(name, int(((table["killed_by_step"] > 0) | (table["spared"] > 0)).sum()), len(table))
    return CONTROL_IS_FLOW.judge(
        rare(measured, names[0]),
        {**measured, **seeds_of(finer)},
        few(measured, names[0], "networks that lose other units"),
        f"In {measured[names[0]]:,} of {len(finer):,} networks other units die at a tenth of the control's rate.",
    )


def judge_flow(table: pd.DataFrame) -> Judgement:
    """Look at the output weights of the units that the control kills."""
    killed, negative = int(table["killed"].sum()), int(table["killed_negative_w2"].sum())
    if killed < LEAST:
        return FLOW_KILLS_NEGATIVE.judge(None, missing(killed, "units killed by the control"))
    measured = {"alive_at_the_start": alive(table), "killed": killed, "negative_w2": negative, **seeds_of(table)}
    return FLOW_KILLS_NEGATIVE.judge(
        negative >= NEXT_TO_ALL * killed,
        measured,
        {
            f"of {killed:,} units that the flow kills, with a negative w2 (%)": percent(negative / killed),
            "needed at least (%)": percent(NEXT_TO_ALL),
        },
        f"{negative:,} of {killed:,} units that the flow kills have a negative w2 at the start.",
    )


def judge_positive_bias(table: pd.DataFrame) -> Judgement:
    """Count the units born dead although their bias is positive."""
    if len(table) < LEAST:
        return POSITIVE_BIAS_PREVENTS.judge(None, missing(len(table)))
    measured = share("born_dead", int(table["born_dead"].sum()), int(table["hidden_size"].sum()))
    return POSITIVE_BIAS_PREVENTS.judge(
        rare(measured, "born_dead"),
        {**measured, **seeds_of(table)},
        few(measured, "born_dead", "units born dead"),
        f"With that bias {in_percent(measured['born_dead_share'])} of the units are born dead.",
    )


def judge_positive_weights(table: pd.DataFrame) -> Judgement:
    """Count dead units before and after training with positive weights."""
    if len(table) < LEAST:
        return POSITIVE_WEIGHTS_PREVENT.judge(None, missing(len(table)))
    counts = {column: int(table[column].sum()) for column in ("born_dead", "killed", "killed_by_step")}
    name = "networks_with_a_dead_unit"
    dead = share(name, int((table["born_dead"] + table["killed"] > 0).sum()), len(table))
    holds = counts["born_dead"] == 0 and rare(dead, name)
    measured = {"units": int(table["hidden_size"].sum()), **counts, **dead, **seeds_of(table)}
    return POSITIVE_WEIGHTS_PREVENT.judge(
        holds,
        measured,
        few(measured, name, "networks with a dead unit")
        if counts["born_dead"] == 0
        else {"units born dead": counts["born_dead"], "claimed": 0},
        f"{number(counts['born_dead'])} of {measured['units']:,} units are born dead, but "
        f"{in_percent(measured[f'{name}_share'])} of the networks have a dead unit after training.",
    )


def judge_leaky(leaky: pd.DataFrame, moderate: pd.DataFrame) -> Judgement:
    """Compare how many networks end as a constant, from the same starts."""
    keys = ["hidden_size", "seed"]
    relu = moderate.merge(leaky[keys], on=keys)
    if min(len(leaky), len(relu)) < LEAST:
        return LEAKY_PREVENTS.judge(None, missing(min(len(leaky), len(relu)), "networks with both activations"))
    measured: dict[str, Any] = {}
    for name, table in (("collapsed_leaky", leaky), ("collapsed_relu", relu)):
        measured |= share(name, int((table["outcome"] == Outcome.collapsed.name).sum()), len(table))
    with_leaky, with_relu = (rare(measured, f"collapsed_{name}") for name in ("leaky", "relu"))
    holds = None if None in {with_leaky, with_relu} else bool(with_leaky and not with_relu)
    measured["diverged_leaky"] = int((leaky["outcome"] == Outcome.diverged.name).sum())
    measured["leaky_inactive_at_the_start"] = int(leaky["born_dead"].sum())
    measured["of_these_active_at_the_end"] = int(leaky["revived"].sum())
    ends = [measured[f"collapsed_{name}"] for name in ("leaky", "relu")]
    return LEAKY_PREVENTS.judge(
        holds,
        {**measured, **seeds_of(leaky)},
        {
            f"of {len(leaky):,} leaky networks end as a constant": ends[0],
            f"of {len(relu):,} with ReLU from the same starts": ends[1],
        },
        f"{ends[0]:,} of {len(leaky):,} networks end as a constant with leaky ReLU, {ends[1]:,} with ReLU.",
    )
