"""Plugins that break in every way; none of them may take anything else down."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import write_distribution
from tlcore import HeadSpec, Registry, TlcoreError, hookimpl
from tlcore.errors import NameConflictError, PluginError, UnknownNameError
from tlcore.plugins import Plugin, installed_plugins

HEADER = "from tlcore.hookspecs import hookimpl\nfrom tlcore.specs import BackboneSpec, HeadSpec\n"


def head_source(name: str, factory: str = "tlcore_heads.linear:create") -> str:
    return (
        f"{HEADER}@hookimpl\ndef tlcore_heads():\n"
        f"    return [HeadSpec(name={name!r}, summary='a head', factory={factory!r})]\n"
    )


BROKEN = {
    "at-import": ("1 / 0", "import failed: ZeroDivisionError: division by zero"),
    "exits": ("raise SystemExit(3)", "import failed: SystemExit: 3"),
    "syntax": ("def (:", "import failed: SyntaxError"),
    "wants-missing": ("import no_such_module_at_all", "import failed: ModuleNotFoundError: No module named"),
    "hook-raises": (f"{HEADER}@hookimpl\ndef tlcore_heads():\n    raise ValueError('no heads today')",
                    "tlcore_heads failed: ValueError: no heads today"),
    "unknown-hook": (f"{HEADER}@hookimpl\ndef tlcore_haeds():\n    return []",
                     "registration failed: PluginValidationError: unknown hook 'tlcore_haeds'"),
    "wrong-signature": (f"{HEADER}@hookimpl\ndef tlcore_heads(color):\n    return []", "registration failed: PluginValidationError"),
    "wrong-type": (f"{HEADER}@hookimpl\ndef tlcore_heads():\n    return ['linear']",
                   "tlcore_heads failed: PluginError: tlcore_heads must return HeadSpec records, got str"),
    "none": (f"{HEADER}@hookimpl\ndef tlcore_heads():\n    return 3", "tlcore_heads failed: TypeError"),
    "bad-name": (head_source("Has Space"), "must be lower-case letters"),
    "bad-factory": (head_source("fine", "nowhere"), "is not of the form 'package.module:attribute'"),
    "twice": (f"{HEADER}@hookimpl\ndef tlcore_heads():\n    s = HeadSpec(name='x', summary='', factory='a:b')\n    return [s, s]",
              "lists head 'x' twice"),
    "newer": ("TLCORE_API_VERSION = 99\n" + head_source("future"), "needs plugin API version 99, this tlcore speaks 1; upgrade tlcore"),
    "no-hooks": ("pass", "implements no hook of tlcore"),
    "error-without-text": ("class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E", "(its message cannot be shown)"),
}  # fmt: skip


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "site"


def by_distribution(registry: Registry) -> dict[str, Plugin]:
    return {plugin.distribution: plugin for plugin in registry.plugins if plugin.distribution != "tlcore"}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_reported_and_the_rest_works(site: Path, kind: str) -> None:
    source, told = BROKEN[kind]
    write_distribution(site, f"tlcore-{kind}", f"broken_{kind.replace('-', '_')}", source)
    write_distribution(site, "tlcore-healthy", f"healthy_{kind.replace('-', '_')}", head_source("healthy"))
    registry = Registry()
    plugin = by_distribution(registry)[f"tlcore-{kind}"]
    assert plugin.status == "broken"
    assert told in plugin.errors[0]
    assert by_distribution(registry)["tlcore-healthy"].status == "ok"
    assert {"healthy", "linear"} <= {offer.spec.name for offer in registry.offers("head")}


def test_a_plugin_broken_in_one_hook_keeps_what_its_others_list(site: Path) -> None:
    source = head_source("spared") + "@hookimpl\ndef tlcore_backbones():\n    raise OSError('no network')\n"
    write_distribution(site, "tlcore-half", "half_broken", source)
    registry = Registry()
    assert by_distribution(registry)["tlcore-half"].errors == ("tlcore_backbones failed: OSError: no network",)
    assert registry.resolve("head", "spared").offer.plugin.distribution == "tlcore-half"


def test_asking_for_what_a_broken_plugin_may_offer_tells_its_error(site: Path) -> None:
    write_distribution(site, "tlcore-special", "special_broken", "raise RuntimeError('cannot find libfoo')")
    with pytest.raises(UnknownNameError) as error:
        Registry().resolve("head", "special")
    assert "unknown head 'special'" in str(error.value)
    assert "tlcore-special 1.0 (tlcore-special) is broken: import failed: RuntimeError: cannot find libfoo" in str(
        error.value
    )
    assert isinstance(error.value.__cause__, RuntimeError)


def test_two_plugins_with_one_name_are_both_reported_and_full_names_work(site: Path) -> None:
    write_distribution(site, "tlcore-one", "one_of_two", head_source("same"), version="1.2")
    write_distribution(site, "tlcore-two", "two_of_two", head_source("same"), version="3.4")
    registry = Registry()
    plugins = by_distribution(registry)
    assert {plugin.status for plugin in plugins.values()} == {"conflict"}
    assert plugins["tlcore-one"].errors == ("head 'same' is also in tlcore-two 3.4 (tlcore-two)",)
    assert plugins["tlcore-two"].errors == ("head 'same' is also in tlcore-one 1.2 (tlcore-one)",)
    with pytest.raises(NameConflictError, match=r"tlcore-one:same \(tlcore-one 1\.2 .*tlcore-two:same \(tlcore-two 3\.4"):
        registry.resolve("head", "same")
    assert registry.resolve("head", "tlcore-two:same").offer.plugin.version == "3.4"
    assert registry.resolve("head", "tlcore_two:same").offer.plugin.version == "3.4"
    assert registry.resolve("head", "linear").offer.plugin.distribution == "tlcore"


def test_one_entry_point_name_in_two_distributions_is_reported_and_both_load(site: Path) -> None:
    write_distribution(site, "tlcore-a", "shared_a", head_source("from-a"), entry_point="extra")
    write_distribution(site, "tlcore-b", "shared_b", head_source("from-b"), entry_point="extra")
    registry = Registry()
    assert by_distribution(registry)["tlcore-a"].errors == ("entry-point name 'extra' is also in tlcore-b 1.0 (extra)",)
    assert {"from-a", "from-b"} <= {offer.spec.name for offer in registry.offers("head")}


def test_a_plugin_that_takes_a_built_in_name_is_a_conflict(site: Path) -> None:
    write_distribution(site, "tlcore-thief", "thief", head_source("linear"))
    registry = Registry()
    with pytest.raises(NameConflictError, match=r"tlcore-thief:linear .*, tlcore:linear \(tlcore "):
        registry.resolve("head", "linear")
    assert registry.resolve("head", "tlcore:linear").offer.plugin.entry_point == "heads"


@pytest.mark.parametrize("name", ["tlcore-off", "tlcore_Off", "off-point", "tlcore-off:off-point"])
@pytest.mark.parametrize("way", ["argument", "environment", "file"])
def test_a_plugin_switched_off_is_never_imported(site: Path, monkeypatch: pytest.MonkeyPatch, way: str, name: str) -> None:
    write_distribution(site, "tlcore-off", "switched_off", "raise AssertionError('imported')", entry_point="off-point")
    if way == "environment":
        monkeypatch.setenv("TLCORE_DISABLE_PLUGINS", f"other, {name}")
    elif way == "file":
        home = site.parent / "home"
        home.mkdir()
        (home / "config.toml").write_text(f"[plugins]\ndisabled = ['{name}']\n")
        monkeypatch.setenv("TLCORE_HOME", str(home))
    plugin = by_distribution(Registry(disabled=[name] if way == "argument" else []))["tlcore-off"]
    assert (plugin.status, plugin.errors, plugin.import_milliseconds) == ("disabled", (), None)


def test_an_unreadable_configuration_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text("[plugins\n")
    monkeypatch.setenv("TLCORE_HOME", str(tmp_path))
    with pytest.raises(TlcoreError, match=r"config\.toml: not a readable TOML file"):
        _ = Registry().plugins


def test_listing_installed_plugins_imports_none(site: Path) -> None:
    write_distribution(site, "tlcore-mine", "mined_module", "raise AssertionError('imported')")
    assert "tlcore-mine" in {plugin.distribution for plugin in installed_plugins()}


def test_registries_with_different_plugins_live_side_by_side() -> None:
    module = ModuleType("given")

    def heads() -> list[HeadSpec]:
        return [HeadSpec(name="given", summary="", factory="tlcore_heads.linear:create")]

    module.tlcore_heads = hookimpl(heads, specname="tlcore_heads")  # type: ignore[attr-defined]
    with_module, without = Registry([module], installed=False), Registry(installed=False)
    assert [offer.spec.name for offer in with_module.offers("head")] == ["given"]
    assert without.offers("head") == ()


@pytest.mark.parametrize(
    ("factory", "told"),
    [("builtins:dict", "returned dict, expected tlcore.Head"),
     ("builtins:no_such", "failed on 'odd': AttributeError"),
     ("no_such_package.x:y", "needs the package 'no_such_package', which is not installed: pip install no_such_package")],
)  # fmt: skip
def test_a_factory_that_fails_names_its_plugin(site: Path, factory: str, told: str) -> None:
    module = f"odd_{factory.partition(':')[2]}"
    source = head_source("odd", factory.replace("builtins:dict", f"{module}:make"))
    write_distribution(site, "tlcore-odd", module, source + "def make(argument, options):\n    return {}\n")
    with pytest.raises(PluginError) as error:
        Registry().head("odd")
    assert told in str(error.value)
    assert "tlcore-odd 1.0" in str(error.value)


def test_thirty_plugins_three_of_them_bad(tmp_path: Path, run_tl: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    site = tmp_path / "many"
    for number in range(27):
        source = f"{HEADER}@hookimpl\ndef tlcore_backbones():\n    return [BackboneSpec(name='bb{number}', summary='', factory='a:b')]\n"
        write_distribution(site, f"tlcore-p{number}", f"many_p{number}", source)
    write_distribution(site, "tlcore-bad-import", "many_bad_import", "raise RuntimeError('bad import')")
    write_distribution(site, "tlcore-bad-hook", "many_bad_hook", f"{HEADER}@hookimpl\ndef tlcore_backbones():\n    1 / 0\n")
    write_distribution(site, "tlcore-bad-name", "many_bad_name",
                       f"{HEADER}@hookimpl\ndef tlcore_backbones():\n    return [BackboneSpec(name='bb3', summary='', factory='a:b')]\n")  # fmt: skip
    environment = {"PYTHONPATH": str(site)}
    listed = run_tl("backbones", "--json", env=environment)
    assert listed.returncode == 0, listed.stderr
    names = [entry["name"] for entry in json.loads(listed.stdout)]
    assert {f"bb{number}" for number in range(27)} <= set(names)
    shown = json.loads(run_tl("plugins", "--json", env=environment).stdout)
    status = {entry["distribution"]: entry["status"] for entry in shown}
    assert (status["tlcore-bad-import"], status["tlcore-bad-hook"]) == ("broken", "broken")
    assert (status["tlcore-bad-name"], status["tlcore-p3"]) == ("conflict", "conflict")
    assert status["tlcore-p4"] == "ok"
    assert all(entry["import_milliseconds"] is not None for entry in shown)
