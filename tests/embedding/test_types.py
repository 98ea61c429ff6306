"""Programs that embed tlcore are typed: the examples pass pyright's strict mode, and a wrong use does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def problems(folder: Path) -> list[dict[str, Any]]:
    """Return what pyright finds in a folder's Python files by the project's settings."""
    pytest.importorskip("pyright", reason="pyright is not installed")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if not done.stdout.lstrip().startswith("{"):
        pytest.skip(f"pyright cannot start here: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
    found: list[dict[str, Any]] = json.loads(done.stdout)["generalDiagnostics"]
    return found


def test_the_examples_are_strictly_typed() -> None:
    assert [f"{entry['file']}: {entry['message']}" for entry in problems(ROOT)] == []


def test_a_wrong_use_is_found(tmp_path: Path) -> None:
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    (tmp_path / "wrong.py").write_text("import tlcore\n\ntlcore.Preprocess(image_size='large')\n")
    assert [entry["rule"] for entry in problems(tmp_path)] == ["reportArgumentType"]
