"""Class activation maps of one layer: Grad-CAM and Score-CAM, for convolutions and for tokens on a grid."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float

from tlcore.errors import VisualizationError
from tlcore.progress import Progress, ProgressEvent, silent
from tlcore_visualizers.borrowed import captured
from tlcore_visualizers.layers import Layer, device_of
from tlcore_visualizers.saliency.log_odds import log_odds

_CANDIDATES = 32
"""How many of the deepest layers are tried; the first that a gradient reaches is taken."""

_BATCH = 16


def activation_layer(network: torch.nn.Module, layers: Sequence[Layer], image_size: tuple[int, int]) -> Layer:
    """Return the deepest layer whose every place has a say in the answer: what class activation maps are made of.

    For a convolutional network that is what is pooled. In a transformer read from its class token no gradient reaches the
    other tokens after the last attention; there it is the normalisation before it, as wide as the tokens themselves.

    Args:
        network: in evaluation mode.
        layers: as `find_layers` gives them.
        image_size: (height, width) of the input.

    Raises:
        VisualizationError: the network has no such layer.
    """
    deepest = [layer for layer in layers if "attn" not in layer.name.split(".")][-_CANDIDATES:]
    width = deepest[-1].channels if deepest else 0
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(1, 3, *image_size, generator=generator).to(device_of(network))
    gradients = _gradients(network, inputs, None, deepest)[1]
    for layer, gradient in reversed(list(zip(deepest, gradients, strict=True))):
        if gradient is not None and layer.channels <= width and _reaches_everywhere(gradient):
            return layer
    raise VisualizationError(
        "the network has no layer on a grid that a gradient reaches, so there is no Grad-CAM or Score-CAM of it; "
        "choose another method, for instance occlusion"
    )


def grad_cam(
    network: torch.nn.Module, inputs: Float[torch.Tensor, "1 3 height width"], target: int, layer: Layer
) -> Float[torch.Tensor, "height width"]:
    """Return the Grad-CAM map at the input's size: channels weighed by their mean gradient, negative evidence cut off.

    Source: Selvaraju et al. 2017 (Grad-CAM); where they take the logit we take the log-odds.
    """
    activations, gradients = _gradients(network, inputs, target, [layer])
    if gradients[0] is None:
        raise VisualizationError(f"no gradient of the class reaches layer {layer.name!r}; choose another layer")
    weights = gradients[0].mean((2, 3), keepdim=True)
    return _enlarge((weights * activations[0]).sum(1, keepdim=True).relu(), inputs)[0, 0].detach()


def score_cam(
    network: torch.nn.Module,
    inputs: Float[torch.Tensor, "1 3 height width"],
    target: int,
    layer: Layer,
    *,
    channels: int,
    progress: Progress = silent,
) -> Float[torch.Tensor, "height width"]:
    """Return the Score-CAM map at the input's size: channels weighed by the class's log-odds when all else is masked.

    Source: Wang et al. 2020 (Score-CAM). We mask by the channels that vary most over the image and leave the rest out,
    one run of the network for each (as Faster Score-CAM does), which the paper does not.

    Args:
        network: in evaluation mode.
        inputs: normalised.
        target: class index.
        layer: whose channels mask the image.
        channels: how many of them.
        progress: told after each batch.
    """
    with torch.no_grad():
        with captured(network, [layer.name]) as outputs:
            network(inputs)
        maps = layer.grid(outputs[layer.name])[0]
        kept = maps.flatten(1).var(1).argsort(descending=True, stable=True)[:channels]
        enlarged = _enlarge(maps[kept][:, None], inputs)
        lowest, highest = enlarged.amin((2, 3), keepdim=True), enlarged.amax((2, 3), keepdim=True)
        masks = (enlarged - lowest) / (highest - lowest).clamp_min(1e-12)
        scores = []
        for start in range(0, len(masks), _BATCH):
            scores.append(log_odds(network(inputs * masks[start : start + _BATCH]), target))
            progress(ProgressEvent("Score-CAM", min(start + _BATCH, len(masks)), len(masks)))
        weights = torch.cat(scores).softmax(0)
        return (weights[:, None, None, None] * enlarged).sum(0).relu()[0]


def _gradients(
    network: torch.nn.Module, inputs: torch.Tensor, target: int | None, layers: Sequence[Layer]
) -> tuple[list[torch.Tensor], list[torch.Tensor | None]]:
    """Return each layer's output on its grid and the gradient there of the target's log-odds (the likeliest's if None)."""
    with captured(network, [layer.name for layer in layers]) as outputs:
        logits = network(inputs.detach().requires_grad_())
    score = log_odds(logits, int(logits[0].argmax()) if target is None else target)
    tensors = [outputs[layer.name] for layer in layers]
    gradients = torch.autograd.grad(score.sum(), tensors, allow_unused=True) if tensors else ()
    return (
        [layer.grid(tensor).detach() for layer, tensor in zip(layers, tensors, strict=True)],
        [None if each is None else layer.grid(each) for layer, each in zip(layers, gradients, strict=True)],
    )


def _reaches_everywhere(gradient: torch.Tensor) -> bool:
    """Tell whether at least half of the places of the grid have a gradient: rectifiers may keep it from some."""
    return bool((gradient.abs().amax(1) > 0).float().mean() >= 0.5)


def _enlarge(maps: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.interpolate(maps, size=inputs.shape[2:], mode="bilinear", align_corners=False)
