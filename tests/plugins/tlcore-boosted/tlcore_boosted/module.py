"""The trees as a torch module, for export to ONNX."""

from __future__ import annotations

import numpy as np
import torch

from tlcore_boosted.trees import Trees


class TreesModule(torch.nn.Module):
    """From features, (images, features) float32, to logits, by as many gathers as the trees are deep."""

    def __init__(self, trees: Trees) -> None:
        super().__init__()
        self.nodes = trees.feature.shape[1]
        self.depth = int(trees.depth[0])
        for name in ("feature", "left", "right", "threshold", "value"):
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(getattr(trees, name))).reshape(-1))
        self.register_buffer("root", torch.arange(len(trees.feature)) * self.nodes)
        one_hot = np.eye(len(trees.prior), dtype=np.float32)[trees.tree_class]
        self.register_buffer("one_hot", torch.from_numpy(one_hot))
        self.register_buffer("prior", torch.from_numpy(trees.prior))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Walk every tree for every image at once."""
        node = self.root.unsqueeze(0) + torch.zeros_like(features[:, :1], dtype=torch.int64)
        for _ in range(self.depth):
            goes_left = torch.gather(features, 1, self.feature[node]) <= self.threshold[node]
            node = self.root + torch.where(goes_left, self.left[node], self.right[node])
        return self.prior + self.value[node] @ self.one_hot
