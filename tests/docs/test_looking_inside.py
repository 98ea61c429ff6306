"""Every picture of docs/looking-inside.md is made by the command under it: here smaller, and of the size and kind shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlcore import TrainResult
from tlcore.display.picture_sheet import TILE
from tlcore_cli.command import Settings
from tlcore_cli.main import tl

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "looking-inside.md").read_text(encoding="utf-8")
SMALLER = {"explain": ["--channels", "4", "--steps", "2"], "map": ["--method", "pca"], "features": ["--examples", "3"]}
MADE = {
    "feature-maps": "cat-layer2-maps.png",
    "examples": "layer3-channel-20-examples.png",
    "saliency": "contact-sheet.png",
    "map": "map.png",
}


def pictures() -> list[tuple[str, str]]:
    """Name of each picture and the last command in the block under it."""
    blocks = re.findall(r"!\[[^\]]+\]\(pictures/([\w-]+)\.jpg\)\n\n<!--[^\n]*-->\n```sh\n(.*?)```", PAGE, re.S)
    return [(name, commands.strip().splitlines()[-1]) for name, commands in blocks]


def test_every_picture_has_its_command() -> None:
    assert {name for name, _ in pictures()} == set(re.findall(r"\(pictures/([\w-]+)\.", PAGE)) == set(MADE)


@pytest.mark.parametrize(("name", "line"), pictures(), ids=lambda value: value.split()[0])
def test_the_command_makes_the_picture(
    name: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: TrainResult, shapes: Path
) -> None:
    monkeypatch.chdir(ROOT)
    given = shlex.split(line)[1:]
    smaller = [*given, *SMALLER[given[0]]]
    smaller[smaller.index("--out") + 1] = str(tmp_path / "out")
    if given[0] == "map":
        smaller[1], smaller[smaller.index("digits")] = str(trained.bundle.path), str(shapes)
    tl.main([*smaller, "--quiet"], prog_name="tl", standalone_mode=False, obj=Settings())
    made = np.asarray(Image.open(tmp_path / "out" / MADE[name]))
    shown = np.asarray(Image.open(ROOT / "docs" / "pictures" / f"{name}.jpg"))
    assert (ROOT / "docs" / "pictures" / f"{name}.jpg").stat().st_size < 300_000
    if name in ("saliency", "feature-maps", "map"):
        assert abs(made.shape[0] - shown.shape[0]) <= 40 and made.shape[1] == shown.shape[1]
    if name == "feature-maps":
        assert np.abs(made.astype(float) - shown).mean() < 12  # the very picture, but for its compression
    if name == "saliency":
        assert same_cells(made, shown) == [True, False, True, True, True, True]  # Score-CAM of 4 channels is another
        assert same_cells(made[:, ::-1], shown).count(True) < 2, "a mirrored sheet is seen to be wrong"


def same_cells(made: np.ndarray, shown: np.ndarray) -> list[bool]:
    """Of each of a sheet's six pictures whether it is the one shown, but for compression, and no other is more like it."""
    cells = [12 + column * (TILE + 12) for column in range(6)]
    first, second = ([sheet[12 : 12 + TILE, left : left + TILE].astype(float) for left in cells] for sheet in (made, shown))
    apart = np.array([[np.abs(one - other).mean() for other in second] for one in first])
    return [bool(row.argmin() == index and row[index] < 6) for index, row in enumerate(apart)]
