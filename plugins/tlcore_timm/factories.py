"""Making timm networks into backbones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import timm
import torch

from tlcore.errors import BackboneError, did_you_mean
from tlcore_timm import HubOptions, LocalOptions, TimmOptions
from tlcore_timm.backbone import TimmBackbone
from tlcore_timm.hub import download


def model_names() -> list[str]:
    """Return every name that timm knows: architectures, and architectures with a tag of pretrained weights."""
    return [*timm.list_models(), *timm.list_models(pretrained=True)]


def from_registry(argument: str | None, options: TimmOptions) -> TimmBackbone:
    """Make a network that timm knows by name, with its pretrained weights or random ones."""
    if argument is None:
        raise BackboneError(
            "timm needs a model's name, for instance 'timm/resnet18.a1_in1k'; 'tl backbones --all' lists them"
        )
    if not timm.is_model(argument):
        hint = did_you_mean(argument, model_names()) or ";"
        raise BackboneError(f"timm has no model {argument!r}{hint} 'tl backbones --search TEXT' finds them")
    name = f"timm/{argument}"
    if not options.pretrained:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            network = _create(argument, options, pretrained=False)
        return TimmBackbone(network, name=name, pretrained=False)
    config = timm.get_pretrained_cfg(argument)
    if config is None or not config.has_weights:
        raise BackboneError(
            f"timm has no pretrained weights for {argument!r}; set backbone.pretrained=false for random ones"
        )
    repository = config.hf_hub_id or ""
    if repository and not config.custom_load:
        file = download(_repository_of(repository, config.architecture, config.tag), "model.safetensors", options.revision)
        network = _create(argument, options, pretrained=True, overlay={"file": str(file)})
        return TimmBackbone(network, name=name, pretrained=True, origin=f"{repository}, revision {file.parent.name}")
    return TimmBackbone(_create(argument, options, pretrained=True), name=name, pretrained=True)


def from_hub(argument: str | None, options: HubOptions) -> TimmBackbone:
    """Make a network from a hub repository that holds config.json and model.safetensors."""
    if not argument or argument.count("/") != 1:
        raise BackboneError(f"hf-hub needs ORGANISATION/NAME, for instance 'hf-hub:timm/resnet18.a1_in1k', got {argument!r}")
    repository, _, revision = argument.partition("@")
    wanted = revision or options.revision
    config = download(repository, "config.json", wanted)
    weights = download(repository, "model.safetensors", wanted)
    network = _read(config.parent, options, f"hf-hub:{repository}")
    return TimmBackbone(
        network, name=f"hf-hub:{argument}", pretrained=True, origin=f"{repository}, revision {weights.parent.name}"
    )


def from_directory(argument: str | None, options: LocalOptions) -> TimmBackbone:
    """Make a network from a directory that holds config.json and model.safetensors, a bundle for instance."""
    if not argument:
        raise BackboneError("local-dir needs a path, for instance 'local-dir:weights/resnet18'")
    directory = Path(argument).expanduser()
    if not directory.is_dir():
        raise BackboneError(f"local-dir: {directory} is not a directory; it should hold config.json and model.safetensors")
    files = [directory / "config.json", directory / "model.safetensors"]
    for file in files:
        if not file.is_file():
            raise BackboneError(f"local-dir: {file} is missing; the directory should hold config.json and model.safetensors")
    network = _read(directory, options, f"local-dir: {directory}")
    return TimmBackbone(network, name=f"local-dir:{directory}", pretrained=True, origin=str(directory))


def _read(directory: Path, options: LocalOptions, where: str) -> torch.nn.Module:
    """Read a directory as timm does, after checking what timm would fail on without saying where."""
    try:
        architecture = json.loads((directory / "config.json").read_text(encoding="utf-8"))["architecture"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackboneError(f"{where}: config.json is not a timm configuration: {error!r}") from error
    if not timm.is_model(architecture):
        raise BackboneError(
            f"{where}: timm has no architecture {architecture!r}{did_you_mean(architecture, timm.list_models())}"
        )
    return _create(f"local-dir:{directory}", options, pretrained=True, where=where)


def _create(
    model: str, options: LocalOptions, *, pretrained: bool, where: str = "", overlay: dict[str, Any] | None = None
) -> torch.nn.Module:
    arguments: dict[str, Any] = {"pretrained_cfg_overlay": overlay} if overlay else {}
    if options.image_size is not None:
        arguments = _image_size_arguments(model, options.image_size, overlay or {})
    try:
        with torch.random.fork_rng(devices=[]):  # weights are drawn before the real ones are read
            network: torch.nn.Module = timm.create_model(model, pretrained=pretrained, **arguments)
    except (RuntimeError, ValueError, TypeError, KeyError, OSError, AssertionError) as error:
        told = " ".join(str(error).split())[:300] or type(error).__name__
        raise BackboneError(f"{where or model}: the network cannot be made: {told}") from error
    except Exception as error:  # safetensors' own error type has no common base with the others
        if type(error).__name__ != "SafetensorError":
            raise
        raise BackboneError(f"{where or model}: the weights file is damaged: {error}") from error
    return network.eval()


def _image_size_arguments(model: str, side: int, overlay: dict[str, Any]) -> dict[str, Any]:
    """Say another input size the two ways timm takes it: in the configuration, and to networks of a fixed size."""
    arguments: dict[str, Any] = {"pretrained_cfg_overlay": {**overlay, "input_size": (3, side, side)}}
    default = None if model.startswith("local-dir:") else timm.get_pretrained_cfg(model, allow_unregistered=True)
    if default is not None and default.fixed_input_size:
        arguments["img_size"] = side
    return arguments


def _repository_of(repository: str, architecture: str | None, tag: str | None) -> str:
    """timm shortens a hub id to ``timm/`` where the repository is named like the model."""
    if not repository.endswith("/"):
        return repository
    return f"{repository}{architecture}.{tag}" if tag else f"{repository}{architecture}"
