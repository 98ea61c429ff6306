"""What an installer would change, read from what it prints, and what went wrong where it refused."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tlcore.errors import TlcoreError

PINNED = ("tlcore", "torch", "torchvision", "timm", "numpy", "onnxruntime")
"""Packages that installing a plugin does not change unless it is told so."""

_UV_LINE = re.compile(r"^ ([+-]) ([A-Za-z0-9._-]+)==(\S+)")


@dataclass(frozen=True)
class Change:
    """What becomes of one distribution: its version before and after, None where it is not there."""

    name: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        return f"{self.name} {self.before or '-'} -> {self.after or '-'}"


def write_constraints(folder: Path, free: Iterable[str]) -> Path:
    """Write the constraints that hold `PINNED` packages at their installed versions, those named in `free` excepted."""
    lines = []
    loosened = {name.lower().replace("_", "-") for name in free}
    for name in PINNED:
        if name in loosened:
            continue
        try:
            lines.append(f"{name}=={version(name)}\n")
        except PackageNotFoundError:
            continue
    file = folder / "constraints.txt"
    file.write_text("".join(lines), encoding="utf-8")
    return file


def run_tool(command: Sequence[str]) -> str:
    """Run an installer and return what it printed; raises `TlcoreError` with its own reason where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
    except OSError as error:
        raise TlcoreError(f"{command[0]}: cannot be run: {error.strerror or error}") from error
    if done.returncode != 0:
        raise TlcoreError(
            _reason(
                "pip" if "pip" in command[1:3] else Path(command[0]).stem, f"{done.stderr}\n{done.stdout}", done.returncode
            )
        )
    return done.stdout + done.stderr


def changes(printed: str) -> list[Change]:
    """Read what a dry run printed: pip's report in JSON, or uv's lines."""
    begin = printed.find("{")
    if begin >= 0 and '"pip_version"' in printed:
        report, _ = json.JSONDecoder().raw_decode(printed[begin:])
        found = [(item["metadata"]["name"], item["metadata"]["version"]) for item in report["install"]]
        return [Change(name, _installed(name), after) for name, after in found]
    removed: dict[str, str] = {}
    added: dict[str, str] = {}
    for sign, name, number in filter(None, (_parts(line) for line in printed.splitlines())):
        (removed if sign == "-" else added)[name] = number
    return [Change(name, removed.get(name), added.get(name)) for name in sorted({**removed, **added})]


def _parts(line: str) -> tuple[str, str, str] | None:
    match = _UV_LINE.match(line)
    return (match[1], match[2], match[3]) if match else None


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _reason(tool: str, printed: str, code: int) -> str:
    lines = [line.strip() for line in printed.splitlines() if line.strip() and "for help visit" not in line]
    marked = [line for line in lines if re.match(r"(ERROR:|error:|cause:|×|╰─▶|And because|The conflict|Because)", line)]
    conflict = [line for line in lines if " depends on " in line or "The user requested" in line]
    told = " ".join([*dict.fromkeys([*marked[:3], *conflict])]) or (lines[-1] if lines else f"exit code {code}")
    told = told.replace("ERROR: ", "").replace("error: ", "")
    held = "; tlcore, torch and their like are held at their versions, '--allow-change NAME' lets one change"
    return f"{tool} refused: {told[:600]}{held if conflict or 'No solution' in printed else ''}; nothing was changed"
