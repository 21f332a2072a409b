"""What a sweep found, in at most five sentences: what is best, against what, where training fails, what to try next."""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from student_score.data.baseline import BASELINES, EXACT
from student_score.model.outcome import Outcome, r_squared
from student_score.sweeps.evaluation import Evaluation, evaluate
from student_score.sweeps.failing import FAILED, failing
from student_score.sweeps.ranking import Candidate, baseline, best, candidates, explained, final_losses, ties
from student_score.sweeps.spread import REPLICATED, RESAMPLED, differ, spread
from student_score.sweeps.words import (
    EXACT_WORDS,
    counted,
    counts,
    described_counts,
    labelled,
    number,
    repetitions,
    short_names,
    value_text,
)

if TYPE_CHECKING:
    import pandas as pd

RATE, EPOCHS = "training.learning_rate", "training.epochs"

LISTED = 3
"""Configurations as good as the best that are named."""

LEARNED = 0.01
"""Share of the variance that the best configuration must explain, or nothing was learned."""


def conclude(table: "pd.DataFrame", swept: Sequence[str], settings: Mapping[str, Any]) -> list[str]:
    """Return what a sweep found.

    Args:
        table: a row for each run.
        swept: the swept keys, which are columns of the table.
        settings: the configuration of one of the runs, by key; what was not swept holds for all.
    """
    found = candidates(table, swept)
    if not found:
        return []
    first, evaluation = best(found), evaluate(table, swept)
    if first is None or evaluation is None or not np.isfinite(evaluation.losses).any():
        return [*failing(table, swept), *advice(None, found, swept, settings)]
    return [
        which(first, found, evaluation, swept),
        *as_good(first, found, swept),
        *against(first, evaluation, table, swept),
        *failing(table, swept),
        *advice(first, found, swept, settings),
    ]


def which(first: Candidate, found: Sequence[Candidate], evaluation: Evaluation, swept: Sequence[str]) -> str:
    """Return the sentence on the best configuration and its error, on rows that chose nothing where there are any."""
    runs, loss = evaluation.runs, evaluation.loss
    mean, low, high = spread(evaluation.losses, runs)
    known, repeated = int(np.isfinite(evaluation.losses).sum()), len(runs)
    over = f" over {repetitions(swept)}" if differ(runs, (*RESAMPLED, REPLICATED)) else ""
    same = ", all the same"
    around = f", 95 % interval {number(low)} to {number(high)}{over}" if number(low) != number(high) else same
    if isnan(low) or first.is_exact:
        around = ""
    of = f"{known} of {repeated}" if known < repeated else f"{known}"
    mean_of = f" (mean of {of} runs{around})" if repeated > 1 else ""
    error = f"{loss} {EXACT_WORDS if first.is_exact else number(mean)}{mean_of}"
    r2 = explained(evaluation.losses, evaluation.baseline("mean"))
    share = "" if isnan(r2) else f", R² {r_squared(r2)}"
    ended = f"{described_counts(counts(runs))}" if repeated > 1 else str(runs["outcome"].iloc[0])
    learned = first.explained >= LEARNED or isnan(first.explained)
    kept = reservation(evaluation) if learned or not evaluation.is_optimistic else ""
    return f"{lead(first, found)}{by(evaluation) if learned else ''}{error}{share}, {ended}{kept}."


def by(evaluation: Evaluation) -> str:
    """Return which rows chose the best configuration, where validation rows did, and how often they agree on it."""
    if evaluation.chooser == evaluation.loss or evaluation.choices == 1:
        return ""
    if evaluation.splits == 1:
        return "by the validation rows; on the test rows, which choose nothing, "
    [(often, count), *others] = evaluation.counts
    how = f"by the validation rows of all {counted(evaluation.splits, 'split')}"
    if not others:
        return f"{how}; on the test rows, which choose nothing, "
    most = f", {labelled(often)} in {count} of {evaluation.splits}" if count > 1 else ""
    return f"{how}; each split chooses for itself{most}: on the test rows, which choose nothing, "


def reservation(evaluation: Evaluation) -> str:
    """Return what is to be kept in mind of the reported error, or nothing."""
    if evaluation.loss == "train_mse":
        return "; there are no test rows, so this is the error on the training rows"
    if evaluation.loss == "validation_mse":
        return "; there are no test rows, so this is the error on the validation rows"
    if not evaluation.is_optimistic:
        return ""
    return "; the test rows chose it, so this error is optimistic: dataset.validation_fraction=0.2 lets others choose"


def lead(first: Candidate, found: Sequence[Candidate]) -> str:
    """Return how the sentence on the best configuration begins."""
    if first.explained < LEARNED:
        of = f", of {labelled(first.configuration)}," if first.configuration else ""
        return f"Nothing was learned; the least error{of} is "
    if not first.configuration:
        return "The only configuration: "
    if len(first.configuration) == 1 and len(found) > 1:
        [(key, value)] = first.configuration.items()
        return f"Best of {len(found):,} values of {short_names([key])[0]}: {value_text(value)}, "
    return f"Best of {counted(len(found), 'configuration')}: {labelled(first.configuration)}, "


def as_good(first: Candidate, found: Sequence[Candidate], swept: Sequence[str]) -> list[str]:
    """Return a sentence on the configurations that the repetitions do not tell from the best."""
    others = ties(first, found, swept)
    if not others:
        return []
    if len(others) > LISTED:
        return [f"{len(others):,} others are as good within the spread of the {repetitions(swept)}."]
    named = " and ".join(labelled(other.configuration) for other in others)
    return [f"As good within the spread of the {repetitions(swept)}: {named}."]


