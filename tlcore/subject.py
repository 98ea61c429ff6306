"""From what a person names, a backbone or a bundle's directory, to the network that visualizers look into."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch

from tlcore.backbone import Backbone
from tlcore.bundle import RECORD_FILE, Bundle, load_bundle
from tlcore.errors import BackboneError, OptionError
from tlcore.export.network import head_module
from tlcore.exported_network import exported_subject
from tlcore.preprocess import Preprocess
from tlcore.provenance import plain_options, plugins_used
from tlcore.registry import Registry
from tlcore.visualizer import Subject


class HeadedNetwork(torch.nn.Module):
    """A backbone and a head that is not one linear layer, as one module from normalised inputs to logits.

    Args:
        embedder: from normalised inputs to ``(features, maps)``, as `Backbone.torch_embedder` returns it.
        head: from features to logits.
    """

    def __init__(self, embedder: torch.nn.Module, head: torch.nn.Module) -> None:
        super().__init__()
        self.embedder = embedder
        self.head = head

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return logits, (images, classes)."""
        features, _ = self.embedder(inputs)
        return cast(torch.Tensor, self.head(features))


def make_subject(
    model: str, registry: Registry, options: Mapping[str, object] | None = None, *, needs_classifier: bool = True
) -> Subject:
    """Make the subject that `model` names: a bundle's directory, a backbone with its own classifier, or an exported file.

    The network is a copy of its own, in evaluation mode, channels last, its weights frozen; gradients flow to its input.

    Args:
        model: a directory that holds a bundle, an ONNX file that ``tl export`` wrote (answers, no gradients), or a
            backbone's name as `Registry.backbone` takes it.
        registry: where names are looked up.
        options: of the backbone; a bundle takes none.
        needs_classifier: False where a backbone without a classifier serves too: its network then ends in pooled features.

    Raises:
        BackboneError: the backbone has no classifier and one is needed, or it is no torch network.
        BundleError: the bundle is damaged.
        ModelFileError: the exported file is damaged.
        UnknownNameError: there is no such thing.
    """
    path = Path(model).expanduser()
    if (path / RECORD_FILE).is_file() or (path.is_dir() and not _offered(model, registry)):
        if options:
            raise OptionError(f"{model} is a bundle and takes no backbone options, got {', '.join(options)}")
        return bundle_subject(load_bundle(path, registry))
    if path.suffix.lower() == ".onnx" and path.is_file():
        return exported_subject(path)
    backbone = registry.backbone(model, options)
    return backbone_subject(backbone, model, registry, options or {}, needs_classifier=needs_classifier)


def bundle_subject(bundle: Bundle) -> Subject:
    """Make the subject of a loaded bundle: its head is folded into the network where it is one linear layer."""
    record = bundle.record
    linear = bundle.head.linear()
    if linear is not None and record.backbone["loader"]:
        network = bundle.backbone.torch_classifier(*linear)
    else:
        network = HeadedNetwork(bundle.backbone.torch_embedder(), head_module(bundle.head))
    frozen = _frozen(network)
    _count_classes(frozen, record.preprocess, str(bundle.path))
    return Subject(
        name=str(bundle.path),
        network=frozen,
        preprocess=record.preprocess,
        class_names=record.classes,
        temperature=record.temperature,
        bundle=bundle.path,
        backbone=bundle.network,
        views=bundle.views,
        head=bundle.head,
        record={
            "bundle": str(bundle.path),
            "backbone": record.backbone["name"],
            "head": record.head["name"],
            "weights_digest": record.backbone["weights_digest"],
            "plugins": dict(record.plugins),
        },
    )


def backbone_subject(
    backbone: Backbone, name: str, registry: Registry, options: Mapping[str, object], *, needs_classifier: bool = True
) -> Subject:
    """Make the subject of a backbone, with its own classifier where one is needed, under the name it was asked for by."""
    info = backbone.info
    network = _frozen(backbone.torch_network())
    classes = _count_classes(network, info.preprocess, name)
    headless = getattr(network, "num_classes", classes) == 0
    if needs_classifier and (headless or classes < 2):
        raise BackboneError(
            f"{name} has no classifier of its own; train one on your photos ('tl train PHOTOS --backbone {name}') "
            "and give the bundle"
        )
    if info.class_names and len(info.class_names) != classes:
        raise BackboneError(f"{name} has {classes} logits but {len(info.class_names)} class names")
    return Subject(
        name=name,
        network=network,
        preprocess=info.preprocess,
        class_names=info.class_names,
        backbone=backbone,
        record=_backbone_record(backbone, name, registry, options),
    )


def _backbone_record(backbone: Backbone, name: str, registry: Registry, options: Mapping[str, object]) -> dict[str, Any]:
    info = backbone.info
    return {
        "backbone": name,
        "options": plain_options(options),
        "architecture": info.architecture,
        "weights_digest": info.weights_digest,
        "pretrained": info.pretrained,
        "plugins": plugins_used(registry, backbone=name),
    }


def _frozen(network: torch.nn.Module) -> torch.nn.Module:
    network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network


def _count_classes(network: torch.nn.Module, preprocess: Preprocess, name: str) -> int:
    """Return how many logits the network gives of a black image; 0 where what it gives are none."""
    with torch.inference_mode():
        logits = network(torch.zeros(1, 3, *preprocess.image_size))
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2:
        return 0
    if not torch.isfinite(logits).all():
        raise BackboneError(f"{name} gives logits that are not finite; are its weights whole?")
    return int(logits.shape[1])


def _offered(model: str, registry: Registry) -> bool:
    """Tell whether a directory's name is also a backbone's own, ``mini`` for instance."""
    return os.sep not in model and any(model == offer.spec.name for offer in registry.offers("backbone"))
