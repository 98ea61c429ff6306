"""Predictions and models made for the tests of evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tlcore import Preprocess, Registry
from tlcore.dataset import ALL, Dataset, Sample
from tlcore.evaluation.model import Embedded, EvaluatedModel, ModelFacts
from tlcore.evaluation.predictions import Predictions
from tlcore.head import Head
from tlcore.images import BytesImage, encode_png
from tlcore.progress import Progress
from tlcore.softmax import softmax


def made_predictions(images: int = 300, classes: int = 7, seed: int = 0, signal: float = 1.5) -> Predictions:
    """Answers of a middling model; the last class has few images."""
    random = np.random.default_rng(seed)
    weights = np.linspace(2, 0.3, classes)
    labels = random.choice(classes, images, p=weights / weights.sum())
    logits = random.normal(size=(images, classes)) + signal * np.eye(classes)[labels]
    return Predictions(
        class_names=tuple(f"class {index}" for index in range(classes)),
        samples=tuple(Sample(BytesImage(b""), f"{index}.png", int(label)) for index, label in enumerate(labels)),
        probabilities=softmax(1.4 * logits.astype(np.float32)),
    )


class MadeModel(EvaluatedModel):
    """A model whose answers are given, image by image, by name."""

    def __init__(
        self, classes: Sequence[str], logits: Mapping[str, np.ndarray], features: Mapping[str, np.ndarray] | None = None
    ) -> None:
        self._classes, self._logits, self._features = tuple(classes), logits, features

    @property
    def facts(self) -> ModelFacts:
        return ModelFacts(
            name="made",
            kind="bundle",
            classes=self._classes,
            preprocess=Preprocess(image_size=(8, 8)),
            temperature=1.0,
            provenance={"head": {"name": "linear", "regularisation": 1.0, "validation_log_loss": {"0.1": 0.5, "1": 0.3}}},
        )

    @property
    def split(self) -> Mapping[str, frozenset[str]]:
        return {"train": frozenset()}

    @property
    def head(self) -> Head:
        return Registry().head("linear")

    def embed(
        self, samples: Sequence[Sample], *, cache_directory: Path | None, strict: bool, progress: Progress, stage: str
    ) -> Embedded:
        features = self._features
        return Embedded(
            samples=tuple(samples),
            digests=tuple(f"{stage} {sample.name}" for sample in samples),
            logits=np.stack([self._logits[sample.name] for sample in samples]).astype(np.float32),
            features=np.stack([features[sample.name] for sample in samples]).astype(np.float32) if features else None,
            left_out=(),
        )

    def cached_features(self, digests: Sequence[str]) -> Mapping[str, np.ndarray]:
        return {}

    def logits(self, images: np.ndarray) -> np.ndarray:
        return np.zeros((len(images), len(self._classes)), np.float32)

    def activation_maps(self, images: np.ndarray) -> np.ndarray | None:
        return images[:, ::4, ::4, 0].astype(np.float32) - 100


def made_dataset(
    classes: Sequence[str], labels: Sequence[int], metadata: Sequence[tuple[tuple[str, str], ...]] | None = None
) -> Dataset:
    """Images of one colour each, named by number."""
    pictures = [encode_png(Image.new("RGB", (12, 9), (40 * (label % 6), 90, 200))) for label in range(len(classes))]
    samples = tuple(
        Sample(BytesImage(pictures[label]), f"{index}.png", label, None, metadata[index] if metadata else ())
        for index, label in enumerate(labels)
    )
    return Dataset(name="made", class_names=tuple(classes), splits={ALL: samples})
