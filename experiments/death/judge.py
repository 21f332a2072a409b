"""The verdicts on dead units, from the table of trainings alone: those on starts; `deaths` has those on trainings."""

from typing import Any

import numpy as np
import pandas as pd

from student_score.data.article import ARTICLE_ROWS
from student_score.studies.claims import Claim, Judgement
from student_score.studies.numbers import in_percent, number, percent

from .claims import (
    ACTIVE_ON_MOST,
    ALL_BORN_DEAD,
    ALL_DIE,
    ALL_DIE_LATER,
    BIAS_INTEGRAL,
    BIAS_PREVENTS,
    BORN_DEAD,
    CENTRED,
    CONFIDENCE,
    LARGE_BIAS_PREVENTS,
    LEAST,
    NONE_BY_STEP,
    NONE_DIES,
    POSITIVE_WEIGHTS,
    VERY_LIKELY,
)
from .closed_forms import opening, probability_born_dead, probability_born_dead_with_bias
from .deaths import (
    judge_all_die,
    judge_all_die_later,
    judge_control,
    judge_flow,
    judge_leaky,
    judge_none_dies,
    judge_positive_weights,
)
from .shares import (
    INTERVAL,
    NAMES,
    born_dead_by_size,
    farness,
    few,
    in_orders,
    interval,
    missing,
    percents,
    rare,
    seeds_of,
    select,
    share,
)
from .trainings import (
    BIASES,
    CONTROL,
    FINER,
    HE,
    LARGE,
    LARGE_BIAS,
    LATER,
    LEAKY,
    LONG,
    MODERATE,
    SIZES,
    SMALL_BIAS,
    STANDARDISED,
)
from .trainings import POSITIVE_WEIGHTS as POSITIVE


def judge(table: pd.DataFrame) -> list[Judgement]:
    """Return a verdict for each claim, from the table of trainings alone."""
    moderate = in_orders(table, HE, MODERATE)
    controlled = {order: part[part["killed_by_step"].notna()] for order, part in moderate.items()}
    [he, *_] = moderate.values()
    starts = {name: select(table, name, MODERATE) for name in (*BIASES, *(f"{v}{STANDARDISED}" for v in (HE, *BIASES)))}
    large, later = (
        {(rate, order): select(table, HE, rate, order=order) for rate in rates for order in NAMES}
        for rates in ((LARGE,), LATER)
    )
    return [
        judge_born_dead(he),
        judge_all_born_dead(he),
        judge_none_dies(NONE_DIES, moderate, "killed"),
        judge_none_dies(NONE_BY_STEP, controlled, "killed_by_step"),
        judge_all_die(ALL_DIE, large),
        judge_all_die_later(ALL_DIE_LATER, later),
        judge_control(select(table, HE, FINER), select(table, HE, 10 * CONTROL)),
        judge_flow(select(table, HE, CONTROL)),
        judge_bias(BIAS_PREVENTS, starts[SMALL_BIAS]),
        judge_bias(LARGE_BIAS_PREVENTS, starts[LARGE_BIAS]),
        judge_active_on_most({HE: he, **starts}),
        judge_bias_integral({BIASES[name]: starts[name] for name in BIASES}),
        judge_none_born_dead(CENTRED, [starts[f"{name}{STANDARDISED}"] for name in (HE, *BIASES)]),
        judge_none_born_dead(POSITIVE_WEIGHTS, [select(table, POSITIVE, MODERATE)]),
        judge_positive_weights(in_orders(table, POSITIVE, MODERATE)),
        judge_leaky(select(table, LEAKY, MODERATE), select(table, LEAKY, MODERATE, epochs=LONG)),
    ]


