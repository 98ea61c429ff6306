"""Built-in plugin: heads that learn a classifier from features."""

from __future__ import annotations

from tlcore.hookspecs import hookimpl
from tlcore.specs import HeadSpec
from tlcore_heads.options import (
    AutoOptions,
    CosineOptions,
    DiscriminantOptions,
    LinearOptions,
    NeighbourOptions,
    PerceptronOptions,
    PrototypeOptions,
)

TLCORE_API_VERSION = 1

_HEADS = (
    ("linear", "multinomial logistic regression, its strength chosen on validation images", LinearOptions),
    (
        "discriminant",
        "linear discriminant analysis, its covariance shrunk as validation images ask for",
        DiscriminantOptions,
    ),
    ("prototype", "nearest class centroid of centred, normalised features; for a few images per class", PrototypeOptions),
    ("knn", "vote of the nearest training images; keeps all their features", NeighbourOptions),
    ("cosine", "softmax over scaled cosines to one learned direction per class", CosineOptions),
    ("mlp", "one hidden layer with dropout, weight decay and early stopping", PerceptronOptions),
    ("auto", "whichever of the others does best by cross-validation within a time budget", AutoOptions),
)


@hookimpl
def tlcore_heads() -> list[HeadSpec]:
    return [
        HeadSpec(name=name, summary=summary, factory=f"tlcore_heads.{name}:create", options=options, licence="MIT")
        for name, summary, options in _HEADS
    ]
