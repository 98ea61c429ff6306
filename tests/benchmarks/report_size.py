"""The report of 1,000 classes and 100,000 images: its bytes, and how long a browser takes to open it.

Under 15 MB and two seconds are asked for. Run as ``python -m tests.benchmarks.report_size [--classes 1000] [--images 100000]``.
The answers are made; a thousand different photos of noise stand for the images.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from tests.tlcore.evaluation.made import MadeModel
from tlcore.dataset import ALL, Dataset, Sample
from tlcore.evaluation import EvaluateOptions, Evaluation, evaluation_page
from tlcore.evaluation.run import evaluate_model
from tlcore.images import BytesImage, encode_png
from tlcore.progress import silent


class Rows:
    """Answers by image name, each made when it is asked for: all at once would fill the memory twice."""

    def __init__(self, labels: np.ndarray, size: int, signal: float) -> None:
        self._labels, self._size, self._signal = labels, size, signal

    def __getitem__(self, name: str) -> np.ndarray:
        index = int(name.partition(".")[0])
        row = np.random.default_rng(index).standard_normal(self._size, np.float32)
        row[self._labels[index] % self._size] += self._signal
        return row


def evaluation_of(classes: int, images: int) -> Evaluation:
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, images)
    photos = [encode_png(Image.fromarray(random.integers(0, 255, (120, 160, 3), np.uint8))) for _ in range(min(images, 200))]
    samples = tuple(
        Sample(BytesImage(photos[index % len(photos)]), f"{index}.png", int(label)) for index, label in enumerate(labels)
    )
    names = tuple(f"class number {index}" for index in range(classes))
    model = MadeModel(names, Rows(labels, classes, 4.0))  # type: ignore[arg-type]
    return evaluate_model(
        model,
        Dataset(name="made", class_names=names, splits={ALL: samples}),
        split=None,
        settings=EvaluateOptions(),
        reference=None,
        strict=False,
        cache_directory=None,
        progress=silent,
    )


def seconds_to_open(page: Path, rounds: int = 5) -> list[float]:
    """Return the wall time from asking a headless Chromium for the page until it is loaded and drawn."""
    from playwright.sync_api import sync_playwright

    program = next(found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name)))
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        taken = []
        for _ in range(rounds):
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            before = time.perf_counter()
            tab.goto(page.as_uri(), wait_until="load")
            tab.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            taken.append(time.perf_counter() - before)
            tab.close()
        browser.close()
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="keep the page here")
    chosen = parser.parse_args()
    started = time.perf_counter()
    evaluation = evaluation_of(chosen.classes, chosen.images)
    measured = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        page = chosen.keep or Path(directory) / "report.html"
        page.write_text(evaluation_page(evaluation, command="tl evaluate made made"), encoding="utf-8")
        written = time.perf_counter()
        taken = seconds_to_open(page)
        print(
            f"{chosen.classes:,} classes, {chosen.images:,} images, accuracy {evaluation.metrics.top1}\n"
            f"measured in {measured - started:.1f} s, page made in {written - measured:.1f} s\n"
            f"{page.stat().st_size / 1e6:.2f} MB, opened in {statistics.median(taken):.2f} s "
            f"(median of {len(taken)}, slowest {max(taken):.2f} s)"
        )


if __name__ == "__main__":
    main()
