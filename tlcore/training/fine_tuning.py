"""From a head on cached features to a fine-tuned network, measured against that head on the same images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from tlcore.backbone import Backbone
from tlcore.cross_validation import validation_split
from tlcore.errors import FineTuneError
from tlcore.features import FeatureSet
from tlcore.fine_tuner import FineTuner, FineTuneTask
from tlcore.head import FittedHead, Head, HeadData, HeadFit
from tlcore.machine.processes import is_main_process
from tlcore.mcnemar import compare_answers
from tlcore.observer import Observers
from tlcore.preprocess import Preprocess
from tlcore.progress import Progress
from tlcore.provenance import full_name, plain_options
from tlcore.registry import Registry
from tlcore.training.learning import Learnt
from tlcore.training.measuring import measure_head
from tlcore.training.run_folder import RunRequest, begin_run, check_run

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


def tune_further(learnt: Learnt, tuning: Tuning, progress: Progress) -> Learnt:
    """Train the network on from the head, and measure it in place of the head alone, on the same images.

    Where the network comes back as it was, no epoch was better than the start: then the head alone is kept. It has been
    fitted on the validation images too, which the start has not.
    """
    options, classes = tuning.request.options, learnt.dataset.class_names
    directory = begin_run(tuning.request) if is_main_process() else tuning.request.directory
    task = starting_task(learnt.backbone, learnt.head, learnt.features, classes, directory=directory, seed=options.seed)
    tuned = fine_tune(tuning.tuner, learnt.backbone, learnt.head, task, observers=tuning.observers, progress=progress)
    changed = not _is_same(tuned.backbone, learnt.backbone)
    told = {
        "name": tuning.name,
        "options": plain_options(options.finetune_options),
        "changed": changed,
        **tuned.record,
    }
    if not changed:
        before, notes = _against_head_alone(learnt, learnt.fit.head, learnt.features["test"])
        return replace(learnt, fit=_recorded(learnt.fit, {**told, **before}), notes=(*learnt.notes, *tuned.notes, *notes))
    features = learnt.embedding.by_tuned(tuned.backbone, learnt.features)
    validation = tuned.head.logits(features["validation"].features) if features["validation"].samples else None
    temperature, metrics = measure_head(tuned.head, validation, features, classes)
    before, notes = _against_head_alone(learnt, tuned.head, features["test"])
    fit = HeadFit(head=tuned.head, validation_logits=validation, record=learnt.fit.record)
    return replace(
        learnt,
        backbone=tuned.backbone,
        features=features,
        fit=_recorded(fit, {**told, **before}),
        temperature=temperature,
        metrics=metrics,
        notes=(*learnt.notes, *tuned.notes, *notes),
    )


def _is_same(one: Backbone, other: Backbone) -> bool:
    first, second = one.info, other.info
    return first.weights_digest == second.weights_digest and first.preprocess == second.preprocess


def _recorded(fit: HeadFit, finetune: Mapping[str, Any]) -> HeadFit:
    """Return a fit with what is told of fine-tuning."""
    return replace(fit, record={**fit.record, "finetune": finetune})


def _against_head_alone(learnt: Learnt, tuned: FittedHead, test: FeatureSet) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Compare the fine-tuned network with the head it began as: what a bundle keeps of it, and a line for people."""
    if not test.samples:
        return {}, ()
    alone = learnt.metrics["test"].top1
    found = compare_answers(_correct(learnt.fit.head, learnt.features["test"]), _correct(tuned, test))
    spoiled, mended = found.only_first, found.only_second
    counted = {"images": len(test.samples), "mended": mended, "spoiled": spoiled, "p_value": found.p_value}
    note = (
        f"the head alone, before fine-tuning: {alone} of the test images; of {len(test.samples)} images it mends {mended} "
        f"and spoils {spoiled} (McNemar's exact test: p = {found.p_value:.2g})"
    )
    return {"before": {"test_top1": alone.to_dict(), **counted}}, (note,)


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


def _correct(head: FittedHead, features: FeatureSet) -> Bool[np.ndarray, " images"]:
    """Return which images a head finds the class of, (images,)."""
    found: np.ndarray = head.logits(features.features).argmax(axis=1) == features.labels
    return found
