"""From images to features, each computed once: decoded in parallel, embedded by the quickest engine, kept on disk.

`extract_features` makes a `FeatureSet` of some samples. The network may see several views of an image, or give several of
its layers; a row of the cache is addressed by what it was computed from.
"""

from __future__ import annotations

from tlcore.features.feature_set import FeatureSet, extract_features

__all__ = ["FeatureSet", "extract_features"]
