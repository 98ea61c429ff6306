"""A head that scores by distance to class means, with a fault on request."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
from faulty_plugin import Faulty

from tlcore.errors import HeadError
from tlcore.head import FittedHead, Head, HeadData, HeadFit
from tlcore.progress import Progress, ProgressEvent
from tlcore.specs import NoOptions


def create(argument: str | None, options: Faulty) -> Means:
    """Make the head."""
    return Means(getattr(options, "fault", "none"))


def bare(argument, options):  # type: ignore[no-untyped-def]
    return Means("none")


def crash(argument: str | None, options: NoOptions) -> Means:
    """Fail on a wrong argument with an error that says nothing."""
    raise KeyError(argument)


def mutter(argument: str | None, options: NoOptions) -> Means:
    """Refuse a wrong argument without saying which."""
    raise HeadError("no")


def ramble(argument: str | None, options: NoOptions) -> Means:
    """Refuse a wrong argument in two lines."""
    raise HeadError(f"no\n{argument}")


class FittedMeans(FittedHead):
    def __init__(self, means: np.ndarray, fault: str) -> None:
        self._means = means
        self._fault = fault

    @property
    def classes(self) -> int:
        return len(self._means)

    def compute_logits(self, features: np.ndarray) -> np.ndarray:
        weight, bias = self._layer()
        logits = features @ weight.T + bias
        if self._fault == "batch":
            logits = logits - logits.mean(axis=0)
        if self._fault == "blind":
            logits = np.zeros_like(logits)
        if self._fault == "process":
            logits = logits * os.getpid()
        return logits.astype(np.float64) if self._fault == "float64" else logits

    def tensors(self) -> Mapping[str, np.ndarray]:
        if self._fault == "objects":
            return {"means": np.array([None, {}])}
        return {"means": self._means * (2 if self._fault == "tensors" else 1)}

    def linear(self) -> tuple[np.ndarray, np.ndarray] | None:
        return None if self._fault.startswith("module") else self._layer()

    def _layer(self) -> tuple[np.ndarray, np.ndarray]:
        bias = -0.5 * np.square(self._means).sum(axis=1)
        return self._means, bias

    def torch_module(self):  # type: ignore[no-untyped-def]
        import torch

        weight, bias = self._layer()
        module = torch.nn.Linear(weight.shape[1], len(bias))
        module.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
        return module if self._fault == "module-sound" else torch.nn.Sequential(module, torch.nn.Tanh())


class MisfoldedMeans(FittedMeans):
    def compute_logits(self, features: np.ndarray) -> np.ndarray:
        return super().compute_logits(features) * np.float32(3)


class Means(Head):
    def __init__(self, fault: str) -> None:
        self._fault = fault
        if fault == "seeds":
            np.random.seed(3)

    def compute_fit(self, train: HeadData, validation: HeadData, classes: int, *, seed: int, progress: Progress) -> HeadFit:
        try:
            progress(ProgressEvent("means", 0, 1))
        except Exception:
            if self._fault != "deaf":
                raise
        means = np.zeros((classes, train.features.shape[1]), np.float32)
        for label in range(classes):
            rows = train.features[train.labels == label]
            if self._fault == "needs-all" and not len(rows):
                raise ValueError("a class has no image")
            if len(rows):
                means[label] = rows.mean(axis=0)
        if self._fault == "unseeded":
            means += np.random.default_rng().random(means.shape, np.float32)
        if self._fault == "writes":
            train.features[:] = 0
        made = (MisfoldedMeans if self._fault == "folded" else FittedMeans)(means, self._fault)
        logits = made.compute_logits(validation.features)
        if self._fault == "peeks":
            logits = np.eye(classes, dtype=np.float32)[validation.labels]
        empty = not len(validation.labels) and self._fault != "empty-logits"
        if self._fault == "short-logits":
            logits = logits[:-1]
        record = {"means": means} if self._fault == "record" else {"means": int(classes)}
        return HeadFit(head=made, validation_logits=None if empty else logits, record=record)

    def restore(self, tensors: Mapping[str, np.ndarray]) -> FittedMeans:
        if self._fault == "key-error":
            return FittedMeans(tensors["means"], self._fault)
        if "means" not in tensors and self._fault != "anything":
            raise HeadError("is restored from\n'means'" if self._fault == "two-lines" else "is restored from 'means'")
        return FittedMeans(tensors.get("means", np.zeros((2, 2), np.float32)), self._fault)
