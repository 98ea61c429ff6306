"""A dataset of single colours, with a fault on request."""

from __future__ import annotations

import io
import itertools
import os
import threading
from dataclasses import dataclass

import numpy as np
from faulty_plugin import Faulty
from PIL import Image

from tlcore.dataset import ALL, Dataset, Sample
from tlcore.images import BytesImage

READS = itertools.count()
"""So that two reads always differ, which by chance they might not."""


@dataclass(frozen=True)
class OddImage:
    """An image that reads otherwise than it should."""

    fault: str

    def read(self) -> bytes:
        if self.fault == "text":
            return "not bytes"  # type: ignore[return-value]
        if self.fault == "damaged":
            return b"not an image"
        if self.fault == "process":
            return _coloured(*os.getpid().to_bytes(3))
        return _png(next(READS) % 256)


class LockedImage(OddImage):
    def __init__(self) -> None:
        object.__setattr__(self, "lock", threading.Lock())

    def read(self) -> bytes:
        return _png(9)


def create(argument: str | None, options: Faulty) -> Dataset:
    """Make the dataset."""
    fault = options.fault
    odd = {"text", "damaged", "process", "fickle"}
    if fault == "torch":
        import torch  # noqa: F401
    samples = [Sample(BytesImage(_png(level)), f"{level}.png", level % 2) for level in range(6)]
    if fault in odd:
        samples[2] = Sample(OddImage(fault), "2.png", 0)
    if fault == "locked":
        samples[2] = Sample(LockedImage(), "2.png", 0)
    if fault == "no-read":
        samples[2] = Sample("2.png", "2.png", 0)  # type: ignore[arg-type]
    if fault == "absolute":
        samples[2] = Sample(samples[2].image, "/data/2.png", 0)
    if fault == "backslash":
        samples[2] = Sample(samples[2].image, "a\\2.png", 0)
    if fault == "numpy-label":
        samples[2] = Sample(samples[2].image, "2.png", np.int64(0))  # type: ignore[arg-type]
    if fault == "order":
        turn = next(READS) % len(samples)
        samples = samples[turn:] + samples[:turn]
    if fault == "one-class":
        samples = [Sample(sample.image, sample.name, 0) for sample in samples]
    names = {"one-class": ("dark",), "nameless": ("dark", " "), "empty-class": ("dark", "light", "grey")}
    return Dataset(
        name="faulty-photos",
        class_names=names.get(fault, ("dark", "light")),
        splits={ALL: tuple(samples)},
        licence="" if fault == "unlicensed" else "CC0",
    )


def _png(level: int) -> bytes:
    return _coloured(level, level, 40)


def _coloured(red: int, green: int, blue: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (red, green, blue)).save(file, "PNG")
    return file.getvalue()