def judge_born_dead(table: pd.DataFrame) -> Judgement:
    """Compare the share of units born dead with a probability."""
    predicted = probability_born_dead(ARTICLE_ROWS)
    if len(table) < LEAST:
        return BORN_DEAD.judge(None, missing(len(table)))
    count, total = int(table["born_dead"].sum()), int(table["hidden_size"].sum())
    low, high = interval(count, total)
    angle = {"opening_degrees": round(float(np.degrees(opening(ARTICLE_ROWS))), 4)}
    measured = {"predicted": round(predicted, 6), **angle, **share("born_dead", count, total), **seeds_of(table)}
    return BORN_DEAD.judge(
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


def judge_bias(claim: Claim, table: pd.DataFrame) -> Judgement:
    """Count the units born dead although their bias is positive."""
    if len(table) < LEAST:
        return claim.judge(None, missing(len(table)))
    measured = share("born_dead", int(table["born_dead"].sum()), int(table["hidden_size"].sum()))
    return claim.judge(
        rare(measured, "born_dead"),
        {**measured, **seeds_of(table)},
        few(measured, "born_dead", "units born dead"),
        f"With it, {in_percent(measured['born_dead_share'])} of {measured['born_dead_of']:,} units are born dead.",
    )


def judge_active_on_most(starts: dict[str, pd.DataFrame]) -> Judgement:
    """Count the units that are active on most rows at the start, without a bias and with both, raw and standardised."""
    if fewest := [len(table) for table in starts.values() if len(table) < LEAST]:
        return ACTIVE_ON_MOST.judge(None, missing(min(fewest)))
    shares, measured = dict[str, float](), dict[str, Any]()
    intervals = {}
    for name, table in starts.items():
        active, total = int(table["active_on_most"].sum()), int(table["hidden_size"].sum())
        shares[name], intervals[name] = active / total, interval(active, total)
        measured |= share(f"active_on_most, {name}", active, total)
    raw, standardised = SMALL_BIAS, f"{SMALL_BIAS}{STANDARDISED}"
    (low, high), where = min((intervals[raw], "raw"), (intervals[standardised], "standardised"))
    return ACTIVE_ON_MOST.judge(
        True if low > VERY_LIKELY else False if high < VERY_LIKELY else None,
        {**measured, **seeds_of(starts[raw])},
        {
            INTERVAL.format(f"units active on most {where} rows"): percents(low, high),
            "needed above (%)": percent(VERY_LIKELY),
        },
        f"With a bias of 0.1, {in_percent(shares[raw])} of the units are active on most rows, raw, and "
        f"{in_percent(shares[standardised])} standardised; with a bias of 1, {in_percent(shares[LARGE_BIAS])} and "
        f"{in_percent(shares[f'{LARGE_BIAS}{STANDARDISED}'])}.",
    )


def judge_bias_integral(tables: dict[float, pd.DataFrame]) -> Judgement:
    """Compare the share of units born dead with each bias with its integral."""
    if fewest := [len(table) for table in tables.values() if len(table) < LEAST]:
        return BIAS_INTEGRAL.judge(None, missing(min(fewest)))
    measured, found = dict[str, Any](), []
    for bias, table in tables.items():
        born, total = int(table["born_dead"].sum()), int(table["hidden_size"].sum())
        predicted = probability_born_dead_with_bias(ARTICLE_ROWS, bias)
        low, high = interval(born, total, 1 - (1 - CONFIDENCE) / len(tables))
        measured |= {f"predicted_at_{bias:g}": round(predicted, 6), f"born_dead_at_{bias:g}": [born, total]}
        measured[f"clopper_pearson_99.5_at_{bias:g}"] = [round(low, 6), round(high, 6)]
        found.append((abs(2 * predicted - low - high) / (high - low), bias, predicted, low, high, born / total))
    far, bias, predicted, low, high, observed = max(found)
    return BIAS_INTEGRAL.judge(
        far <= 1,
        measured,
        {
            f"99.5 % interval of the share of units born dead, b1 = {bias:g} (%)": percents(low, high),
            "predicted (%)": percent(predicted),
        },
        f"With b1 = {bias:g}, {in_percent(observed)} of the units are born dead, not {in_percent(predicted)}.",
    )


def judge_none_born_dead(claim: Claim, tables: list[pd.DataFrame]) -> Judgement:
    """Count the units born dead where there can be none."""
    if min(map(len, tables)) < LEAST:
        return claim.judge(None, missing(min(map(len, tables))))
    born, total = (sum(int(table[column].sum()) for table in tables) for column in ("born_dead", "hidden_size"))
    return claim.judge(
        born == 0,
        {"born_dead": born, "units": total, **seeds_of(tables[0])},
        {f"units born dead, of {total:,}": born, "claimed": 0},
        f"{number(born)} of {total:,} units are born dead.",
    )
