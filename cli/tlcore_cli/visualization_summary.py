"""What the commands that look into networks print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tlcore_cli.terminal import notes, print_json, results, table

if TYPE_CHECKING:
    from tlcore.visualizer import Visualization


def show_visualization(result: Visualization, directory: Path, files: Sequence[Path], *, as_json: bool, quiet: bool) -> None:
    """Tell what came out: a line for each picture, then where the files are; or all of it as one JSON document."""
    if as_json:
        names = [str(directory / file.name) for file in files]
        pictures = [{"file": f"{picture.name}.png", "caption": picture.caption} for picture in result.pictures]
        print_json({**result.record, "lines": list(result.lines), "pictures": pictures, "files": names})
        return
    console = results()
    for line in result.lines:
        console.print(line, markup=False)
    rows = [(f"{picture.name}.png", picture.caption) for picture in result.pictures]
    if rows:
        console.print(table("", ("picture", "what it shows"), rows))
    if files:
        notes(quiet).print(f"saved to {directory}; {files[0].name} shows all of it", markup=False)
