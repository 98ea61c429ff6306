"""The contract of commands that plugins add to `tl`, as checks."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, ClassVar

from tlcore.testing.conformance import ConformanceFailure, expect
from tlcore.testing.listing import ListingReport, measure_listing

if TYPE_CHECKING:
    import click

ENTRY_POINT_GROUP = "tlcore.commands"
QUICK = 1000.0
"""Milliseconds that importing a command's module may take beyond what tlcore itself takes."""


class CommandConformance:
    """Checks of a command that an installed distribution adds by an entry point in the group ``tlcore.commands``.

    Attributes:
        name: the command, as typed after ``tl``.
        target: ``"package.module:attribute"``, where the distribution is not installed.
    """

    name: ClassVar[str]
    target: ClassVar[str | None] = None

    @cached_property
    def command(self) -> click.Command:
        """The command, loaded."""
        loaded: click.Command = self.entry_point().load()
        return loaded

    @classmethod
    def entry_point(cls) -> EntryPoint:
        """Return the entry point that names the command."""
        if cls.target is not None:
            return EntryPoint(cls.name, cls.target, ENTRY_POINT_GROUP)
        found = list(entry_points(group=ENTRY_POINT_GROUP, name=cls.name))
        expect(found, f"no installed distribution has an entry point {cls.name!r} in the group {ENTRY_POINT_GROUP!r}")
        return found[0]

    @cached_property
    def listing(self) -> ListingReport:
        """What importing the command's module does."""
        return measure_listing(self.entry_point().module, allowed=("click", "rich"))

    def test_is_a_click_command(self) -> None:
        """The entry point names a click command."""
        import click

        expect(
            isinstance(self.command, click.Command),
            f"command {self.name}: {self.entry_point().value} must be a click.Command, got {type(self.command).__name__}",
        )

    def test_help_is_complete(self) -> None:
        """`--help` ends well, starts with a sentence, and every option has a help text."""
        result = self._invoke(["--help"])
        expect(result.exit_code == 0, f"command {self.name}: --help ended with exit code {result.exit_code}")
        expect(inspect.cleandoc(self.command.help or ""), f"command {self.name}: has no help text; write a docstring")
        import click

        silent = [
            parameter.name or ""
            for parameter in self.command.params
            if isinstance(parameter, click.Option) and not parameter.help and not parameter.hidden
        ]
        expect(not silent, f"command {self.name}: option {', '.join(silent)} has no help text")

    def test_refuses_an_unknown_option(self) -> None:
        """An unknown option ends with exit code 2 and no traceback."""
        result = self._invoke(["--no-such-option"])
        expect(
            result.exit_code == 2,
            f"command {self.name}: an unknown option must end with exit code 2, got {result.exit_code}",
        )

    def test_imports_lightly(self) -> None:
        """Importing its module works and imports nothing heavy: completion and `tl --help` of the command do."""
        expect(not self.listing.errors, f"command {self.name}: {'; '.join(self.listing.errors)}")
        expect(
            not self.listing.heavy,
            f"command {self.name}: importing its module imports {', '.join(self.listing.heavy)}; import them when it runs",
        )
        expect(
            self.listing.milliseconds < QUICK,
            f"command {self.name}: importing its module takes {self.listing.milliseconds:.0f} ms, not under {QUICK:.0f}",
        )

    def test_import_has_no_side_effects(self) -> None:
        """Importing its module prints nothing and changes nothing global."""
        expect(not self.listing.printed, f"command {self.name}: importing its module prints {self.listing.printed[:80]!r}")
        changed = "; ".join(self.listing.changes)
        expect(not changed, f"command {self.name}: importing its module changes {changed}")

    def _invoke(self, arguments: Sequence[str]) -> Any:
        from click.testing import CliRunner

        result = CliRunner().invoke(self.command, list(arguments))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            error = result.exception
            raise ConformanceFailure(
                f"command {self.name}: {' '.join(arguments)} raised {type(error).__name__}: {error}"
            ) from error
        return result
