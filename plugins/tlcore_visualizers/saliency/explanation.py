"""Explaining one image: a saliency map by each method asked for, with its scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from PIL import Image

from tlcore.errors import VisualizationError
from tlcore.progress import Progress, silent
from tlcore.visualizer import Picture, Subject, file_name
from tlcore_visualizers.borrowed import borrowed
from tlcore_visualizers.layers import Layer, choose_layer, device_of, find_layers
from tlcore_visualizers.saliency import ExplainOptions, Method
from tlcore_visualizers.saliency.activation import activation_layer, grad_cam, score_cam
from tlcore_visualizers.saliency.attribution import gradient, integrated_gradients, occlusion, smooth_gradient
from tlcore_visualizers.saliency.faithfulness import Faithfulness, faithfulness
from tlcore_visualizers.saliency.overlay import overlay

_BY_LAYER: tuple[Method, ...] = ("grad-cam", "score-cam")
_GRADIENT_ALONE: tuple[Method, ...] = ("gradient", "smooth-grad", "integrated-gradients")
_WITHOUT_GRADIENT: tuple[Method, ...] = ("occlusion",)


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What one method says of one image and class.

    Attributes:
        method: its name.
        target: index of the class.
        probability: of that class.
        values: (height, width) of the network's input, float32; higher where it speaks more for the class. Occlusion and
            integrated gradients are negative where it speaks against.
        scores: deletion and insertion; None where they were not asked for.
        picture: the map over the photo, with a colour bar.
        record: everything needed to make it again, JSON-ready.
    """

    method: Method
    target: int
    probability: float
    values: Float32[np.ndarray, "height width"] = field(repr=False)
    scores: Faithfulness | None
    picture: Picture = field(repr=False)
    record: Mapping[str, Any] = field(repr=False)

    def _repr_html_(self) -> str:
        return self.picture._repr_html_()


def explanation_layer(subject: Subject, options: ExplainOptions) -> Layer | None:
    """Return the layer that class activation maps are made of, the one asked for or chosen; None where no method needs one.

    Raises:
        TlcoreError: there is no such layer, or none that serves.
    """
    if not set(options.methods) & set(_BY_LAYER):
        return None
    layers = find_layers(subject.network, subject.preprocess.image_size)
    if options.layer is not None:
        return choose_layer(layers, options.layer)
    with borrowed(subject.network):
        return activation_layer(subject.network, layers, subject.preprocess.image_size)


def explain(
    subject: Subject,
    image: Image.Image,
    *,
    target: int | None = None,
    name: str = "image",
    options: ExplainOptions | None = None,
    layer: Layer | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Explanation, ...]:
    """Explain what a network makes of one image, by each method that the options name.

    Args:
        subject: the network; left as found.
        image: upright RGB, of any size.
        target: index of the class to explain; by default the likeliest.
        name: of the image, for the picture's name.
        options: method and settings.
        layer: as `explanation_layer` returns it; found where it is needed and not given.
        seed: of SmoothGrad's noise.
        progress: told how far it is; an exception it raises cancels the work.

    Raises:
        TlcoreError: logits or gradients are not finite, or no gradient reaches the image.

    Example::

        explanation, = explain(make_subject("mini", Registry()), Image.open("photo.jpg").convert("RGB"))
        explanation.values.shape, explanation.scores.insertion
    """
    asked = options or ExplainOptions()
    with borrowed(subject.network):
        pixels = subject.preprocess.pixels(image)[None]
        inputs = torch.from_numpy(subject.preprocess.normalise(pixels)).to(device_of(subject.network))
        logits = _logits(subject, inputs, name, asked)
        index = int(logits.argmax()) if target is None else target
        if not 0 <= index < logits.shape[1]:
            raise VisualizationError(f"{subject.name} has classes 0 to {logits.shape[1] - 1}; there is no {index}")
        case = _Case(
            subject=subject,
            image=image,
            name=name,
            inputs=inputs,
            target=index,
            probability=float((logits / subject.temperature).softmax(1)[0, index]),
            layer=layer or explanation_layer(subject, asked),
            options=asked,
            seed=seed,
            progress=progress,
        )
        return tuple(_explanation(case, method) for method in asked.methods)


@dataclass(frozen=True, kw_only=True)
class _Case:
    """One image and class to explain, and how."""

    subject: Subject
    image: Image.Image
    name: str
    inputs: torch.Tensor
    target: int
    probability: float
    layer: Layer | None
    options: ExplainOptions
    seed: int
    progress: Progress


