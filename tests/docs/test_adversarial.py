"""The robustness plot of docs/adversarial.md is made by the command above it: here smaller, and of the kind shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import draw_shape
from tlcore import TrainResult
from tlcore_cli.command import Settings
from tlcore_cli.main import tl

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adversarial.md").read_text(encoding="utf-8")
LEGEND, AXIS = (slice(36, 132), slice(618, 756)), (slice(478, 504), slice(280, 560))


def command() -> list[str]:
    """The command that makes the plot, by the mark above it."""
    block = re.search(r"<!-- makes pictures/adversarial-robustness.png from (\S+) -->\n```sh\n(.*?)```", PAGE, re.S)
    assert block is not None and block[1] == "digits-demo-robustness/robustness.png"
    return shlex.split(block[2].strip().splitlines()[-1])


def test_the_command_makes_the_plot(tmp_path: Path, trained: TrainResult, monkeypatch: pytest.MonkeyPatch) -> None:
    for index, shape in enumerate(("bar", "circle", "square") * 2):
        (tmp_path / "shapes" / shape).mkdir(parents=True, exist_ok=True)
        draw_shape(shape, 800 + index).save(tmp_path / "shapes" / shape / f"{index}.png")
    words = command()[1:]
    assert words[:3] == ["robustness", "digits-demo", "digits"]
    smaller = [words[0], str(trained.bundle.path), str(tmp_path / "shapes"), *words[3:], "--images", "4"]
    monkeypatch.chdir(tmp_path)
    tl.main([*smaller, "--out", "made", "--quiet"], prog_name="tl", standalone_mode=False, obj=Settings())
    made, shown = (
        np.asarray(Image.open(file).convert("L"), float)
        for file in (tmp_path / "made" / "robustness.png", ROOT / "docs" / "pictures" / "adversarial-robustness.png")
    )
    assert made.shape == shown.shape
    for part in (LEGEND, AXIS):
        assert np.abs(made[part] - shown[part]).mean() < 6
        assert np.abs(made[part][:, ::-1] - shown[part]).mean() > 6, "a mirrored plot is seen to be wrong"
