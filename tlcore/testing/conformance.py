"""What all conformance classes share: the subject, how a check fails or is skipped, and running without pytest."""

from __future__ import annotations

import json
import time
import unittest
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar, Literal

import numpy as np

from tlcore.errors import PluginError, TlcoreError
from tlcore.registry import Reference, Registry

Outcome = Literal["passed", "failed", "skipped"]


class ConformanceFailure(AssertionError):
    """A plugin object does not keep its contract; the text says what was expected and what came."""


class CheckSkipped(unittest.SkipTest):
    """A check does not apply; the text says why. pytest shows it as a skip."""


def expect(condition: object, message: str) -> None:
    """Raise `ConformanceFailure` with `message` unless the condition holds.

    >>> expect(1 + 1 == 2, "arithmetic is broken")
    """
    if not condition:
        raise ConformanceFailure(message)


def expect_json(record: Mapping[str, Any], whose: str) -> None:
    """Raise `ConformanceFailure` unless a record can be written as strict JSON."""
    try:
        json.dumps(dict(record), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConformanceFailure(f"{whose} is not JSON: {error}") from error


class Conformance(ABC):
    """Checks that an object offered by a plugin keeps its kind's contract.

    Subclass one of its kinds in a test module, name what is tested, and pytest runs every check::

        class TestMyBackbone(BackboneConformance):
            name = "my-backbone"
            options = {"cells": 8}

    Attributes:
        kind: the name of one of `tlcore.specs.KINDS`; set by the kind's class.
        name: as a person would give it to `Registry`, with its argument where it takes one.
        options: option name to value.
        modules: modules that implement the hooks, where the plugin is not installed; installed plugins are found anyway.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    options: ClassVar[Mapping[str, object]] = {}
    modules: ClassVar[Sequence[ModuleType]] = ()

    @property
    def subject(self) -> Any:
        """The object under test, made once for all checks of a class."""
        cls = type(self)
        if "_subject" not in vars(cls):
            cls._subject = cls.make()  # type: ignore[attr-defined]
        return cls._subject  # type: ignore[attr-defined]

    @classmethod
    def registry(cls) -> Registry:
        """Return the registry the subject is found in."""
        return Registry(cls.modules)

    @classmethod
    def make(cls) -> Any:
        """Make a fresh subject."""
        return getattr(cls.registry(), cls.kind)(cls.name, cls.options)

    @classmethod
    def reference(cls) -> Reference:
        """Return what the name resolves to: the spec, its plugin and the argument."""
        return cls.registry().resolve(cls.kind, cls.name)

    @abstractmethod
    def use(self) -> None:
        """Use the subject as a caller would, for the check on global state. Each kind has its own."""

    def test_spec_is_documented(self) -> None:
        """The spec has a one-line summary and a licence, every option has a help text, the factory has a docstring."""
        from tlcore.options import describe_options
        from tlcore.specs import import_target

        spec = self.reference().offer.spec
        expect(spec.summary.strip(), f"{self.name}: the spec has no summary; listings show it")
        expect(
            "\n" not in spec.summary and len(spec.summary) <= 120,
            f"{self.name}: the summary must be one line of at most 120 characters, got {spec.summary!r}",
        )
        expect(spec.licence.strip(), f"{self.name}: the spec states no licence; bundles keep it")
        silent_options = [option.name for option in describe_options(spec.options) if not option.help.strip()]
        expect(
            not silent_options,
            f"{self.name}: option {', '.join(silent_options)} has no help text; give it metadata={{'help': ...}}",
        )
        factory = import_target(spec.factory)
        expect((factory.__doc__ or "").strip(), f"{self.name}: the factory {spec.factory} has no docstring")

    def test_options_have_working_defaults(self) -> None:
        """Options that are given none can be made, and making them twice gives equal records."""
        spec = self.reference().offer.spec
        try:
            expect(spec.options() == spec.options(), f"{self.name}: options made twice with no values differ")
        except TypeError as error:
            raise ConformanceFailure(f"{self.name}: an option has no default: {error}") from error

    def test_refuses_a_senseless_argument(self) -> None:
        """A wrong argument raises a `TlcoreError` of one line that repeats what was asked for."""
        spec = self.reference().offer.spec
        if spec.argument is None:
            raise CheckSkipped("takes no argument")
        wrong = "no-such-thing-here"
        try:
            getattr(self.registry(), self.kind)(f"{spec.name}:{wrong}", {})
        except PluginError as error:
            raise ConformanceFailure(
                f"{self.name}: a wrong argument must raise a TlcoreError of its own, it failed with: {error}"
            ) from error
        except TlcoreError as error:
            told = str(error)
            expect("\n" not in told, f"{self.name}: the error for a wrong argument must be one line, got {told!r}")
            expect(wrong in told, f"{self.name}: the error for the wrong argument {wrong!r} does not repeat it: {told!r}")
        else:
            raise ConformanceFailure(f"{self.name}: the wrong argument {wrong!r} was accepted; raise a TlcoreError")

    def test_using_it_changes_no_global_state(self) -> None:
        """Making and using it leaves random states, logging, warnings, environment, threads and the like as they were."""
        from tlcore.testing.process_state import advance_random_states, changes, process_state

        advance_random_states()
        before = process_state()
        self.make()
        self.use()
        changed = changes(before, process_state())
        expect(not changed, f"{self.name}: making and using it changed {'; '.join(changed)}")


@dataclass(frozen=True)
class CheckResult:
    """What one check gave.

    Attributes:
        subject: what was checked, for instance ``"head linear"``.
        check: the check's name without ``test_``.
        outcome: ``"passed"``, ``"failed"`` or ``"skipped"``.
        message: why it failed or was skipped; empty where it passed.
        seconds: wall time.
    """

    subject: str
    check: str
    outcome: Outcome
    message: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def check_names(suite: type) -> tuple[str, ...]:
    """Return the names of a class's checks, in the order they are defined."""
    found: dict[str, None] = {}
    for cls in reversed(suite.__mro__):
        found |= dict.fromkeys(name for name in vars(cls) if name.startswith("test_"))
    return tuple(found)


def run_checks(suite: Any, subject: str, only: Sequence[str] | None = None) -> Iterator[CheckResult]:
    """Run a conformance class without pytest.

    Args:
        suite: a subclass of `Conformance`, `PluginConformance` or `CommandConformance`.
        subject: how results call what is checked.
        only: names of checks to run, with ``test_``; None runs all.

    Yields:
        One result per check, or a single failed ``"make"`` where the subject cannot even be made.
    """
    if hasattr(suite, "subject"):
        made = _run(subject, "make", lambda: suite().subject)
        if made.outcome != "passed":
            yield made
            return
    for name in check_names(suite) if only is None else only:
        yield _run(subject, name.removeprefix("test_"), getattr(suite(), name))


def _run(subject: str, check: str, function: Callable[[], None]) -> CheckResult:
    started = time.perf_counter()
    outcome: Outcome = "passed"
    message = ""
    try:
        function()
    except unittest.SkipTest as skipped:
        outcome, message = "skipped", str(skipped)
    except (ConformanceFailure, TlcoreError) as failure:
        outcome, message = "failed", str(failure)
    except Exception as error:  # noqa: BLE001  the plugin boundary: whatever the subject raises is the result
        outcome, message = "failed", f"raised {type(error).__name__}: {' '.join(str(error).split())}"
    return CheckResult(subject, check, outcome, message, round(time.perf_counter() - started, 3))


def relative_error(got: np.ndarray, wanted: np.ndarray) -> float:
    """Return the largest difference as a share of the largest wanted magnitude.

    >>> round(relative_error(np.array([1.0, 2.2]), np.array([1.0, 2.0])), 3)
    0.1
    """
    if got.shape != wanted.shape:
        return float("inf")
    scale = max(1e-6, float(np.abs(wanted).max(initial=0.0)))
    return float(np.abs(got.astype(np.float64) - wanted.astype(np.float64)).max(initial=0.0)) / scale