def _logits(subject: Subject, inputs: torch.Tensor, name: str, options: ExplainOptions) -> torch.Tensor:
    """Return the logits of the image; raise where they are not finite, or a gradient is needed and none can be had."""
    needing = [method for method in options.methods if method not in _WITHOUT_GRADIENT]
    logits: torch.Tensor = subject.network(inputs.clone().requires_grad_(bool(needing)))
    if not torch.isfinite(logits).all():
        raise VisualizationError(f"{subject.name} gives logits of {name} that are not finite; are its weights whole?")
    if needing and not logits.requires_grad:
        raise VisualizationError(
            f"{subject.name}: its logits have no gradient, which {needing[0]} is made of; choose occlusion"
        )
    return logits.detach()


def _explanation(case: _Case, method: Method) -> Explanation:
    values = _values(case, method)
    if not np.isfinite(values).all():
        told = f"{case.subject.name}: the {method} map of {case.name} is not finite; are the network's weights whole?"
        raise VisualizationError(told)
    if method in _GRADIENT_ALONE and not values.any():
        told = f"no gradient reaches {case.name}, so there is no {method} map; choose occlusion or score-cam"
        raise VisualizationError(f"{case.subject.name}: {told}")
    scores = None
    if case.options.steps:
        scores = faithfulness(
            case.subject.network,
            case.inputs,
            values,
            case.target,
            steps=case.options.steps,
            temperature=case.subject.temperature,
            progress=case.progress,
        )
    return Explanation(
        method=method,
        target=case.target,
        probability=case.probability,
        values=values,
        scores=scores,
        picture=_picture(case, method, values, scores),
        record=_record(case, method, scores),
    )


def _values(case: _Case, method: Method) -> np.ndarray:
    network, inputs, target, progress = case.subject.network, case.inputs, case.target, case.progress
    black = torch.from_numpy(case.subject.preprocess.normalise(np.zeros((1, 1, 1, 3), np.uint8))).to(inputs)
    by_layer: dict[Method, Callable[[Layer], torch.Tensor]] = {
        "grad-cam": lambda layer: grad_cam(network, inputs, target, layer),
        "score-cam": lambda layer: score_cam(
            network, inputs, target, layer, channels=case.options.channels, progress=progress
        ),
    }
    by_pixel: dict[Method, Callable[[], torch.Tensor]] = {
        "gradient": lambda: gradient(network, inputs, target, progress=progress),
        "smooth-grad": lambda: smooth_gradient(network, inputs, target, seed=case.seed, progress=progress),
        "integrated-gradients": lambda: integrated_gradients(network, inputs, target, black=black, progress=progress),
        "occlusion": lambda: occlusion(network, inputs, target, progress=progress),
    }
    if method in by_layer:
        assert case.layer is not None
        values = by_layer[method](case.layer)
    else:
        values = by_pixel[method]()
    result: np.ndarray = values.float().cpu().numpy()
    return result


def _picture(case: _Case, method: Method, values: np.ndarray, scores: Faithfulness | None) -> Picture:
    class_name, size = case.subject.class_name(case.target), case.image.size
    told = [f"{method}: {class_name} {100 * case.probability:.1f} %"]
    if scores is not None:
        told.append(f"deletion {scores.deletion:.2f}, insertion {scores.insertion:.2f}")
    if not (values > 0).any():
        told.append("nothing in view speaks for it")
    pixels, shown = overlay(case.image, values, case.subject.preprocess.region(size))
    if shown != size:
        told.append(f"{size[0]} x {size[1]} pixels shown as {shown[0]} x {shown[1]}")
    name = file_name(f"{Path(case.name).stem[:40]}-{class_name[:24].replace(' ', '-')}-{method}")
    return Picture(name, pixels, "; ".join(told))


def _record(case: _Case, method: Method, scores: Faithfulness | None) -> dict[str, Any]:
    return {
        "image": case.name,
        "image_size": list(case.image.size),
        "method": method,
        "class": {
            "index": case.target,
            "name": case.subject.class_name(case.target),
            "probability": case.probability,
        },
        "layer": case.layer.name if case.layer is not None and method in _BY_LAYER else None,
        "channels": case.options.channels if method == "score-cam" else None,
        "steps": case.options.steps,
        "seed": case.seed,
        "scores": None if scores is None else scores.to_dict(),
    }
