from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.tlcore.features.test_feature_set import Means
from tlcore import Backbone, Registry
from tlcore.engines import ENGINES, EngineRequest, choice, choose_engine, graph, memory, own_engine
from tlcore.engines.engine import Engine
from tlcore.engines.graph import graph_file
from tlcore.engines.onnx import onnx_engine
from tlcore.engines.openvino import has_openvino
from tlcore.errors import BackboneError, ModelFileError, OptionError
from tlcore_cli.settings import ENGINES as OFFERED


@pytest.fixture(scope="module")
def mini(registry: Registry) -> Backbone:
    return registry.backbone("mini")


@pytest.fixture(scope="module")
def kept(mini: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache directory with the exported graph of mini; shared, so only added to."""
    directory = tmp_path_factory.mktemp("cache")
    onnx_engine(mini, directory).features(pixels(mini, 1))
    return directory


def pixels(backbone: Backbone, count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *backbone.info.preprocess.image_size, 3), dtype=np.uint8)


def request(backbone: Backbone, directory: Path | None, asked: str = "auto", images: int = 10**9) -> EngineRequest:
    return EngineRequest(
        backbone=backbone, asked=asked, images=images, directory=directory, photos=lambda count: pixels(backbone, count)
    )


def test_onnx_agrees_with_the_backbones_own_code(mini: Backbone, kept: Path) -> None:
    images = pixels(mini, 6)
    engine = onnx_engine(mini, kept)
    found = np.concatenate([engine.features(image[None]) for image in images])
    assert choice.least_cosine(found, mini.features(images)) > 0.99999


def test_the_graph_is_exported_once(mini: Backbone, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "_export", lambda _: pytest.fail("exported again"))
    onnx_engine(mini, kept).features(pixels(mini, 1))


@pytest.mark.parametrize("damage", [lambda data: data[:-5], lambda data: data[:99] + b"x" + data[100:], lambda _: b""])
def test_a_damaged_graph_is_not_run(
    mini: Backbone, kept: Path, tmp_path: Path, damage: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = graph_file(mini, kept).read_bytes()
    file = graph_file(mini, tmp_path)
    file.parent.mkdir(parents=True)
    file.write_bytes(damage(whole))  # type: ignore[operator]
    monkeypatch.setattr(graph, "_export", lambda _: whole[:-32])
    onnx_engine(mini, tmp_path).features(pixels(mini, 1))
    assert file.read_bytes() == whole


def test_a_small_job_exports_nothing(mini: Backbone, tmp_path: Path) -> None:
    chosen = choose_engine(request(mini, tmp_path, images=10))
    assert (chosen.engine.name, chosen.reason) == ("backbone", "few images, so nothing was exported")
    assert [path.name for path in tmp_path.iterdir()] == ["engines"]


@pytest.mark.parametrize(
    ("images", "torch", "chosen"),
    [(1000, 0.01, "torch"), (1000, 0.2, "backbone"), (1000, None, "backbone"), (100, 0.01, "backbone")],
    ids=["agrees", "answers-otherwise", "has-none", "not-worth-it"],
)
def test_a_job_too_small_to_export_for_runs_on_torch_if_that_agrees(
    mini: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: int, torch: float | None, chosen: str
) -> None:
    def compute(shown: np.ndarray) -> np.ndarray:
        features = mini.features(shown)
        noise = np.random.default_rng(0).standard_normal(features.shape).astype(np.float32)
        length = np.linalg.norm(features, axis=1, keepdims=True)
        return features + (torch or 0) * length * noise / np.sqrt(features.shape[1]).astype(np.float32)

    candidate = replace(own_engine(mini, 4), name="torch", precision="bfloat16", compute=compute)
    monkeypatch.setattr(choice, "_torch", lambda _: candidate if torch is not None else None)
    found = choose_engine(request(mini, tmp_path, images=images))
    assert (found.engine.name, found.rates) == (chosen, {})
    assert [path.name for path in tmp_path.iterdir()] == ["engines"]


def test_what_a_small_job_runs_on_is_remembered(mini: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    candidate = replace(own_engine(mini, 8), name="torch", precision="bfloat16")
    monkeypatch.setattr(choice, "_torch", lambda _: candidate)
    first = choose_engine(request(mini, tmp_path, images=1000))
    monkeypatch.setattr(choice, "_torch", lambda _: pytest.fail("prepared again"))
    monkeypatch.setattr(choice, "_work", lambda _: pytest.fail("counted again"))
    again = choose_engine(replace(request(mini, tmp_path, images=900), photos=lambda _: pytest.fail("computed again")))
    assert first.record == again.record == {"name": "torch", "precision": "bfloat16"}
    assert choose_engine(request(mini, tmp_path, images=10)).engine.name == "backbone"


def test_a_job_too_small_to_export_for_goes_on_where_torch_fails(mini: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    def compute(_: np.ndarray) -> np.ndarray:
        raise BackboneError("cannot run in bfloat16")

    candidate = replace(own_engine(mini, 4), name="torch", precision="bfloat16", compute=compute)
    monkeypatch.setattr(choice, "_torch", lambda _: candidate)
    assert choose_engine(request(mini, None, images=1000)).engine.name == "backbone"


def test_a_large_job_measures_once_and_remembers(mini: Backbone, kept: Path) -> None:
    first = choose_engine(request(mini, kept))
    assert first.reason == "measured on this machine"
    engines = {key.partition(" ")[0] for key in first.rates}
    assert engines - {"torch"} == {"backbone", "onnx", *(["openvino"] if has_openvino() else [])}
    again = choose_engine(replace(request(mini, kept, images=1), photos=lambda _: pytest.fail("measured again")))
    assert (again.record, again.rates) == (first.record, first.rates)


def test_what_was_remembered_and_is_damaged_is_measured_again(mini: Backbone, kept: Path) -> None:
    choose_engine(request(mini, kept))
    for file in (kept / "engines").iterdir():
        file.write_text('{"measured": {"onnx float32": {"rate": 1}}}', encoding="utf-8")
    assert choose_engine(request(mini, kept)).rates["backbone float32"] > 0


def _measured(monkeypatch: pytest.MonkeyPatch, results: dict[str, tuple[float, float] | None]) -> list[str]:
    """Have each engine named measure as (images a second, factor of noise) or fail; returns what was asked to run."""
    if "torch" not in results:
        monkeypatch.setattr(choice, "_torch", lambda _: None)
    monkeypatch.setattr(choice, "has_openvino", lambda: any(name.startswith("openvino") for name in results))
    asked = []

    def run(engine: Engine, images: np.ndarray) -> tuple[np.ndarray, float]:
        name = engine.name if engine.name in results else f"{engine.name} {engine.precision}"
        asked.append(name)
        result = results[name]
        if result is None:
            raise ModelFileError("cannot run it")
        random = np.random.default_rng(1).standard_normal((len(images), 8))
        return random + result[1] * np.random.default_rng(2).standard_normal(random.shape), result[0]

    monkeypatch.setattr(choice, "_run", run)
    return asked


@pytest.mark.parametrize(
    ("onnx", "own", "chosen"),
    [((100.0, 0.0), (50.0, 0.0), "onnx"), ((100.0, 0.0), (110.0, 0.0), "onnx"), ((100.0, 0.0), (130.0, 0.0), "backbone"),
     ((100.0, 0.1), (50.0, 0.0), "backbone"), (None, (50.0, 0.0), "backbone")],
    ids=["quicker", "within-noise", "slower", "answers-otherwise", "cannot-run"],
)  # fmt: skip
def test_the_quickest_that_agrees_is_taken(
    mini: Backbone, monkeypatch: pytest.MonkeyPatch, onnx: tuple[float, float] | None, own: tuple[float, float], chosen: str
) -> None:
    _measured(monkeypatch, {"onnx": onnx, "backbone": own})
    assert choose_engine(request(mini, None)).engine.name == chosen


@pytest.mark.parametrize(
    ("variants", "chosen", "measured"),
    [
        ({"bfloat16": (400.0, 0.01)}, "openvino bfloat16", 1),
        ({"bfloat16": (400.0, 0.1), "bfloat16 after 2 layers": (300.0, 0.01)}, "openvino bfloat16 after 2 layers", 2),
        ({"bfloat16": (400.0, 0.1), "bfloat16 after 2 layers": None, "bfloat16 after 5 layers": (300.0, 0.1),
          "bfloat16 after 10 layers": (300.0, 0.1), "float32": (90.0, 0.0)}, "openvino float32", 5),
        ({"bfloat16": (70.0, 0.01)}, "onnx float32", 1),
    ],
    ids=["all-of-it", "behind-two-layers", "none-of-it", "slower"],
)  # fmt: skip
def test_of_an_engines_variants_the_first_that_agrees_is_taken(
    mini: Backbone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variants: dict[str, tuple[float, float] | None],
    chosen: str,
    measured: int,
) -> None:
    results = {f"openvino {precision}": result for precision, result in variants.items()}
    run = _measured(monkeypatch, {**results, "onnx": (100.0, 0.0), "backbone": (50.0, 0.0)})
    first = choose_engine(request(mini, tmp_path))
    assert f"{first.engine.name} {first.engine.precision}" == chosen
    assert sum(name.startswith("openvino") for name in run) == measured
    monkeypatch.setattr(choice, "_run", lambda *_: pytest.fail("measured again"))
    again = choose_engine(request(mini, tmp_path))
    assert again.record == first.record


def test_an_engine_that_is_not_installed_is_told(mini: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "has_openvino", lambda: False)
    with pytest.raises(OptionError, match="needs the package openvino: pip install"):
        choose_engine(request(mini, None, asked="openvino"))


@pytest.mark.parametrize(("result", "told"), [((100.0, 0.1), "agree to a cosine of 0.9"), (None, "it cannot be exported")])
def test_an_engine_asked_for_that_answers_otherwise_is_refused(
    mini: Backbone, monkeypatch: pytest.MonkeyPatch, result: tuple[float, float] | None, told: str
) -> None:
    _measured(monkeypatch, {"onnx": result, "backbone": (50.0, 0.0)})
    with pytest.raises(BackboneError, match=f"cannot run on engine 'onnx': .*{told}"):
        choose_engine(request(mini, None, asked="onnx"))


def test_nothing_is_exported_beside_a_gpu(mini: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = replace(own_engine(mini), name="torch", precision="cuda-bfloat16")
    monkeypatch.setattr(choice, "_torch", lambda _: gpu)
    run = _measured(monkeypatch, {"torch": (5000.0, 0.01), "backbone": (50.0, 0.0)})
    assert choose_engine(request(mini, None)).engine is gpu
    assert set(run) == {"torch", "backbone"}


def test_a_network_that_torch_does_not_know_goes_on_as_it_is() -> None:
    assert choose_engine(request(Means(), None)).engine.name == "backbone"
    with pytest.raises(BackboneError, match="cannot run on engine 'onnx'"):
        choose_engine(request(Means(), None, asked="onnx"))


def test_an_unknown_engine_is_told(mini: Backbone) -> None:
    with pytest.raises(OptionError, match="no engine 'onx'; did you mean 'onnx'"):
        choose_engine(request(mini, None, asked="onx"))
    assert tuple(OFFERED.choices) == ENGINES


def test_calls_are_filled_up_so_that_rows_do_not_depend_on_their_number() -> None:
    backbone = Means()
    own_engine(backbone, 8).features(np.zeros((3, 16, 16, 3), np.uint8))
    assert backbone.batches == [8]


@pytest.mark.parametrize("rows", [[[1.0, 0.0]], [[0.0, 0.0]]], ids=["one", "zero"])
def test_equal_rows_have_cosine_one(rows: Sequence[Sequence[float]]) -> None:
    assert choice.least_cosine(np.array(rows), np.array(rows)) == 1.0


def test_what_is_remembered_names_the_machine(mini: Backbone, kept: Path) -> None:
    choose_engine(request(mini, kept))
    document = json.loads(next((kept / "engines").iterdir()).read_text(encoding="utf-8"))
    assert document["machine"] == memory.machine()
