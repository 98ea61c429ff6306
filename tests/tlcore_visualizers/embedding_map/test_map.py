from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageColor

from tests.conftest import write_shapes
from tlcore import (
    Dataset,
    ProgressEvent,
    Registry,
    Sample,
    Subject,
    TrainResult,
    Visualization,
    VisualizationRequest,
    VisualizeOptions,
    visualize,
)
from tlcore.display.thumbnails import thumbnail
from tlcore.errors import DatasetError, VisualizationError
from tlcore.images import BytesImage, encode_png
from tlcore.subject import bundle_subject
from tlcore_visualizers.embedding_map import MapOptions
from tlcore_visualizers.embedding_map.colours import class_colours
from tlcore_visualizers.embedding_map.embedding import EmbeddingMap, embed
from tlcore_visualizers.embedding_map.page import map_page
from tlcore_visualizers.embedding_map.picture import map_picture, photo_picture
from tlcore_visualizers.embedding_map.thumbnail_sheets import thumbnail_sheets
from tlcore_visualizers.embedding_map.visualizer import Map


@pytest.fixture(scope="module")
def laid_out(trained: TrainResult, shapes: Path, registry: Registry) -> EmbeddingMap:
    head = trained.bundle.head

    def wrong_about_the_first(features: np.ndarray) -> np.ndarray:
        probabilities = trained.bundle.probabilities(head.logits(features))
        probabilities[0] = np.roll(np.eye(3, dtype=np.float32)[0], 1 + int(dataset.samples[0].label))
        return probabilities

    dataset = registry.dataset(str(shapes))
    return embed(
        dataset,
        trained.bundle.backbone,
        options=MapOptions(method="pca"),
        classify=wrong_about_the_first,
        answer_names=trained.bundle.record.classes,
    )


def test_a_bundle_marks_its_mistakes(laid_out: EmbeddingMap) -> None:
    assert laid_out.places.shape == (36, 2)
    assert laid_out.mistakes[0]
    assert laid_out.mistakes.sum() < 18
    assert map_picture(laid_out)._repr_html_().startswith("<figure")
    json.dumps(laid_out.record, allow_nan=False)


def dots_drawn(found: EmbeddingMap, pixels: np.ndarray) -> list[bool]:
    """Of each image that lies apart from all others, whether a dot of its class's colour lies there, ringed if mistaken."""
    middles = 30 + found.places * (900 - 2 * 30)
    drawn = []
    for index, (x, y) in enumerate(middles):
        apart = np.abs(np.delete(middles, index, axis=0) - (x, y)).max(axis=1).min() > 24
        if not apart:
            continue
        colour = ImageColor.getrgb(class_colours(len(found.class_names))[found.samples[index].label])
        ring = pixels[round(y), round(x) + 10].astype(int)
        ringed = bool(ring[0] > ring[1] + 100 and ring[0] > ring[2] + 100)
        drawn.append(pixels[round(y), round(x)].tolist() == list(colour) and ringed == found.mistakes[index])
    return drawn


def test_dots_lie_where_the_images_do(laid_out: EmbeddingMap) -> None:
    pixels = map_picture(laid_out).pixels
    assert len(dots_drawn(laid_out, pixels)) > 5 and all(dots_drawn(laid_out, pixels))
    for wrong in (pixels[:, 899::-1], pixels[::-1]):
        assert not all(dots_drawn(laid_out, wrong)), "a mirrored map is seen to be wrong"


def test_photos_lie_where_the_images_do(laid_out: EmbeddingMap) -> None:
    pixels = photo_picture(laid_out).pixels
    x, y = (round(30 + float(value) * 840) for value in laid_out.places[0])
    photo = thumbnail(laid_out.samples[0], 44)
    assert laid_out.mistakes[0] and photo is not None, "mistakes are laid first: nothing hides this one"
    left, top = x - photo.width // 2, y - photo.height // 2
    found = [
        np.abs(pixels[top + down : top + down + photo.height, left + right : left + right + photo.width].astype(int) - photo)
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
    ]
    assert min(int(each.max()) for each in found) == 0


def test_classes_that_the_bundle_does_not_know_are_no_mistakes() -> None:
    image = BytesImage(encode_png(Image.new("RGB", (8, 8))))
    samples = tuple(Sample(image=image, name=str(label), label=label) for label in range(3))
    found = EmbeddingMap(
        title="t", network="n", method="pca", samples=samples, places=np.zeros((3, 2), np.float32),
        class_names=("cat", "unicorn", "dog"), answers=np.array([1, 1, 1]), answer_names=("cat", "dog"),
        probabilities=np.ones(3, np.float32),
    )  # fmt: skip
    assert found.mistakes.tolist() == [True, False, False]


def test_from_names_to_pictures_and_a_page(trained: TrainResult, shapes: Path, registry: Registry, tmp_path: Path) -> None:
    options = VisualizeOptions(dataset=str(shapes), options={"method": "pca"})
    result = visualize("map", str(trained.bundle.path), (), options, registry=registry, cache_directory=tmp_path)
    assert [picture.name for picture in result.pictures] == ["map", "map-photos"]
    assert "36 images, 3 classes" in result.lines[0]
    assert b"<!doctype html>" in result.files["map.html"]
    assert any(tmp_path.iterdir())  # the features are kept


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (VisualizationRequest(), "a map is made of a dataset; name a folder of photos with --dataset"),
        (VisualizationRequest(images=(Image.new("RGB", (9, 9)),)), "a map is made of a dataset, not of single images"),
    ],
    ids=["nothing", "images"],
)
def test_what_is_no_dataset_is_told(request_: VisualizationRequest, message: str, trained: TrainResult) -> None:
    with pytest.raises(VisualizationError, match=message):
        Map(MapOptions()).visualize(bundle_subject(trained.bundle), request_)


