"""The cosine head: a softmax over scaled cosines between the image's features and one learned direction per class.

Source: Gidaris and Komodakis 2018, Dynamic few-shot visual learning without forgetting; Chen et al. 2019, A closer look at
few-shot classification (Baseline++). Directions start at the class means (Qi et al. 2018, Low-shot learning with imprinted
weights). Where these train by gradient steps and learn the scale, here L-BFGS finds the directions and the scale is chosen
on the validation images; features are centred by the training images' mean, as `prototype` does.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32, Float64, Int64
from scipy.optimize import minimize

from tlcore.head import Head, HeadData, HeadFit
from tlcore.progress import Progress, ProgressEvent
from tlcore_heads.directions import Directions, FittedDirections, restore_directions, spread
from tlcore_heads.loss import log_loss
from tlcore_heads.options import CosineOptions

SCALES = (2.5, 5.0, 10.0, 20.0, 40.0)
"""What is tried for the scale; the larger, the closer the training images can be fitted."""

WITHOUT_VALIDATION = 10.0
"""The scale where there is no validation image to choose by (Gidaris and Komodakis's start)."""

_SHORTEST = 1e-3
"""Directions shorter than this count as this long; only classes whose images all lie at the centre have such."""


def create(argument: str | None, options: CosineOptions) -> CosineHead:
    """Make the head."""
    return CosineHead(options)


class CosineHead(Head):
    """Softmax over scaled cosines; see the module's text."""

    def __init__(self, options: CosineOptions) -> None:
        self._options = options

    def compute_fit(self, train: HeadData, validation: HeadData, classes: int, *, seed: int, progress: Progress) -> HeadFit:
        given = self._options.scale
        scales = (given,) if given is not None else SCALES if len(validation.labels) else (WITHOUT_VALIDATION,)
        tried: list[tuple[float, float, np.ndarray]] = []
        for done, scale in enumerate(scales if len(validation.labels) else ()):
            progress(ProgressEvent("cosine head", done, len(scales) + 1))
            logits = self._fit(train, classes, scale).compute_logits(validation.features)
            tried.append((log_loss(logits, validation.labels), scale, logits))
        progress(ProgressEvent("cosine head", len(scales), len(scales) + 1))
        _, chosen, logits_chosen = min(tried, key=lambda entry: entry[0]) if tried else (0.0, scales[0], None)
        record: dict[str, object] = {"scale": chosen}
        if tried:
            record["validation_log_loss"] = {f"{scale:g}": round(loss, 6) for loss, scale, _ in tried}
        fitted = self._fit(train.joined(validation), classes, chosen)
        progress(ProgressEvent("cosine head", len(scales) + 1, len(scales) + 1))
        return HeadFit(head=fitted, validation_logits=logits_chosen, record=record)

    def restore(self, tensors: Mapping[str, np.ndarray]) -> FittedDirections:
        return restore_directions(tensors, "cosine")

    def _fit(self, data: HeadData, classes: int, scale: float) -> FittedDirections:
        directions = Directions.of(data.features)
        present, labels = np.unique(data.labels, return_inverse=True)
        points = directions.apply(data.features)
        means = np.stack([points[labels == label].mean(axis=0) for label in range(len(present))]).astype(np.float64)
        lengths = np.maximum(np.linalg.norm(means, axis=1, keepdims=True), _SHORTEST)
        loss = _CosineLoss(points, labels, scale, means.shape)
        options = {"maxiter": self._options.max_iterations, "maxcor": 20, "ftol": 1e-7, "gtol": 1e-6}
        found = minimize(loss, (means / lengths).ravel(), jac=True, method="L-BFGS-B", options=options)
        unit, _ = _unit(np.asarray(found.x).reshape(means.shape))
        # A class without images is as far as a direction can be, whatever the image.
        weight, bias = spread(
            (scale * unit).astype(np.float32), np.zeros(len(present), np.float32), present, classes, -scale
        )
        return FittedDirections(directions, weight, bias)


def _unit(weight: Float64[np.ndarray, "classes features"]) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of length 1, and the lengths they had, (classes, 1)."""
    lengths = np.maximum(np.linalg.norm(weight, axis=1, keepdims=True), _SHORTEST)
    return weight / lengths, lengths


class _CosineLoss:
    """Mean cross-entropy of scaled cosines and its gradient, at flat weights."""

    def __init__(
        self,
        points: Float32[np.ndarray, "images features"],
        labels: Int64[np.ndarray, " images"],
        scale: float,
        shape: tuple[int, int],
    ) -> None:
        self._points = points
        self._labels = labels
        self._rows = np.arange(len(labels))
        self._scale = scale
        self._shape = shape

    def __call__(self, flat: np.ndarray) -> tuple[float, np.ndarray]:
        unit, lengths = _unit(flat.reshape(self._shape))
        logits = self._scale * (self._points @ unit.T.astype(np.float32)).astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        sums = np.exp(logits).sum(axis=1, keepdims=True)
        loss = float(np.mean(np.log(sums[:, 0]) - logits[self._rows, self._labels]))
        errors = np.exp(logits) / sums
        errors[self._rows, self._labels] -= 1.0
        towards = (errors.T.astype(np.float32) @ self._points).astype(np.float64) * (self._scale / len(self._labels))
        along = (towards * unit).sum(axis=1, keepdims=True)
        return loss, ((towards - along * unit) / lengths).ravel()
