"""Attacks on real photos: success on the file as read again, speed and success beside other libraries, APGD beside the reference.

    python -m tests.benchmarks.adversarial PHOTOS MODEL CLASS [--images 100] [--rounds 5] [--steps 100]

PHOTOS is a folder of dog photos, MODEL a bundle or a backbone with its own classifier, CLASS the class they are to be taken
for (``Cat`` of a bundle trained on cats and dogs, ``tabby`` of an ImageNet network). torchattacks and foolbox are compared
with where they can be imported: put them in an environment of their own and its packages on PYTHONPATH. The reference
implementation of AutoAttack is not on the package index; torchattacks' APGD, written after the same paper, stands in for it.

Ratios are of processor time, medians over rounds in which the contenders take turns.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from tlcore import Registry, Subject, VisualizationRequest, save_visualization
from tlcore.images import decode_image
from tlcore.machine.memory import keep_freed
from tlcore.metrics import Share
from tlcore.subject import make_subject
from tlcore_visualizers.adversarial.apgd import AutoProjectedGradient
from tlcore_visualizers.adversarial.goal import Goal
from tlcore_visualizers.adversarial.minimal import MinimalEpsilon
from tlcore_visualizers.adversarial.options import AdversarialOptions
from tlcore_visualizers.adversarial.pgd import ProjectedGradient
from tlcore_visualizers.adversarial.problem import Problem
from tlcore_visualizers.adversarial.visualizer import create
from tlcore_visualizers.pixel_network import PixelNetwork, to_tensor

_EPSILON = 4 / 255
_BATCH = 8


def main() -> None:
    asked = _arguments()
    keep_freed()  # as `tl` does; without it the kernel's page faults are most of what differs between contenders
    subject = make_subject(asked.model, Registry())
    target = subject.find_class(asked.target)
    network = PixelNetwork(subject).eval()
    photos = _photos(asked.photos, subject, network, target, asked.images)
    print(f"{len(photos)} photos, {subject.name}, target {subject.class_name(target)}, {torch.get_num_threads()} threads")
    _targeted(subject, photos, target)
    inputs = to_tensor(np.stack([subject.preprocess.pixels(photo) for photo in photos]))
    _minimal(network, inputs, target)
    _speed(network, inputs[:_BATCH], target, asked.rounds)
    _success(network, inputs, target)
    _apgd(network, inputs, asked.steps)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("model")
    parser.add_argument("target", metavar="CLASS")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100, help="of APGD")
    return parser.parse_args()


def _photos(folder: Path, subject: Subject, network: PixelNetwork, target: int, count: int) -> list[Image.Image]:
    """Return photos that the network does not take for the target class already; those come from the end of the folder."""
    found: list[Image.Image] = []
    for path in sorted(folder.iterdir(), reverse=True):
        image = decode_image(path.read_bytes(), path.name)
        if int(network.probabilities(subject.preprocess.pixels(image)[np.newaxis])[0].argmax()) != target:
            found.append(image)
        if len(found) == count:
            break
    return found


def _targeted(subject: Subject, photos: Sequence[Image.Image], target: int) -> None:
    """The whole of ``tl adversarial``, and each PNG read from disk once more."""
    request = VisualizationRequest(
        images=tuple(photos), image_names=tuple(f"{index}.png" for index in range(len(photos))), classes=(target,)
    )
    result = create("pgd", AdversarialOptions(epsilon="4/255", onnx=True)).visualize(subject, request)
    network = PixelNetwork(subject)
    fooled = 0
    with tempfile.TemporaryDirectory() as folder:
        save_visualization(result, Path(folder, "out"))
        for record in result.record["images"]:
            pixels = subject.preprocess.pixels(decode_image(Path(folder, "out", record["file"]).read_bytes()))
            fooled += int(network.probabilities(pixels[np.newaxis])[0].argmax()) == target
    print(f"targeted pgd at 4/255, PNG read again: {Share.of(fooled, len(photos))}")
    for line in result.lines:
        print(f"  {line}")


def _minimal(network: torch.nn.Module, inputs: torch.Tensor, target: int) -> None:
    free: list[float] = []
    saved: list[float] = []
    for part in inputs.split(_BATCH):
        result = MinimalEpsilon(steps=20).run(_toward(network, part, target))
        distance = (result.images - part).abs().flatten(1).amax(1)
        free += result.linf.tolist()
        saved += torch.where(result.success, distance, torch.inf).tolist()
    print(
        f"minimal epsilon: median {255 * statistics.median(free):.2f}/255, largest {255 * max(free):.2f}/255; "
        f"of 8-bit files median {255 * statistics.median(saved):.0f}/255, largest {255 * max(saved):.0f}/255"
    )


def _toward(network: torch.nn.Module, inputs: torch.Tensor, target: int) -> Problem:
    return Problem(network=network, images=inputs, goal=Goal(labels=torch.full((len(inputs),), target), targeted=True))


def _speed(network: torch.nn.Module, inputs: torch.Tensor, target: int, rounds: int) -> None:
    """Time and network passes where nothing is fooled, so that nobody stops early, over those of as many bare gradients."""
    tiny, steps = 1e-7, 40
    contenders: dict[str, Callable[[torch.Tensor], object]] = {
        "bare gradients": lambda part: _bare(network, part, target, steps),
        **_attacks(network, target, tiny, steps=steps, share=0.15),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    passes = {name: _passes(network, lambda own=contender: own(inputs)) for name, contender in contenders.items()}
    for _ in range(rounds):
        for name, contender in contenders.items():
            started = time.process_time()
            contender(inputs)
            times[name].append(time.process_time() - started)
    for name, taken in times.items():
        ratios = [own / bare for own, bare in zip(taken, times["bare gradients"], strict=True)]
        print(
            f"pgd, {steps} steps of {len(inputs)} images, {name}: {statistics.median(ratios):.3f} of bare gradients "
            f"[{min(ratios):.3f}, {max(ratios):.3f}], {1000 * statistics.median(taken) / steps / len(inputs):.1f} ms a step and image; "
            f"{passes[name] / len(inputs):g} forward passes an image"
        )


def _passes(network: torch.nn.Module, work: Callable[[], object]) -> int:
    """Return how many images the network is asked about meanwhile."""
    asked: list[int] = []
    handle = network.register_forward_pre_hook(lambda _, inputs: asked.append(len(inputs[0])))
    try:
        work()
    finally:
        handle.remove()
    return sum(asked)


def _bare(network: torch.nn.Module, inputs: torch.Tensor, target: int, steps: int) -> None:
    labels = torch.full((len(inputs),), target)
    for _ in range(steps):
        leaf = inputs.clone().requires_grad_(True)
        torch.autograd.grad(torch.nn.functional.cross_entropy(network(leaf), labels, reduction="sum"), leaf)


def _success(network: torch.nn.Module, inputs: torch.Tensor, target: int) -> None:
    """Targeted PGD at the same radius, step size and number of steps; at a small radius too, as at 4/255 all succeed."""
    for epsilon in (_EPSILON / 4, _EPSILON):
        for name, attack in _attacks(network, target, epsilon, steps=20, share=0.15).items():
            found = 0
            for part in inputs.split(_BATCH):
                changed = attack(part).detach()
                with torch.no_grad():
                    found += int((network(changed).argmax(1) == target).sum())
            print(f"targeted pgd, 20 steps at {255 * epsilon:g}/255, {name}: {Share.of(found, len(inputs))}")


def _attacks(
    network: torch.nn.Module, target: int, epsilon: float, *, steps: int, share: float
) -> dict[str, Callable[[torch.Tensor], torch.Tensor]]:
    """Return each library's targeted PGD, from pictures to pictures."""
    own = ProjectedGradient(epsilon=epsilon, steps=steps, step_size=share)
    found: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "tlcore": lambda part: own.run(_toward(network, part, target), saved=False).images
    }
    if (attacks := _optional("torchattacks")) is not None:
        other = attacks.PGD(network, eps=epsilon, alpha=share * epsilon, steps=steps)
        other.set_mode_targeted_by_label(quiet=True)
        found["torchattacks"] = lambda part: other(part, torch.full((len(part),), target))
    if (foolbox := _optional("foolbox")) is not None:
        model = foolbox.PyTorchModel(network, bounds=(0, 1), device="cpu")
        pgd = foolbox.attacks.LinfPGD(steps=steps, rel_stepsize=share)
        wanted = foolbox.criteria.TargetedMisclassification
        found["foolbox"] = lambda part: pgd(model, part, wanted(torch.full((len(part),), target)), epsilons=epsilon)[1]
    return found


def _apgd(network: torch.nn.Module, inputs: torch.Tensor, steps: int) -> None:
    """Robust accuracy against what the network says of the originals, at radii where part of the images hold."""
    attacks = _optional("torchattacks")
    with torch.no_grad():
        labels = torch.cat([network(part).argmax(1) for part in inputs.split(_BATCH)])
    for level in (0.2, 0.28):
        own = other = 0
        for part, named in zip(inputs.split(_BATCH), labels.split(_BATCH), strict=True):
            problem = Problem(network=network, images=part, goal=Goal(labels=named))
            own += int((~AutoProjectedGradient(epsilon=level / 255, steps=steps).run(problem, saved=False).success).sum())
            if attacks is not None:
                changed = attacks.APGD(network, norm="Linf", eps=level / 255, steps=steps, loss="ce")(part, named)
                with torch.no_grad():
                    other += int((network(changed).argmax(1) == named).sum())
        told = f"; torchattacks {100 * other / len(inputs):.1f} %" if attacks is not None else ""
        print(f"apgd-ce, {steps} steps at {level:g}/255, robust accuracy: tlcore {100 * own / len(inputs):.1f} %{told}")


def _optional(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed here: left out")
        return None


if __name__ == "__main__":
    main()
