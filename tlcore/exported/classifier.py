"""The classifier of an exported model: onnxruntime, numpy and Pillow, never torch."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tlcore.errors import ImageError, MissingRecordError, ModelFileError, TlcoreError
from tlcore.exported.onnx_file import INPUT, ModelFile, ModelRecord, read_model_file
from tlcore.exported.runtime import open_session
from tlcore.images import ImageSource, decode_image, read_image, rgb_image
from tlcore.machine.cores import available_cores
from tlcore.prediction import Prediction, image_source, likeliest
from tlcore.preprocess import Preprocess

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    # Only tests evaluate these; importing it would take a fifth of the time to predict one photo.
    from jaxtyping import Float32, UInt8

Classifiable = str | Path | bytes | ImageSource | Image.Image | np.ndarray
"""An image to classify: a path, encoded bytes, an image source, a Pillow image, or RGB or grey pixels as a uint8 array."""


class Classifier:
    """Classifies images with an exported model.

    Args:
        model: an ONNX file that `tl export` wrote.
        preprocess: only for an ONNX file of other origin, which takes normalised float32 (images, 3, height, width) and
            returns logits: how images become its input.
        labels: only for such a file: its class names in order; numbered where they are not given.
        threads: that one image may use; None for all the cores this process may use.

    Raises:
        ModelFileError: not a model file, altered or damaged, or of other origin without `preprocess`.

    Examples:
        >>> classifier = Classifier("model.onnx")  # doctest: +SKIP
        >>> [prediction.classes[0] for prediction in classifier.predict(["photo.jpg"])]  # doctest: +SKIP
        [('cat', 0.98)]
    """

    def __init__(
        self,
        model: str | Path,
        *,
        preprocess: Preprocess | None = None,
        labels: Sequence[str] | None = None,
        threads: int | None = None,
    ) -> None:
        file = read_model_file(Path(model))
        if file.record is None and preprocess is None:
            raise MissingRecordError(
                f"{file.path}: holds no tlcore record, so nothing says how images become its input; "
                f"export it with 'tl export', or state it with --preprocess"
            )
        if file.record is not None and (preprocess is not None or labels is not None):
            raise ModelFileError(f"{file.path}: states its own preprocess record and labels; leave out yours")
        self.path = file.path
        self.record: ModelRecord | None = file.record
        self.digest = file.digest
        self.graph = file.graph
        self.preprocess: Preprocess = file.record.preprocess if file.record else _given(preprocess)
        self._session = open_session(file.data, threads=threads, name=str(file.path))
        self.labels: tuple[str, ...] = file.record.labels if file.record else self._plain_labels(file, labels)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Names that `run` can return."""
        if self.record is None:
            return ("probabilities", "logits")
        return tuple(entry.name for entry in self.graph.outputs)

    def pixels(self, image: Classifiable) -> UInt8[np.ndarray, "height width 3"]:
        """Return what the network is fed for an image: (height, width, 3), uint8; raises `ImageError` if unreadable."""
        return self.preprocess.pixels(_upright_image(image))

    def run(
        self, images: UInt8[np.ndarray, "images height width 3"], outputs: Sequence[str] = ("probabilities",)
    ) -> dict[str, Float32[np.ndarray, "images ..."]]:
        """Return the named outputs for images as `pixels` returns them, stacked.

        Raises:
            ModelFileError: the images have another size or type than the network takes, or an output does not exist.
        """
        height, width = self.preprocess.image_size
        if images.ndim != 4 or images.shape[1:] != (height, width, 3) or images.dtype != np.uint8:
            raise ModelFileError(
                f"{self.path}: takes uint8 (images, {height}, {width}, 3), got {images.dtype} {images.shape}"
            )
        for output in outputs:
            if output not in self.outputs:
                raise ModelFileError(f"{self.path}: has no output {output!r}; it has: {', '.join(self.outputs)}")
        if self.record is not None:
            return dict(zip(outputs, self._call(list(outputs), {INPUT: images}), strict=True))
        return self.run_plain(self.preprocess.normalise(images), outputs)

    def run_plain(
        self, inputs: Float32[np.ndarray, "images 3 height width"], outputs: Sequence[str] = ("probabilities",)
    ) -> dict[str, Float32[np.ndarray, "images classes"]]:
        """Return the named outputs of a network of other origin for inputs that are normalised already."""
        logits = self._call([self.graph.outputs[0].name], {self.graph.inputs[0].name: inputs})[0].astype(np.float32)
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        known = {"logits": logits, "probabilities": exponents / exponents.sum(axis=1, keepdims=True)}
        return {name: known[name] for name in outputs}

    def predict(
        self, images: Iterable[Classifiable], *, top_k: int = 5, strict: bool = False, workers: int | None = None
    ) -> Iterator[Prediction]:
        """Predict images one after the other, in their order, several at a time.

        Args:
            images: what to classify; read as they are needed.
            top_k: how many classes to return of each, at least 1.
            strict: raise `ImageError` on an unreadable image instead of returning a prediction that says why.
            workers: how many images at a time; None for as many as this process may use cores.
        """
        if isinstance(images, (str, Path, bytes, Image.Image, np.ndarray)):
            raise TlcoreError("predict() takes several images; for one, write predict([image])")
        if top_k < 1 or (workers is not None and workers < 1):
            raise TlcoreError(f"top_k and workers must be at least 1, got {top_k} and {workers}")
        return self._predict(iter(images), top_k, strict, workers if workers is not None else available_cores())

    def _predict(self, images: Iterator[Classifiable], top_k: int, strict: bool, workers: int) -> Iterator[Prediction]:
        pool = ThreadPoolExecutor(workers, thread_name_prefix="tlcore-classify")
        ahead: deque[Future[Prediction]] = deque()
        try:
            for image in images:
                ahead.append(pool.submit(self._predict_one, image, top_k, strict))
                if len(ahead) > 4 * workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _predict_one(self, image: Classifiable, top_k: int, strict: bool) -> Prediction:
        try:
            pixels = self.pixels(image)
        except ImageError as error:
            if strict:
                raise
            return Prediction(_name(image), (), str(error))
        probabilities = self.run(pixels[np.newaxis])["probabilities"][0]
        return Prediction(_name(image), likeliest(probabilities, self.labels, top_k))

    def _call(self, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        try:
            returned: list[np.ndarray] = self._session.run(outputs, inputs)
        except Exception as error:  # onnxruntime's own errors have no public base type
            raise ModelFileError(f"{self.path}: onnxruntime failed: {' '.join(str(error).split())[:300]}") from error
        return returned

    def _plain_labels(self, file: ModelFile, labels: Sequence[str] | None) -> tuple[str, ...]:
        """Run a network of other origin once on black; check that it classifies, and name its classes."""
        if len(file.graph.inputs) != 1 or file.graph.inputs[0].dtype != "float32":
            told = ", ".join(f"{entry.name} {entry.dtype} {entry.shape}" for entry in file.graph.inputs)
            raise ModelFileError(f"{file.path}: takes {told}; a plain classifier takes float32 (images, 3, height, width)")
        height, width = self.preprocess.image_size
        returned = self._call(
            [file.graph.outputs[0].name], {file.graph.inputs[0].name: np.zeros((1, 3, height, width), "f4")}
        )
        classes: Any = returned[0].shape[1:]
        if len(classes) != 1:
            raise ModelFileError(f"{file.path}: returns {returned[0].shape}; a classifier returns (images, classes)")
        if labels is not None and len(labels) != classes[0]:
            raise ModelFileError(f"{file.path}: returns {classes[0]} classes, got {len(labels)} labels")
        return tuple(labels) if labels is not None else tuple(map(str, range(classes[0])))


def _given(preprocess: Preprocess | None) -> Preprocess:
    assert preprocess is not None
    return preprocess


def _name(image: Classifiable) -> str:
    if isinstance(image, (Image.Image, np.ndarray)):
        return "image" if isinstance(image, Image.Image) else "array"
    return image_source(image)[0]


def _upright_image(image: Classifiable) -> Image.Image:
    if isinstance(image, Image.Image):
        return rgb_image(image, "image")
    if isinstance(image, np.ndarray):
        if (
            image.dtype != np.uint8
            or image.ndim not in (2, 3)
            or (image.ndim == 3 and image.shape[2] != 3)
            or not image.size
        ):
            raise ImageError(f"array: expected uint8 (height, width, 3) or (height, width), got {image.dtype} {image.shape}")
        return rgb_image(Image.fromarray(np.ascontiguousarray(image)), "array")
    name, source = image_source(image)
    return decode_image(read_image(source, name), name)
