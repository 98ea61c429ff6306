"""What tests share: real photos where they are at hand, small pictures made here, and classifiers of them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import jaxtyping

# No test reaches the network, nor weights that happen to be cached; the hub's package reads these when it is imported.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="tlcore-tests-")

# Where pytest runs one process for each core, threads of each would only wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# Shapes and types that signatures state are enforced in every test that runs in this process.
jaxtyping.install_import_hook(
    ["tlcore", "tlcore_timm", "tlcore_datasets", "tlcore_finetune", "tlcore_heads", "tlcore_mini", "tlcore_visualizers"],
    "beartype.beartype",
)

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tlcore import Registry, TrainOptions, TrainResult, train

SHARED = Path(os.environ.get("TLCORE_SHARED", Path(__file__).parents[1] / ".." / "shared")).resolve()

IN_THE_BOX = TrainOptions(backbone="mini")
"""What most tests train with: the pretrained network that comes along, so that they show real transfer on any machine."""

UNTRAINED = TrainOptions(backbone="timm/test_resnet", backbone_options={"pretrained": False, "image_size": 32})
"""A network of half a million random weights, for what must be said of one."""


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLCORE_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture
def unchecked_types() -> Iterator[None]:
    """Lift the enforcement of signatures, to show what the code itself says of a wrong value."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"real photos and weights are not at {SHARED} (TLCORE_SHARED names another place)")
    return SHARED


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry()


def draw_shape(shape: str, seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """Draw a filled shape on noise, its place, size and colour by the seed."""
    random = np.random.default_rng([seed, len(shape)])
    image = Image.fromarray(random.integers(0, 60, (size[1], size[0], 3), dtype=np.uint8))
    draw = ImageDraw.Draw(image)
    x, y, radius = random.integers(14, size[0] - 14), random.integers(14, size[1] - 14), random.integers(8, 13)
    box = (int(x - radius), int(y - radius), int(x + radius), int(y + radius))
    colour = {"circle": (230, 60, 40), "square": (60, 220, 70), "bar": (70, 80, 240)}[shape]
    if shape == "circle":
        draw.ellipse(box, fill=colour)
    elif shape == "square":
        draw.rectangle(box, fill=colour)
    else:
        draw.rectangle((box[0], int(y) - 2, box[2], int(y) + 2), fill=colour)
    return image


def write_shapes(root: Path, per_class: int = 12, shapes: tuple[str, ...] = ("bar", "circle", "square")) -> Path:
    """Write a folder of shapes, one folder per class."""
    for shape in shapes:
        (root / shape).mkdir(parents=True, exist_ok=True)
        for index in range(per_class):
            draw_shape(shape, index).save(root / shape / f"{index:03d}.png")
    return root


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 36 shapes in three classes; shared between tests, so never to be changed."""
    return write_shapes(tmp_path_factory.mktemp("data") / "shapes")


@pytest.fixture(scope="session")
def trained(shapes: Path, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """A bundle trained on the shapes; shared between tests, so never to be changed."""
    return train(str(shapes), tmp_path_factory.mktemp("bundles") / "shapes-bundle", IN_THE_BOX, registry=registry)


@pytest.fixture(scope="session")
def exported(trained: TrainResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle as an ONNX file; shared between tests, so never to be changed."""
    from tlcore.export import ExportOptions, export_onnx

    return export_onnx(trained.bundle, tmp_path_factory.mktemp("exported") / "shapes.onnx", ExportOptions()).path


@pytest.fixture(scope="session")
def plain_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier as others write it: normalised float32 (images, 3, 8, 8) in, four logits out, no record."""
    import onnx

    weight = np.random.default_rng(0).normal(size=(3 * 8 * 8, 4)).astype(np.float32)
    nodes = [onnx.helper.make_node("Flatten", ["x"], ["flat"]), onnx.helper.make_node("MatMul", ["flat", "w"], ["y"])]
    inputs = [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, 8, 8])]
    outputs = [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 4])]
    graph = onnx.helper.make_graph(nodes, "plain", inputs, outputs, [onnx.numpy_helper.from_array(weight, "w")])
    path = tmp_path_factory.mktemp("plain") / "plain.onnx"
    onnx.save_model(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9), path)
    return path


@pytest.fixture
def run_tl(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line in a process of its own, in an empty directory."""

    def run(*arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
        (tmp_path / "cwd").mkdir(exist_ok=True)
        environment = {**os.environ, **settings.pop("env", {})}  # type: ignore[dict-item]
        return subprocess.run(
            [sys.executable, "-m", "tlcore_cli", *arguments],
            capture_output=True, text=True, timeout=120, cwd=tmp_path / "cwd", env=environment, **settings,  # type: ignore[call-overload]
        )  # fmt: skip

    return run


def write_distribution(
    site: Path, name: str, module: str, source: str, *, version: str = "1.0", entry_point: str | None = None,
    group: str = "tlcore", target: str | None = None,
) -> None:  # fmt: skip
    """Write an installed distribution: one module and the metadata that declares it as a plugin."""
    site.mkdir(parents=True, exist_ok=True)
    (site / f"{module}.py").write_text(source, encoding="utf-8")
    metadata = site / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(f"[{group}]\n{entry_point or name} = {target or module}\n", encoding="utf-8")
