from typing import ClassVar

import pytest

from tlcore import Registry
from tlcore.errors import BackboneError
from tlcore.testing import BackboneConformance, PluginConformance


class TestPlugin(PluginConformance):
    name = "hog"


class TestHog(BackboneConformance):
    name = "hog"


class TestCoarseHog(BackboneConformance):
    name = "hog"
    options: ClassVar = {"cell": 16, "orientations": 4}


def test_an_image_smaller_than_a_block_is_refused() -> None:
    with pytest.raises(BackboneError, match=r"set backbone\.image_size to at least 64"):
        Registry().backbone("hog", {"cell": 32, "image_size": 40})
