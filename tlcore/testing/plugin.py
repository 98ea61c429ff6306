"""What holds for a plugin as a whole, as checks: it loads, lists lightly, and its distribution says what it is."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from importlib.metadata import PackageNotFoundError, metadata, requires
from typing import ClassVar

from tlcore.plugins import Plugin, installed_plugins, load_plugins
from tlcore.specs import API_VERSION
from tlcore.testing.conformance import CheckSkipped, expect
from tlcore.testing.listing import ListingReport, measure_listing

QUICK = 1000.0
"""Milliseconds that importing a plugin's module and asking its hooks may take beyond what tlcore itself takes."""


class PluginConformance:
    """Checks of an installed plugin as a whole.

    Subclass it in a test module, name the plugin, and pytest runs every check::

        class TestMyPlugin(PluginConformance):
            name = "my-plugin"

    Attributes:
        name: the plugin's entry point, its distribution, or ``distribution:entry-point``.
        module: the dotted name of its module, where it is not installed.
    """

    name: ClassVar[str]
    module: ClassVar[str | None] = None

    @cached_property
    def plugin(self) -> Plugin:
        """The plugin, loaded."""
        if self.module is not None:
            from tlcore.plugins import plugin_from_module

            return plugin_from_module(import_module(self.module))
        found = [plugin for plugin in load_plugins() if plugin.is_called(self.name)]
        expect(found, f"no installed plugin is called {self.name!r}; 'tl plugins list' shows those installed")
        return found[0]

    @cached_property
    def listing(self) -> ListingReport:
        """What importing its module and asking its hooks does in a fresh process."""
        if self.module is not None:
            return measure_listing(self.module)
        found = [plugin for plugin in installed_plugins() if plugin.is_called(self.name)]
        expect(found, f"no installed plugin is called {self.name!r}; 'tl plugins list' shows those installed")
        return measure_listing(found[0].module)

    def test_loads(self) -> None:
        """It loads, and every hook lists well-formed specs under names that no other plugin uses."""
        expect(not self.listing.errors, f"plugin {self.name}: {'; '.join(self.listing.errors)}")
        expect(self.plugin.status == "ok", f"plugin {self.name} is {self.plugin.status}: {'; '.join(self.plugin.errors)}")

    def test_states_its_api_version(self) -> None:
        """Its module states `TLCORE_API_VERSION`, so that a core that speaks another one can say so."""
        module = import_module(self.plugin.module.partition(":")[0])
        stated = getattr(module, "TLCORE_API_VERSION", None)
        expect(
            stated is not None,
            f"plugin {self.name}: {module.__name__} states no API version; write TLCORE_API_VERSION = {API_VERSION}",
        )

    def test_listing_imports_nothing_heavy(self) -> None:
        """Asking what it offers imports none of `HEAVY_MODULES`: they belong behind the factories."""
        expect(
            not self.listing.heavy,
            f"plugin {self.name}: listing it imports {', '.join(self.listing.heavy)}; import them in the factory's module",
        )

    def test_listing_is_quick(self) -> None:
        """Asking what it offers takes under a second."""
        expect(
            self.listing.milliseconds < QUICK,
            f"plugin {self.name}: listing it takes {self.listing.milliseconds:.0f} ms, expected under {QUICK:.0f}",
        )

    def test_listing_prints_nothing(self) -> None:
        """Importing it prints nothing: `tl --json` and shell completion read standard output."""
        expect(not self.listing.printed, f"plugin {self.name}: importing it prints {self.listing.printed[:80]!r}")

    def test_listing_changes_no_global_state(self) -> None:
        """Importing it leaves logging, warnings, environment, hooks, random states and threads as they were."""
        changed = "; ".join(self.listing.changes)
        expect(not changed, f"plugin {self.name}: importing it changes {changed}")

    def test_distribution_is_described(self) -> None:
        """Its distribution has a summary and a licence, and requires tlcore."""
        distribution = self.plugin.distribution
        try:
            described = metadata(distribution)
        except PackageNotFoundError:
            raise CheckSkipped("is not installed as a distribution") from None
        expect("Summary" in described, f"plugin {self.name}: distribution {distribution} has no description")
        classified = [line for line in described.get_all("Classifier") or [] if line.startswith("License ::")]
        licensed = "License-Expression" in described or "License" in described or classified
        expect(licensed, f"plugin {self.name}: distribution {distribution} states no licence")
        needed = [requirement.lower() for requirement in requires(distribution) or []]
        expect(
            distribution == "tlcore" or any(requirement.startswith("tlcore") for requirement in needed),
            f"plugin {self.name}: distribution {distribution} does not require tlcore; add it to its dependencies",
        )
