"""The ideal image: conformance, what is drawn, the score, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from tlcore import Registry, Subject, Visualization, VisualizationRequest
from tlcore.errors import OptionError, TlcoreError, VisualizationError
from tlcore.subject import make_subject
from tlcore.testing import VisualizerConformance
from tlcore.testing.visualizers import small_subject

QUICK = {"steps": 4}


@pytest.mark.usefixtures("unchecked_types")  # the checker itself draws random numbers
class TestIdeal(VisualizerConformance):
    name = "ideal"
    options: ClassVar = {**QUICK, "natural": 1}
    needs_images = False
    needs_dataset = True
    classes = (1,)


@pytest.mark.usefixtures("unchecked_types")
class TestIdealOfALayer(VisualizerConformance):
    name = "ideal"
    options: ClassVar = {**QUICK, "layer": "3", "channel": 2, "drop": 0.2, "view_blur": 1.5}
    needs_images = False


@pytest.mark.usefixtures("unchecked_types")
class TestTwoIdealsByMaco(VisualizerConformance):
    name = "ideal"
    options: ClassVar = {**QUICK, "preset": "maco", "count": 2}
    needs_images = False
    needs_dataset = True
    classes = (0,)


@pytest.fixture(scope="module")
def mini(registry: Registry) -> Subject:
    return make_subject("mini", registry)


def ideal(registry: Registry, subject: Subject, classes: tuple[int, ...] = (1,), **options: Any) -> Visualization:
    dataset = options.pop("dataset", None)
    request = VisualizationRequest(classes=classes, dataset=dataset, judges=options.pop("judges", ()))
    return registry.visualizer("ideal", options).visualize(subject, request)


def test_a_caller_without_gradients_gets_the_same_picture(registry: Registry) -> None:
    expected = ideal(registry, small_subject(), **QUICK).pictures[0].pixels
    with torch.inference_mode():
        found = ideal(registry, small_subject(), **QUICK).pictures[0].pixels
    assert np.array_equal(found, expected)


def test_an_exported_file_gives_no_gradient_to_draw_by(exported: Path, registry: Registry) -> None:
    with pytest.raises(VisualizationError, match="gives answers and no gradients"):
        ideal(registry, make_subject(str(exported), registry), **QUICK)


def test_weights_that_are_not_numbers_are_told(registry: Registry) -> None:
    subject = small_subject()
    with torch.no_grad():
        next(iter(subject.network.parameters())).fill_(torch.nan)
    with pytest.raises(VisualizationError, match="answer to noise is not finite; are its weights whole"):
        ideal(registry, subject, **QUICK)


def test_what_a_network_does_not_remember_cannot_be_kept_to(registry: Registry) -> None:
    whole = small_subject()
    forgetful = replace(whole, network=torch.nn.Sequential(*(whole.network[at] for at in range(9) if at != 1)).eval())
    assert ideal(registry, forgetful, **QUICK).pictures
    with pytest.raises(OptionError, match="small network has no batch normalisation that remembers its images"):
        ideal(registry, forgetful, **QUICK, remembered=1.0)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"classes": ()}, "an ideal image is one of a class: name it"),
        ({"preset": "maco"}, "maco takes the strengths of waves from your photos: give a dataset"),
        ({"mix": 0.5}, "mix draws one image of two classes, got 1: name two"),
        ({"layer": "9"}, "small network has no layer '9'; it has"),
        ({"layer": "3"}, "layer '3' needs a channel (0 to 15) or a direction, one of the two"),
        ({"layer": "3", "channel": 16}, "layer '3' of small network has channels 0 to 15, there is no 16"),
        ({"layer": "3", "direction": "a:1"}, "a direction is CHANNEL:WEIGHT, more after ';', for instance 3:1;7:-0.5, got 'a:1'"),
        ({"layer": "3", "direction": "2:0"}, "a direction is CHANNEL:WEIGHT"),
        ({"layer": "3", "direction": "2:nan"}, "a direction is CHANNEL:WEIGHT"),
        ({"classes": (5,)}, "small network has 5 classes, there is no class 5"),
        ({"scale": (2.0, 0.5)}, "scale must rise from low to high, both from 0.05 to 20, got 2.0,0.5"),
        ({"noise": "-1,0"}, "noise must lie between 0 and 2, at first and at last, got -1.0,0.0"),
        ({"learning_rate": 1e6, "optimiser": "sgd", "tv": 1e38}, "the image became NaN at step 1; a smaller learning_rate"),
        ({"steps": 0}, "option 'steps' must be at least 1, got 0"),
        ({"preset": "maxo"}, "must be one of default, lesson-noise, lesson-tv, maco, got 'maxo'; did you mean 'maco'?"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_what_cannot_be_drawn_is_told(registry: Registry, options: dict[str, Any], told: str) -> None:
    with pytest.raises(TlcoreError) as error:
        ideal(registry, small_subject(), **options)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
