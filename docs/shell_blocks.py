"""The blocks of shell in the documentation's pages: their commands, what is shown under them, and the marks above them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

_BLOCK = re.compile(r"((?:^<!--[^\n]*-->\n)*)^```(?:bash|sh|console|shell)\n(.*?)^```", re.M | re.S)


@dataclass(frozen=True)
class Command:
    """One command line of a page.

    Attributes:
        line: as it stands there, continued lines joined and the remark behind ``#`` taken off.
        shown: the lines of output under it.
    """

    line: str
    shown: tuple[str, ...]

    def words(self) -> list[str]:
        """Return the words of the line, as a shell divides it."""
        return shlex.split(self.line)


@dataclass(frozen=True)
class Block:
    """One block of shell.

    Attributes:
        page: its file.
        row: of the page, from 1.
        marks: the comments right above it, ``<!-- ... -->``, without their brackets.
        commands: in order.
        after: the text of the page between this block and the next.
    """

    page: Path
    row: int
    marks: tuple[str, ...]
    commands: tuple[Command, ...]
    after: str


def pages() -> list[Path]:
    """Return README.md and every page of docs/, but for the reference that is written from the commands' own help."""
    return [ROOT / "README.md", *(page for page in sorted((ROOT / "docs").glob("*.md")) if page.name != "commands.md")]


def blocks(page: Path) -> list[Block]:
    """Return a page's blocks of shell in order."""
    text = page.read_text(encoding="utf-8")
    found = list(_BLOCK.finditer(text))
    ends = [*(match.start() for match in found), len(text)][1:]
    return [
        Block(
            page=page,
            row=text.count("\n", 0, match.start()) + 1,
            marks=tuple(re.findall(r"<!-- (.*?) -->", match[1])),
            commands=_commands(match[2]),
            after=text[match.end() : end],
        )
        for match, end in zip(found, ends, strict=True)
    ]


def _commands(block: str) -> tuple[Command, ...]:
    """Divide a block: where any line starts with ``$``, the others are output; else every line is a command."""
    lines = block.replace("\\\n", " ").splitlines()
    prompted = any(line.startswith("$ ") for line in lines)
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith("$ ") or not prompted:
            command = re.sub(r"\s+#.*", "", line.removeprefix("$ ")).strip()
            found += [(command, [])] if command else []
        elif line.strip():
            found[-1][1].append(line)
    return tuple(Command(command, tuple(shown)) for command, shown in found)
