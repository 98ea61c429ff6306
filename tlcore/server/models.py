"""The models that are served: by name and version, replaced whole when their file changes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tlcore.errors import MissingRecordError, TlcoreError
from tlcore.exported.classifier import Classifier
from tlcore.machine.cores import available_cores
from tlcore.preprocess import Preprocess
from tlcore.server.batching import Line
from tlcore.server.refusal import Refusal
from tlcore.server.settings import ModelPlace

_BATCH = 8
_PAYS = 1.2
"""How many times as fast images must be in batches for batching to be switched on."""

Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class ServedModel:
    """A model in service.

    Attributes:
        name, version, path: where it is found.
        classifier: what computes.
        line: where single images wait to be computed together; None where that does not pay.
        loaded: when, in seconds since the epoch.
        seconds: how long loading took.
    """

    name: str
    version: str
    path: Path
    classifier: Classifier = field(repr=False)
    line: Line | None = field(repr=False)
    loaded: float
    seconds: float


class ModelStore:
    """The models in service.

    Args:
        places: what to serve.
        preprocess: of files that tlcore did not write; None refuses them.
        batching: ``"auto"``, ``"on"`` or ``"off"``.
        report: told of loads and failures, as event name and fields.
        observe_batch: told the size of each batch of images from several requests.
    """

    def __init__(
        self,
        places: tuple[ModelPlace, ...],
        preprocess: Preprocess | None,
        batching: str,
        report: Callable[..., None],
        observe_batch: Callable[[int], None],
    ) -> None:
        self._places = places
        self._preprocess = preprocess
        self._observe_batch = observe_batch
        self._batching = batching
        self._report = report
        self._models: Mapping[tuple[str, str], ServedModel] = {}
        self._stamps: dict[tuple[str, str], Stamp | None] = {}
        self._waiting: dict[tuple[str, str], Stamp | None] = {}
        self._refreshing = threading.Lock()
        self.replaced = 0

    def load(self) -> None:
        """Load every model; raises `ModelFileError` on the first that cannot be."""
        for place in self._places:
            self._stamps[place.name, place.version] = _stamp(place.path)
            self._put(place)

    def refresh(self, *, at_once: bool = False) -> None:
        """Load again each model whose file has changed and is whole; the others, and those that fail, stay as they are.

        Args:
            at_once: do not wait until a changed file has stayed the same between two calls.
        """
        with self._refreshing:
            for place in self._places:
                if self._has_changed(place, at_once):
                    try:
                        self._put(place)
                    except TlcoreError as error:
                        self._report("model_kept", model=place.name, version=place.version, reason=str(error))

    def find(self, name: str, version: str | None = None) -> ServedModel:
        """Return a model; without a version its last. Raises `Refusal` 404 where there is none."""
        if version is not None:
            model = self._models.get((name, version))
            if model is not None:
                return model
        else:
            versions = self.versions(name)
            if versions:
                return self._models[name, versions[-1]]
        asked = f"{name!r}" if version is None else f"{name!r} version {version!r}"
        known = ", ".join(dict.fromkeys(place.name for place in self._places))
        raise Refusal(404, f"there is no model {asked[:200]}; there is: {known}")

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model, in the order they were named."""
        return [place.version for place in self._places if place.name == name and (name, place.version) in self._models]

    @property
    def models(self) -> tuple[ServedModel, ...]:
        """Every model in service."""
        return tuple(self._models.values())

    @property
    def default(self) -> ServedModel:
        """The model that is meant where none is named: the first."""
        return self.find(self._places[0].name)

    def _has_changed(self, place: ModelPlace, at_once: bool) -> bool:
        key = (place.name, place.version)
        stamp = _stamp(place.path)
        if stamp == self._stamps.get(key) or stamp is None:
            return False
        if not at_once and self._waiting.get(key) != stamp:
            self._waiting[key] = stamp
            return False
        self._stamps[key] = stamp
        return True

    def _open(self, path: Path) -> Classifier:
        """Open a file by its own record, or where it has none by the one that was given."""
        try:
            return Classifier(path)
        except MissingRecordError:
            if self._preprocess is None:
                raise
            return Classifier(path, preprocess=self._preprocess)

    def _put(self, place: ModelPlace) -> None:
        started = time.perf_counter()
        classifier = self._open(place.path)
        key = (place.name, place.version)
        before = self._models.get(key)
        if before is not None and before.classifier.digest == classifier.digest:
            return
        batch = _choose_batch(classifier, self._batching)
        seconds = time.perf_counter() - started
        line = Line(classifier, batch, self._observe_batch) if batch > 1 else None
        model = ServedModel(place.name, place.version, place.path, classifier, line, time.time(), seconds)
        self._models = {**self._models, key: model}
        self.replaced += before is not None
        self._report(
            "model_loaded",
            model=place.name,
            version=place.version,
            digest=classifier.digest,
            batch=batch,
            seconds=round(seconds, 3),
        )


def _stamp(path: Path) -> Stamp | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _choose_batch(classifier: Classifier, batching: str) -> int:
    """Measure whether several images at once take less time each than one at a time, as many threads as cores asking.

    Also warms the session up.
    """
    height, width = classifier.preprocess.image_size
    images = np.zeros((_BATCH, height, width, 3), np.uint8)
    classifier.run(images[:1])
    if batching != "auto":
        return _BATCH if batching == "on" else 1
    classifier.run(images)
    singly, together = [], []
    with ThreadPoolExecutor(available_cores()) as pool:
        for _ in range(4):
            started = time.perf_counter()
            list(pool.map(lambda index: classifier.run(images[index : index + 1]), range(_BATCH)))
            singly.append(time.perf_counter() - started)
            started = time.perf_counter()
            classifier.run(images)
            together.append(time.perf_counter() - started)
    return _BATCH if min(singly) / min(together) >= _PAYS else 1
