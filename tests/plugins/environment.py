"""Wheels, and environments made of them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Environment:
    """A virtual environment with a home of its own: what a user has after installing wheels."""

    python: Path
    home: Path

    def run(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run its Python, outside the source tree."""
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            [str(self.python), *arguments], cwd=cwd or self.home, capture_output=True, text=True, encoding="utf-8", check=False,
            env={**kept, "TLCORE_HOME": str(self.home), "HF_HUB_OFFLINE": "1"},
        )  # fmt: skip


def build_wheel(source: Path, output: Path) -> None:
    """Build the wheel of a distribution."""
    pytest.importorskip("hatchling", reason="building wheels needs hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(output)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
