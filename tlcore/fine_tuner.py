"""Fine-tuners: ways to go on training the network itself. The core checks, the plugin computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlcore.dataset import Sample
from tlcore.errors import FineTuneError, PluginError
from tlcore.observer import TrainingEvent
from tlcore.preprocess import Preprocess
from tlcore.progress import Progress, silent

if TYPE_CHECKING:
    import torch

    from tlcore.visualizer import Picture

Observe = Callable[[TrainingEvent], None]
"""Takes what happens in a run; `tlcore.observer.Observers` is one."""

CHECKPOINT_FOLDER = "checkpoint"
"""Under this name a fine-tuner keeps its checkpoint in the run's folder; it is removed when the bundle is saved."""


@dataclass(frozen=True, kw_only=True)
class FineTuneTask:
    """What to fine-tune, and on what.

    Attributes:
        network: from normalised inputs, (images, 3, height, width) float32, to logits; its classifier is the linear head
            that was fitted on the pretrained features of the training images. The fine-tuner may change it.
        preprocess: how an upright RGB image becomes its input wherever it is measured or used.
        class_names: in logit order; some may have no training image.
        train: what to learn from, all readable a moment ago.
        validation: what to choose by and never to learn from; may be empty.
        seed: of everything random.
        directory: the run's own folder, for checkpoints. Where it holds one of this task, training goes on from it.
    """

    network: torch.nn.Module = field(repr=False)
    preprocess: Preprocess
    class_names: tuple[str, ...]
    train: tuple[Sample, ...] = field(repr=False)
    validation: tuple[Sample, ...] = field(repr=False)
    seed: int
    directory: Path


@dataclass(frozen=True, kw_only=True)
class FineTuneResult:
    """What fine-tuning gave.

    Attributes:
        network: trained, on the CPU, in evaluation mode, with the tensors it had by name and shape.
        preprocess: how images become its input; as in the task, or with another mean and std.
        record: settings that were used and what was chosen, JSON-ready, kept in the bundle.
        notes: what a person should know of how it went, one line each.
    """

    network: torch.nn.Module = field(repr=False)
    preprocess: Preprocess
    record: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LearningRates:
    """How the loss fares as the learning rate rises from step to step.

    Attributes:
        rates: learning rate of each step, rising.
        losses: smoothed training loss at each step.
        suggestion: the rate at which the loss falls most steeply.
        picture: the two drawn against each other.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float
    picture: Picture = field(repr=False)


class FineTuner(ABC):
    """A way to go on training a network. A plugin's subclass writes `compute`, and where it can `compute_rates`.

    Training is deterministic: the same task and seed give the same weights, bit for bit on one kind of CPU, also where it
    was killed at any moment and went on from its checkpoint. An exception that `progress` raises is let through after a
    checkpoint was written.
    """

    @abstractmethod
    def compute(self, task: FineTuneTask, *, observe: Observe, progress: Progress) -> FineTuneResult:
        """Train. Written by the plugin; callers use `tune`."""

    def compute_rates(self, task: FineTuneTask, *, steps: int, progress: Progress) -> LearningRates:
        """Try learning rates. Written by plugins that can; callers use `try_rates`."""
        raise FineTuneError(f"{type(self).__name__} has no learning-rate finder")

    def tune(self, task: FineTuneTask, *, observe: Observe, progress: Progress = silent) -> FineTuneResult:
        """Train the task's network.

        Args:
            task: what to train, on what.
            observe: told what happens, in plain numbers.
            progress: told after each step; an exception it raises stops the run at a checkpoint.

        Raises:
            FineTuneError: it cannot be done as asked, or the run's folder holds a checkpoint of another task.
            ImageError: an image cannot be read any more.
            PluginError: the plugin returned another network than it was given, or numbers that are not finite.
        """
        _check_task(task)
        shapes = _shapes(task.network)
        result = self.compute(task, observe=observe, progress=progress)
        if not isinstance(result, FineTuneResult):
            raise PluginError(f"{type(self).__name__} returned {type(result).__name__}, expected a FineTuneResult")
        self._check_network(result.network, shapes)
        return result

    def try_rates(self, task: FineTuneTask, *, steps: int = 60, progress: Progress = silent) -> LearningRates:
        """Raise the learning rate from step to step until the loss diverges, on a copy of the network.

        Source: Smith 2017, Cyclical learning rates for training neural networks.

        Raises:
            FineTuneError: this fine-tuner cannot, or the loss never fell.
        """
        _check_task(task)
        return self.compute_rates(task, steps=steps, progress=progress)

    def _check_network(self, network: torch.nn.Module, shapes: Mapping[str, Sequence[int]]) -> None:
        found = _shapes(network)
        if found != shapes:
            differing = sorted(set(found.items()) ^ set(shapes.items()))[0][0]
            raise PluginError(f"{type(self).__name__} returned a network whose tensor {differing!r} is not as it was")
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                raise PluginError(f"{type(self).__name__} returned a network whose tensor {name!r} is not finite")
        if network.training:
            raise PluginError(f"{type(self).__name__} returned a network in training mode")


def _check_task(task: FineTuneTask) -> None:
    present = {sample.label for sample in task.train}
    if len(present) < 2:
        raise FineTuneError(f"fine-tuning needs training images of two classes or more, got {len(present)}")


def _shapes(network: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
