"""Finding the training images that unfamiliar ones are told by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32

from tlcore.dataset import Dataset
from tlcore.evaluation.model import Embedded, EvaluatedModel
from tlcore.evaluation.novelty import Novelty, measure_novelty
from tlcore.progress import Progress

_LEAST_REFERENCE = 20


@dataclass(frozen=True)
class Familiarity:
    """How unlike the training images the images are, or why it cannot be said."""

    novelty: Novelty | None
    missing: str = ""


def judge_familiarity(
    model: EvaluatedModel,
    found: Embedded,
    fresh: Bool[np.ndarray, " images"],
    reference: Dataset | None,
    *,
    false_alarm_rate: float,
    strict: bool,
    cache_directory: Path | None,
    progress: Progress,
) -> Familiarity:
    """Measure how unlike the training images the measured images are.

    The training images' features come from `reference`, else from the cache, else from the images of the dataset that were
    trained on.

    Args:
        model: that made the features.
        found: the images that were read.
        fresh: which of them are measured.
        reference: the data the model was trained on, or None.
        false_alarm_rate: share of familiar images that may count as unfamiliar.
        strict: raise on an unreadable image.
        cache_directory: where features are kept.
        progress: told how far it is.
    """
    if found.features is None:
        return Familiarity(None, "the model gives no features")
    if reference is not None:
        train, held_out = _of_dataset(model, reference, found, fresh, strict, cache_directory, progress)
    else:
        train, held_out = _of_split(model, found)
    if len(train) < _LEAST_REFERENCE:
        return Familiarity(
            None,
            f"the features of {len(train)} training images are at hand, and {_LEAST_REFERENCE} are needed; "
            f"--reference TRAINING-DATA gives them",
        )
    return Familiarity(measure_novelty(found.features[fresh], train, held_out, false_alarm_rate=false_alarm_rate))


def _of_split(
    model: EvaluatedModel, found: Embedded
) -> tuple[Float32[np.ndarray, "trained features"], Float32[np.ndarray, "held features"]]:
    """Return features of the images a bundle was trained on and chose its settings by, as far as they are known."""
    assert found.features is not None
    here = dict(zip(found.digests, found.features, strict=True))
    parts = []
    for name in ("train", "validation"):
        digests = sorted(model.split.get(name, ()))
        cached = model.cached_features([digest for digest in digests if digest not in here])
        rows = [here.get(digest, cached.get(digest)) for digest in digests]
        parts.append(_stacked([row for row in rows if row is not None], found.features.shape[1]))
    return parts[0], parts[1]


def _of_dataset(
    model: EvaluatedModel,
    reference: Dataset,
    found: Embedded,
    fresh: Bool[np.ndarray, " images"],
    strict: bool,
    cache_directory: Path | None,
    progress: Progress,
) -> tuple[Float32[np.ndarray, "trained features"], Float32[np.ndarray, "held features"]]:
    """Return features of the reference's images, those that are measured excepted; a validation split is held out."""
    measured = {digest for digest, own in zip(found.digests, fresh.tolist(), strict=True) if own}
    held = model.split.get("validation", frozenset())
    train: list[np.ndarray] = []
    held_out: list[np.ndarray] = []
    for name, samples in reference.splits.items():
        if name == "test":
            continue
        part = model.embed(
            samples, cache_directory=cache_directory, strict=strict, progress=progress, stage=f"reference {name}"
        )
        assert part.features is not None
        for digest, row in zip(part.digests, part.features, strict=True):
            if digest not in measured:
                (held_out if name == "validation" or digest in held else train).append(row)
    assert found.features is not None
    return _stacked(train, found.features.shape[1]), _stacked(held_out, found.features.shape[1])


def _stacked(rows: list[np.ndarray], size: int) -> np.ndarray:
    return np.stack(rows) if rows else np.empty((0, size), np.float32)
