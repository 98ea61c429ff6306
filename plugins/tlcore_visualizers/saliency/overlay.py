"""A saliency map drawn over its photo."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, UInt8
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont

SMALLEST, LARGEST = 224, 1600
"""Longer side in pixels that smaller photos are enlarged to and larger ones reduced to; others keep their own size."""

_COLOURS = "turbo"
_OPACITY = 0.75
_UNSEEN = 0.35
_BAR, _GAP, _TEXT = 14, 8, 26
_FONT_SIZE = 11
_PAPER, _INK = (255, 255, 255), (28, 31, 35)


def overlay(
    photo: Image.Image, values: Float32[np.ndarray, "rows columns"], region: tuple[float, float, float, float]
) -> tuple[UInt8[np.ndarray, "height width 3"], tuple[int, int]]:
    """Return a photo with the map over it and a colour bar at its right, and the (width, height) it is shown at.

    Colour and opacity rise with the value, from 0 to the map's 98th percentile, 1 on the bar; what speaks against the
    class is left uncoloured. What the network does not see is paler.

    Args:
        photo: upright RGB.
        values: of the network's input.
        region: which part of the photo the network sees, as `Preprocess.region` returns it.
    """
    longer = max(photo.size)
    scale = SMALLEST / longer if longer < SMALLEST else min(1.0, LARGEST / longer)
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    shown = photo if size == photo.size else photo.resize(size, Image.Resampling.BICUBIC)
    strength, seen = _placed(shares(values), region, size)
    colours = colormaps[_COLOURS](strength)[..., :3]
    background = np.asarray(shown, np.float64) / 255
    background = np.where(seen[..., None], background, _UNSEEN * background + (1 - _UNSEEN))
    opacity = (_OPACITY * strength**0.7 * seen)[..., None]
    blended = np.rint(255 * ((1 - opacity) * background + opacity * colours)).astype(np.uint8)
    return np.concatenate([blended, _colour_bar(size[1])], axis=1) if size[1] >= 48 else blended, size


def shares(values: Float32[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"]:
    """Return what is above 0 as shares of the map's 98th percentile, in [0, 1]."""
    positive = np.clip(values.astype(np.float64), 0, None)
    highest = np.percentile(positive, 98) or positive.max()
    return np.clip(positive / highest, 0, 1) if highest > 0 else positive


def _placed(
    strength: np.ndarray, region: tuple[float, float, float, float], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Lay the map on the photo: values and whether they are seen, (height, width) of the photo."""
    width, height = size
    left, top, right, bottom = (round(share * side) for share, side in zip(region, (width, height) * 2, strict=True))
    across, down = max(1, right - left), max(1, bottom - top)
    box_left, box_top = max(0, left), max(0, top)
    box_right, box_bottom = max(box_left + 1, min(width, left + across)), max(box_top + 1, min(height, top + down))
    rows, columns = strength.shape
    part = (
        (box_left - left) * columns / across, (box_top - top) * rows / down,
        (box_right - left) * columns / across, (box_bottom - top) * rows / down,
    )  # fmt: skip
    enlarged = Image.fromarray(strength.astype(np.float32)).resize(
        (box_right - box_left, box_bottom - box_top), Image.Resampling.BILINEAR, box=_inside(part, columns, rows)
    )
    placed, seen = np.zeros((height, width)), np.zeros((height, width), bool)
    window = slice(box_top, box_bottom), slice(box_left, box_right)
    placed[window], seen[window] = np.clip(np.asarray(enlarged), 0, 1), True
    return placed, seen


def _inside(part: tuple[float, float, float, float], columns: int, rows: int) -> tuple[float, float, float, float]:
    left, top, right, bottom = part
    return max(0.0, left), max(0.0, top), min(float(columns), right), min(float(rows), bottom)


def _colour_bar(height: int) -> np.ndarray:
    strip = Image.new("RGB", (_GAP + _BAR + _TEXT, height), _PAPER)
    ramp = colormaps[_COLOURS](np.linspace(1, 0, height))[:, None, :3].repeat(_BAR, axis=1)
    strip.paste(Image.fromarray(np.rint(255 * ramp).astype(np.uint8)), (_GAP, 0))
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(_FONT_SIZE)
    for text, place in (("1", 0), ("0.5", height // 2 - 7), ("0", height - 14)):
        draw.text((_GAP + _BAR + 5, place), text, _INK, font)
    return np.asarray(strip)
