"""How many standards will have been issued by a target year (methods.md M11)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy.special import betainc, pdtr, pdtrc


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
    below, above = _distribute(months, mean, variance)
    tail = (1 - share) / 2
    return Forecast(
        expected_value=value + months * mean,
        low_value=float(value + _find_quantile(below, tail)),
        high_value=float(value + _find_quantile(below, 1 - tail)),
        probability=1.0 if missing <= 0 else above(missing - 1),
    )


def _distribute(months: int, mean: float, variance: float) -> tuple[Callable[[int], float], Callable[[int], float]]:
    """P(issues ≤ k) and P(issues > k) over the months; the latter by itself, since 1 less the former would lose what is unlikely.

    By the beta function rather than by a statistics library, which takes longer to load than all other models of the instrument to run.
    """
    if variance > mean:
        r, p = months * mean**2 / (variance - mean), mean / variance
        return lambda k: float(betainc(r, k + 1, p)), lambda k: float(betainc(k + 1, r, 1 - p))
    return lambda k: float(pdtr(k, months * mean)), lambda k: float(pdtrc(k, months * mean))


def _find_quantile(below: Callable[[int], float], share: float) -> int:
    """The smallest number that is not exceeded with at least this probability."""
    low, high = -1, 1
    while below(high) < share:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if below(middle) < share else (low, middle)
    return high
