"""Forecasts of issued standards against figures that can be worked out by hand."""

from __future__ import annotations

import math

import pytest

from warehouse.forecast import forecast_issues


def test_counts_that_vary_no_more_than_poissons_are_poisson() -> None:
    forecast = forecast_issues(value=3, target=4, months=2, mean=0.5, variance=0.4, share=0.8)
    assert forecast.expected_value == 4.0
    assert forecast.probability == pytest.approx(1 - math.exp(-1), rel=1e-12)
    assert (forecast.low_value, forecast.high_value) == (3.0, 5.0)


def test_counts_that_vary_more_are_negative_binomial_over_all_months() -> None:
    # mean 1, variance 2: r = 1 and p = 1/2 a month, NB(2, 1/2) over two; none at all has probability 1/4
    forecast = forecast_issues(value=0, target=1, months=2, mean=1.0, variance=2.0, share=0.8)
    assert forecast.probability == pytest.approx(0.75, rel=1e-12)
    assert forecast.expected_value == 2.0
    # P(0) = 1/4 holds the 10 % quantile; P(at most 5) = 0.9375 is the first beyond 90 %, after P(at most 4) = 0.890625
    assert (forecast.low_value, forecast.high_value) == (0.0, 5.0)


@pytest.mark.parametrize(("value", "probability"), [(4, 0.0), (5, 1.0), (6, 1.0)])
def test_nothing_is_added_when_no_month_is_left_or_nothing_was_ever_issued(value: int, probability: float) -> None:
    for months, mean in ((0, 1.0), (9, 0.0)):
        forecast = forecast_issues(value, 5.0, months, mean, 0.0, 0.8)
        assert (forecast.expected_value, forecast.low_value, forecast.high_value) == (value, value, value)
        assert forecast.probability == probability


def test_target_that_is_met_is_certain_and_a_broken_number_is_met_by_the_next_whole_one() -> None:
    assert forecast_issues(5, 5.0, 3, 1.0, 2.0, 0.8).probability == 1.0
    assert forecast_issues(0, 0.5, 2, 1.0, 2.0, 0.8).probability == forecast_issues(0, 1.0, 2, 1.0, 2.0, 0.8).probability
