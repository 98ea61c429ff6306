"""tlcore's backbones and heads as scikit-learn estimators, for pipelines, searches and cross-validation.

Examples:
    >>> from sklearn.pipeline import make_pipeline
    >>> pipeline = make_pipeline(Features("timm/test_resnet", options={"pretrained": False}), Classifier("linear"))
    >>> [name for name, _ in pipeline.steps]
    ['features', 'classifier']
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from tlcore.backbone import Backbone
from tlcore.dataset import Sample
from tlcore.default_backbone import DEFAULT_BACKBONE
from tlcore.errors import ImageError, TlcoreError
from tlcore.features.extraction import Extractor, FeatureOptions
from tlcore.head import HeadData
from tlcore.images import BytesImage, FileImage, ImageSource, encode_png
from tlcore.metrics import fit_temperature
from tlcore.registry import Registry
from tlcore.softmax import softmax

ImageLike = str | Path | bytes | ImageSource | Image.Image | np.ndarray
"""A path, encoded bytes, an image source, an upright RGB image, or uint8 RGB pixels, (height, width, 3)."""


class Features(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns images into the pooled features of a pretrained network. Nothing is learnt: `fit` changes nothing.

    Args:
        backbone: a name as `Registry.backbone` takes it.
        options: option name to value.
        cache_directory: where features are kept between runs; None keeps none.
        engine: what runs the network, ``"auto"``, ``"onnx"``, ``"openvino"`` or ``"torch"``.
        registry: where the name is looked up; None makes one of the installed plugins.

    Attributes:
        n_features_out_: length of an image's features, after the first `transform`.
    """

    def __init__(
        self,
        backbone: str = DEFAULT_BACKBONE,
        *,
        options: Mapping[str, object] | None = None,
        cache_directory: Path | str | None = None,
        engine: str = "auto",
        registry: Registry | None = None,
    ) -> None:
        self.backbone = backbone
        self.options = options
        self.cache_directory = cache_directory
        self.engine = engine
        self.registry = registry

    def fit(self, X: Iterable[ImageLike], y: object = None) -> Features:
        """Do nothing and return the estimator: features need no fitting."""
        return self

    def transform(self, X: Iterable[ImageLike]) -> Float32[np.ndarray, "images features"]:
        """Return the features of images, (images, features) float32, in their order.

        Raises:
            ImageError: an image cannot be read; no row is left out, since labels go by position.
        """
        backbone = self._made()
        samples = [Sample(_source(image), f"image {index}", 0) for index, image in enumerate(X)]
        directory = Path(self.cache_directory) if self.cache_directory is not None else None
        extractor = Extractor(backbone, FeatureOptions(engine=self.engine), samples=samples, cache_directory=directory)
        found = extractor.extract(samples, strict=True)
        self.n_features_out_ = found.features.shape[1]
        return found.features

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return ``feature0`` and so on, as many as the network gives."""
        size = self._made().info.feature_size
        return np.array([f"feature{index}" for index in range(size)], dtype=object)

    def _made(self) -> Backbone:
        wanted = (self.backbone, repr(self.options), id(self.registry))
        if getattr(self, "_made_for", None) != wanted:
            registry = self.registry if self.registry is not None else Registry()
            self._network = registry.backbone(self.backbone, self.options)
            self._made_for = wanted
        network: Backbone = self._network
        return network

    def __getstate__(self) -> dict[str, Any]:
        """Leave the network itself out of pickles; it is made again by name."""
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name not in ("_network", "_made_for", "registry")} | {
            "registry": None
        }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.requires_fit = False
        tags.no_validation = True
        return tags


class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A tlcore head as a classifier of features: settings and temperature are chosen on images held out from `fit`.

    Args:
        head: a name as `Registry.head` takes it.
        options: option name to value.
        validation: share of each class that is held out to choose by; 0 holds out none.
        seed: of the split and the fit.
        registry: where the name is looked up; None makes one of the installed plugins.

    Attributes:
        classes_: the labels, in the order of columns.
        head_: the fitted `tlcore.FittedHead`.
        temperature_: what logits are divided by before the softmax.
        n_features_in_: length of an image's features.
    """

    def __init__(
        self,
        head: str = "linear",
        *,
        options: Mapping[str, object] | None = None,
        validation: float = 0.15,
        seed: int = 0,
        registry: Registry | None = None,
    ) -> None:
        self.head = head
        self.options = options
        self.validation = validation
        self.seed = seed
        self.registry = registry

    def fit(self, X: Any, y: Any) -> Classifier:
        """Fit on features, (images, features), and labels, (images,).

        Raises:
            ValueError: fewer than two classes, or arrays that scikit-learn refuses.
            HeadError: the head cannot be fitted on them.
        """
        X, y = validate_data(self, X, y, dtype=np.float32, ensure_min_samples=2)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Classifier needs two classes or more, got {len(self.classes_)} class")
        labels = labels.astype(np.int64)
        held_out = _held_out(labels, self.validation, self.seed)
        registry = self.registry if self.registry is not None else Registry()
        fit = registry.head(self.head, self.options).fit(
            HeadData(features=X[~held_out], labels=labels[~held_out]),
            HeadData(features=X[held_out], labels=labels[held_out]),
            len(self.classes_),
            seed=self.seed,
        )
        self.head_ = fit.head
        chosen_by = fit.validation_logits
        self.temperature_ = 1.0 if chosen_by is None else fit_temperature(chosen_by, labels[held_out])
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return logits, (images, classes); with two classes their difference, (images,), as scikit-learn wants it."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> Float32[np.ndarray, "images classes"]:
        """Return probabilities, (images, classes) float32, rows summing to 1."""
        return softmax(self._logits(X), self.temperature_)

    def predict(self, X: Any) -> np.ndarray:
        """Return the likeliest class of each image, (images,)."""
        likeliest = self._logits(X).argmax(axis=1)
        labels: np.ndarray = self.classes_[likeliest]
        return labels

    def _logits(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self.head_.logits(validate_data(self, X, dtype=np.float32, reset=False))

    def __getstate__(self) -> dict[str, Any]:
        """Leave the registry out of pickles: it holds modules."""
        return {**super().__getstate__(), "registry": None}


def _held_out(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Choose a share of each class that has three images or more, at least one of it; all False for a share of 0."""
    if not 0 <= share < 1:
        raise TlcoreError(f"validation must be at least 0 and below 1, got {share}")
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if share > 0 and len(rows) >= 3:
            count = min(len(rows) - 1, max(1, round(share * len(rows))))
            chosen[np.random.default_rng([seed, int(label)]).permutation(rows)[:count]] = True
    return chosen


def _source(image: ImageLike) -> ImageSource:
    if isinstance(image, (str, Path)):
        return FileImage(Path(image))
    if isinstance(image, bytes):
        return BytesImage(image)
    if isinstance(image, Image.Image):
        return BytesImage(encode_png(image))
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ImageError(f"pixels must be uint8 (height, width, 3), got {image.dtype} {image.shape}")
        return BytesImage(encode_png(Image.fromarray(image)))
    if isinstance(image, ImageSource):
        return image
    raise ImageError(f"an image is a path, bytes, pixels or an image source, got {type(image).__name__}")


__all__: Sequence[str] = ("Classifier", "Features")
