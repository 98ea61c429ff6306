"""A backbone of 4 x 4 grid means times a fixed matrix, with a fault on request."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from faulty_plugin import Faulty

from tlcore.backbone import Backbone, BackboneInfo, NetworkFiles
from tlcore.errors import BackboneError
from tlcore.preprocess import Preprocess
from tlcore.specs import BackboneIdentity, NoOptions

SIDE = 32
SIZE = 6


def create(argument: str | None, options: Faulty) -> Grid:
    """Make the backbone."""
    return Grid(options.fault)


def identify(argument: str | None, options: Faulty) -> BackboneIdentity:
    """Identify the backbone."""
    return BackboneIdentity(contents=("grid",))


def read(argument: str | None, options: NoOptions) -> Grid:
    """Make the backbone that a directory describes."""
    if argument is None or not Path(argument, "config.json").is_file():
        raise BackboneError(f"faulty-files: {argument} holds no config.json")
    return Grid(json.loads(Path(argument, "config.json").read_text(encoding="utf-8"))["fault"])


class Grid(Backbone):
    def __init__(self, fault: str) -> None:
        self._fault = fault
        seed = {"unseeded": None, "unidentified": None, "process": os.getpid(), "other-weights": 8}.get(fault, 7)
        self._matrix = np.random.default_rng(seed).standard_normal((48, SIZE)).astype(np.float32)
        if fault == "seeds":
            np.random.seed(3)
        self._noise = np.random.default_rng(0)
        self._network = self._torch(np.eye(SIZE, dtype=np.float32), np.zeros(SIZE, np.float32)) if "torch" in fault else None

    @property
    def info(self) -> BackboneInfo:
        digest = hashlib.sha256(self._matrix.tobytes()).hexdigest()
        return BackboneInfo(
            name="faulty-network",
            architecture="grid",
            feature_size={"no-size": 0}.get(self._fault, SIZE),
            preprocess=Preprocess(image_size=(SIDE, SIDE), crop_fraction=0.5 if self._fault == "other-crop" else 1.0),
            weights_digest="weights" if self._fault == "digest" else digest,
            pretrained=True,
            parameters=-1 if self._fault == "parameters" else self._matrix.size,
            origin=str(self._noise.random()) if self._fault == "fickle-info" else "",
        )

    def compute_features(self, inputs: np.ndarray) -> np.ndarray:
        means = inputs.reshape(len(inputs), 3, 4, 8, 4, 8).mean(axis=(3, 5)).reshape(len(inputs), 48)
        features = means @ self._matrix
        if self._fault == "noise":
            features = features + self._noise.random(features.shape, np.float32)
        if self._fault == "batch":
            features = features - features.mean(axis=0)
        if self._fault == "constant":
            features = np.ones_like(features)
        if self._fault == "writes":
            inputs[:] = 0
        if self._fault == "torch-shared":
            features = features * float(self._network[2].weight.detach()[0, 0])  # type: ignore[index]
        if self._fault == "nan":
            features = features * np.nan
        return features.astype(np.float64) if self._fault == "float64" else features

    def layers(self) -> Sequence[str]:
        return ("grid", "grid") if self._fault == "layers" else ("grid",)

    def compute_feature_maps(self, inputs: np.ndarray, layers: Sequence[str]) -> Mapping[str, np.ndarray]:
        maps = inputs.reshape(len(inputs), 3, 4, 8, 4, 8).mean(axis=(3, 5))
        if self._fault == "maps-batch":
            maps = maps - maps.mean(axis=0)
        return {"grid": maps.astype(np.float64) if self._fault == "maps-float64" else maps}

    def torch_network(self):  # type: ignore[no-untyped-def]
        if "torch" not in self._fault:
            return super().torch_network()
        if self._fault == "torch-shared":
            return self._network
        made = self._torch(np.eye(SIZE, dtype=np.float32), np.zeros(SIZE, np.float32))
        return made.train() if self._fault == "torch-training" else made

    def torch_classifier(self, weight: np.ndarray, bias: np.ndarray):  # type: ignore[no-untyped-def]
        if "torch" not in self._fault:
            return super().torch_classifier(weight, bias)
        return self._torch(weight, np.zeros_like(bias) if self._fault == "torch-bias" else bias)

    def torch_embedder(self):  # type: ignore[no-untyped-def]
        if "torch" not in self._fault:
            return super().torch_embedder()
        import torch

        class Embedder(torch.nn.Module):
            def __init__(self, network: torch.nn.Module, fault: str) -> None:
                super().__init__()
                self.network = network
                self.fault = fault

            def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
                features = self.network(inputs)
                maps = inputs if self.fault == "torch-embedder-maps" else None
                return (features * 2 if self.fault == "torch-embedder" else features), maps

        return Embedder(self._torch(np.eye(SIZE, dtype=np.float32), np.zeros(SIZE, np.float32)), self._fault)

    def network_files(self, classifier: object, class_names: Sequence[str]) -> NetworkFiles | None:
        faults = {"files-weights": "other-weights", "files-crop": "other-crop"}
        if self._fault not in ("none", *faults):
            return None
        config = {"fault": faults.get(self._fault, "none")}
        return NetworkFiles(tensors={"matrix": self._matrix}, config=config, loader="faulty-files")

    def _torch(self, weight: np.ndarray, bias: np.ndarray):  # type: ignore[no-untyped-def]
        import torch
        from torch import nn

        class Twice(nn.Module):
            def forward(self, inputs: torch.Tensor) -> torch.Tensor:
                return inputs * 2 if torch.compiler.is_exporting() else inputs

        odd = Twice() if self._fault == "torch-export" else nn.Identity()
        with torch.random.fork_rng(devices=[]):
            layers = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(48, len(bias)), odd)
        with torch.no_grad():
            layers[2].weight.copy_(torch.from_numpy(weight @ self._matrix.T))
            layers[2].bias.copy_(torch.from_numpy(bias))
        return layers.eval()
