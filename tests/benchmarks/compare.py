"""`tl compare` on cached features: how long it takes, and whether what it recommends is as good as the best there is.

python -m tests.benchmarks.compare PHOTOS BACKBONE [BACKBONE ...] [--photos 2000] [--rounds 3] [--minutes 5]

PHOTOS is a folder per class, of which an equal share of each is taken. Where fewer than six backbones are given, untrained
networks that must lose fill up. Features are computed first; then, each time with all earlier judgements thrown away, every
backbone is judged on all photos, and again by successive halving. The bars: under 60 seconds for all, and a recommendation
within 0.5 points of the most accurate of all.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median

from safetensors.numpy import save_file

from tlcore import CompareOptions, Comparison, Registry, compare
from tlcore.images import IMAGE_SUFFIXES

FILLING = ("resnet18", "mobilenetv3_small_100", "resnet10t", "regnetx_002", "mobilenetv2_050")


def some_photos(source: Path, count: int, target: Path) -> Path:
    """Link an equal share of each class's photos into a new folder."""
    classes = sorted(folder for folder in source.iterdir() if folder.is_dir())
    for folder in classes:
        (target / folder.name).mkdir(parents=True)
        photos = sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
        for photo in photos[: count // len(classes)]:
            os.symlink(photo.resolve(), target / folder.name / photo.name)
    return target


def untrained(name: str, directory: Path) -> str:
    """Write a network of random weights, and return how it is named."""
    network = Registry().backbone(f"timm/{name}", {"pretrained": False}).network_files(None, ())
    assert network is not None
    folder = directory / f"untrained-{name}"
    folder.mkdir()
    save_file(dict(network.tensors), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(dict(network.config)))
    return f"local-dir:{folder}"


def told(name: str, found: Comparison) -> None:
    assert found.recommended is not None
    chosen = found.rows[found.recommended]
    print(f"{name}: {found.seconds:.1f} s; recommended {Path(chosen.backbone).name}, {chosen.accuracy}", flush=True)


def main() -> None:
    """Print times, the table, and how far the recommendation is from the best."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("backbones", nargs="+")
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=5.0)
    arguments = parser.parse_args()
    registry = Registry()
    with tempfile.TemporaryDirectory() as directory:
        place, cache = Path(directory), Path(directory) / "cache"
        photos = str(some_photos(arguments.folder, arguments.photos, place / "photos"))
        names = [*arguments.backbones, *(untrained(name, place) for name in FILLING[: 6 - len(arguments.backbones)])]
        options = CompareOptions(backbones=tuple(names))
        thinning = replace(options, minutes=arguments.minutes)
        told("features not cached", compare(photos, options, registry=registry, cache_directory=cache))
        seconds, gaps = [], []
        for number in range(arguments.rounds):
            found = []
            for name, chosen in (("all on all photos", options), ("halving", thinning)):
                shutil.rmtree(cache / "judgements")
                found.append(compare(photos, chosen, registry=registry, cache_directory=cache))
                told(f"round {number + 1}, features cached, {name}", found[-1])
            everything, thinned = found
            seconds.append(everything.seconds)
            accuracies = {row.backbone: row.accuracy.value for row in everything.rows}
            for result in (everything, thinned):
                assert result.recommended is not None
                gaps.append(100 * (max(accuracies.values()) - accuracies[result.rows[result.recommended].backbone]))
        for row in everything.rows:
            print(f"  {Path(row.backbone).name:32} {row.accuracy}  {row.cost.milliseconds:.1f} ms")
    print(f"{len(names)} backbones on {everything.images} photos: median {median(seconds):.1f} s (the bar: 60)")
    print(f"the recommended one is at most {max(gaps):.2f} points below the best of all (the bar: 0.5)")


if __name__ == "__main__":
    main()
