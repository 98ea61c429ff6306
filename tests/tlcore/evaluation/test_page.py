"""The report: whole, safe with any name, and readable in a real browser at two widths."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.tlcore.evaluation.made import MadeModel, made_dataset
from tlcore.audit import audit_dataset
from tlcore.errors import TlcoreError
from tlcore.evaluation import EvaluateOptions, Evaluation, evaluation_page, write_plots
from tlcore.evaluation.markup import name, script_json
from tlcore.evaluation.page_classes import MATRIX_CLASSES
from tlcore.evaluation.pictures import overlay
from tlcore.evaluation.run import evaluate_model
from tlcore.progress import silent

HOSTILE = (
    "<script>window.hacked = 1</script>", 'x" onmouseover="window.hacked = 1', "كلب \u202e כלב", "🐱 $a_b$ & co", "a" * 200, "</style>",
)  # fmt: skip


def made(classes: tuple[str, ...], images: int = 120) -> Evaluation:
    random = np.random.default_rng(0)
    labels = random.integers(0, len(classes), images)
    dataset = made_dataset(classes, labels.tolist(), [(("camera", HOSTILE[index % 2]),) for index in range(images)])
    rows = random.normal(size=(images, len(classes))) + 2 * np.eye(len(classes))[labels]
    model = MadeModel(
        classes,
        {sample.name: row for sample, row in zip(dataset.samples, rows, strict=True)},
        {sample.name: row for sample, row in zip(dataset.samples, rows[:, :6], strict=True)},
    )
    return evaluate_model(
        model, dataset, split=None, settings=EvaluateOptions(resamples=100), reference=dataset, strict=False,
        cache_directory=None, progress=silent,
    )  # fmt: skip


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    evaluation = made(HOSTILE)
    audit = audit_dataset(made_dataset(HOSTILE, [0, 1, 2]), cache_directory=None)
    path = tmp_path_factory.mktemp("page") / "hostile.html"
    path.write_text(evaluation_page(evaluation, command="tl evaluate '<b>' x", audit=audit), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "many.html"
    classes = tuple(f"class {index:02d}" for index in range(MATRIX_CLASSES + 8))
    path.write_text(evaluation_page(made(classes, 300)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    program = next(
        (found for own in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(own))), None
    )
    if program is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


def test_it_holds_all_sections_and_names_only_escaped(hostile: Path) -> None:
    page = hostile.read_text(encoding="utf-8")
    sections = ("headline", "calibration", "confusion", "classes", "curves", "slices", "losses", "doubts", "labels", "training",
                "audit", "provenance", "again")  # fmt: skip
    assert [part for part in sections if f'<section id="{part}">' not in page] == []
    assert page.count("<script>") == 1 and page.count("</style>") == 1 and "tl evaluate &#x27;&lt;b&gt;&#x27; x" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/", "")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")], ids=["desktop", "phone"])
def test_it_opens_without_requests_scripts_of_others_or_overflow(
    browser: Any, hostile: Path, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None)
    page.goto(hostile.as_uri())
    assert complaints == [] and page.evaluate("window.hacked") is None
    assert page.evaluate("[...document.querySelectorAll('[onmouseover]')].length") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".case img").first.evaluate("image => image.naturalWidth") > 0
    assert page.locator("svg").count() >= 7
    assert page.pdf().startswith(b"%PDF")
    context.close()


def test_of_many_classes_one_is_chosen_and_tables_sort_and_shrink(browser: Any, many: Path) -> None:
    page = browser.new_page()
    page.goto(many.as_uri())
    assert page.locator(".matrix").count() == 0
    page.fill("#confusion-class", "class 03")
    assert page.locator("#confusion-told").is_visible()
    assert page.locator("#confusion-to li").count() >= 1
    page.fill("input.search", "class 1")
    assert page.locator("#class-table tbody tr:visible").count() == 10
    page.fill("input.search", "")
    page.click("#class-table th:nth-child(1) button")
    assert page.inner_text("#class-table tbody tr:first-child td:first-child") == "class 00"
    page.click("#class-table th:nth-child(2) button")
    counts = [int(text) for text in page.locator("#class-table td:nth-child(2)").all_inner_texts()]
    assert counts == sorted(counts)


def test_plots_are_written_and_hostile_names_drawn(tmp_path: Path) -> None:
    evaluation = made(HOSTILE)
    paths = write_plots(evaluation, tmp_path / "plots")
    assert {path.name for path in paths} == {
        f"{own}.png"
        for own in (
            "reliability",
            "abstention",
            "roc",
            "precision-recall",
            "classes",
            "confusion",
            "slices",
            "training",
            "novelty",
        )
    }
    for path in paths:
        assert Image.open(path).convert("L").getextrema()[0] < 120, f"{path} is blank"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(TlcoreError, match="the plot cannot be written"):
        write_plots(evaluation, tmp_path / "file")


def test_names_are_isolated_and_data_cannot_leave_its_element() -> None:
    assert name("<i>\u202e\udcff") == "<bdi>&lt;i&gt;\u202e\\udcff</bdi>"
    assert script_json("</script><!--") == '"\\u003c/script\\u003e\\u003c!--"'


def test_the_overlay_is_bright_where_the_map_is_high() -> None:
    image = np.full((16, 16, 3), 128, np.uint8)
    map_ = np.array([[5.0, -5.0], [-5.0, -5.0]], np.float32)
    shown = overlay(image, map_).astype(int).sum(axis=2)
    assert shown[2, 2] > shown[13, 13] + 200
    assert (overlay(image, np.zeros((2, 2), np.float32)).astype(int).sum(axis=2) <= shown[13, 13]).all()
