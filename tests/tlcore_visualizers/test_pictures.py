"""Each picture of an ideal image in the docs is made by the command under it; here a small version of each is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from tlcore_cli.main import tl

DOCS = Path(__file__).parents[2] / "docs"
SHOWN = re.findall(
    r"!\[[^]]*\]\((pictures/[\w-]+\.png)\)\n\n```bash\n(tl ideal mini [^\n]*)\n", (DOCS / "visualizers.md").read_text(encoding="utf-8")
)  # fmt: skip


def test_every_picture_has_its_command() -> None:
    pictures = re.findall(r"\((pictures/ideal[\w-]*\.png)\)", (DOCS / "visualizers.md").read_text(encoding="utf-8"))
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
