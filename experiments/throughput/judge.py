"""The verdicts on the engine's speed, from the table of times alone."""

import numpy as np
import pandas as pd

from student_score.arrays import Floats
from student_score.model.activations import Activation
from student_score.studies.claims import Judgement, tightest
from student_score.studies.numbers import number
from student_score.studies.timing import judge_ratio, spread

from .claims import (
    C_COST,
    FIRST_CALL,
    LARGE,
    LINEAR,
    MILLION,
    SMOOTH,
    STEP_TOLERANCE,
    TIMES_NUMPY,
    TIMES_REFERENCE,
    TIMES_SKLEARN,
    TWO_THREADS,
)
from .measure import COST
from .methods import C_LOOP, CACHED, ENGINE, ENGINE_ALL, FIRST, NUMPY_BATCHED, NUMPY_IN_PLACE, REFERENCE, SKLEARN
from .problems import EPOCHS, MANY, Extent


def cost(table: pd.DataFrame, part: str, method: str, **conditions: object) -> "pd.Series[float]":
    """Return what a method cost in each round, where it was measured under the conditions; else nothing."""
    chosen = (table["part"] == part) & (table["method"] == method)
    for column, value in conditions.items():
        chosen &= table[column] == value
    return table[chosen].set_index("round")[COST]


def judge(table: pd.DataFrame) -> list[Judgement]:
    """Return a verdict for each claim, from the table of times alone."""
    one_thread = cost(table, "methods", ENGINE, networks=MANY, epochs=EPOCHS, threads=1)
    two_threads = cost(table, "methods", ENGINE_ALL, networks=MANY, epochs=EPOCHS, threads=2)
    batched = pd.concat([cost(table, "methods", name) for name in (NUMPY_BATCHED, NUMPY_IN_PLACE)], axis=1)
    condition = {"rows": 10_000, "hidden_size": 16}
    large_engine = cost(table, "large", ENGINE, epochs=100, **condition)
    c_loop = cost(table, "methods", C_LOOP, networks=MANY, epochs=EPOCHS)
    return [
        judge_ratio(TIMES_REFERENCE, cost(table, "methods", REFERENCE), one_thread, least=400),
        judge_ratio(TIMES_NUMPY, batched.min(axis=1, skipna=False), one_thread, least=8),
        judge_ratio(TIMES_SKLEARN, cost(table, "methods", SKLEARN), one_thread, least=30_000),
        judge_ratio(C_COST, one_thread, c_loop, most=8 / 6, beside=spread(one_thread, "engine_microseconds")),
        judge_ratio(TWO_THREADS, one_thread, two_threads, least=1.8),
        judge_million(table[(table["part"] == "million") & (table["networks"] == 1_000_000)]),
        judge_linear(table),
        judge_smooth(table),
        judge_ratio(LARGE, cost(table, "large", SKLEARN, **condition), large_engine, least=50),
        judge_first_call(table[table["part"] == "first_call"]),
    ]


def judge_million(table: pd.DataFrame) -> Judgement:
    """Compare wall time and peak memory with their targets."""
    if table.empty or not np.isfinite(table["peak_megabytes"]).all():
        return MILLION.judge(None, {"missing": "a million trainings with their peak memory"})
    seconds, peak = table["seconds"], table["peak_megabytes"].max()
    measured = {
        **spread(seconds, "seconds"),
        "peak_megabytes": round(float(peak)),
        "threads": int(table["threads"].max()),
    }
    median = measured["seconds_median"]
    return MILLION.judge(
        bool(seconds.median() < 6 and peak < 600),
        measured,
        tightest(
            ("wall time, median (s)", median, "target below", 6),
            ("peak memory (MB)", measured["peak_megabytes"], "target below", 600),
        ),
        f"A million trainings take {number(median)} s and {number(measured['peak_megabytes'])} MB.",
    )


def sweep(table: pd.DataFrame, part: str) -> pd.DataFrame:
    """Return the costs of one of the engine's sweeps: a row for each round, a column for each size."""
    return table[table["part"] == part].pivot_table(index="round", columns=part, values=COST)


def expected_growth(part: str, sizes: Floats) -> Floats:
    """Return what the cost per network of 1000 epochs is to grow in proportion to."""
    return {"rows": sizes, "hidden_size": 4 * sizes + 1}.get(part, np.ones(len(sizes)))


def judge_linear(table: pd.DataFrame) -> Judgement:
    """Compare neighbouring sizes of each sweep, round by round, with growth in proportion."""
    full, worst = Extent(), {}
    sizes = {
        "networks": full.network_counts,
        "rows": full.row_counts,
        "hidden_size": full.hidden_sizes,
        "epochs": full.epoch_counts,
    }
    for part, wanted in sizes.items():
        measured = sweep(table, part)
        if not np.array_equal(measured.columns, wanted):
            return LINEAR.judge(None, {"missing": f"{part} {', '.join(map(str, wanted))}"})
        shares = measured.to_numpy() / expected_growth(part, np.array(wanted, dtype=float))
        steps = np.median(shares[:, 1:] / shares[:, :-1], axis=0)
        worst[f"largest_step_of_{part}"] = round(float(steps.max()), 3)
        worst[f"{part}_at_that_step"] = wanted[int(steps.argmax()) + 1]
    largest = max(value for key, value in worst.items() if key.startswith("largest"))
    part = max(sizes, key=lambda name: worst[f"largest_step_of_{name}"])
    return LINEAR.judge(
        largest <= STEP_TOLERANCE,
        worst,
        {"largest growth of a step, times its share": largest, "target at most": STEP_TOLERANCE},
        f"The step to {worst[f'{part}_at_that_step']:,} in {part.replace('_', ' ')} costs {number(largest)} times its "
        "share.",
    )


def judge_smooth(table: pd.DataFrame) -> Judgement:
    """Compare the engine with the reference trainer where units need an exponential."""
    measured: dict[str, float] = {}
    ratios = []
    for name in (Activation.sigmoid.name, Activation.tanh.name):
        slow, fast = (
            cost(table, "activation", method, activation=name, epochs=EPOCHS) for method in (REFERENCE, ENGINE)
        )
        ratio = (slow / fast).dropna()
        if ratio.empty:
            return SMOOTH.judge(None, {"missing": name})
        measured |= spread(ratio, name)
        ratios.append(ratio.median())
    slowest = float(f"{min(ratios):.4g}")
    return SMOOTH.judge(
        bool(min(ratios) >= 100),
        measured,
        {"smaller of the two ratios, median": slowest, "target at least": 100},
        f"With one of them it is only {number(slowest)} times as fast.",
    )


def judge_first_call(table: pd.DataFrame) -> Judgement:
    """Compare the first calls' times with their targets; the slowest network tried decides."""
    medians = table.groupby(["method", "activation", "hidden_size"])["seconds"].median()
    if not {FIRST, CACHED} <= set(table["method"]):
        return FIRST_CALL.judge(None, {"missing": "first calls"})
    first, cached = (float(medians[method].max()) for method in (FIRST, CACHED))
    measured = {"seconds": round(first, 3), "cached_seconds": round(cached, 3)}
    return FIRST_CALL.judge(
        first < 4 and cached < 0.4,
        measured,
        tightest(
            ("first call (s)", measured["seconds"], "target below", 4),
            ("first call where it is cached (s)", measured["cached_seconds"], "target below", 0.4),
        ),
        f"The first call takes {number(measured['seconds'])} s, and {number(measured['cached_seconds'])} s where it "
        "is cached.",
    )
