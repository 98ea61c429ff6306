"""`tl adversarial` as a library call: on a bundle trained here, and on the network in the box."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import draw_shape
from tlcore import Registry, Subject, TrainResult, VisualizationRequest, VisualizeOptions, save_visualization, visualize
from tlcore.display.picture_sheet import TILE
from tlcore.errors import OptionError, TlcoreError, UnknownNameError
from tlcore.images import encode_png
from tlcore.progress import ProgressEvent
from tlcore.subject import bundle_subject
from tlcore_cli.command import Settings
from tlcore_cli.main import tl
from tlcore_visualizers.adversarial.options import METHODS, AdversarialOptions
from tlcore_visualizers.adversarial.visualizer import Adversarial, create

QUICK: dict[str, dict[str, object]] = {
    "carlini-wagner": {"steps": 30}, "deepfool": {"steps": 15}, "minimal": {"steps": 8}, "patch": {"steps": 25, "patch_size": 0.5},
    "lesson": {"steps": 40, "rate": 5.0}, "square": {"steps": 150}, "universal": {"steps": 5},
}  # fmt: skip


@pytest.fixture(scope="module")
def subject(trained: TrainResult) -> Subject:
    return bundle_subject(trained.bundle)


def attack(subject: Subject, method: str, *images: Image.Image, classes: tuple[int, ...] = (), judges: tuple[Subject, ...] = (), **options: Any) -> Any:  # fmt: skip
    chosen: dict[str, Any] = {"steps": 10, "onnx": False, "epsilon": "24/255", **QUICK.get(method, {}), **options}
    request = VisualizationRequest(
        images=images, image_names=tuple(f"{i}.png" for i in range(len(images))), classes=classes, judges=judges
    )
    return create(method, AdversarialOptions(**chosen)).visualize(subject, request)


@pytest.mark.parametrize("method", [method for method in METHODS if method != "patch"])
def test_every_attack_says_what_the_saved_file_shows(method: str, subject: Subject, tmp_path: Path) -> None:
    target = () if method in ("deepfool", "universal") else (0,)
    images = [draw_shape("circle", 1, (60, 40)), draw_shape("square", 2)]
    result = attack(subject, method, *images, classes=target)
    save_visualization(result, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    network = bundle_answers(subject)
    for told, image in zip(record["images"], images, strict=True):
        saved = Image.open(tmp_path / "out" / told["file"])
        answer = network(saved)
        assert answer == told["after"]["index"]
        assert told["fooled"] == (answer == 0 if target else answer != told["before"]["index"])
        before, after = (subject.preprocess.pixels(picture).astype(int) for picture in (image, saved))
        assert told["linf_levels"] == np.abs(after - before).max()
        assert told["l2"] == pytest.approx(np.sqrt(((after - before) ** 2).sum()) / 255)
    assert result.columns == 3 and len(result.pictures) == 6
    if method not in ("fgsm", "square", "universal"):
        assert record["fooled"]["correct"] == 2


def bundle_answers(subject: Subject) -> Callable[[Image.Image], int]:
    """The subject's answer by a way of its own: preprocessing, normalising, network."""
    import torch

    def answer(picture: Image.Image) -> int:
        inputs = subject.preprocess.normalise(subject.preprocess.pixels(picture.convert("RGB"))[np.newaxis])
        with torch.no_grad():
            return int(subject.network(torch.from_numpy(inputs)).argmax())

    return answer


def test_exported_file_and_second_network_are_asked(subject: Subject, mini: Subject) -> None:
    result = attack(subject, "pgd", draw_shape("circle", 1), classes=(0,), judges=(mini,), onnx=True)
    told = result.record["images"][0]
    assert told["onnx"]["index"] == told["after"]["index"] and told["onnx"]["fooled"]
    assert told["onnx"]["probability"] == pytest.approx(told["after"]["probability"], abs=1e-4)
    assert told["judges"][0]["name"] == "mini" and told["judges"][0]["knows_target"] is False
    assert any("exported ONNX file: 1 of 1" in line for line in result.lines)
    assert any(line.startswith("mini: ") for line in result.lines)


def test_judge_that_is_the_network_itself_is_fooled_and_an_unmoved_one_is_not(subject: Subject) -> None:
    result = attack(subject, "pgd", draw_shape("circle", 1), classes=(0,), judges=(subject, _constant(subject)))
    assert [opinion["fooled"] for opinion in result.record["images"][0]["judges"]] == [True, False]


