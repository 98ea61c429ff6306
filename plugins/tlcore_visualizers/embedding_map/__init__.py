"""A dataset as a map, like beside like: its features laid out in two dimensions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class MapOptions:
    """Options of ``map``."""

    method: Literal["pca", "t-sne", "umap"] = field(
        default="t-sne", metadata={"help": "how features become places; umap needs tlcore[maps]"}
    )
    neighbours: int = field(
        default=15, metadata={"help": "of t-SNE (its perplexity) and UMAP: how many count as near", "minimum": 2}
    )
    page: bool = field(default=True, metadata={"help": "also write map.html, a page to explore"})
