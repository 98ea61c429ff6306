"""Turns training runs into what the package carries: float16 weights and a timm `local-dir` folder.

`python -m tlcore_mini.training.export DATA_FOLDER RUN_FOLDER [RUN_FOLDER ...] WEIGHTS_FOLDER`

Of several runs, each begun with the weights of the one before, the weights are averaged.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from tlcore_mini.training.checkpoint import average, save_json, save_tensors
from tlcore_mini.training.student import ARCHITECTURE, CLASSES, MEAN, MODEL_ARGUMENTS, STD, create_network

IMAGE_SIZE = 128


def configuration(data_folder: Path) -> dict[str, object]:
    """What timm needs to build the network and to prepare its pictures."""
    table = json.loads((data_folder / "images" / "imagenet_class_index.json").read_text())
    network = create_network()
    first_convolution, classifier = network.default_cfg["first_conv"], network.default_cfg["classifier"]
    return {
        "architecture": ARCHITECTURE,
        "num_classes": CLASSES,
        "num_features": network.num_features,
        "global_pool": "avg",
        "model_args": MODEL_ARGUMENTS,
        "pretrained_cfg": {
            "tag": "mini",
            "custom_load": False,
            "input_size": [3, IMAGE_SIZE, IMAGE_SIZE],
            "fixed_input_size": False,
            "interpolation": "bicubic",
            "crop_pct": 1.0,
            "crop_mode": "center",
            "mean": list(MEAN),
            "std": list(STD),
            "num_classes": CLASSES,
            "pool_size": [IMAGE_SIZE // 32, IMAGE_SIZE // 32],
            "first_conv": first_convolution,
            "classifier": classifier,
            "label_names": [table[str(index)][0] for index in range(CLASSES)],
            "label_descriptions": {table[str(index)][0]: table[str(index)][1].replace("_", " ") for index in range(CLASSES)},
        },
    }


def half(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Floating-point tensors as float16. Raises ValueError where a value does not fit."""
    halves = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    for name, tensor in halves.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} holds a value beyond float16's range; train with a larger weight decay")
    return halves


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_folder", type=Path)
    parser.add_argument("run_folders", type=Path, nargs="+", metavar="run_folder")
    parser.add_argument("weights_folder", type=Path)
    arguments = parser.parse_args()
    tensors = average([load_file(folder / "averaged.safetensors") for folder in arguments.run_folders])
    create_network().load_state_dict(tensors)
    arguments.weights_folder.mkdir(parents=True, exist_ok=True)
    path = arguments.weights_folder / "model.safetensors"
    save_tensors(half(tensors), path, {"format": "pt"})
    path.chmod(0o644)
    settings = arguments.weights_folder / "config.json"
    save_json(configuration(arguments.data_folder), settings)
    digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (settings, path)}
    save_json(digests, arguments.weights_folder / "digests.json")
    print(f"{path.stat().st_size / 1e6:.2f} MB, sha256 {digests[path.name]}")


if __name__ == "__main__":
    main()
