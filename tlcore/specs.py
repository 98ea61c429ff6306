"""What a plugin's hook returns: small frozen records that say what it offers, without importing what computes it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from tlcore.errors import PluginError
from tlcore.progress import Progress, silent

API_VERSION = 1
"""The plugin API version this core speaks. A plugin module may state the one it needs as `TLCORE_API_VERSION`."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*\Z")
_TARGET = re.compile(r"[\w.]+:[\w.]+\Z")


@dataclass(frozen=True, kw_only=True)
class NoOptions:
    """The options of something that has none."""


@dataclass(frozen=True, kw_only=True)
class _Spec:
    """What every kind of spec says.

    Attributes:
        name: lower-case name people type, for instance ``"linear"``.
        summary: one line for listings.
        factory: ``"package.module:attribute"``, imported when used. Called as ``factory(argument, options)``.
        options: a frozen keyword-only dataclass; each field has a type, a default, and ``metadata={"help": ...}``.
        argument: metavar of the text that may follow the name after ``:`` or ``/``, for instance ``"PATH"``; None where
            the name stands alone.
        catalogue: ``"package.module:attribute"`` of a function that returns every valid argument; None if open-ended.
        featured: arguments worth showing first; they can also be asked for bare, without the spec's name.
        licence, homepage: shown in listings, kept in bundles.
        deprecated: where it is to go: what to use in its place and when it goes, for instance
            ``"use 'linear'; gone in 0.4"``; whoever uses it is told. ``metadata={"deprecated": ...}`` marks a single option.
    """

    name: str
    summary: str
    factory: str
    options: type = NoOptions
    argument: str | None = None
    catalogue: str | None = None
    featured: tuple[str, ...] = ()
    licence: str = ""
    homepage: str = ""
    deprecated: str = ""


@dataclass(frozen=True, kw_only=True)
class BackboneSpec(_Spec):
    """Offers a pretrained network as a feature extractor; the factory returns a `tlcore.Backbone`.

    Attributes:
        identity: ``"package.module:attribute"`` of a function ``(argument, options) -> BackboneIdentity | None`` that says,
            without building the network or importing what builds it, what the factory would make. What a backbone said of
            itself is then remembered, and it is built only where an image has to be embedded. None builds it each time.
    """

    identity: str | None = None


@dataclass(frozen=True, kw_only=True)
class BackboneIdentity:
    """What decides which network a factory makes of an argument and options, besides those and the plugin's version.

    Attributes:
        contents: everything else: the SHA-256 of each file it reads, the versions of the packages that build it.
        weights: a safetensors file with all its weights under their own names; None where there is none. A network whose
            `Backbone.network_files` depend on the classes by their number and names alone is then saved without being built.
    """

    contents: tuple[str, ...]
    weights: Path | None = None


def identity_of_files(files: Sequence[Path], packages: Sequence[str]) -> BackboneIdentity | None:
    """Identify a network by the content of its files, of which the last holds the weights, and the packages that build it.

    Returns None where there is no file, one cannot be read or a package is not installed: the factory says what is wrong.
    """
    from importlib.metadata import PackageNotFoundError, version  # a listing needs none of it

    try:
        digests = [_file_digest(file) for file in files]
        versions = [f"{package} {version(package)}" for package in packages]
    except (OSError, PackageNotFoundError):
        return None
    return BackboneIdentity(contents=(*digests, *versions), weights=files[-1]) if files else None


def _file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, kw_only=True)
class DatasetSpec(_Spec):
    """Offers a dataset or a way to read one; the factory returns a `tlcore.Dataset`.

    Attributes:
        reads_paths: True where a bare path given as dataset means this spec.
        download: ``"package.module:attribute"`` of a function ``(DownloadRequest) -> DownloadResult`` that fetches the
            dataset to where its factory finds it; None where there is nothing to fetch.
    """

    reads_paths: bool = False
    download: str | None = None


@dataclass(frozen=True, kw_only=True)
class DownloadRequest:
    """What a dataset's download function is asked.

    Attributes:
        directory: where to put everything; the dataset's own, `tlcore.machine.paths.datasets_directory` / its name.
        urls: addresses that a person gave in place of the official ones.
        progress: told how far it is; an exception it raises interrupts, and a later call continues.
    """

    directory: Path
    urls: tuple[str, ...] = ()
    progress: Progress = silent


