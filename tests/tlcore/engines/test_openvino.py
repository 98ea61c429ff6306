from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.tlcore.engines.test_choice import pixels
from tlcore import Backbone, Registry
from tlcore.engines import openvino, openvino_model
from tlcore.engines.choice import least_cosine
from tlcore.engines.engine import Engine
from tlcore.engines.kept import map_kept
from tlcore.engines.openvino import openvino_engines
from tlcore.errors import BackboneError

pytestmark = pytest.mark.skipif(not openvino.has_openvino(), reason="openvino is not installed")


@pytest.fixture(scope="module")
def mini(registry: Registry) -> Backbone:
    return registry.backbone("mini")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def engines(mini: Backbone, kept: Path) -> list[Engine]:
    return openvino_engines(mini, kept)


def run(engine: Engine, images: np.ndarray) -> np.ndarray:
    size = engine.batch_size
    try:
        return np.concatenate([engine.features(images[start : start + size]) for start in range(0, len(images), size)])
    except BackboneError as error:
        if "the processor has none" not in str(error):
            raise
        pytest.skip(str(error))


def test_float32_agrees_with_the_backbones_own_code(mini: Backbone, engines: Sequence[Engine]) -> None:
    images = pixels(mini, 5)
    assert engines[-1].precision == "float32"
    assert least_cosine(run(engines[-1], images), mini.features(images)) > 0.99999


def test_a_kept_network_is_mapped_and_lives_as_long_as_its_engine(
    mini: Backbone, engines: Sequence[Engine], kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = pixels(mini, 2)
    expected = run(engines[-1], images)
    monkeypatch.setattr(openvino_model, "_convert", lambda *_: pytest.fail("converted again"))
    engine = openvino_engines(mini, kept)[-1]
    engine.features(images)
    gc.collect()
    assert np.array_equal(run(engine, images), expected)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-5], lambda data: b"x" + data[1:], lambda data: data[:9], lambda _: b""]
)
def test_a_damaged_network_is_converted_again(
    mini: Backbone, engines: Sequence[Engine], kept: Path, damage: Callable[[bytes], bytes]
) -> None:
    images = pixels(mini, 2)
    expected = run(engines[-1], images)
    (file,) = kept.glob("graphs/*.openvino-*")
    whole = file.read_bytes()
    file.unlink()  # for the file may be mapped
    file.write_bytes(damage(whole))
    assert map_kept(file) is None
    assert np.array_equal(run(openvino_engines(mini, kept)[-1], images), expected)
    assert map_kept(file) is not None


def test_a_cache_that_may_only_be_read_is_used(
    engines: Sequence[Engine], kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines[-1].features(pixels(engines[-1].backbone, 1))

    def refuse(_: Path) -> None:
        raise PermissionError("read-only file system")

    monkeypatch.setattr(Path, "touch", refuse)
    (file,) = kept.glob("graphs/*.openvino-*")
    assert map_kept(file) is not None


def test_the_more_layers_stay_in_float32_the_closer_are_the_features(mini: Backbone, engines: Sequence[Engine]) -> None:
    images = pixels(mini, 16)
    expected = mini.features(images)
    cosines = [least_cosine(run(engine, images), expected) for engine in engines]
    assert cosines[0] > 0.995
    assert 1 - cosines[3] < 0.7 * (1 - cosines[0])
    assert cosines[-1] > cosines[3]


def test_calls_from_several_threads_from_the_start_neither_mix_nor_hang(tmp_path: Path) -> None:
    script = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
from tlcore import Registry
from tlcore.engines.kept import map_kept
from tlcore.engines.openvino import openvino_engines

mini = Registry().backbone("mini")
engine = openvino_engines(mini, Path(sys.argv[1]))[-1]
images = np.random.default_rng(0).integers(0, 256, (24, *mini.info.preprocess.image_size, 3), dtype=np.uint8)
with ThreadPoolExecutor(4) as pool:
    found = np.concatenate(list(pool.map(lambda image: engine.features(image[None]), images)))
assert np.array_equal(found, np.concatenate([engine.features(image[None]) for image in images]))
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=120)


