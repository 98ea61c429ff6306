"""Built-in plugin: fine-tuning the whole network, from a fitted linear head."""

from __future__ import annotations

from tlcore.hookspecs import hookimpl
from tlcore.specs import HeadSpec

TLCORE_API_VERSION = 1


@hookimpl
def tlcore_heads() -> list[HeadSpec]:
    return []
