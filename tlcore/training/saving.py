"""From what was learnt to a bundle, with the record of how it came about."""

from __future__ import annotations

from pathlib import Path

from tlcore.bundle import BundleRecord, save_bundle
from tlcore.provenance import backbone_record, dataset_record, head_record, package_versions, plugins_used
from tlcore.registry import Registry
from tlcore.training.learning import Learnt
from tlcore.training.model_card import model_card
from tlcore.training.options import TrainOptions


def save_learnt(output: Path, learnt: Learnt, dataset: str, options: TrainOptions, registry: Registry) -> None:
    """Save a bundle; an earlier one there is replaced once this is whole."""
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
        options=options.record(dataset),
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
