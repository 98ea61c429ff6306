"""torch as engine, where it beats what a backbone does by itself: on a GPU, or in bfloat16 on processors that have it.

On a processor each call runs on one thread, as ONNX Runtime's do here: images are independent, so as many calls at once as
there are cores keep all of them busy. Convolutional networks run in bfloat16 throughout, batch norm folded into the
convolutions; attention networks under autocast, since what their blocks add up needs float32. Networks of depthwise
convolutions lose too much in bfloat16 (least cosine with float32 features on 48 photos: 0.997 for mobilenetv2_100, 0.936 for
tf_mobilenetv3_small_100; 0.9995 for regnetx_002) and gain little, so they are left to other engines.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from threadpoolctl import ThreadpoolController

from tlcore.backbone import Backbone
from tlcore.engines.engine import Engine
from tlcore.engines.folding import fold_batch_norm
from tlcore.engines.prepared import Network, Prepared, reduced_engine
from tlcore.errors import BackboneError
from tlcore.torch_network import Normalise, PixelEmbedder

_GPU_BATCH = 128
_BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")


def torch_engine(backbone: Backbone) -> Engine | None:
    """Return torch on the GPU, or in bfloat16 on a processor that has it; None where neither applies.

    Raises:
        BackboneError: the backbone is no torch network.
    """
    if torch.cuda.is_available():
        return _gpu_engine(backbone)
    embedder = backbone.torch_embedder()
    attention = has_attention(embedder)
    if has_bfloat16() and (attention or not has_depthwise(embedder)):
        return _cpu_engine(backbone, attention=attention)
    return None


def has_bfloat16() -> bool:
    """Tell whether the processor multiplies bfloat16 itself, rather than by conversion."""
    found = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(found.get(name) for name in _BFLOAT16)


def has_attention(network: torch.nn.Module) -> bool:
    """Tell whether a network computes attention between places of the image (pooling by attention does not count)."""
    names = {type(module).__name__ for module in network.modules()}
    return any("Attention" in name and "Pool" not in name for name in names)


def has_depthwise(network: torch.nn.Module) -> bool:
    """Tell whether a network has convolutions that look at each channel by itself."""
    convolutions = (module for module in network.modules() if isinstance(module, torch.nn.Conv2d))
    return any(1 < layer.in_channels == layer.groups for layer in convolutions)


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


def _gpu_engine(backbone: Backbone) -> Engine:
    precision = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return Engine(
        name="torch",
        precision=f"cuda-{str(precision).removeprefix('torch.')}",
        backbone=backbone,
        batch_size=_GPU_BATCH,
        parallel=False,
        compute=Prepared(lambda: _autocast(backbone, torch.device("cuda"), precision)),
    )


def _cpu_engine(backbone: Backbone, *, attention: bool) -> Engine:
    def prepare() -> Network:
        made = _autocast(backbone, torch.device("cpu"), torch.bfloat16) if attention else _reduced(backbone)
        return _on_one_thread(made)

    return reduced_engine(backbone, prepare)


def _autocast(backbone: Backbone, device: torch.device, precision: torch.dtype) -> Network:
    """Return the network in float32, its products and convolutions in fewer bits."""
    made = PixelEmbedder(backbone.torch_embedder().eval(), backbone.info.preprocess).eval()
    network = made.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def compute(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode(), torch.autocast(device.type, dtype=precision):
            features: torch.Tensor = network(torch.from_numpy(images).to(device, non_blocking=True))
        return features.float().cpu().numpy()

    return compute


def _reduced(backbone: Backbone) -> Network:
    """Return the network in bfloat16 throughout, batch norm folded; inputs are normalised in float32."""
    preprocess = backbone.info.preprocess
    embedder = copy.deepcopy(backbone.torch_embedder()).eval()
    fold_batch_norm(embedder, torch.zeros(1, 3, *preprocess.image_size))
    embedder = embedder.to(torch.bfloat16, memory_format=torch.channels_last)  # type: ignore[call-overload]
    normalise = Normalise(preprocess)

    def compute(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            inputs = normalise(torch.from_numpy(images)).to(torch.bfloat16, memory_format=torch.channels_last)
            try:
                features: torch.Tensor = embedder(inputs)[0]
            except RuntimeError as error:  # the network makes float32 numbers of its own
                raise BackboneError(f"backbone {backbone.info.name} cannot run in bfloat16: {error}") from error
        return features.float().numpy()

    return compute


def _on_one_thread(network: Network) -> Network:
    """Return the network run on the calling thread alone; other threads keep theirs."""
    pools = ThreadpoolController()

    def compute(images: np.ndarray) -> np.ndarray:
        with pools.limit(limits=1):
            return network(images)

    return compute
