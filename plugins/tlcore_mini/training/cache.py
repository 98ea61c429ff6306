"""The cache: every view of every training photo with what the teachers said of it, made once, resumable after a kill."""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import time
from pathlib import Path

import numpy as np

from tlcore.machine.memory import keep_freed
from tlcore_mini.training.duplicates import DuplicateSettings, find_exclusions
from tlcore_mini.training.photos import Photo, measuring_photos, training_photos
from tlcore_mini.training.views import PET_VIEWS, SAMPLE_VIEWS, TINY_VIEWS, ViewSettings, render

PHOTOS_PER_CHUNK = {"tiny": 100, "pets": 20, "samples": 40}
LOGITS = 1000


def main() -> None:
    """Command line: `python -m tlcore_mini.training.cache DATA_FOLDER CACHE_FOLDER`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data_folder", type=Path)
    parser.add_argument("cache_folder", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    arguments.cache_folder.mkdir(parents=True, exist_ok=True)
    photos = _kept_photos(arguments.data_folder, arguments.cache_folder)
    for settings in (PET_VIEWS, SAMPLE_VIEWS, TINY_VIEWS):
        chosen = [photo for photo in photos if photo.source == settings.source]
        build(chosen, settings, arguments.data_folder, arguments.cache_folder / settings.source, arguments.workers)


def _kept_photos(data_folder: Path, cache_folder: Path) -> list[Photo]:
    """The training photos less the excluded ones, which are recorded in exclusions.json."""
    training = training_photos(data_folder)
    record = cache_folder / "exclusions.json"
    if not record.exists():
        exclusions = find_exclusions(training, measuring_photos(data_folder))
        summary = {
            "training_photos": len(training),
            "excluded": len(exclusions),
            "settings": dataclasses.asdict(DuplicateSettings()),
            "exclusions": [dataclasses.asdict(exclusion) for exclusion in exclusions],
        }
        record.write_text(json.dumps(summary, indent=2))
        print(f"excluded {len(exclusions)} of {len(training)} training photos", flush=True)
    excluded = {entry["training"] for entry in json.loads(record.read_text())["exclusions"]}
    return [photo for photo in training if photo.identifier not in excluded]


def build(photos: list[Photo], settings: ViewSettings, data_folder: Path, folder: Path, workers: int) -> None:
    """Writes images.npy, features.npy, quarters.npy, logits.npy and labels.npy for `photos` under `folder`.

    Rows are view-major: row = view * len(photos) + photo. A marker file for each finished chunk makes the work resumable.
    """
    from tlcore_mini.training.teachers import TEACHER_NAMES, Teachers

    folder.mkdir(parents=True, exist_ok=True)
    feature_size = Teachers(data_folder).feature_size
    rows = len(photos) * settings.views_per_photo
    shapes = {
        "images": (np.uint8, (rows, settings.student_size, settings.student_size, 3)),
        "features": (np.float16, (rows, feature_size)),
        "quarters": (np.float16, (rows, 2, 2, feature_size)),
        "logits": (np.float16, (rows, LOGITS)),
    }
    for name, (kind, shape) in shapes.items():
        if not (folder / f"{name}.npy").exists():
            np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=kind, shape=shape).flush()
    np.save(folder / "labels.npy", np.array([(photo.label, photo.species) for photo in photos], dtype=np.int64))
    (folder / "settings.json").write_text(json.dumps({**dataclasses.asdict(settings), "teachers": TEACHER_NAMES}, indent=2))
    step = PHOTOS_PER_CHUNK[settings.source]
    chunks = [start for start in range(0, len(photos), step) if not (folder / f"done-{start}").exists()]
    started = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, _start_worker, (photos, settings, data_folder, folder)) as pool:
        for count, _ in enumerate(pool.imap_unordered(_fill_chunk, [(start, step) for start in chunks]), 1):
            if count % 10 == 0 or count == len(chunks):
                rate = count * step * settings.views_per_photo / (time.monotonic() - started)
                print(f"{settings.source}: {count} of {len(chunks)} chunks, {rate:.0f} views/s", flush=True)


def _start_worker(photos: list[Photo], settings: ViewSettings, data_folder: Path, folder: Path) -> None:
    import torch

    from tlcore_mini.training.teachers import Teachers

    torch.set_num_threads(1)
    keep_freed()
    names = ("images", "features", "quarters", "logits")
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in names}
    _worker.update(photos=photos, settings=settings, teachers=Teachers(data_folder), arrays=arrays, folder=folder)


_worker: dict = {}


def _fill_chunk(bounds: tuple[int, int]) -> None:
    start, step = bounds
    photos, settings, arrays = _worker["photos"], _worker["settings"], _worker["arrays"]
    photos_at_once = max(1, 48 // settings.views_per_photo)
    for first in range(start, min(start + step, len(photos)), photos_at_once):
        numbers = range(first, min(first + photos_at_once, start + step, len(photos)))
        rendered = [render(photos[number], number, settings) for number in numbers]
        rows = np.concatenate([np.arange(settings.views_per_photo) * len(photos) + number for number in numbers])
        arrays["images"][rows] = np.concatenate([small for small, _large in rendered])
        said = _worker["teachers"](np.concatenate([large for _small, large in rendered]), settings.logits_size)
        arrays["features"][rows], arrays["quarters"][rows], arrays["logits"][rows] = said
    (_worker["folder"] / f"done-{start}").touch()


if __name__ == "__main__":
    main()
