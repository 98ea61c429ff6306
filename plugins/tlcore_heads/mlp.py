"""The perceptron head: one hidden layer of rectified units on standardised features, with dropout and weight decay.

Source: dropout, Srivastava et al. 2014; AdamW, Loshchilov and Hutter 2019. It stops early: training ends once the validation
loss has not fallen for some epochs, the epoch with the lowest is taken, and a fresh network learns for as many epochs from
training and validation images together (Goodfellow et al. 2016, Deep Learning, algorithm 7.2). Without validation images a
fifth of each class stands in for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float32, Int64

from tlcore.errors import HeadError
from tlcore.head import FittedHead, Head, HeadData, HeadFit
from tlcore.progress import Progress, ProgressEvent
from tlcore_heads.loss import log_loss
from tlcore_heads.options import PerceptronOptions
from tlcore_heads.standard import Standardisation
from tlcore_heads.tensors import linear_layer, take_tensors

if TYPE_CHECKING:
    from numpy.random import Generator

WITHOUT_CHOICE = 30
"""Epochs where no class has an image to spare for choosing by."""

_NAMES = ("hidden_weight", "hidden_bias", "weight", "bias")


def create(argument: str | None, options: PerceptronOptions) -> PerceptronHead:
    """Make the head."""
    return PerceptronHead(options)


class FittedPerceptron(FittedHead):
    """Two layers with rectified units between them, on raw features.

    Args:
        hidden_weight: (hidden, features) float32.
        hidden_bias: (hidden,) float32.
        weight: (classes, hidden) float32.
        bias: (classes,) float32.
    """

    def __init__(
        self,
        hidden_weight: Float32[np.ndarray, "hidden features"],
        hidden_bias: Float32[np.ndarray, " hidden"],
        weight: Float32[np.ndarray, "classes hidden"],
        bias: Float32[np.ndarray, " classes"],
    ) -> None:
        self._arrays = (hidden_weight, hidden_bias, weight, bias)

    @property
    def classes(self) -> int:
        return len(self._arrays[3])

    def compute_logits(self, features: Float32[np.ndarray, "images features"]) -> Float32[np.ndarray, "images classes"]:
        hidden_weight, hidden_bias, weight, bias = self._arrays
        logits: np.ndarray = np.maximum(features @ hidden_weight.T + hidden_bias, 0) @ weight.T + bias
        return logits

    def tensors(self) -> Mapping[str, np.ndarray]:
        return dict(zip(_NAMES, self._arrays, strict=True))

    def torch_module(self) -> torch.nn.Module:
        hidden_weight, hidden_bias, weight, bias = self._arrays
        return torch.nn.Sequential(linear_layer(hidden_weight, hidden_bias), torch.nn.ReLU(), linear_layer(weight, bias))


class PerceptronHead(Head):
    """A network of one hidden layer; see the module's text."""

    def __init__(self, options: PerceptronOptions) -> None:
        self._options = options

    def compute_fit(self, train: HeadData, validation: HeadData, classes: int, *, seed: int, progress: Progress) -> HeadFit:
        learnt, watched = (train, validation) if len(validation.labels) else _hold_out(train, np.random.default_rng(seed))
        most = self._options.epochs
        best: np.ndarray | None = None
        losses: list[float] = []
        for epoch, fitted in enumerate(self._epochs(learnt, classes, seed) if len(watched.labels) else (), 1):
            logits = fitted.compute_logits(watched.features)
            losses.append(log_loss(logits, watched.labels))
            if losses[-1] <= min(losses):
                best = logits
            progress(ProgressEvent("mlp head", epoch, 2 * most))
            if epoch == most or epoch - int(np.argmin(losses)) > self._options.patience:
                break
        chosen = int(np.argmin(losses)) + 1 if losses else min(most, WITHOUT_CHOICE)
        final = self._learn_all(train.joined(validation), classes, seed, chosen, progress)
        progress(ProgressEvent("mlp head", 2 * most, 2 * most))
        record: dict[str, object] = {"epochs": chosen, "epochs_tried": len(losses), "hidden": self._options.hidden}
        if losses:
            record["early_stopping_log_loss"] = [round(loss, 6) for loss in losses]
        return HeadFit(head=final, validation_logits=best if len(validation.labels) else None, record=record)

    def restore(self, tensors: Mapping[str, np.ndarray]) -> FittedPerceptron:
        shapes = dict(zip(_NAMES, (2, 1, 2, 1), strict=True))
        hidden_weight, hidden_bias, weight, bias = take_tensors(tensors, shapes, "mlp")
        if len(hidden_bias) != len(hidden_weight) or weight.shape != (len(bias), len(hidden_weight)):
            raise HeadError(f"an mlp head's layers {hidden_weight.shape} and {weight.shape} do not fit each other")
        return FittedPerceptron(hidden_weight, hidden_bias, weight, bias)

    def _learn_all(self, data: HeadData, classes: int, seed: int, epochs: int, progress: Progress) -> FittedPerceptron:
        """Learn from all images for a number of epochs."""
        most = self._options.epochs
        run = self._epochs(data, classes, seed)
        for epoch in range(1, epochs):
            next(run)
            progress(ProgressEvent("mlp head", most + epoch, 2 * most))
        return next(run)

    def _epochs(self, data: HeadData, classes: int, seed: int) -> Iterator[FittedPerceptron]:
        """Yield the network after each epoch, without end; random numbers come from a generator of its own."""
        options = self._options
        random = torch.Generator().manual_seed(seed)
        standard = Standardisation.of(data.features)
        features, labels = torch.from_numpy(standard.apply(data.features)), torch.from_numpy(data.labels)
        network = _Perceptron(features.shape[1], options.hidden, classes, options.dropout, random)
        optimiser = torch.optim.AdamW(network.groups(options.weight_decay), lr=options.learning_rate)
        while True:
            for batch in torch.split(torch.randperm(len(labels), generator=random), options.batch_size):
                loss = torch.nn.functional.cross_entropy(network(features[batch]), labels[batch])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
            hidden_weight, hidden_bias, weight, bias = network.arrays()
            yield FittedPerceptron(*standard.fold(hidden_weight, hidden_bias), weight, bias)


