"""The images that prove an export: those the bundle was trained and measured on, or others with its classes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tlcore.bundle import Bundle
from tlcore.dataset import Sample
from tlcore.errors import ExportError, ImageError, TlcoreError
from tlcore.evaluation.classes import relabelled
from tlcore.images import decode_image, read_image


@dataclass(frozen=True)
class LabelledImages:
    """Images as the training pipeline feeds them to the network.

    Attributes:
        encoded: the files' bytes.
        pixels: (images, height, width, 3), uint8.
        labels: (images,), int64, in the bundle's class order.
    """

    encoded: tuple[bytes, ...] = field(repr=False)
    pixels: np.ndarray = field(repr=False)
    labels: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ProofImages:
    """Where images for the gate, for calibration and for measuring come from.

    Attributes:
        bundle: whose.
        training: samples the bundle was trained on, by content.
        held_out: samples it was not.
    """

    bundle: Bundle
    training: tuple[Sample, ...]
    held_out: tuple[Sample, ...]

    def golden(self, count: int) -> LabelledImages:
        """Return a few images of all classes, held out where there are enough."""
        samples = [*_spread(self.held_out, count), *_spread(self.training, count)]
        return self._load(samples, count)

    def calibration(self, count: int) -> LabelledImages:
        """Return training images of all classes; raises `ExportError` where there is none."""
        if not self.training:
            raise ExportError(f"{self.bundle.path}: none of its training images is there to calibrate int8 with")
        return self._load(_spread(self.training, count), count)

    def measuring(self, count: int) -> LabelledImages:
        """Return held-out images of all classes; raises `ExportError` where there is none."""
        if not self.held_out:
            raise ExportError(f"{self.bundle.path}: no image it was not trained on is there to measure int8 with")
        return self._load(_spread(self.held_out, count), count)

    def _load(self, samples: Iterable[Sample], count: int) -> LabelledImages:
        encoded: list[bytes] = []
        pixels: list[np.ndarray] = []
        labels: list[int] = []
        for sample in samples:
            if len(labels) == count:
                break
            try:
                data = read_image(sample.image, sample.name)
                pixels.append(self.bundle.record.preprocess.pixels(decode_image(data, sample.name)))
            except ImageError:
                continue  # training left it out as well, and said so
            encoded.append(data)
            labels.append(sample.label)
        if not labels:
            raise ExportError(f"{self.bundle.path}: none of its images can be read; name others with --images")
        return LabelledImages(tuple(encoded), np.stack(pixels), np.array(labels, np.int64))


def find_images(bundle: Bundle, images: str | None) -> ProofImages:
    """Find images to prove an export with.

    Args:
        bundle: what is exported.
        images: a dataset's name or path whose classes are the bundle's; None for the dataset the bundle was trained on.

    Raises:
        ExportError: they cannot be had; says how to name others.
        DatasetError: a class of theirs is not one of the bundle's.
    """
    options = {} if images is not None else bundle.record.options.get("dataset_options", {})
    name = images if images is not None else str(bundle.record.options.get("dataset", ""))
    try:
        dataset = bundle.registry.dataset(name, options)
    except TlcoreError as error:
        remedy = "" if images is not None else "; name images with --images DATASET"
        raise ExportError(f"an export is proven on images, but they cannot be had: {error}{remedy}") from error
    digests = {digest for split in ("train", "validation") for _, digest in bundle.split.get(split, ())}
    names = {name for split in ("train", "validation") for name, _ in bundle.split.get(split, ())}
    training: list[Sample] = []
    held_out: list[Sample] = []
    for sample in relabelled(dataset, dataset.samples, bundle.record.classes):
        (training if _was_trained_on(sample, names if images is None else None, digests) else held_out).append(sample)
    return ProofImages(bundle, tuple(training), tuple(held_out))


def _was_trained_on(sample: Sample, names: set[str] | None, digests: set[str]) -> bool:
    if names is not None:
        return sample.name in names
    try:
        return hashlib.sha256(read_image(sample.image, sample.name)).hexdigest() in digests
    except ImageError:
        return False


def _spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Return samples class by class in turn, evenly through each class: `count` and some more, as some may be unreadable."""
    by_class: dict[int, list[Sample]] = {}
    for sample in samples:
        by_class.setdefault(sample.label, []).append(sample)
    chosen: list[Sample] = []
    wanted = count + 16
    shares = [members[:: max(1, len(members) * len(by_class) // wanted)] for _, members in sorted(by_class.items())]
    for turn in range(max((len(share) for share in shares), default=0)):
        chosen += [share[turn] for share in shares if turn < len(share)]
    return chosen[:wanted]
