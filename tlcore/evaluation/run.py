"""Measuring a bundle or an ONNX file on labelled images it was not trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tlcore.bundle import Bundle
from tlcore.dataset import Dataset
from tlcore.errors import DatasetError
from tlcore.evaluation.abstention import abstention
from tlcore.evaluation.bundle_model import BundleModel
from tlcore.evaluation.calibration import reliability
from tlcore.evaluation.classes import ClassMatch, choose_split, match_classes
from tlcore.evaluation.confusion import most_confused
from tlcore.evaluation.curves import one_against_rest
from tlcore.evaluation.familiarity import Familiarity, judge_familiarity
from tlcore.evaluation.label_errors import LabelErrorReport, find_label_errors, no_label_errors
from tlcore.evaluation.mistakes import Case, cases, least_confident, top_losses
from tlcore.evaluation.model import Embedded, EvaluatedModel
from tlcore.evaluation.onnx_model import OnnxModel
from tlcore.evaluation.options import EvaluateOptions
from tlcore.evaluation.predictions import Predictions
from tlcore.evaluation.quality import measure_quality
from tlcore.evaluation.result import Evaluation
from tlcore.evaluation.slices import measure_slices
from tlcore.evaluation.views import average_views
from tlcore.exported.classifier import Classifier
from tlcore.metrics import measure
from tlcore.progress import Progress, ProgressEvent, silent
from tlcore.registry import Registry


def evaluate(
    model: Bundle | Classifier,
    dataset: Dataset,
    *,
    split: str | None = None,
    options: EvaluateOptions | None = None,
    reference: Dataset | None = None,
    strict: bool = False,
    engine: str = "auto",
    cache_directory: Path | None = None,
    registry: Registry | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Measure a model on a dataset; images a bundle was trained on, by content, are passed over and counted.

    Args:
        model: what to measure.
        dataset: labelled images; its classes are matched to the model's by name, in whatever order.
        split: which of the dataset's splits; by default ``test``, else ``validation``, else everything.
        options: what to measure; None for the defaults.
        reference: the data the model was trained on, which unfamiliar images are told by; not needed for a bundle whose
            training features are in the cache.
        strict: raise `ImageError` on the first unreadable image instead of leaving it out.
        engine: what runs a bundle's network, ``"auto"``, ``"onnx"``, ``"openvino"`` or ``"torch"``.
        cache_directory: where features are kept; None keeps none.
        registry: where an ONNX file's label errors find their head; None makes one.
        progress: told how far it is.

    Raises:
        DatasetError: classes that are probably misspelt, an unknown split or column, or no image left to measure.
        OptionError: a class map that names what is not there.
        TlcoreError: the model returns numbers that are not finite.
    """
    return evaluate_model(
        _subject(model, engine, registry),
        dataset,
        split=split,
        settings=options if options is not None else EvaluateOptions(),
        reference=reference,
        strict=strict,
        cache_directory=cache_directory,
        progress=progress,
    )


def evaluate_model(
    subject: EvaluatedModel,
    dataset: Dataset,
    *,
    split: str | None,
    settings: EvaluateOptions,
    reference: Dataset | None,
    strict: bool,
    cache_directory: Path | None,
    progress: Progress,
) -> Evaluation:
    """Measure anything that can be evaluated; the arguments are those of `evaluate`."""
    chosen = choose_split(dataset, split)
    match = match_classes(dataset, subject.facts.classes, settings.class_map, settings.unknown_classes)
    samples = match.relabelled(dataset.splits[chosen])
    found = subject.embed(samples, cache_directory=cache_directory, strict=strict, progress=progress, stage="features")
    predictions, fresh = _predictions(subject, dataset, chosen, match, found)
    familiarity = judge_familiarity(
        subject,
        found,
        fresh,
        reference,
        false_alarm_rate=settings.false_alarm_rate,
        strict=strict,
        cache_directory=cache_directory,
        progress=progress,
    )
    unmeasured = len(dataset.splits[chosen]) - len(samples)
    progress(ProgressEvent("measuring", 0, 3))
    quality = measure_quality(predictions, resamples=settings.resamples, seed=settings.seed)
    progress(ProgressEvent("measuring", 1, 3))
    metrics = measure(predictions.padded, predictions.labels, predictions.class_names)
    progress(ProgressEvent("measuring", 2, 3))
    slices = measure_slices(predictions, settings.slices, dataset.name)
    progress(ProgressEvent("measuring", 3, 3))
    return Evaluation(
        model=subject,
        dataset=dataset.name,
        split=chosen,
        images=len(predictions.samples),
        seen=int((~fresh).sum()),
        left_out=(*dataset.left_out, *found.left_out),
        unmeasured=unmeasured,
        match=match,
        metrics=metrics,
        quality=quality,
        reliability=reliability(predictions),
        curves=one_against_rest(predictions, progress),
        confused=most_confused(predictions),
        abstention=abstention(predictions),
        top_losses=top_losses(predictions, settings.shown),
        least_confident=least_confident(predictions, settings.shown),
        slices=slices,
        label_errors=_label_errors(subject, found, match, settings, progress),
        novelty=familiarity.novelty,
        novelty_missing=familiarity.missing,
        unfamiliar=_unfamiliar(predictions, familiarity, settings.shown),
        test_time=average_views(subject, predictions, settings.test_time, strict=strict, progress=progress)
        if settings.test_time != "none"
        else None,
        notes=_notes(subject, match, predictions, unmeasured),
        settings={**asdict(settings), "split": split, "strict": strict},
        predictions=predictions,
        samples={sample.name: sample for sample in found.samples},
    )


