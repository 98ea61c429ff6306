"""The commands and the example of docs/data.md, run as they stand there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

DOCS = (Path(__file__).parents[1] / "docs" / "data.md").read_text(encoding="utf-8")


def test_the_commands_work_one_after_the_other(
    shapes: Path, tmp_path: Path, run_tl: Callable[..., CompletedProcess[str]]
) -> None:
    shutil.copytree(shapes, tmp_path / "cwd" / "photos")
    (tmp_path / "cwd" / "photos" / "bar" / "broken.jpg").write_bytes(b"")
    block = re.search(r"<!-- commands -->\n```sh\n(.*?)```", DOCS, re.DOTALL)
    assert block is not None
    for line in block.group(1).splitlines():
        # The weights that a plain 'tl train' fetches are not to be had here.
        command = f"{line} --backbone mini" if line.startswith("tl train") else line
        done = run_tl(*shlex.split(command)[1:])
        assert done.returncode == 0, done.stderr
    assert {"sheet.png", "report.html", "leave-out.tsv"} <= {path.name for path in (tmp_path / "cwd").iterdir()}
    assert "bar/broken.jpg" in (tmp_path / "cwd" / "leave-out.tsv").read_text(encoding="utf-8")


def test_the_library_example_runs() -> None:
    block = re.search(r"```python\n(.*?)```", DOCS, re.DOTALL)
    assert block is not None
    done = subprocess.run([sys.executable, "-c", block.group(1)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "very small" in done.stdout


def test_every_name_in_the_first_table_is_offered() -> None:
    from tlcore import Registry

    table = DOCS.split("## Datasets everybody knows")[0]
    names = set(re.findall(r"`([a-z]+):(?:FILE|PATH|NAME_OR_PATH)`", table))
    assert names == {"folder", "zip", "tar", "csv", "parquet", "jsonl", "hf"}
    assert names <= {offer.spec.name for offer in Registry().offers("dataset")}