@dataclass(frozen=True, kw_only=True)
class DownloadResult:
    """What a download gave.

    Attributes:
        directory: where the images are now.
        files: name of each archive to its SHA-256.
        licence, citation, homepage: what a person should read once.
        fresh: False where everything was there already.
    """

    directory: Path
    files: Mapping[str, str]
    licence: str
    citation: str
    homepage: str
    fresh: bool = True


@dataclass(frozen=True, kw_only=True)
class HeadSpec(_Spec):
    """Offers a head to fit on features; the factory returns a `tlcore.Head`."""


@dataclass(frozen=True, kw_only=True)
class VisualizerSpec(_Spec):
    """Offers a way to look into or fool a network; the factory returns a `tlcore.Visualizer`.

    Attributes:
        needs_classifier: False where it serves for networks without a classifier too.
        takes_companions: True where what it makes of a class can be made by several networks together.
    """

    needs_classifier: bool = True
    takes_companions: bool = False


@dataclass(frozen=True, kw_only=True)
class FineTuneSpec(_Spec):
    """Offers a way to go on training the network itself, from a linear head on; the factory returns a `tlcore.FineTuner`."""


@dataclass(frozen=True, kw_only=True)
class ObserverSpec(_Spec):
    """Offers a listener to fine-tuning (a log, a dashboard); the factory returns a `tlcore.Observer`."""


Spec = BackboneSpec | DatasetSpec | HeadSpec | VisualizerSpec | FineTuneSpec | ObserverSpec


@dataclass(frozen=True)
class Kind:
    """One kind of thing a plugin can offer: its name, the hook that lists it and the record the hook returns."""

    name: str
    hook: str
    spec: type = field(compare=False)

    @property
    def plural(self) -> str:
        """For listings and headings."""
        return f"{self.name}s"


KINDS: tuple[Kind, ...] = (
    Kind("backbone", "tlcore_backbones", BackboneSpec),
    Kind("dataset", "tlcore_datasets", DatasetSpec),
    Kind("head", "tlcore_heads", HeadSpec),
    Kind("visualizer", "tlcore_visualizers", VisualizerSpec),
    Kind("finetune", "tlcore_finetunes", FineTuneSpec),
    Kind("observer", "tlcore_observers", ObserverSpec),
)


def check_spec(spec: object, kind: Kind) -> None:
    """Raise `PluginError` unless `spec` is a well-formed record of this kind.

    >>> check_spec(HeadSpec(name="mean", summary="the mean", factory="my_plugin.mean:create"), KINDS[2])
    """
    if not isinstance(spec, kind.spec):
        raise PluginError(f"{kind.hook} must return {kind.spec.__name__} records, got {type(spec).__name__}")
    assert isinstance(spec, _Spec)
    for field_name in ("name", "summary", "factory", "licence", "homepage", "deprecated"):
        if not isinstance(getattr(spec, field_name), str):
            raise PluginError(f"{kind.spec.__name__}.{field_name} must be text, got {getattr(spec, field_name)!r}")
    if not _NAME.match(spec.name):
        raise PluginError(f"{kind.name} name {spec.name!r} must be lower-case letters, digits, '.', '_' or '-'")
    download = spec.download if isinstance(spec, DatasetSpec) else None
    identity = spec.identity if isinstance(spec, BackboneSpec) else None
    targets = [spec.factory, *(target for target in (spec.catalogue, download, identity) if target is not None)]
    for target in targets:
        if not isinstance(target, str) or not _TARGET.match(target):
            raise PluginError(f"{kind.name} {spec.name!r}: {target!r} is not of the form 'package.module:attribute'")
    if not isinstance(spec.options, type) or not _is_frozen_dataclass(spec.options):
        raise PluginError(f"{kind.name} {spec.name!r}: options must be a frozen dataclass, got {spec.options!r}")
    for option in fields(spec.options):
        if not option.kw_only:
            raise PluginError(f"{kind.name} {spec.name!r}: option {option.name!r} must be keyword-only")
    if not isinstance(spec.featured, tuple) or not all(isinstance(name, str) for name in spec.featured):
        raise PluginError(f"{kind.name} {spec.name!r}: featured must be a tuple of names, got {spec.featured!r}")


def _is_frozen_dataclass(options: type) -> bool:
    parameters: Any = getattr(options, "__dataclass_params__", None)
    return is_dataclass(options) and bool(parameters.frozen)


def import_target(target: str) -> Any:
    """Import `"package.module:attribute"` and return the attribute.

    >>> import_target("math:pi") > 3
    True
    """
    module_name, _, attribute = target.partition(":")
    value: Any = import_module(module_name)
    for part in attribute.split("."):
        value = getattr(value, part)
    return value
