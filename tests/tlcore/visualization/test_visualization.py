"""Looking into a network by names, and what lies on disk afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import draw_shape
from tlcore import Picture, Registry, TrainResult, Visualization, VisualizeOptions, save_visualization, visualize
from tlcore.display.picture_sheet import TILE, picture_sheet
from tlcore.errors import ImageError, OptionError, PluginError, UnknownNameError, VisualizationError
from tlcore.progress import ProgressEvent
from tlcore.testing.visualizers import small_subject
from tlcore.visualizer import Subject, VisualizationRequest, Visualizer, file_name

QUICK = {"steps": 2}


def picture(name: str = "a", size: tuple[int, int] = (6, 8), caption: str = "", frames: int = 0) -> Picture:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    return Picture(name, pixels, caption, tuple(pixels for _ in range(frames)))


def test_a_record_says_how_to_make_it_again(trained: TrainResult, registry: Registry, shapes: Path, tmp_path: Path) -> None:
    options = VisualizeOptions(
        classes=("circle", "0"), dataset=str(shapes), judges=(str(trained.bundle.path),), seed=3, options={**QUICK, "natural": 1},
    )  # fmt: skip
    photo = shapes / "bar" / "000.png"
    result = visualize("ideal", str(trained.bundle.path), [photo], options, registry=registry)
    record = json.loads(json.dumps(result.record))
    assert record["classes"] == [{"index": 1, "name": "circle"}, {"index": 0, "name": "bar"}]
    assert (record["visualizer"], record["seed"], record["options"]) == ("ideal", 3, {"steps": 2, "natural": 1})
    assert record["model"]["weights_digest"] == trained.bundle.record.backbone["weights_digest"]
    assert record["images"][0]["size"] == [48, 40]
    assert record["dataset"]["digest"] == registry.dataset(str(shapes)).digest
    assert record["judges"][0]["name"] == str(trained.bundle.path)
    assert record["companions"] == []
    again = visualize("ideal", str(trained.bundle.path), [photo], options, registry=registry)
    assert [entry.pixels.tobytes() for entry in again.pictures] == [entry.pixels.tobytes() for entry in result.pictures]
    other = visualize("ideal", str(trained.bundle.path), [photo], VisualizeOptions(classes=("circle",), options=QUICK), registry=registry)  # fmt: skip
    assert other.pictures[0].pixels.tobytes() != result.pictures[0].pixels.tobytes()


@pytest.mark.parametrize(
    ("options", "image", "error", "told"),
    [
        ({"classes": ("cirle",)}, None, UnknownNameError, "has no class 'cirle'; did you mean 'circle'?"),
        ({"options": {"stepz": 1}}, None, OptionError, "visualizer ideal has no option 'stepz'; did you mean 'steps'?"),
        ({"classes": ("circle",)}, "missing.png", ImageError, "missing.png: cannot be read"),
        ({"judges": ("minni",), "classes": ("bar",)}, None, UnknownNameError, "unknown backbone 'minni'"),
        ({"judges": ("mini",), "classes": ("circle",)}, None, VisualizationError, "judge mini has no class 'circle'"),
    ],
)
def test_what_cannot_be_met_is_told(trained: TrainResult, registry: Registry, options: dict, image: str | None, error: type, told: str) -> None:  # fmt: skip
    with pytest.raises(error) as raised:
        visualize(
            "ideal", str(trained.bundle.path), [image] if image else [], VisualizeOptions(**options), registry=registry
        )
    assert told in str(raised.value)


def test_an_interrupted_drawing_is_kept(trained: TrainResult, registry: Registry) -> None:
    kept: list[Visualization] = []

    def interrupt(event: ProgressEvent) -> None:
        if event.done == 3:
            raise KeyboardInterrupt

    options = VisualizeOptions(classes=("circle",), options={"steps": 9})
    with pytest.raises(KeyboardInterrupt):
        visualize("ideal", str(trained.bundle.path), (), options, registry=registry, progress=interrupt, rescue=kept.append)
    (unfinished,) = kept
    assert unfinished.record["result"]["drawn"][0]["steps"] == 3
    assert unfinished.lines == ("interrupted; the last picture is unfinished",)
    assert len(unfinished.pictures) == 1


def test_files_on_disk(tmp_path: Path) -> None:
    result = Visualization(
        pictures=(picture("a", caption="zebra 99 %", frames=3), picture("b")), record={"seed": 1}, files={"map.html": b"<p>"},
        lines=("first",),
    )  # fmt: skip
    files = save_visualization(result, tmp_path / "out")
    assert [file.name for file in files] == ["contact-sheet.png", "a.gif", "a.png", "b.png", "map.html", "record.json"]
    with Image.open(tmp_path / "out" / "a.png") as image:
        assert np.array_equal(np.asarray(image), result.pictures[0].pixels)
    with Image.open(tmp_path / "out" / "a.gif") as image:
        assert getattr(image, "n_frames", 1) in (1, 3)
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record == {"seed": 1, "pictures": [{"file": "a.png", "caption": "zebra 99 %"}, {"file": "b.png", "caption": ""}], "lines": ["first"]}  # fmt: skip


def test_nothing_of_others_is_overwritten(tmp_path: Path) -> None:
    result = Visualization(pictures=(picture(),))
    save_visualization(result, tmp_path / "out")
    with pytest.raises(VisualizationError, match="holds earlier pictures; --overwrite replaces them"):
        save_visualization(result, tmp_path / "out")
    assert save_visualization(result, tmp_path / "out", overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(VisualizationError, match="is a directory with other things in it"):
        save_visualization(result, tmp_path / "mine", overwrite=True)
    with pytest.raises(VisualizationError, match="is a file; choose another place"):
        save_visualization(result, tmp_path / "mine" / "thesis.txt")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(VisualizationError, match="cannot be written"):
        save_visualization(Visualization(pictures=(picture(),)), tmp_path / "file" / "out")


class Returning(Visualizer):
    def __init__(self, result: object) -> None:
        self._result = result

    def compute(self, subject: Subject, request: VisualizationRequest) -> Visualization:
        return self._result  # type: ignore[return-value]


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("result", "told"),
    [
        (None, "must return a Visualization with at least one picture, or lines to read"),
        (Visualization(), "must return a Visualization with at least one picture, or lines to read"),
        (Visualization(pictures=(Picture("a", np.zeros((0, 2, 3), np.uint8)),)), "must be uint8 (height, width, 3), got uint8 (0, 2, 3)"),
        (Visualization(pictures=(picture("a"), picture("A"))), "two pictures are named 'A'"),
        (Visualization(pictures=(picture("../a"),)), "'../a' is no file name on every system"),
        (Visualization(pictures=(picture("a"),), files={"x/y.html": b""}), "'x/y.html' is no file name on every system"),
    ],
    ids=lambda value: str(value)[-40:],
)  # fmt: skip
def test_a_result_that_is_none_is_blamed_on_the_plugin(result: object, told: str) -> None:
    with pytest.raises(PluginError) as error:
        Returning(result).visualize(small_subject())
    assert told in str(error.value)


def test_a_request_that_contradicts_itself_is_refused() -> None:
    fine = Returning(Visualization(lines=("fine",)))
    assert fine.visualize(small_subject()).lines == ("fine",)
    with pytest.raises(OptionError, match="1 images were given with 2 names"):
        fine.visualize(small_subject(), VisualizationRequest(images=(draw_shape("bar", 0),), image_names=("a", "b")))
    with pytest.raises(OptionError, match="takes RGB images, got mode L"):
        fine.visualize(small_subject(), VisualizationRequest(images=(draw_shape("bar", 0).convert("L"),)))


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "a part"])
def test_a_network_in_training_mode_is_refused(whole: bool) -> None:
    subject = small_subject()
    (subject.network if whole else next(subject.network.children())).train()
    with pytest.raises(OptionError, match="the network is in training mode"):
        Returning(Visualization(lines=("fine",))).visualize(subject)


def test_a_sheet_holds_pictures_of_any_size_with_their_captions() -> None:
    pictures = [
        picture("a", (1, 1)), picture("b", (500, 20)), picture("c", (224, 224), "zebra 99 %, " * 12), picture("d", (30, 400), "x" * 300),
        picture("e", caption="\ud800 \x07"),
    ]  # fmt: skip
    sheet = picture_sheet(pictures, 2)
    assert sheet.width == 2 * (TILE + 12) + 12
    assert picture_sheet(pictures[:1]).width == TILE + 24
    assert len(np.unique(np.asarray(sheet))) > 50


def test_a_sheet_holds_the_pictures_in_their_order() -> None:
    colours = [(200, 30, 30), (30, 160, 30), (30, 30, 200), (180, 160, 20), (20, 160, 180)]
    pictures = [Picture(str(index), np.full((40, 60, 3), colour, np.uint8)) for index, colour in enumerate(colours)]
    sheet = np.asarray(picture_sheet(pictures, 2))
    across, down = TILE + 12, (sheet.shape[0] - 12) // 3
    for index, colour in enumerate(colours):
        top, left = 12 + index // 2 * down, 12 + index % 2 * across
        assert sheet[top + TILE // 2, left + TILE // 2].tolist() == list(colour)
        assert (sheet[top + TILE : top + down, left : left + TILE] < 128).any(), "its caption stands under it"
    assert (sheet[12 + 2 * down :, 12 + across :] == 255).all(), "there is no sixth"


@pytest.mark.parametrize(
    ("text", "name"), [("a/b:c.png", "a-b-c.png"), ("..", "unnamed"), ("", "unnamed"), ("x" * 200, "x" * 80), ("Siamese cat", "Siamese cat")]
)  # fmt: skip
def test_names_of_files(text: str, name: str) -> None:
    assert file_name(text) == name
