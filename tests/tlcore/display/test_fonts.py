from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import write_shapes
from tlcore import Picture, Registry
from tlcore.display.fonts import drawable, font_for
from tlcore.display.picture_sheet import picture_sheet
from tlcore.display.thumbnails import contact_sheet, sheet_legend

MATPLOTLIB = pytest.importorskip("matplotlib", reason="matplotlib, whose fonts are used, is not installed")
FONTS = Path(MATPLOTLIB.get_data_path(), "fonts", "ttf")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of fonts that is the only one there is; empty at first."""
    folder = tmp_path / "fonts"
    folder.mkdir()
    monkeypatch.setattr("tlcore.display.fonts._font_folders", lambda: (folder,))
    return folder


def build_font(path: Path, characters: str) -> None:
    """Write a font with a full square for each of some characters, and an empty frame for those it lacks."""
    builder_of = pytest.importorskip("fontTools.fontBuilder", reason="fonttools is not installed")
    pen_of = pytest.importorskip("fontTools.pens.ttGlyphPen")
    names = [f"u{ord(character):04X}" for character in characters]
    glyphs = {}
    for name, corners in (
        (".notdef", [(0, 0), (0, 700), (600, 700)]),
        *((name, [(0, 0), (0, 900), (900, 900), (900, 0)]) for name in names),
    ):
        pen = pen_of.TTGlyphPen(None)
        pen.moveTo(corners[0])
        for corner in corners[1:]:
            pen.lineTo(corner)
        pen.closePath()
        glyphs[name] = pen.glyph()
    builder = builder_of.FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names])
    builder.setupCharacterMap({ord(character): name for character, name in zip(characters, names, strict=True)})
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 0)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)


def test_pillows_own_font_serves_where_it_can(installed: Path) -> None:
    shutil.copy(FONTS / "DejaVuSans.ttf", installed)
    assert getattr(font_for("Tabby, tabby cat: 98 %", 15), "path", None) != installed / "DejaVuSans.ttf"


@pytest.mark.parametrize(
    "text", ["groß", "кошка", "γάτα", "قطة", "חתול"], ids=["german", "cyrillic", "greek", "arabic", "hebrew"]
)
def test_an_installed_font_serves_what_pillows_lacks(installed: Path, text: str) -> None:
    assert font_for(text, 15) is None
    shutil.copytree(FONTS, installed / "all")
    found = font_for(text, 16)
    assert found is not None
    assert drawable(text, 16) == (text, found)


def test_fonts_are_looked_for_where_a_person_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (tmp_path / "fonts").mkdir()
    build_font(tmp_path / "fonts" / "own.ttf", "ꕉ")
    assert getattr(font_for("ꕉ", 15), "path", None) == tmp_path / "fonts" / "own.ttf"


def test_a_font_of_placeholders_serves_nothing(installed: Path) -> None:
    shutil.copytree(FONTS, installed / "all")
    assert (installed / "all" / "LastResortHE-Regular.ttf").exists()
    assert font_for("猫", 15) is None
    assert drawable("猫 cat", 15)[0] == "? cat"


def test_a_damaged_font_is_passed_over(installed: Path) -> None:
    (installed / "a.ttf").write_bytes(b"no font")
    build_font(installed / "b.ttf", "猫")
    assert getattr(font_for("猫", 15), "path", None) == installed / "b.ttf"


def test_sheets_write_classes_in_any_script(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_shapes(tmp_path / "photos", 2, shapes=("bar", "circle"))
    (data / "circle").rename(data / "猫")
    dataset = Registry().dataset(str(data))
    assert sheet_legend(dataset) == {"class 1": "猫"}
    numbered = np.asarray(contact_sheet(dataset))
    (tmp_path / "more").mkdir()
    build_font(tmp_path / "more" / "squares.ttf", "猫 0123456789images")
    monkeypatch.setattr("tlcore.display.fonts._font_folders", lambda: (installed, tmp_path / "more"))
    assert sheet_legend(dataset) == {}
    assert not np.array_equal(np.asarray(contact_sheet(dataset)), numbered)


def test_captions_without_a_font_keep_what_can_be_written(installed: Path) -> None:
    pixels = np.zeros((20, 20, 3), np.uint8)
    lacking, plain = (picture_sheet([Picture(name="a", pixels=pixels, caption=text)]) for text in ("猫 98 %", "? 98 %"))
    assert np.array_equal(np.asarray(lacking), np.asarray(plain))
