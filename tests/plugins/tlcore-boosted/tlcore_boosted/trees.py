"""Grown trees as plain arrays: kept in a bundle without a pickle, and run with numpy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from tlcore.errors import HeadError

UNSEEN = -30.0
"""The logit of a class without a training image."""


@dataclass(frozen=True)
class Trees:
    """Trees side by side, padded to one number of nodes; a leaf is its own child.

    Attributes:
        feature, left, right: (trees, nodes) int64.
        threshold: (trees, nodes) float32; a row goes left where its feature is at most this.
        value: (trees, nodes) float32, what a leaf adds to its class.
        tree_class: (trees,) int64.
        prior: (classes,) float32, the logits before any tree.
        depth: (1,) int64, steps from a root to the deepest leaf.
    """

    feature: np.ndarray
    left: np.ndarray
    right: np.ndarray
    threshold: np.ndarray
    value: np.ndarray
    tree_class: np.ndarray
    prior: np.ndarray
    depth: np.ndarray

    @classmethod
    def of(cls, model: Any, classes: int, count: int | None = None) -> Trees:
        """Take the first `count` rounds of a fitted GradientBoostingClassifier; None takes all."""
        grown = model.estimators_[:count]
        binary = len(model.classes_) == 2
        labels = model.classes_[1:] if binary else model.classes_
        parts = [(tree.tree_, int(label)) for round_ in grown for tree, label in zip(round_, labels, strict=True)]
        nodes = max(tree.node_count for tree, _ in parts)
        shape = (len(parts), nodes)
        own = np.broadcast_to(np.arange(nodes, dtype=np.int64), shape)
        feature, left, right = np.zeros(shape, np.int64), own.copy(), own.copy()
        threshold, value = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        for index, (tree, _) in enumerate(parts):
            inner = np.flatnonzero(tree.children_left >= 0)
            feature[index, inner] = tree.feature[inner]
            left[index, inner], right[index, inner] = tree.children_left[inner], tree.children_right[inner]
            threshold[index, inner] = _at_most(tree.threshold[inner])
            value[index, : tree.node_count] = model.learning_rate * tree.value[:, 0, 0]
        prior = np.full(classes, UNSEEN, np.float32)
        shares = model.init_.class_prior_
        prior[model.classes_] = [0.0, np.log(shares[1] / shares[0])] if binary else np.log(shares)
        return cls(
            feature=feature,
            left=left,
            right=right,
            threshold=threshold,
            value=value,
            tree_class=np.array([label for _, label in parts], np.int64),
            prior=prior,
            depth=np.array([max(tree.max_depth for tree, _ in parts)], np.int64),
        )

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Return the logits of features, (images, features) float32: (images, classes) float32."""
        rows, trees = np.arange(len(features))[:, None], np.arange(len(self.feature))[None, :]
        node = np.zeros((len(features), len(self.feature)), np.int64)
        for _ in range(int(self.depth[0])):
            goes_left = features[rows, self.feature[trees, node]] <= self.threshold[trees, node]
            node = np.where(goes_left, self.left[trees, node], self.right[trees, node])
        one_hot = np.eye(len(self.prior), dtype=np.float32)[self.tree_class]
        return self.prior + self.value[trees, node] @ one_hot

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray]) -> Trees:
        """Make trees from what `tensors` returned; raises `HeadError` where arrays are missing."""
        names = {field.name for field in fields(cls)}
        if set(tensors) != names:
            raise HeadError(f"boosted trees are restored from {', '.join(sorted(names))}, got {', '.join(sorted(tensors))}")
        return cls(**tensors)


def _at_most(thresholds: np.ndarray) -> np.ndarray:
    """Return the largest float32 values not above the thresholds: float32 features compare as with the exact ones."""
    nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest).astype(np.float32)
