"""Time from photos to an evaluated classifier: `tl train`, cold and warm, beside fastai's frozen fine-tuning. Imports included.

FASTAI_PYTHON=.../bin/python python -m tests.benchmarks.fastai_compare PETIMAGES WEIGHTS [--epochs 5] [--rounds 3] [--count 100]

PETIMAGES is the Cats-vs-Dogs folder with its train.txt and test.txt, WEIGHTS a network in ``local-dir:`` format. FASTAI_PYTHON is
the Python of an environment that has fastai 2.8 and timm; fastai runs there as `tests/benchmarks/fastai_freeze.py`. With fewer
epochs than five, an epoch's time is measured and multiplied. ``--count`` takes that many photos of each list, for a quick try.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EPOCHS = 5


def main() -> None:
    """Run both and print seconds, accuracy and the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=None, help="use so many photos of each list")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        photos = some_photos(arguments.photos, Path(directory, "photos"), arguments.count)
        cold, warm, accuracy = ours(photos, arguments.weights, Path(directory), arguments.rounds)
        print(f"tlcore: cold {cold:.1f} s, warm {warm:.1f} s, test accuracy {100 * accuracy:.1f} %", flush=True)
        python = os.environ.get("FASTAI_PYTHON")
        if python is None:
            print("FASTAI_PYTHON is not set; fastai was not run")
            return
        theirs, their_accuracy = fastai(python, photos, arguments.weights, arguments.epochs)
    print(f"fastai: {theirs:.1f} s for {EPOCHS} epochs, test accuracy {100 * their_accuracy:.1f} %")
    print(f"fastai over tlcore: cold {theirs / cold:.1f}, warm {theirs / warm:.1f}")


def some_photos(photos: Path, target: Path, count: int | None) -> Path:
    """Return the photos, or a copy of some of them, evenly taken, with lists of their own."""
    if count is None:
        return photos
    for name in ("train.txt", "test.txt"):
        lines = (photos / name).read_text(encoding="utf-8").split("\n")
        lines = [line for line in lines if line]
        chosen = lines[:: max(1, len(lines) // count)]
        for line in chosen:
            file = target / line.split()[0]
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(photos / line.split()[0], file)
        (target / name).write_text("\n".join(chosen) + "\n", encoding="utf-8")
    return target


def ours(photos: Path, weights: Path, directory: Path, rounds: int) -> tuple[float, float, float]:
    """Return medians of seconds with an empty home and with a filled one, and the test accuracy."""
    command = [
        *(sys.executable, "-m", "tlcore_cli", "train", "cats-vs-dogs", "--root", str(photos)),
        *("--backbone", f"local-dir:{weights}", "--output", str(directory / "bundle"), "--json"),
    ]
    cold: list[float] = []
    warm: list[float] = []
    accuracy = 0.0
    for number in range(rounds):
        environment = {**os.environ, "TLCORE_HOME": str(directory / f"home-{number}")}
        for taken in (cold, warm):
            started = time.perf_counter()
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            taken.append(time.perf_counter() - started)
            result = json.loads(done.stdout)
            accuracy = float(result["metrics"]["test"]["top1"]["value"])
        print(f"  {result['engine']}; cold {cold[-1]:.1f} s, warm {warm[-1]:.1f} s", flush=True)
    return statistics.median(cold), statistics.median(warm), accuracy


def fastai(python: str, photos: Path, weights: Path, epochs: int) -> tuple[float, float]:
    """Return the seconds that five epochs take, imports and evaluation included, and the test accuracy."""
    script = Path(__file__).with_name("fastai_freeze.py")
    started = time.perf_counter()
    done = subprocess.run(
        [python, str(script), str(photos), str(weights), str(epochs)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"fastai failed:\n{done.stderr[-2000:]}")
    seconds = time.perf_counter() - started
    result = json.loads(done.stdout.splitlines()[-1])
    return seconds + (EPOCHS - epochs) * result["seconds_per_epoch"], result["accuracy"]


if __name__ == "__main__":
    main()
