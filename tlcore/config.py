"""The configuration file and the environment: which plugins are switched off, and settings by name."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tlcore.errors import TlcoreError
from tlcore.machine.paths import config_file


def disabled_plugins() -> frozenset[str]:
    """Return the plugins switched off by ``TLCORE_DISABLE_PLUGINS`` (comma-separated) or the configuration file.

    A plugin is named by its distribution, its entry point, or ``distribution:entry-point``.

    Raises:
        TlcoreError: the configuration file cannot be read.
    """
    from_environment = os.environ.get("TLCORE_DISABLE_PLUGINS", "").split(",")
    return frozenset(name.strip() for name in [*from_environment, *_listed(_read(config_file()))] if name.strip())


def switch_plugins(names: Iterable[str], *, enabled: bool) -> Path:
    """Add plugins to the configuration file's list of disabled ones, or take them from it; returns the file's path.

    Everything else in the file, comments included, stays as it was.
    """
    listed = _listed(_read(config_file()))
    chosen = list(names)
    disabled = [name for name in listed if name not in chosen] if enabled else [*dict.fromkeys([*listed, *chosen])]
    return _store("plugins", "disabled", disabled)


def read_setting(name: str) -> object:
    """Return what the configuration file says of ``"table.key"``, or None where it says nothing.

    Raises:
        TlcoreError: the configuration file cannot be read.
    """
    table, _, key = name.partition(".")
    found = _read(config_file()).get(table, {})
    return found.get(key) if isinstance(found, dict) else None


def store_setting(name: str, value: str | None) -> Path:
    """Write ``"table.key"`` into the configuration file, or take it out where `value` is None; returns the file's path.

    Everything else in the file, comments included, stays as it was.
    """
    table, _, key = name.partition(".")
    return _store(table, key, value)


def _store(table: str, key: str, value: object) -> Path:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    path = config_file()
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8") if path.exists() else "")
        entries: Any = document.setdefault(table, tomlkit.table())
        if value is None:
            entries.pop(key, None)
        else:
            entries[key] = value
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}.tmp")
        unfinished.write_text(tomlkit.dumps(document), encoding="utf-8")
        os.replace(unfinished, path)
    except (OSError, TOMLKitError) as error:
        raise TlcoreError(f"{path}: cannot be written: {error}") from error
    return path


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TlcoreError(f"{path}: not a readable TOML file: {error}; mend or remove it") from error


def _listed(document: dict[str, Any]) -> list[str]:
    plugins = document.get("plugins", {})
    listed = plugins.get("disabled", []) if isinstance(plugins, dict) else None
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise TlcoreError(f"{config_file()}: plugins.disabled must be a list of names; mend it")
    return listed
