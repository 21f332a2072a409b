"""The verdicts on losses that grow again: at which rate they first do, in each row order."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from student_score.studies.claims import Judgement
from student_score.studies.numbers import number

from .claims import DEEP, DEPARTURE, FALL, REGROWTH, RISE, TOLERANCE
from .trainings import AVG_LOSS, FINE, NOT_FALLEN, THRESHOLDS, TRAIN_MSE, rise_name

TOO_FAR_APART = f"rates less than {TOLERANCE:.0%} apart around the limit"
"""What is missing where rates were not trained at, or their trainings ended too early."""


def judge_regrowth(article: pd.DataFrame, limit: float | None) -> Judgement:
    """Find the smallest rate with a rise in each row order, and with which trainings end before their loss falls."""
    if limit is None or article.empty:
        return REGROWTH.judge(None, {"missing": "the flow's minimum" if limit is None else "trainings"})
    column, groups = rise_name(TRAIN_MSE, FALL, RISE), by_order(article)
    if np.isinf(article[column]).any():
        return REGROWTH.judge(None, {"missing": "finite epochs of the rises"})
    measured: dict[str, Any] = {"limit_at_the_flows_minimum": rounded(limit)}
    for order, group in groups.items():
        first = first_rise(group, column)
        censored = group.loc[(group[column] == NOT_FALLEN) & (group["learning_rate"] > limit / 2), "learning_rate"]
        risen = group.loc[group["learning_rate"] == first, column]
        measured[f"first_rise_in_rows_{order}"] = None if np.isnan(first) else first
        measured[f"its_epoch_in_rows_{order}"] = int(risen.iloc[0]) if len(risen) else None
        measured[f"first_end_before_a_fall_in_rows_{order}"] = float(censored.min()) if len(censored) else None
        from_there = int((group["learning_rate"] >= censored.min()).sum())
        measured[f"ends_and_rates_from_there_in_rows_{order}"] = [len(censored), from_there]
    held = [near_limit(group, column, limit) for group in groups.values()]
    firsts = first_rises(groups, column)
    epochs = [value for name, value in measured.items() if name.startswith("its_epoch") and value]
    return REGROWTH.judge(
        verdict(held),
        measured if verdict(held) is not None else {**measured, "missing": TOO_FAR_APART},
        decided(held, "row orders"),
        f"A loss that has fallen below {100 * FALL:g} % of the variance first grows again by half at rates from "
        f"{number(np.nanmin([*firsts, np.inf]))} to {number(np.nanmax([*firsts, 0.0]))}, by row order, in epochs "
        f"{min(epochs, default=0)} to {max(epochs, default=0)}.",
    )


def judge_departure(deep: pd.DataFrame, article: pd.DataFrame, limit: float | None) -> Judgement:
    """Do the same after a deep fall, by two losses; tell how far away the first rise is by other definitions.

    Args:
        deep: trainings whose rises after a deep fall are known.
        article: those of them whose rises by other definitions are known, too.
        limit: at the flow's minimum.
    """
    if limit is None or article.empty:
        return DEPARTURE.judge(None, {"missing": "the flow's minimum" if limit is None else "trainings"})
    groups = by_order(deep)
    measured: dict[str, Any] = {"limit_at_the_flows_minimum": rounded(limit)}
    held, firsts = [], {}
    for loss in (TRAIN_MSE, AVG_LOSS):
        column = rise_name(loss, DEEP, RISE)
        for order, group in groups.items():
            first = first_rise(group, column)
            firsts[f"by {loss} in rows {order}"] = first
            measured[f"first_rise_of_{loss}_in_rows_{order}"] = None if np.isnan(first) else first
            around = group.loc[group["learning_rate"].between(first, FINE[-1]), column]
            measured[f"rises_and_rates_from_there_to_{FINE[-1]:g}_of_{loss}_in_rows_{order}"] = [
                int((around > 0).sum()),
                len(around),
            ]
            held.append(near_limit(group, column, limit))
        for fall, rise in THRESHOLDS:
            name = f"largest_distance_of_{loss}_in_percent_fallen_below_{100 * fall:g}_percent_risen_{rise:g}_times"
            measured[name] = farthest(first_rises(by_order(article), rise_name(loss, fall, rise)), limit)
    near = [first for first, holds in zip(firsts.values(), held, strict=True) if holds]
    others = [
        f"{where} it is at {'no rate' if np.isnan(first) else number(first)}"
        for (where, first), holds in zip(firsts.items(), held, strict=True)
        if not holds
    ]
    return DEPARTURE.judge(
        verdict(held),
        measured if verdict(held) is not None else {**measured, "missing": TOO_FAR_APART},
        decided(held, "cases, six row orders by two losses"),
        f"A loss that has fallen below {100 * DEEP:g} % of the variance first grows again within "
        f"{number(farthest(near, limit))} % of the limit in {len(near)} of {len(held)} cases, six row orders by two "
        f"losses; {', '.join(others)}.",
    )


def by_order(article: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the trainings of each row order."""
    return {str(order): group for order, group in article.groupby("row_order")}


def verdict(held: Sequence[bool | None]) -> bool | None:
    """Say whether all hold; None where none fails and some are unknown."""
    return None if None in held and False not in held else False not in held


def decided(held: Sequence[bool | None], what: str) -> dict[str, int]:
    """Return the two numbers that decide where first rises lie."""
    return {f"first rises within {100 * TOLERANCE:g} % of the limit": held.count(True), what: len(held)}


def near_limit(group: pd.DataFrame, column: str, limit: float) -> bool | None:
    """Say whether a row order's first rate with a rise lies near the limit; None if that is not known."""
    first = first_rise(group, column)
    return near(below(group, column, first), first, limit)


def first_rises(groups: Mapping[str, pd.DataFrame], column: str) -> list[float]:
    """Return each row order's smallest rate whose loss rises."""
    return [first_rise(group, column) for group in groups.values()]


def first_rise(group: pd.DataFrame, column: str) -> float:
    """Return the smallest rate whose loss rises, by a definition; NaN if none does."""
    return float(group.loc[group[column] > 0, "learning_rate"].min())


def below(group: pd.DataFrame, column: str, first: float) -> float:
    """Return the largest rate below the first with a rise whose training is not censored; NaN if there is none."""
    lower = group["learning_rate"] < (np.inf if np.isnan(first) else first)
    return float(group.loc[lower & (group[column] != NOT_FALLEN), "learning_rate"].max())


def farthest(rates: Sequence[float], limit: float) -> float | None:
    """Return the largest distance of rates from the limit in per cent of it, to two digits; None without a rate."""
    distances = [abs(rate / limit - 1) for rate in rates if not np.isnan(rate)]
    return float(f"{100 * max(distances):.2g}") if distances else None


def near(below: float, first: float, limit: float) -> bool | None:
    """Say whether the first rate with a rise lies near the limit; None if that depends on rates not trained at.

    Args:
        below: the largest rate trained at below `first`; NaN if there is none.
        first: the smallest rate with a rise; NaN if there is none.
        limit: at the flow's minimum.
    """
    low, high = (1 - TOLERANCE) * limit, (1 + TOLERANCE) * limit
    if first < low or below >= high:
        return False
    return True if below >= low and first <= high else None


def rounded(limit: float) -> float:
    """Return a limit with four significant digits: integrators and processors differ after some eight."""
    return float(f"{limit:.4g}")
