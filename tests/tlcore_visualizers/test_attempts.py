"""How many attempts at a picture fill a time, and how long each is."""

from __future__ import annotations

import time

import pytest
import torch

from tlcore import Registry, VisualizationRequest
from tlcore.testing.visualizers import small_subject
from tlcore_visualizers import attempts
from tlcore_visualizers.attempts import Plan, attempt, plan_for
from tlcore_visualizers.drawing import Drawing, Task
from tlcore_visualizers.objective import ClassObjective
from tlcore_visualizers.pace import by_clock, by_steps
from tlcore_visualizers.parameterisation import Pixels
from tlcore_visualizers.pixel_network import PixelNetwork
from tlcore_visualizers.recipe import Recipe


def task(steps: int) -> Task:
    return Task(
        network=PixelNetwork(small_subject()), small_size=(64, 64), places=[], objective=ClassObjective({1: 1.0}, "margin"), companions=(),
        diverse_layer=None, diversity=0.0, recipe=Recipe(steps=steps, remembered=0.0), frames=False,
    )  # fmt: skip


def begin(seed: int) -> Drawing:
    return Drawing(seed, Pixels(1, (64, 64), torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize(
    ("pace", "given", "plan"),
    [
        (0.03, False, (1, 666)),
        (0.03, True, (1, 400)),
        (0.02, False, (2, 500)),
        (0.02, True, (2, 400)),
        (0.1, False, (1, 200)),
        (0.1, True, (1, 400)),
        (100.0, False, (1, 1)),
    ],
)
def test_whole_recipes_are_stretched_or_one_is_shortened_to_fill_the_time(
    monkeypatch: pytest.MonkeyPatch, pace: float, given: bool, plan: tuple[int, int]
) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    monkeypatch.setattr(attempts, "_seconds_a_step", lambda *_: pace)
    found = plan_for(task(400), begin, deadline=1020.0, steps_given=given)
    assert (found.seeds, found.steps) == plan
    assert found.stretched is not given


def test_each_seed_has_its_share_of_the_clock_and_ends_finished(registry: Registry) -> None:
    """Each comes to the end of its recipe, so the last step of each is the shortest."""
    drawings: list[Drawing] = []
    deadline = time.monotonic() + 0.6
    attempt(
        task(400),
        drawings,
        begin,
        Plan(seeds=3, steps=100, deadline=deadline, stretched=True),
        seed=4,
        report=lambda *_: None,
    )
    assert [drawing.seed for drawing in drawings] == [4, 5, 6]
    assert all(drawing.steps >= 1 for drawing in drawings)
    assert time.monotonic() >= deadline


def test_a_pace_by_the_clock_ends_with_it_and_one_by_steps_with_them() -> None:
    past = time.monotonic() - 1
    assert [by_clock(past)(done) for done in (0, 1)] == [0.0, 1.0]
    assert 0 < by_clock(time.monotonic() + 100)(1) < 0.5
    assert [by_steps(4)(done) for done in (0, 2, 4)] == [0.0, 0.5, 1.0]
    assert [by_steps(4, past)(done) for done in (0, 2)] == [0.0, 1.0]


def test_steps_that_were_asked_for_are_kept_within_a_time(registry: Registry) -> None:
    visualizer = registry.visualizer("ideal", {"seconds": 60.0, "steps": 3, "natural": 0})
    seeds = []

    def stop(event: object) -> None:
        seeds.append(event)
        if len(seeds) == 9:
            raise KeyboardInterrupt

    kept = []
    with pytest.raises(KeyboardInterrupt):
        visualizer.visualize(small_subject(), VisualizationRequest(classes=(1,), seed=5, progress=stop), rescue=kept.append)
    tried = kept[0].record["drawn"][0]["tried"]
    assert [(each["seed"], each["steps"]) for each in tried] == [(5, 3), (6, 3), (7, 3)]