def _constant(subject: Subject) -> Subject:
    import torch

    class Constant(torch.nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[0.0, 1.0, 0.0]]).expand(len(inputs), 3)

    return replace(subject, name="constant", network=Constant().eval())


def test_lesson_states_how_far_it_went(subject: Subject) -> None:
    result = attack(subject, "lesson", draw_shape("circle", 1), classes=(0,), rate=200.0, confidence=0.0)
    assert "before saving it had reached Linf" in result.lines[-1]
    assert result.record["images"][0]["before_saving"]["linf"] >= result.record["images"][0]["linf"]
    assert result.record["epsilon"] is None


def test_patch_is_one_picture_for_all_scenes(subject: Subject) -> None:
    result = attack(subject, "patch", draw_shape("circle", 1), draw_shape("square", 1), classes=(0,))
    assert [picture.name for picture in result.pictures] == ["patch", "01-scene", "02-scene"]
    assert result.pictures[0].pixels.shape == (1200, 1200, 3) and result.pictures[0].pixels.min() >= 10
    assert 0 <= result.record["success"] <= 1 and "patch-to-print.png" in result.files


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA", "P", "1", "CMYK"])
def test_odd_images_are_taken(mode: str, trained: TrainResult, registry: Registry) -> None:
    import io

    encoded = io.BytesIO()
    image = draw_shape("circle", 3).convert(mode.replace("LA", "L"))
    (image.convert("LA") if mode == "LA" else image).save(encoded, "TIFF" if mode == "CMYK" else "PNG")
    options = VisualizeOptions(options={"steps": 2, "onnx": False})
    result = visualize("adversarial", str(trained.bundle.path), [encoded.getvalue()], options, registry=registry)
    assert len(result.pictures) == 3


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (3000, 40)], ids=str)
def test_odd_sizes_are_taken_and_stated(size: tuple[int, int], subject: Subject) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    result = attack(subject, "pgd", image, steps=2)
    assert result.record["images"][0]["original_size"] == list(size)
    assert any(line.startswith("saved at ") for line in result.lines)


def test_already_of_the_target_class(subject: Subject) -> None:
    image = draw_shape("circle", 1)
    present = bundle_answers(subject)(image)
    with pytest.raises(OptionError, match=r"0\.png: .* takes it for \w+ already") as caught:
        attack(subject, "pgd", image, classes=(present,))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options, told",
    [
        ({"epsilon": "0"}, "above 0"), ({"epsilon": "2"}, "2 levels of 255 are written 2/255"), ({"epsilon": "nan"}, "a number"),
        ({"epsilon": "0.0001"}, "at least 1/255"), ({"steps": "0"}, "at least 1"), ({"method": "pdg"}, "did you mean 'pgd'"),
        ({"norm": "l2", "method": "square"}, "for norm linf"), ({"momentum": "7"}, "at most 1"), ({"epsilom": "1"}, "did you mean 'epsilon'"),
        ({"restarts": "-1"}, "at least 0"), ({"patch_size": "2"}, "at most 0.9"),
    ],
)  # fmt: skip
def test_wrong_options_are_told_in_one_line(options: dict[str, object], told: str, registry: Registry) -> None:
    with pytest.raises(TlcoreError, match=told) as caught:
        registry.visualizer("adversarial", options)
    assert "\n" not in str(caught.value)


def test_unknown_attack_and_class(trained: TrainResult, registry: Registry) -> None:
    with pytest.raises(OptionError, match="did you mean 'deepfool'"):
        registry.visualizer("adversarial:depfool")
    image = encode_png(draw_shape("circle", 1))
    with pytest.raises(UnknownNameError, match="did you mean 'circle'"):
        visualize("adversarial", str(trained.bundle.path), [image], VisualizeOptions(classes=("circl",)), registry=registry)


@pytest.mark.parametrize(
    "images, classes, told",
    [(0, (), "at least one image"), (3, (0, 1), "one for each"), (1, (), "--class")],
    ids=["no image", "two targets", "patch"],
)
def test_what_cannot_be_attacked(images: int, classes: tuple[int, ...], told: str, subject: Subject) -> None:
    with pytest.raises(TlcoreError, match=told):
        attack(subject, "patch" if told == "--class" else "pgd", *[draw_shape("circle", 1)] * images, classes=classes)


