"""The verdicts on what training does to units: at small and large rates, in every row order, and with help."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from student_score.model.outcome import Outcome
from student_score.studies.claims import Claim, Judgement
from student_score.studies.numbers import in_percent, percent

from .claims import (
    CONTROL_IS_FLOW,
    FEW,
    FLOW_KILLS_NEGATIVE,
    LEAKY_REVIVES,
    LEAST,
    MOST,
    NEARLY_ALL,
    POSITIVE_WEIGHTS_PREVENT,
)
from .shares import (
    ARTICLE_ORDER,
    Counted,
    alive,
    count,
    few,
    interval,
    level,
    missing,
    percents,
    rare,
    seeds_of,
    share,
    with_living,
)

Case = tuple[float, str]
"""A learning rate and a row order."""

TOLD = {"killed": "units that die", "killed_by_step": "units that a step kills"}
"""The column of a count of deaths -> what it counts."""

DIED = {"killed": "are dead at the end", "killed_by_step": "die by a step"}
"""The column of a count of deaths -> what became of these units."""


def judge_none_dies(claim: Claim, by_order: Mapping[str, pd.DataFrame], column: str) -> Judgement:
    """Count the deaths among the units that are alive at the start; intervals are of networks, in each row order."""
    if min(map(alive, by_order.values())) < LEAST:
        return claim.judge(None, missing(min(map(alive, by_order.values())), "units alive at the start"))
    article = by_order[ARTICLE_ORDER]
    living, died = alive(article), int(article[column].sum())
    measured: dict[str, Any] = {"alive_at_the_start": living, column: died, f"{column}_share": round(died / living, 6)}
    for size, group in with_living(article).groupby("hidden_size"):
        measured[f"{column}_share_in_hidden_size_{size}"] = round(int(group[column].sum()) / alive(group), 6)
    networks = {
        order: count(with_living(part)[column] > 0, intervals=len(by_order)) for order, part in by_order.items()
    }
    for order, counted in networks.items():
        measured |= counted.measured(f"networks_with_such_a_death_rows_{order}")
    units, deaths = (sum(int(f(part)) for part in by_order.values()) for f in (alive, lambda part: part[column].sum()))
    others = [counted.share for order, counted in networks.items() if order != ARTICLE_ORDER]
    return claim.judge(
        deaths == 0,
        {**measured, **seeds_of(article)},
        {f"{TOLD[column]}, of {units:,} alive at the start": deaths, "claimed": 0},
        f"With the article's row order, {died:,} of {living:,} units that are alive at the start {DIED[column]}, "
        f"{in_percent(died / living)}, in {networks[ARTICLE_ORDER].told()} of the networks; with the other orders, in "
        f"{in_percent(min(others))} to {in_percent(max(others))} of them.",
    )


def judge_all_die(claim: Claim, groups: Mapping[Case, pd.DataFrame]) -> Judgement:
    """Look for networks that keep a living unit, in each row order."""
    networks = {key: with_living(table) for key, table in groups.items()}
    if too_few := scarce(networks.values()):
        return claim.judge(None, too_few)
    found = losses(networks)
    keep = {key: counted.total - counted.number for key, counted in found.items()}
    total = sum(counted.total for counted in found.values())
    kept = [f"{found[rate, order].told()} with rows {order}" for rate, order in keep if keep[rate, order]]
    return claim.judge(
        not kept,
        measured_losses(groups, found),
        {f"networks that keep a living unit, of {total:,}": sum(keep.values()), "claimed": 0},
        f"At 0.002, {sum(keep.values()):,} of {total:,} networks keep a living unit; the share of those that lose all "
        f"is {' and '.join(kept)}, and 100 % in the other {len(found) - len(kept)} row orders.",
    )


def judge_all_die_later(claim: Claim, groups: Mapping[Case, pd.DataFrame]) -> Judgement:
    """Count the networks that lose all their units, at each rate and in each row order."""
    networks = {key: with_living(table) for key, table in groups.items()}
    if too_few := scarce(networks.values()):
        return claim.judge(None, too_few)
    found = losses(networks)
    below = {key: counted for key, counted in found.items() if counted.high < 1 - FEW}
    (rate, order), worst = min(found.items(), key=lambda item: item[1].low)
    told = "; ".join(f"{counted.told()} at {at:g} with rows {rows}" for (at, rows), counted in below.items())
    return claim.judge(
        False if below else True if worst.low > 1 - FEW else None,
        measured_losses(groups, found),
        {
            f"{level(len(found))} of the share that loses all units at {rate:g}, rows {order} (%)": percents(
                worst.low, worst.high
            ),
            "has to lie above (%)": percent(1 - FEW),
        },
        f"Fewer than 99 % of the networks lose all units in {len(below)} of {len(found)} cases: {told}.",
    )


def scarce(networks: Iterable[pd.DataFrame]) -> dict[str, Any]:
    """Return what is missing where a table has too few networks, else nothing."""
    fewest = min(map(len, networks))
    return missing(fewest, "networks with a living unit") if fewest < LEAST else {}


def losses(networks: Mapping[Case, pd.DataFrame]) -> dict[Case, Counted]:
    """Count the networks that lose all their units, by rate and row order."""
    return {
        key: count(table["born_dead"] + table["killed"] == table["hidden_size"], intervals=len(networks))
        for key, table in networks.items()
    }


def measured_losses(groups: Mapping[Case, pd.DataFrame], found: Mapping[Case, Counted]) -> dict[str, Any]:
    """Return the numbers of both claims as they are written to verdicts.json."""
    measured: dict[str, Any] = {}
    for (rate, order), counted in found.items():
        measured |= counted.measured(f"networks_that_lose_all_units_at_{rate:g}_rows_{order}")
    diverged = sum(int((table["outcome"] == Outcome.diverged.name).sum()) for table in groups.values())
    return {**measured, "diverged": diverged, **seeds_of(next(iter(groups.values())))}


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
    low, high = interval(negative, killed)
    counts = table.groupby("hidden_size")[["killed_negative_w2", "killed"]].sum()
    measured = {
        "alive_at_the_start": alive(table),
        "killed": killed,
        "negative_w2": negative,
        "negative_w2_clopper_pearson_99": [round(low, 6), round(high, 6)],
        **{f"negative_w2_in_hidden_size_{size}": own.tolist() for size, own in counts.iterrows()},
        **seeds_of(table),
    }
    return FLOW_KILLS_NEGATIVE.judge(
        negative >= NEARLY_ALL * killed,
        measured,
        {
            f"of {killed:,} units that the flow kills, with a negative w2 (%)": percent(negative / killed),
            "needed at least (%)": percent(NEARLY_ALL),
        },
        f"{negative:,} of {killed:,} units that the flow kills have a negative w2 at the start.",
    )


def judge_positive_weights(by_order: Mapping[str, pd.DataFrame]) -> Judgement:
    """Count networks with a dead unit after training with positive weights, in each row order."""
    if min(map(len, by_order.values())) < LEAST:
        return POSITIVE_WEIGHTS_PREVENT.judge(None, missing(min(map(len, by_order.values()))))
    found = {
        order: count(part["born_dead"] + part["killed"] > 0, intervals=len(by_order))
        for order, part in by_order.items()
    }
    measured: dict[str, Any] = {}
    for order, counted in found.items():
        measured |= counted.measured(f"networks_with_a_dead_unit_rows_{order}")
    article = by_order[ARTICLE_ORDER]
    measured |= {column: int(article[column].sum()) for column in ("killed", "killed_by_step")}
    order, worst = max(found.items(), key=lambda item: item[1].high)
    shares = [counted.share for counted in found.values()]
    return POSITIVE_WEIGHTS_PREVENT.judge(
        True if worst.high < FEW else False if max(each.low for each in found.values()) > FEW else None,
        {**measured, **seeds_of(article)},
        {
            f"{level(len(found))} of the share with a dead unit, rows {order} (%)": percents(worst.low, worst.high),
            "allowed below (%)": percent(FEW),
        },
        f"With positive weights, {found[ARTICLE_ORDER].told()} of the networks have a dead unit after training with "
        f"the article's row order, {in_percent(min(shares))} to {in_percent(max(shares))} over all six.",
    )


def recovered(table: pd.DataFrame) -> "pd.Series[bool]":
    """Say of each network whether all units that start inactive are active at the end; one that diverged has none."""
    return (table["revived"] == table["born_dead"]) & (table["outcome"] != Outcome.diverged.name)


def judge_leaky(short: pd.DataFrame, long: pd.DataFrame) -> Judgement:
    """Count the networks in which all units that start inactive on every row become active on some."""
    networks = {name: table[table["born_dead"] > 0] for name, table in (("1000", short), ("30000", long))}
    if min(map(len, networks.values())) < LEAST:
        return LEAKY_REVIVES.judge(None, missing(min(map(len, networks.values())), "networks with an inactive unit"))
    measured: dict[str, Any] = {"units_inactive_at_the_start": int(long["born_dead"].sum())}
    found = {name: count(recovered(table)) for name, table in networks.items()}
    for name, table in networks.items():
        measured[f"units_of_these_active_after_{name}"] = int(table["revived"].sum())
        measured |= found[name].measured(f"networks_whose_units_all_recover_in_{name}")
    measured["networks_that_end_as_a_constant"] = int((long["outcome"] == Outcome.collapsed.name).sum())
    inactive, last = measured["units_inactive_at_the_start"], found["30000"]
    after = [in_percent(measured[f"units_of_these_active_after_{name}"] / inactive) for name in networks]
    return LEAKY_REVIVES.judge(
        None if last.low <= MOST <= last.high else last.low > MOST,
        {**measured, **seeds_of(long)},
        {
            "99 % interval of the share of networks whose units all recover (%)": percents(last.low, last.high),
            "has to lie above (%)": percent(MOST),
        },
        f"With leaky ReLU, {after[0]} of the units that start inactive are active after 1,000 epochs and {after[1]} "
        f"after 30,000, and all of them in {last.told()} of the networks.",
    )
