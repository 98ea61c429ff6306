"""Training images: read, augmented and batched, in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from PIL import Image
from timm.data.transforms_factory import transforms_imagenet_train
from torch.utils.data import DataLoader, Dataset

from tlcore.dataset import Sample
from tlcore.errors import FineTuneError
from tlcore.images import decode_image, read_image
from tlcore.machine.cores import available_cores
from tlcore.preprocess import Preprocess
from tlcore_finetune.options import FineTuneOptions
from tlcore_finetune.seeding import IMAGE, ORDER, generator, seed_all

PLAIN_BATCH = 32
"""Images computed together where nothing is learnt."""

_MOST_STATISTICS = 500
"""Images that normalisation=dataset takes mean and deviation from."""


class TrainingImages(Dataset[tuple[torch.Tensor, int]]):
    """Images by (epoch, index), augmented as that pair says, whatever was drawn before.

    Args:
        samples: the images.
        preprocess: what they become an input by; the random crop takes the place of its centre crop.
        options: which augmentation.
        seed: of the run.
    """

    def __init__(self, samples: Sequence[Sample], preprocess: Preprocess, options: FineTuneOptions, seed: int) -> None:
        self._samples = samples
        self._preprocess = preprocess
        self._seed = seed
        self._centre = options.crop == 1
        self._transform = _transform(preprocess, options)

    def __getitem__(self, position: tuple[int, int]) -> tuple[torch.Tensor, int]:
        """Return one input, (3, height, width) float32, and its label; raises `ImageError` where it cannot be read."""
        epoch, index = position
        sample = self._samples[index]
        image = decode_image(read_image(sample.image, sample.name), sample.name)
        seed_all(self._seed, IMAGE, epoch, index)
        return self._transform(Image.fromarray(self._preprocess.pixels(image)) if self._centre else image), sample.label


def _transform(preprocess: Preprocess, options: FineTuneOptions) -> Any:
    height, width = preprocess.image_size
    whole = width / height
    return transforms_imagenet_train(
        (height, width),
        scale=(options.crop, 1.0),
        ratio=(whole, whole) if options.crop == 1 else None,
        hflip=options.flip,
        vflip=options.vertical_flip,
        color_jitter=options.colour_jitter or None,  # type: ignore[arg-type]
        force_color_jitter=options.colour_jitter > 0,
        auto_augment=f"rand-m{options.rand_augment}-mmax9-mstd0.5-inc1" if options.rand_augment else None,
        interpolation=preprocess.interpolation,
        mean=preprocess.mean,
        std=preprocess.std,
        re_prob=options.random_erasing,
        re_mode="pixel",
    )


def batch_size(images: int, asked: int | None, processes: int) -> int:
    """Return how many images one update takes: what was asked, or about a twentieth of them, 8 to 64, always even.

    Raises:
        FineTuneError: what was asked cannot be divided among the processes.
    """
    if asked is None:
        power = 2 ** round(np.log2(max(1, images / 20)))
        asked = int(min(64, max(8, power))) * (processes if processes > 8 else 1)
        asked += -asked % (2 * processes)
    if asked % (2 * processes):
        raise FineTuneError(f"batch_size must be a multiple of {2 * processes} for {processes} process(es), got {asked}")
    return asked


def part_of(items: Sequence[Any], part: int, parts: int) -> list[int]:
    """Return which positions belong to a part: one run from the front and its mirror image at the back.

    Mixing pairs the first item with the last, so parts cut like this hold the pairs that the whole has.

    >>> [part_of(range(8), part, 2) for part in (0, 1)]
    [[0, 1, 6, 7], [2, 3, 4, 5]]
    """
    length = len(items)
    half = length // 2
    first, last = part * half // parts, (part + 1) * half // parts
    middle = [half] if length % 2 and part == parts - 1 else []
    return [*range(first, last), *middle, *range(length - last, length - first)]


def epoch_batches(
    images: int, size: int, seed: int, epoch: int, *, process: int = 0, processes: int = 1
) -> list[list[tuple[int, int]]]:
    """Return the (epoch, index) pairs of each batch; the last is filled up with images of the epoch's beginning.

    Args:
        images: how many there are.
        size: of a batch over all processes.
        seed, epoch: of the order.
        process, processes: whose part of each batch to return, of how many.
    """
    order = generator(seed, ORDER, epoch).permutation(images)
    filled = np.resize(order, -(-images // size) * size).reshape(-1, size)
    mine = part_of(range(size), process, processes)
    return [[(epoch, int(index)) for index in batch[mine]] for batch in filled]


def load(
    images: TrainingImages, batches: Sequence[Sequence[tuple[int, int]]], workers: int | None
) -> Iterator[tuple[Float32[torch.Tensor, "images 3 height width"], Int64[torch.Tensor, " images"]]]:
    """Yield each batch's inputs and labels, read ahead by other processes, which end when this does."""
    count = min(8, available_cores() - 1) if workers is None else workers
    loader = DataLoader(images, batch_sampler=batches, num_workers=count, worker_init_fn=_outlive_signals)  # type: ignore[arg-type]
    readers = iter(loader)
    try:
        yield from readers
    except BaseException as error:
        # Whoever holds the error would hold the readers through its frames; and since they outlive signals, Python, which
        # ends its children by SIGTERM and waits for them, would never come to an end.
        error.__traceback__ = None
        raise
    finally:
        del readers


def _outlive_signals(worker: int) -> None:
    """Leave Ctrl-C and SIGTERM to the main process, which ends its readers when it has written a checkpoint."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def plain_inputs(
    samples: Sequence[Sample], preprocess: Preprocess
) -> Iterator[Float32[np.ndarray, "images 3 height width"]]:
    """Yield inputs in batches of up to `PLAIN_BATCH`, exactly as measuring makes them."""
    for start in range(0, len(samples), PLAIN_BATCH):
        part = samples[start : start + PLAIN_BATCH]
        pixels = [preprocess.pixels(decode_image(read_image(s.image, s.name), s.name)) for s in part]
        yield preprocess.normalise(np.stack(pixels))


def normalised_by(samples: Sequence[Sample], preprocess: Preprocess, options: FineTuneOptions) -> Preprocess:
    """Return the record with the mean and deviation that the options ask for."""
    if options.normalisation == "network":
        return preprocess
    if options.normalisation == "half":
        return replace(preprocess, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    every = max(1, len(samples) // _MOST_STATISTICS)
    plain = replace(preprocess, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    count, total, squares = 0, np.zeros(3), np.zeros(3)
    for inputs in plain_inputs(samples[::every], plain):
        count += inputs.size // 3
        total += inputs.sum(axis=(0, 2, 3), dtype=np.float64)
        squares += np.square(inputs).sum(axis=(0, 2, 3), dtype=np.float64)
    mean = total / count
    deviation = np.maximum(np.sqrt(np.maximum(squares / count - mean**2, 0)), 0.01)
    red, green, blue = (round(float(value), 4) for value in mean)
    return replace(preprocess, mean=(red, green, blue), std=tuple(round(float(value), 4) for value in deviation))  # type: ignore[arg-type]
