"""How much of a bundle's accuracy survives attacks, by how far they may change a picture."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from tlcore.attacker import Attacker, AttackRequest
from tlcore.bundle import Bundle
from tlcore.dataset import Dataset, LeftOut, Sample
from tlcore.epsilon import LEVELS
from tlcore.errors import DatasetError, ImageError, OptionError
from tlcore.evaluation.classes import choose_split, relabelled
from tlcore.images import decode_image, read_image
from tlcore.metrics import Share
from tlcore.progress import Progress, ProgressEvent, silent
from tlcore.provenance import package_versions
from tlcore.registry import Registry
from tlcore.visualizer import Subject

_BATCH = 16
"""Images attacked at once; a run that is ended early has measured whole batches, by every attack alike."""

WORST = "worst of all"
"""Name of the curve that counts an image as robust only where every attack failed."""


@dataclass(frozen=True, kw_only=True)
class RobustnessOptions:
    """What to measure.

    Attributes:
        attacks: names of visualizers that are attackers, as `Registry.visualizer` takes them.
        attack_options: of each of them, beside its epsilon.
        epsilons: in units of pixel values, ascending.
        images: how many of the dataset at most, drawn by the seed.
        split: of the dataset; by default ``test``, else ``validation``, else everything.
        minutes: after how many to stop with what is measured by then; None for no bound.
        seed: of the choice of images and of the attacks.
    """

    attacks: tuple[str, ...] = ("fgsm", "pgd", "apgd")
    attack_options: Mapping[str, object] = field(default_factory=dict)
    epsilons: tuple[float, ...] = tuple(level / LEVELS for level in (1, 2, 4, 8))
    images: int = 100
    split: str | None = None
    minutes: float | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class RobustPoint:
    """One point of a curve: the share of images still named rightly under one attack."""

    attack: str
    epsilon: float
    accuracy: Share

    def to_dict(self) -> dict[str, Any]:
        """Return the point as JSON-ready values."""
        return {"attack": self.attack, "epsilon": self.epsilon, "accuracy": self.accuracy.to_dict()}


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """What a bundle is worth under attack.

    Attributes:
        dataset, split: what was measured on.
        images: how many were measured.
        planned: how many were to be.
        ended: why there are fewer: ``""``, ``"time"`` or ``"interrupted"``.
        seen: passed over because the bundle was trained on the same file.
        left_out: could not be read.
        clean: the accuracy without an attack.
        points: by attack, then by epsilon; the last attack is `WORST`.
        norm: what epsilon is measured by.
        seconds: what it took.
        seed, versions, options: to repeat it.
    """

    dataset: str
    split: str
    images: int
    planned: int
    ended: str
    seen: int
    left_out: tuple[LeftOut, ...]
    clean: Share
    points: tuple[RobustPoint, ...]
    norm: str
    seconds: float
    seed: int
    versions: Mapping[str, str]
    options: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the measure as JSON-ready values."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            **values,
            "left_out": [{"name": entry.name, "reason": entry.reason} for entry in self.left_out],
            "clean": self.clean.to_dict(),
            "points": [point.to_dict() for point in self.points],
            "versions": dict(self.versions),
            "options": dict(self.options),
        }


def measure_robustness(
    bundle: Bundle,
    dataset: Dataset,
    options: RobustnessOptions,
    *,
    registry: Registry,
    progress: Progress = silent,
) -> Robustness:
    """Attack a bundle on images it was not trained on, and count those it still names rightly.

    Each answer is the bundle's own on the 8-bit picture. A picture that an attack fooled it with counts for every larger
    epsilon too, as it lies within that as well. Ctrl-C and `minutes` end it with the images measured so far.

    Args:
        bundle: what to measure.
        dataset: labelled images whose classes are the bundle's.
        options: attacks, epsilons, how many images.
        registry: where attacks are looked up.
        progress: told how far it is.

    Raises:
        OptionError: an unknown attack, one without an epsilon, or epsilons that are none.
        DatasetError: no image is left to measure, or none was measured in time.
    """
    from tlcore.subject import bundle_subject

    attackers = _attackers(options, registry)
    split = choose_split(dataset, options.split)
    samples = relabelled(dataset, dataset.splits[split], bundle.record.classes)
    drawn = _draw(bundle, samples, options)
    if not len(drawn.labels):
        raise DatasetError(f"{dataset.name}: no image of split {split!r} is left to attack; {drawn.seen} were trained on")
    run = _Run(bundle, bundle_subject(bundle), attackers, options, progress)
    ended = run.measure(drawn)
    if not run.clean:
        raise DatasetError(f"not one batch of {_BATCH} images was measured before the end; allow more time or fewer attacks")
    return Robustness(
        dataset=dataset.name,
        split=split,
        images=sum(map(len, run.clean)),
        planned=len(drawn.labels),
        ended=ended,
        seen=drawn.seen,
        left_out=(*dataset.left_out, *drawn.left_out),
        clean=_share(run.clean),
        points=run.points(),
        norm=next(iter(attackers.values())).norm,
        seconds=round(time.monotonic() - run.started, 2),
        seed=options.seed,
        versions=package_versions(),
        options={"attacks": list(options.attacks), "attack_options": dict(options.attack_options)},
    )


@dataclass(frozen=True)
class _Drawn:
    pixels: UInt8[np.ndarray, "images height width 3"]
    labels: Int64[np.ndarray, " images"]
    seen: int
    left_out: tuple[LeftOut, ...]


class _Run:
    """The attacks on batch after batch; `clean` and `robust` hold one array of answers a batch."""

    def __init__(
        self,
        bundle: Bundle,
        subject: Subject,
        attackers: Mapping[str, Attacker],
        options: RobustnessOptions,
        progress: Progress,
    ) -> None:
        self.bundle, self.subject, self.attackers = bundle, subject, attackers
        self.options, self.progress = options, progress
        self.started = time.monotonic()
        self.clean: list[np.ndarray] = []
        self.robust: dict[tuple[str, float], list[np.ndarray]] = {}

    def measure(self, drawn: _Drawn) -> str:
        """Measure until the images, the time or the patience of the user is at its end; return which, "" for the images."""
        try:
            for start in range(0, len(drawn.labels), _BATCH):
                if not self._batch(drawn.pixels[start : start + _BATCH], drawn.labels[start : start + _BATCH], start, drawn):
                    return "time"
        except KeyboardInterrupt:
            if not self.clean:
                raise
            return "interrupted"
        return ""

    def _batch(self, pixels: np.ndarray, labels: np.ndarray, start: int, drawn: _Drawn) -> bool:
        """Attack one batch by every attack at every epsilon; False where time is up, and the batch is not counted."""
        clean = self._right(pixels, labels)
        found: dict[tuple[str, float], np.ndarray] = {}
        done, steps = 0, len(self.attackers) * len(self.options.epsilons)
        for name, attacker in self.attackers.items():
            standing = clean.copy()
            for epsilon in self.options.epsilons:
                share = min(len(labels) * done // steps, len(labels))
                self.progress(ProgressEvent("attacking images", start + share, len(drawn.labels)))
                if self._late():
                    return False
                rows = np.flatnonzero(standing)
                if len(rows):
                    seed = self.options.seed + start
                    asked = AttackRequest(images=pixels[rows], labels=labels[rows], epsilon=epsilon, seed=seed)
                    standing[rows] = self._right(attacker.attack(self.subject, asked), labels[rows])
                found[name, epsilon] = standing.copy()
                done += 1
        self.clean.append(clean)
        for key, answers in found.items():
            self.robust.setdefault(key, []).append(answers)
        self.progress(ProgressEvent("attacking images", start + len(labels), len(drawn.labels)))
        return True

    def _right(self, pixels: np.ndarray, labels: np.ndarray) -> Bool[np.ndarray, " images"]:
        """Return which pictures the bundle itself, not the attacked copy, names rightly."""
        right: np.ndarray = self.bundle.logits(pixels).argmax(axis=1) == labels
        return right

    def _late(self) -> bool:
        minutes = self.options.minutes
        return minutes is not None and time.monotonic() - self.started > 60 * minutes

    def points(self) -> tuple[RobustPoint, ...]:
        """Return every attack's curve, then the one of all together."""
        found = [
            RobustPoint(attack=name, epsilon=epsilon, accuracy=_share(batches))
            for (name, epsilon), batches in self.robust.items()
        ]
        for epsilon in self.options.epsilons:
            together = [np.logical_and.reduce(batch) for batch in zip(*self._at(epsilon), strict=True)]
            found.append(RobustPoint(attack=WORST, epsilon=epsilon, accuracy=_share(together)))
        return tuple(found)

    def _at(self, epsilon: float) -> list[list[np.ndarray]]:
        return [self.robust[name, epsilon] for name in self.attackers]