def test_one_image_is_no_map_and_one_class_is(mini: Subject, tmp_path: Path, registry: Registry) -> None:
    one = registry.dataset(str(write_shapes(tmp_path / "one", per_class=1, shapes=("bar",))))
    with pytest.raises(DatasetError, match="a map needs at least 3 images, got 1"):
        Map(MapOptions()).visualize(mini, VisualizationRequest(dataset=one))
    few = registry.dataset(str(write_shapes(tmp_path / "few", per_class=4, shapes=("bar",))))
    result = Map(MapOptions(page=False)).visualize(mini, VisualizationRequest(dataset=few))
    assert "4 images, 1 classes" in result.lines[0]
    assert result.files == {}


def test_a_network_without_a_classifier_has_a_map(shapes: Path, registry: Registry) -> None:
    options = VisualizeOptions(
        dataset=str(shapes),
        options={"method": "pca", "page": False},
        backbone_options={"pretrained": False, "image_size": 64},
    )
    assert visualize("map", "timm/test_vit", (), options, registry=registry).pictures


def hostile() -> EmbeddingMap:
    names = ["</script><script>alert(1)</script>", "a\udce9.png", "日本語 @DATA@ & <b>.png"]
    image = BytesImage(encode_png(Image.new("RGB", (30, 20), (200, 30, 30))))
    samples = (
        *(Sample(image=image, name=name, label=0) for name in names),
        Sample(image=BytesImage(b"x"), name="bad", label=0),
    )
    return EmbeddingMap(
        title="<i>@SCRIPT@",
        network="n",
        method="pca",
        samples=samples,
        places=np.zeros((4, 2), np.float32),
        class_names=("<c>",),
    )


def test_a_page_holds_all_it_needs_and_no_name_breaks_it() -> None:
    page = map_page(hostile())
    assert not re.search(r"https?://|@import|\bsrc=\"(?!data:)|url\(", page)
    assert "default-src 'none'" in page
    assert page.count("<script") == 2
    assert "<title>&lt;i&gt;@SCRIPT@</title>" in page
    (text,) = re.findall(r'id="data">(.*?)</script>', page, re.S)
    data = json.loads(text)
    assert data["names"][0].startswith("</script>")
    assert data["names"][1:3] == ["a\\udce9.png", "日本語 @DATA@ & <b>.png"]
    assert data["w"][3] == 0


def noise(count: int) -> list[Sample]:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, 60, 80, 3), dtype=np.uint8)
    return [Sample(image=BytesImage(encode_png(Image.fromarray(each))), name="n", label=0) for each in pixels]


@pytest.mark.parametrize(("budget", "side"), [(2_000_000, 144), (60_000, None)])
def test_thumbnails_keep_their_budget_even_of_noise(budget: int, side: int | None) -> None:
    made = thumbnail_sheets(noise(60), budget=budget)
    assert sum(map(len, made.sheets)) <= budget
    assert side is None or made.side == side
    assert len(made.sizes) == 60
    assert made.sizes[0][0] <= made.side


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    playwright = pytest.importorskip("playwright.sync_api")
    if found is None:
        pytest.skip("there is no Chromium here to open pages with")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_works_in_a_browser(width: int, laid_out: EmbeddingMap, browser: Any, tmp_path: Path) -> None:
    (tmp_path / "map.html").write_text(map_page(laid_out), encoding="utf-8")
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme="dark", has_touch=width < 500)
    page = context.new_page()
    told: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "map.html").as_uri())
    page.focus("#map")
    page.keyboard.press("m")
    assert "taken for" in page.inner_text("#chosen")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("+")
    page.keyboard.press("0")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click("#legend button")
    assert page.inner_text("#count") == "24 of 36 shown"
    page.check("#wrong")
    assert page.inner_text("#count").endswith("of 36 shown")
    page.uncheck("#wrong")
    page.click("#show-all")
    page.fill("#find", "circle")
    assert page.inner_text("#count") == "12 of 36 shown"
    page.click("#photos")
    box = page.locator("#map").bounding_box()
    spot = page.evaluate("[screenX(20), screenY(20)]")
    if width < 500:
        page.touchscreen.tap(box["x"] + spot[0], box["y"] + spot[1])
        assert "circle/" in page.inner_text("#chosen")
    else:
        page.mouse.move(box["x"] + spot[0], box["y"] + spot[1])
        assert page.is_visible("#hover")
    assert told == []
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []
    context.close()


@pytest.mark.parametrize(("stage", "rescued"), [("features", 0), ("thumbnails", 1)])
def test_interrupted_a_map_keeps_the_pictures_it_has(
    stage: str, rescued: int, mini: Subject, shapes: Path, registry: Registry
) -> None:
    def interrupt(event: ProgressEvent) -> None:
        if event.stage == stage and event.done:
            raise KeyboardInterrupt

    kept: list[Visualization] = []
    request = VisualizationRequest(dataset=registry.dataset(str(shapes)), progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        Map(MapOptions(method="pca")).visualize(mini, request, rescue=kept.append)
    assert [[picture.name for picture in result.pictures] for result in kept] == [["map", "map-photos"]] * rescued


def test_a_map_of_a_dataset_goes_by_its_seed(mini: Subject, shapes: Path, registry: Registry) -> None:
    dataset: Dataset = registry.dataset(str(shapes))
    assert mini.backbone is not None
    first, again = (embed(dataset, mini.backbone, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.places, again.places)
