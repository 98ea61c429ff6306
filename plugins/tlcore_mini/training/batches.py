"""Batches drawn from the cache, in a fixed mix of sources, made ahead in one background thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from tlcore_mini.training.student import MEAN, STD


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """How many images of each source make one worker's batch, and how much of a view's side a batch may cut away (0..1)."""

    tiny: int = 70
    pets: int = 44
    samples: int = 14
    largest_cut: float = 0.12


class Source:
    """One folder of the cache, memory-mapped: views with the teachers' answers."""

    def __init__(self, folder: Path) -> None:
        self.images = np.load(folder / "images.npy", mmap_mode="r")
        self.features = np.load(folder / "features.npy", mmap_mode="r")
        self.quarters = np.load(folder / "quarters.npy", mmap_mode="r")
        self.logits = np.load(folder / "logits.npy", mmap_mode="r")
        self.labels = np.load(folder / "labels.npy")
        some = np.asarray(self.features[:: max(1, len(self.features) // 20_000)], dtype=np.float32)
        self.mean, self.std = some.mean(axis=0), some.std(axis=0)

    def __len__(self) -> int:
        return len(self.images)


def normalise(pictures: Tensor) -> Tensor:
    """uint8 RGB (images, 3, height, width) -> bfloat16, standardised, channels-last."""
    mean = torch.tensor(MEAN).view(1, 3, 1, 1) * 255
    std = torch.tensor(STD).view(1, 3, 1, 1) * 255
    return ((pictures.float() - mean) / std).to(dtype=torch.bfloat16, memory_format=torch.channels_last)


class Batches:
    """Batches by step number: the same (seed, step, worker) gives the same batch, so that a resumed run sees the same ones.

    A batch holds 'images', 'features' (standardised over all sources), 'quarters' (those of the four quarters, standardised
    as the features are), 'feature_scale' (how much more a feature varies over all sources than within the image's own),
    'logits', 'label' and 'species'.
    """

    def __init__(self, cache_folder: Path, settings: BatchSettings, seed: int, worker: int) -> None:
        self.settings, self.seed, self.worker = settings, seed, worker
        self.sources = {name: Source(cache_folder / name) for name in ("tiny", "pets", "samples")}
        counts = {name: getattr(settings, name) for name in self.sources}
        total = sum(counts.values())
        self.mean = sum(counts[name] / total * source.mean for name, source in self.sources.items())
        square = sum(
            counts[name] / total * (source.std**2 + (source.mean - self.mean) ** 2) for name, source in self.sources.items()
        )
        self.std = np.sqrt(square) + 1e-3
        self.scales = {
            name: np.clip(self.std / (source.std + 1e-3), 0.5, 3.0).astype(np.float32)
            for name, source in self.sources.items()
        }

    @property
    def teacher_features(self) -> int:
        """The width of the concatenated teacher features."""
        return int(self.sources["tiny"].features.shape[1])

    def batch(self, step: int, image_size: int) -> dict[str, Tensor]:
        """The batch of one step at one image size (pixels)."""
        random = np.random.default_rng((self.seed, step, self.worker))
        parts = [self._part(name, image_size, random) for name in self.sources]
        whole = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
        whole["images"] = normalise(whole["images"])
        return whole

    def _part(self, name: str, image_size: int, random: np.random.Generator) -> dict[str, Tensor]:
        source, count = self.sources[name], getattr(self.settings, name)
        rows = np.sort(random.integers(0, len(source), count))
        pictures = torch.from_numpy(source.images[rows]).permute(0, 3, 1, 2)
        side = pictures.shape[-1]
        kept = side - int(random.integers(0, int(side * self.settings.largest_cut) + 1))
        top, left = (int(random.integers(0, side - kept + 1)) for _ in range(2))
        pictures = pictures[:, :, top : top + kept, left : left + kept].contiguous(memory_format=torch.channels_last)
        pictures = functional.interpolate(pictures, size=(image_size, image_size), mode="bilinear", antialias=True)
        mirrored = torch.from_numpy(random.random(count) < 0.5).view(-1, 1, 1, 1)
        pictures = torch.where(mirrored, pictures.flip(-1), pictures)
        labels = torch.from_numpy(source.labels[rows % len(source.labels)])
        quarters = self._standardised(source.quarters[rows])
        return {
            "images": pictures,
            "features": self._standardised(source.features[rows]),
            "quarters": torch.where(mirrored, quarters.flip(2), quarters),
            "feature_scale": torch.from_numpy(self.scales[name]).expand(count, -1),
            "logits": torch.from_numpy(source.logits[rows].astype(np.float32)),
            "label": labels[:, 0],
            "species": labels[:, 1],
        }

    def _standardised(self, features: np.ndarray) -> Tensor:
        return torch.from_numpy(((features.astype(np.float32) - self.mean) / self.std).astype(np.float32))

    def ahead(self, sizes: Iterable[tuple[int, int]]) -> Iterator[dict[str, Tensor]]:
        """The batches of the given (step, image size) pairs, two made ahead in one thread."""
        with ThreadPoolExecutor(max_workers=1) as executor:
            waiting: deque[Future[dict[str, Tensor]]] = deque()
            for step, image_size in sizes:
                waiting.append(executor.submit(self.batch, step, image_size))
                if len(waiting) > 2:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
