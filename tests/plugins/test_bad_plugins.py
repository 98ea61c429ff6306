"""Plugins that misbehave: each is contained and named, and everything else works."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tlcore import Registry, containment
from tlcore.errors import NameConflictError, PluginError, UnknownNameError
from tlcore.plugins import Plugin, load_plugins
from tlcore.testing.process_state import changes, process_state

pytestmark = pytest.mark.usefixtures("unchecked_types")


HEAD = """
from tlcore import HeadSpec, hookimpl
TLCORE_API_VERSION = 1
@hookimpl
def tlcore_heads():
    return [HeadSpec(name="{name}", summary="a head", factory="{name}:create", licence="MIT")]
"""

Install = Callable[[str, str], None]


def install_into(folder: Path, name: str, text: str) -> None:
    """Put a module and the metadata of a distribution that names it as a plugin into a folder."""
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    information = folder / f"{name}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (information / "entry_points.txt").write_text(f"[tlcore]\n{name} = {name}\n", encoding="utf-8")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Install plugins for this process."""
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda name, text: install_into(tmp_path, name, text)
    for file in tmp_path.glob("*.py"):
        sys.modules.pop(file.stem, None)


def loaded(name: str) -> Plugin:
    """Load all plugins, see that the built-in ones work, and return one."""
    plugins = {plugin.distribution: plugin for plugin in load_plugins()}
    assert plugins["tlcore"].status == "ok"
    own = [offer.spec.name for offer in Registry().offers("head") if offer.plugin.distribution == "tlcore"]
    assert own == ["auto", "cosine", "discriminant", "knn", "linear", "mlp", "prototype"]
    return plugins[name]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("raise RuntimeError('no luck')", "import failed: RuntimeError: no luck"),
        ("import sys; sys.exit(3)", "import failed: SystemExit: 3"),
        ("import no_such_package", "import failed: ModuleNotFoundError: No module named 'no_such_package'"),
        ("def", "import failed: SyntaxError: "),
        ("TLCORE_API_VERSION = 99\n", "needs plugin API version 99, this tlcore speaks 1; upgrade tlcore"),
        ("class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd", "import failed: Odd: (its message"),
        (HEAD.format(name="odd").replace("tlcore_heads", "tlcore_heds"), "registration failed"),
        (HEAD.format(name="odd").replace("return [", "raise SystemExit; return ["), "tlcore_heads failed: SystemExit"),
        (
            "class Odd:\n    def __repr__(self): raise RuntimeError('unspeakable')\n"
            + HEAD.format(name="odd").replace('"a head"', "Odd()"),
            "tlcore_heads failed: RuntimeError: unspeakable",
        ),
    ],
    ids=["raises", "exits", "lacks a package", "is no Python", "newer API", "error without text", "misspelt hook",
         "hook exits", "repr raises"],
)  # fmt: skip
def test_a_broken_plugin_is_named_and_the_rest_works(text: str, told: str, install: Install) -> None:
    install("odd", text)
    plugin = loaded("odd")
    assert plugin.status == "broken"
    assert plugin.errors[0].startswith(told)
    with pytest.raises(UnknownNameError, match=r"plugin odd 1\.0 \(odd\) is broken: "):
        Registry().head("odd")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("print('hello there')", "prints when it is loaded: 'hello there'"),
        ("import logging; logging.root.addHandler(logging.StreamHandler())", "changes logging when it is loaded (undone)"),
        ("import warnings; warnings.simplefilter('ignore')", "changes warnings filters when it is loaded (undone)"),
        ("import sys; sys.excepthook = print", "changes exception hooks when it is loaded (undone)"),
        ("import os; os.environ['ODD'] = 'x'", "changes the environment when it is loaded (undone)"),
        ("import random; random.seed(1)", "changes the random state when it is loaded (undone)"),
        (
            "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
            "changes signal handlers when it is loaded (undone)",
        ),
        ("import sys, io; sys.stdout = io.StringIO()", "changes the standard streams when it is loaded (undone)"),
        ("import time; time.sleep(0.2)", "s to load"),
    ],
)
def test_a_rude_plugin_works_and_what_it_did_is_undone(
    text: str, told: str, install: Install, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(containment, "SLOW_SECONDS", 0.1)
    install("odd", text + HEAD.format(name="odd"))
    load_plugins()
    sys.modules.pop("odd")
    before = process_state()
    plugin = loaded("odd")
    assert changes(before, process_state()) == []
    assert plugin.status == "ok"
    assert told in plugin.notes[0]
    assert capfd.readouterr() == ("", "")


def test_threads_that_a_plugin_starts_are_named(install: Install) -> None:
    install("odd", "import threading\nthreading.Thread(target=threading.Event().wait, args=(2,), name='mine').start()"
            + HEAD.format(name="odd"))  # fmt: skip
    assert loaded("odd").notes == ("starts threads when it is loaded: mine",)


def test_what_other_threads_print_meanwhile_is_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    import threading

    notes: list[str] = []
    with containment.contained(notes):
        sys.stdout.write("from this thread\n")
        other = threading.Thread(target=print, args=("from another",))
        other.start()
        other.join()
    assert capsys.readouterr().out == "from another\n"
    assert notes == ["prints when it is loaded: 'from this thread'"]


def test_a_plugin_that_takes_a_built_in_name_is_named_and_both_can_be_had(install: Install) -> None:
    install("odd", HEAD.format(name="linear"))
    registry = Registry()
    plugins = {plugin.key: plugin for plugin in registry.plugins}
    assert plugins["odd:odd"].status == "conflict"
    assert "head 'linear' is also in tlcore" in plugins["odd:odd"].errors[0]
    with pytest.raises(NameConflictError, match=r"name one in full: .*odd:linear \(odd 1\.0 \(odd\)\).*tlcore:linear"):
        registry.head("linear")
    assert registry.head("tlcore:linear") is not None


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("raise SystemExit(4)", "plugin odd 1.0 (odd) failed on 'odd': SystemExit: 4"),
        ("raise KeyError('x')", "plugin odd 1.0 (odd) failed on 'odd': KeyError: 'x'"),
        ("return 3", "odd 1.0 (odd): odd:create returned int, expected tlcore.Head"),
        ("import no_such_package", "needs the package 'no_such_package', which is not installed"),
    ],
)
def test_a_factory_that_fails_is_named(body: str, told: str, install: Install) -> None:
    install("odd", f"{HEAD.format(name='odd')}\ndef create(argument, options):\n    {body}\n")
    with pytest.raises(PluginError) as raised:
        Registry().head("odd")
    assert told in str(raised.value)


