"""`tl plugins new` writes plugins that install, pass their own tests, and work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tlcore.errors import NameConflictError, OptionError, TlcoreError
from tlcore_cli.scaffold import SCAFFOLD_KINDS, PluginNames, write_plugin

Run = Callable[..., subprocess.CompletedProcess[str]]


def tl(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tlcore_cli", *arguments],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Write a plugin of each kind; one of them by the command line."""
    parent = tmp_path_factory.mktemp("new")
    first = tl("plugins", "new", "try-backbone", "--kind", "backbone", "--output", str(parent))
    assert first.returncode == 0, first.stderr
    return [Path(first.stdout.strip()), *(write_plugin(f"try-{kind}", kind, parent) for kind in SCAFFOLD_KINDS[1:])]


@pytest.fixture(scope="module")
def environment(directories: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Build each one's wheel and install them beside tlcore."""
    pytest.importorskip("hatchling", reason="building the plugins' wheels needs hatchling")
    pytest.importorskip("pip", reason="installing the plugins' wheels needs pip in this environment")
    wheels, site = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("site")
    for directory in directories:
        build = ["hatchling", "build", "--target", "wheel", "--directory", str(wheels)]
        subprocess.run([sys.executable, "-m", *build], cwd=directory, check=True, capture_output=True)
    install = ["install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target", str(site)]
    files = map(str, sorted(wheels.glob("*.whl")))
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *install, *files], check=True, capture_output=True
    )
    return {"PYTHONPATH": str(site), "TLCORE_HOME": str(tmp_path_factory.mktemp("home")), "HF_HUB_OFFLINE": "1"}


def test_their_own_tests_pass(directories: list[Path], environment: dict[str, str], tmp_path: Path) -> None:
    suites = []
    for directory in directories:  # one process for all: their test files share a name
        suite = tmp_path / directory.name.replace("-", "_")
        suite.mkdir()
        test = (directory / "tests" / "test_plugin.py").read_text(encoding="utf-8")
        (suite / f"test_{suite.name}.py").write_text(test, encoding="utf-8")
        suites.append(str(suite))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), *suites]
    done = subprocess.run(
        command, env={**os.environ, **environment}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "failed" not in done.stdout


def test_they_work_together_from_the_command_line(environment: dict[str, str], tmp_path: Path) -> None:
    arguments = ["train", "try-dataset", "--backbone", "try-backbone", "--head", "try-head", "--set", "backbone.grid=6"]
    trained = tl(*arguments, "--output", str(tmp_path / "stripes"), environment=environment)
    assert trained.returncode == 0, trained.stderr
    told = tl("try-command", str(tmp_path / "stripes"), environment=environment)
    assert told.stdout.split() == ["across", "aslant", "down"]
    assert "try-visualizer" in tl("visualizers", environment=environment).stdout


@pytest.mark.parametrize("kind", SCAFFOLD_KINDS)
def test_what_is_written(kind: str, tmp_path: Path) -> None:
    directory = write_plugin("tlcore-edge-maps", kind, tmp_path)
    written = {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}
    assert {
        "pyproject.toml", "README.md", ".gitignore", ".github/workflows/tests.yml",
        "tlcore_edge_maps/__init__.py", "tests/test_plugin.py",
    } <= written  # fmt: skip
    for name in written:
        text = (directory / name).read_text(encoding="utf-8")
        assert "$" not in text.replace("${{", ""), f"{name}: a placeholder was left"


@pytest.mark.parametrize("name", ["Edge", "edge maps", "edge_maps", "-x", "9lives", "", "tlcore-"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(OptionError, match="a plugin's name is lower-case words joined by '-'"):
        PluginNames.of(name)


def test_taken_names_and_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NameConflictError, match="'timm' is already a backbone plugin of tlcore; choose another name"):
        write_plugin("timm", "backbone", tmp_path)
    with pytest.raises(NameConflictError, match="'train' is already a command plugin of tlcore"):
        write_plugin("train", "command", tmp_path, ("train",))
    write_plugin("edge", "head", tmp_path)
    with pytest.raises(TlcoreError, match="tlcore-edge: exists already; choose another name"):
        write_plugin("edge", "head", tmp_path)
    with pytest.raises(OptionError, match="kind must be one of backbone, dataset, head, visualizer, command, got 'tail'"):
        write_plugin("edge", "tail", tmp_path)
