"""A cheap look at the features while training: small fixed test sets, one linear head each, a few seconds in all.

It looks at measuring photos only to show whether the run goes well; nothing of them reaches the weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from tlcore_mini.training.batches import normalise
from tlcore_mini.training.photos import Photo, centred_square, decode, measuring_photos, pets, tiny_imagenet_validation

PROBE_SIZE = 128


def picture(photo: Photo, size: int) -> np.ndarray:
    """The photo shorter-side resized and centre-cropped, (size, size, 3) uint8."""
    image = decode(photo)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=centred_square(*image.size)))


class Probe:
    """Measures a network on Cats-vs-Dogs (400 train and all test photos), Oxford breeds, sign-digits and chest-xray
    (3-fold), and Tiny-ImageNet validation (the head's own top-1 of 1,000)."""

    def __init__(self, data_folder: Path) -> None:
        train, measuring = pets(data_folder, "train.txt")[::5], measuring_photos(data_folder)
        test = [photo for photo in measuring if photo.source == "cats-vs-dogs-test"]
        self.pets = self._pictures(train), self._pictures(test)
        self.species = np.array([photo.species for photo in train]), np.array([photo.species for photo in test])
        self.sets = {}
        for name in ("oxford-iiit-pet", "sign-digits", "chest-xray-3class"):
            photos = [photo for photo in measuring if photo.source == name]
            if name == "oxford-iiit-pet":
                labels = [photo.identifier.split("/")[1].rsplit("_", 1)[0] for photo in photos]
            else:
                labels = [photo.identifier.split("/")[0] for photo in photos]
            self.sets[name] = self._pictures(photos), np.array(labels)
        tiny = tiny_imagenet_validation(data_folder)[::2]
        self.tiny = self._pictures(tiny), np.array([photo.label for photo in tiny])

    @staticmethod
    def _pictures(photos: list[Photo]) -> torch.Tensor:
        return torch.from_numpy(np.stack([picture(photo, PROBE_SIZE) for photo in photos])).permute(0, 3, 1, 2)

    def measure(self, network: Any) -> dict[str, float]:
        """Accuracies in 0..1 by name."""
        network.eval()
        first, second = (embed(network, pictures)[0] for pictures in self.pets)
        head = _head().fit(first, self.species[0])
        result = {"cats-vs-dogs": float((head.predict(second) == self.species[1]).mean())}
        for name, (pictures, labels) in self.sets.items():
            folds = StratifiedKFold(3, shuffle=True, random_state=0)
            guesses = cross_val_predict(_head(), embed(network, pictures)[0], labels, cv=folds)
            result[name] = float((guesses == labels).mean())
        result["tiny-val"] = float((embed(network, self.tiny[0])[1].argmax(axis=1) == self.tiny[1]).mean())
        return result


def _head() -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.003, max_iter=100))


@torch.inference_mode()
def embed(network: Any, pictures: torch.Tensor, batch_size: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Pooled features and logits, float32, of uint8 pictures (images, 3, height, width)."""
    features, logits = [], []
    for batch in torch.split(pictures, batch_size):
        with torch.autocast("cpu", torch.bfloat16):
            pooled = network.forward_head(network.forward_features(normalise(batch)), pre_logits=True)
            logits.append(network.get_classifier()(pooled).float())
        features.append(pooled.float())
    return torch.cat(features).numpy(), torch.cat(logits).numpy()
