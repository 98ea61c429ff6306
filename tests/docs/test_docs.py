"""The documentation says what the code does: its reference is written from it, its commands and snippets are tried."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

import tlcore
from tlcore.errors import TlcoreError
from tlcore_cli.main import tl

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def reference(name: str = "reference") -> ModuleType:
    found = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["reference", "reference_commands", "reference_api"])
def test_the_reference_is_what_the_code_says(name: str) -> None:
    found = reference(name)
    assert found.PAGE.read_text(encoding="utf-8") == found.page(), f"run 'python docs/{name}.py'"


def test_help_in_the_reference_is_what_commands_show() -> None:
    """The same as `tl` itself makes, which click keeps for whoever asks next."""
    shown = CliRunner().invoke(tl, ["train", "--help"], prog_name="tl", terminal_width=100)
    options = shown.output.partition("Options:")[2].partition("Examples:")[0]
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert shown.exit_code == 0 and "-h, --help" in options
    assert [" ".join(line.split()) for line in text.splitlines() if "Show this message" in line] == [
        "-h, --help Show this message and exit."
    ] * text.count("```text")


def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="mkdocs is not installed (pip install 'tlcore[docs]')")
    pytest.importorskip("material", reason="mkdocs-material is not installed (pip install 'tlcore[docs]')")
    command = ["mkdocs", "build", "--strict", "--config-file", str(ROOT / ".ci" / "mkdocs.yml"), "--site-dir", str(tmp_path)]
    built = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert "Take a network trained" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_a_hook_without_a_docstring_fails_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tlcore.hookspecs.tlcore_heads, "__doc__", None)
    with pytest.raises(SystemExit, match="tlcore_heads has no docstring"):
        reference().page()


def examples() -> list[str]:
    """Every example in the help of commands; the commands of the other pages are run (`test_every_command.py`)."""
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8").replace("\\\n", " ")
    listed = "".join(re.findall(r"^ *(?:Examples|Start here):\n((?: +\S.*\n)+)", text, re.M))
    return [re.split(r"\s[|>&]| {2,}", line)[0] for line in re.findall(r"^ +(tl .*)$", listed, re.M)]


@pytest.mark.parametrize("line", sorted(set(examples())))
def test_examples_of_commands_are_understood(line: str) -> None:
    parse(shlex.split(line)[1:])


def parse(arguments: list[str]) -> None:
    """Read a command line as `tl` would, without running it."""
    context = click.Context(tl, info_name="tl", **tl.context_settings)
    command: click.Command = tl
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        found = command.get_command(context, arguments[0])
        if found is None:
            raise click.UsageError(f"there is no command {arguments[0]!r}", context)
        command, name, arguments = found, arguments[0], arguments[1:]
        context = click.Context(command, info_name=name, parent=context)
    try:
        command.parse_args(context, list(arguments))
    except click.exceptions.Exit:
        return  # --help, --version


@pytest.mark.parametrize("line", ["tl trian photos", "tl train photos --backbne x", "tl plugins instal x"])
def test_a_command_that_does_not_exist_is_found(line: str) -> None:
    with pytest.raises((click.UsageError, TlcoreError)):
        parse(shlex.split(line)[1:])


def snippets() -> Iterator[tuple[str, str]]:
    for page in sorted((ROOT / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for indent, block in re.findall(r"^( *)```python\n(.*?)^ *```", text, re.S | re.M):
            yield page.name, "\n".join(line.removeprefix(indent) for line in block.splitlines())


@pytest.mark.parametrize(("page", "snippet"), list(snippets()), ids=lambda value: value.split("\n")[0][:50])
def test_documented_snippets_run(page: str, snippet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = ModuleType("snippet")
    monkeypatch.setitem(sys.modules, "snippet", module)
    exec(compile(snippet, page, "exec"), vars(module))


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        if page.is_file():
            for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
                assert "://" in target or (page.parent / target).exists(), f"{page.name}: {target}"
