"""The page, in a real browser without a window."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tlcore.server.conftest import Running

playwright = pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    if program is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize(
    ("width", "scheme"), [(1100, "light"), (1100, "dark"), (360, "light")], ids=["desktop", "dark", "phone"]
)
def test_a_photo_is_answered(browser: Any, running: Running, shapes: Path, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 740}, color_scheme=scheme)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{running.url}/")
    playwright.expect(page.locator("#about")).to_contain_text("bar, circle, square")
    page.set_input_files("#file", str(sorted((shapes / "circle").glob("*.png"))[0]))
    page.wait_for_selector("#bars li")
    assert page.inner_text("#bars li:first-child span:first-child") == "circle"
    assert page.inner_text("#status").startswith("circle, ")
    assert "warm colours mark what it rests on" in page.get_attribute("#canvas", "aria-label")
    page.click("summary")
    assert f"{running.url}/v1/predict?model=shapes" in page.inner_text("#curl")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert _contrast(page, "#about") >= 4.5 and _contrast(page, "#camera") >= 4.5 and _contrast(page, "#bars li") >= 4.5
    assert complaints == []
    context.close()


def test_what_is_no_image_is_told(browser: Any, running: Running, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    page = browser.new_page()
    page.goto(f"{running.url}/")
    playwright.expect(page.locator("#about")).to_contain_text("tells apart")
    page.set_input_files("#file", str(tmp_path / "broken.png"))
    page.wait_for_selector("#status.error")
    assert page.inner_text("#status") == "this is not an image that can be read"
    page.close()


def test_every_control_has_a_name_and_can_be_reached(browser: Any, running: Running) -> None:
    page = browser.new_page()
    page.goto(f"{running.url}/")
    playwright.expect(page.locator("#about")).to_contain_text("tells apart")
    nameless = page.evaluate(
        """[...document.querySelectorAll('input, select, button')].filter((one) =>
             !(one.labels && one.labels.length) && !one.textContent.trim() && !one.ariaLabel).map((one) => one.outerHTML)"""
    )
    assert nameless == []
    reached = set()
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"file", "camera", "map"} <= reached
    assert page.evaluate("document.documentElement.lang") == "en"
    page.close()


def _contrast(page: Any, selector: str) -> float:
    """Return the contrast of a text with what it stands on, as WCAG 2 defines it."""
    return float(
        page.evaluate(
            """(selector) => {
              const parse = (text) => text.match(/[\\d.]+/g).map(Number);
              const ground = (one) => {
                const colour = parse(getComputedStyle(one).backgroundColor);
                return colour.length === 4 && colour[3] === 0 && one.parentElement ? ground(one.parentElement) : colour;
              };
              const light = (colour) => {
                const [r, g, b] = colour.map((value) => value / 255)
                  .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
              };
              const one = document.querySelector(selector);
              const [a, b] = [light(parse(getComputedStyle(one).color)), light(ground(one))].sort((x, y) => y - x);
              return (a + 0.05) / (b + 0.05);
            }""",
            selector,
        )
    )
