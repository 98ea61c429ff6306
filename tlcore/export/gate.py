"""The gate: an exported file is let out only if it gives the bundle's answers on real images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tlcore.bundle import Bundle
from tlcore.errors import ExportError
from tlcore.export.images import LabelledImages
from tlcore.exported.classifier import Classifier

BATCHES = (1, 2, 5)
"""Numbers of images per call at which the answers must agree."""


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far answers may differ.

    Attributes:
        relative: of logits and features: largest difference over largest magnitude.
        probability: largest difference of a probability.
    """

    relative: float = 1e-4
    probability: float = 1e-4


HALF = Tolerance(relative=2e-2, probability=2e-2)
"""For float16, which keeps 11 bits of each number."""


def prove(classifier: Classifier, bundle: Bundle, golden: LabelledImages, tolerance: Tolerance) -> Mapping[str, float | int]:
    """Compare a file's answers with its bundle's; returns what was measured.

    Checked: pixels equal; logits and features at batches of 1, 2 and 5; the likeliest class of every image; probabilities;
    and that the activation map averages to the logit it explains.

    Raises:
        ExportError: one of them differs by more than `tolerance`.
    """
    _check_labels(classifier, bundle)
    decoded = np.stack([classifier.pixels(data) for data in golden.encoded])
    levels = int(np.abs(decoded.astype(np.int16) - golden.pixels.astype(np.int16)).max())
    if levels > 0:
        raise ExportError(f"the exported file's pixels differ from the training pipeline's by {levels} levels of 255")
    expected = bundle.logits(golden.pixels)
    expected_features = bundle.backbone.features(golden.pixels)
    probabilities = bundle.probabilities(expected)
    worst = {"logit_error": 0.0, "feature_error": 0.0, "probability_error": 0.0}
    for batch in BATCHES:
        found = _run(classifier, decoded, batch)
        measured = {
            "logit_error": _relative(found["logits"], expected),
            "feature_error": _relative(found["features"], expected_features),
            "probability_error": float(np.abs(found["probabilities"] - probabilities).max()),
        }
        worst = {name: max(value, measured[name]) for name, value in worst.items()}
        changed = np.flatnonzero(found["logits"].argmax(axis=1) != expected.argmax(axis=1))
        if len(changed):
            raise ExportError(
                f"at batch {batch} the exported network names another class than the bundle for {len(changed)} of "
                f"{len(golden)} images (relative logit error {measured['logit_error']:.1e})"
            )
    _check_errors(worst, tolerance)
    if "activation_map" in classifier.outputs:
        worst["activation_map_error"] = _map_error(classifier, bundle, decoded, tolerance)
    return {"images": len(golden), "pixel_levels": levels, **{name: float(f"{value:.3g}") for name, value in worst.items()}}


def _check_labels(classifier: Classifier, bundle: Bundle) -> None:
    if classifier.labels != bundle.record.classes:
        raise ExportError("the exported file's labels are not the bundle's classes in their order")
    if classifier.preprocess != bundle.record.preprocess:
        raise ExportError("the exported file's preprocess record is not the bundle's")


def _check_errors(worst: Mapping[str, float], tolerance: Tolerance) -> None:
    for name, value in worst.items():
        allowed = tolerance.probability if name == "probability_error" else tolerance.relative
        if not value <= allowed:
            told = name.replace("_error", "s").replace("ys", "ies")
            raise ExportError(
                f"the exported network's {told} differ from the bundle's by {value:.1e}, more than {allowed:.0e}"
            )


def _run(classifier: Classifier, pixels: np.ndarray, batch: int) -> dict[str, np.ndarray]:
    names = ("probabilities", "logits", "features")
    parts = [classifier.run(pixels[start : start + batch], names) for start in range(0, len(pixels), batch)]
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def _relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / max(1e-12, float(np.abs(expected).max())))


def _map_error(classifier: Classifier, bundle: Bundle, pixels: np.ndarray, tolerance: Tolerance) -> float:
    """Return how far the map's mean plus the class's bias is from the class's logit, relative to the largest term."""
    linear = bundle.head.linear()
    assert linear is not None
    found = classifier.run(pixels, ("logits", "activation_map"))
    top = found["logits"].argmax(axis=1)
    explained = found["activation_map"].mean(axis=(1, 2)) + linear[1][top]
    logits = found["logits"][np.arange(len(top)), top]
    scale = max(1e-12, float(np.abs(found["activation_map"]).max()), float(np.abs(logits).max()))
    error = float(np.abs(explained - logits).max() / scale)
    if not error <= tolerance.relative * 10:
        raise ExportError(f"the activation map does not average to the logit it explains: relative error {error:.1e}")
    return error
