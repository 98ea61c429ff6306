"""The network in the box behind tlcore's `Backbone` contract."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float32

from tlcore.backbone import Backbone, BackboneInfo, NetworkFiles
from tlcore.errors import BackboneError
from tlcore.preprocess import Preprocess
from tlcore.torch_network import Embedder, channels_last, layer_outputs, weights_digest
from tlcore_mini import LICENCE

CLASSIFIER = "fc."


class MiniBackbone(Backbone):
    """The narrow ResNet of this plugin: pooled features are the mean of its last feature map over rows and columns.

    Args:
        network: with its classifier, in evaluation mode; not copied.
        config: as in config.json.
        name: the reference that makes it again.
        pretrained: False where its weights are random.
        origin: where its weights come from.
    """

    def __init__(
        self, network: torch.nn.Module, *, config: Mapping[str, Any], name: str, pretrained: bool = True, origin: str = ""
    ) -> None:
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._config = config
        self._name = name
        self._pretrained = pretrained
        self._origin = origin

    @cached_property
    def info(self) -> BackboneInfo:  # type: ignore[override]
        weights = {name: tensor for name, tensor in self._network.state_dict().items() if not name.startswith(CLASSIFIER)}
        data = self._config["pretrained_cfg"]
        names = data.get("label_names") or ()
        descriptions = data.get("label_descriptions") or {}
        return BackboneInfo(
            name=self._name,
            architecture=self._config["architecture"],
            feature_size=self._config["num_features"],
            preprocess=self._preprocess,
            weights_digest=weights_digest(weights),
            pretrained=self._pretrained,
            parameters=sum(tensor.numel() for tensor in weights.values()),
            licence=LICENCE if self._pretrained else "",
            origin=self._origin,
            class_names=tuple(descriptions.get(name, name) for name in names),
        )

    def compute_features(
        self, inputs: Float32[np.ndarray, "images 3 height width"]
    ) -> Float32[np.ndarray, "images features"]:
        network: Any = self._network
        with torch.inference_mode():
            pooled = network.forward_head(network.forward_features(channels_last(inputs)), pre_logits=True)
        return cast(np.ndarray, pooled.numpy())

    def layers(self) -> Sequence[str]:
        return tuple(self._layer_names)

    def compute_feature_maps(
        self, inputs: Float32[np.ndarray, "images 3 height width"], layers: Sequence[str]
    ) -> Mapping[str, np.ndarray]:
        with torch.inference_mode():
            outputs = layer_outputs(self._network, channels_last(inputs), set(layers))
        return {layer: outputs[layer].contiguous().numpy() for layer in layers}

    def torch_network(self) -> torch.nn.Module:
        return copy.deepcopy(self._network)

    def torch_embedder(self) -> torch.nn.Module:
        network: Any = self.torch_network()
        network.reset_classifier(0)
        return Embedder(network.eval(), self.info.feature_size)

    def torch_classifier(
        self, weight: Float32[np.ndarray, "classes features"], bias: Float32[np.ndarray, " classes"]
    ) -> torch.nn.Module:
        if weight.shape[1] != self.info.feature_size:
            raise BackboneError(
                f"backbone {self._name} has {self.info.feature_size} features, got a {weight.shape} classifier"
            )
        network: Any = copy.deepcopy(self._network)
        network.reset_classifier(len(weight))
        with torch.no_grad():
            network.fc.weight.copy_(torch.from_numpy(weight))
            network.fc.bias.copy_(torch.from_numpy(bias))
        return cast(torch.nn.Module, network.eval())

    def tuned(
        self, network: torch.nn.Module, preprocess: Preprocess
    ) -> tuple[MiniBackbone, Float32[np.ndarray, "classes features"], Float32[np.ndarray, " classes"]]:
        layer: Any = network.fc
        data = {name: value for name, value in self._config["pretrained_cfg"].items() if not name.startswith("label_")}
        data |= {"mean": list(preprocess.mean), "std": list(preprocess.std)}
        config = {**self._config, "pretrained_cfg": data}
        origin = f"fine-tuned from {self._origin or self._name}"
        backbone = MiniBackbone(network.eval(), config=config, name=self._name, pretrained=self._pretrained, origin=origin)
        return backbone, layer.weight.detach().numpy(), layer.bias.detach().numpy()

    def network_files(
        self,
        classifier: tuple[Float32[np.ndarray, "classes features"], Float32[np.ndarray, " classes"]] | None,
        class_names: Sequence[str],
    ) -> NetworkFiles:
        network: Any = self.torch_network() if classifier is None else self.torch_classifier(*classifier)
        if classifier is None:
            network.reset_classifier(0)
        classes = 0 if classifier is None else len(classifier[0])
        known = ("label_names", "label_descriptions")
        data = {name: value for name, value in self._config["pretrained_cfg"].items() if name not in known}
        data |= {"num_classes": classes} | ({"label_names": list(class_names)} if classes else {})
        tensors = {name: tensor.contiguous().numpy() for name, tensor in network.state_dict().items()}
        return NetworkFiles(
            tensors=tensors, config={**self._config, "num_classes": classes, "pretrained_cfg": data}, loader="mini-dir"
        )

    @cached_property
    def _preprocess(self) -> Preprocess:
        data = self._config["pretrained_cfg"]
        _channels, height, width = data["input_size"]
        return Preprocess(
            image_size=(height, width),
            resize="shortest",
            crop_fraction=data["crop_pct"],
            interpolation=data["interpolation"],
            mean=tuple(data["mean"]),
            std=tuple(data["std"]),
        )

    @cached_property
    def _layer_names(self) -> list[str]:
        """The layers whose output is (images, channels, rows, columns), in the order they run."""
        names = {name for name, _module in self._network.named_modules() if name}
        with torch.inference_mode():
            outputs = layer_outputs(self._network, torch.zeros(1, 3, *self._preprocess.image_size), names)
        return [name for name, output in outputs.items() if output.ndim == 4]
