"""The teachers: pretrained networks whose pooled features and logits the student learns to give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
import torch.nn.functional as functional
from torch import Tensor

TEACHER_NAMES = ("mobilenetv2_100", "regnetx_002")


class Teachers:
    """Runs every teacher on one batch of pictures.

    Example: `features, quarters, logits = Teachers(data_folder)(pictures, 128)`, pictures uint8 RGB (images, height, width,
    3).
    """

    def __init__(self, data_folder: Path) -> None:
        self.networks: list[tuple[Any, Tensor, Tensor]] = []
        for name in TEACHER_NAMES:
            network: Any = timm.create_model(f"local-dir:{data_folder / 'weights' / name}", pretrained=True).eval()
            mean, std = (torch.tensor(network.pretrained_cfg[key]).view(1, 3, 1, 1) * 255 for key in ("mean", "std"))
            self.networks.append((network.to(memory_format=torch.channels_last, dtype=torch.bfloat16), mean, std))

    @property
    def feature_size(self) -> int:
        """The width of all teachers' pooled features together."""
        return sum(network.head_hidden_size for network, _mean, _std in self.networks)

    @torch.inference_mode()
    def __call__(self, pictures: np.ndarray, logits_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the teachers say of the pictures, float16: concatenated pooled features (images, features), those of the four
        quarters (images, rows, columns, features), and the mean of the teachers' log-probabilities of the pictures made
        `logits_size` pixels large (images, 1000)."""
        batch = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
        all_features, all_quarters, all_logits = [], [], []
        small = batch
        if logits_size != batch.shape[-1]:
            small = functional.interpolate(batch, size=(logits_size, logits_size), mode="bilinear", antialias=True)
        for network, mean, std in self.networks:
            maps = _maps(network, batch, mean, std)
            all_features.append(maps.mean(dim=(2, 3)).float())
            all_quarters.append(functional.adaptive_avg_pool2d(maps.float(), 2).permute(0, 2, 3, 1))
            named = maps if small is batch else _maps(network, small, mean, std)
            all_logits.append(torch.log_softmax(network.forward_head(named).float(), dim=1))
        said = torch.cat(all_features, dim=1), torch.cat(all_quarters, dim=3), torch.stack(all_logits).mean(dim=0)
        features, quarters, logits = (answers.half().numpy() for answers in said)
        return features, quarters, logits


def _maps(network: Any, batch: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    normalised = ((batch - mean) / std).to(memory_format=torch.channels_last, dtype=torch.bfloat16)
    maps: Tensor = network.forward_features(normalised)
    return maps