class _Perceptron(torch.nn.Module):
    """The network while it learns. Its weights and dropout masks are drawn from the generator it is given.

    Weights start normal with deviation sqrt(2 / inputs) (He et al. 2015), those to the logits at a tenth of that.
    """

    def __init__(self, inputs: int, hidden: int, classes: int, dropout: float, random: torch.Generator) -> None:
        super().__init__()
        first = torch.randn(hidden, inputs, generator=random) * (2 / inputs) ** 0.5
        last = torch.randn(classes, hidden, generator=random) * 0.1 * (2 / hidden) ** 0.5
        self.hidden_weight, self.hidden_bias = torch.nn.Parameter(first), torch.nn.Parameter(torch.zeros(hidden))
        self.weight, self.bias = torch.nn.Parameter(last), torch.nn.Parameter(torch.zeros(classes))
        self.keep = 1.0 - dropout
        self.random = random

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(features @ self.hidden_weight.T + self.hidden_bias)
        mask = torch.empty_like(hidden).bernoulli_(self.keep, generator=self.random)
        return (hidden * mask / self.keep) @ self.weight.T + self.bias

    def groups(self, weight_decay: float) -> list[dict[str, object]]:
        """Return parameters for an optimiser: biases do not decay."""
        return [
            {"params": [self.hidden_weight, self.weight], "weight_decay": weight_decay},
            {"params": [self.hidden_bias, self.bias], "weight_decay": 0.0},
        ]

    def arrays(self) -> tuple[np.ndarray, ...]:
        """Return copies of the weights, in the order of a fitted head's."""
        found = (self.hidden_weight, self.hidden_bias, self.weight, self.bias)
        return tuple(parameter.detach().numpy().copy() for parameter in found)


def _hold_out(data: HeadData, random: Generator) -> tuple[HeadData, HeadData]:
    """Divide each class's images four to one; a class of one image stays whole on the learning side."""
    held: list[Int64[np.ndarray, " held"]] = []
    for label in np.unique(data.labels):
        own = random.permutation(np.unique(data.images[data.labels == label]))
        held.append(own[: max(1, len(own) // 5) if len(own) > 1 else 0])
    out = np.isin(data.images, np.concatenate(held))
    return data.rows(~out), data.rows(out)
