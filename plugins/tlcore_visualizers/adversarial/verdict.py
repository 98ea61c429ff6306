"""What networks say of a saved picture, and how far it is from the original: measured on the file read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from tlcore.epsilon import LEVELS
from tlcore.exported.classifier import Classifier
from tlcore.images import encode_png
from tlcore.label import same_class
from tlcore.visualizer import Subject
from tlcore_visualizers.adversarial.frame import Frame, reread
from tlcore_visualizers.pixel_network import PixelNetwork


@dataclass(frozen=True)
class Answer:
    """What a network takes a picture for.

    Attributes:
        index: the likeliest class.
        name: what it is called.
        probability: in [0, 1].
    """

    index: int
    name: str
    probability: float

    def __str__(self) -> str:
        return f"{self.name} {100 * self.probability:.1f} %"

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as JSON-ready values."""
        return {"class": self.name, "index": self.index, "probability": round(self.probability, 6)}


@runtime_checkable
class Witness(Protocol):
    """Something that says what is in a saved picture."""

    def answer(self, picture: UInt8[np.ndarray, "rows columns 3"]) -> Answer:
        """Return what it takes a picture for, once it is saved and read again."""
        ...


@dataclass(frozen=True)
class NetworkWitness:
    """A torch network, through its own preprocessing."""

    subject: Subject
    network: PixelNetwork = field(repr=False)

    def answer(self, picture: UInt8[np.ndarray, "rows columns 3"]) -> Answer:
        """Return what the network takes a picture for, once it is saved and read again."""
        probabilities = self.network.probabilities(reread(picture, self.subject.preprocess)[np.newaxis])[0]
        index = int(probabilities.argmax())
        return Answer(index, self.subject.class_name(index), float(probabilities[index]))


@dataclass(frozen=True)
class FileWitness:
    """An exported ONNX file, by onnxruntime."""

    classifier: Classifier

    def answer(self, picture: UInt8[np.ndarray, "rows columns 3"]) -> Answer:
        """Return what the file takes a picture for, once it is saved and read again."""
        pixels = self.classifier.pixels(encode_png(Image.fromarray(picture)))
        probabilities = self.classifier.run(pixels[np.newaxis])["probabilities"][0]
        index = int(probabilities.argmax())
        return Answer(index, self.classifier.labels[index], float(probabilities[index]))


def witness(subject: Subject) -> NetworkWitness:
    """Return a subject as a witness."""
    return NetworkWitness(subject, PixelNetwork(subject))


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What counts as fooled for one picture.

    Attributes:
        before: what the network took the original for.
        target: the class it is to take it for; None for any other.
    """

    before: int
    target: int | None

    def reached(self, answer: int) -> bool:
        """Tell whether an answer is what was wanted."""
        return answer == self.target if self.target is not None else answer != self.before


def change_of(frame: Frame, inputs: UInt8[np.ndarray, "height width 3"]) -> dict[str, Any]:
    """Return how far inputs are from the frame's: Linf and L2 in units of pixel values, pixels changed."""
    change = inputs.astype(np.int16) - frame.inputs
    levels = int(np.abs(change).max())
    changed = int((change != 0).any(axis=2).sum())
    return {
        "linf": levels / LEVELS,
        "linf_levels": levels,
        "l2": float(np.sqrt((change.astype(np.float64) ** 2).sum()) / LEVELS),
        "pixels_changed": changed,
        "pixels": int(change.shape[0] * change.shape[1]),
    }


def judged(
    judge: NetworkWitness, subject: Subject, aim: Aim, original: np.ndarray, changed: np.ndarray
) -> Mapping[str, Any]:
    """Return what a second network says of both pictures, and whether it is fooled too.

    Where it knows the target, it is fooled when it names it; elsewhere when it no longer says what it said of the original.
    """
    before, after = judge.answer(original), judge.answer(changed)
    target = None
    if aim.target is not None and subject.class_names and judge.subject.class_names:
        target = same_class(subject.class_names[aim.target], judge.subject.class_names)
    fooled = after.index == target if target is not None else after.index != before.index
    return {
        "name": judge.subject.name,
        "before": before.to_dict(),
        "after": after.to_dict(),
        "knows_target": target is not None,
        "fooled": fooled,
    }


def amplified(frame: Frame, inputs: UInt8[np.ndarray, "height width 3"]) -> tuple[np.ndarray, int]:
    """Return the change on middle grey, as strong as fits, (height, width, 3) uint8, and how many times."""
    change = inputs.astype(np.int16) - frame.inputs
    factor = max(1, 127 // max(1, int(np.abs(change).max())))
    return (128 + change * factor).clip(0, 255).astype(np.uint8), factor