def test_training_mode_and_nan_are_refused(trained: TrainResult) -> None:
    broken = bundle_subject(trained.bundle)
    broken.network.train()
    with pytest.raises(OptionError, match="training mode"):
        attack(broken, "pgd", draw_shape("circle", 1))
    broken.network.eval()
    next(broken.network.parameters()).data.fill_(float("nan"))
    with pytest.raises(TlcoreError, match="NaN"):
        attack(broken, "pgd", draw_shape("circle", 1))


@pytest.mark.parametrize("method", ["pgd", "square", "patch"])
def test_interrupted_the_best_so_far_is_rescued(method: str, subject: Subject) -> None:
    rescued: list[Any] = []

    def interrupt(event: ProgressEvent) -> None:
        if event.done == 2:
            raise KeyboardInterrupt

    chosen = create(method, AdversarialOptions(epsilon="1/255", steps=20, confidence=50.0))
    request = VisualizationRequest(images=(draw_shape("circle", 1),), classes=(0,), progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        chosen.visualize(subject, request, rescue=rescued.append)
    assert len(rescued) == 1 and rescued[0].pictures


def test_bare_names_of_attacks_are_found(registry: Registry) -> None:
    made = registry.visualizer("apgd")
    assert isinstance(made, Adversarial) and made.options.method == "apgd"


def test_an_exported_file_is_fooled_by_queries_and_gives_no_gradient(exported: Path, registry: Registry) -> None:
    image = encode_png(draw_shape("circle", 1))
    options = VisualizeOptions(options={"method": "square", "epsilon": "60/255", "steps": 300})
    result = visualize("adversarial", str(exported), [image], options, registry=registry)
    told = result.record["result"]["images"][0]
    assert told["fooled"] and told["linf_levels"] <= 60 and told["onnx"] is None
    with pytest.raises(TlcoreError, match="answers and no gradients"):
        visualize("adversarial", str(exported), [image], VisualizeOptions(options={"method": "pgd"}), registry=registry)


DOCS = Path(__file__).parents[3] / "docs"
COMMANDS = re.findall(
    r"tl adversarial mini docs/pictures/cat\.jpg [^\n]+", (DOCS / "adversarial.md").read_text(encoding="utf-8")
)

CATS = ("tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat")
"""ImageNet's domestic cats; which of them the photo is taken for depends on the weights."""


@pytest.mark.parametrize("command", COMMANDS, ids=["pgd", "lesson"])
def test_pictures_of_the_documentation_are_made_again(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/adversarial.md: the cat within 4/255 is a zebra; the lesson's descent goes far beyond."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tlcore.machine.memory.keep_freed", lambda: None)  # it is for processes of our own
    own = command.replace("docs/pictures", str(DOCS / "pictures"))
    tl.main([*shlex.split(own)[1:], "--no-onnx", "--quiet"], prog_name="tl", standalone_mode=False, obj=Settings())
    made = Path(command.rpartition(" ")[2])
    record = json.loads((made / "record.json").read_text(encoding="utf-8"))["result"]["images"][0]
    assert record["before"]["class"] in CATS and record["after"]["class"] == "zebra" and record["fooled"]
    method = "lesson" if "lesson" in command else "pgd"
    assert record["linf_levels"] > 100 if method == "lesson" else record["linf_levels"] <= 4
    original, fooling, difference = (
        np.asarray(Image.open(made / f"01-cat-{kind}.png")).astype(int) for kind in ("original", "adversarial", "difference")
    )
    assert np.abs(fooling - original).max() == record["linf_levels"]
    left = (original.shape[1] - difference.shape[1]) // 2
    change = (fooling - original)[:, left : left + difference.shape[1]]
    assert np.array_equal(difference, (128 + change * max(1, 127 // record["linf_levels"])).clip(0, 255))
    sheets = [
        Image.open(path).convert("RGB") for path in (made / "contact-sheet.png", DOCS / f"pictures/adversarial-{method}.png")
    ]
    (one, other) = (np.asarray(sheet.crop((0, 0, sheet.width, TILE + 12)), float) for sheet in sheets)
    assert np.abs(one - other).mean() < 6 and np.abs(one[:, ::-1] - other).mean() > 12
