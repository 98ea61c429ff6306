"""Attribution of a class's log-odds to the pixels, by Captum: gradient, SmoothGrad, integrated gradients, occlusion."""

from __future__ import annotations

import math

import torch
from captum.attr import IntegratedGradients, NoiseTunnel, Occlusion, Saliency
from jaxtyping import Float

from tlcore.progress import Progress, silent
from tlcore_visualizers.saliency.log_odds import counted_log_odds

SMOOTH_SAMPLES = 24
SMOOTH_NOISE = 0.15
INTEGRATION_STEPS = 32
_BATCH = 8


def gradient(
    network: torch.nn.Module,
    inputs: Float[torch.Tensor, "1 3 height width"],
    target: int,
    *,
    progress: Progress = silent,
) -> Float[torch.Tensor, "height width"]:
    """Return the size of the log-odds' gradient at each pixel, the largest of its colours (Simonyan et al. 2013)."""
    method = Saliency(counted_log_odds(network, target, "gradient", 1, progress))
    return _largest(method.attribute(inputs.detach().requires_grad_(), abs=False))


def smooth_gradient(
    network: torch.nn.Module,
    inputs: Float[torch.Tensor, "1 3 height width"],
    target: int,
    *,
    seed: int,
    progress: Progress = silent,
) -> Float[torch.Tensor, "height width"]:
    """Return the size of the mean gradient over `SMOOTH_SAMPLES` noisy copies of the input (Smilkov et al. 2017).

    The noise's deviation is `SMOOTH_NOISE` of the input's range.
    """
    deviation = SMOOTH_NOISE * float(inputs.max() - inputs.min())
    tunnel = NoiseTunnel(Saliency(counted_log_odds(network, target, "SmoothGrad", SMOOTH_SAMPLES, progress)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        values = tunnel.attribute(
            inputs.detach().requires_grad_(),
            nt_type="smoothgrad",
            nt_samples=SMOOTH_SAMPLES,
            nt_samples_batch_size=_BATCH,
            stdevs=deviation,
            abs=False,
        )
    return _largest(values)


def integrated_gradients(
    network: torch.nn.Module,
    inputs: Float[torch.Tensor, "1 3 height width"],
    target: int,
    *,
    black: Float[torch.Tensor, "1 3 1 1"],
    progress: Progress = silent,
) -> Float[torch.Tensor, "height width"]:
    """Return what each pixel adds to the log-odds on the way from a black image, summed over colours, signed.

    The values add up to the log-odds of the image less that of the black one (Sundararajan et al. 2017), by Gauss-Legendre
    quadrature with `INTEGRATION_STEPS` steps.

    Args:
        network: in evaluation mode.
        inputs: normalised.
        target: class index.
        black: a normalised black pixel.
        progress: told after each batch.
    """
    method = IntegratedGradients(counted_log_odds(network, target, "integrated gradients", INTEGRATION_STEPS, progress))
    values = method.attribute(
        inputs.detach().requires_grad_(),
        baselines=black.expand_as(inputs).contiguous(),
        n_steps=INTEGRATION_STEPS,
        internal_batch_size=_BATCH,
    )
    summed: torch.Tensor = values[0].sum(0).detach().float()
    return summed


def occlusion(
    network: torch.nn.Module,
    inputs: Float[torch.Tensor, "1 3 height width"],
    target: int,
    *,
    progress: Progress = silent,
) -> Float[torch.Tensor, "height width"]:
    """Return how much the log-odds fall when a square over each place is covered with the mean colour, signed.

    The square is a seventh of the image's side and moves by half of itself; Zeiler and Fergus 2014.
    """
    height, width = inputs.shape[2:]
    window = (max(1, height // 7), max(1, width // 7))
    stride = (max(1, window[0] // 2), max(1, window[1] // 2))
    places = [1 + math.ceil((side - size) / step) for side, size, step in zip((height, width), window, stride, strict=True)]
    method = Occlusion(counted_log_odds(network, target, "occlusion", places[0] * places[1] + 1, progress))
    with torch.no_grad():
        values = method.attribute(
            inputs,
            sliding_window_shapes=(3, *window),
            strides=(3, *stride),
            baselines=0,
            perturbations_per_eval=_BATCH,
        )
    mean: torch.Tensor = values[0].mean(0).detach()
    return mean


def _largest(values: torch.Tensor) -> torch.Tensor:
    """Return the size of the largest of each pixel's colours."""
    return values[0].abs().amax(0).detach()
