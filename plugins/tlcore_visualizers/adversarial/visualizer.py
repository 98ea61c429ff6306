"""The visualizer ``adversarial``: pictures a network is fooled by, and proof on the files as they are saved."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import UInt8

from tlcore.attacker import Attacker, AttackRequest
from tlcore.epsilon import Norm
from tlcore.errors import OptionError, VisualizationError, did_you_mean
from tlcore.exported_network import ExportedNetwork
from tlcore.progress import ProgressEvent
from tlcore.visualizer import Subject, Visualization, VisualizationRequest, Visualizer
from tlcore_visualizers.adversarial.attack import AttackResult
from tlcore_visualizers.adversarial.choice import make_attack, steps_of
from tlcore_visualizers.adversarial.exported import exported
from tlcore_visualizers.adversarial.frame import Frame, make_frame
from tlcore_visualizers.adversarial.goal import Goal
from tlcore_visualizers.adversarial.options import METHODS, WITHIN_EPSILON, AdversarialOptions
from tlcore_visualizers.adversarial.patch_picture import patched
from tlcore_visualizers.adversarial.problem import Problem
from tlcore_visualizers.adversarial.report import Finding, Findings, show
from tlcore_visualizers.adversarial.verdict import Aim, FileWitness, Witness, witness
from tlcore_visualizers.pixel_network import PixelNetwork, to_pixels, to_tensor

_BATCH = 16
"""Images attacked at once: enough to keep two cores busy, few enough for a laptop's memory."""


def create(argument: str | None, options: AdversarialOptions) -> Adversarial:
    """Make the visualizer; the argument names the attack, as in ``adversarial:apgd``."""
    if argument is None:
        return Adversarial(options)
    if argument not in METHODS:
        hint = did_you_mean(argument, METHODS) or ";"
        raise OptionError(f"there is no attack {argument!r}{hint} there are: {', '.join(METHODS)}")
    return Adversarial(replace(options, method=argument))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Adversarial(Visualizer, Attacker):
    """Changes images until the network takes them for something else, and shows original, result and difference."""

    options: AdversarialOptions

    @property
    def norm(self) -> Norm:
        return self.options.norm

    def perturb(self, subject: Subject, request: AttackRequest) -> UInt8[np.ndarray, "images height width 3"]:
        if self.options.method not in WITHIN_EPSILON:
            raise OptionError(
                f"attack {self.options.method!r} has no epsilon to measure robustness by; take {', '.join(WITHIN_EPSILON)}"
            )
        attack = make_attack(replace(self.options, epsilon=request.epsilon))
        problem = Problem(
            network=PixelNetwork(subject),
            images=to_tensor(request.images),
            goal=Goal(labels=torch.from_numpy(request.labels)),
        )
        return to_pixels(attack.run(problem, seed=request.seed, progress=request.progress).images)

    def compute(self, subject: Subject, request: VisualizationRequest) -> Visualization:
        if not request.images:
            raise VisualizationError("an attack needs at least one image to begin with; name some after the model")
        network = PixelNetwork(subject)
        frames = [
            make_frame(image, name, subject.preprocess)
            for image, name in zip(request.images, request.image_names, strict=True)
        ]
        aims = _aims(subject, network, frames, request.classes)
        if self.options.method == "patch":
            return patched(self.options, subject, request, network, frames, aims)
        findings = self._attack(subject, request, network, frames, aims)
        return self._shown(subject, request, findings)

    def _attack(
        self,
        subject: Subject,
        request: VisualizationRequest,
        network: PixelNetwork,
        frames: Sequence[Frame],
        aims: Sequence[Aim],
    ) -> Findings:
        """Attack batch by batch; whatever there is when it is interrupted is kept."""
        attack = make_attack(self.options)
        size = len(frames) if self.options.method == "universal" else _BATCH
        done: list[Finding] = []
        started = time.monotonic()
        for start in range(0, len(frames), size):
            part = slice(start, start + size)
            problem, earlier = _problem(network, frames[part], aims[part], self.options.confidence), tuple(done)

            def finished(result: AttackResult, part: slice = part) -> list[Finding]:
                return _findings(frames[part], aims[part], result)

            def keep(
                unfinished: Callable[[], AttackResult],
                finished: Callable[[AttackResult], list[Finding]] = finished,
                earlier: tuple[Finding, ...] = earlier,
            ) -> None:
                request.keep(
                    lambda: self._shown(
                        subject,
                        request,
                        Findings([*earlier, *finished(unfinished())], time.monotonic() - started, interrupted=True),
                    )
                )

            result = attack.run(
                problem, seed=request.seed + start, progress=_counted(request, start, len(frames)), keep=keep
            )
            done += finished(result)
        return Findings(done, time.monotonic() - started)

    def _shown(self, subject: Subject, request: VisualizationRequest, findings: Findings) -> Visualization:
        """Ask the network itself, the exported file and the judges about each saved picture, and lay all of it out."""
        judges = [witness(judge) for judge in request.judges]
        own: Witness = witness(subject)
        settings = {"steps_allowed": steps_of(self.options)}
        if not self.options.onnx or findings.interrupted or isinstance(subject.network, ExportedNetwork):
            return show(self.options, subject, own, None, judges, findings, settings)
        request.progress(ProgressEvent("trying the exported file", 0, 1))
        classes = len(subject.class_names) or network_classes(subject)
        with exported(subject, classes) as classifier:
            result = show(self.options, subject, own, FileWitness(classifier), judges, findings, settings)
        request.progress(ProgressEvent("trying the exported file", 1, 1))
        return result


