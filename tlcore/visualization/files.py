"""A visualization on disk: its pictures, how they came about, a contact sheet, and the record to make them again."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from tlcore.display.picture_sheet import picture_sheet
from tlcore.errors import VisualizationError
from tlcore.images import encode_png
from tlcore.machine.atomic import new_directory
from tlcore.visualizer import Visualization

RECORD_FILE = "record.json"
SHEET_FILE = "contact-sheet.png"

_FRAME_MILLISECONDS = 60
_LAST_FRAME_MILLISECONDS = 1500


def check_output(directory: Path, *, overwrite: bool) -> None:
    """Raise `VisualizationError` unless a visualization may be written to `directory`.

    Nothing may be there, or an empty directory; with `overwrite` also an earlier visualization, and nothing else.
    """
    if not os.path.lexists(directory):
        return
    if not directory.is_dir():
        raise VisualizationError(f"{directory}: is a file; choose another place with --out")
    if not any(directory.iterdir()):
        return
    if not (directory / RECORD_FILE).is_file():
        raise VisualizationError(f"{directory}: is a directory with other things in it; choose another place with --out")
    if not overwrite:
        raise VisualizationError(f"{directory}: holds earlier pictures; --overwrite replaces them, --out DIR goes elsewhere")


def save_visualization(result: Visualization, directory: Path, *, overwrite: bool = False) -> tuple[Path, ...]:
    """Write a visualization at once: all of it is there, or what was there before.

    Each picture becomes ``NAME.png`` (8 bits a channel, the exact pixels), its frames ``NAME.gif``, and all of them
    ``contact-sheet.png`` with their captions; ``record.json`` holds the record.

    Returns:
        the files, the contact sheet first.

    Raises:
        VisualizationError: something else is at `directory`, or it cannot be written.
    """
    directory = directory.absolute()
    check_output(directory, overwrite=overwrite)
    contents = dict(result.files)
    for picture in result.pictures:
        contents[f"{picture.name}.png"] = encode_png(Image.fromarray(picture.pixels))
        if picture.frames:
            contents[f"{picture.name}.gif"] = animation(picture.frames)
    if result.pictures:
        contents[SHEET_FILE] = encode_png(picture_sheet(result.pictures, result.columns))
    pictures = [{"file": f"{picture.name}.png", "caption": picture.caption} for picture in result.pictures]
    record = {**result.record, "pictures": pictures, "lines": list(result.lines)}
    contents[RECORD_FILE] = (json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode(
        "utf-8", "backslashreplace"
    )
    try:
        with new_directory(directory) as unfinished:
            for name, data in contents.items():
                (unfinished / name).write_bytes(data)
    except OSError as error:
        raise VisualizationError(
            f"{directory}: cannot be written: {error.strerror or error}; nothing was changed"
        ) from error
    first = [SHEET_FILE] if result.pictures else []
    return tuple(directory / name for name in (*first, *sorted(set(contents) - {SHEET_FILE})))


def animation(frames: Sequence[UInt8[np.ndarray, "height width 3"]]) -> bytes:
    """Return frames as a GIF that plays on and on and rests on its last one."""
    images = [Image.fromarray(frame).quantize(128, dither=Image.Dither.NONE) for frame in frames]
    durations = [_FRAME_MILLISECONDS] * (len(images) - 1) + [_LAST_FRAME_MILLISECONDS]
    encoded = io.BytesIO()
    images[0].save(encoded, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0, disposal=1)
    return encoded.getvalue()
