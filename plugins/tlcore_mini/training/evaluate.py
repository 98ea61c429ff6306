"""Measures the network in the box against every figure it promises.

`python -m tlcore_mini.training.evaluate DATA_FOLDER WEIGHTS_FOLDER RESULTS_FOLDER`

WEIGHTS_FOLDER is the folder with config.json and model.safetensors. Beside it stand the same architecture untrained,
histograms of oriented gradients, and the ImageNet networks of the data folder. The network and the untrained one are
measured by their pooled features and by those of a spatial pyramid (`tl train --pyramid 3`). The answers of each are kept in
RESULTS_FOLDER, so that only what is missing is measured again; figures.json there holds every number.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from skimage.feature import hog
from timm.data.config import resolve_data_config
from timm.data.transforms_factory import create_transform

from tlcore.features.layered import LayerParts
from tlcore.features.torch_layers import LayersEmbedder
from tlcore.torch_network import Embedder
from tlcore_mini.training.checkpoint import save_json
from tlcore_mini.training.measure import Task, mcnemar, right, tasks, wilson
from tlcore_mini.training.photos import Photo, centred_square, decode
from tlcore_mini.training.speed import images_per_second
from tlcore_mini.training.student import create_network

BARS = {"cats-vs-dogs": 0.92, "oxford-breeds": 0.45, "oxford-species": 0.88, "digits": 0.97}
PAIRED = ("chest-xray-3class", "sign-digits", "clothing")
OTHERS = ("mobilenetv2_100", "regnetx_002", "tf_mobilenetv3_small_100")
HOGS = {"hog-8": (8, False), "hog-16": (16, False), "hog-8-square": (8, True), "hog-16-square": (16, True)}
"""Cells in pixels, and whether only the centred square is seen, which is what the networks see, or the whole photo."""
UNTRAINED_SEED = 0
PYRAMID = (LayerParts("layer4", 2), LayerParts("layer3", 4))
"""The layers of `tl train --backbone mini --pyramid 3`, for the quarters and the sixteenths of the picture."""
PYRAMIDS = ("mini-pyramid", "untrained-pyramid")


def network_features(network: Any, photos: list[Photo], pyramid: bool) -> np.ndarray:
    """Features, float32 (photos, features), with the network's own preprocessing: pooled, or those of `PYRAMID` too."""
    transform = create_transform(**resolve_data_config({}, model=network))
    embedder: Any = Embedder(network, network.head_hidden_size)
    if pyramid:
        embedder = LayersEmbedder(embedder, PYRAMID, None, "mini")
    embedder.eval()
    rows = []
    with torch.inference_mode():
        for start in range(0, len(photos), 50):
            batch = torch.stack([transform(decode(photo)) for photo in photos[start : start + 50]])
            rows.append(embedder(batch.contiguous(memory_format=torch.channels_last))[0])
    return torch.cat(rows).numpy()


def hog_features(photos: list[Photo], size: int, cell: int, square: bool) -> np.ndarray:
    """Histograms of oriented gradients (Dalal and Triggs 2005: nine directions, blocks of 2x2 cells) of the grey photo, the
    whole of it squeezed to `size` x `size` pixels, or its centred square."""
    rows = []
    for photo in photos:
        grey = decode(photo).convert("L")
        grey = grey.resize((size, size), box=centred_square(*grey.size) if square else None)
        rows.append(hog(np.asarray(grey), orientations=9, pixels_per_cell=(cell, cell), cells_per_block=(2, 2)))
    return np.stack(rows).astype(np.float32)


def answers(
    name: str, data_folder: Path, weights_folder: Path, all_tasks: list[Task], results_folder: Path
) -> dict[str, np.ndarray]:
    """Which tested photos of every task `name` gets right; read from the results folder where it was measured before."""
    record = results_folder / f"right-{name}.json"
    if record.exists():
        return {task: np.array(hits, dtype=bool) for task, hits in json.loads(record.read_text()).items()}
    size = json.loads((weights_folder / "config.json").read_text())["pretrained_cfg"]["input_size"][-1]
    network: Any = None
    if name in ("mini", "mini-pyramid"):
        network = timm.create_model(f"local-dir:{weights_folder}", pretrained=True)
    elif name in ("untrained", "untrained-pyramid"):
        torch.manual_seed(UNTRAINED_SEED)
        network = create_network()
        network.pretrained_cfg = timm.create_model(f"local-dir:{weights_folder}", pretrained=False).pretrained_cfg
        network.default_cfg = network.pretrained_cfg
    elif name in OTHERS:
        network = timm.create_model(f"local-dir:{data_folder / 'weights' / name}", pretrained=True)
    found, features_by_first = {}, {}
    for task in all_tasks:
        key = (task.photos[0].identifier, len(task.photos))
        if key not in features_by_first:
            features_by_first[key] = (
                network_features(network, task.photos, name in PYRAMIDS)
                if network is not None
                else hog_features(task.photos, size, *HOGS[name])
            )
        found[task.name] = right(task, features_by_first[key])
        print(f"{name} {task.name} {found[task.name].mean():.4f}", flush=True)
    save_json({task: hits.astype(int).tolist() for task, hits in found.items()}, record)
    return found


def figures(found: dict[str, dict[str, np.ndarray]]) -> dict[str, object]:
    """Accuracy with interval of every network on every task, and the paired tests of the network in the box, by its pooled
    features and by those of its pyramid."""
    accuracies = {name: {task: wilson(hits) for task, hits in of_tasks.items()} for name, of_tasks in found.items()}
    paired = {
        name: {
            task: {other: mcnemar(found[name][task], found[other][task]) for other in found if other != name}
            for task in found[name]
        }
        for name in ("mini", "mini-pyramid")
    }
    bars: dict[str, dict[str, object]] = {}
    for task, bar in BARS.items():
        value = accuracies["mini"][task][0]
        bars[task] = {"bar": bar, "value": value, "met": value >= bar}
    for task, (name, untrained) in itertools.product(PAIRED, (("mini", "untrained"), PYRAMIDS)):
        above = {
            rival: accuracies[name][task][0] > accuracies[rival][task][0] and paired[name][task][rival] < 0.05
            for rival in (untrained, *HOGS)
        }
        bars[f"{task}, {name}"] = {"bar": "above untrained and HOG, p < 0.05", "above": above, "met": all(above.values())}
    return {"accuracies": accuracies, "paired_p": paired, "bars": bars}


def main() -> None:
    """Command line; `--only NAME` measures one network and keeps its answers for a later full run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("data_folder", "weights_folder", "results_folder"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--only")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.results_folder.mkdir(parents=True, exist_ok=True)
    all_tasks = tasks(arguments.data_folder)
    names = [arguments.only] if arguments.only else ["mini", "untrained", *PYRAMIDS, *HOGS, *OTHERS]
    found = {
        name: answers(name, arguments.data_folder, arguments.weights_folder, all_tasks, arguments.results_folder)
        for name in names
    }
    if arguments.only:
        return
    record = figures(found) | {"speed": images_per_second(arguments.data_folder, arguments.weights_folder)}
    save_json(record, arguments.results_folder / "figures.json")
    print(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
