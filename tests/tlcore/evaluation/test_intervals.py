"""Intervals hold the truth as often as they say; the full simulation is tests/benchmarks/intervals.py."""

from __future__ import annotations

from tests.benchmarks.intervals import WORLDS, coverage, truth


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """40 simulations tell 95 % only from what is far off: 33 or fewer would have a chance of 1 in 300."""
    world = WORLDS[2]
    held = coverage(world, truth(world, 60_000), images=300, simulations=40, resamples=150, seed=3)
    assert {name: share for name, share in held.items() if share < 34 / 40} == {}


def test_a_truth_that_is_elsewhere_is_not_held() -> None:
    world = WORLDS[2]
    elsewhere = {name: value + 0.2 for name, value in truth(world, 20_000).items()}
    held = coverage(world, elsewhere, images=300, simulations=5, resamples=100, seed=3)
    assert set(held.values()) == {0.0}
