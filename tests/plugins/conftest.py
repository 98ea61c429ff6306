"""Three plugins as strangers write them: distributions of their own, built as wheels and installed for these tests."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugins.environment import Environment, build_wheel

collect_ignore_glob = ["tlcore-*"]

NAMES = ("tlcore-hog", "tlcore-boosted", "tlcore-hello-report")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def install_wheels(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Environment]:
    """Make a virtual environment from wheels: tlcore's own, and those in a folder.

    Only these are installed there; torch and the like, gigabytes, are borrowed from the environment that runs the tests.
    """
    pytest.importorskip("pip", reason="installing wheels needs pip in this environment")
    core = tmp_path_factory.mktemp("core")
    build_wheel(Path(__file__).parents[2], core)

    def install(folder: Path) -> Environment:
        place, home = tmp_path_factory.mktemp("environment"), tmp_path_factory.mktemp("home")
        venv.create(place, with_pip=False)
        python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        site = subprocess.check_output(
            [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
        ).strip()
        borrowed = [path for path in sys.path if path.endswith("site-packages")]
        Path(site, "borrowed.pth").write_text("\n".join(borrowed), encoding="utf-8")
        wheels = [str(wheel) for wheel in [*core.glob("*.whl"), *sorted(folder.glob("*.whl"))]]
        options = ["--quiet", "--no-deps", "--no-index", "--no-compile", "--ignore-installed"]
        command = ["pip", "--disable-pip-version-check", "--python", str(python), "install", *options, *wheels]
        subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)
        return Environment(python, home)

    return install


@pytest.fixture(scope="session")
def strangers(install_wheels: Callable[[Path], Environment], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The three plugins installed from their wheels."""
    folder = tmp_path_factory.mktemp("wheels")
    for name in NAMES:
        build_wheel(Path(__file__).parent / name, folder)
    return install_wheels(folder)


@pytest.fixture(scope="session")
def run(strangers: Environment) -> Run:
    """Run Python where the three plugins are installed."""
    return strangers.run


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