def against(first: Candidate, evaluation: Evaluation, table: "pd.DataFrame", swept: Sequence[str]) -> list[str]:
    """Return the sentence on the chosen networks beside the mean score, linear regression and the best of the others.

    Differences are paired, run by run on the same rows.
    """
    if not {"mean", "linear"} <= set(evaluation.baselines):
        return []
    line, mean = evaluation.baseline("linear"), evaluation.baseline("mean")
    mean_sides = side("always predicting the mean", "mean", evaluation, swept)
    if np.all(line <= EXACT * mean):
        same = ", as the network does" if first.is_exact else ", which no network can beat"
        return [f"It {mean_sides}; {BASELINES['linear'][0]} fits these rows exactly{same}."]
    also = "and" if mean_sides.startswith("beats") == (evaluation.minus("linear")[0] < 0) else "but"
    sides = f"It {mean_sides}, {also} {side(BASELINES['linear'][0], 'linear', evaluation, swept)}"
    sides += few(table, evaluation.loss)
    others = {name: evaluation.baseline(name).mean() for name in evaluation.baselines if name not in ("mean", "linear")}
    if others:
        other = min(others, key=lambda name: others[name])
        sides += f"; of the other baselines, it {side(BASELINES[other][0], other, evaluation, swept)}"
    return [f"{sides}."]


def side(words: str, name: str, evaluation: Evaluation, swept: Sequence[str]) -> str:
    """Return on which side of a baseline the chosen networks lie, by how much and with what confidence."""
    gap, low, high = evaluation.minus(name)
    known = f"{words} ({number(spread(evaluation.baseline(name), evaluation.runs)[0])})"
    if isnan(low):
        return f"beats {known} by {gain(-gap)}" if gap < 0 else f"is worse than {known} by {gain(gap)}"
    if low <= 0 <= high:
        return f"cannot be told from {known}: the difference is {gain(gap)} ({interval(low, high, swept)})"
    if gap < 0:
        sure = gain(-high) == gain(-low)
        return f"beats {known} by {gain(-gap)}{'' if sure else f' ({interval(-high, -low, swept)})'}"
    return f"is worse than {known} by {gain(gap)} ({interval(low, high, swept)})"


def interval(low: float, high: float, swept: Sequence[str]) -> str:
    """Return the ends of an interval in words."""
    return f"95 % interval {gain(low)} to {gain(high)} over {repetitions(swept)}"


def gain(value: float) -> str:
    """Return a difference of errors with three digits: more would be none of the matter's."""
    return f"{value:.4g}" if abs(value) >= 100 else f"{value:.3g}"


def few(table: "pd.DataFrame", loss: str) -> str:
    """Return how many of all runs beat linear regression."""
    beating, total = int((final_losses(table, loss) < baseline(table, "linear", loss)).sum()), len(table)
    if total == 1:
        return ""
    return f"; none of {total:,} runs beats it" if not beating else f"; {beating:,} of {total:,} runs beat it"


def advice(
    first: Candidate | None, found: Sequence[Candidate], swept: Sequence[str], settings: Mapping[str, Any]
) -> list[str]:
    """Return a sentence on what to try next, as far as that is certain."""
    tried = sorted({candidate.configuration[RATE] for candidate in found if RATE in candidate.configuration})
    lowest = tried[0] if tried else settings[RATE]
    ideas = []
    if first is None or (first.explained < LEARNED and failed_everywhere(found)):
        ideas.append(f"rates below {value_text(lowest)}")
        if settings["dataset.scale"] == "none":
            ideas.append("dataset.scale=features_and_target")
    elif not first.is_exact:
        ideas += beyond(first, found, tried) if not ties(first, found, swept) else []
        epochs = first.configuration.get(EPOCHS, settings[EPOCHS])
        if 2 * int((first.runs["outcome"] == Outcome.slow.name).sum()) > len(first.runs):
            ideas.append(f"more than {epochs:,} epochs: its loss had not come to rest")
    if first is not None and len(first.runs) == 1 and is_random(settings):
        ideas.append("several seeds, such as network.seed='range(0,5)': one run cannot tell luck from merit")
    return [f"Try {', and '.join(ideas)}."] if ideas else []


def beyond(first: Candidate, found: Sequence[Candidate], tried: Sequence[float]) -> list[str]:
    """Return in which direction the best rate lies at the end of those tried, where none failed."""
    if len(tried) < 2:
        return []
    rate = first.configuration[RATE]
    same = [other for other in found if other.configuration[RATE] == rate]
    if any(other.runs["outcome"].isin(FAILED).any() for other in same):
        return []
    if rate == tried[-1]:
        return [f"larger rates: {value_text(rate)}, the best, is the largest tried"]
    if rate == tried[0]:
        return [f"smaller rates: {value_text(rate)}, the best, is the smallest tried"]
    return []


def failed_everywhere(found: Sequence[Candidate]) -> bool:
    """Say whether every run failed."""
    return all(bool(candidate.runs["outcome"].isin(FAILED).all()) for candidate in found)


def is_random(settings: Mapping[str, Any]) -> bool:
    """Say whether a seed changes a run: the start or the order of the rows is random."""
    return settings["network.initialisation"] != "article" or settings["training.sampling"] in (
        "shuffled",
        "with_replacement",
    )
