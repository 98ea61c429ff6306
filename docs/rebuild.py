"""Make the documentation's pictures and figures again, by the very commands that its pages show.

    python docs/rebuild.py --photos DATASETS --weights WEIGHTS [--only lesson] [--only lesson:55] [--check]

A block of shell is an exhibit where a comment above it says what it makes:

    <!-- makes pictures/map.jpg from map/map.png -->     the picture on the page, and the file that the commands write
    <!-- figures -->                                     the output shown in the block, and the tables after it

A percentage in a table belongs to the output line, or else the command, that holds the name in the row's first cell (and the
name in the table's first heading where that is written as code). Times and speeds are of the machine and not compared.

DATASETS and WEIGHTS are folders of datasets (``PetImages``, ``oxford-iiit-pet``, ...) and of networks as timm writes them;
what lies in them is linked into the work folder by its name, and a network is taken from there before it is downloaded. An
exhibit whose data or weights are not at hand is passed over with the reason. With ``--check`` nothing on the pages is
changed: each figure that differs by more than ``--tolerance`` is listed, and the exit code is 1 where one does.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from shell_blocks import ROOT, Block, blocks, pages

NOT_AT_HAND = (
    "is not in the cache",
    "is not a directory",
    "there is no such",
    "does not exist",
    "is not on this computer",
    "is no folder",
)
"""What an error says where an exhibit's weights or data are missing."""

OF_THE_MACHINE = re.compile(r"\d[\d.,]* ?(?:s|ms|images/s|MB)\b|\(images/s: [^)]*\)|float32 \d+")
SHARE = re.compile(r"(\d[\d.]*) %")
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?![\w])")


class NotAtHandError(Exception):
    """Weights or data of an exhibit are missing."""


def main() -> int:
    """Rebuild or check the exhibits that were asked for; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--photos", action="append", type=Path, default=[], metavar="DIR", help="folder of datasets; may be repeated"
    )
    parser.add_argument("--weights", type=Path, metavar="DIR", help="folder of networks")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where commands run; kept  [default: a temporary folder]")
    parser.add_argument("--only", action="append", default=[], metavar="PAGE[:ROW]", help="this alone; may be repeated")
    parser.add_argument("--check", action="store_true", help="compare, and change nothing on the pages")
    parser.add_argument("--tolerance", type=float, default=1.0, help="points, or percent of numbers that are no percentages")
    asked = parser.parse_args()
    exhibits = [
        block
        for page in pages()
        for block in blocks(page)
        if not asked.only or {page.stem, f"{page.stem}:{block.row}"} & set(asked.only)
        if any(mark == "figures" or mark.startswith("makes ") for mark in block.marks)
    ]
    differing = 0
    with tempfile.TemporaryDirectory() as temporary:
        work = asked.work or Path(temporary)
        lay_out(work, asked.photos, asked.weights)
        for number, block in enumerate(exhibits, 1):
            tell(f"[{number}/{len(exhibits)}] {block.page.name}:{block.row} {block.commands[0].line}")
            try:
                found = list(rebuild(block, work / block.page.stem, asked.check, asked.tolerance))
            except NotAtHandError as error:
                tell(f"    passed over: {error}")
                continue
            differing += len(found)
            tell("\n".join(f"    differs: {line}" for line in found) or ("    as shown" if asked.check else "    made"))
    return 1 if asked.check and differing else 0


def tell(line: str) -> None:
    """Say how far it is."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def lay_out(work: Path, photos: Sequence[Path], weights: Path | None) -> None:
    """Make a folder for each page, with the data and the networks in it by name."""
    for page in pages():
        place = work / page.stem
        (place / "weights").mkdir(parents=True, exist_ok=True)
        sources = [(place, ROOT / "docs"), *((place, data) for folder in photos for data in sorted(folder.iterdir()))]
        sources += [(place / "weights", folder) for folder in sorted(weights.iterdir() if weights else ())]
        for folder, source in sources:
            if not (folder / source.name).exists():
                (folder / source.name).symlink_to(source.resolve())


def rebuild(block: Block, place: Path, check: bool, tolerance: float) -> Iterator[str]:
    """Run an exhibit's commands, put its pictures on the page or compare them, and give each figure that differs."""
    outputs = [run(at_hand(command.words(), place), place) for command in block.commands]
    for mark in block.marks:
        made = re.fullmatch(r"makes (\S+) from (\S+)", mark)
        if made is not None:
            yield from picture(place / made[2], ROOT / "docs" / made[1], check)
    if "figures" in block.marks and check:
        for command, output in zip(block.commands, outputs, strict=True):
            yield from differences(command.shown, output.splitlines(), tolerance)
        told = [
            (command.line, line) for command, text in zip(block.commands, outputs, strict=True) for line in text.splitlines()
        ]
        yield from table_differences(block.after, told, tolerance)


