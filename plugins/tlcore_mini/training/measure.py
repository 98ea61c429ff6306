"""What is measured, and with which head.

The head: standardised features, multinomial logistic regression, its strength chosen on a validation split, refit on
everything but the test photos. Accuracies come with Wilson intervals, comparisons with McNemar's test.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import binomtest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from tlcore_mini.training.photos import Photo, measuring_photos, pets

STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
FOLDS = 5
SEED = 0
FITTING = -1


@dataclass(frozen=True, kw_only=True)
class Task:
    """A set of photos with labels; `fold[i]` is the fold in which photo i is tested, or FITTING for photos that only fit."""

    name: str
    photos: list[Photo]
    labels: np.ndarray
    fold: np.ndarray

    @property
    def tested(self) -> np.ndarray:
        """Which photos are tested, bool (photos,)."""
        tested: np.ndarray = self.fold != FITTING
        return tested


def _folds(labels: np.ndarray) -> np.ndarray:
    fold = np.empty(len(labels), dtype=np.int64)
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    for number, (_rest, test) in enumerate(splitter.split(labels, labels)):
        fold[test] = number
    return fold


def _digits() -> list[tuple[Photo, int]]:
    """scikit-learn's 8x8 digits as PNG, sixteen times as large with hard pixels, dark on white."""
    pairs = []
    data = load_digits()
    for number, (grid, label) in enumerate(zip(data.images, data.target, strict=True)):
        image = Image.fromarray((255 - grid * 255 / 16).astype(np.uint8)).resize((128, 128), Image.Resampling.NEAREST)
        stream = io.BytesIO()
        image.save(stream, "PNG")
        pairs.append((Photo(identifier=f"digit-{number}", source="digits", encoded=stream.getvalue()), int(label)))
    return pairs


def tasks(data_folder: Path) -> list[Task]:
    """Every task, in the order in which the model card names them."""
    measuring = measuring_photos(data_folder)
    by_source = {
        name: [photo for photo in measuring if photo.source == name] for name in {photo.source for photo in measuring}
    }
    train = pets(data_folder, "train.txt")
    both = train + by_source["cats-vs-dogs-test"]
    fold = np.array([FITTING] * len(train) + [0] * len(by_source["cats-vs-dogs-test"]))
    found = [Task(name="cats-vs-dogs", photos=both, labels=np.array([photo.species for photo in both]), fold=fold)]
    oxford = by_source["oxford-iiit-pet"]
    names = [photo.identifier.split("/")[1].rsplit("_", 1)[0] for photo in oxford]
    breeds = np.unique(names, return_inverse=True)[1]
    # The Oxford convention: the file names of cat breeds begin with a capital letter.
    species = np.array([int(name[0].islower()) for name in names])
    found += [
        Task(name="oxford-breeds", photos=oxford, labels=breeds, fold=_folds(breeds)),
        Task(name="oxford-species", photos=oxford, labels=species, fold=_folds(breeds)),
    ]
    digits = _digits()
    labelled = {"digits": digits}
    for name in ("chest-xray-3class", "sign-digits", "clothing"):
        folders = np.unique([photo.identifier.split("/")[0] for photo in by_source[name]], return_inverse=True)[1]
        labelled[name] = list(zip(by_source[name], folders.tolist(), strict=True))
    for name, pairs in labelled.items():
        labels = np.array([label for _photo, label in pairs])
        found.append(Task(name=name, photos=[photo for photo, _label in pairs], labels=labels, fold=_folds(labels)))
    return found


def _head(strength: float) -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300))


def _fit(features: np.ndarray, labels: np.ndarray) -> Pipeline:
    """The head with the strength that does best on a fifth of the photos, refit on all of them."""
    fitting, choosing = train_test_split(np.arange(len(labels)), test_size=0.2, random_state=SEED, stratify=labels)
    scores = [
        (_head(strength).fit(features[fitting], labels[fitting]).score(features[choosing], labels[choosing]), -strength)
        for strength in STRENGTHS
    ]
    return _head(-max(scores)[1]).fit(features, labels)


def right(task: Task, features: np.ndarray) -> np.ndarray:
    """Which of the tested photos the head names rightly, bool, in the order of the task's photos."""
    answers = np.empty(len(task.labels), dtype=np.int64)
    for number in np.unique(task.fold[task.tested]):
        test = task.fold == number
        answers[test] = _fit(features[~test], task.labels[~test]).predict(features[test])
    hits: np.ndarray = (answers == task.labels)[task.tested]
    return hits


def wilson(hits: np.ndarray) -> tuple[float, float, float]:
    """Accuracy and its 95 % Wilson interval, in 0..1."""
    interval = binomtest(int(hits.sum()), len(hits)).proportion_ci(0.95, method="wilson")
    return float(hits.mean()), float(interval.low), float(interval.high)


def mcnemar(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The two-sided exact p-value of the paired comparison of two answers to the same photos."""
    only_ours, only_theirs = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    return 1.0 if only_ours + only_theirs == 0 else float(binomtest(only_ours, only_ours + only_theirs).pvalue)
