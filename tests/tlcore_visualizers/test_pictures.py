"""Each picture of an ideal image in the docs is made by the command under it; here a small version of each is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from tests.benchmarks.ideal import CLASSES, TILE, table
from tlcore import Registry
from tlcore.subject import make_subject
from tlcore_cli.main import tl

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "visualizers.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"!\[[^]]*\]\((pictures/[\w-]+\.png)\)\n\n(?:<!-- .* -->\n)?```bash\n(tl ideal mini [^\n]*)\n", PAGE)


def test_every_picture_has_its_command() -> None:
    pictures = re.findall(r"\((pictures/ideal[\w-]*\.png)\)", PAGE)
    assert sorted(pictures) == sorted(picture for picture, _ in SHOWN)
    assert all((DOCS / picture).stat().st_size < 300_000 for picture in pictures)


@pytest.mark.parametrize(("picture", "command"), SHOWN, ids=lambda value: value)
def test_the_command_makes_such_a_picture(
    picture: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tlcore.machine.memory.keep_freed", lambda: None)  # it is for processes of our own
    tl.main([*shlex.split(command)[1:], "--steps", "2", "--quiet"], prog_name="tl", standalone_mode=False)
    (made,) = tmp_path.glob("*/contact-sheet.png")
    with Image.open(made) as small, Image.open(DOCS / picture) as shown:
        assert small.width == shown.width
        assert abs(small.height - shown.height) < 60  # a caption may take a line more or less


def test_the_sheet_of_many_networks_is_made_by_the_benchmark(registry: Registry, tmp_path: Path) -> None:
    command = r"```bash\npython -m tests\.benchmarks\.ideal "
    shown = re.search(rf"!\[[^]]*\]\((pictures/ten-ideals\.jpg)\)\n\n(?:<!-- .* -->\n)?{command}", PAGE)
    assert shown
    mini = make_subject("mini", registry)
    made = table({"mini": mini, "again": mini}, (), ["zebra", "pug"], {"steps": 2}, tmp_path / "sheet.jpg", 0)
    assert made["summary"]["images"] == 4
    assert all(row["own"] == pytest.approx(row["others"], abs=1e-6) for row in made["rows"])  # its judge is itself
    with Image.open(tmp_path / "sheet.jpg") as small, Image.open(DOCS / shown[1]) as whole:
        assert (whole.width - small.width) / (len(CLASSES) - 2) == pytest.approx(TILE, abs=20)
        assert 1.5 < whole.height / small.height < 2.5
    assert (DOCS / shown[1]).stat().st_size < 900_000
