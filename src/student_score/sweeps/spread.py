"""Means of repeated runs and their 95 % intervals: over seeds, over overlapping splits, over independent data sets."""

import warnings
from collections.abc import Sequence
from math import nan, sqrt
from typing import TYPE_CHECKING

import numpy as np

from student_score.arrays import Floats

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95
"""Of the intervals in columns called ci95."""

RESAMPLED = ("dataset.split_seed", "dataset.fold")
"""Runs that differ in these have the same students, of whom others train: their errors are not independent."""

REPLICATED = "dataset.seed"
"""Runs that differ in this have other students of the same simulated world."""

OVERLAP = "test_per_train"
"""Column of a sweep's table: test rows for each training row, where splits overlap."""

BOOTSTRAPPED, RESAMPLES = 10, 2000
"""Independent values from which on they are resampled, so often; resampling fewer covers less than it claims."""


def spread(values: Floats, runs: "pd.DataFrame") -> tuple[float, float, float]:
    """Return the mean of values (n,) of runs, and the ends of its 95 % interval; NaN where undefined.

    Values that are not finite are left out. First the mean is taken over the runs that differ in nothing but seeds of
    networks. The interval is that of what is left:

    * over independent data sets the BCa bootstrap's, of fewer than ten Student's t;
    * over splits of the same rows Student's t with the variance of Nadeau and Bengio (2003), s² (1 / J + n2 / n1) for J
      splits into n1 training and n2 test rows: as they overlap, s² / J would be far too small;
    * over seeds alone Student's t.
    """
    known = np.isfinite(values)
    values, runs = values[known], runs[known]
    unit = float(np.abs(values).max(initial=0.0)) or 1.0
    if differ(runs, [REPLICATED]):
        found = over_replicates(means(values / unit, runs, [REPLICATED]))
    elif differ(runs, RESAMPLED):
        found = t_interval(means(values / unit, runs, RESAMPLED), overlap=float(runs[OVERLAP].max()))
    else:
        return t_interval(values)
    mean, low, high = found
    return mean * unit, low * unit, high * unit


def differ(runs: "pd.DataFrame", keys: Sequence[str]) -> bool:
    """Say whether runs differ in any of the keys that are columns."""
    return any(key in runs and len(runs[key].unique()) > 1 for key in keys)


def means(values: Floats, runs: "pd.DataFrame", keys: Sequence[str]) -> Floats:
    """Return the mean of the values of the runs that agree in the keys."""
    import pandas as pd

    found = pd.Series(values).groupby([runs[key].to_numpy() for key in keys if key in runs]).mean()
    return np.asarray(found, dtype=np.float64)


def over_replicates(values: Floats) -> tuple[float, float, float]:
    """Return the mean of independent values (n,) and the ends of its BCa bootstrap interval, or of Student's."""
    if len(values) < BOOTSTRAPPED or np.ptp(values) == 0:
        return t_interval(values)
    from scipy.stats import bootstrap  # Late: it takes half a second to import.

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Values nearly all equal have no interval: it says so by NaN.
        found = bootstrap((values,), np.mean, confidence_level=CONFIDENCE, n_resamples=RESAMPLES, method="BCa", rng=0)
    return float(values.mean()), float(found.confidence_interval.low), float(found.confidence_interval.high)


def t_interval(values: Floats, *, overlap: float = 0.0) -> tuple[float, float, float]:
    """Return the mean of finite values (n,) and the ends of its 95 % Student t interval; NaN where undefined.

    The interval, mean ± t s sqrt(1 / n + overlap) with n - 1 degrees of freedom, covers the expected value in 95 % of
    cases if the values are normal, and independent but for the `overlap`, test rows per training row. Losses are
    skewed, so that with few seeds it covers it less often, and its lower end may be negative.
    """
    from scipy.special import stdtrit

    if not len(values):
        return nan, nan, nan
    unit = float(np.abs(values).max()) or 1.0  # Squares of what a run blew up to without diverging could overflow.
    scaled = values / unit
    mean = float(scaled.mean())
    if len(values) < 2:
        return mean * unit, nan, nan
    quantile = float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2))
    half = quantile * float(scaled.std(ddof=1)) * sqrt(1 / len(values) + overlap)
    return mean * unit, (mean - half) * unit, (mean + half) * unit
