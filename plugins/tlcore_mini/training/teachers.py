"""The teachers: pretrained networks whose pooled features and logits the student learns to give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch

TEACHER_NAMES = ("mobilenetv2_100", "regnetx_002")


class Teachers:
    """Runs every teacher on one batch of pictures.

    Example: `features, logits = Teachers(data_folder)(pictures)`, pictures uint8 RGB (images, height, width, 3).
    """

    def __init__(self, data_folder: Path) -> None:
        self.networks: list[tuple[Any, torch.Tensor, torch.Tensor]] = []
        for name in TEACHER_NAMES:
            network: Any = timm.create_model(f"local-dir:{data_folder / 'weights' / name}", pretrained=True).eval()
            mean, std = (torch.tensor(network.pretrained_cfg[key]).view(1, 3, 1, 1) * 255 for key in ("mean", "std"))
            self.networks.append((network.to(memory_format=torch.channels_last, dtype=torch.bfloat16), mean, std))

    @property
    def feature_sizes(self) -> tuple[int, ...]:
        """The width of each teacher's pooled features, in the order in which they are concatenated."""
        return tuple(network.head_hidden_size for network, _mean, _std in self.networks)

    @torch.inference_mode()
    def __call__(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Concatenated pooled features (images, features) and the mean of the logits (images, 1000), both float16."""
        batch = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
        all_features, all_logits = [], []
        for network, mean, std in self.networks:
            normalised = ((batch - mean) / std).to(memory_format=torch.channels_last, dtype=torch.bfloat16)
            maps = network.forward_features(normalised)
            features = network.forward_head(maps, pre_logits=True)
            all_features.append(features.float())
            all_logits.append(torch.log_softmax(network.get_classifier()(features).float(), dim=1))
        features = torch.cat(all_features, dim=1)
        logits = torch.stack(all_logits).mean(dim=0)
        return features.half().numpy(), logits.half().numpy()
