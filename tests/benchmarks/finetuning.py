"""Whether fine-tuning finds more than the linear head on cached features, on the same images, by a paired test.

    python -m tests.benchmarks.finetuning PHOTOS BACKBONE [--folds 3] [--way full] [--set epochs=10] [--head-set NAME=VALUE]
        [--backbone-set image_size=96]

The photos are divided into folds; each is held out once, and everything else is learnt from: first the head, its strength
chosen by validation images and fitted once more with these, then the network from the head on, with the same validation
images to stop by. Each image is thus judged by both, and McNemar's exact test compares them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tlcore import Dataset, DatasetSpec, Registry, TrainOptions, hookimpl, train
from tlcore.data.folds import assign_folds
from tlcore.dataset import ALL
from tlcore.errors import DatasetError
from tlcore.machine.memory import keep_freed
from tlcore.metrics import Share


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Which fold of how many is held out."""

    number: int = 0
    folds: int = 3


@hookimpl
def tlcore_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec(
            name="one-fold", summary="a folder of photos, one fold held out", factory=f"{__name__}:read", options=Fold, argument="PATH"
        )
    ]  # fmt: skip


def read(argument: str | None, options: Fold) -> Dataset:
    if argument is None:
        raise DatasetError("one-fold needs a path")
    whole = Registry().dataset(argument)
    samples = whole.splits[ALL]
    fold_of = assign_folds(samples, options.folds, 0).tolist()
    learn = tuple(sample for sample, fold in zip(samples, fold_of, strict=True) if fold != options.number)
    measure = tuple(sample for sample, fold in zip(samples, fold_of, strict=True) if fold == options.number)
    return Dataset(name=whole.name, class_names=whole.class_names, splits={"train": learn, "test": measure})


def main() -> None:
    from scipy.stats import binomtest

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos")
    parser.add_argument("backbone")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--way", default="full")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--head-set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--backbone-set", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    keep_freed()
    registry = Registry([sys.modules[__name__]])
    before = after = images = mended = spoiled = 0
    print(f"{arguments.photos}, {arguments.backbone}, {arguments.way} {' '.join(arguments.set)}")
    with tempfile.TemporaryDirectory() as directory:
        for fold in range(arguments.folds):
            started = time.perf_counter()
            options = TrainOptions(
                backbone=arguments.backbone,
                dataset_options={"number": fold, "folds": arguments.folds},
                backbone_options=dict(text.split("=", 1) for text in arguments.backbone_set),
                head_options=dict(text.split("=", 1) for text in arguments.head_set),
                seed=arguments.seed,
                finetune=arguments.way,
                finetune_options=dict(text.split("=", 1) for text in arguments.set),
            )
            result = train(
                f"one-fold:{arguments.photos}",
                Path(directory, f"fold-{fold}"),
                options,
                registry=registry,
                cache_directory=Path(directory, "cache"),
            )
            tuned = result.bundle.record.head["finetune"]
            images += tuned["before"]["images"]
            before += tuned["before"]["test_top1"]["correct"]
            after += result.metrics["test"].top1.correct
            mended += tuned["before"]["mended"]
            spoiled += tuned["before"]["spoiled"]
            print(
                f"fold {fold + 1}: head {tuned['before']['test_top1']['value']:.3f}, fine-tuned "
                f"{result.metrics['test'].top1.value:.3f}, epoch {tuned['best_epoch']} of {tuned['epochs']} kept, "
                f"{time.perf_counter() - started:.0f} s",
                flush=True,
            )
    p_value = binomtest(mended, mended + spoiled).pvalue if mended + spoiled else 1.0
    print(f"head       {Share.of(before, images)}  of {images} images")
    print(f"fine-tuned {Share.of(after, images)}")
    print(f"mended {mended}, spoiled {spoiled}; McNemar's exact test: p = {p_value:.2g}")


if __name__ == "__main__":
    main()
