"""A timm network behind tlcore's `Backbone` contract."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float32
from timm.data import ImageNetInfo, infer_imagenet_subset, resolve_model_data_config  # type: ignore[attr-defined]
from timm.models._hub import save_config_for_hf

from tlcore.backbone import Backbone, BackboneInfo, NetworkFiles
from tlcore.errors import BackboneError
from tlcore.preprocess import Preprocess
from tlcore.torch_network import Embedder, channels_last, layer_outputs, weights_digest

_RESIZE = {"center": "shortest", "border": "longest", "squash": "squash"}


class TimmBackbone(Backbone):
    """A timm network: pooled features are what its classifier is fed.

    Args:
        network: with its classifier, in evaluation mode; not copied.
        name: the reference that makes it again.
        pretrained: False where its weights are random.
        origin: where its weights come from; by default what its configuration says.
    """

    def __init__(self, network: torch.nn.Module, *, name: str, pretrained: bool, origin: str = "") -> None:
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._name = name
        self._pretrained = pretrained
        self._origin = origin

    @cached_property
    def info(self) -> BackboneInfo:  # type: ignore[override]
        configuration = self._configuration
        weights = self._weights_without_classifier()
        return BackboneInfo(
            name=self._name,
            architecture=str(configuration.get("architecture", type(self._network).__name__)),
            feature_size=self._feature_size,
            preprocess=self._preprocess,
            weights_digest=weights_digest(weights),
            pretrained=self._pretrained,
            parameters=sum(tensor.numel() for tensor in weights.values()),
            licence=str(configuration.get("license") or ""),
            origin=self._origin or str(configuration.get("hf_hub_id") or configuration.get("url") or ""),
            class_names=self._class_names(),
        )

    def compute_features(
        self, inputs: Float32[np.ndarray, "images 3 height width"]
    ) -> Float32[np.ndarray, "images features"]:
        with torch.inference_mode():
            return self._pooled(channels_last(inputs)).float().numpy()

    def layers(self) -> Sequence[str]:
        return tuple(self._layer_shapes)

    def compute_feature_maps(
        self, inputs: Float32[np.ndarray, "images 3 height width"], layers: Sequence[str]
    ) -> Mapping[str, np.ndarray]:
        with torch.inference_mode():
            outputs = layer_outputs(self._network, channels_last(inputs), set(layers))
        return {layer: outputs[layer].float().contiguous().numpy() for layer in layers}

    def torch_network(self) -> torch.nn.Module:
        return copy.deepcopy(self._network)

    def torch_classifier(
        self, weight: Float32[np.ndarray, "classes features"], bias: Float32[np.ndarray, " classes"]
    ) -> torch.nn.Module:
        network = copy.deepcopy(self._network)
        network.reset_classifier(len(weight))  # type: ignore[operator]
        layer = network.get_classifier()  # type: ignore[operator]
        if not isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d)) or layer.weight.numel() != weight.size:
            raise BackboneError(f"backbone {self._name}: its classifier is no linear layer on {weight.shape[1]} features")
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight).reshape(layer.weight.shape))
            assert layer.bias is not None
            layer.bias.copy_(torch.from_numpy(bias))
        return network.eval()

    def torch_embedder(self) -> torch.nn.Module:
        network = copy.deepcopy(self._network)
        network.reset_classifier(0)  # type: ignore[operator]
        return Embedder(network.eval(), self._feature_size)

    def tuned(
        self, network: torch.nn.Module, preprocess: Preprocess
    ) -> tuple[TimmBackbone, Float32[np.ndarray, "classes features"], Float32[np.ndarray, " classes"]]:
        layer: Any = network.get_classifier()  # type: ignore[operator]
        configuration = {name: value for name, value in self._configuration.items() if not name.startswith("label_")}
        configuration |= {"mean": preprocess.mean, "std": preprocess.std, "num_classes": len(layer.weight)}
        network.pretrained_cfg = configuration  # type: ignore[assignment]
        origin = f"fine-tuned from {self.info.origin or self._name}"
        backbone = TimmBackbone(network.eval(), name=self._name, pretrained=self._pretrained, origin=origin)
        return backbone, layer.weight.detach().flatten(1).numpy(), layer.bias.detach().numpy()

    def network_files(
        self,
        classifier: tuple[Float32[np.ndarray, "classes features"], Float32[np.ndarray, " classes"]] | None,
        class_names: Sequence[str],
    ) -> NetworkFiles | None:
        if classifier is None:
            network = copy.deepcopy(self._network)
            network.reset_classifier(0)  # type: ignore[operator]
        elif self._takes_linear_classifier():
            network = self.torch_classifier(*classifier)
        else:
            return None
        tensors = {name: tensor.contiguous().numpy() for name, tensor in network.state_dict().items()}
        config = self._timm_config(network, class_names if classifier is not None else ())
        return NetworkFiles(tensors=tensors, config=config, loader="local-dir")

    @property
    def _configuration(self) -> dict[str, Any]:
        return dict(self._network.pretrained_cfg)  # type: ignore[arg-type]

    @cached_property
    def _preprocess(self) -> Preprocess:
        data = resolve_model_data_config(self._network, use_test_size=False)
        channels, height, width = data["input_size"]
        if channels != 3:
            raise BackboneError(f"backbone {self._name} takes {channels} channels, tlcore feeds RGB images")
        return Preprocess(
            image_size=(height, width),
            resize=_RESIZE[data["crop_mode"]],  # type: ignore[arg-type]
            crop_fraction=data["crop_pct"],
            interpolation=data["interpolation"],
            mean=tuple(data["mean"]),
            std=tuple(data["std"]),
        )

    @cached_property
    def _feature_size(self) -> int:
        size = getattr(self._network, "head_hidden_size", None)  # what timm's networks say; features are held to it
        if isinstance(size, int):
            return size
        height, width = self._preprocess.image_size
        with torch.inference_mode():
            return int(self._pooled(torch.zeros(1, 3, height, width)).shape[1])

    @cached_property
    def _layer_shapes(self) -> dict[str, tuple[int, ...]]:
        """Layers whose output is (images, channels, rows, columns), in the order they run."""
        height, width = self._preprocess.image_size
        names = {name for name, _ in self._network.named_modules() if name}
        with torch.inference_mode():
            outputs = layer_outputs(self._network, torch.zeros(1, 3, height, width), names)
        return {name: tuple(output.shape[1:]) for name, output in outputs.items() if output.ndim == 4}

    def _takes_linear_classifier(self) -> bool:
        """Return whether the network's classifier is one linear layer on the pooled features (a distilled one is two)."""
        network: Any = self._network
        layer = network.get_classifier()
        if not isinstance(layer, (torch.nn.Linear, torch.nn.Identity)):
            return False
        height, width = self._preprocess.image_size
        inputs = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            maps = network.forward_features(inputs)
            pooled = network.forward_head(maps, pre_logits=True).flatten(1)
            return torch.allclose(layer(pooled), network.forward_head(maps), rtol=1e-3, atol=1e-3)

    def _pooled(self, inputs: torch.Tensor) -> torch.Tensor:
        network: Any = self._network
        features = network.forward_head(network.forward_features(inputs), pre_logits=True)
        return cast(torch.Tensor, features.flatten(1))

    def _weights_without_classifier(self) -> dict[str, torch.Tensor]:
        classifier = self._configuration.get("classifier") or ()
        prefixes = tuple(f"{name}." for name in ((classifier,) if isinstance(classifier, str) else classifier))
        return {name: tensor for name, tensor in self._network.state_dict().items() if not name.startswith(prefixes or "\0")}

    def _class_names(self) -> tuple[str, ...]:
        names = self._configuration.get("label_names")
        if names:
            descriptions = self._configuration.get("label_descriptions") or {}
            return tuple(str(descriptions.get(name, name)) for name in names)
        subset = infer_imagenet_subset(self._network) if self._pretrained else None
        if subset is None:
            return ()
        labels = ImageNetInfo(subset)
        return tuple(labels.index_to_description(index) for index in range(labels.num_classes()))

    def _timm_config(self, network: torch.nn.Module, class_names: Sequence[str]) -> dict[str, Any]:
        """Return the config.json that ``timm.create_model("local-dir:...")`` reads, as timm itself writes it."""
        preprocess = self._preprocess
        data = {
            "input_size": (3, *preprocess.image_size),
            "interpolation": preprocess.interpolation,
            "crop_pct": preprocess.crop_fraction,
            "crop_mode": {ours: timms for timms, ours in _RESIZE.items()}[preprocess.resize],
            "mean": preprocess.mean,
            "std": preprocess.std,
        }
        labels = {"label_names": list(class_names)} if class_names else {}
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory, "config.json")
            save_config_for_hf(network, str(file), model_config=labels, data_config=data)
            return cast(dict[str, Any], json.loads(file.read_text(encoding="utf-8")))
