"""A backbone's files for a bundle, made from its weights file as the backbone itself makes them, without building it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from tlcore.backbone import Backbone, BackboneInfo, NetworkFiles
from tlcore.errors import BackboneError
from tlcore.weights import weights_digest

_FEW, _MANY = 3, 5
"""Numbers of classes that a backbone is asked for, to see where in its files they stand."""

Place = tuple[str, ...]
"""Keys from a configuration's outermost level to a value."""


@dataclass(frozen=True, kw_only=True)
class ClassifierRecipe:
    """How a linear classifier stands in a network's files.

    Attributes:
        weight, bias: names of its tensors.
        kernel: what the weight's shape has beyond (classes, features): ``(1, 1)`` for a convolution.
        config: the configuration, for `_FEW` classes.
        counts, names: the places in it that hold the number of classes and their names.
    """

    weight: str
    bias: str
    kernel: tuple[int, ...]
    config: Mapping[str, Any]
    counts: tuple[Place, ...]
    names: tuple[Place, ...]

    def filled(self, class_names: Sequence[str]) -> Mapping[str, Any]:
        """Return the configuration for these classes."""
        config = json.loads(json.dumps(self.config))
        for places, value in ((self.counts, len(class_names)), (self.names, list(class_names))):
            for *outer, last in places:
                inner = config
                for key in outer:
                    inner = inner[key]
                inner[last] = value
        return dict(config)


