"""Attempts at one picture, from one seed after the other: as many as were asked for, or as fit into a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from tlcore_visualizers.drawing import Drawing, Task, draw
from tlcore_visualizers.pace import by_clock, by_steps
from tlcore_visualizers.recipe import Recipe

_TRIAL = 0.03
"""Share of the time in which the cost of a step is measured, at most `_LONGEST_TRIAL` seconds."""

_LONGEST_TRIAL = 0.5

_ENDLESS = 10**9
"""More steps than any time allows."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is tried for one picture.

    Attributes:
        seeds: how many.
        steps: of each, or about how many where the clock ends it.
        deadline: of `time.monotonic`; None where nothing but steps ends it.
        stretched: each seed takes an even share of the time that is left, whatever steps come of it.
    """

    seeds: int
    steps: int
    deadline: float | None = None
    stretched: bool = False


def plan_for(task: Task, begin: Callable[[int], Drawing], *, deadline: float, steps_given: bool) -> Plan:
    """Return the plan that fills a time: whole recipes one after the other, stretched or shortened to end with it.

    An attempt that is cut off has not come to its last, small steps; one that was planned shorter has.

    Args:
        task: what is drawn.
        begin: returns a new drawing of a seed.
        deadline: of `time.monotonic`.
        steps_given: whether a person set the recipe's steps, which are kept then.
    """
    cost = _seconds_a_step(task, begin, min(_LONGEST_TRIAL, _TRIAL * (deadline - time.monotonic())))
    affordable = max(1, int((deadline - time.monotonic()) / cost))
    seeds = max(1, affordable // task.recipe.steps)
    steps = task.recipe.steps if steps_given else affordable // seeds
    return Plan(seeds=seeds, steps=steps, deadline=deadline, stretched=not steps_given)


def attempt(
    task: Task,
    drawings: list[Drawing],
    begin: Callable[[int], Drawing],
    plan: Plan,
    *,
    seed: int,
    report: Callable[[int, int], None],
) -> None:
    """Draw from one seed after the other, into `drawings`.

    Args:
        task: what is drawn.
        drawings: what was begun joins it at once, so that it is of use at any moment.
        begin: returns a new drawing of a seed.
        plan: how many, and how long.
        seed: the first.
        report: told of each step: the seed, and how many steps were made.
    """
    for number in range(plan.seeds):
        drawing = begin(seed + number)
        drawings.append(drawing)
        pace = by_steps(plan.steps, plan.deadline)
        if plan.deadline is not None and plan.stretched:
            now = time.monotonic()
            pace = by_clock(now + (plan.deadline - now) / (plan.seeds - number))
        draw(task, drawing, pace, step=partial(report, drawing.seed))
        if plan.deadline is not None and time.monotonic() >= plan.deadline:
            return


def _seconds_a_step(task: Task, begin: Callable[[int], Drawing], seconds: float) -> float:
    """Measure a step, the mean over the recipe's smaller views and its others, on drawings that are thrown away."""
    share = task.recipe.small_views
    kinds = {small: weight for small, weight in ((1.0, share), (0.0, 1.0 - share)) if weight}
    return sum(
        weight * _cost(replace(task.recipe, small_views=small), task, begin(0), seconds / len(kinds))
        for small, weight in kinds.items()
    )


def _cost(recipe: Recipe, task: Task, drawing: Drawing, seconds: float) -> float:
    trial = replace(task, recipe=recipe, frames=False)
    draw(trial, drawing, by_steps(1), step=_ignore)  # the first, which is slower, does not count
    started = time.monotonic()
    draw(trial, drawing, by_steps(_ENDLESS, started + seconds), step=_ignore)
    return (time.monotonic() - started) / drawing.steps


def _ignore(done: int) -> None:
    """Show nothing."""