def network_classes(subject: Subject) -> int:
    """Return how many logits a network gives."""
    height, width = subject.preprocess.image_size
    return int(PixelNetwork(subject).probabilities(np.zeros((1, height, width, 3), np.uint8)).shape[1])


def _aims(subject: Subject, network: PixelNetwork, frames: Sequence[Frame], classes: Sequence[int]) -> list[Aim]:
    """Return what is wanted of each picture; raise where one is of the target class already."""
    if len(classes) > 1 and len(classes) != len(frames):
        raise OptionError(
            f"give one target class for all images, or one for each: got {len(classes)} for {len(frames)} images"
        )
    targets: list[int | None] = [None] * len(frames) if not classes else [*classes] * (len(frames) // len(classes))
    aims = []
    for frame, target in zip(frames, targets, strict=True):
        probabilities = network.probabilities(frame.inputs[np.newaxis])[0]
        if not np.isfinite(probabilities).all():
            raise VisualizationError(f"{subject.name} answers NaN for {frame.name}; are its weights whole?")
        before = int(probabilities.argmax())
        if before == target:
            raise OptionError(
                f"{frame.name}: {subject.name} takes it for {subject.class_name(before)} already "
                f"({100 * probabilities[before]:.1f} %); choose another class or image"
            )
        if target is not None and target >= len(probabilities):
            raise OptionError(f"{subject.name} has {len(probabilities)} classes, there is no class {target}")
        aims.append(Aim(before=before, target=target))
    return aims


def _problem(network: PixelNetwork, frames: Sequence[Frame], aims: Sequence[Aim], confidence: float) -> Problem:
    """Return what the attack is given: the network's inputs, and the class each is to leave or to reach."""
    targeted = aims[0].target is not None
    labels = [aim.before if aim.target is None else aim.target for aim in aims]
    masks = np.stack([frame.mask for frame in frames])
    return Problem(
        network=network,
        images=to_tensor(np.stack([frame.inputs for frame in frames])),
        goal=Goal(labels=torch.tensor(labels), targeted=targeted, confidence=confidence),
        mask=None if masks.all() else torch.from_numpy(masks).unsqueeze(1).float(),
    )


def _findings(frames: Sequence[Frame], aims: Sequence[Aim], result: AttackResult) -> list[Finding]:
    inputs = to_pixels(result.images)
    return [
        Finding(
            frame=frame,
            aim=aim,
            inputs=inputs[row],
            steps=int(result.steps[row]),
            repairs=int(result.repairs[row]),
            found={"linf": float(result.linf[row]), "l2": float(result.l2[row])},
        )
        for row, (frame, aim) in enumerate(zip(frames, aims, strict=True))
    ]


def _counted(request: VisualizationRequest, start: int, total: int) -> Callable[[ProgressEvent], None]:
    """Return a progress callback that names the batch where there are several."""
    if total <= _BATCH:
        return request.progress
    last = min(start + _BATCH, total)

    def report(event: ProgressEvent) -> None:
        request.progress(ProgressEvent(f"{event.stage}, images {start + 1} to {last} of {total}", event.done, event.total))

    return report
