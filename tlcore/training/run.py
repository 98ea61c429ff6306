"""The main job: from a dataset's name to a bundle, measured on images held out."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tlcore.backbone import Backbone
from tlcore.bundle import Bundle, BundleRecord, check_target, load_bundle, save_bundle, softmax
from tlcore.cross_validation import cross_validate
from tlcore.data.preparation import Preparation, prepare_data
from tlcore.data.splits import SplitFractions
from tlcore.data.suitability import check_classes, check_training_set, remarks
from tlcore.dataset import Dataset, LeftOut
from tlcore.default_backbone import make_backbone
from tlcore.errors import BundleError, OptionError
from tlcore.features import FeatureSet
from tlcore.features.embedding import Embedding
from tlcore.features.extraction import FeatureOptions
from tlcore.fine_tuner import LearningRates
from tlcore.head import FittedHead, Head, HeadData, HeadFit
from tlcore.machine.processes import is_main_process, leave_together
from tlcore.metrics import Metrics, fit_temperature, measure
from tlcore.progress import Progress, ProgressEvent, silent
from tlcore.provenance import (
    backbone_record,
    dataset_record,
    head_record,
    package_versions,
    plain_options,
    plugins_used,
)
from tlcore.registry import Registry
from tlcore.training.fine_tuning import Comparison, Tuning, correct, fine_tune, starting_task
from tlcore.training.model_card import model_card
from tlcore.training.run_folder import RunRequest, begin_run, finish_run


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How to train.

    Attributes:
        backbone: a name as `Registry.resolve` takes it; None takes what `default_backbone` chooses.
        head: likewise.
        dataset_options, backbone_options, head_options: option name to value, for the plugin objects.
        fractions: shares held out of a dataset that does not say itself.
        seed: of the split and the fit.
        strict: raise on an unreadable image instead of leaving it out.
        audit: look for copies and leaks before dividing, and keep copies together.
        exclude: exclusion list (`tlcore.data.exclusion`) of images to leave out.
        split_from: bundle whose split is used again.
        engine: what runs the network, ``"auto"``, ``"onnx"`` or ``"torch"``.
        views: of each image, ``"one"``, ``"flip"`` or ``"crops:N"``.
        layers: of how many of the network's layers the features are; None for its pooled features alone.
        folds: measure by cross-validation in so many folds over the whole dataset, then learn from all of it; None holds
            out a test set.
        finetune: how to train the network on from the head, as `Registry.resolve` takes it; None leaves it as pretrained.
        finetune_options: option name to value.
        observers: who is told how fine-tuning goes, by name.
        run: folder of the fine-tuning run: its checkpoints and logs; None takes the output's name with ``.run`` added.
    """

    backbone: str | None = None
    head: str = "linear"
    dataset_options: Mapping[str, object] = field(default_factory=dict)
    backbone_options: Mapping[str, object] = field(default_factory=dict)
    head_options: Mapping[str, object] = field(default_factory=dict)
    fractions: SplitFractions = field(default_factory=SplitFractions)
    seed: int = 0
    strict: bool = False
    audit: bool = True
    exclude: Path | None = None
    split_from: Path | None = None
    engine: str = "auto"
    views: str = "one"
    layers: int | None = None
    folds: int | None = None
    finetune: str | None = None
    finetune_options: Mapping[str, object] = field(default_factory=dict)
    observers: tuple[str, ...] = ("json-lines",)
    run: Path | None = None

    def __post_init__(self) -> None:
        if self.folds is not None and self.split_from is not None:
            raise OptionError("folds divide the dataset anew; give either folds or a bundle to take the split from")
        if self.folds is not None and self.views != "one":
            raise OptionError(f"folds measure one view of each image; leave out either folds or views {self.views!r}")
        if self.folds is not None and self.layers is not None:
            raise OptionError(
                "folds would measure features chosen on the images they test; leave out either folds or layers"
            )
        if self.folds is not None and self.folds < 2:
            raise OptionError(f"folds must be at least 2, got {self.folds}")
        if self.folds is not None and self.finetune is not None:
            raise OptionError("folds measure heads on cached features; fine-tuning is measured on a test set")
        if self.layers is not None and self.finetune is not None:
            raise OptionError("fine-tuning trains the network up to its last layer; leave out layers")
        if self.finetune is None and self.finetune_options:
            raise OptionError("options of fine-tuning are set, but not how to fine-tune")


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What training gave.

    Attributes:
        bundle: the classifier, saved and verified.
        metrics: split to its measures: ``"test"`` by the final head; ``"validation"`` by a fit that did not see it;
            ``"cross-validation"`` over all images, each by a fit that did not see it.
        counts: split to number of images used.
        majority: share of the largest class among the images measured, what guessing it always would score.
        left_out: images that could not be used, and why.
        notes: what a person should know of the data, one line each.
        engine: what computed the features, and why.
        seconds: wall time.
    """

    bundle: Bundle
    metrics: Mapping[str, Metrics]
    counts: Mapping[str, int]
    majority: float
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    engine: str
    seconds: float

    def _repr_html_(self) -> str:
        return self.bundle._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "bundle": str(self.bundle.path),
            "classes": list(self.bundle.record.classes),
            "metrics": {split: metrics.to_dict() for split, metrics in self.metrics.items()},
            "counts": dict(self.counts),
            "majority": self.majority,
            "left_out": [{"name": entry.name, "reason": entry.reason} for entry in self.left_out],
            "notes": list(self.notes),
            "engine": self.engine,
            "seconds": self.seconds,
        }


def train(
    dataset: str,
    output: Path,
    options: TrainOptions,
    *,
    registry: Registry,
    cache_directory: Path | None = None,
    progress: Progress = silent,
) -> TrainResult:
    """Train a classifier and save it as a bundle.

    Args:
        dataset: a dataset's name, or a path to a folder of photos.
        output: where the bundle goes; an earlier bundle there is replaced once the new one is whole.
        options: how to train.
        registry: where names are looked up.
        cache_directory: where features are kept between runs; None keeps none.
        progress: told how far it is; an exception it raises cancels and leaves `output` as it was.

    Raises:
        TlcoreError: one of its kinds, naming what to mend; `output` is then as it was.

    Examples:
        >>> from tlcore import Registry, TrainOptions, train
        >>> options = TrainOptions(backbone="timm/test_resnet", backbone_options={"pretrained": False})
        >>> result = train("digits", Path("digits-bundle"), options, registry=Registry())  # doctest: +SKIP
    """
    started = time.perf_counter()
    check_target(output)
    tuning = Tuning.asked(RunRequest(dataset=dataset, output=output, options=options), registry)
    learnt = _learn(dataset, options, registry, cache_directory, progress)
    if tuning is not None:
        learnt = _fine_tune(learnt, tuning, progress)
    if is_main_process():
        progress(ProgressEvent("saving", 0, 1))
        _save(output, learnt, dataset, options, registry)
        progress(ProgressEvent("saving", 1, 1))
        if tuning is not None:
            finish_run(tuning.request)
    leave_together()
    return TrainResult(
        bundle=load_bundle(output, registry),
        metrics=learnt.metrics,
        counts={name: len(part.samples) for name, part in learnt.features.items()},
        majority=_majority(learnt.features),
        left_out=(*learnt.dataset.left_out, *(entry for part in learnt.features.values() for entry in part.left_out)),
        notes=learnt.notes,
        engine=str(learnt.embedding.extractor.choice),
        seconds=time.perf_counter() - started,
    )


def find_learning_rate(
    dataset: str,
    options: TrainOptions,
    *,
    registry: Registry,
    steps: int = 60,
    cache_directory: Path | None = None,
    progress: Progress = silent,
) -> LearningRates:
    """Try learning rates for the fine-tuning that the options ask for; nothing is saved.

    Args:
        dataset: a dataset's name, or a path to a folder of photos.
        options: how to train; ``finetune`` says how to fine-tune.
        registry: where names are looked up.
        steps: how many updates to try, each at a higher rate.
        cache_directory: where features are kept between runs; None keeps none.
        progress: told how far it is; an exception it raises cancels.

    Raises:
        TlcoreError: one of its kinds, naming what to mend.
    """
    if options.finetune is None:
        raise OptionError(
            "a learning rate is looked for in fine-tuning: say how the network is trained, for instance 'full'"
        )
    tuner = registry.finetune(options.finetune, options.finetune_options)
    learnt = _learn(dataset, options, registry, cache_directory, progress)
    with tempfile.TemporaryDirectory() as nowhere:
        task = starting_task(
            learnt.backbone,
            learnt.head,
            learnt.features,
            learnt.dataset.class_names,
            directory=Path(nowhere),
            seed=options.seed,
        )
        return tuner.try_rates(task, steps=steps, progress=progress)


@dataclass(frozen=True, kw_only=True)
class _Learnt:
    """What there is between learning and saving."""

    dataset: Dataset
    head: Head
    reference: str
    backbone: Backbone
    embedding: Embedding
    features: Mapping[str, FeatureSet]
    fit: HeadFit
    temperature: float
    metrics: Mapping[str, Metrics]
    notes: tuple[str, ...]


def _learn(
    name: str, options: TrainOptions, registry: Registry, cache_directory: Path | None, progress: Progress
) -> _Learnt:
    """Divide the data, embed it, fit the head and measure it."""
    head = registry.head(options.head, options.head_options)
    data = registry.dataset(name, options.dataset_options)
    check_classes(data)
    reference, backbone, note = make_backbone(options.backbone, options.backbone_options, registry)
    embedding = Embedding(
        backbone,
        FeatureOptions(engine=options.engine, views=options.views),
        layers=options.layers,
        cache_directory=cache_directory,
        strict=options.strict,
        audit=options.audit,
        progress=progress,
    )
    prepared = prepare_data(
        data,
        _preparation(options),
        registry=registry,
        cache_directory=cache_directory,
        progress=progress,
        look=embedding.look,
    )
    split = prepared.dataset
    features = embedding.divide(split)
    check_training_set(split, features["train"])
    train, validation = _examples(features["train"]), _head_data(features["validation"])
    fit = head.fit(train, validation, len(split.class_names), seed=options.seed, progress=progress)
    _check_folded(embedding.backbone, fit.head, features["train"])
    temperature, metrics = _measure(fit.head, fit.validation_logits, features, split.class_names)
    if options.folds is not None:
        metrics["cross-validation"] = cross_validate(
            features,
            head,
            split.class_names,
            folds=options.folds,
            validation=options.fractions.validation,
            seed=options.seed,
            together=prepared.duplicate_sets,
            progress=progress,
        )
    return _Learnt(
        dataset=split,
        head=head,
        reference=reference,
        backbone=embedding.backbone,
        embedding=embedding,
        features=features,
        fit=fit,
        temperature=temperature,
        metrics=metrics,
        notes=(
            *note,
            *prepared.notes,
            *fit.notes,
            *remarks(split, features, embedding.backbone, measured=bool(options.folds)),
        ),
    )


def _fine_tune(learnt: _Learnt, tuning: Tuning, progress: Progress) -> _Learnt:
    """Train the network on, and measure it in place of the head alone, on the same images."""
    options, classes = tuning.request.options, learnt.dataset.class_names
    directory = begin_run(tuning.request) if is_main_process() else tuning.request.directory
    task = starting_task(learnt.backbone, learnt.head, learnt.features, classes, directory=directory, seed=options.seed)
    tuned = fine_tune(tuning.tuner, learnt.backbone, learnt.head, task, observers=tuning.observers, progress=progress)
    features = learnt.embedding.by_tuned(tuned.backbone, learnt.features)
    validation = tuned.head.logits(features["validation"].features) if features["validation"].samples else None
    temperature, metrics = _measure(tuned.head, validation, features, classes)
    record: dict[str, Any] = {"name": tuning.name, "options": plain_options(options.finetune_options), **tuned.record}
    notes = [*learnt.notes, *tuned.notes]
    if features["test"].samples:
        before = correct(learnt.fit.head, learnt.features["test"])
        comparison = Comparison.of(before, correct(tuned.head, features["test"]))
        record["before"] = {"test_top1": learnt.metrics["test"].top1.to_dict(), **comparison.to_dict()}
        notes.append(f"the head alone, before fine-tuning: {learnt.metrics['test'].top1} of the test images; {comparison}")
    return replace(
        learnt,
        backbone=tuned.backbone,
        features=features,
        fit=HeadFit(head=tuned.head, validation_logits=validation, record={**learnt.fit.record, "finetune": record}),
        temperature=temperature,
        metrics=metrics,
        notes=tuple(notes),
    )


def _save(output: Path, learnt: _Learnt, dataset: str, options: TrainOptions, registry: Registry) -> None:
    network = learnt.backbone.network_files(learnt.fit.head.linear(), learnt.dataset.class_names)
    record = BundleRecord(
        classes=learnt.dataset.class_names,
        preprocess=learnt.backbone.info.preprocess,
        backbone={
            **backbone_record(learnt.backbone, network, learnt.reference, options.backbone_options, registry),
            **learnt.embedding.record,
        },
        head=head_record(options.head, options.head_options, learnt.fit, registry),
        temperature=learnt.temperature,
        dataset=dataset_record(learnt.dataset, learnt.features),
        metrics={name: measured.to_dict() for name, measured in learnt.metrics.items()},
        options=_options_record(dataset, options),
        seed=options.seed,
        versions=package_versions(),
        plugins=plugins_used(registry, **_used(dataset, learnt.reference, options)),
    )
    split = {name: list(zip(part.names, part.digests, strict=True)) for name, part in learnt.features.items()}
    save_bundle(output, record, learnt.fit.head, network, split, model_card(record))


def _used(dataset: str, backbone: str, options: TrainOptions) -> dict[str, str]:
    """Return kind to name of everything that a plugin brought."""
    used = {"dataset": dataset, "backbone": backbone, "head": options.head}
    return {**used, "finetune": options.finetune} if options.finetune is not None else used


def _options_record(dataset: str, options: TrainOptions) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "dataset_options": plain_options(options.dataset_options),
        "strict": options.strict,
        "fractions": {"validation": options.fractions.validation, "test": options.fractions.test},
        "audit": options.audit,
        "engine": options.engine,
        "views": options.views,
        "layers": options.layers,
        "exclude": str(options.exclude) if options.exclude is not None else None,
        "split_from": str(options.split_from) if options.split_from is not None else None,
        "folds": options.folds,
        "finetune": options.finetune,
        "finetune_options": plain_options(options.finetune_options),
    }


def _preparation(options: TrainOptions) -> Preparation:
    return Preparation(
        fractions=options.fractions,
        seed=options.seed,
        audit=options.audit,
        exclude=options.exclude,
        split_from=options.split_from,
        pooled=options.folds is not None,
    )


def _examples(features: FeatureSet) -> HeadData:
    rows, labels = features.examples
    images = np.arange(len(features.samples), dtype=np.int64)
    return HeadData(features=rows, labels=labels, shown=np.tile(images, len(rows) // max(1, len(images))))


def _head_data(features: FeatureSet) -> HeadData:
    return HeadData(features=features.features, labels=features.labels)


def _measure(
    head: FittedHead,
    validation_logits: np.ndarray | None,
    features: Mapping[str, FeatureSet],
    class_names: tuple[str, ...],
) -> tuple[float, dict[str, Metrics]]:
    """Fit the temperature on validation logits, then measure validation and test with it."""
    temperature = 1.0
    metrics: dict[str, Metrics] = {}
    if validation_logits is not None and len(validation_logits):
        labels = features["validation"].labels
        temperature = fit_temperature(validation_logits, labels)
        metrics["validation"] = measure(softmax(validation_logits, temperature), labels, class_names)
    if features["test"].samples:
        logits = head.logits(features["test"].features)
        metrics["test"] = measure(softmax(logits, temperature), features["test"].labels, class_names)
    return temperature, metrics


def _check_folded(backbone: Backbone, head: FittedHead, train: FeatureSet) -> None:
    """Raise unless a head that says it is one linear layer gives what that layer gives."""
    linear = head.linear()
    if linear is None:
        return
    weight, bias = linear
    expected = head.logits(train.features[:64])
    folded = train.features[:64] @ weight.T + bias
    error = float(np.abs(folded - expected).max() / max(1e-6, float(np.abs(expected).max())))
    if error > 1e-3:
        raise BundleError(
            f"the head of {backbone.info.name} does not fold into one linear layer: relative error {error:.1e}"
        )


def _majority(features: Mapping[str, FeatureSet]) -> float:
    measured = features["test"] if features["test"].samples else features["train"]
    return Counter(measured.labels.tolist()).most_common(1)[0][1] / len(measured.samples)