def _subject(model: Bundle | Classifier, engine: str, registry: Registry | None) -> EvaluatedModel:
    if isinstance(model, Bundle):
        return BundleModel(model, engine)
    return OnnxModel(model, registry if registry is not None else Registry())


def _predictions(
    subject: EvaluatedModel, dataset: Dataset, split: str, match: ClassMatch, found: Embedded
) -> tuple[Predictions, np.ndarray]:
    """Return what was said of the images that were not trained on, and which those are."""
    trained_on = frozenset[str]().union(*(subject.split.get(name, frozenset()) for name in ("train", "validation")))
    fresh = np.array([digest not in trained_on for digest in found.digests], bool)
    if not fresh.any():
        unknown = len(dataset.splits[split]) - len(found.samples) - len(found.left_out)
        raise DatasetError(
            f"{dataset.name}: no image of split {split!r} is left to measure "
            f"({len(found.samples)} were trained on, {len(found.left_out)} cannot be read"
            + (f", {unknown} are of classes the model does not know)" if unknown else ")")
        )
    samples = tuple(sample for sample, own in zip(found.samples, fresh.tolist(), strict=True) if own)
    logits = found.logits if fresh.all() else found.logits[fresh]
    probabilities = subject.probabilities(logits)
    return Predictions(class_names=match.names, samples=samples, probabilities=probabilities), fresh


def _label_errors(
    subject: EvaluatedModel, found: Embedded, match: ClassMatch, settings: EvaluateOptions, progress: Progress
) -> LabelErrorReport:
    """Look among all images that were read, those trained on included: each is judged by heads that did not see it."""
    if found.features is None:
        return no_label_errors("the model gives no features")
    return find_label_errors(
        found.samples,
        found.features,
        match.names,
        subject.head,
        wanted=settings.label_errors,
        folds=settings.folds,
        seed=settings.seed,
        progress=progress,
    )


def _unfamiliar(predictions: Predictions, familiarity: Familiarity, shown: int) -> tuple[Case, ...]:
    if familiarity.novelty is None:
        return ()
    scores = familiarity.novelty.scores
    return cases(predictions, np.argsort(-scores, kind="stable")[:shown], scores)


def _notes(subject: EvaluatedModel, match: ClassMatch, predictions: Predictions, unmeasured: int) -> tuple[str, ...]:
    notes = []
    if not subject.split:
        notes.append(
            "the file does not say which images it was trained on: any of them among these make the numbers too good"
        )
    if match.unknown:
        images = unmeasured or int((~predictions.knowable).sum())
        how = "are left out" if unmeasured else "count as wrong (--unknown-classes leave-out leaves them out)"
        notes.append(f"the model cannot know {_listed(match.unknown)}: {images:,} images of them {how}")
    if match.unknown and not unmeasured:
        notes.append("log-loss and curves are measured on the images of classes it knows")
    if match.absent:
        notes.append(f"no images of {_listed(match.absent)}: nothing is said of the model on them")
    if len(predictions.samples) < 30:
        notes.append(f"only {len(predictions.samples)} images were measured: read the intervals, not the numbers")
    return tuple(notes)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return f"{', '.join(names[:10])}{more}"
