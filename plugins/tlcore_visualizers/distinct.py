"""Pictures of different names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tlcore.visualizer import Picture


def distinct(pictures: Sequence[Picture]) -> tuple[Picture, ...]:
    """Number the pictures of equal name, of photos called alike in two folders."""
    seen: set[str] = set()
    named = []
    for picture in pictures:
        name, count = picture.name, 1
        while name.lower() in seen:
            count += 1
            name = f"{picture.name}-{count}"
        seen.add(name.lower())
        named.append(replace(picture, name=name))
    return tuple(named)
