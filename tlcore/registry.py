"""The registry: what the plugins of this process offer, found by name.

A `Registry` is an ordinary object without module-level state; several with different plugins can live side by side.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from tlcore.backbone import Backbone
from tlcore.config import disabled_plugins
from tlcore.dataset import Dataset
from tlcore.deprecation import warn_deprecated
from tlcore.errors import DatasetError, NameConflictError, PluginError, TlcoreError, UnknownNameError, did_you_mean
from tlcore.fine_tuner import FineTuner
from tlcore.head import Head
from tlcore.machine.paths import datasets_directory
from tlcore.observer import Observer
from tlcore.options import make_options
from tlcore.plugins import Plugin, load_plugins, marked_conflicts, normalise_distribution, plugin_from_module, told
from tlcore.progress import Progress, silent
from tlcore.remembered_backbone import BackboneRequest, remembered
from tlcore.specs import BackboneIdentity, BackboneSpec, DatasetSpec, DownloadRequest, DownloadResult, Spec, import_target
from tlcore.visualizer import Visualizer

T = TypeVar("T")

TRAIN_PACKAGES = frozenset(
    {"torch", "torchvision", "timm", "sklearn", "scipy", "safetensors", "huggingface_hub", "imagehash", "onnx", "onnxscript"}
)
"""What ``tlcore[train]`` brings: the remedy where one of these is missing."""


@dataclass(frozen=True)
class Offer:
    """A spec and the plugin that registered it."""

    spec: Spec
    plugin: Plugin


@dataclass(frozen=True)
class Reference:
    """What a name given by a person came to mean.

    Attributes:
        kind: the name of one of `tlcore.specs.KINDS`.
        offer: the spec and its plugin.
        argument: the text after the spec's name, or None.
    """

    kind: str
    offer: Offer
    argument: str | None

    @property
    def name(self) -> str:
        """The reference in full, without the distribution: ``"timm/resnet18"``, ``"folder:photos"``."""
        if self.argument is None:
            return self.offer.spec.name
        separator = "/" if self.offer.spec.catalogue is not None else ":"
        return f"{self.offer.spec.name}{separator}{self.argument}"


@dataclass(frozen=True)
class _Asked:
    """Something to be made: what its name means, and its options."""

    reference: Reference
    settings: object


class Registry:
    """What plugins offer, by kind and name, from installed plugins or from modules.

    Args:
        modules: modules that implement the hooks, in addition to installed plugins.
        installed: whether to find installed plugins by entry point.
        disabled: plugins never to import, in addition to those the environment and the configuration file name.

    Plugins are imported at the first question, each in isolation; a broken one is reported by `plugins` and named in the
    error when something that is not found may have been its.

    Examples:
        >>> registry = Registry()
        >>> [offer.spec.name for offer in registry.offers("head")]
        ['auto', 'cosine', 'discriminant', 'knn', 'linear', 'mlp', 'prototype']
    """

    def __init__(self, modules: Sequence[ModuleType] = (), *, installed: bool = True, disabled: Iterable[str] = ()) -> None:
        self._modules = tuple(modules)
        self._installed = installed
        self._disabled = frozenset(disabled)

    @cached_property
    def plugins(self) -> tuple[Plugin, ...]:
        """Every plugin with its status, errors and what it offers."""
        found = load_plugins(self._disabled | disabled_plugins()) if self._installed else ()
        return marked_conflicts([*found, *map(plugin_from_module, self._modules)])

    def offers(self, kind: str) -> tuple[Offer, ...]:
        """Everything of one kind, in order of name."""
        found = [Offer(spec, plugin) for plugin in self.plugins for spec in plugin.offers.get(kind, ())]
        return tuple(sorted(found, key=lambda offer: (offer.spec.name, offer.plugin.key)))

    def catalogue(self, offer: Offer) -> tuple[str, ...]:
        """Every valid argument of a spec; its featured ones where there is no catalogue. May import heavy modules."""
        if offer.spec.catalogue is None:
            return offer.spec.featured
        return tuple(_call_plugin(offer, import_target, offer.spec.catalogue)())

    def resolve(self, kind: str, text: str) -> Reference:
        """Find what a name means.

        A name is a spec's own (``linear``), with its argument after ``:`` or ``/`` (``local-dir:PATH``,
        ``timm/resnet18``), with a distribution before it (``tlcore:timm/resnet18``), or an argument that a spec features
        or lists in its catalogue (``resnet18``). For datasets, a path to something that exists also does.

        Raises:
            UnknownNameError: nobody offers it; names the nearest, and the plugins that are broken.
            NameConflictError: several offer it; names them all.
        """
        offers = self.offers(kind)
        distributions = {offer.plugin.distribution for offer in offers}
        before, separator, after = text.partition(":")
        found: list[Reference] = []
        if separator and normalise_distribution(before) in distributions:
            own = [offer for offer in offers if offer.plugin.distribution == normalise_distribution(before)]
            found = self._match(kind, after, own)
        for matcher in (self._match, self._match_path, self._match_catalogue):
            found = found or matcher(kind, text, offers)
        if len(found) > 1:
            claims = ", ".join(
                f"{reference.offer.plugin.distribution}:{reference.name} ({reference.offer.plugin.label})"
                for reference in found
            )
            raise NameConflictError(f"{kind} {text!r} is offered by several plugins; name one in full: {claims}")
        if not found:
            raise self._unknown(kind, text, offers)
        return found[0]

    def backbone(
        self, text: str, options: Mapping[str, object] | None = None, *, cache_directory: Path | None = None
    ) -> Backbone:
        """Make a backbone by name.

        Args:
            text: as `resolve` takes it.
            options: of the backbone.
            cache_directory: where what backbones say of themselves is kept, so that one that was built before is built
                again only when its network is needed; None builds it now.
        """
        asked = self._ask("backbone", text, options)
        identity = self._identity(asked) if cache_directory is not None else None
        if identity is None or cache_directory is None:
            return self._make(asked, Backbone)
        offer = asked.reference.offer
        request = BackboneRequest(
            maker=(offer.plugin.key, offer.plugin.version, asked.reference.name, repr(asked.settings)),
            contents=identity.contents,
            weights=identity.weights,
            directory=cache_directory,
        )
        return remembered(request, lambda: self._make(asked, Backbone))

    def dataset(self, text: str, options: Mapping[str, object] | None = None) -> Dataset:
        """Read a dataset by name or path."""
        return self._make(self._ask("dataset", text, options), Dataset)

    def download(self, text: str, *, urls: Sequence[str] = (), progress: Progress = silent) -> DownloadResult:
        """Fetch a dataset by name to `tlcore.machine.paths.datasets_directory`.

        Raises:
            DatasetError: there is nothing to fetch for it.
            DownloadError: it cannot be fetched, or is not what it should be.
        """
        offer = self.resolve("dataset", text).offer
        spec = offer.spec
        if not isinstance(spec, DatasetSpec) or spec.download is None:
            raise DatasetError(
                f"dataset {spec.name!r} is not downloaded by tlcore; 'tl datasets {spec.name}' says how to use it"
            )
        request = DownloadRequest(directory=datasets_directory() / spec.name, urls=tuple(urls), progress=progress)
        result = _call_plugin(offer, _call_plugin(offer, import_target, spec.download), request)
        if not isinstance(result, DownloadResult):
            raise PluginError(
                f"{offer.plugin.label}: {spec.download} must return a DownloadResult, got {type(result).__name__}"
            )
        return result

    def head(self, text: str, options: Mapping[str, object] | None = None) -> Head:
        """Make a head by name."""
        return self._make(self._ask("head", text, options), Head)

    def visualizer(self, text: str, options: Mapping[str, object] | None = None) -> Visualizer:
        """Make a visualizer by name."""
        return self._make(self._ask("visualizer", text, options), Visualizer)

    def finetune(self, text: str, options: Mapping[str, object] | None = None) -> FineTuner:
        """Make a fine-tuner by name."""
        return self._make(self._ask("finetune", text, options), FineTuner)

    def observer(self, text: str, options: Mapping[str, object] | None = None) -> Observer:
        """Make an observer by name."""
        return self._make(self._ask("observer", text, options), Observer)

    def _ask(self, kind: str, text: str, options: Mapping[str, object] | None) -> _Asked:
        reference = self.resolve(kind, text)
        spec = reference.offer.spec
        if spec.deprecated:
            warn_deprecated(f"{kind} {spec.name!r} of {reference.offer.plugin.label}", spec.deprecated)
        return _Asked(reference, make_options(spec.options, options or {}, f"{kind} {spec.name}"))

    def _make(self, asked: _Asked, contract: type[T]) -> T:
        offer = asked.reference.offer
        factory = _call_plugin(offer, import_target, offer.spec.factory)
        made = _call_plugin(offer, factory, asked.reference.argument, asked.settings)
        if not isinstance(made, contract):
            raise PluginError(
                f"{offer.plugin.label}: {offer.spec.factory} returned {type(made).__name__}, "
                f"expected tlcore.{contract.__name__}"
            )
        return made

    def _identity(self, asked: _Asked) -> BackboneIdentity | None:
        offer = asked.reference.offer
        target = offer.spec.identity if isinstance(offer.spec, BackboneSpec) else None
        if target is None:
            return None
        found = _call_plugin(offer, _call_plugin(offer, import_target, target), asked.reference.argument, asked.settings)
        if not isinstance(found, BackboneIdentity | None):
            raise PluginError(
                f"{offer.plugin.label}: {target} must return a BackboneIdentity or None, got {type(found).__name__}"
            )
        return found

    def _match(self, kind: str, text: str, offers: Sequence[Offer]) -> list[Reference]:
        found = []
        for offer in offers:
            name = offer.spec.name
            # A dataset's argument is a path; "zip/photos" is one too, and means the folder.
            separators = (":",) if kind == "dataset" else (":", "/")
            if text == name:
                found.append(Reference(kind, offer, None))
            elif offer.spec.argument is not None and text.startswith(tuple(name + separator for separator in separators)):
                found.append(Reference(kind, offer, text[len(name) + 1 :]))
        return found or [Reference(kind, offer, text) for offer in offers if text in offer.spec.featured]

    def _match_path(self, kind: str, text: str, offers: Sequence[Offer]) -> list[Reference]:
        looks_like_path = any(mark in text for mark in "/\\") or text.startswith((".", "~")) or os.path.exists(text)
        if kind != "dataset" or not looks_like_path:
            return []
        return [
            Reference(kind, offer, text)
            for offer in offers
            if isinstance(offer.spec, DatasetSpec) and offer.spec.reads_paths
        ]

    def _match_catalogue(self, kind: str, text: str, offers: Sequence[Offer]) -> list[Reference]:
        listed = [offer for offer in offers if offer.spec.catalogue is not None]
        return [Reference(kind, offer, text) for offer in listed if text in self.catalogue(offer)]

    def _unknown(self, kind: str, text: str, offers: Sequence[Offer]) -> UnknownNameError:
        known: dict[str, None] = {}
        for offer in offers:
            arguments = self.catalogue(offer)
            known |= dict.fromkeys([offer.spec.name, *arguments, *(f"{offer.spec.name}/{name}" for name in arguments)])
        hint = did_you_mean(text, known) or ";"
        broken = [plugin for plugin in self.plugins if plugin.status == "broken"]
        blame = "".join(f"; plugin {plugin.label} is broken: {plugin.errors[0]}" for plugin in broken)
        disabled = [plugin for plugin in self.plugins if plugin.status == "disabled"]
        blame += "".join(f"; plugin {plugin.label} is switched off" for plugin in disabled)
        listing = f"'tl {kind}s{' --all' if kind == 'backbone' else ''}' lists them"
        error = UnknownNameError(f"unknown {kind} {text!r}{hint} {listing}{blame}")
        causes = [plugin.cause for plugin in broken if plugin.cause is not None]
        error.__cause__ = causes[0] if causes else None
        return error


def _call_plugin(offer: Offer, function: Callable[..., Any], *arguments: object) -> Any:
    """Call into a plugin; what it raises beyond tlcore's own errors names the plugin."""
    try:
        return function(*arguments)
    except (TlcoreError, KeyboardInterrupt):
        raise
    except ModuleNotFoundError as error:
        missing = error.name or str(error)
        remedy = "pip install 'tlcore[train]'" if missing.partition(".")[0] in TRAIN_PACKAGES else f"pip install {missing}"
        raise PluginError(
            f"{offer.spec.name!r} of {offer.plugin.label} needs the package {missing!r}, which is not installed: {remedy}"
        ) from error
    except (Exception, SystemExit) as error:  # the plugin boundary
        raise PluginError(f"plugin {offer.plugin.label} failed on {offer.spec.name!r}: {told(error)}") from error
