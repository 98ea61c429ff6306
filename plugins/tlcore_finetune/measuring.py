"""What a network is worth on validation images, while it is trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from accelerate import Accelerator
from jaxtyping import Float32, Int64

from tlcore.dataset import Sample
from tlcore.metrics import fit_temperature
from tlcore.preprocess import Preprocess
from tlcore.softmax import softmax
from tlcore_finetune.images import PLAIN_BATCH, plain_inputs


def measured_logits(
    network: torch.nn.Module, samples: Sequence[Sample], preprocess: Preprocess, classes: int, accelerator: Accelerator
) -> Float32[np.ndarray, "images classes"]:
    """Return the logits of images, prepared as they are wherever the network is used, each by one of the processes."""
    network.eval()
    logits = torch.zeros(len(samples), classes, device=accelerator.device)
    starts = range(0, len(samples), PLAIN_BATCH)[accelerator.process_index :: accelerator.num_processes]
    with torch.no_grad():
        for start in starts:
            (inputs,) = plain_inputs(samples[start : start + PLAIN_BATCH], preprocess)
            on_device = torch.from_numpy(inputs).to(accelerator.device, memory_format=torch.channels_last)
            with accelerator.autocast():
                logits[start : start + len(inputs)] = network(on_device).float()
    gathered: torch.Tensor = accelerator.reduce(logits, reduction="sum")  # type: ignore[assignment]
    return gathered.cpu().numpy()


def validation_values(
    logits: Float32[np.ndarray, "images classes"], labels: Int64[np.ndarray, " images"]
) -> dict[str, float]:
    """Return accuracy, and the log-loss after the temperature that a bundle would have (Guo et al. 2017)."""
    probabilities = softmax(logits, fit_temperature(logits, labels)).astype(np.float64)
    chosen = np.clip(probabilities[np.arange(len(labels)), labels], 1e-12, 1.0)
    accuracy = float((logits.argmax(axis=1) == labels).mean())
    return {"validation_log_loss": float(-np.log(chosen).mean()), "validation_accuracy": accuracy}
