"""Looking into a network in one call: from names, as a person gives them, to pictures and the record to repeat them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tlcore.dataset import Dataset
from tlcore.images import decode_image, read_image
from tlcore.prediction import Predictable, image_source
from tlcore.progress import Progress, silent
from tlcore.provenance import package_versions, plain_options, plugins_used
from tlcore.registry import Registry
from tlcore.specs import VisualizerSpec
from tlcore.visualization.companions import find_companions
from tlcore.visualizer import Subject, Visualization, VisualizationRequest

FORMAT = "tlcore-visualization"
FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class VisualizeOptions:
    """How to look into a network.

    Attributes:
        classes: names, synonyms or indices of the classes asked for.
        dataset: name or path of labelled images for those who need some; None for none.
        judges: backbones or bundles by which the result is judged.
        companions: backbones or bundles by which the result is made too, where the visualizer can. None takes the network
            in the box where it knows the classes; none at all makes it by the one network alone.
        frames: whether to show how each picture came about.
        seed: of anything random.
        options, backbone_options, dataset_options: of the plugin objects, by name.
    """

    classes: tuple[str, ...] = ()
    dataset: str | None = None
    judges: tuple[str, ...] = ()
    companions: tuple[str, ...] | None = None
    frames: bool = False
    seed: int = 0
    options: Mapping[str, object] = field(default_factory=dict)
    backbone_options: Mapping[str, object] = field(default_factory=dict)
    dataset_options: Mapping[str, object] = field(default_factory=dict)


def visualize(
    name: str,
    model: str,
    images: Sequence[Predictable] = (),
    options: VisualizeOptions | None = None,
    *,
    registry: Registry,
    cache_directory: Path | None = None,
    progress: Progress = silent,
    rescue: Callable[[Visualization], None] | None = None,
) -> Visualization:
    """Look into a network with a visualizer.

    Args:
        name: of the visualizer; ``tl visualizers`` lists them.
        model: a backbone with its own classifier, or a bundle's directory.
        images: paths, encoded bytes or image sources.
        options: classes, dataset, judges, companions, seed and the plugin objects' own options.
        registry: where names are looked up.
        cache_directory: where pooled features are kept, for visualizers that need them; None keeps none.
        progress: told how far it is.
        rescue: given the best so far where Ctrl-C interrupts the work; see `Visualizer.visualize`.

    Returns:
        the pictures as arrays, and a record of everything needed to make them again.

    Raises:
        TlcoreError: of many kinds, where a name, a class, an image or an option is not what it should be.

    Example::

        result = visualize("ideal", "mini", options=VisualizeOptions(classes=("zebra",)), registry=Registry())
        result.pictures[0].pixels  # (height, width, 3), uint8
    """
    from tlcore.subject import make_subject

    asked = options or VisualizeOptions()
    visualizer = registry.visualizer(name, asked.options)
    spec = registry.resolve("visualizer", name).offer.spec
    assert isinstance(spec, VisualizerSpec)
    subject = make_subject(model, registry, asked.backbone_options, needs_classifier=spec.needs_classifier)
    classes = tuple(subject.find_class(text) for text in asked.classes)
    companions = find_companions(asked.companions, spec, subject, classes, registry)
    encoded = [(told, read_image(source, told)) for told, source in map(image_source, images)]
    dataset = registry.dataset(asked.dataset, asked.dataset_options) if asked.dataset is not None else None
    request = VisualizationRequest(
        images=tuple(decode_image(data, told) for told, data in encoded),
        image_names=tuple(told for told, _ in encoded),
        classes=classes,
        dataset=dataset,
        judges=tuple(make_subject(judge, registry) for judge in asked.judges),
        companions=companions,
        frames=asked.frames,
        seed=asked.seed,
        cache_directory=cache_directory,
        progress=progress,
    )
    record = _record(name, subject, request, asked, registry)
    record["images"] = [
        {"name": told, "size": list(image.size), "sha256": hashlib.sha256(data).hexdigest()}
        for (told, data), image in zip(encoded, request.images, strict=True)
    ]
    started = time.monotonic()

    def complete(result: Visualization) -> Visualization:
        seconds = round(time.monotonic() - started, 3)
        return replace(result, record={**record, "seconds": seconds, "result": dict(result.record)})

    wrapped = None if rescue is None else lambda result: rescue(complete(result))
    return complete(visualizer.visualize(subject, request, rescue=wrapped))


def _record(
    name: str, subject: Subject, request: VisualizationRequest, asked: VisualizeOptions, registry: Registry
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "visualizer": name,
        "options": plain_options(asked.options),
        "model": {"name": subject.name, "preprocess": subject.preprocess.to_dict(), **subject.record},
        "classes": [{"index": index, "name": subject.class_name(index)} for index in request.classes],
        "judges": [{"name": judge.name, **judge.record} for judge in request.judges],
        "companions": [{"name": companion.name, **companion.record} for companion in request.companions],
        "dataset": _dataset_record(request.dataset, asked.dataset_options),
        "frames": request.frames,
        "seed": request.seed,
        "plugins": plugins_used(registry, visualizer=name),
        "versions": package_versions(),
    }


def _dataset_record(dataset: Dataset | None, options: Mapping[str, object]) -> dict[str, Any] | None:
    if dataset is None:
        return None
    return {"name": dataset.name, "digest": dataset.digest, "options": plain_options(options)}
