"""Of labels flipped among real photos, how many lead the list of suspected label errors: at least 80 % are asked for.

Run as ``python -m tests.benchmarks.label_errors PHOTOS BACKBONE [--per-class 1000] [--share 0.05] [--seeds 3]``, for instance
with ``local-dir:weights/mobilenetv2_100``. PHOTOS is a folder per class. Photos that are mislabelled to begin with count
against us.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tlcore import FeatureCache, Registry, Sample, extract_features
from tlcore.evaluation.label_errors import find_label_errors
from tlcore.features.feature_cache import FeatureKey
from tlcore.machine.paths import cache_directory
from tlcore.progress import silent


def plant(samples: Sequence[Sample], share: float, seed: int) -> tuple[set[str], tuple[Sample, ...]]:
    """Return the names of samples whose label was changed to another, and all samples with those labels."""
    random = np.random.default_rng(seed)
    labels = sorted({sample.label for sample in samples})
    chosen = set(random.choice(len(samples), round(share * len(samples)), replace=False).tolist())
    changed = tuple(
        replace(sample, label=int(random.choice([label for label in labels if label != sample.label])))
        if index in chosen
        else sample
        for index, sample in enumerate(samples)
    )
    return {samples[index].name for index in chosen}, changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos")
    parser.add_argument("backbone")
    parser.add_argument("--per-class", type=int, default=1000)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    registry = Registry()
    dataset = registry.dataset(chosen.photos, {"per_class": chosen.per_class})
    backbone = registry.backbone(chosen.backbone)
    info = backbone.info
    key = FeatureKey(weights_digest=info.weights_digest, preprocess=info.preprocess, feature_size=info.feature_size)
    features = extract_features(dataset.samples, backbone, cache=FeatureCache(cache_directory(), key))
    for seed in range(chosen.seeds):
        started = time.perf_counter()
        planted, samples = plant(features.samples, chosen.share, seed)
        report = find_label_errors(
            samples,
            features.features,
            dataset.class_names,
            registry.head("linear"),
            wanted="yes",
            folds=5,
            seed=seed,
            progress=silent,
        )
        found = len(planted & set(report.ranking[: len(planted)]))
        held = {case.name for case in report.suspects}
        print(
            f"seed {seed}: {found} of {len(planted)} planted ({100 * found / len(planted):.1f} %) in a list as long; "
            f"confident learning names {report.count}, {len(planted & held)} of them planted; "
            f"{len(samples)} photos, {time.perf_counter() - started:.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
