"""What is to go says so, and what takes its place; and it goes on working."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from types import ModuleType

import pluggy
import pytest

from tests.conftest import write_distribution
from tlcore import Head, HeadSpec, Registry, hookimpl, plugins
from tlcore.deprecation import TlcoreDeprecationWarning
from tlcore.options import make_options
from tlcore.specs import KINDS, Kind
from tlcore_heads import LinearOptions


@dataclass(frozen=True, kw_only=True)
class Options:
    strength: float = 1.0
    c: float = field(default=1.0, metadata={"help": "", "deprecated": "use 'strength'; gone in 0.4"})


def test_an_option_that_is_to_go_warns_and_works() -> None:
    assert make_options(Options, {"strength": 2}, "head x").strength == 2
    with pytest.warns(TlcoreDeprecationWarning, match="head x: option 'c' is deprecated: use 'strength'; gone in 0.4"):
        assert make_options(Options, {"c": 2}, "head x").c == 2


def old_head() -> ModuleType:
    module = ModuleType("old")

    @hookimpl
    def tlcore_heads() -> Sequence[HeadSpec]:
        advice = "use 'linear'; gone in 0.4"
        factory = "tlcore_heads.linear:create"
        return [HeadSpec(name="old", summary="", factory=factory, options=LinearOptions, deprecated=advice)]

    module.tlcore_heads = tlcore_heads  # type: ignore[attr-defined]
    return module


def test_an_object_that_is_to_go_warns_and_is_made() -> None:
    registry = Registry([old_head()], installed=False)
    with pytest.warns(TlcoreDeprecationWarning, match=r"head 'old' of .* is deprecated: use 'linear'; gone in 0\.4"):
        assert isinstance(registry.head("old"), Head)


def test_a_hook_that_is_to_go_is_noted_and_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = ModuleType("hookspecs")
    marker = pluggy.HookspecMarker("tlcore")
    for kind in KINDS:

        def listed() -> None: ...

        going = DeprecationWarning("tlcore_heads is to go; implement tlcore_classifiers") if kind.name == "head" else None
        setattr(newer, kind.hook, marker(listed, warn_on_impl=going))
    monkeypatch.setattr(plugins, "hookspecs", newer)
    plugin = plugins.plugin_from_module(old_head())
    assert plugin.notes == ("implements a deprecated hook: tlcore_heads is to go; implement tlcore_classifiers",)
    assert plugin.status == "ok" and [spec.name for spec in plugin.offers["head"]] == ["old"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_specs_of_older_plugins_stay_whole(kind: Kind) -> None:
    """A field without a default that is added later breaks every plugin written before."""
    needed = [entry.name for entry in fields(kind.spec) if entry.default is MISSING and entry.default_factory is MISSING]
    assert needed == ["name", "summary", "factory"]


def test_the_command_line_says_it_in_one_line(
    tmp_path: Path, shapes: Path, monkeypatch: pytest.MonkeyPatch, run_tl: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    source = (
        "from tlcore.hookspecs import hookimpl\nfrom tlcore.specs import HeadSpec\nfrom tlcore_heads import LinearOptions\n"
        "@hookimpl\ndef tlcore_heads():\n    return [HeadSpec(name='ridge', summary='a head', options=LinearOptions, "
        "factory='tlcore_heads.linear:create', deprecated=\"use 'linear'; gone in 0.4\")]\n"
    )
    write_distribution(tmp_path / "site", "tlcore-ridge", "tlcore_ridge", source)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    done = run_tl("train", str(shapes), "--backbone", "mini", "--head", "ridge", "--output", str(tmp_path / "bundle"))
    assert done.returncode == 0, done.stderr
    told = "tl: head 'ridge' of tlcore-ridge 1.0 (tlcore-ridge) is deprecated: use 'linear'; gone in 0.4"
    assert [line for line in done.stderr.splitlines() if "deprecated" in line] == [told]
    assert (tmp_path / "bundle" / "tlcore.json").is_file()
