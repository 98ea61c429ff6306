"""Writing a new plugin: a whole distribution from templates in this package, with nothing downloaded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from tlcore.errors import NameConflictError, OptionError, TlcoreError
from tlcore.machine.atomic import new_directory

SCAFFOLD_KINDS = ("backbone", "dataset", "head", "visualizer", "command")

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z")
_SUFFIX = ".tmpl"


@dataclass(frozen=True)
class PluginNames:
    """What a new plugin is called, from the one name a person gives.

    Attributes:
        name: of the thing it offers, as people will type it.
        distribution: what is installed.
        module: what is imported.
        title: of classes.

    Examples:
        >>> PluginNames.of("tlcore-edge-maps")
        PluginNames(name='edge-maps', distribution='tlcore-edge-maps', module='tlcore_edge_maps', title='EdgeMaps')
    """

    name: str
    distribution: str
    module: str
    title: str

    @classmethod
    def of(cls, given: str) -> PluginNames:
        """Derive the names; raises `OptionError` where `given` is no name."""
        name = given.removeprefix("tlcore-")
        if not _NAME.match(name):
            raise OptionError(f"a plugin's name is lower-case words joined by '-', for instance 'edge-maps', got {given!r}")
        distribution = f"tlcore-{name}"
        return cls(name, distribution, distribution.replace("-", "_"), "".join(map(str.capitalize, name.split("-"))))


def write_plugin(given: str, kind: str, parent: Path, built_in_commands: tuple[str, ...] = ()) -> Path:
    """Write the distribution of a new plugin and return its directory, ``parent/tlcore-NAME``.

    Args:
        given: the plugin's name, with or without ``tlcore-`` before it.
        kind: one of `SCAFFOLD_KINDS`.
        parent: where its directory goes.
        built_in_commands: names that a command cannot have.

    Raises:
        OptionError: the name or the kind is none.
        NameConflictError: something installed is called that already.
        TlcoreError: the directory exists, or cannot be written.
    """
    names = PluginNames.of(given)
    if kind not in SCAFFOLD_KINDS:
        raise OptionError(f"kind must be one of {', '.join(SCAFFOLD_KINDS)}, got {kind!r}")
    _check_free(names, kind, built_in_commands)
    target = parent / names.distribution
    if target.exists():
        raise TlcoreError(f"{target}: exists already; choose another name, or another place with --output")
    values = {**vars(names), "kind": kind, "entry_points": _entry_points(names, kind), "dependencies": _dependencies(kind)}
    templates = files("tlcore_cli") / "templates"
    try:
        with new_directory(target) as directory:
            for root in (templates / "shared", templates / kind):
                _write(root, directory, values)
    except OSError as error:
        raise TlcoreError(f"{target}: cannot be written: {error.strerror or error}") from error
    return target


def _check_free(names: PluginNames, kind: str, built_in_commands: tuple[str, ...]) -> None:
    group = "tlcore.commands" if kind == "command" else "tlcore"
    taken = {point.name: point.dist.name if point.dist else "?" for point in entry_points(group=group)}
    if kind == "command":
        taken |= dict.fromkeys(built_in_commands, "tlcore")
    if names.name in taken:
        raise NameConflictError(f"{names.name!r} is already a {kind} plugin of {taken[names.name]}; choose another name")


def _entry_points(names: PluginNames, kind: str) -> str:
    if kind == "command":
        return f'[project.entry-points."tlcore.commands"]\n{names.name} = "{names.module}:main"'
    return f'[project.entry-points.tlcore]\n{names.name} = "{names.module}"'


def _dependencies(kind: str) -> str:
    needed = {
        "visualizer": ["tlcore[train]>=0.1", "numpy>=1.26", "pillow>=10.3", "torch>=2.6"],
        "dataset": ["tlcore>=0.1", "numpy>=1.26", "pillow>=10.3"],
        "command": ["tlcore>=0.1", "click>=8.1.8"],
    }.get(kind, ["tlcore>=0.1", "numpy>=1.26"])
    return ", ".join(f'"{requirement}"' for requirement in needed)


def _write(source: Traversable, target: Path, values: dict[str, str]) -> None:
    for entry in source.iterdir():
        name = entry.name.replace("dot_", ".").removesuffix(_SUFFIX)
        place = target / {"module": values["module"]}.get(name, name)
        if entry.is_dir():
            place.mkdir(exist_ok=True)
            _write(entry, place, values)
        elif entry.name.endswith(_SUFFIX):
            place.write_text(Template(entry.read_text(encoding="utf-8")).substitute(values), encoding="utf-8", newline="\n")
