"""Names of directories, from what a person called something."""

from __future__ import annotations

import re
from pathlib import Path


def slug(reference: str) -> str:
    """Return the last part of a name or path, fit for a directory's name.

    >>> slug("local-dir:weights/resnet18/"), slug("timm/resnet18.a1_in1k"), slug("my photos")
    ('resnet18', 'resnet18.a1_in1k', 'my-photos')
    """
    last = re.split(r"[/\\:]", reference.rstrip("/\\"))[-1] or "dataset"
    if last in (".", ".."):
        last = Path(reference).resolve().name
    return re.sub(r"[^\w.-]+", "-", last).strip("-") or "dataset"
