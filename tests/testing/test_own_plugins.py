"""Everything the built-in plugins offer keeps its contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from tlcore.testing import (
    BackboneConformance,
    DatasetConformance,
    HeadConformance,
    PluginConformance,
    VisualizerConformance,
)
from tlcore.testing.checking import SUITES

pytestmark = pytest.mark.usefixtures("unchecked_types")


@pytest.mark.parametrize("check", [name for name in dir(PluginConformance) if name.startswith("test_")])
@pytest.mark.parametrize("plugin", ["timm", "datasets", "heads"])
def test_plugin(plugin: str, check: str, suites: dict[str, Any]) -> None:
    suite = suites.setdefault(plugin, type("Plugin", (PluginConformance,), {"name": plugin})())
    getattr(suite, check)()


@pytest.fixture(scope="module")
def suites() -> dict[str, Any]:
    return {}


class TestLinear(HeadConformance):
    name = "linear"


class TestTimm(BackboneConformance):
    name = "timm/test_resnet"
    options: ClassVar = {"pretrained": False}


class TestDigits(DatasetConformance):
    name = "digits"


class TestFolder(DatasetConformance):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        folder = tmp_path_factory.mktemp("photos")
        random = np.random.default_rng(0)
        for name in ("cat", "dog"):
            Path(folder, name).mkdir()
            for index in range(3):
                pixels = random.integers(0, 256, (20, 30, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(Path(folder, name, f"{index}.png"))
        cls.name = f"folder:{folder}"


def test_every_kind_has_its_suite() -> None:
    assert set(SUITES.values()) == {
        BackboneConformance,
        DatasetConformance,
        HeadConformance,
        VisualizerConformance,
    }