@dataclass(frozen=True, kw_only=True)
class NetworkRecipe:
    """How a backbone's `network_files` are made of its weights file.

    Attributes:
        loader: `NetworkFiles.loader`.
        tensors: names of the network's own tensors, without a classifier.
        config: the configuration without a classifier.
        own_classes: of the classifier in the weights file. With as many the network's own labels may stand in the files, so
            those are left to the backbone.
        classifier: how one is put in; None where none can be.
    """

    loader: str
    tensors: tuple[str, ...]
    config: Mapping[str, Any]
    own_classes: int
    classifier: ClassifierRecipe | None

    def serves(self, classes: int, *, has_classifier: bool) -> bool:
        """Tell whether files with a classifier of so many named classes, or without one, can be made."""
        return not has_classifier or 0 < classes != self.own_classes

    def files(
        self,
        info: BackboneInfo,
        weights: Path,
        classifier: tuple[Float32[np.ndarray, "classes features"], Float32[np.ndarray, " classes"]] | None,
        class_names: Sequence[str],
    ) -> NetworkFiles | None:
        """Return what `Backbone.network_files` would.

        Args:
            info: of the backbone.
            weights: its weights file.
            classifier, class_names: see `Backbone.network_files`.

        Raises:
            BackboneError: the file no longer holds the backbone's weights.
        """
        if classifier is not None and self.classifier is None:
            return None
        tensors = _read(weights, self.tensors)
        if tensors is None or weights_digest(tensors) != info.weights_digest:
            raise BackboneError(f"backbone {info.name}: {weights} changed while it was in use; run the command again")
        if classifier is None or self.classifier is None:
            return NetworkFiles(tensors=tensors, config=self.config, loader=self.loader)
        weight, bias = classifier
        recipe = self.classifier
        added = {recipe.weight: weight.reshape(*weight.shape, *recipe.kernel), recipe.bias: bias}
        return NetworkFiles(tensors={**tensors, **added}, config=recipe.filled(class_names), loader=self.loader)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON-ready values; `from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> NetworkRecipe:
        """Read what `to_dict` wrote; raises KeyError or TypeError for anything else."""
        found = values["classifier"]
        places = {name: tuple(map(tuple, found[name])) for name in ("counts", "names")} if found else {}
        classifier = ClassifierRecipe(**{**found, **places, "kernel": tuple(found["kernel"])}) if found else None
        return cls(**{**values, "tensors": tuple(values["tensors"]), "classifier": classifier})


def learn_recipe(backbone: Backbone, weights: Path) -> NetworkRecipe | None:
    """Find out how a backbone's files are made of its weights file; None where they are made otherwise.

    The backbone makes files for two numbers of classes. Where they differ in more than the numbers, the names and the
    classifier's two tensors, or hold other weights than the file, there is no recipe.
    """
    bare = backbone.network_files(None, ())
    if bare is None:
        return None
    names = tuple(sorted(bare.tensors))
    own = _read(weights, names)
    if own is None or weights_digest(own) != backbone.info.weights_digest or not _equal(own, bare.tensors):
        return None
    few, many = (_sample(backbone, classes) for classes in (_FEW, _MANY))
    classifier = _classifier_recipe(own, few, many) if few is not None and many is not None else None
    if classifier is None and few is not None:
        return None
    return NetworkRecipe(
        loader=bare.loader,
        tensors=names,
        config=_plain(bare.config),
        own_classes=_own_classes(weights, classifier),
        classifier=classifier,
    )


@dataclass(frozen=True)
class _Sample:
    """Files with a made-up classifier, and what it is made of."""

    weight: np.ndarray
    bias: np.ndarray
    names: list[str]
    files: NetworkFiles


def _sample(backbone: Backbone, classes: int) -> _Sample | None:
    random = np.random.default_rng(classes)
    weight = random.standard_normal((classes, backbone.info.feature_size)).astype(np.float32)
    bias = random.standard_normal(classes).astype(np.float32)
    names = [f"sample class {index} of {classes}" for index in range(classes)]
    files = backbone.network_files((weight, bias), names)
    return _Sample(weight, bias, names, files) if files is not None else None


def _classifier_recipe(own: Mapping[str, np.ndarray], few: _Sample, many: _Sample) -> ClassifierRecipe | None:
    tensors = _classifier_tensors(own, few)
    if tensors is None or tensors != _classifier_tensors(own, many):
        return None
    weight, bias, kernel = tensors
    config, other = _plain(few.files.config), _plain(many.files.config)
    counts: list[Place] = []
    names: list[Place] = []
    for place, value, changed in _differences(config, other):
        if (value, changed) == (_FEW, _MANY):
            counts.append(place)
        elif (value, changed) == (few.names, many.names):
            names.append(place)
        else:
            return None
    return ClassifierRecipe(weight=weight, bias=bias, kernel=kernel, config=config, counts=tuple(counts), names=tuple(names))


def _classifier_tensors(own: Mapping[str, np.ndarray], sample: _Sample) -> tuple[str, str, tuple[int, ...]] | None:
    """Return the names of the classifier's weight and bias and the weight's kernel; None if there is more to it."""
    tensors = sample.files.tensors
    added = [name for name in tensors if name not in own]
    if len(added) != 2 or not _equal(own, {name: tensors[name] for name in own if name in tensors}):
        return None
    bias, weight = sorted(added, key=lambda name: tensors[name].ndim)
    kernel = tensors[weight].shape[2:]
    expected = {bias: sample.bias, weight: sample.weight.reshape(*sample.weight.shape, *(1 for _ in kernel))}
    return (weight, bias, kernel) if _equal(expected, {name: tensors[name] for name in added}) else None


def _differences(first: Any, second: Any, place: Place = ()) -> Iterable[tuple[Place, Any, Any]]:
    """Give (place, value, other value) wherever two configurations differ."""
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        for key in first:
            yield from _differences(first[key], second[key], (*place, key))
    elif first != second:
        yield place, first, second


def _own_classes(weights: Path, classifier: ClassifierRecipe | None) -> int:
    """Return how many classes the classifier in a weights file has; 0 where there is none."""
    found = _read(weights, (classifier.bias,)) if classifier is not None else None
    return len(found[classifier.bias]) if found is not None and classifier is not None else 0


def _read(weights: Path, names: Iterable[str]) -> dict[str, np.ndarray] | None:
    """Return tensors of a safetensors file, half precision as float32; None where they are not in it."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="numpy") as file:
            found = {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError, TypeError):  # TypeError: numpy has no such type (bfloat16)
        return None
    return {name: array.astype(np.float32) if array.dtype == np.float16 else array for name, array in found.items()}


def _equal(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and weights_digest(first) == weights_digest(second)


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration as JSON gives it back."""
    return dict(json.loads(json.dumps(config)))