def _attackers(options: RobustnessOptions, registry: Registry) -> dict[str, Attacker]:
    """Make the attackers, and refuse what cannot be measured."""
    if not options.attacks or not options.epsilons:
        raise OptionError("robustness needs at least one attack and one epsilon")
    if options.images < 1 or (options.minutes is not None and not options.minutes > 0):
        raise OptionError("robustness takes at least 1 image and more than 0 minutes")
    if list(options.epsilons) != sorted(set(options.epsilons)):
        raise OptionError(f"epsilons must ascend, got {', '.join(f'{epsilon:g}' for epsilon in options.epsilons)}")
    made: dict[str, Attacker] = {}
    for name in dict.fromkeys(options.attacks):
        for epsilon in options.epsilons:
            visualizer = registry.visualizer(name, {**options.attack_options, "epsilon": epsilon})
            if not isinstance(visualizer, Attacker):
                raise OptionError(f"visualizer {name!r} is no attack; 'tl visualizers adversarial' lists some")
            made[name] = visualizer
    norms = {attacker.norm for attacker in made.values()}
    if len(norms) > 1:
        raise OptionError("the attacks measure epsilon by different norms; compare them in runs of their own")
    return made


def _draw(bundle: Bundle, samples: Sequence[Sample], options: RobustnessOptions) -> _Drawn:
    """Read as many images as are asked for, drawn by the seed, passing over those the bundle was trained on."""
    trained_on = {digest for name in ("train", "validation") for _, digest in bundle.split.get(name, ())}
    height, width = bundle.record.preprocess.image_size
    pixels: list[np.ndarray] = []
    labels: list[int] = []
    left_out: list[LeftOut] = []
    seen = 0
    for index in np.random.default_rng(options.seed).permutation(len(samples)):
        if len(labels) == options.images:
            break
        sample = samples[int(index)]
        try:
            data = read_image(sample.image, sample.name)
            if hashlib.sha256(data).hexdigest() in trained_on:
                seen += 1
                continue
            pixels.append(bundle.record.preprocess.pixels(decode_image(data, sample.name)))
            labels.append(sample.label)
        except ImageError as error:
            left_out.append(LeftOut(sample.name, str(error)))
    stacked = np.stack(pixels) if pixels else np.zeros((0, height, width, 3), np.uint8)
    return _Drawn(stacked, np.array(labels, np.int64), seen, tuple(left_out))


def _share(batches: Sequence[np.ndarray]) -> Share:
    answers = np.concatenate(batches)
    return Share.of(int(answers.sum()), len(answers))
