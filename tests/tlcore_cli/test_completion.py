"""Completion offers what plugins list, and imports nothing heavy for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from tlcore_cli.main import main
try:
    main([])
except SystemExit:
    pass
heavy = {"torch", "timm", "sklearn", "scipy", "onnxruntime", "safetensors", "rich"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else 0)
"""


def complete(*words: str) -> list[str]:
    """Ask as bash does for completions of the last word."""
    environment = {**os.environ, "_TL_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(["tl", *words]),
                   "COMP_CWORD": str(len(words))}  # fmt: skip
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["tr"], {"train"}),
        (["train", "dig"], {"digits", "dig"}),
        (["train", "digits", "--backbone", "timm/mobilenetv2"], {"timm/mobilenetv2_100.ra_in1k"}),
        (["train", "digits", "--head", "l"], {"linear"}),
        (["train", "digits", "--head", "linear", "--set", "head.reg"], {"head.regularisation="}),
        (["heads", "li"], {"linear"}),
        (["plugins", "disable", "da"], {"datasets"}),
        (["plugins", "ins"], {"install"}),
        (["completion", "z"], {"zsh"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_names_are_completed(words: list[str], offered: set[str]) -> None:
    assert set(complete(*words)) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_asks_tl(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tlcore_cli", "completion", shell], capture_output=True, text=True, check=True
    )
    assert f"_TL_COMPLETE={shell}_complete" in done.stdout
