"""How many standards will have been issued by a target year (methods.md M11)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.stats import nbinom, poisson


@dataclass(frozen=True)
class Forecast:
    """Expected number, the bounds of the interval, and the probability that the target is met."""

    expected_value: float
    low_value: float
    high_value: float
    probability: float


def forecast_issues(value: int, target: float, months: int, mean: float, variance: float, share: float) -> Forecast:
    """Standards in force after `months` more, when issues per month have this mean and sample variance.

    Counts that vary more than Poisson's are negative binomial by moments: NB(r, p) a month is NB(months · r, p) over all of them. The
    interval holds `share` of the probability, as much above as below. What leaves meanwhile is not foreseen.
    """
    missing = math.ceil(target - value)
    if months == 0 or mean == 0:
        return Forecast(float(value), float(value), float(value), float(missing <= 0))
    if variance > mean:
        issues = nbinom(months * mean**2 / (variance - mean), mean / variance)
    else:
        issues = poisson(months * mean)
    tail = (1 - share) / 2
    return Forecast(
        expected_value=value + months * mean,
        low_value=float(value + issues.ppf(tail)),
        high_value=float(value + issues.ppf(1 - tail)),
        probability=float(issues.sf(missing - 1)),
    )
