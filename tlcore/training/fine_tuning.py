"""From a head on cached features to a fine-tuned network, measured against that head on the same images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from tlcore.backbone import Backbone
from tlcore.cross_validation import validation_split
from tlcore.errors import FineTuneError
from tlcore.features import FeatureSet
from tlcore.fine_tuner import FineTuner, FineTuneTask
from tlcore.head import FittedHead, Head, HeadData
from tlcore.machine.processes import is_main_process
from tlcore.observer import Observers
from tlcore.preprocess import Preprocess
from tlcore.progress import Progress
from tlcore.provenance import full_name
from tlcore.registry import Registry
from tlcore.training.run_folder import RunRequest, check_run

_SAME = 2e-2
"""Relative difference up to which a network's logits count as its features times its classifier; engines differ by less."""


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """A fine-tuned network, taken apart again.

    Attributes:
        backbone: the network without its classifier.
        head: its classifier.
        record: what the fine-tuner says of it.
        notes: what a person should know, one line each.
    """

    backbone: Backbone
    head: FittedHead
    record: Mapping[str, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two classifiers on the same images.

    Attributes:
        images: how many.
        mended: images that the first takes for something else and the second does not.
        spoiled: the other way round.
        p_value: of McNemar's exact test: the chance of a difference this large between two equally good ones.
    """

    images: int
    mended: int
    spoiled: int
    p_value: float

    @classmethod
    def of(cls, before: Bool[np.ndarray, " images"], after: Bool[np.ndarray, " images"]) -> Comparison:
        """Compare which images each has right (McNemar 1947).

        >>> Comparison.of(np.arange(10) < 4, np.arange(10) < 9).p_value
        0.0625
        """
        from scipy.stats import binomtest

        mended, spoiled = int((~before & after).sum()), int((before & ~after).sum())
        p_value = float(binomtest(mended, mended + spoiled).pvalue) if mended + spoiled else 1.0
        return cls(images=len(before), mended=mended, spoiled=spoiled, p_value=p_value)

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON-ready values."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"of {self.images} images it mends {self.mended} and spoils {self.spoiled} "
            f"(McNemar's exact test: p = {self.p_value:.2g})"
        )


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What fine-tuning needs, made before anything is computed, so that what is wrong with it is told at once.

    Attributes:
        request: what was asked for.
        name: of the way of fine-tuning, in full.
        tuner, observers: as asked for.
    """

    request: RunRequest
    name: str
    tuner: FineTuner
    observers: Observers

    @classmethod
    def asked(cls, request: RunRequest, registry: Registry) -> Tuning | None:
        """Make it where it is asked for."""
        options = request.options
        if options.finetune is None:
            return None
        name = full_name(registry, "finetune", options.finetune)
        tuner = registry.finetune(options.finetune, options.finetune_options)
        observers = Observers({name: registry.observer(name) for name in options.observers})
        if is_main_process():
            check_run(request)
        return cls(request=request, name=name, tuner=tuner, observers=observers)


def fine_tune(
    tuner: FineTuner,
    backbone: Backbone,
    head: Head,
    task: FineTuneTask,
    *,
    observers: Observers,
    progress: Progress,
) -> Tuned:
    """Train the network of `starting_task` on, and take it apart again.

    Raises:
        TlcoreError: the fine-tuner failed, or what it gave cannot be taken apart.
    """
    result = tuner.tune(task, observe=observers, progress=progress)
    trained, weight, bias = backbone.tuned(result.network, result.preprocess)
    _check_taken_apart(result.network, trained, weight, bias)
    return Tuned(
        backbone=trained,
        head=head.from_linear(weight, bias),
        record=result.record,
        notes=(*result.notes, *observers.notes),
    )


def starting_task(
    backbone: Backbone,
    head: Head,
    features: Mapping[str, FeatureSet],
    class_names: tuple[str, ...],
    *,
    directory: Path,
    seed: int,
) -> FineTuneTask:
    """Return the network with the linear head as its classifier, and the images, as a task for a fine-tuner.

    The head is fitted on the cached features of the training images alone, so that the validation images can measure: what
    it chooses its settings by is taken from the training images.

    Raises:
        HeadError: the head is no plain linear layer.
        BackboneError: the backbone is no torch network, or cannot take trained weights back.
        FineTuneError: the network with its classifier cannot be saved as files of its own.
    """
    train = features["train"]
    learn, choose = validation_split(train.samples, class_names, 0.15, seed, ())
    position = {sample.name: index for index, sample in enumerate(train.samples)}
    parts = [np.array([position[sample.name] for sample in part], np.int64) for part in (learn, choose)]
    data = [HeadData(features=train.features[rows], labels=train.labels[rows]) for rows in parts]
    linear = head.fit(data[0], data[1], len(class_names), seed=seed).head.linear()
    if linear is None:
        raise FineTuneError("fine-tuning starts from a head that is one linear layer; use the head 'linear'")
    head.from_linear(*linear)
    network = backbone.torch_classifier(*linear)
    preprocess = backbone.info.preprocess
    _check_taken_apart(network, *backbone.tuned(network, preprocess))
    if backbone.network_files(linear, class_names) is None:
        raise FineTuneError(
            f"backbone {backbone.info.name} cannot be fine-tuned: its classifier is no single linear layer on its features"
        )
    return FineTuneTask(
        network=backbone.torch_classifier(*linear),
        preprocess=preprocess,
        class_names=class_names,
        train=train.samples,
        validation=features["validation"].samples,
        seed=seed,
        directory=directory,
    )


def _check_taken_apart(network: Any, backbone: Backbone, weight: np.ndarray, bias: np.ndarray) -> None:
    """Raise unless a backbone and a classifier taken out of a network give, on noise, the network's logits."""
    import torch

    preprocess: Preprocess = backbone.info.preprocess
    pixels = np.random.default_rng(0).integers(0, 256, (2, *preprocess.image_size, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = network.eval()(torch.from_numpy(preprocess.normalise(pixels))).numpy()
    found = backbone.features(pixels) @ weight.T + bias
    error = float(np.abs(found - expected).max() / max(1e-6, float(np.abs(expected).max())))
    if not error < _SAME:
        raise FineTuneError(
            f"backbone {backbone.info.name} cannot be fine-tuned: its logits are not its features times its classifier "
            f"(relative error {error:.1e})"
        )


def correct(head: FittedHead, features: FeatureSet) -> Bool[np.ndarray, " images"]:
    """Return which images a head finds the class of, (images,)."""
    found: np.ndarray = head.logits(features.features).argmax(axis=1) == features.labels
    return found
