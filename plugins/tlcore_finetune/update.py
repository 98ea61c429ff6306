"""One update of the weights: forward and backward over the parts of a batch, over several processes, within memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils.memory import should_reduce_batch_size
from jaxtyping import Float32, Int64
from timm.data import Mixup  # type: ignore[attr-defined]
from timm.data.mixup import mixup_target

from tlcore.errors import FineTuneError
from tlcore_finetune.images import part_of
from tlcore_finetune.network import set_training_mode
from tlcore_finetune.options import FineTuneOptions
from tlcore_finetune.seeding import MASK, MIX, seed_all


@dataclass(frozen=True, kw_only=True)
class Updated:
    """What an update measured: mean loss over the batch of all processes, and the norm of the gradient before clipping."""

    loss: float
    gradient_norm: float


class Updates:
    """Updates of a network's weights.

    Args:
        network: on the accelerator's device.
        optimizer: of its parameters.
        accelerator: device, precision and processes.
        options: loss, mixing, clipping.
        class_weights: (classes,), mean 1 over the training images.
        batch_size: images of an update over all processes.
        seed: of the run.
        parts: how many parts a process computes its share in; grows where memory runs out.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        accelerator: Accelerator,
        options: FineTuneOptions,
        *,
        class_weights: torch.Tensor,
        batch_size: int,
        seed: int,
        parts: int,
    ) -> None:
        self.parts = parts
        self.notes: list[str] = []
        self._network = network
        self._prepared: torch.nn.Module = network
        self._learning: tuple[bool, ...] = ()
        self._optimizer = accelerator.prepare_optimizer(optimizer)
        self._accelerator = accelerator
        self._options = options
        self._class_weights = class_weights.to(accelerator.device)
        self._batch_size = batch_size
        self._seed = seed
        classes = len(class_weights)
        mixing = options.mixup > 0 or options.cutmix > 0
        self._mixup = (
            Mixup(options.mixup, options.cutmix, label_smoothing=options.label_smoothing, num_classes=classes)
            if mixing
            else None
        )

    def prepare(self) -> None:
        """Set training mode, and wrap the network for several processes anew where other layers learn than before."""
        set_training_mode(self._network, self._options)
        learning = tuple(parameter.requires_grad for parameter in self._network.parameters())
        if learning == self._learning:
            return
        self._learning = learning
        for parameter in self._network.parameters():
            parameter.grad = None
        if self._accelerator.num_processes > 1:
            self._prepared = torch.nn.parallel.DistributedDataParallel(
                self._network, device_ids=[self._accelerator.device] if self._accelerator.device.type == "cuda" else None
            )

    def compute_gradients(
        self, inputs: Float32[torch.Tensor, "images 3 height width"], labels: Int64[torch.Tensor, " images"], step: int
    ) -> Updated:
        """Compute the gradients of one process's share of a batch; where memory runs out, again in twice as many parts.

        Raises:
            FineTuneError: memory does not suffice for two images, or ran out in one of several processes.
        """
        while True:
            try:
                loss = self._over_parts(inputs, labels, step)
                break
            except RuntimeError as error:
                if not _out_of_memory(error):
                    raise
                self._halve(len(labels), step, error)
        total = cast(torch.Tensor, self._accelerator.reduce(loss, reduction="sum"))
        norm = self._accelerator.clip_grad_norm_(self._network.parameters(), self._options.clip_norm or float("inf"))
        return Updated(loss=float(total), gradient_norm=float(norm) if norm is not None else 0.0)

    def apply(self) -> None:
        """Change the weights by the gradients, and forget these."""
        self._optimizer.step()
        self._optimizer.zero_grad()

    def _over_parts(self, inputs: torch.Tensor, labels: torch.Tensor, step: int) -> torch.Tensor:
        self._optimizer.zero_grad()
        total = torch.zeros((), device=self._accelerator.device)
        several = isinstance(self._prepared, torch.nn.parallel.DistributedDataParallel)
        for part in range(self.parts):
            chosen = part_of(range(len(labels)), part, self.parts)
            # Gradients are exchanged once, after the last part.
            alone = self._prepared.no_sync() if several and part < self.parts - 1 else nullcontext()  # type: ignore[operator]
            with alone:
                loss = self._loss(inputs[chosen], labels[chosen], step, part)
                # Several processes average their gradients, of which the sum is wanted.
                self._accelerator.backward(loss * self._accelerator.num_processes)
            total += loss.detach()
        return total

    def _loss(self, inputs: torch.Tensor, labels: torch.Tensor, step: int, part: int) -> torch.Tensor:
        device = self._accelerator.device
        inputs = inputs.to(device, memory_format=torch.channels_last)
        labels = labels.to(device)
        targets = mixup_target(labels, len(self._class_weights), smoothing=self._options.label_smoothing)
        if self._mixup is not None:
            seed_all(self._seed, MIX, step)  # the same for every part: they are mixed as the whole would be
            inputs, targets = self._mixup(inputs, labels)
        seed_all(self._seed, MASK, step, self._accelerator.process_index, part)
        with self._accelerator.autocast():
            logits = self._prepared(inputs)
        loss = torch.nn.functional.cross_entropy(logits.float(), targets, weight=self._class_weights, reduction="sum")
        return loss / self._batch_size

    def _halve(self, images: int, step: int, error: RuntimeError) -> None:
        """Take twice as many parts from here on."""
        if self._accelerator.num_processes > 1:
            raise FineTuneError(
                f"out of memory at update {step + 1} in process {self._accelerator.process_index}; "
                f"set finetune.accumulate={2 * self.parts} (or a smaller batch_size) and go on with --resume"
            ) from error
        if images < 4 * self.parts:
            raise FineTuneError(
                f"out of memory at update {step + 1} even with {max(1, images // self.parts)} images at a time; "
                "use a smaller network or a smaller backbone.image_size"
            ) from error
        self.parts *= 2
        if self._accelerator.device.type == "cuda":
            torch.cuda.empty_cache()
        self.notes.append(
            f"out of memory at update {step + 1}: each batch is computed in {self.parts} parts from there on, "
            f"{images // self.parts} images at a time"
        )


def _out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or should_reduce_batch_size(error)


def class_weights(labels: Sequence[int], classes: int, balanced: bool) -> Float32[torch.Tensor, " classes"]:
    """Return each class's weight: 1, or inversely to its images with mean 1 over the images; 0 for a class without any."""
    counts = np.bincount(labels, minlength=classes)
    if not balanced:
        return torch.ones(classes)
    weights = np.where(counts > 0, len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 0.0)
    return torch.tensor(weights, dtype=torch.float32)
