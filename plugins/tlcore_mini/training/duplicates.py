"""Which training photos must go because a measuring photo is the same file or nearly the same picture."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from tlcore_mini.training.photos import Photo, decode

THUMBNAIL_SIZE = 16


@dataclass(frozen=True, kw_only=True)
class DuplicateSettings:
    """Two photos are near duplicates when their 16x16 RGB thumbnails (or a mirrored one) differ by less than
    `largest_difference` grey levels on average, or correlate by more than `smallest_correlation`.

    The limits are wide on purpose: a training photo too many costs nothing, one that leaks spoils a figure.
    """

    largest_difference: float = 6.0
    smallest_correlation: float = 0.975


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """One training photo that was left out, and the measuring photo that is the reason."""

    training: str
    measuring: str
    source: str
    reason: str


def thumbnail(photo: Photo) -> np.ndarray:
    """The photo as (16 * 16 * 3,) float32 in [0, 255]."""
    image = decode(photo).resize((THUMBNAIL_SIZE, THUMBNAIL_SIZE), Image.Resampling.BOX)
    return np.asarray(image, dtype=np.float32).reshape(-1)


def _standardised(thumbnails: np.ndarray) -> np.ndarray:
    centred = thumbnails - thumbnails.mean(axis=1, keepdims=True)
    standardised: np.ndarray = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
    return standardised


def find_exclusions(
    training: list[Photo], measuring: list[Photo], settings: DuplicateSettings = DuplicateSettings()
) -> list[Exclusion]:
    """Every training photo that is byte-identical or nearly identical to a measuring photo (at most one entry each)."""
    digests = {hashlib.sha256(photo.encoded).hexdigest(): photo for photo in measuring}
    measured = np.stack([thumbnail(photo) for photo in measuring])
    mirrored = measured.reshape(-1, THUMBNAIL_SIZE, THUMBNAIL_SIZE, 3)[:, :, ::-1].reshape(len(measured), -1)
    both = np.concatenate([measured, mirrored])
    both_standardised = _standardised(both)
    exclusions = []
    for photo in training:
        same = digests.get(hashlib.sha256(photo.encoded).hexdigest())
        if same is not None:
            exclusions.append(_exclusion(photo, same, "same file"))
            continue
        small = thumbnail(photo)
        correlations = both_standardised @ _standardised(small[None])[0]
        # Only the best-correlated candidates can be nearly equal pictures, unless the picture is flat.
        candidates = np.argsort(correlations)[-8:]
        differences = np.abs(both[candidates] - small).mean(axis=1)
        best = int(candidates[-1])
        closest = int(np.argmin(differences))
        if correlations[best] > settings.smallest_correlation:
            exclusions.append(_exclusion(photo, measuring[best % len(measuring)], f"correlation {correlations[best]:.4f}"))
        elif differences[closest] < settings.largest_difference:
            measuring_photo = measuring[int(candidates[closest]) % len(measuring)]
            exclusions.append(_exclusion(photo, measuring_photo, f"difference {differences[closest]:.2f}"))
    return exclusions


def _exclusion(training: Photo, measuring: Photo, reason: str) -> Exclusion:
    return Exclusion(training=training.identifier, measuring=measuring.identifier, source=measuring.source, reason=reason)
