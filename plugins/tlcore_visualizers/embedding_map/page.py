"""A map as one page to explore: everything it needs is inside, and it asks the network for nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from tlcore.progress import Progress, silent
from tlcore_visualizers.embedding_map.colours import class_colours
from tlcore_visualizers.embedding_map.embedding import EmbeddingMap
from tlcore_visualizers.embedding_map.picture import caption
from tlcore_visualizers.embedding_map.thumbnail_sheets import thumbnail_sheets

MOST_PHOTOS = 30_000
"""A page shows no more photos than this; of larger maps it shows mistakes first, then others spread evenly."""

THUMBNAIL_BUDGET = 9_500_000
"""Bytes of thumbnails; a third is added where they are written as text, so that the page stays below 15 MB."""

_UNIT = 10_000


def map_page(found: EmbeddingMap, *, progress: Progress = silent) -> str:
    """Return the page.

    Args:
        found: the map.
        progress: told as photos are read for their thumbnails.
    """
    shown = _fewer(found)
    sheets = thumbnail_sheets(shown.samples, budget=THUMBNAIL_BUDGET, progress=progress)
    data = {
        **_points(shown),
        "side": sheets.side,
        "columns": sheets.columns,
        "w": [width for width, _ in sheets.sizes],
        "h": [height for _, height in sheets.sizes],
        "sheets": [f"data:image/webp;base64,{base64.b64encode(sheet).decode()}" for sheet in sheets.sheets],
    }
    summary = caption(found)
    if len(shown.samples) < len(found.samples):
        summary += f"; {len(shown.samples):,} of them are on this page"
    parts = {
        "TITLE": escape(_plain(found.title)),
        "SUMMARY": escape(_plain(summary)),
        "STYLE": _asset("map.css"),
        "SCRIPT": _asset("map.js"),
        "DATA": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
    }
    pieces = _asset("map.html").split("@")
    return "".join(parts.get(piece, piece) for piece in pieces)


def _points(found: EmbeddingMap) -> Mapping[str, Any]:
    places = np.rint(found.places * _UNIT).astype(int)
    classified = found.answers is not None and found.probabilities is not None
    return {
        "unit": _UNIT,
        "x": places[:, 0].tolist(),
        "y": places[:, 1].tolist(),
        "label": found.labels.tolist(),
        "names": [_plain(sample.name) for sample in found.samples],
        "classes": [_plain(name) for name in found.class_names],
        "colours": list(class_colours(len(found.class_names))),
        "answers": [_plain(name) for name in found.answer_names] if classified else [],
        "answer": found.answers.tolist() if found.answers is not None else [],
        "sure": np.round(found.probabilities.astype(float), 4).tolist() if found.probabilities is not None else [],
        "wrong": found.mistakes.astype(int).tolist() if classified else [],
    }


def _fewer(found: EmbeddingMap) -> EmbeddingMap:
    """Return the map with at most `MOST_PHOTOS` photos, in their order."""
    if len(found.samples) <= MOST_PHOTOS:
        return found
    mistakes = np.flatnonzero(found.mistakes)[:MOST_PHOTOS]
    others = np.flatnonzero(~found.mistakes)
    room = MOST_PHOTOS - len(mistakes)
    spread = others[np.linspace(0, len(others) - 1, room).astype(int)] if room else others[:0]
    kept = np.unique(np.concatenate([mistakes, spread]))
    return replace(
        found,
        samples=tuple(found.samples[index] for index in kept),
        places=found.places[kept],
        answers=None if found.answers is None else found.answers[kept],
        probabilities=None if found.probabilities is None else found.probabilities[kept],
    )


def _plain(text: str) -> str:
    """Keep names that are no proper text, as some file names are, from breaking the page."""
    return text.encode("utf-8", "backslashreplace").decode()


def _asset(name: str) -> str:
    return (files("tlcore_visualizers.embedding_map") / "page" / name).read_text(encoding="utf-8")
