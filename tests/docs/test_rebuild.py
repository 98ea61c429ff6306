"""`docs/rebuild.py` runs the marked commands, makes the pictures they stand for, and finds figures that have become others."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def rebuild(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "docs")
    import rebuild

    return rebuild


def test_every_picture_of_the_pages_is_made_by_a_marked_command(rebuild: ModuleType) -> None:
    shown, made = set(), set()
    for page in rebuild.pages():
        shown |= set(re.findall(r"\(((?:docs/)?pictures/[\w.-]+)\)", page.read_text(encoding="utf-8")))
        made |= {mark.split()[1] for block in rebuild.blocks(page) for mark in block.marks if mark.startswith("makes ")}
    assert made == {name.removeprefix("docs/") for name in shown}


def test_figures_that_differ_are_found_and_times_are_not_compared(rebuild: ModuleType) -> None:
    shown = ["test   600   98.2 % [96.7, 99.0]", "saved to x in 23.5 s"]
    assert not list(rebuild.differences(shown, ["test  600  97.9 % [96.5, 98.9]", "saved to x in 4.0 s"], 1.0))
    found = list(rebuild.differences(shown, ["test  600  91.0 % [88.5, 93.0]"], 1.0))
    assert len(found) == 1 and "91.0 %" in found[0]
    assert "nothing like it" in next(iter(rebuild.differences(shown, [], 1.0)))


def test_a_table_is_compared_row_by_row(rebuild: ModuleType) -> None:
    table = "\n| network | right |\n|---|---|\n| `one`, small | 90.0 % [85, 94] |\n| two | 80.0 % |\n"
    told = [
        ("tl train x --backbone one", "2 classes, 100 test; one + tlcore:linear"),
        ("tl train x --backbone one", "test 100 90.4 %"),
        ("tl train x --backbone two", "test 100 70.0 %"),
    ]
    assert [line.partition(":")[0] for line in rebuild.table_differences(table, told, 1.0)] == ["two"]


def test_every_table_is_compared_with_the_lines_that_name_its_rows(rebuild: ModuleType) -> None:
    tables = (
        "| `linear` | a |\n|---|---|\n| one | 90.0 % |\n| two | 80.0 % |\n\n| `knn` | a |\n|---|---|\n| one | 70.0 % |\n"
    )
    told = [("tl compare a --backbones one,two", line) for line in ("one linear 90 %", "two linear 80 %", "one knn 60 %")]
    found = list(rebuild.table_differences(tables, told, 1.0))
    assert found == ["one: 70.0 % on the page, and in no line of output that names it"]


def test_networks_at_hand_are_named_by_their_place(rebuild: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "weights" / "resnet50").mkdir(parents=True)
    words = ["tl", "compare", "photos", "--backbones", "mini,timm/resnet50"]
    assert rebuild.at_hand(words, tmp_path)[-1] == "mini,local-dir:weights/resnet50"


def test_what_is_not_at_hand_is_passed_over_with_the_reason(rebuild: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(rebuild.NotAtHandError, match="nowhere"):
        rebuild.run(["tl", "data", "info", "nowhere/"], tmp_path)


def test_it_tells_how_it_is_used() -> None:
    done = subprocess.run(
        [sys.executable, "docs/rebuild.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--check" in done.stdout
