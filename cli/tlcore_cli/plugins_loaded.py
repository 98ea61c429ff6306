"""What the installed plugins offer, asked in a process of its own: this one would not see what was just installed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import click

TIMEOUT = 120.0
"""Seconds that loading all plugins may take."""

_PROGRAM = """
import json, sys
from importlib.metadata import entry_points
from tlcore.plugins import load_plugins, normalise_distribution
loaded = {}
for plugin in load_plugins(sys.argv[1:]):
    if plugin.status == "disabled":
        continue
    entry = loaded.setdefault(plugin.distribution, {"version": plugin.version, "offers": [], "errors": [], "notes": []})
    entry["offers"] += [f"{kind} {spec.name}" for kind, specs in plugin.offers.items() for spec in specs]
    entry["errors"] += plugin.errors
    entry["notes"] += plugin.notes
for point in entry_points(group="tlcore.commands"):
    name = normalise_distribution(point.dist.name)
    entry = loaded.setdefault(name, {"version": point.dist.version, "offers": [], "errors": [], "notes": []})
    entry["offers"].append(f"command {point.name}")
    try:
        point.load()
    except BaseException as error:
        entry["errors"].append(f"command {point.name}: {type(error).__name__}: {error}")
print("\\0" + json.dumps(loaded))
"""


def loaded_elsewhere(disabled: Iterable[str] = ()) -> dict[str, dict[str, Any]]:
    """Return distribution to its version, what it offers and what is wrong, as a fresh process finds them.

    Args:
        disabled: plugins not to import.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, *disabled],
            capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=TIMEOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {
            "(all)": {
                "version": "",
                "offers": [],
                "notes": [],
                "errors": [f"loading the plugins takes more than {TIMEOUT:g} s"],
            }
        }
    report = done.stdout.rpartition("\0")[2]
    if not report.strip().startswith("{"):
        told = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return {"(all)": {"version": "", "offers": [], "notes": [], "errors": [f"loading the plugins failed: {told[-1]}"]}}
    found: dict[str, dict[str, Any]] = json.loads(report)
    return found


def tell_loaded(before: Mapping[str, Any], after: Mapping[str, Any], named: set[str]) -> bool:
    """Say what is new or was asked for; returns whether any of it is broken."""
    told = [name for name in after if before.get(name) != after[name] or name in named]
    for name in told:
        entry = after[name]
        offers = ", ".join(entry["offers"]) or "nothing"
        click.echo(f"{name} {entry['version']}: offers {offers}")
        for note in entry["notes"]:
            click.echo(f"{name} {entry['version']}: {note}")
        for error in entry["errors"]:
            click.echo(f"{name} {entry['version']}: broken: {error}")
    for name in sorted(named - set(after)):
        click.echo(f"{name}: is installed, but is no plugin of tlcore: it has no entry point 'tlcore' or 'tlcore.commands'")
    return any(after[name]["errors"] for name in told)
