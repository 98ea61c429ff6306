"""Three plugins as strangers write them: distributions of their own, built as wheels and installed for these tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

collect_ignore_glob = ["tlcore-*"]

NAMES = ("tlcore-hog", "tlcore-boosted", "tlcore-hello-report")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Build the wheel of each plugin."""
    pytest.importorskip("hatchling", reason="building the plugins' wheels needs hatchling")
    output = tmp_path_factory.mktemp("wheels")
    for name in NAMES:
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(output)]
        subprocess.run(command, cwd=Path(__file__).parent / name, check=True, capture_output=True)
    return sorted(output.glob("*.whl"))


@pytest.fixture(scope="session")
def site(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheels into a directory of their own."""
    pytest.importorskip("pip", reason="installing the plugins' wheels needs pip in this environment")
    target = tmp_path_factory.mktemp("site")
    arguments = ["install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target", str(target), *map(str, wheels)]
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments], check=True, capture_output=True)
    return target


@pytest.fixture(scope="session")
def run(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run Python in a process that has the plugins installed, with a home of its own."""
    home = tmp_path_factory.mktemp("home")

    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])

    def start(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": path, "TLCORE_HOME": str(home), "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
        )

    return start


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw a small dataset that edges tell apart: bars and discs."""
    import numpy as np
    from PIL import Image, ImageDraw

    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for index in range(24):
        for name in ("bar", "disc"):
            image = Image.fromarray(random.integers(90, 130, (70, 90, 3), dtype=np.uint8))
            left, top = (int(value) for value in random.integers(14, 20, 2))
            draw = ImageDraw.Draw(image)
            (draw.rectangle if name == "bar" else draw.ellipse)((left, top, left + 35, top + 35), fill=(230, 210, 60))
            (folder / name).mkdir(exist_ok=True)
            image.save(folder / name / f"{index:02d}.png")
    return folder