def test_importing_it_reports_to_nobody(tmp_path: Path) -> None:
    script = """
import os, sys
before = dict(os.environ)
from tlcore.engines.kept import map_kept
from tlcore.engines.openvino import import_openvino

assert import_openvino() is import_openvino()
assert "openvino_telemetry" not in sys.modules
assert dict(os.environ) == before
import openvino_telemetry
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, env={**os.environ, "HOME": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []


def test_bfloat16_is_refused_where_the_processor_has_none(mini: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    core = SimpleNamespace(get_property=lambda *_: ["FP32"])
    monkeypatch.setattr(openvino, "import_openvino", lambda: SimpleNamespace(Core=lambda: core))
    with pytest.raises(BackboneError, match="cannot run in bfloat16: the processor has none"):
        openvino_engines(mini, None)[0].features(pixels(mini, 1))


def test_a_graph_it_cannot_run_is_an_error_in_one_line(mini: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_model, "feature_graph", lambda *_: b"no graph")
    with pytest.raises(BackboneError, match="mini: OpenVINO cannot run it") as caught:
        openvino_engines(mini, None)[-1].features(pixels(mini, 1))
    assert "\n" not in str(caught.value)


def test_one_that_cannot_be_imported_is_an_error_in_one_line(mini: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ImportError("libtbb.so.12 is missing")

    monkeypatch.delitem(sys.modules, "openvino", raising=False)
    monkeypatch.setattr(openvino, "_import_silently", fail)
    with pytest.raises(BackboneError, match=r"OpenVINO cannot be imported: libtbb\.so\.12 is missing; --engine onnx"):
        openvino_engines(mini, None)[0].features(pixels(mini, 1))


def test_no_room_for_temporary_files_is_an_error(
    mini: Backbone, engines: Sequence[Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(engines[0], pixels(mini, 1))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(BackboneError, match=r"OpenVINO cannot run it: .*No such file or directory"):
        openvino_engines(mini, tmp_path)[1].features(pixels(mini, 1))


@pytest.mark.parametrize(("installed", "found"), [("2026.4.1", True), ("2025.4.1", False), ("none", False)])
def test_older_versions_are_passed_over(monkeypatch: pytest.MonkeyPatch, installed: str, found: bool) -> None:
    monkeypatch.setattr(openvino, "version", lambda _: installed)
    assert openvino.has_openvino() is found


BLOCKS = {
    "image": ("Parameter", []),
    "one": ("Convolution", ["image", "weights"]),
    "two": ("Add", ["one", "weights"]),
    "three": ("Convolution", ["two", "weights"]),
    "four": ("ReLU", ["three"]),
    "five": ("Convolution", ["four", "weights"]),
    "six": ("Add", ["five", "two"]),
    "seven": ("ReLU", ["six"]),
    "eight": ("MatMul", ["seven", "weights"]),
    "out": ("Result", ["eight"]),
}
"""Layers with what they are and what they read; from "two" to "six" runs a branch beside two convolutions."""


@pytest.mark.parametrize(("count", "last"), [(1, "two"), (2, "seven"), (3, "seven"), (4, "out"), (9, "out")])
def test_the_front_ends_where_one_output_is_all_that_is_read_later(count: int, last: str) -> None:
    layers = "".join(f"<layer id='{name}' type='{kind}'/>" for name, (kind, _) in BLOCKS.items())
    edges = "".join(
        f"<edge from-layer='{source}' to-layer='{name}'/>" for name, (_, read) in BLOCKS.items() for source in read
    )
    network = ElementTree.fromstring(
        f"<net><layers><layer id='weights' type='Const'/>{layers}</layers><edges>{edges}</edges></net>"
    )
    front = [layer.get("id") for layer in openvino_model.front_layers(network, count)]
    assert front == ["weights", *list(BLOCKS)[: list(BLOCKS).index(last) + 1]]
