"""Accuracy of `tl train` with its linear head, beside scikit-learn's LogisticRegression on the same features and split.

python -m tests.benchmarks.linear_head PHOTOS BACKBONE [BACKBONE ...]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from sklearn.linear_model import LogisticRegressionCV
from sklearn.preprocessing import StandardScaler

from tlcore import Registry, TrainOptions, extract_features, train
from tlcore.features.feature_cache import FeatureCache, FeatureKey
from tlcore.metrics import Share


def main() -> None:
    """Train each backbone and print test accuracy and head time of both."""
    parser = argparse.ArgumentParser()
    parser.add_argument("photos")
    parser.add_argument("backbones", nargs="+")
    arguments = parser.parse_args()
    registry = Registry()
    dataset = {sample.name: sample for sample in registry.dataset(arguments.photos).samples}
    with tempfile.TemporaryDirectory() as directory:
        for name in arguments.backbones:
            cache = Path(directory)
            options = TrainOptions(backbone=name)
            cold = train(arguments.photos, cache / "bundle", options, registry=registry, cache_directory=cache)
            warm = train(arguments.photos, cache / "bundle", options, registry=registry, cache_directory=cache)
            info = warm.bundle.backbone.info
            key = FeatureKey(weights_digest=info.weights_digest, preprocess=info.preprocess, feature_size=info.feature_size)
            split = warm.bundle.split
            learnt, held_out = (
                extract_features([dataset[n] for n, _ in entries], warm.bundle.backbone, cache=FeatureCache(cache, key))
                for entries in ([*split["train"], *split["validation"]], split["test"])
            )
            started = time.perf_counter()
            scaler = StandardScaler().fit(learnt.features)
            theirs = LogisticRegressionCV(Cs=13, cv=3, max_iter=1000, use_legacy_attributes=False)
            theirs.fit(scaler.transform(learnt.features), learnt.labels)
            seconds = time.perf_counter() - started
            correct = int((theirs.predict(scaler.transform(held_out.features)) == held_out.labels).sum())
            reference = Share.of(correct, len(held_out.labels))
            print(f"{info.architecture}: tlcore {warm.metrics['test'].top1}, scikit-learn {reference}")
            print(f"  seconds: cold {cold.seconds:.1f}, cached {warm.seconds:.1f}, scikit-learn's fit alone {seconds:.1f}")


if __name__ == "__main__":
    main()
