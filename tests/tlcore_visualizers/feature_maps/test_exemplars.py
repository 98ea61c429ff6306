from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tlcore_visualizers.conftest import subject_of
from tlcore import Dataset, Registry, Sample, Subject, VisualizationRequest
from tlcore.errors import DatasetError
from tlcore.images import BytesImage, encode_png
from tlcore_visualizers.feature_maps import FeatureOptions
from tlcore_visualizers.feature_maps.excitation import excitation, patch
from tlcore_visualizers.feature_maps.exemplars import find_exemplars
from tlcore_visualizers.feature_maps.visualizer import Features
from tlcore_visualizers.layers import Layer, find_layers


def square_at(left: int, top: int, red: int) -> Image.Image:
    image = Image.new("RGB", (112, 112), (100, 100, 100))
    image.paste((red, 40, 40), (left, top, left + 16, top + 16))
    return image


def sample(name: str, image: Image.Image | None) -> Sample:
    return Sample(image=BytesImage(b"broken" if image is None else encode_png(image)), name=name, label=0)


@pytest.fixture
def squares() -> list[Sample]:
    squares = {"weak": (16, 16, 160), "strong": (64, 32, 250), "middle": (80, 80, 200)}
    return [sample(name, square_at(*where)) for name, where in squares.items()]


def layer_of(subject: Subject, name: str) -> Layer:
    (layer,) = (each for each in find_layers(subject.network, subject.preprocess.image_size) if each.name == name)
    return layer


def test_the_images_that_excite_a_channel_most_come_first(red: Subject, squares: list[Sample]) -> None:
    broken = sample("broken.jpg", None)
    (found,), all_of_it = find_exemplars(red, [broken, *squares], layer_of(red, "relu"), channels=(0,), count=2)
    assert found.names == ("strong", "middle")
    assert found.values[0] > found.values[1]
    left, top, right, bottom = found.patches[0]
    assert 64 <= left < right <= 80 and 32 <= top < bottom <= 48
    assert [entry.name for entry in all_of_it.left_out] == ["broken.jpg"]
    assert found.record["images"] == ["strong", "middle"]


def test_the_channel_that_nothing_changes_is_chosen_last(red: Subject, squares: list[Sample]) -> None:
    assert excitation(red, squares, layer_of(red, "relu")).choosiest(2) == (0, 1)


def test_a_patch_is_what_the_place_looks_at() -> None:
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 1, 7, stride=8, padding=3),
        torch.nn.Conv2d(1, 2, 1),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
    )
    torch.nn.init.ones_(network[0].weight)
    subject = subject_of(network)
    layer = layer_of(subject, "0")
    assert (layer.rows, layer.columns) == (7, 7)
    box = patch(subject, Image.new("RGB", (112, 112)), layer, 0, (2, 4))
    assert box == (58, 26, 72, 40)  # 29 to 36 and 13 to 20 on the input: seven pixels about 4 x 8 and 2 x 8, twice as large


def test_a_patch_without_a_gradient_is_the_place_itself(red: Subject) -> None:
    box = patch(red, Image.new("RGB", (112, 112), (0, 200, 0)), layer_of(red, "relu"), 0, (3, 5))
    assert box == (10, 6, 12, 8)


def test_datasets_of_one_image_and_of_none_that_can_be_read(red: Subject) -> None:
    one = Dataset(name="one", class_names=("a",), splits={"all": (sample("x", square_at(0, 0, 200)),)})
    options = FeatureOptions(layer=("relu",), examples=5)
    result = Features(options).visualize(red, VisualizationRequest(dataset=one))
    assert len(result.pictures) == 2
    with pytest.raises(DatasetError, match="none of the 1 images can be read; the first: broken"):
        excitation(red, [sample("broken", None)], layer_of(red, "relu"))


def test_exemplars_of_the_network_in_the_box(mini: Subject, registry: Registry) -> None:
    digits = registry.dataset("digits").samples[:40]
    (first, second), found = find_exemplars(mini, digits, layer_of(mini, "layer2"), most=2, count=3)
    assert len(first.names) == 3
    assert first.channel != second.channel
    assert found.peaks.shape == (40, 192)
    np.testing.assert_array_equal(np.sort(found.peaks[:, first.channel])[::-1][:3], first.values)
