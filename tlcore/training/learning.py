"""From a dataset's name to a fitted and measured head on cached features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tlcore.backbone import Backbone
from tlcore.cross_validation import cross_validate
from tlcore.data.preparation import PreparedData, admit, divide
from tlcore.data.suitability import check_training_set, remarks
from tlcore.dataset import Dataset
from tlcore.default_backbone import make_backbone
from tlcore.features import FeatureSet
from tlcore.features.embedding import Embedding
from tlcore.features.extraction import FeatureOptions
from tlcore.head import Head, HeadData, HeadFit
from tlcore.metrics import Metrics
from tlcore.progress import Progress
from tlcore.registry import Registry
from tlcore.training.measuring import check_folded, measure_head
from tlcore.training.options import TrainOptions


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """What there is between learning and saving.

    Attributes:
        dataset: divided.
        head: as made by its plugin, unfitted.
        reference: the backbone's name.
        backbone: what computes the features that the head is fitted on.
        embedding: how they were computed.
        features: split to features.
        fit: the head, fitted.
        temperature: what its logits are divided by.
        metrics: split to its measures.
        notes: what a person should know, one line each.
    """

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


def learn(
    dataset: str, options: TrainOptions, *, registry: Registry, cache_directory: Path | None, progress: Progress
) -> Learnt:
    """Admit the data, embed it, divide it, fit the head and measure it.

    What can be refused without reading an image is refused before the backbone is made.
    """
    head = registry.head(options.head, options.head_options)
    admitted = admit(registry.dataset(dataset, options.dataset_options), options.preparation, registry)
    reference, backbone, note = make_backbone(options.backbone, options.backbone_options, registry, cache_directory)
    embedding = _embedding(backbone, options, cache_directory, progress)
    table = embedding.look(admitted.dataset)
    prepared = divide(admitted, options.preparation, cache_directory=cache_directory, progress=progress, table=table)
    split = prepared.dataset
    features = embedding.divide(split)
    check_training_set(split, features["train"])
    fit = _fit(head, features, len(split.class_names), options.seed, progress)
    check_folded(embedding.backbone, fit.head, features["train"])
    temperature, metrics = measure_head(fit.head, fit.validation_logits, features, split.class_names)
    if options.folds is not None:
        metrics["cross-validation"] = _cross_validated(options.folds, head, features, prepared, options, progress)
    told = remarks(split, features, embedding.backbone, measured=options.folds is not None)
    return Learnt(
        dataset=split,
        head=head,
        reference=reference,
        backbone=embedding.backbone,
        embedding=embedding,
        features=features,
        fit=fit,
        temperature=temperature,
        metrics=metrics,
        notes=(*note, *prepared.notes, *fit.notes, *told),
    )


def _embedding(backbone: Backbone, options: TrainOptions, cache_directory: Path | None, progress: Progress) -> Embedding:
    return Embedding(
        backbone,
        FeatureOptions(engine=options.engine, views=options.views),
        layers=options.layers,
        pyramid=options.pyramid,
        cache_directory=cache_directory,
        strict=options.strict,
        audit=options.audit,
        progress=progress,
    )


def _fit(head: Head, features: Mapping[str, FeatureSet], classes: int, seed: int, progress: Progress) -> HeadFit:
    validation = HeadData(features=features["validation"].features, labels=features["validation"].labels)
    return head.fit(features["train"].examples, validation, classes, seed=seed, progress=progress)


def _cross_validated(
    folds: int,
    head: Head,
    features: Mapping[str, FeatureSet],
    prepared: PreparedData,
    options: TrainOptions,
    progress: Progress,
) -> Metrics:
    return cross_validate(
        features,
        head,
        prepared.dataset.class_names,
        folds=folds,
        validation=options.fractions.validation,
        seed=options.seed,
        together=prepared.duplicate_sets,
        progress=progress,
    )
