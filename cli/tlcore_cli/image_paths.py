"""The images that a command line names."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tlcore.errors import DatasetError
from tlcore.images import IMAGE_SUFFIXES


def expand_images(images: Iterable[str]) -> Iterator[str]:
    """Turn files, folders, patterns and '-' into paths of files; raises for what is not there."""
    for image in images:
        if image == "-":
            listed = [line.rstrip("\r\n") for line in sys.stdin]
            yield from expand_images(line for line in listed if line)
        elif os.path.isdir(image):
            found = [
                str(Path(folder, name))
                for folder, _, names in os.walk(image)
                for name in names
                if Path(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith(".")
            ]
            if not found:
                raise DatasetError(f"{image}: no images found in this folder")
            yield from sorted(found)
        elif os.path.exists(image):
            yield image
        else:
            matches = sorted(glob.glob(image, recursive=True)) if glob.has_magic(image) else []
            if not matches:
                raise DatasetError(f"{image}: there is no such image, folder or match")
            yield from expand_images(matches)
