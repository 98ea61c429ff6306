"""``tl data`` as people run it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from PIL import Image

from tests.conftest import draw_shape, write_shapes

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shapes in train/ and test/ with a damaged file, a copy, a leak and a name with markup in it."""
    root = tmp_path_factory.mktemp("faulty") / "shapes"
    write_shapes(root / "train", per_class=10)
    for shape in ("bar", "circle", "square"):
        (root / "test" / shape).mkdir(parents=True)
        for index in range(50, 54):
            draw_shape(shape, index).save(root / "test" / shape / f"{index}.png")
    (root / "train" / "bar" / "<b>&amp;ねこ.jpg").write_bytes(b"no image")
    shutil.copy(root / "train" / "circle" / "001.png", root / "train" / "circle" / "copy.png")
    shutil.copy(root / "train" / "square" / "002.png", root / "test" / "square" / "leak.png")
    return root


class Page(HTMLParser):
    """What a page holds: its text, its pictures, and everything it would fetch from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.pictures = 0
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in ("src", "href") and value is not None:
                if value.startswith("data:image/jpeg;base64,"):
                    self.pictures += 1
                elif not value.startswith("#"):
                    self.fetched.append(value)
        if tag in ("script", "link", "iframe"):
            self.fetched.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_check_reports_writes_a_page_and_a_list(run_tl: Run, faulty: Path, tmp_path: Path) -> None:
    page, listed = tmp_path / "report.html", tmp_path / "leave-out.tsv"
    done = run_tl("data", "check", str(faulty), "--html", str(page), "--exclude-list", str(listed))
    assert done.returncode == 0, done.stderr
    for line in ("1 image cannot be read", "1 picture in more than one split", "2 exact copies of 2 images"):
        assert line in done.stdout
    assert "3 images listed in" in done.stderr
    read = Page(page.read_text(encoding="utf-8"))
    assert read.fetched == []
    assert read.pictures == 6
    assert any("train/bar/<b>&amp;ねこ.jpg" in words for words in read.words)
    names = [line.partition("\t")[0] for line in listed.read_text(encoding="utf-8").splitlines()[1:]]
    assert sorted(names) == ["train/bar/<b>&amp;ねこ.jpg", "train/circle/copy.png", "train/square/002.png"]


def test_the_list_is_obeyed_by_training(run_tl: Run, faulty: Path, tmp_path: Path) -> None:
    listed = str(tmp_path / "leave-out.tsv")
    assert run_tl("data", "check", str(faulty), "--exclude-list", listed).returncode == 0
    done = run_tl("train", str(faulty), "--exclude", listed, "--json", "--backbone", "mini")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["counts"]["test"] == 13
    assert sum(result["counts"].values()) == 42
    assert len(result["left_out"]) == 3


def test_a_strict_check_ends_with_2_after_it_has_told_and_written_all(run_tl: Run, faulty: Path, tmp_path: Path) -> None:
    listed = tmp_path / "leave-out.tsv"
    done = run_tl("data", "check", str(faulty), "--strict", "--exclude-list", str(listed))
    assert done.returncode == 2
    assert "1 image cannot be read" in done.stdout and listed.exists()
    assert done.stderr.splitlines()[-1].startswith(f"tl: {faulty}: 1 image cannot be read; 1 picture in more than one split")


def test_a_strict_check_lets_notices_pass(run_tl: Run, shapes: Path) -> None:
    assert run_tl("data", "check", str(shapes), "--strict").returncode == 0


def test_check_as_json(run_tl: Run, faulty: Path) -> None:
    report = json.loads(run_tl("data", "check", str(faulty), "--json").stdout)
    assert report["images"] == 45
    assert [finding["kind"] for finding in report["findings"] if finding["severity"] == "problem"] == ["unreadable", "leak"]
    again = json.loads(run_tl("data", "check", str(faulty), "--json").stdout)
    assert again["cached"] == 45
    assert again["findings"] == report["findings"]


def test_info_counts_and_pictures(run_tl: Run, faulty: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    done = run_tl("data", "info", str(faulty), "--sheet", str(sheet))
    assert done.returncode == 0, done.stderr
    assert re.search(r"circle +4 +11", done.stdout) or re.search(r"circle +11 +4", done.stdout)
    assert "width: 48 to 48 pixels" in done.stdout
    with Image.open(sheet) as image:
        assert image.format == "PNG"
        assert image.width > 1000
    info = json.loads(run_tl("data", "info", str(faulty), "--json").stdout)
    assert info["formats"] == {"PNG": 44, "unreadable": 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("data", "check", "no-such-folder/"), "no-such-folder: there is no such folder"),
        (("data", "info", "cats-vs-dogs"), "cats-vs-dogs is not on this computer: run 'tl data download cats-vs-dogs'"),
        (("data", "check", "cats-vs-dogs", "--root", "nowhere"), "nowhere: holds neither the folders PetImages/Cat"),
        (("data", "download", "digits"), "--offline (or HF_HUB_OFFLINE=1) forbids downloading"),
        (("data", "chekc"), "there is no command 'chekc'; did you mean 'check'"),
        (("data", "check", "digits", "--exclude-list", "/proc/none/x"), "the exclusion list cannot be written"),
        (("data", "info", "digits", "--sheet", "sheet.xyz"), "the contact sheet cannot be written"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(arguments: tuple[str, ...], message: str, run_tl: Run) -> None:
    done = run_tl(*arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
