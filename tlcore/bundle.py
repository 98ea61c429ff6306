"""Bundles: a trained classifier as a directory without a pickle in it.

| file | holds |
|---|---|
| ``tlcore.json`` | the record: classes, Preprocess, data, metrics, options, versions, and the SHA-256 of each other file |
| ``model.safetensors``, ``config.json`` | the network, as timm loads it: ``timm.create_model("local-dir:BUNDLE")`` |
| ``head.safetensors`` | what the head's plugin needs to make the head again |
| ``split.json`` | which image, by name and SHA-256, was in which split |
| ``README.md`` | the model card |
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from tlcore.backbone import Backbone, NetworkFiles
from tlcore.errors import BundleError, TlcoreError, UnknownNameError
from tlcore.features.averaged import MirrorAveraged
from tlcore.features.layered import LayeredBackbone
from tlcore.head import FittedHead
from tlcore.machine.atomic import new_directory
from tlcore.preprocess import Preprocess
from tlcore.registry import Registry
from tlcore.softmax import softmax

FORMAT = "tlcore-bundle"
FORMAT_VERSION = 1
RECORD_FILE = "tlcore.json"


@dataclass(frozen=True, kw_only=True)
class BundleRecord:
    """Everything a bundle says of itself; JSON-ready values.

    Attributes:
        classes: names in logit order.
        preprocess: how images become input.
        backbone: name, architecture, weights digest, licence, and how to make it again.
        head: name, options, and what fitting it chose.
        temperature: what logits are divided by before the softmax; fitted on validation images.
        dataset: name, digest, licence, counts per split, what was left out.
        metrics: split to what was measured on it.
        options: of training, as given.
        seed: of split and fit.
        versions: of Python and packages.
        plugins: the plugins that were used, with their versions.
    """

    classes: tuple[str, ...]
    preprocess: Preprocess
    backbone: Mapping[str, Any]
    head: Mapping[str, Any]
    temperature: float
    dataset: Mapping[str, Any]
    metrics: Mapping[str, Any]
    options: Mapping[str, Any]
    seed: int
    versions: Mapping[str, str]
    plugins: Mapping[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-ready values."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**values, "classes": list(self.classes), "preprocess": self.preprocess.to_dict()}


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk, verified. `load_bundle` makes it.

    Attributes:
        path: its directory.
        record: what it says of itself.
        head: the fitted head.
        registry: where its backbone's plugin is found.
        cache_directory: see `Registry.backbone`.
    """

    path: Path
    record: BundleRecord
    head: FittedHead
    registry: Registry = field(repr=False, compare=False)
    cache_directory: Path | None = field(default=None, repr=False, compare=False)

    @property
    def views(self) -> str:
        """The views it was trained with, as `tlcore.features.views.parse_views` takes them."""
        return str(self.record.backbone.get("views", "one"))

    @cached_property
    def backbone(self) -> Backbone:
        """What gives the features its head takes: its network, averaged over mirror images where it was trained so."""
        return MirrorAveraged(self.network) if self.views == "flip" else self.network

    @cached_property
    def network(self) -> Backbone:
        """The backbone it was trained on, made at first use; raises `BundleError` unless its weights are those."""
        loader = self.record.backbone["loader"]
        reference = f"{loader}:{self.path}" if loader else self.record.backbone["reference"]
        with _naming_missing_plugins(self.path, self.record, self.registry):
            options = None if loader else self.record.backbone["options"]
            backbone = self.registry.backbone(reference, options, cache_directory=self.cache_directory)
        layers = self.record.backbone.get("layers")
        if layers is not None:
            backbone = LayeredBackbone.from_record(backbone, layers)
        if backbone.info.weights_digest != self.record.backbone["weights_digest"]:
            raise BundleError(f"{self.path}: backbone {reference} has other weights than the bundle was trained with")
        if backbone.info.preprocess != self.record.preprocess:
            raise BundleError(f"{self.path}: backbone {reference} has another preprocess record than the bundle")
        return backbone

    def _repr_html_(self) -> str:
        from tlcore.display.notebook import bundle_html

        return bundle_html(str(self.path), self.record)

    def logits(self, images: UInt8[np.ndarray, "images height width 3"]) -> Float32[np.ndarray, "images classes"]:
        """Return logits, (images, classes) float32, of images as `Preprocess.pixels` returns them."""
        return self.head.logits(self.backbone.features(images))

    def probabilities(self, logits: Float32[np.ndarray, "images classes"]) -> Float32[np.ndarray, "images classes"]:
        """Return the temperature-scaled softmax of logits, float32, rows summing to 1."""
        return softmax(logits, self.record.temperature)

    @cached_property
    def split(self) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Split name to (image name, SHA-256 of its encoded bytes) of the images it was trained and measured on."""
        content = json.loads((self.path / "split.json").read_text(encoding="utf-8"))
        return {name: [(str(entry[0]), str(entry[1])) for entry in entries] for name, entries in content.items()}


def check_target(path: Path) -> None:
    """Raise `BundleError` unless a bundle may be written to `path`: nothing there, an empty directory, or a bundle."""
    if not os.path.lexists(path):
        return
    if not path.is_dir():
        raise BundleError(f"{path}: is a file; choose another place for the bundle")
    if any(path.iterdir()) and not (path / RECORD_FILE).is_file():
        raise BundleError(f"{path}: is a directory with other things in it and no bundle; choose another place")


def save_bundle(
    path: Path,
    record: BundleRecord,
    head: FittedHead,
    network: NetworkFiles | None,
    split: Mapping[str, Sequence[tuple[str, str]]],
    card: str,
) -> None:
    """Write a bundle at once; an existing bundle there is replaced, and kept if anything fails.

    Raises:
        BundleError: `path` holds something that is no bundle, or it cannot be written (a full disk, no permission).
    """
    from safetensors.numpy import save

    path = path.resolve()
    check_target(path)
    contents = {
        "head.safetensors": save({name: np.ascontiguousarray(array) for name, array in head.tensors().items()}),
        "split.json": _json(split),
        "README.md": card.encode("utf-8", "backslashreplace"),
    }
    if network is not None:
        contents["model.safetensors"] = save({name: np.asarray(array, order="C") for name, array in network.tensors.items()})
        contents["config.json"] = _json(network.config)
    document = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **record.to_dict(),
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(contents.items())},
    }
    document["digest"] = _document_digest(document)
    try:
        with new_directory(path) as directory:
            for name, data in contents.items():
                (directory / name).write_bytes(data)
            (directory / RECORD_FILE).write_bytes(_json(document))
    except OSError as error:
        raise BundleError(f"{path}: the bundle cannot be written: {error.strerror or error}; nothing was changed") from error


def load_bundle(path: Path, registry: Registry, *, cache_directory: Path | None = None) -> Bundle:
    """Read and verify a bundle.

    Args:
        path: its directory.
        registry: where its plugins are found.
        cache_directory: where what its network says of itself is kept, so that it need not be built to be asked.

    Raises:
        BundleError: no bundle there, made by a newer version, or a file missing, truncated or altered.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    document = _read_document(path)
    for name, digest in document["files"].items():
        data = _read_file(path, name)
        if hashlib.sha256(data).hexdigest() != digest:
            raise BundleError(
                f"{path / name}: is not the file that was saved (wrong SHA-256); restore or train the bundle again"
            )
    try:
        values = {name: document[name] for name in BundleRecord.__dataclass_fields__}
        values["classes"] = tuple(values["classes"])
        values["preprocess"] = Preprocess.from_dict(values["preprocess"])
        record = BundleRecord(**values)
        tensors = load(_read_file(path, "head.safetensors"))
    except (KeyError, TypeError, TlcoreError, SafetensorError) as error:
        raise BundleError(f"{path / RECORD_FILE}: malformed: {error}") from error
    with _naming_missing_plugins(path, record, registry):
        head = registry.head(record.head["name"], record.head["options"]).restore(tensors)
    return Bundle(path, record, head, registry, cache_directory)


