"""`tl plugins new` writes plugins that install, pass their own tests, and work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugins.environment import Environment, build_wheel
from tlcore.errors import NameConflictError, OptionError, TlcoreError
from tlcore_cli.scaffold import SCAFFOLD_KINDS, PluginNames, write_plugin


def tl(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tlcore_cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Write a plugin of each kind; one of them by the command line."""
    parent = tmp_path_factory.mktemp("new")
    first = tl("plugins", "new", "try-backbone", "--kind", "backbone", "--output", str(parent))
    assert first.returncode == 0, first.stderr
    return [Path(first.stdout.strip()), *(write_plugin(f"try-{kind}", kind, parent) for kind in SCAFFOLD_KINDS[1:])]


@pytest.fixture(scope="module")
def environment(
    directories: list[Path],
    install_wheels: Callable[[Path], Environment],
    tmp_path_factory: pytest.TempPathFactory,
) -> Environment:
    """Build each one's wheel and install them in an environment of their own."""
    wheels = tmp_path_factory.mktemp("wheels")
    for directory in directories:
        build_wheel(directory, wheels)
    return install_wheels(wheels)


def test_it_is_the_wheel_that_is_tested(environment: Environment) -> None:
    told = environment.run(
        "-c",
        "import tlcore, tlcore_cli, tlcore_try_head; print(tlcore.__file__, tlcore_cli.__file__, tlcore_try_head.__file__)",
    )
    places = [Path(text) for text in told.stdout.split()]
    assert len(places) == 3, told.stderr
    assert all(place.is_relative_to(environment.python.parents[1]) for place in places), places


def test_their_own_tests_pass(directories: list[Path], environment: Environment, tmp_path: Path) -> None:
    suites = []
    for directory in directories:  # one process for all: their test files share a name
        suite = tmp_path / directory.name.replace("-", "_")
        suite.mkdir()
        test = (directory / "tests" / "test_plugin.py").read_text(encoding="utf-8")
        (suite / f"test_{suite.name}.py").write_text(test, encoding="utf-8")
        suites.append(str(suite))
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    done = environment.run("-m", "pytest", *options, *suites, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "failed" not in done.stdout


def test_they_work_together_from_the_command_line(environment: Environment, tmp_path: Path) -> None:
    arguments = ["train", "try-dataset", "--backbone", "try-backbone", "--head", "try-head", "--set", "backbone.grid=6"]
    trained = environment.run("-m", "tlcore_cli", *arguments, "--output", str(tmp_path / "stripes"))
    assert trained.returncode == 0, trained.stderr
    told = environment.run("-m", "tlcore_cli", "try-command", str(tmp_path / "stripes"))
    assert told.stdout.split() == ["across", "aslant", "down"]
    assert "try-visualizer" in environment.run("-m", "tlcore_cli", "visualizers").stdout


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
