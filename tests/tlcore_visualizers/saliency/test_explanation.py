from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import draw_shape
from tests.tlcore_visualizers.conftest import RedNetwork, subject_of
from tlcore import Registry, Subject, TrainResult, Visualization, VisualizationRequest
from tlcore.errors import TlcoreError, VisualizationError
from tlcore.progress import ProgressEvent
from tlcore.subject import bundle_subject, make_subject
from tlcore_visualizers.pixel_network import PixelNetwork
from tlcore_visualizers.saliency import METHODS, ExplainOptions
from tlcore_visualizers.saliency.explanation import explain
from tlcore_visualizers.saliency.visualizer import Explain

QUICK = ExplainOptions(method="all", channels=4, steps=4)


def test_every_method_on_the_network_in_the_box(mini: Subject, photo: Image.Image) -> None:
    result = Explain(QUICK).visualize(mini, VisualizationRequest(images=(photo,), image_names=("a photo/of a flower.jpg",)))
    assert [record["method"] for record in result.record["explanations"]] == list(METHODS)
    likeliest = PixelNetwork(mini).probabilities(mini.preprocess.pixels(photo)[None])[0].argmax()
    assert result.pictures[0].name == f"of a flower-{mini.class_name(int(likeliest))}-grad-cam"
    assert all(picture.pixels.shape == (427, 640 + 48, 3) for picture in result.pictures)
    assert "deletion 0." in result.pictures[0].caption
    assert result.columns == len(METHODS)
    json.dumps(result.record, allow_nan=False)


def test_a_library_call_gives_an_array_a_record_and_a_picture(mini: Subject, photo: Image.Image) -> None:
    (explanation,) = explain(mini, photo, target=985, options=ExplainOptions(steps=8))
    assert explanation.values.shape == (128, 128)
    assert explanation.record["layer"] == "layer4"
    assert explanation.record["scores"]["insertion"] == explanation.scores.insertion  # type: ignore[union-attr]
    assert explanation._repr_html_().startswith("<figure")


def test_an_exported_file_is_explained_by_its_answers_alone(
    trained: TrainResult, exported: Path, registry: Registry
) -> None:
    asked, image = ExplainOptions(method="occlusion", steps=2), draw_shape("circle", 1)
    (own,) = explain(bundle_subject(trained.bundle), image, options=asked)
    (found,) = explain(make_subject(str(exported), registry), image, options=asked)
    assert found.target == own.target and found.scores is not None
    # The file takes whole levels, and the colour that covers is none.
    assert np.corrcoef(found.values.ravel(), own.values.ravel())[0, 1] > 0.99
    for method in set(METHODS) - {"occlusion"}:
        with pytest.raises(VisualizationError, match=r"answers and no gradients; .* 'tl explain --method occlusion'"):
            explain(make_subject(str(exported), registry), image, options=ExplainOptions(method=method))


def test_the_named_layer_is_used(mini: Subject, photo: Image.Image) -> None:
    (deep,), (early,) = (
        explain(mini, photo, options=ExplainOptions(layer=layer, steps=0)) for layer in ("layer4", "layer2")
    )
    assert early.record["layer"] == "layer2"
    assert not np.allclose(deep.values, early.values)
    with pytest.raises(VisualizationError, match=r"no layer 'layer5'; did you mean"):
        explain(mini, photo, options=ExplainOptions(layer="layer5"))


@pytest.mark.parametrize(
    ("size", "shown"),
    [((1, 1), (224, 224)), ((1, 300), (1, 300)), ((4000, 2000), (1600, 800)), ((320, 240), (320, 240))],
    ids=["1x1", "strip", "huge", "own"],
)
def test_pictures_keep_their_aspect_and_say_where_their_size_changed(
    size: tuple[int, int], shown: tuple[int, int], red: Subject
) -> None:
    image = Image.new("RGB", size, (200, 40, 30))
    (explanation,) = explain(red, image, options=ExplainOptions(method="gradient", steps=0))
    bar = 48 if shown[1] >= 48 else 0
    assert explanation.picture.pixels.shape == (shown[1], shown[0] + bar, 3)
    assert (f"shown as {shown[0]} x {shown[1]}" in explanation.picture.caption) == (size != shown)


class Broken(RedNetwork):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        logits = super().forward(inputs)
        if self.kind == "nan":
            return logits * float("nan")
        return logits.detach() if self.kind == "cut" else logits.round()


@pytest.mark.parametrize(
    ("kind", "method", "message"),
    [
        ("nan", "grad-cam", "small gives logits of image that are not finite; are its weights whole?"),
        ("cut", "gradient", "its logits have no gradient, which gradient is made of; choose occlusion"),
        ("cut", "all", "its logits have no gradient, which grad-cam is made of"),
        ("flat", "gradient", "no gradient reaches image, so there is no gradient map; choose occlusion or score-cam"),
        ("flat", "grad-cam", "no layer on a grid that a gradient reaches"),
    ],
)
def test_what_cannot_be_explained_is_told_in_one_line(kind: str, method: str, message: str, red_square: Image.Image) -> None:
    with pytest.raises(VisualizationError) as error:
        explain(subject_of(Broken(kind)), red_square, options=ExplainOptions(method=method))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_occlusion_needs_no_gradient(red_square: Image.Image) -> None:
    (explanation,) = explain(subject_of(Broken("cut")), red_square, options=ExplainOptions(method="occlusion"))
    assert explanation.values[10:18, 10:18].min() > 0


@pytest.mark.parametrize("method", METHODS)
def test_cancelling_leaves_the_network_as_found(method: str, red_square: Image.Image) -> None:
    network = RedNetwork()
    subject = subject_of(network)

    class Cancelled(Exception):
        pass

    def cancel(event: ProgressEvent) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        explain(subject, red_square, options=ExplainOptions(method=method), progress=cancel)
    assert not any(module._forward_hooks or module._backward_hooks for module in network.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize(("after", "saved"), [(0, 0), (1, 1)], ids=["before the first", "after the first"])
def test_interrupted_what_is_done_is_kept(after: int, saved: int, red: Subject, red_square: Image.Image) -> None:
    kept: list[Visualization] = []
    finished = []

    def interrupt(event: ProgressEvent) -> None:
        finished.append(event.stage == "explained")
        if sum(finished) >= after:
            raise KeyboardInterrupt

    request = VisualizationRequest(images=(red_square, red_square), progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        Explain(ExplainOptions()).visualize(red, request, rescue=kept.append)
    assert sum(len(each.pictures) for each in kept) == saved


def test_a_class_that_does_not_exist_is_told(red: Subject, red_square: Image.Image) -> None:
    with pytest.raises(VisualizationError, match="small has classes 0 to 1; there is no 2"):
        explain(red, red_square, target=2)


def test_a_network_in_training_mode_is_refused_as_a_request_and_restored_as_a_call(red_square: Image.Image) -> None:
    subject = subject_of(RedNetwork())
    subject.network.train()
    with pytest.raises(TlcoreError, match="training mode"):
        Explain(ExplainOptions()).visualize(subject, VisualizationRequest(images=(red_square,)))
    explain(subject, red_square, options=ExplainOptions(steps=0))
    assert all(module.training for module in subject.network.modules())


def test_without_an_image_there_is_nothing_to_explain(red: Subject) -> None:
    with pytest.raises(VisualizationError, match="there is no image to explain"):
        Explain(ExplainOptions()).visualize(red)
