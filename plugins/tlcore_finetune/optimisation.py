"""The optimizer, the learning rate at each update, and averages of the weights."""

from __future__ import annotations

from typing import Any, cast

import torch
from timm.optim import create_optimizer_v2, list_optimizers  # type: ignore[attr-defined]
from timm.scheduler import create_scheduler_v2  # type: ignore[attr-defined]
from timm.utils import ModelEmaV3  # type: ignore[attr-defined]

from tlcore.errors import OptionError, did_you_mean
from tlcore_finetune.options import FineTuneOptions

_SGD_FAMILY = ("sgd", "momentum", "nesterov")
_LOWEST_MOMENTUM, _HIGHEST_MOMENTUM = 0.85, 0.95
"""Between which one-cycle moves the momentum, against the learning rate."""


def learning_rate(options: FineTuneOptions) -> float:
    """Return the classifier's highest learning rate."""
    if options.learning_rate is not None:
        return options.learning_rate
    return 0.01 if options.optimizer.lower() in _SGD_FAMILY else 0.001


def make_optimizer(network: torch.nn.Module, options: FineTuneOptions, *, layer_decay: bool) -> torch.optim.Optimizer:
    """Return timm's optimizer over the parameters that learn, with a learning rate per layer.

    timm's own name for Nesterov's momentum is ``sgd``, and ``momentum`` is without; here ``sgd`` is plain descent.

    Raises:
        OptionError: timm has no such optimizer; names the nearest.
    """
    name = options.optimizer.lower()
    known = sorted({*_SGD_FAMILY, *map(str, list_optimizers())})
    if name not in known:
        hint = did_you_mean(name, known) or ";"
        raise OptionError(f"finetune: timm has no optimizer {options.optimizer!r}{hint} it has {', '.join(known)}")
    return create_optimizer_v2(
        network,
        opt={"sgd": "momentum", "nesterov": "sgd"}.get(name, name),
        lr=learning_rate(options),
        weight_decay=options.weight_decay,
        momentum=0.0 if name == "sgd" else options.momentum,
        layer_decay=options.layer_decay if layer_decay and options.layer_decay < 1 else None,
    )


class Schedule:
    """The learning rate as a function of the update's number.

    Source: Loshchilov and Hutter 2017 (cosine), Smith 2018 (one-cycle), Goyal et al. 2017 (warm-up); all but the momentum
    of one-cycle by timm.

    Args:
        optimizer: whose learning rates are set.
        options: which schedule.
        steps: how many updates there will be.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, options: FineTuneOptions, steps: int) -> None:
        self._optimizer = optimizer
        self._one_cycle = options.schedule == "one-cycle"
        self._highest = learning_rate(options)
        warmup = max(0.3, options.warmup) if self._one_cycle else options.warmup
        self._schedule, _ = create_scheduler_v2(
            optimizer,
            sched="cosine" if self._one_cycle else options.schedule,
            num_epochs=max(2, steps),
            updates_per_epoch=1,
            step_on_epochs=False,
            decay_epochs=max(1, -(-steps // 3)),
            decay_rate=options.step_factor,
            warmup_epochs=round(warmup * steps),
            warmup_lr=self._highest / 25,
        )

    def set(self, step: int) -> float:
        """Set the rates for the update with this number, from 0, and return the classifier's."""
        self._schedule.step_update(step)
        groups = self._optimizer.param_groups
        highest = max(groups, key=lambda group: float(group["lr"]))
        rate = float(highest["lr"])
        if self._one_cycle:
            momentum = _HIGHEST_MOMENTUM - (_HIGHEST_MOMENTUM - _LOWEST_MOMENTUM) * min(1.0, rate / self._highest)
            for group in groups:
                if "betas" in group:
                    group["betas"] = (momentum, group["betas"][1])
                elif group.get("momentum"):
                    group["momentum"] = momentum
        return rate


class Averaging:
    """An average of the weights beside those that are trained, by timm's `ModelEmaV3`.

    Source: Polyak and Juditsky 1992 (ema), Izmailov et al. 2018 (swa: the plain mean over the ends of late epochs).

    Args:
        network: whose weights are averaged.
        options: which average.
        epochs, steps_per_epoch: of the run.
    """

    def __init__(self, network: torch.nn.Module, options: FineTuneOptions, epochs: int, steps_per_epoch: int) -> None:
        self._options = options
        self._steps_per_epoch = steps_per_epoch
        self._first_step = round(options.swa_start * epochs) * steps_per_epoch
        self._average: Any = ModelEmaV3(network, decay=options.ema_decay, use_warmup=True, warmup_power=1.0)

    @property
    def module(self) -> torch.nn.Module:
        """The network with averaged weights."""
        return cast(torch.nn.Module, self._average.module)

    def update(self, network: torch.nn.Module, step: int) -> None:
        """Take in the weights after the update with this number, counted from 1."""
        if self._options.averaging == "ema":
            self._average.update(network, step=step + 1)
        elif step <= self._first_step:
            self._average.set(network)
        elif step % self._steps_per_epoch == 0:
            taken = (step - self._first_step) // self._steps_per_epoch
            self._average.apply_update_(network, 1 - 1 / (taken + 1))
