"""The pytest plugin of the conformance kit: ``pytest --tlcore-check NAME``, and fixtures for plugins' tests.

pytest loads it wherever tlcore is installed, so it imports nothing before it is used; ``-p no:tlcore`` leaves it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tlcore.registry import Registry
    from tlcore.testing.checking import PlannedSuite


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("tlcore", "the conformance kit of tlcore")
    group.addoption(
        "--tlcore-check",
        action="append",
        default=[],
        metavar="NAME",
        help="check an installed plugin and everything it offers; may be repeated",
    )
    group.addoption(
        "--tlcore-with",
        action="append",
        default=[],
        metavar="NAME:ARGUMENT",
        help="what to check of a spec that takes an argument; may be repeated",
    )


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add an item for each check of the plugins that were named."""
    for name in config.getoption("--tlcore-check"):
        items.extend(_items(session, name, tuple(config.getoption("--tlcore-with"))))


def _items(session: pytest.Session, name: str, arguments: tuple[str, ...]) -> Iterator[pytest.Item]:
    from tlcore.errors import TlcoreError
    from tlcore.testing import check_names
    from tlcore.testing.checking import planned_suites

    try:
        for planned in planned_suites(name, arguments):
            checks = ["make"] if planned.suite is None else check_names(planned.suite)
            for check in checks:
                yield CheckItem.from_parent(session, name=f"{planned.subject}::{check}", planned=planned, check=check)
    except TlcoreError as error:
        raise pytest.UsageError(str(error)) from error


class CheckItem(pytest.Item):
    """One check of the kit on one thing that a plugin offers."""

    def __init__(self, *, planned: PlannedSuite, check: str, **of_pytest: Any) -> None:
        super().__init__(**of_pytest)
        self._planned = planned
        self._check = check

    def runtest(self) -> None:
        """Run the check."""
        from tlcore.testing import run_checks

        if self._planned.suite is None:
            pytest.skip(self._planned.missing.replace("--with", "--tlcore-with"))
        *_, result = run_checks(self._planned.suite, self._planned.subject, [self._check])
        if result.outcome == "skipped":
            pytest.skip(result.message)
        if result.outcome == "failed":
            pytest.fail(result.message, pytrace=False)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Tell pytest how to call it."""
        return self.path, None, self.name


@pytest.fixture
def tlcore_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give tlcore a home of its own for one test: no cache, no configuration, no switched-off plugins; and no network."""
    home = tmp_path / "tlcore-home"
    monkeypatch.setenv("TLCORE_HOME", str(home))
    monkeypatch.delenv("TLCORE_DISABLE_PLUGINS", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return home


@pytest.fixture
def tlcore_registry(tlcore_home: Path) -> Registry:
    """Find everything that the installed plugins offer, in a home of its own."""
    from tlcore.registry import Registry

    return Registry()
