"""Commands that installed plugins add, found in the metadata files on ``sys.path``.

`importlib.metadata` would find them too, and its import alone takes a third of the time that ``tl --help`` may take; so
the files are read directly: ``entry_points.txt`` beside each distribution's metadata, in the format of the packaging
specification "Entry points".
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

GROUP = "tlcore.commands"
"""Entry points of this group add commands: the entry point's name is the command's, its value a `click.Command`."""


@dataclass(frozen=True)
class AddedCommand:
    """A command as a distribution declares it: its name, ``package.module:attribute``, and who brings it."""

    name: str
    target: str
    distribution: str
    version: str

    @property
    def label(self) -> str:
        """The distribution with its version."""
        return f"{self.distribution} {self.version}"


def added_commands() -> dict[str, list[AddedCommand]]:
    """Return command name to every distribution's declaration of it; of one distribution installed twice, the first."""
    found: dict[str, list[AddedCommand]] = {}
    seen: set[str] = set()
    for directory, entry in _metadata_folders():
        distribution, _, version = entry.rpartition(".")[0].partition("-")
        key = distribution.lower().replace("_", "-").replace(".", "-")
        if key in seen:
            continue
        seen.add(key)
        for name, target in _declared(os.path.join(directory, entry, "entry_points.txt")):
            found.setdefault(name, []).append(AddedCommand(name, target, distribution.replace("_", "-"), version))
    return found


def _metadata_folders() -> Iterator[tuple[str, str]]:
    for directory in sys.path:
        try:
            entries = sorted(os.listdir(directory or "."))
        except OSError:  # a zip archive, or a path that is not there
            continue
        for entry in entries:
            if entry.endswith((".dist-info", ".egg-info")):
                yield directory or ".", entry


def _declared(file: str) -> Iterator[tuple[str, str]]:
    """Yield name and value of each entry point of the group that a file declares."""
    try:
        with open(file, encoding="utf-8", errors="replace") as lines:
            text = lines.read()
    except OSError:
        return
    if GROUP not in text:
        return
    section = ""
    for line in text.splitlines():
        stripped = line.partition("#")[0].strip()
        if stripped.startswith("["):
            section = stripped.strip("[] ")
        elif section == GROUP and "=" in stripped:
            name, _, value = stripped.partition("=")
            yield name.strip(), value.partition("[")[0].strip()