def at_hand(words: Sequence[str], place: Path) -> list[str]:
    """Name the networks that lie in the work folder by their place there."""

    def local(name: str) -> str:
        folder = place / "weights" / name.removeprefix("timm/")
        return f"local-dir:weights/{folder.name}" if folder.is_dir() and name else name

    named = ("--backbone", "--backbones")
    pairs = zip(["", *words], words, strict=False)
    return [",".join(map(local, word.split(","))) if before in named else word for before, word in pairs]


def run(words: list[str], place: Path) -> str:
    """Run one command and return what it printed; raises `NotAtHandError` where its weights or data are missing."""
    python = [sys.executable, "-m"]
    command = [*python, "tlcore_cli", *words[1:]] if words[0] == "tl" else [*python, *words[2:]]
    path = os.pathsep.join(map(str, (ROOT, ROOT / "plugins", ROOT / "cli")))
    output = words[words.index("--out") + 1] if "--out" in words else None
    if output is not None and (place / output).exists():
        command.append("--overwrite")
    done = subprocess.run(
        command, cwd=place, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return done.stdout
    told = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    if any(phrase in told for phrase in NOT_AT_HAND):
        raise NotAtHandError(told[:200])
    raise SystemExit(f"{' '.join(words)}: {told}")


def picture(made: Path, shown: Path, check: bool) -> Iterator[str]:
    """Put a picture where the page has it, or say how far it is from the one there."""
    image = Image.open(made).convert("RGB")
    if not check:
        image.save(shown, quality=88) if shown.suffix == ".jpg" else image.save(shown, optimize=True)
        return
    before = Image.open(shown).convert("RGB")
    if before.size != image.size:
        yield f"{shown.name}: {before.size} shown, {image.size} made"
        return
    distance = float(np.abs(np.asarray(before, float) - np.asarray(image, float)).mean())
    if distance > 12:
        yield f"{shown.name}: {distance:.0f} levels of 255 apart on average"


def figures(line: str) -> list[float]:
    """Return the numbers of a line, without those that are the machine's.

    >>> figures("test   600   98.2 % [96.7, 99.0]   saved in 23.5 s")
    [600.0, 98.2, 96.7, 99.0]
    """
    return [float(text.replace(",", "")) for text in NUMBER.findall(OF_THE_MACHINE.sub(" ", line)) if text.strip(",")]


def differences(shown: Sequence[str], printed: Sequence[str], tolerance: float) -> Iterator[str]:
    """Compare the output on the page with what was printed: each line with the one that begins alike."""
    for line in shown:
        words = re.sub(r"[\d.,%\[\] ]+", " ", line).split()[:2]
        alike = [other for other in printed if re.sub(r"[\d.,%\[\] ]+", " ", other).split()[:2] == words]
        if figures(line) and not any(agree(figures(line), figures(other), tolerance) for other in alike):
            yield f"{' '.join(line.split())!r}, now {' '.join(alike[0].split()) if alike else 'nothing like it'!r}"


def agree(ours: Sequence[float], theirs: Sequence[float], tolerance: float) -> bool:
    """Return whether numbers are as many and as large, within points or percent."""
    bounds = [tolerance * max(1.0, abs(number) / 100) for number in ours]
    return len(ours) == len(theirs) and all(abs(a - b) <= c for a, b, c in zip(ours, theirs, bounds, strict=True))


def table_differences(after: str, told: Sequence[tuple[str, str]], tolerance: float) -> Iterator[str]:
    """Compare the tables after a block with what its commands printed, row by row."""
    for table in re.findall(r"(?:^\|.*\n)+", after, re.M):
        head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()]
        kind = [head[0].strip("`")] if head[0].startswith("`") else []
        for row in rows:
            lines = _lines_of([re.sub(r"[`*]", "", row[0]).partition(",")[0], *kind], told)
            for cell in row[1:]:
                share = SHARE.search(cell)
                if share is not None and not any(close(float(share[1]), line, tolerance) for line in lines):
                    yield f"{row[0]}: {share[0]} on the page, and in no line of output that names it"


def _lines_of(names: Sequence[str], told: Sequence[tuple[str, str]]) -> list[str]:
    """Return the lines of output with a percentage that hold all names, or else those of the commands that do."""
    with_share = [(command, line) for command, line in told if SHARE.search(line)]
    own = [line for _, line in with_share if all(name in line for name in names)]
    return own or [line for command, line in with_share if all(name in f"{command} {line}" for name in names)]


def close(figure: float, line: str, tolerance: float) -> bool:
    """Return whether a line holds a percentage as large."""
    return any(abs(figure - float(text)) <= tolerance for text in SHARE.findall(line))


if __name__ == "__main__":
    sys.exit(main())
