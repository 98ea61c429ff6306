"""Which plugins were installed, kept in the configuration's folder, so that those an upgrade lost can be named."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlcore.version import __version__

if TYPE_CHECKING:
    from importlib.metadata import Distribution


def record_file() -> Path:
    """Return where the record is kept; it may not exist."""
    from tlcore.machine.paths import config_file

    return config_file().with_name("installed-plugins.json")


def installed_distributions() -> dict[str, str]:
    """Return the distributions with plugins or commands, tlcore's own excepted, each with its line for ``plugins.txt``."""
    from importlib.metadata import distribution, entry_points

    from tlcore.plugins import normalise_distribution

    points = [*entry_points(group="tlcore"), *entry_points(group="tlcore.commands")]
    names = sorted({normalise_distribution(point.dist.name) for point in points if point.dist is not None} - {"tlcore"})
    return {name: _line(distribution(name)) for name in names}


def remember() -> None:
    """Record what is installed beside this tlcore now."""
    from tlcore.machine.atomic import write_file

    record = _read()
    record[sys.prefix] = {"tlcore": __version__, "plugins": installed_distributions()}
    write_file(record_file(), json.dumps(record, indent=2).encode())


def lost_plugins() -> dict[str, str]:
    """Return recorded plugins that are gone since tlcore was upgraded, with their lines; once, then they are forgotten."""
    record = _read().get(sys.prefix)
    if not isinstance(record, dict) or record.get("tlcore") == __version__:
        return {}
    present = installed_distributions()
    remember()
    return {name: line for name, line in record.get("plugins", {}).items() if name not in present}


def _read() -> dict[str, Any]:
    try:
        record = json.loads(record_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # absent or damaged: a convenience, written anew by the next install
    return record if isinstance(record, dict) else {}


def _line(installed: Distribution) -> str:
    origin = installed.read_text("direct_url.json")
    if origin is None:
        return f"{installed.name}=={installed.version}"
    from urllib.request import url2pathname

    described = json.loads(origin)
    url = described["url"]
    if described.get("dir_info", {}).get("editable"):
        return f"-e {url2pathname(url.removeprefix('file://'))}"
    version_control = described.get("vcs_info")
    if version_control:
        url = f"{version_control['vcs']}+{url}@{version_control['commit_id']}"
    return f"{installed.name} @ {url}"
