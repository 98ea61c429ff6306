"""docs/serving.md says what is: its options exist, its addresses are served, its Python runs."""

import re
from pathlib import Path

import click
import pytest

from tests.tlcore.server.hostile import noise
from tlcore import Classifier
from tlcore_cli.main import COMMANDS, tl

TEXT = (Path(__file__).parents[1] / "docs" / "serving.md").read_text(encoding="utf-8")


def test_every_option_it_names_exists() -> None:
    context = click.Context(tl, **tl.context_settings)
    commands = [tl.get_command(context, name) for name in COMMANDS]
    known = {option for command in commands if command for parameter in command.params for option in parameter.opts}
    others = {"--data-binary", "--no-cache-dir", "--yes", "--from", "--requests"}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", TEXT)) - others
    assert named <= known, named - known


def test_every_address_it_names_is_described() -> None:
    pytest.importorskip("starlette")
    from tlcore.server.openapi import document

    paths = set(document()["paths"]) | {"/", "/openapi.json"}
    named = set(re.findall(r"`(?:POST )?(/[a-z0-9/.]*[a-z0-9])`", TEXT)) - {"/v2/..."}
    assert named and named <= paths, named - paths


def test_its_python_runs(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import numpy as np

    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.onnx").write_bytes(exported.read_bytes())
    (tmp_path / "photo.jpg").write_bytes(noise("JPEG"))
    block = next(part for part in TEXT.split("\n\n    from tlcore import Classifier")[1:])
    source = "    from tlcore import Classifier" + block.split("\n\nThis needs")[0]
    pixels = np.zeros((40, 30, 3), np.uint8)
    names = {"image_bytes": noise("PNG"), "pillow_image": None, "uint8_array": pixels}
    from PIL import Image

    names["pillow_image"] = Image.fromarray(pixels)
    exec("\n".join(line[4:] for line in source.splitlines()), names)
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert Classifier("model.onnx").labels == ("bar", "circle", "square")
