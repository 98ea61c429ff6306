"""Our Grad-CAM beside Captum's and pytorch-grad-cam's: deletion, insertion and time on the same images, network and layer.

python -m tests.benchmarks.saliency PHOTOS BACKBONE [BACKBONE ...] [--images 200]

The three explain the likeliest class. Ours explains its log-odds, theirs its logit. pytorch-grad-cam (not a dependency: pip
install grad-cam) is given an unfrozen copy of the network, as it fails on frozen weights. The layer is found once and given
to all; turns are interleaved, ratios are of each image's own times, and intervals are of paired differences (bootstrap).
"""

from __future__ import annotations

import argparse
import copy
import importlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from captum.attr import LayerGradCam

from tlcore import Registry, Subject
from tlcore.images import IMAGE_SUFFIXES, decode_image
from tlcore.subject import make_subject
from tlcore_visualizers.borrowed import borrowed
from tlcore_visualizers.layers import Layer, find_layers
from tlcore_visualizers.saliency.activation import activation_layer, grad_cam
from tlcore_visualizers.saliency.faithfulness import faithfulness

Method = Callable[[torch.Tensor, int], np.ndarray]


def methods(subject: Subject, layer: Layer) -> dict[str, Method]:
    """Return each peer's Grad-CAM as a function of a normalised image and a class."""
    network = subject.network

    def ours(inputs: torch.Tensor, target: int) -> np.ndarray:
        with borrowed(network):
            return grad_cam(network, inputs, target, layer).numpy()

    found: dict[str, Method] = {"tlcore": ours}
    if layer.arrangement == "channels-first":
        cam = LayerGradCam(network, network.get_submodule(layer.name))

        def captum(inputs: torch.Tensor, target: int) -> np.ndarray:
            values = cam.attribute(inputs.clone().requires_grad_(), target=target, relu_attributions=True)
            return LayerGradCam.interpolate(values, tuple(inputs.shape[2:]), "bilinear")[0, 0].detach().numpy()

        found["captum"] = captum
    try:
        package = importlib.import_module("pytorch_grad_cam")
    except ModuleNotFoundError:
        print("pytorch-grad-cam is not installed: pip install grad-cam")
        return found
    unfrozen = copy.deepcopy(network).requires_grad_(True)
    target_of = importlib.import_module("pytorch_grad_cam.utils.model_targets").ClassifierOutputTarget
    theirs = package.GradCAM(unfrozen, [unfrozen.get_submodule(layer.name)], reshape_transform=layer.grid)
    found["pytorch-grad-cam"] = lambda inputs, target: theirs(inputs, [target_of(target)])[0]
    return found


def compare(subject: Subject, photos: Sequence[Path], steps: int) -> None:
    layers = find_layers(subject.network, subject.preprocess.image_size)
    with borrowed(subject.network):
        layer = activation_layer(subject.network, layers, subject.preprocess.image_size)
    peers = methods(subject, layer)
    seconds: dict[str, list[float]] = {name: [] for name in peers}
    scores: dict[str, list[tuple[float, float]]] = {name: [] for name in peers}
    for turn, photo in enumerate(photos):
        pixels = subject.preprocess.pixels(decode_image(photo.read_bytes(), photo.name))
        inputs = torch.from_numpy(subject.preprocess.normalise(pixels[None]))
        with torch.no_grad():
            target = int(subject.network(inputs).argmax())
        names = list(peers)[turn % len(peers) :] + list(peers)[: turn % len(peers)]
        for name in names:
            started = time.perf_counter()
            values = np.ascontiguousarray(peers[name](inputs, target), np.float32)
            seconds[name].append(time.perf_counter() - started)
            with borrowed(subject.network):
                found = faithfulness(subject.network, inputs, values, target, steps=steps)
            scores[name].append((found.deletion, found.insertion))
    print(f"{subject.name}: layer {layer.name}, {len(photos)} images")
    for name in peers:
        deletion, insertion = np.mean(scores[name], axis=0)
        print(f"  {name:<17} deletion {deletion:.4f}  insertion {insertion:.4f}", end="")
        if name != "tlcore":
            ratio = np.median(np.array(seconds["tlcore"][len(peers) :]) / np.array(seconds[name][len(peers) :]))
            difference = np.array(scores["tlcore"]) - np.array(scores[name])
            print(
                f"  ours less theirs: {told(difference[:, 0])}, {told(difference[:, 1])}  our time / theirs {ratio:.2f}",
                end="",
            )
        print()


def told(differences: np.ndarray) -> str:
    """Return the mean of paired differences with its 95 % interval."""
    random = np.random.default_rng(0)
    means = [random.choice(differences, len(differences)).mean() for _ in range(2000)]
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{differences.mean():+.4f} [{low:+.4f}, {high:+.4f}]"


def main() -> None:
    """Compare on each backbone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("backbones", nargs="+")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--steps", type=int, default=32)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    photos = sorted(path for path in arguments.photos.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    chosen = photos[:: max(1, len(photos) // arguments.images)][: arguments.images]
    registry = Registry()
    for name in arguments.backbones:
        compare(make_subject(name, registry), chosen, arguments.steps)


if __name__ == "__main__":
    main()
