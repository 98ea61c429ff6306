from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tlcore import Registry, Subject, VisualizationRequest
from tlcore.errors import VisualizationError
from tlcore.visualizer import Visualization
from tlcore_visualizers.feature_maps import FeatureOptions
from tlcore_visualizers.feature_maps.filters import first_filters
from tlcore_visualizers.feature_maps.maps import feature_maps
from tlcore_visualizers.feature_maps.visualizer import Features
from tlcore_visualizers.layers import choose_layer, find_layers


def features(subject: Subject, *images: Image.Image, **options: object) -> Visualization:
    names = tuple(f"{index}.png" for index in range(len(images)))
    return Features(FeatureOptions(**options)).visualize(subject, VisualizationRequest(images=images, image_names=names))  # type: ignore[arg-type]


def test_values_are_what_the_backbone_gives(mini: Subject, photo: Image.Image, registry: Registry) -> None:
    layer = choose_layer(find_layers(mini.network, (128, 128)), "layer3")
    found = feature_maps(mini, photo, layer, channels=(5, 0))
    pixels = mini.preprocess.pixels(photo)[None]
    expected = registry.backbone("mini").feature_maps(pixels, ["layer3"])["layer3"][0, [5, 0]]
    np.testing.assert_allclose(found.values, expected, rtol=1e-3, atol=1e-3)
    assert found.record["channels"] == [5, 0]
    assert found._repr_html_().startswith("<figure")


def test_channels_that_vary_most_come_first(mini: Subject, photo: Image.Image) -> None:
    layer = choose_layer(find_layers(mini.network, (128, 128)), "layer2")
    found = feature_maps(mini, photo, layer, most=6)
    spread = found.values.std(axis=(1, 2))
    assert len(spread) == 6
    assert (np.diff(spread) <= 0).all()


def test_by_default_each_stage_is_shown_with_the_first_filters(mini: Subject, photo: Image.Image) -> None:
    result = features(mini, photo, most=3)
    names = [picture.name for picture in result.pictures]
    assert (names[0], names[-1]) == ("conv1.0-filters", "0-layer4-maps")
    json.dumps(result.record, allow_nan=False)


def test_layers_are_listed(mini: Subject) -> None:
    result = features(mini, layers=True)
    assert not result.pictures
    assert any(line.split() == ["layer2", "Sequential", "192", "x", "16", "x", "16"] for line in result.lines)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": ("layr3",)}, "no layer 'layr3'; did you mean 'layer3'?"),
        ({"layer": ("layer3",), "channels": (384,)}, "layer 'layer3' has 384 channels, 0 to 383; there is no 384"),
        ({"layer": ("layer3",), "channels": (-1,)}, "there is no -1"),
        ({"layer": ("layer3",)}, "mini has no filters to show in layer3; give an image, or a dataset with --dataset"),
    ],
    ids=["unknown layer", "too many channels", "negative channel", "nothing to show"],
)
def test_what_cannot_be_shown_is_told(options: dict, message: str, mini: Subject) -> None:
    with pytest.raises(VisualizationError) as error:
        features(mini, **options)
    assert message in str(error.value)


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (2000, 1500)])
def test_images_of_any_size(size: tuple[int, int], mini: Subject) -> None:
    result = features(mini, Image.new("RGB", size, (90, 120, 40)), layer=("layer4",), most=2, scale="shared")
    assert result.pictures[0].caption == "layer4: 2 of 768 channels, 4 x 4"


def test_filters_are_the_weights(mini: Subject) -> None:
    found = first_filters(mini, channels=(2, 3))
    weights = mini.network.get_submodule("conv1.0").weight
    np.testing.assert_array_equal(found.values, weights.detach().numpy()[[2, 3]])  # type: ignore[union-attr, operator]
    with pytest.raises(VisualizationError, match="has 12 filters, 0 to 11; no 12"):
        first_filters(mini, channels=(12,))
    with pytest.raises(VisualizationError, match=r"layer 'layer1' is no convolution on three colours; these are: conv1\.0"):
        first_filters(mini, layer="layer1")


def test_photos_called_alike_get_pictures_of_their_own(mini: Subject, photo: Image.Image) -> None:
    request = VisualizationRequest(images=(photo, photo), image_names=("a/cat.png", "b/cat.png"))
    result = Features(FeatureOptions(layer=("layer4",), most=1)).visualize(mini, request)
    assert [picture.name for picture in result.pictures] == ["cat-layer4-maps", "cat-layer4-maps-2"]
