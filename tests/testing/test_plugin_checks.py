"""The checks of whole plugins and of commands, each shown failing on a module with the fault it is there to find."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import pytest

from tlcore import Registry
from tlcore.errors import UnknownNameError
from tlcore.testing import CommandConformance, PluginConformance, check_names, run_checks
from tlcore.testing.checking import check_plugin

pytestmark = pytest.mark.usefixtures("unchecked_types")


HOOK = """
from tlcore import HeadSpec, hookimpl
{before}
@hookimpl
def tlcore_heads():
    return [HeadSpec(name="demo", summary="a head", factory="demo:create")]
"""

PLUGIN_FAULTS = [
    ("raise RuntimeError('no luck')", "loads", "RuntimeError: no luck"),
    ("import sys; sys.exit(3)", "loads", "ended the process with exit code 3"),
    ("", "states_its_api_version", "states no API version; write TLCORE_API_VERSION = 1"),
    ("import scipy", "listing_imports_nothing_heavy", "listing it imports scipy; import them in the factory's module"),
    ("import click", "listing_imports_nothing_heavy", "listing it imports click"),
    ("import time; time.sleep(1.1)", "listing_is_quick", "ms, expected under 1000"),
    ("print('hello there')", "listing_prints_nothing", "importing it prints 'hello there'"),
    ("import os; os.write(2, b'psst')", "listing_prints_nothing", "importing it prints 'psst'"),
    ("import logging; logging.basicConfig()", "listing_changes_no_global_state", "importing it changes logging handlers"),
    ("import warnings; warnings.simplefilter('ignore')", "listing_changes_no_global_state", "changes warnings filters"),
    ("import os; os.environ['ODD'] = '1'", "listing_changes_no_global_state", "importing it changes environment (ODD)"),
    ("import sys; sys.excepthook = print", "listing_changes_no_global_state", "importing it changes sys.excepthook"),
    ("import random; random.seed(1)", "listing_changes_no_global_state", "importing it changes random state"),
    (
        "import threading, time; threading.Thread(target=time.sleep, args=(9,), name='mine').start()",
        "listing_changes_no_global_state",
        "importing it changes threads (mine)",
    ),
    (
        "from PIL import ImageFile; ImageFile.LOAD_TRUNCATED_IMAGES = True",
        "listing_changes_no_global_state",
        "changes PIL.ImageFile.LOAD_TRUNCATED_IMAGES",
    ),
    (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "listing_changes_no_global_state",
        "importing it changes signal handlers (15)",
    ),
]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a module, to be found by this process and its children."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, text: str) -> str:
        Path(tmp_path, f"{name}.py").write_text(text, encoding="utf-8")
        return name

    yield write
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.mark.parametrize(("before", "check", "told"), PLUGIN_FAULTS, ids=[told for *_, told in PLUGIN_FAULTS])
def test_fault_of_a_plugin_is_found(before: str, check: str, told: str, module: Any) -> None:
    name = module("odd_plugin", HOOK.format(before=before))
    suite = type("Odd", (PluginConformance,), {"name": "odd", "module": name})
    (result,) = run_checks(suite, "odd", [f"test_{check}"])
    assert result.outcome == "failed"
    assert told in result.message


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ("Name: odd\nVersion: 1", "distribution odd has no description"),
        ("Name: odd\nVersion: 1\nSummary: odd", "distribution odd states no licence"),
        ("Name: odd\nVersion: 1\nSummary: odd\nLicense-Expression: MIT", "distribution odd does not require tlcore"),
    ],
)
def test_fault_of_a_distribution_is_found(metadata: str, told: str, module: Any, tmp_path: Path) -> None:
    name = module("odd_plugin", HOOK.format(before="TLCORE_API_VERSION = 1"))
    described = tmp_path / "odd-1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(f"Metadata-Version: 2.4\n{metadata}\n", encoding="utf-8")
    (described / "entry_points.txt").write_text(f"[tlcore]\nodd = {name}\n", encoding="utf-8")
    (result,) = run_checks(type("Odd", (PluginConformance,), {"name": "odd"}), "odd", ["test_distribution_is_described"])
    assert result.outcome == "failed"
    assert told in result.message


def test_every_plugin_check_is_shown_failing() -> None:
    shown = {f"test_{check}" for _, check, _ in PLUGIN_FAULTS} | {"test_distribution_is_described"}
    assert set(check_names(PluginConformance)) == shown


COMMAND = """
import click
{before}
@click.command()
@click.option("--times", default=1{help})
def hello(times):
    {docstring}
"""

COMMAND_FAULTS = [
    (COMMAND, {"help": "", "docstring": "'''Say hello.'''"}, "help_is_complete", "option times has no help text"),
    (
        COMMAND,
        {"help": ", help='how often'", "docstring": "pass"},
        "help_is_complete",
        "has no help text; write a docstring",
    ),
    ("hello = print", {}, "is_a_click_command", "must be a click.Command, got builtin_function_or_method"),
    (COMMAND, {"before": "import scipy"}, "imports_lightly", "importing its module imports scipy"),
    (COMMAND, {"before": "print('psst')"}, "import_has_no_side_effects", "importing its module prints 'psst'"),
    (COMMAND, {"before": "import random; random.seed(2)"}, "import_has_no_side_effects", "changes random state"),
    (
        "import click\n@click.command(context_settings={{'ignore_unknown_options': True}})\n"
        "@click.argument('rest', nargs=-1)\ndef hello(rest):\n    '''Say.'''\n",
        {},
        "refuses_an_unknown_option",
        "an unknown option must end with exit code 2, got 0",
    ),
]


@pytest.mark.parametrize(("text", "values", "check", "told"), COMMAND_FAULTS, ids=[fault[-1] for fault in COMMAND_FAULTS])
def test_fault_of_a_command_is_found(text: str, values: dict[str, str], check: str, told: str, module: Any) -> None:
    name = module("odd_command", text.format(**{"before": "", "help": "", "docstring": "pass", **values}))
    suite = type("Odd", (CommandConformance,), {"name": "hello", "target": f"{name}:hello"})
    (result,) = run_checks(suite, "hello", [f"test_{check}"])
    assert result.outcome == "failed"
    assert told in result.message


def test_every_command_check_is_shown_failing() -> None:
    assert set(check_names(CommandConformance)) == {f"test_{check}" for _, _, check, _ in COMMAND_FAULTS}


def test_a_sound_command_passes(module: Any) -> None:
    name = module("sound_command", COMMAND.format(before="", help=", help='how often'", docstring="'''Say hello.'''"))
    suite = type("Sound", (CommandConformance,), {"name": "hello", "target": f"{name}:hello"})
    assert [result.outcome for result in run_checks(suite, "hello")] == ["passed"] * len(check_names(suite))
    assert isinstance(suite().command, click.Command)


def test_checking_an_unknown_plugin_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="no installed plugin is called 'datasts'; did you mean 'datasets'"):
        next(check_plugin("datasts"))


def test_a_spec_that_needs_an_argument_says_how_to_give_one() -> None:
    results = {result.subject: result for result in check_plugin("tlcore:timm")}
    assert results["backbone local-dir"].outcome == "skipped"
    assert results["backbone local-dir"].message == ("needs an argument to be checked; give one: --with 'local-dir:PATH'")


def test_offers_are_checked() -> None:
    results = list(check_plugin("tlcore:heads"))
    subjects = {result.subject for result in results}
    assert subjects == {"plugin tlcore:heads", *(f"head {offer.spec.name}" for offer in Registry().offers("head"))}
    assert {result.outcome for result in results} <= {"passed", "skipped"}
