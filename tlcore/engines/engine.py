"""One way to run a backbone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, UInt8

from tlcore.backbone import Backbone, check_features

OWN_BATCH = 32
"""Images per call of `Backbone.features`."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One way to run a backbone.

    Attributes:
        name: ``"backbone"``, ``"openvino"``, ``"onnx"`` or ``"torch"``.
        precision: of its arithmetic and where another device changes it, of that; part of the address of cached features.
            Engines of equal precision share rows.
        backbone: what it runs.
        batch_size: images per call.
        parallel: whether several threads may call it at once, each for images of its own; else one thread calls it, and it
            uses all cores itself.
        compute: from preprocessed pixels, (images, height, width, 3) uint8, to (images, features) float32.
    """

    name: str
    precision: str
    backbone: Backbone = field(repr=False)
    batch_size: int
    parallel: bool
    compute: Callable[[np.ndarray], np.ndarray] = field(repr=False)

    @property
    def on_gpu(self) -> bool:
        """Whether it computes elsewhere than on the processor."""
        return self.precision.startswith("cuda-")

    def features(self, images: UInt8[np.ndarray, "images height width 3"]) -> Float32[np.ndarray, "images features"]:
        """Return the features of preprocessed images, at most `batch_size` of them.

        The call is filled up to `batch_size`, so that an image's features do not depend on how many came with it.

        Raises:
            BackboneError: the network returned another shape than it promised or numbers that are not finite.
        """
        missing = self.batch_size - len(images)
        filled = np.concatenate([images, np.repeat(images[-1:], missing, axis=0)]) if missing > 0 else images
        features = self.compute(filled)
        check_features(self.backbone.info, features, len(filled))
        return features[: len(images)]


def own_engine(backbone: Backbone, batch_size: int = OWN_BATCH) -> Engine:
    """Return the engine that every backbone has: its plugin's own code, float32."""
    return Engine(
        name="backbone",
        precision="float32",
        backbone=backbone,
        batch_size=batch_size,
        parallel=False,
        compute=backbone.features,
    )
