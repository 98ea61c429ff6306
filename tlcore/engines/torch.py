"""torch as engine, where it beats what a backbone does by itself: on a GPU, or in bfloat16 on processors that have it."""

from __future__ import annotations

import numpy as np
import torch

from tlcore.backbone import Backbone
from tlcore.engines.engine import Engine
from tlcore.torch_network import PixelEmbedder

_GPU_BATCH = 128
_CPU_BATCH = 16
_BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")


def torch_engine(backbone: Backbone) -> Engine | None:
    """Return torch on the GPU, or for attention networks in bfloat16 where the processor has it; None where neither applies.

    Raises:
        BackboneError: the backbone is no torch network.
    """
    if torch.cuda.is_available():
        return _engine(backbone, torch.device("cuda"), torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16)
    if has_bfloat16() and has_attention(backbone.torch_embedder()):
        return _engine(backbone, torch.device("cpu"), torch.bfloat16)
    return None


def has_bfloat16() -> bool:
    """Tell whether the processor multiplies bfloat16 itself, rather than by conversion."""
    found = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(found.get(name) for name in _BFLOAT16)


def has_attention(network: torch.nn.Module) -> bool:
    """Tell whether a network computes attention between places of the image (pooling by attention does not count)."""
    names = {type(module).__name__ for module in network.modules()}
    return any("Attention" in name and "Pool" not in name for name in names)


def work_per_image(backbone: Backbone) -> float:
    """Return how much arithmetic one image takes, in floating-point operations, counted while it is done once.

    Raises:
        BackboneError: the backbone is no torch network.
    """
    from torch.utils.flop_counter import FlopCounterMode

    network = backbone.torch_embedder().eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, *backbone.info.preprocess.image_size))
    return float(counter.get_total_flops())


def _engine(backbone: Backbone, device: torch.device, precision: torch.dtype) -> Engine:
    network: torch.nn.Module | None = None

    def compute(images: np.ndarray) -> np.ndarray:
        nonlocal network
        if network is None:
            made = PixelEmbedder(backbone.torch_embedder().eval(), backbone.info.preprocess).eval()
            network = made.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        with torch.inference_mode(), torch.autocast(device.type, dtype=precision):
            features: torch.Tensor = network(torch.from_numpy(images).to(device, non_blocking=True))
        return features.float().cpu().numpy()

    name = str(precision).removeprefix("torch.")
    return Engine(
        name="torch",
        precision=name if device.type == "cpu" else f"{device.type}-{name}",
        backbone=backbone,
        batch_size=_CPU_BATCH if device.type == "cpu" else _GPU_BATCH,
        parallel=False,
        compute=compute,
    )
