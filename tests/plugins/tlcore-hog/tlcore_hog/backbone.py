"""Histograms of oriented gradients behind tlcore's `Backbone` contract.

Source: Dalal and Triggs 2005, Histograms of oriented gradients for human detection; scikit-image's implementation, in
blocks of 2 x 2 cells with L2-Hys normalisation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from skimage.feature import hog

from tlcore.backbone import Backbone, BackboneInfo
from tlcore.errors import BackboneError
from tlcore.preprocess import Preprocess
from tlcore_hog import HogOptions


def create(argument: str | None, options: HogOptions) -> HogBackbone:
    """Make the backbone; raises `BackboneError` where the image holds fewer than 2 x 2 cells."""
    if options.image_size < 2 * options.cell:
        raise BackboneError(
            f"hog: an image of {options.image_size} pixels holds fewer than 2 x 2 cells of {options.cell}; "
            f"set backbone.image_size to at least {2 * options.cell}"
        )
    return HogBackbone(options)


class HogBackbone(Backbone):
    """Histograms of oriented gradients."""

    def __init__(self, options: HogOptions) -> None:
        self._options = options

    @property
    def info(self) -> BackboneInfo:
        options = self._options
        blocks = options.image_size // options.cell - 1
        settings = f"hog 1 {options.cell} {options.orientations} L2-Hys"
        return BackboneInfo(
            name="hog",
            architecture="hog",
            feature_size=blocks * blocks * 4 * options.orientations,
            preprocess=Preprocess(
                image_size=(options.image_size, options.image_size),
                crop_fraction=1.0,
                interpolation="bilinear",
                mean=(0.0, 0.0, 0.0),
                std=(1.0, 1.0, 1.0),
            ),
            weights_digest=hashlib.sha256(settings.encode()).hexdigest(),
            pretrained=True,
            parameters=0,
            licence="MIT",
            origin="scikit-image",
        )

    def compute_features(self, inputs: np.ndarray) -> np.ndarray:
        rows = [self._histograms(image, block=2).ravel() for image in inputs]
        return np.asarray(rows, np.float32).reshape(len(inputs), self.info.feature_size)

    def layers(self) -> Sequence[str]:
        return ("cells",)

    def compute_feature_maps(self, inputs: np.ndarray, layers: Sequence[str]) -> Mapping[str, np.ndarray]:
        cells = [self._histograms(image, block=1)[:, :, 0, 0, :].transpose(2, 0, 1) for image in inputs]
        return {"cells": np.ascontiguousarray(np.stack(cells), np.float32)}

    def _histograms(self, image: np.ndarray, block: int) -> np.ndarray:
        """Return (rows, columns, block, block, orientations) of an image, (3, height, width) in [0, 1]."""
        cell = (self._options.cell, self._options.cell)
        return hog(
            image.transpose(1, 2, 0),
            orientations=self._options.orientations,
            pixels_per_cell=cell,
            cells_per_block=(block, block),
            feature_vector=False,
            channel_axis=-1,
        )
