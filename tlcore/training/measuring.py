"""How good a fitted head is on the images held out, and whether it is the layer it says it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from tlcore.backbone import Backbone
from tlcore.errors import BundleError
from tlcore.features import FeatureSet
from tlcore.head import FittedHead
from tlcore.metrics import Metrics, fit_temperature, measure
from tlcore.softmax import softmax


def measure_head(
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


def check_folded(backbone: Backbone, head: FittedHead, train: FeatureSet) -> None:
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


def majority(features: Mapping[str, FeatureSet]) -> float:
    """Return the share of the largest class among the images measured, in (0, 1]."""
    measured = features["test"] if features["test"].samples else features["train"]
    return Counter(measured.labels.tolist()).most_common(1)[0][1] / len(measured.samples)
