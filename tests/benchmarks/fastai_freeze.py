"""fastai's frozen fine-tuning, run by `fastai_compare` with the Python of an environment that has fastai and timm.

python fastai_freeze.py PETIMAGES WEIGHTS EPOCHS
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def main(photos: Path, weights: Path, epochs: int) -> None:
    """Train the head of a frozen body by the one-cycle schedule; print seconds an epoch and accuracy as JSON."""
    import timm
    import torch
    from fastai.vision.all import (
        CategoryBlock,
        DataBlock,
        ImageBlock,
        Learner,
        Normalize,
        Resize,
        accuracy,
        create_head,
        default_split,
        imagenet_stats,
    )

    listed = [
        (photos / line.split()[0], is_test)
        for name, is_test in (("train.txt", False), ("test.txt", True))
        for line in (photos / name).read_text(encoding="utf-8").split("\n")
        if line
    ]
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_items=lambda _: [path for path, _ in listed],
        get_y=lambda path: path.parent.name,
        splitter=lambda _: tuple(
            [index for index, (_, test) in enumerate(listed) if test is kind] for kind in (False, True)
        ),
        item_tfms=Resize(224),
        batch_tfms=Normalize.from_stats(*imagenet_stats),
    )
    loaders = block.dataloaders(photos, bs=64, num_workers=2)
    body = timm.create_model(f"local-dir:{weights}", pretrained=True, num_classes=0, global_pool="")
    model = torch.nn.Sequential(body, create_head(body.num_features, loaders.c))
    learner = Learner(loaders, model, splitter=default_split, metrics=accuracy)
    learner.freeze()
    started = time.perf_counter()
    with learner.no_bar():
        learner.fit_one_cycle(epochs)
    seconds = (time.perf_counter() - started) / epochs
    print(json.dumps({"seconds_per_epoch": seconds, "accuracy": float(learner.recorder.values[-1][-1])}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