@contextmanager
def _naming_missing_plugins(path: Path, record: BundleRecord, registry: Registry) -> Iterator[None]:
    """Say which plugin a bundle was made with, where a name of its record is unknown because the plugin is gone."""
    try:
        yield
    except UnknownNameError as error:
        status = {plugin.key: plugin.status for plugin in registry.plugins}
        off = [key for key in record.plugins if status.get(key) == "disabled"]
        gone = [key for key in record.plugins if key not in status]
        if not off and not gone:
            raise
        remedies = [f"'tl plugins enable {' '.join(off)}' switches it on"] if off else []
        if gone:
            distributions = dict.fromkeys(key.partition(":")[0] for key in gone)
            remedies.append(f"'tl plugins install {' '.join(distributions)}' installs it")
        labels = ", ".join(f"{key} {record.plugins[key]}" for key in [*off, *gone])
        raise BundleError(
            f"{path}: was made with {labels}, not installed here or switched off: {error}; {'; '.join(remedies)}"
        ) from error


def _read_document(path: Path) -> dict[str, Any]:
    if not os.path.lexists(path):
        raise BundleError(f"{path}: there is no such bundle")
    if not path.is_dir() or not (path / RECORD_FILE).is_file():
        raise BundleError(f"{path}: is not a bundle (it has no {RECORD_FILE}); 'tl train' makes one")
    try:
        document = json.loads(_read_file(path, RECORD_FILE))
    except ValueError as error:
        raise BundleError(f"{path / RECORD_FILE}: damaged: {error}; restore or train the bundle again") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BundleError(f"{path / RECORD_FILE}: is not a bundle's record; 'tl train' makes one")
    version = document.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise BundleError(
            f"{path}: bundle format version {version}, this tlcore reads up to {FORMAT_VERSION}; upgrade tlcore"
        )
    if document.get("digest") != _document_digest(document) or not isinstance(document.get("files"), dict):
        raise BundleError(f"{path / RECORD_FILE}: was altered after it was saved; restore or train the bundle again")
    return document


def _read_file(path: Path, name: str) -> bytes:
    if Path(name).name != name:
        raise BundleError(f"{path / RECORD_FILE}: names a file outside the bundle: {name!r}")
    try:
        return (path / name).read_bytes()
    except FileNotFoundError:
        raise BundleError(f"{path / name}: is missing; restore or train the bundle again") from None
    except OSError as error:
        raise BundleError(f"{path / name}: cannot be read: {error.strerror or error}") from error


def _document_digest(document: Mapping[str, Any]) -> str:
    without = {name: value for name, value in document.items() if name != "digest"}
    return hashlib.sha256(json.dumps(without, sort_keys=True).encode()).hexdigest()


def _json(value: Any) -> bytes:
    # File names that are not UTF-8 hold lone surrogates; backslashreplace writes them as JSON's own escapes.
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
