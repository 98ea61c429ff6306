"""How much of a bundle's accuracy survives attacks, by how far they may change a picture."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool

from tlcore.attacker import Attacker, AttackRequest
from tlcore.bundle import Bundle
from tlcore.dataset import Dataset
from tlcore.epsilon import LEVELS
from tlcore.errors import DatasetError, OptionError
from tlcore.evaluation.classes import choose_split, relabelled
from tlcore.metrics import Share
from tlcore.progress import Progress, ProgressEvent, silent
from tlcore.provenance import package_versions
from tlcore.registry import Registry
from tlcore.robustness.drawn_images import DrawnImages, draw_images
from tlcore.robustness.result import WORST, Robustness, RobustPoint
from tlcore.visualizer import Subject

_BATCH = 16
"""Images attacked at once; a run that is ended early has measured whole batches, by every attack alike."""


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
    drawn = draw_images(bundle, samples, count=options.images, seed=options.seed)
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

    def measure(self, drawn: DrawnImages) -> str:
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

    def _batch(self, pixels: np.ndarray, labels: np.ndarray, start: int, drawn: DrawnImages) -> bool:
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


def _share(batches: Sequence[np.ndarray]) -> Share:
    answers = np.concatenate(batches)
    return Share.of(int(answers.sum()), len(answers))
