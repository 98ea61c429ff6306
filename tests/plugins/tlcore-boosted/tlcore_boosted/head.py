"""The head: scikit-learn grows the trees, `Trees` keeps and runs them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier

from tlcore.head import FittedHead, Head, HeadData, HeadFit
from tlcore.progress import Progress, ProgressEvent
from tlcore_boosted import BoostedOptions
from tlcore_boosted.trees import Trees


def create(argument: str | None, options: BoostedOptions) -> BoostedHead:
    """Make the head."""
    return BoostedHead(options)


class FittedBoosted(FittedHead):
    """Trees whose sums are the logits."""

    def __init__(self, trees: Trees) -> None:
        self._trees = trees

    @property
    def classes(self) -> int:
        return len(self._trees.prior)

    def compute_logits(self, features: np.ndarray) -> np.ndarray:
        return self._trees.logits(features)

    def tensors(self) -> Mapping[str, np.ndarray]:
        return self._trees.tensors()

    def torch_module(self):  # type: ignore[no-untyped-def]
        """Return the trees as a torch module from features to logits, for export."""
        from tlcore_boosted.module import TreesModule

        return TreesModule(self._trees)


class BoostedHead(Head):
    """Gradient boosting (Friedman 2001) with as many trees as are best on the validation images."""

    def __init__(self, options: BoostedOptions) -> None:
        self._options = options

    def compute_fit(self, train: HeadData, validation: HeadData, classes: int, *, seed: int, progress: Progress) -> HeadFit:
        progress(ProgressEvent("boosted head", 0, 2))
        first = self._grow(train, self._options.trees, seed)
        if not len(validation.labels):
            head = FittedBoosted(Trees.of(first, classes))
            return HeadFit(head=head, validation_logits=None, record={"trees": self._options.trees})
        count = _best_count(first, classes, validation)
        logits = Trees.of(first, classes, count).logits(validation.features)
        progress(ProgressEvent("boosted head", 1, 2))
        both = HeadData(
            features=np.concatenate([train.features, validation.features]),
            labels=np.concatenate([train.labels, validation.labels]),
        )
        head = FittedBoosted(Trees.of(self._grow(both, count, seed), classes))
        progress(ProgressEvent("boosted head", 2, 2))
        return HeadFit(head=head, validation_logits=logits, record={"trees": count})

    def restore(self, tensors: Mapping[str, np.ndarray]) -> FittedBoosted:
        return FittedBoosted(Trees.from_tensors(tensors))

    def _grow(self, data: HeadData, trees: int, seed: int) -> GradientBoostingClassifier:
        model = GradientBoostingClassifier(
            n_estimators=trees,
            max_depth=self._options.depth,
            learning_rate=self._options.learning_rate,
            max_features="sqrt",
            random_state=seed,
        )
        return model.fit(data.features, data.labels)


def _best_count(model: GradientBoostingClassifier, classes: int, validation: HeadData) -> int:
    """Return the number of trees with the least log-loss on the validation images."""
    rows = np.arange(len(validation.labels))
    losses = []
    for count in range(1, model.n_estimators_ + 1):
        logits = Trees.of(model, classes, count).logits(validation.features).astype(np.float64)
        shifted = logits - logits.max(axis=1, keepdims=True)
        likelihood = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        losses.append(-likelihood[rows, validation.labels].mean())
    return int(np.argmin(losses)) + 1
