"""Finding and loading plugins so that no plugin can take tlcore, or another plugin, down.

Each plugin is imported, registered and asked in isolation, in a `pluggy.PluginManager` of its own; whatever it raises is
kept with it and told to whoever asks.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Literal

import pluggy

from tlcore import hookspecs
from tlcore.containment import contained
from tlcore.errors import PluginError
from tlcore.specs import API_VERSION, KINDS, Spec, check_spec

ENTRY_POINT_GROUP = "tlcore"

Status = Literal["ok", "disabled", "broken", "conflict"]


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """One plugin as it was found, and what became of it.

    Attributes:
        distribution, version: what was installed.
        entry_point: its name in the group ``tlcore``.
        module: what the entry point names.
        status: ``"ok"``; ``"disabled"``, never imported; ``"broken"``, something in it failed; ``"conflict"``, it shares a
            name with another plugin.
        errors: what is wrong, one line each.
        notes: what it does that a plugin should not, and does not keep it from working, one line each.
        cause: the exception behind the first error, if there was one.
        offers: kind of thing to the specs it registered; a plugin broken in one hook still offers what the others list.
        api_version: the plugin API it was written for; None where it was not imported.
        import_milliseconds: how long its import took; None where it was not imported.
    """

    distribution: str
    version: str
    entry_point: str
    module: str
    status: Status = "ok"
    errors: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    cause: BaseException | None = None
    offers: Mapping[str, tuple[Spec, ...]] = field(default_factory=dict)
    api_version: int | None = None
    import_milliseconds: float | None = None

    @property
    def key(self) -> str:
        """``distribution:entry-point``, unique among installed plugins."""
        return f"{self.distribution}:{self.entry_point}"

    @property
    def label(self) -> str:
        """The plugin with its version, for messages."""
        return f"{self.distribution} {self.version} ({self.entry_point})"

    def is_called(self, name: str) -> bool:
        """Return whether a name given by a person means this plugin."""
        return name in (self.key, self.entry_point) or normalise_distribution(name) == self.distribution


def normalise_distribution(name: str) -> str:
    """Return a distribution's name in the one spelling that comparisons use.

    >>> normalise_distribution("My_Plugin")
    'my-plugin'
    """
    return name.lower().replace("_", "-").replace(".", "-")


def installed_plugins(disabled: Iterable[str] = ()) -> tuple[Plugin, ...]:
    """List what the installed distributions declare, from their metadata, importing none of it."""
    switched_off = tuple(disabled)
    return tuple(_marked_disabled(plugin, switched_off) for plugin, _ in _declared())


def load_plugins(disabled: Iterable[str] = ()) -> tuple[Plugin, ...]:
    """Import and ask every installed plugin that is not switched off; never raises for what a plugin does."""
    loaded = []
    switched_off = tuple(disabled)
    for declared, entry_point in _declared():
        plugin = _marked_disabled(declared, switched_off)
        loaded.append(plugin if plugin.status == "disabled" else _load(plugin, entry_point))
    return tuple(loaded)


def plugin_from_module(module: ModuleType) -> Plugin:
    """Take a module that implements the hooks as a plugin, without an installed distribution."""
    described = Plugin(distribution="(given)", version="", entry_point=module.__name__, module=module.__name__)
    return _ask(described, module, import_milliseconds=0.0)


def _declared() -> list[tuple[Plugin, EntryPoint]]:
    """Return what is declared, sorted by distribution and name; a distribution that declares one twice yields it once."""
    unique: dict[tuple[str, str, str], tuple[Plugin, EntryPoint]] = {}
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        plugin = _describe(entry_point)
        unique.setdefault((plugin.distribution, plugin.entry_point, plugin.module), (plugin, entry_point))
    return [unique[key] for key in sorted(unique)]


def _describe(entry_point: EntryPoint) -> Plugin:
    # A distribution's name and version parse its metadata anew each time they are asked.
    metadata = entry_point.dist.metadata if entry_point.dist is not None else {"Name": "unknown", "Version": ""}
    return Plugin(
        distribution=normalise_distribution(metadata["Name"]),
        version=metadata["Version"],
        entry_point=entry_point.name,
        module=entry_point.value,
    )


def _marked_disabled(plugin: Plugin, disabled: Iterable[str]) -> Plugin:
    if any(plugin.is_called(name) for name in disabled):
        return replace(plugin, status="disabled")
    return plugin


def _load(plugin: Plugin, entry_point: EntryPoint) -> Plugin:
    notes: list[str] = []
    with contained(notes):
        loaded = _import_and_ask(plugin, entry_point)
    return replace(loaded, notes=(*notes, *loaded.notes))


def _import_and_ask(plugin: Plugin, entry_point: EntryPoint) -> Plugin:
    started = time.perf_counter()
    try:
        module = entry_point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  the plugin boundary: SystemExit and the like included
        timed = replace(plugin, import_milliseconds=_since(started))
        return _broken(timed, f"import failed: {told(error)}", error)
    return _ask(plugin, module, import_milliseconds=_since(started))


def _ask(plugin: Plugin, module: object, import_milliseconds: float) -> Plugin:
    """Register the module alone in a plugin manager and collect what its hooks list."""
    plugin = replace(plugin, import_milliseconds=import_milliseconds)
    version = getattr(module, "TLCORE_API_VERSION", API_VERSION)
    if not isinstance(version, int) or version > API_VERSION or version < 1:
        return _broken(plugin, f"needs plugin API version {version!r}, this tlcore speaks {API_VERSION}; upgrade tlcore")
    plugin = replace(plugin, api_version=version)
    manager = pluggy.PluginManager("tlcore")
    manager.add_hookspecs(hookspecs)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            manager.register(module, name=plugin.key)  # warns where a hook it implements is to go
            manager.check_pending()
        plugin = replace(plugin, notes=tuple(f"implements a deprecated hook: {entry.message}" for entry in caught))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  the plugin boundary
        return _broken(plugin, f"registration failed: {told(error)}", error)
    offers: dict[str, tuple[Spec, ...]] = {}
    errors: list[str] = []
    cause: BaseException | None = None
    for kind in KINDS:
        try:
            listed = [spec for specs in getattr(manager.hook, kind.hook)() for spec in specs]
            for spec in listed:
                check_spec(spec, kind)
            names = [spec.name for spec in listed]
            repeated = next((name for name in names if names.count(name) > 1), None)
            if repeated is not None:
                raise PluginError(f"lists {kind.name} {repeated!r} twice")
            if listed:
                offers[kind.name] = tuple(listed)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  the plugin boundary
            errors.append(f"{kind.hook} failed: {told(error)}")
            cause = cause or error
    if not errors and not manager.get_hookcallers(module):
        errors.append("implements no hook of tlcore; are its functions marked with tlcore.hookimpl?")
    status: Status = "broken" if errors else "ok"
    return replace(plugin, status=status, errors=tuple(errors), cause=cause, offers=offers)


def marked_conflicts(plugins: Sequence[Plugin]) -> tuple[Plugin, ...]:
    """Return the plugins with those marked that register one name of one kind, or share an entry-point name."""
    problems: dict[str, list[str]] = {plugin.key: [] for plugin in plugins}
    for shared, sharers in _shared(plugins).items():
        for plugin in sharers:
            others = " and ".join(other.label for other in sharers if other is not plugin)
            problems[plugin.key].append(f"{shared} is also in {others}")
    return tuple(
        replace(
            plugin,
            status="broken" if plugin.status == "broken" else "conflict",
            errors=(*plugin.errors, *problems[plugin.key]),
        )
        if problems[plugin.key]
        else plugin
        for plugin in plugins
    )


def _shared(plugins: Sequence[Plugin]) -> dict[str, list[Plugin]]:
    """Return what more than one active plugin claims, in words, to those plugins."""
    claims: dict[str, list[Plugin]] = {}
    for plugin in plugins:
        if plugin.status == "disabled":
            continue
        claims.setdefault(f"entry-point name {plugin.entry_point!r}", []).append(plugin)
        for kind, specs in plugin.offers.items():
            for spec in specs:
                claims.setdefault(f"{kind} {spec.name!r}", []).append(plugin)
    return {shared: sharers for shared, sharers in claims.items() if len(sharers) > 1}


def _broken(plugin: Plugin, error: str, cause: BaseException | None = None) -> Plugin:
    return replace(plugin, status="broken", errors=(error,), cause=cause)


def told(error: BaseException) -> str:
    """Describe an exception in one line, even one whose text raises."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001  the plugin boundary: a plugin's own exception type
        text = "(its message cannot be shown)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
