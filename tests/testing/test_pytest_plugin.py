"""`pytest --tlcore-check NAME` runs the conformance kit, and the fixtures give a plugin's tests a home of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import write_distribution

WRONG = """
from tlcore.hookspecs import hookimpl
from tlcore.specs import HeadSpec

@hookimpl
def tlcore_heads():
    return [HeadSpec(name="mute", summary="says nothing of its licence", factory="tlcore_heads.linear:create")]
"""


def run_pytest(folder: Path, *arguments: str, site: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--rootdir", str(folder), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(site or "")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_plugin_that_keeps_its_contract_passes(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "--tlcore-check", "tlcore:heads", "-k", "linear or plugin")
    assert done.returncode == 0, done.stdout
    assert "PASSED ::head linear::test_spec_is_documented" in done.stdout


def test_one_that_does_not_fails_by_name_and_reason(tmp_path: Path) -> None:
    write_distribution(tmp_path / "site", "tlcore-mute", "tlcore_mute", WRONG)
    arguments = ["--tlcore-check", "tlcore-mute", "-k", "documented"]
    done = run_pytest(tmp_path, *arguments, site=tmp_path / "site")
    assert done.returncode == 1, done.stdout
    assert "FAILED ::head mute::test_spec_is_documented" in done.stdout
    assert "the spec states no licence; bundles keep it" in done.stdout


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        pytest.param("headz", 4, "no installed plugin is called 'headz'; did you mean 'heads'?", id="unknown"),
        pytest.param("timm", 0, "needs an argument to be checked; give one: --tlcore-with 'hf-hub:", id="needs-argument"),
    ],
)
def test_what_cannot_be_checked_is_told(tmp_path: Path, name: str, code: int, told: str) -> None:
    done = run_pytest(tmp_path, "--tlcore-check", name, "-k", "hf-hub")
    assert done.returncode == code, done.stdout
    assert told in done.stdout + done.stderr


def test_fixtures(tlcore_home: Path, tlcore_registry: object) -> None:
    from tlcore import Registry
    from tlcore.machine.paths import cache_directory

    assert isinstance(tlcore_registry, Registry)
    assert cache_directory().is_relative_to(tlcore_home)


def test_pytest_without_it_imports_nothing_of_tlcore(tmp_path: Path) -> None:
    (tmp_path / "test_light.py").write_text(
        "import sys\n\ndef test_light():\n"
        "    loaded = {name for name in sys.modules if name.partition('.')[0] == 'tlcore'}\n"
        "    assert loaded <= {'tlcore', 'tlcore.version', 'tlcore.pytest_plugin'}, loaded\n"
    )
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout
