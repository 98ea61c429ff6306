"""Checking an installed plugin with everything it offers, without pytest; what `tl plugins check` runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points

from tlcore.errors import UnknownNameError, did_you_mean
from tlcore.plugins import Plugin, load_plugins, normalise_distribution
from tlcore.specs import KINDS
from tlcore.testing.backbones import BackboneConformance
from tlcore.testing.commands import ENTRY_POINT_GROUP, CommandConformance
from tlcore.testing.conformance import CheckResult, Conformance, run_checks
from tlcore.testing.datasets import DatasetConformance
from tlcore.testing.finetunes import FineTuneConformance
from tlcore.testing.heads import HeadConformance
from tlcore.testing.observers import ObserverConformance
from tlcore.testing.plugin import PluginConformance
from tlcore.testing.visualizers import VisualizerConformance

SUITES: Mapping[str, type[Conformance]] = {
    "backbone": BackboneConformance,
    "dataset": DatasetConformance,
    "head": HeadConformance,
    "visualizer": VisualizerConformance,
    "finetune": FineTuneConformance,
    "observer": ObserverConformance,
}


@dataclass(frozen=True)
class PlannedSuite:
    """A conformance class to run on one thing that a plugin offers.

    Attributes:
        subject: how results call what is checked, for instance ``"head linear"``.
        suite: the class; None where it cannot be checked.
        missing: what must be given for it to be checked; empty where nothing is missing.
    """

    subject: str
    suite: type | None
    missing: str = ""


def planned_suites(
    name: str, arguments: Sequence[str] = (), options: Mapping[str, Mapping[str, object]] | None = None
) -> Iterator[PlannedSuite]:
    """List what there is to check of an installed plugin, or of every plugin and command of a distribution.

    Args:
        name: an entry point in the group ``tlcore``, ``distribution:entry-point``, or a distribution.
        arguments: references with an argument, for specs that need one: ``"folder:photos"``, ``"timm/resnet18"``.
        options: kind to option name to value.

    Raises:
        UnknownNameError: nothing installed is called that; names the nearest.
    """
    plugins = [plugin for plugin in load_plugins() if plugin.is_called(name)]
    commands = [
        point.name
        for point in entry_points(group=ENTRY_POINT_GROUP)
        if point.dist is not None and normalise_distribution(name) == normalise_distribution(point.dist.name)
    ]
    if not plugins and not commands:
        known = [called for plugin in load_plugins() for called in (plugin.entry_point, plugin.distribution)]
        hint = did_you_mean(name, known) or ";"
        raise UnknownNameError(f"no installed plugin is called {name!r}{hint} 'tl plugins list' shows those installed")
    for plugin in plugins:
        yield PlannedSuite(f"plugin {plugin.key}", type("Plugin", (PluginConformance,), {"name": plugin.key}))
        yield from _planned_offers(plugin, arguments, options or {})
    for command in commands:
        yield PlannedSuite(f"command {command}", type("Command", (CommandConformance,), {"name": command}))


def check_plugin(
    name: str, arguments: Sequence[str] = (), options: Mapping[str, Mapping[str, object]] | None = None
) -> Iterator[CheckResult]:
    """Check an installed plugin; arguments and errors as in `planned_suites`.

    Yields:
        A result for each check; where a spec needs an argument that was not given, one skipped result that says so.
    """
    for planned in planned_suites(name, arguments, options):
        if planned.suite is None:
            yield CheckResult(planned.subject, "make", "skipped", planned.missing, 0.0)
        else:
            yield from run_checks(planned.suite, planned.subject)


def _planned_offers(
    plugin: Plugin, arguments: Sequence[str], options: Mapping[str, Mapping[str, object]]
) -> Iterator[PlannedSuite]:
    for kind in KINDS:
        for spec in plugin.offers.get(kind.name, ()):
            given = [text for text in arguments if text.startswith((f"{spec.name}:", f"{spec.name}/"))]
            if not given and spec.argument is not None:
                hint = f"needs an argument to be checked; give one: --with '{spec.name}:{spec.argument}'"
                yield PlannedSuite(f"{kind.name} {spec.name}", None, hint)
                continue
            for reference in given or [spec.name]:
                members = {"name": f"{plugin.distribution}:{reference}", "options": options.get(kind.name, {})}
                yield PlannedSuite(f"{kind.name} {reference}", type("Checked", (SUITES[kind.name],), members))
