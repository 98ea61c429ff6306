"""A font that has the characters of a text: Pillow's own, or one installed on this computer."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_NO_CHARACTER = "\uffff"
"""In no font, by the Unicode standard: drawn, it shows what a font shows for characters it lacks."""

_SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")
_PLACEHOLDERS = "lastresort"
"""Fonts of this name have a box for every character there is."""


def font_for(text: str, size: int) -> Font | None:
    """Return a font that has every character of a text; None where none of those installed does.

    Args:
        text: in any script.
        size: in pixels.

    Examples:
        >>> font_for("cat", 15) == font_for("dog", 15)
        True
    """
    return _font_with(_needed(text), size, _font_folders())


def drawable(text: str, size: int) -> tuple[str, Font]:
    """Return a text and the font to draw it with; where no font has all its characters, ``?`` stands for those lacking."""
    font = font_for(text, size)
    if font is not None:
        return text, font
    own = _own(size)
    return "".join("?" if _lacks(own, _needed(character)) else character for character in text), own


def _needed(text: str) -> str:
    """Return the characters a font must have, each once: no marks, which join the letter before, and no spaces."""
    return "".join(sorted(character for character in set(text) if character.isprintable() and not _joins(character)))


def _joins(character: str) -> bool:
    return unicodedata.category(character)[0] in "MZ"


@lru_cache(maxsize=256)
def _font_with(characters: str, size: int, folders: tuple[Path, ...]) -> Font | None:
    own = _own(size)
    if not _lacks(own, characters):
        return own
    for path in _font_files(folders):
        try:
            font = ImageFont.truetype(path, size)
        except OSError:  # not every font file can be drawn at every size; another may serve
            continue
        if not _lacks(font, characters):
            return font
    return None


@lru_cache(maxsize=8)
def _own(size: int) -> Font:
    return ImageFont.load_default(size)


def _lacks(font: Font, characters: str) -> bool:
    """Return whether a font shows the sign of a missing character for any of some characters."""
    if not isinstance(font, ImageFont.FreeTypeFont):
        return not characters.isascii()
    missing = _drawn(font, _NO_CHARACTER)
    return any(_drawn(font, character) == missing for character in characters)


def _drawn(font: ImageFont.FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)


def _font_folders() -> tuple[Path, ...]:
    """Return where fonts are installed for this person and for all, on Linux, macOS and Windows."""
    home, given = Path.home(), os.environ.get
    own = given("XDG_DATA_HOME") or str(home / ".local/share")
    shared = given("XDG_DATA_DIRS") or os.pathsep.join(("/usr/local/share", "/usr/share"))
    folders = [Path(place) / "fonts" for place in (own, *shared.split(os.pathsep)) if place]
    folders += [home / ".fonts", home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts")]
    folders += [Path(root, below) for root, below in ((given("WINDIR"), "Fonts"),
                (given("LOCALAPPDATA"), "Microsoft/Windows/Fonts")) if root]  # fmt: skip
    return tuple(folder for folder in folders if folder.is_dir())


def _font_files(folders: tuple[Path, ...]) -> Iterator[Path]:
    """Yield font files in order of name, upright and regular ones before others."""
    for folder in folders:
        files = [path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES]
        named = [path for path in files if not path.stem.lower().startswith(_PLACEHOLDERS)]
        yield from sorted(named, key=lambda path: (not _is_regular(path.stem.lower()), path.name))


def _is_regular(stem: str) -> bool:
    return not any(word in stem for word in ("bold", "italic", "oblique", "light", "thin", "black", "mono"))
