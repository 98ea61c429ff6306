"""What tlcore promises to a program that it runs inside of."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import tlcore
from tlcore import HeadSpec, Registry, TrainOptions, TrainResult, errors, hookimpl, predict, train
from tlcore.display.notebook import evaluation_html
from tlcore.progress import ProgressEvent

ROOT = Path(__file__).parents[2]

PROGRAM = """
import importlib.util, json, sys
import numpy, PIL.Image, PIL.ImageFile
found = importlib.util.spec_from_file_location("process_state", sys.argv[1])
watch = importlib.util.module_from_spec(found)
found.loader.exec_module(watch)
before = watch.process_state()
import tlcore
registry = tlcore.Registry()
listed = [offer.spec.name for kind in ("backbone", "dataset", "head", "visualizer") for offer in registry.offers(kind)]
for name in tlcore.__all__:
    getattr(tlcore, name)
assert listed
print(json.dumps(watch.changes(before, watch.process_state())))
"""


def test_importing_and_listing_change_nothing_in_the_process() -> None:
    state = ROOT / "tlcore" / "testing" / "process_state.py"
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(state)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
    assert done.stderr == ""


def module_with_head(name: str) -> ModuleType:
    module = ModuleType(f"plugin_{name}")

    @hookimpl
    def tlcore_heads() -> list[HeadSpec]:
        return [HeadSpec(name=name, summary="a head", factory="tlcore_heads.linear:create", licence="MIT")]

    module.tlcore_heads = tlcore_heads  # type: ignore[attr-defined]
    return module


def test_registries_with_different_plugins_live_side_by_side() -> None:
    one, two = (Registry([module_with_head(name)], installed=False) for name in ("one", "two"))
    assert [offer.spec.name for offer in one.offers("head")] == ["one"]
    assert [offer.spec.name for offer in two.offers("head")] == ["two"]
    without = Registry(disabled=["timm", "mini"])
    assert without.offers("backbone") == ()
    assert [offer.spec.name for offer in Registry().offers("backbone")] == [
        "hf-hub",
        "local-dir",
        "mini",
        "mini-dir",
        "timm",
    ]


class Cancelled(Exception):
    pass


OPTIONS = TrainOptions(backbone="mini")


def test_training_prints_nothing_and_tells_its_progress(
    shapes: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    events: list[ProgressEvent] = []
    train(str(shapes), tmp_path / "bundle", OPTIONS, registry=Registry(), progress=events.append)
    assert capfd.readouterr() == ("", "")
    stages = list(dict.fromkeys(event.stage for event in events))
    assert stages == ["engine", "features", "linear head", "saving"]


@pytest.mark.parametrize("stage", ["features", "linear head", "saving"])
def test_training_is_cancelled_from_the_callback_and_leaves_nothing(stage: str, shapes: Path, tmp_path: Path) -> None:
    def cancel(event: ProgressEvent) -> None:
        if event.stage == stage:
            raise Cancelled

    with pytest.raises(Cancelled):
        train(str(shapes), tmp_path / "bundle", OPTIONS, registry=Registry(), progress=cancel)
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_predicts_from_several_threads(trained: TrainResult, shapes: Path) -> None:
    photos = sorted(shapes.glob("*/*.png"))[:8]
    wanted = [prediction.classes for prediction in predict(trained.bundle, photos, batch_size=1)]

    def one(photo: Path) -> tuple[tuple[str, float], ...]:
        return next(predict(trained.bundle, [photo])).classes

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(one, photos * 3))
    for classes, expected in zip(found, wanted * 3, strict=True):
        assert [name for name, _ in classes] == [name for name, _ in expected]
        np.testing.assert_allclose([share for _, share in classes], [share for _, share in expected], atol=1e-5)


def test_a_bundle_predicts_from_async_code(trained: TrainResult, shapes: Path) -> None:
    photo = sorted(shapes.glob("*/*.png"))[0]

    async def both() -> list[str]:
        found = await asyncio.gather(*(asyncio.to_thread(lambda: next(predict(trained.bundle, [photo]))) for _ in range(2)))
        return [prediction.classes[0][0] for prediction in found]

    first, second = asyncio.run(both())
    assert first == second


def test_every_error_is_of_one_hierarchy_and_documented() -> None:
    kinds = [value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, Exception)]
    text = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
    for kind in kinds:
        assert issubclass(kind, errors.TlcoreError)
        assert f"`{kind.__name__}`" in text, f"docs/embedding.md does not name {kind.__name__}"


def test_the_package_is_typed_and_says_what_is_public() -> None:
    assert (Path(tlcore.__file__).parent / "py.typed").is_file()
    for name in tlcore.__all__:
        value = getattr(tlcore, name)
        if name != "__version__" and not isinstance(value, tuple):
            assert (value.__doc__ or "").strip(), f"tlcore.{name} has no docstring"
    assert importlib.util.find_spec("tlcore.testing") is not None


def test_results_show_themselves_in_notebooks(trained: TrainResult, registry: Registry, shapes: Path) -> None:
    assert trained._repr_html_() == trained.bundle._repr_html_()
    assert "<tr><th>classes</th><td>bar, circle, square</td></tr>" in trained.bundle._repr_html_()
    evaluation = tlcore.evaluate(trained.bundle, registry.dataset(str(shapes)))
    assert evaluation._repr_html_() == evaluation_html(evaluation)
    assert "found of bar" in evaluation._repr_html_()
    picture = tlcore.Picture("a<b", np.zeros((2, 3, 3), np.uint8), "<i>")
    assert "&lt;i&gt;" in picture._repr_html_()
    assert tlcore.Visualization(pictures=(picture, picture))._repr_html_().count("<figure") == 2
