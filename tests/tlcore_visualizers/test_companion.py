"""Pictures that several networks draw together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tlcore import Registry, Subject, VisualizationRequest
from tlcore.errors import OptionError, VisualizationError
from tlcore.subject import make_subject
from tlcore.testing.visualizers import small_subject
from tlcore.visualization.companions import find_companions
from tlcore_visualizers.pixel_network import PixelNetwork
from tlcore_visualizers.score import probability

STEPS = {"preset": "lesson-noise", "steps": 40, "size": 64, "companion_weight": 4.0}


@pytest.fixture(scope="module")
def mini(registry: Registry) -> Subject:
    return make_subject("mini", registry)


def knows_zebras() -> Subject:
    """A small network whose second class has a name that the network in the box knows too."""
    return replace(small_subject(), class_names=("bar", "zebra", "cross", "disc", "egg"))


def drawn(registry: Registry, subject: Subject, companions: tuple[Subject, ...], classes: tuple[int, ...] = (1,), **options: object):  # type: ignore[no-untyped-def]  # fmt: skip
    request = VisualizationRequest(classes=classes, companions=companions)
    return registry.visualizer("ideal", {**STEPS, **options}).visualize(subject, request)


def test_a_companion_sees_what_it_drew_by(registry: Registry, mini: Subject) -> None:
    subject = knows_zebras()
    alone, together = drawn(registry, subject, ()), drawn(registry, subject, (mini,))
    zebra = mini.find_class("zebra")
    before, after = (probability(Image.fromarray(found.pictures[0].pixels), zebra, mini) for found in (alone, together))
    assert after > 0.5 > 10 * before
    assert together.record["companions"] == ["mini"] and alone.record["companions"] == []
    assert together.pictures[0].caption.endswith(", drawn with mini") and "drawn with" not in alone.pictures[0].caption


def test_a_companion_is_left_as_it_was(registry: Registry, mini: Subject) -> None:
    pixels = np.full((1, 128, 128, 3), 99, dtype=np.uint8)
    before = PixelNetwork(mini).probabilities(pixels)
    drawn(registry, knows_zebras(), (mini,), steps=2)
    assert np.array_equal(PixelNetwork(mini).probabilities(pixels), before)
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in mini.network.parameters())


def test_without_weight_or_for_a_layer_the_network_draws_alone(registry: Registry, mini: Subject) -> None:
    for options in (
        {"companion_weight": 0.0},
        {"preset": "lesson-tv", "companion_weight": None},
        {"layer": "3", "channel": 2},
    ):
        alone, together = (drawn(registry, knows_zebras(), beside, **{**options, "steps": 2}) for beside in ((), (mini,)))
        assert np.array_equal(alone.pictures[0].pixels, together.pictures[0].pixels)
        assert together.record["companions"] == []


def test_a_mix_is_drawn_of_both_classes_by_each(registry: Registry, mini: Subject) -> None:
    subject = replace(knows_zebras(), class_names=("bar", "zebra", "cross", "pug", "egg"))
    mixed = drawn(registry, subject, (mini,), classes=(1, 3), mix=0.5)
    image = Image.fromarray(mixed.pictures[0].pixels)
    assert all(probability(image, mini.find_class(name), mini) > 0.05 for name in ("zebra", "pug"))


def test_a_companion_must_know_the_class(registry: Registry, mini: Subject) -> None:
    with pytest.raises(VisualizationError, match="companion mini has no class 'bar'; it must know the same classes"):
        drawn(registry, knows_zebras(), (mini,), classes=(0,))


@pytest.mark.parametrize(
    ("names", "visualizer", "classes", "found"),
    [
        (None, "ideal", (1,), ["mini"]),
        (None, "ideal", (1, 0), []),
        (None, "ideal", (), []),
        (None, "adversarial", (1,), []),
        ((), "ideal", (1,), []),
        (("mini", "mini"), "ideal", (1,), ["mini", "mini"]),
    ],
)
def test_by_default_the_network_in_the_box_comes_along_where_it_knows_the_classes(
    registry: Registry, names: tuple[str, ...] | None, visualizer: str, classes: tuple[int, ...], found: list[str]
) -> None:
    spec = registry.resolve("visualizer", visualizer).offer.spec
    companions = find_companions(names, spec, knows_zebras(), classes, registry)  # type: ignore[arg-type]
    assert [companion.name for companion in companions] == found


def test_no_network_is_its_own_companion(registry: Registry, mini: Subject) -> None:
    spec = registry.resolve("visualizer", "ideal").offer.spec
    assert find_companions(None, spec, mini, (mini.find_class("zebra"),), registry) == ()  # type: ignore[arg-type]


def test_a_visualizer_that_looks_at_one_network_says_so(registry: Registry) -> None:
    spec = registry.resolve("visualizer", "features").offer.spec
    with pytest.raises(OptionError, match="features looks at one network alone: leave the companion 'mini' out"):
        find_companions(("mini",), spec, knows_zebras(), (), registry)  # type: ignore[arg-type]


def test_without_the_network_in_the_box_a_picture_is_drawn_alone() -> None:
    registry = Registry(installed=False)
    spec = Registry().resolve("visualizer", "ideal").offer.spec
    assert find_companions(None, spec, knows_zebras(), (1,), registry) == ()  # type: ignore[arg-type]
