"""What importing tlcore and asking `tl` for help may and may not do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import tlcore

HEAVY = {"torch", "torchvision", "timm", "sklearn", "scipy", "matplotlib", "onnxruntime", "onnx", "safetensors", "PIL"}
PLUGINS = {"tlcore_timm", "tlcore_datasets", "tlcore_heads", "tlcore_mini"}


def modules_after(code: str) -> set[str]:
    report = "\nimport json, sys\nprint(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(json.loads(done.stdout.splitlines()[-1]))


def running(*arguments: str) -> str:
    return f"import sys\nfrom tlcore_cli.main import main\ntry:\n    main({list(arguments)})\nexcept SystemExit as error:\n    assert not error.code"


def test_import_is_light_and_silent() -> None:
    found = modules_after("import tlcore")
    assert not found & (HEAVY | PLUGINS | {"numpy", "click", "rich", "pluggy"})


@pytest.mark.parametrize("arguments", [("--version",), ("--help",)], ids=" ".join)
def test_version_and_help_import_no_plugin_and_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert not modules_after(running(*arguments)) & (HEAVY | PLUGINS | {"numpy", "rich"})


@pytest.mark.parametrize(
    "arguments", [("plugins", "list"), ("plugins", "disable", "timm"), ("plugins", "enable", "timm")], ids=" ".join
)
def test_plugin_switches_import_no_plugin(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TLCORE_HOME", str(tmp_path))
    code = running(*arguments).replace("import sys", "import sys, os\nsys.stderr = open(os.devnull, 'w')", 1)
    assert not modules_after(code) & (PLUGINS | HEAVY)


@pytest.mark.parametrize(
    "arguments", [("backbones",), ("datasets",), ("heads",), ("visualizers",), ("plugins",), ("heads", "linear"), ("train", "--help")],
    ids=" ".join,
)  # fmt: skip
def test_listings_import_nothing_that_computes(arguments: tuple[str, ...]) -> None:
    assert not modules_after(running(*arguments)) & (HEAVY - {"PIL"})


def test_import_changes_nothing_in_the_process() -> None:
    code = """
import logging, os, signal, sys, threading, warnings, random
def state():
    return (list(logging.root.handlers), logging.root.level, list(warnings.filters), sys.excepthook, dict(os.environ),
            [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)], random.getstate(), threading.active_count())
import numpy, PIL.Image  # these add warning filters of their own
before = state()
import tlcore
for name in tlcore.__all__:
    getattr(tlcore, name)
tlcore.Registry().plugins
assert state() == before, "changed"
"""
    modules_after(code)


def test_every_public_name_is_there_and_documented() -> None:
    for name in tlcore.__all__:
        assert getattr(tlcore, name).__doc__ or name == "__version__", name
    assert set(tlcore.__all__) <= set(dir(tlcore))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'tlcore' has no attribute 'trian'"):
        _ = tlcore.trian
