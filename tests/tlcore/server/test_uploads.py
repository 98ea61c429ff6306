"""Images that strangers send."""

import subprocess
import sys

import numpy as np
import pytest

from tests.tlcore.server.hostile import noise, png_bomb
from tlcore.images import decode_image
from tlcore.server.refusal import Refusal
from tlcore.server.uploads import UploadLimits, open_upload

LIMITS = UploadLimits(25_000_000, ("JPEG", "PNG", "WEBP"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_decodes_as_everywhere(kind: str) -> None:
    data = noise(kind)
    np.testing.assert_array_equal(np.asarray(open_upload(data, LIMITS)), np.asarray(decode_image(data)))


@pytest.mark.parametrize(
    ("data", "status", "told"),
    [
        (b"", 400, "the image is empty"),
        (b"<html>", 400, "this is not an image that can be read"),
        (noise("PNG")[:200], 400, "damaged or truncated"),
        (noise("JPEG")[:300], 400, "damaged|not an image"),
        (noise("BMP"), 415, "BMP images are not taken; send JPEG, PNG, WEBP"),
        (png_bomb(5200, rows=9), 413, "5200 x 5200 pixels, more than the 25,000,000 allowed"),
        (png_bomb(4000), 413, "bytes that expand to 4000 x 4000 pixels are not taken for a photo"),
    ],
    ids=["empty", "html", "cut png", "cut jpeg", "bmp", "many pixels", "bomb within the limit"],
)
def test_refuses(data: bytes, status: int, told: str) -> None:
    with pytest.raises(Refusal, match=told) as refusal:
        open_upload(data, LIMITS)
    assert refusal.value.status == status


def test_a_header_of_177_megapixels_is_refused() -> None:
    with pytest.raises(Refusal, match="pixels") as refusal:
        open_upload(png_bomb(13_300, rows=100), LIMITS)
    assert refusal.value.status == 413


_COST = """
import resource, sys
from tlcore.server.uploads import UploadLimits, open_upload
from tlcore.server.refusal import Refusal
from PIL import PngImagePlugin
from tests.tlcore.server.hostile import noise, png_bomb, text_bomb
import warnings; warnings.simplefilter("ignore")
PngImagePlugin.MAX_TEXT_MEMORY = 4 << 20
bombs = [png_bomb(4999), png_bomb(13300, rows=100), text_bomb()]
limits = UploadLimits(25_000_000, ("JPEG", "PNG", "WEBP"))
open_upload(noise("PNG"), limits)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for bomb in bombs:
    try:
        open_upload(bomb, limits)
    except Refusal:
        pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="resource is not on Windows")
def test_bombs_cost_less_than_50_megabytes() -> None:
    ran = subprocess.run([sys.executable, "-c", _COST], capture_output=True, text=True, check=True)
    assert float(ran.stdout) < 50
