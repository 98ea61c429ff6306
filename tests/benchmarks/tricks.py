"""What each training trick does to fine-tuning, one at a time, on the same photos and split.

    python -m tests.benchmarks.tricks PHOTOS [BACKBONE] [--image-size 64] [--epochs 10]

One photo in five is held out; the run without any trick changed is the reference, and McNemar's exact test compares each other
run with it on the held-out photos. Each line of the result is one row of the table in docs/lesson.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from tlcore import Registry, TrainOptions, train
from tlcore.bundle import Bundle
from tlcore.data.splits import SplitFractions
from tlcore.machine.memory import keep_freed
from tlcore.mcnemar import compare_answers
from tlcore.prediction import predict

TRICKS: dict[str, dict[str, object]] = {
    "reference": {},
    "start from a random classifier": {"init": "kaiming"},
    "the same rate for every layer": {"layer_decay": 1.0},
    "no warm-up": {"warmup": 0.0},
    "a constant rate": {"schedule": "constant"},
    "one-cycle": {"schedule": "one-cycle"},
    "SGD with Nesterov momentum": {"optimizer": "nesterov"},
    "no weight decay": {"weight_decay": 0.0},
    "batch norm by batch": {"batch_norm": "batch"},
    "dropout 0.3": {"dropout": 0.3},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "RandAugment 9": {"rand_augment": 9},
    "mixup 0.2": {"mixup": 0.2},
    "random erasing 0.25": {"random_erasing": 0.25},
    "averaged weights (EMA)": {"averaging": "ema"},
    "no clipping of gradients": {"clip_norm": None},
}


def main() -> None:
    """Train once for each trick and print its line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos")
    parser.add_argument("backbone", nargs="?", default="mini")
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--only", action="append", default=[], metavar="TRICK", help="this trick, beside the reference")
    asked = parser.parse_args()
    keep_freed()
    registry = Registry()
    shared = {"epochs": asked.epochs, "learning_rate": 0.001, "crop": 0.8, "flip": 0.0, "patience": None}
    reference: np.ndarray | None = None
    print("| changed | held-out photos right | mended | spoiled | p | seconds |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        for number, (name, changed) in enumerate(TRICKS.items()):
            if asked.only and name not in ("reference", *asked.only):
                continue
            options = TrainOptions(
                backbone=asked.backbone,
                backbone_options={"image_size": asked.image_size},
                fractions=SplitFractions(validation=0.15, test=0.2),
                finetune="full",
                finetune_options={**shared, **changed},
            )
            started = time.perf_counter()
            bundle = train(
                asked.photos,
                Path(directory, str(number)),
                options,
                registry=registry,
                cache_directory=Path(directory, "cache"),
            ).bundle
            right = held_out(bundle, asked.photos, registry)
            reference = right if reference is None else reference
            test = compare_answers(right, reference)
            print(
                f"| {name} | {100 * right.mean():.1f} % of {len(right)} | {test.only_first} | {test.only_second} | "
                f"{test.p_value:.2g} | {time.perf_counter() - started:.0f} |",
                flush=True,
            )


def held_out(bundle: Bundle, photos: str, registry: Registry) -> np.ndarray:
    """Return for each held-out photo whether the bundle is right, in order of the photos' names."""
    dataset = registry.dataset(photos)
    label_of = {sample.name: dataset.class_names[sample.label] for sample in dataset.samples}
    names = sorted(name for name, _ in bundle.split["test"])
    predictions = predict(bundle, [str(Path(photos, name)) for name in names])
    return np.array([found.classes[0][0] == label_of[name] for name, found in zip(names, predictions, strict=True)])


if __name__ == "__main__":
    main()
