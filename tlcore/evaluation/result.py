"""What an evaluation found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tlcore.dataset import LeftOut, Sample
from tlcore.evaluation.abstention import Abstention
from tlcore.evaluation.calibration import ReliabilityBin
from tlcore.evaluation.classes import ClassMatch
from tlcore.evaluation.confusion import ConfusedPair, confused_cells
from tlcore.evaluation.curves import Curves
from tlcore.evaluation.label_errors import LabelErrorReport
from tlcore.evaluation.mistakes import Case
from tlcore.evaluation.model import EvaluatedModel
from tlcore.evaluation.novelty import Novelty
from tlcore.evaluation.predictions import Predictions
from tlcore.evaluation.quality import Quality
from tlcore.evaluation.slices import Slice
from tlcore.evaluation.views import TestTimeResult
from tlcore.metrics import Metrics


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a model is worth on a dataset.

    Attributes:
        model: what was measured.
        dataset: the dataset's name.
        split: which of its splits was measured.
        images: how many images were measured.
        seen: how many were passed over because the model was trained on the same file.
        left_out: images that could not be read.
        unmeasured: images left out because the model does not know their class.
        match: how the dataset's classes stand to the model's.
        metrics: accuracy, each class's recall, and the confusion matrix.
        quality: all other headline numbers, and precision, recall and F1 of each class.
        reliability: the reliability diagram.
        curves: ROC and precision-recall curves.
        confused: the pairs of classes confused most.
        abstention: what is gained by answering only where the model is sure.
        top_losses: the wrongly classified images whose true class got least probability.
        least_confident: the images whose two likeliest classes are closest.
        slices: accuracy by metadata column.
        label_errors: images whose label is probably wrong.
        novelty: how unlike the training images the images are; None where `novelty_missing` says why.
        unfamiliar: the least familiar images.
        test_time: what averaging over views changes; None where it was not asked for.
        notes: what a person should know, one line each.
        settings: how it was measured, JSON-ready.
        predictions: all that was measured, for those who want to measure more.
        samples: name to image, of all images that were read.
    """

    model: EvaluatedModel = field(repr=False)
    dataset: str
    split: str
    images: int
    seen: int
    left_out: tuple[LeftOut, ...]
    unmeasured: int
    match: ClassMatch = field(repr=False)
    metrics: Metrics
    quality: Quality
    reliability: tuple[ReliabilityBin, ...] = field(repr=False)
    curves: Curves = field(repr=False)
    confused: tuple[ConfusedPair, ...] = field(repr=False)
    abstention: Abstention = field(repr=False)
    top_losses: tuple[Case, ...] = field(repr=False)
    least_confident: tuple[Case, ...] = field(repr=False)
    slices: tuple[Slice, ...] = field(repr=False)
    label_errors: LabelErrorReport = field(repr=False)
    novelty: Novelty | None = field(repr=False)
    novelty_missing: str
    unfamiliar: tuple[Case, ...] = field(repr=False)
    test_time: TestTimeResult | None
    notes: tuple[str, ...]
    settings: Mapping[str, Any] = field(repr=False)
    predictions: Predictions = field(repr=False)
    samples: Mapping[str, Sample] = field(repr=False)

    def _repr_html_(self) -> str:
        from tlcore.display.notebook import evaluation_html

        return evaluation_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the evaluation as JSON-ready values.

        Confusion is given as a table up to 100 classes, and always as (true, predicted, count) where images were counted.
        """
        measures = self.metrics.to_dict()
        if len(self.match.names) > 100:
            measures["confusion"] = None
        return {
            "model": self.model_dict(),
            "dataset": self.dataset,
            "split": self.split,
            "images": self.images,
            "seen": self.seen,
            "unmeasured": self.unmeasured,
            "left_out": [{"name": entry.name, "reason": entry.reason} for entry in self.left_out],
            "classes": list(self.match.names),
            "unknown_classes": list(self.match.unknown),
            "absent_classes": list(self.match.absent),
            "notes": list(self.notes),
            "metrics": measures,
            "quality": self.quality.to_dict(),
            "reliability": [entry.to_dict() for entry in self.reliability],
            "curves": self.curves.to_dict(),
            "confusion_cells": [list(cell) for cell in confused_cells(self.predictions)],
            "most_confused": [pair.to_dict() for pair in self.confused],
            "abstention": self.abstention.to_dict(),
            "top_losses": [case.to_dict() for case in self.top_losses],
            "least_confident": [case.to_dict() for case in self.least_confident],
            "slices": [entry.to_dict() for entry in self.slices],
            "label_errors": self.label_errors.to_dict(),
            "novelty": self.novelty.to_dict() if self.novelty else None,
            "novelty_missing": self.novelty_missing,
            "unfamiliar": [case.to_dict() for case in self.unfamiliar],
            "test_time": self.test_time.to_dict() if self.test_time else None,
            "settings": dict(self.settings),
            "predictions": self._image_rows(),
        }

    def model_dict(self) -> dict[str, Any]:
        """Return what the model says of itself as JSON-ready values."""
        facts = self.model.facts
        return {
            "name": facts.name,
            "kind": facts.kind,
            "temperature": facts.temperature,
            "preprocess": facts.preprocess.to_dict(),
            "provenance": dict(facts.provenance),
        }

    def _image_rows(self) -> list[dict[str, Any]]:
        """Return name, true class, predicted class and their probabilities of every measured image."""
        predictions = self.predictions
        names = predictions.class_names
        novelty = self.novelty.scores.tolist() if self.novelty is not None else [None] * self.images
        rows = zip(
            predictions.samples,
            predictions.labels.tolist(),
            predictions.predicted.tolist(),
            predictions.confidence.tolist(),
            predictions.true_probability.tolist(),
            novelty,
            strict=True,
        )
        return [
            {
                "name": sample.name,
                "true": names[label],
                "predicted": names[predicted],
                "probability": confidence,
                "true_probability": true_probability,
                "novelty": score,
            }
            for sample, label, predicted, confidence, true_probability, score in rows
        ]
