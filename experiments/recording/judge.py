"""The verdicts on what recording costs, from the table of times alone."""

import numpy as np
import pandas as pd

from student_score.studies.claims import Claim, Judgement, tightest
from student_score.studies.numbers import number
from student_score.studies.timing import judge_ratio, spread

from .claims import HALF_THE_CLIENT, PLAN, SERVER, THOUSAND, TIMES_EACH_EPOCH, TIMES_SCRIPT
from .extent import EPOCHS, JOBS, RUNS
from .methods import CLIENT, CLIENT_HTTP, COST, EACH_EPOCH, ONE_HTTP, PEAK, PLAIN, PLANNING, SWEEP, SWEEP_HTTP


def chosen(table: pd.DataFrame, method: str, **conditions: object) -> pd.DataFrame:
    """Return a method's rows under the conditions, by round."""
    wanted = table["method"] == method
    for column, value in conditions.items():
        wanted &= table[column] == value
    return table[wanted].set_index("round")


def cost_over_http(table: pd.DataFrame) -> "pd.Series[float]":
    """Return the sweep's cost per run over HTTP in each round, were it one of 1,000 runs."""
    one, more = (chosen(table, method, epochs=EPOCHS)["seconds"] for method in (ONE_HTTP, SWEEP_HTTP))
    runs = chosen(table, SWEEP_HTTP, epochs=EPOCHS)["runs"]
    return (one + (RUNS - 1) * (more - one) / (runs - 1)) / RUNS * 1e3


def judge(table: pd.DataFrame) -> list[Judgement]:
    """Return a verdict for each claim, from the table alone."""
    full = chosen(table, SWEEP, runs=RUNS, epochs=EPOCHS)
    client_alone, plain, each_epoch, client_http = (
        chosen(table, method, epochs=EPOCHS)[COST] for method in (CLIENT, PLAIN, EACH_EPOCH, CLIENT_HTTP)
    )
    return [
        judge_command(THOUSAND, full, seconds=25, megabytes=800),
        judge_costs(HALF_THE_CLIENT, full[COST], client_alone, most=0.5),
        judge_costs(TIMES_SCRIPT, plain, full[COST], least=6),
        judge_costs(TIMES_EACH_EPOCH, each_epoch, full[COST], least=200),
        judge_costs(SERVER, cost_over_http(table), client_http, most=1.3),
        judge_command(PLAN, chosen(table, PLANNING, runs=JOBS), seconds=15),
    ]


def judge_costs(
    claim: Claim, one: "pd.Series[float]", other: "pd.Series[float]", *, least: float = 0.0, most: float = np.inf
) -> Judgement:
    """Compare two costs round by round, and tell their medians."""
    above, below = (float(f"{cost.median():.4g}") for cost in (one, other))
    medians = {"numerator_milliseconds": above, "denominator_milliseconds": below}
    return judge_ratio(claim, one, other, least=least, most=most, beside=medians)


def judge_command(claim: Claim, rows: pd.DataFrame, *, seconds: float, megabytes: float = np.inf) -> Judgement:
    """Compare a command's wall time, and its peak memory if that is limited, with the targets."""
    if rows.empty or (megabytes < np.inf and not np.isfinite(rows[PEAK]).all()):
        return claim.judge(None, {"missing": "the command at full size, with its peak memory where that is limited"})
    peak = rows[PEAK].max()
    holds = rows["seconds"].median() < seconds and not peak >= megabytes
    memory = {PEAK: round(float(peak))} if np.isfinite(peak) else {}
    measured = {**spread(rows["seconds"], "seconds"), **memory, "rounds": len(rows), "cores": int(rows["cores"].max())}
    took = [("wall time, median (s)", measured["seconds_median"], "target below", seconds)]
    if megabytes < np.inf:
        took.append(("peak memory (MB)", memory[PEAK], "target below", megabytes))
    said = " and ".join(f"{number(found)} {name[-3:-1].strip('(')}" for name, found, _, _ in took)
    return claim.judge(bool(holds), measured, tightest(*took), f"The command takes {said}.")
