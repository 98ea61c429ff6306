"""Making the network in the box into a backbone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch

from tlcore.errors import BackboneError
from tlcore_mini import DirectoryOptions, MiniOptions
from tlcore_mini.backbone import MiniBackbone
from tlcore_mini.weights import Weights, read_directory, read_packaged

ORIGIN = "trained from scratch by the scripts in tlcore_mini/training"


def from_package(argument: str | None, options: MiniOptions) -> MiniBackbone:
    """Make the network in the box, with its pretrained weights or random ones."""
    if argument is not None:
        raise BackboneError(f"mini is one network and takes no argument, got {argument!r}")
    weights = _resized(read_packaged(), options.image_size)
    if options.pretrained:
        return MiniBackbone(_network(weights, "mini"), config=weights.config, name="mini", origin=ORIGIN)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        network = _untrained(weights.config)
    return MiniBackbone(network.eval(), config=weights.config, name="mini", pretrained=False)


def from_directory(argument: str | None, options: DirectoryOptions) -> MiniBackbone:
    """Make the network from a directory that holds config.json and model.safetensors, a bundle for instance."""
    if not argument:
        raise BackboneError("mini-dir needs a path, for instance 'mini-dir:bundles/flowers'")
    directory = Path(argument).expanduser()
    weights = _resized(read_directory(directory), options.image_size)
    network = _network(weights, f"mini-dir: {directory}")
    return MiniBackbone(network, config=weights.config, name=f"mini-dir:{directory}", origin=str(directory))


def _resized(weights: Weights, image_size: int | None) -> Weights:
    if image_size is None:
        return weights
    pretrained_cfg = {**weights.config["pretrained_cfg"], "input_size": [3, image_size, image_size]}
    return replace(weights, config={**weights.config, "pretrained_cfg": pretrained_cfg})


def _untrained(config: Mapping[str, Any]) -> torch.nn.Module:
    network: torch.nn.Module = timm.create_model(
        config["architecture"],
        num_classes=config["num_classes"],
        pretrained_cfg=dict(config["pretrained_cfg"]),
        **config["model_args"],
    )
    return network


def _network(weights: Weights, where: str) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):  # weights are drawn before the real ones are put in
        network = _untrained(weights.config)
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in weights.tensors.items()}
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        told = " ".join(str(error).split())[:300]
        raise BackboneError(f"{where}: the weights do not fit the network: {told}") from error
    return network.eval()