@pytest.fixture(scope="module")
def tl(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run tl where one plugin exits, one prints, one is slow and says when it is imported, and one changes logging."""
    site = tmp_path_factory.mktemp("site")
    marker = site / "imported"
    install_into(
        site, "slow", f"open({str(marker)!r}, 'w').close()\nimport time; time.sleep(20)\n" + HEAD.format(name="slow")
    )
    install_into(site, "quits", "import sys; sys.exit(0)")
    install_into(site, "talks", "print('{not json')\nimport logging; logging.basicConfig()\n" + HEAD.format(name="talks"))
    environment = {**os.environ, "PYTHONPATH": str(site), "TLCORE_HOME": str(site / "home")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tlcore_cli", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    run.marker = marker  # type: ignore[attr-defined]
    return run


def test_recovery_imports_no_plugin(tl: Any) -> None:
    for arguments in (["--version"], ["--help"], ["plugins", "list", "--json"], ["plugins", "freeze"],
                      ["plugins", "disable", "quits"], ["plugins", "enable", "quits"],
                      ["plugins", "uninstall", "slow", "--dry-run"],
                      ["plugins", "disable", "slow"]):  # fmt: skip
        started = time.perf_counter()
        done = tl(*arguments)
        assert done.returncode == 0, done.stderr
        assert not tl.marker.exists(), f"{arguments} imported a plugin"
        assert time.perf_counter() - started < 15
    listed = json.loads(tl("heads", "--json").stdout)
    assert {entry["name"] for entry in listed} >= {"linear", "talks"}
    report = {entry["distribution"]: entry for entry in json.loads(tl("plugins", "--json").stdout)}
    assert report["slow"]["status"] == "disabled"
    assert report["quits"]["errors"] == ["import failed: SystemExit: 0"]
    assert report["talks"]["notes"][1] == "prints when it is loaded: '{not json'"
    assert not tl.marker.exists()


def test_doctor_names_them(tl: Any) -> None:
    findings = {finding["subject"]: finding for finding in json.loads(tl("doctor", "--json").stdout)}
    assert findings["plugin slow"]["told"] == "switched off"
    assert findings["plugin quits"]["verdict"] == "problem"
    assert findings["plugin quits"]["remedy"].endswith("'tl plugins disable quits' or 'tl plugins uninstall quits'")
    assert findings["plugin talks"]["verdict"] == "warning"
    assert findings["plugin tlcore"]["verdict"] == "ok"


def test_loading_leaves_logging_to_the_application(install: Install) -> None:
    handler = logging.NullHandler()
    logging.root.addHandler(handler)
    try:
        install("odd", "import logging\nlogging.root.handlers.clear()" + HEAD.format(name="odd"))
        load_plugins()
        assert handler in logging.root.handlers
    finally:
        logging.root.removeHandler(handler)
