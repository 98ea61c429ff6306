"""Where a bundle comes from: its backbone, head, data, packages and plugins, as its record states them."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tlcore.backbone import Backbone, NetworkFiles
from tlcore.dataset import Dataset
from tlcore.features import FeatureSet
from tlcore.head import HeadFit
from tlcore.registry import Registry


def backbone_record(
    backbone: Backbone, network: NetworkFiles | None, name: str, options: Mapping[str, object], registry: Registry
) -> dict[str, Any]:
    """Return what a bundle says of its backbone, and how it is made again: from the bundle's own files, or by its name."""
    info = backbone.info
    reference = registry.resolve("backbone", name)
    distribution = reference.offer.plugin.distribution
    return {
        "reference": full_name(registry, "backbone", name),
        "options": plain_options(options),
        "loader": f"{distribution}:{network.loader}" if network is not None else None,
        "name": info.name,
        "architecture": info.architecture,
        "feature_size": info.feature_size,
        "weights_digest": info.weights_digest,
        "pretrained": info.pretrained,
        "parameters": info.parameters,
        "licence": info.licence,
        "origin": info.origin,
    }


def head_record(name: str, options: Mapping[str, object], fit: HeadFit, registry: Registry) -> dict[str, Any]:
    """Return what a bundle says of its head: its full name, its options, and what fitting it chose."""
    return {"name": full_name(registry, "head", name), "options": plain_options(options), **fit.record}


def full_name(registry: Registry, kind: str, text: str) -> str:
    """Return a name with the distribution that offers it, as bundles keep it."""
    reference = registry.resolve(kind, text)
    return f"{reference.offer.plugin.distribution}:{reference.name}"


def dataset_record(dataset: Dataset, features: Mapping[str, FeatureSet]) -> dict[str, Any]:
    """Return what a bundle says of its data: name, digest, licence, counts, and what was left out."""
    left_out = [*dataset.left_out, *(entry for part in features.values() for entry in part.left_out)]
    return {
        "name": dataset.name,
        "digest": dataset.digest,
        "licence": dataset.licence,
        "citation": dataset.citation,
        "homepage": dataset.homepage,
        "counts": {name: len(part.samples) for name, part in features.items()},
        "left_out": [{"name": entry.name, "reason": entry.reason} for entry in left_out],
    }


def plain_options(options: Mapping[str, object]) -> dict[str, object]:
    """Return options as JSON-ready values; what is no plain value becomes its text."""
    return {
        name: value if isinstance(value, (bool, int, float, str, type(None))) else str(value)
        for name, value in options.items()
    }


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for name in ("tlcore", "numpy", "pillow", "torch", "timm", "accelerate", "scikit-learn", "scipy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def plugins_used(registry: Registry, **references: str) -> dict[str, str]:
    """Return each plugin that was used, as ``distribution:entry-point``, with its version.

    Args:
        registry: where they were found.
        references: kind to name, for instance ``head="linear"``.
    """
    plugins = [registry.resolve(kind, text).offer.plugin for kind, text in references.items()]
    return {plugin.key: plugin.version for plugin in plugins}
