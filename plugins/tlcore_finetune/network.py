"""What is done to the network before and while it is trained: which layers learn, how batch norm behaves, how it starts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from timm.models import group_parameters  # type: ignore[attr-defined]
from timm.optim import auto_group_layers  # type: ignore[attr-defined]
from torch import nn

from tlcore.errors import FineTuneError
from tlcore_finetune.options import FineTuneOptions, LoraOptions
from tlcore_finetune.seeding import INIT, seed_all

_BATCH_NORM = nn.modules.batchnorm._BatchNorm


def classifier_name(network: nn.Module) -> str:
    """Return the name of the network's last linear layer, the classifier.

    Raises:
        FineTuneError: it has none.
    """
    stated = getattr(network, "get_classifier", None)
    wanted = stated() if callable(stated) else None
    modules = list(network.named_modules())
    named = [name for name, module in modules if (module is wanted if wanted else isinstance(module, nn.Linear))]
    if not named:
        raise FineTuneError(f"{type(network).__name__} has no classifier that could be trained")
    return str(named[-1])


def start_classifier(network: nn.Module, options: FineTuneOptions, seed: int) -> None:
    """Put the asked initial weights into the classifier.

    Source: Glorot and Bengio 2010 (xavier), He et al. 2015 (kaiming); keeping the fitted head: Kumar et al. 2022.
    """
    if options.init == "probe":
        return
    layer: Any = network.get_submodule(classifier_name(network))
    seed_all(seed, INIT)
    if options.init == "zero":
        nn.init.zeros_(layer.weight)
    elif options.init == "normal":
        nn.init.trunc_normal_(layer.weight, std=0.02)
    elif options.init == "xavier":
        nn.init.xavier_uniform_(layer.weight)
    else:
        nn.init.kaiming_normal_(layer.weight)
    nn.init.zeros_(layer.bias)


def add_dropout(network: nn.Module, share: float) -> None:
    """Drop a share of the classifier's inputs while the network is in training mode (Srivastava et al. 2014)."""
    if share:

        def drop(module: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
            return (nn.functional.dropout(inputs[0], share, training=module.training),)

        network.get_submodule(classifier_name(network)).register_forward_pre_hook(drop)


def stages(network: nn.Module) -> list[list[str]]:
    """Return names of parameters in groups from the first layers to the classifier, as timm groups them."""
    matcher = getattr(network, "group_matcher", None)
    if matcher is not None:
        grouped = group_parameters(network, matcher(coarse=True))
        return [list(names) for _, names in sorted(grouped.items())]
    layer_of = auto_group_layers(network)
    return [[name for name, own in layer_of.items() if own == layer] for layer in sorted(set(layer_of.values()))]


def train_stages(network: nn.Module, groups: list[list[str]], count: int) -> None:
    """Let the last `count` groups learn and no other."""
    learning = {name for group in groups[-count:] for name in group}
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in learning)


def stages_at(epoch: int, epochs: int, unfrozen_by: float, groups: int) -> int:
    """Return how many groups learn in an epoch of gradual unfreezing: the last block at first, all after a share of epochs.

    Source: Howard and Ruder 2018 (ULMFiT), who add one layer an epoch; here as many as reach all of them in time.

    >>> [stages_at(epoch, 8, 0.5, 6) for epoch in range(8)]
    [2, 3, 4, 5, 6, 6, 6, 6]
    """
    last = max(1.0, unfrozen_by * epochs)
    return min(groups, 2 + math.ceil(epoch * max(0, groups - 2) / last))


def set_training_mode(network: nn.Module, options: FineTuneOptions) -> None:
    """Set the network to training mode, with batch norm in evaluation mode where its statistics are to stay."""
    network.train()
    for module in network.modules():
        if isinstance(module, _BATCH_NORM):
            learns = module.weight is not None and module.weight.requires_grad
            module.train(options.batch_norm == "batch" and learns)


def re_estimate(network: nn.Module, batches: Iterable[np.ndarray], device: torch.device) -> None:
    """Compute batch norm's statistics anew, as the mean over batches of inputs (Li et al. 2016, AdaBN)."""
    layers = [module for module in network.modules() if isinstance(module, _BATCH_NORM)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    network.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None
        layer.train()
    try:
        with torch.no_grad():
            for inputs in batches:
                network(torch.from_numpy(inputs).to(device, memory_format=torch.channels_last))
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
            layer.eval()


def with_additions(network: nn.Module, options: LoraOptions) -> nn.Module:
    """Return the network frozen, with low-rank additions to its linear and plain convolution layers, made by peft.

    Source: Hu et al. 2021, LoRA. The classifier itself is trained whole.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ModuleNotFoundError as error:
        raise FineTuneError("fine-tuning by lora needs the package 'peft': pip install 'tlcore[lora]'") from error
    classifier = classifier_name(network)
    layers = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1)
    ]
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,  # type: ignore[arg-type]
        target_modules=[name for name in layers if name != classifier],
        modules_to_save=[classifier],
    )
    added: nn.Module = get_peft_model(network, config)  # type: ignore[arg-type]
    return added


def without_additions(network: nn.Module) -> nn.Module:
    """Return the network with its additions added to the weights, as it was before `with_additions`."""
    merged: nn.Module = network.merge_and_unload()  # type: ignore[operator]
    return merged
