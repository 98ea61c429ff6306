"""`tl doctor` recognises what is wrong and says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tlcore.engines.openvino import has_openvino
from tlcore_cli import diagnosis
from tlcore_cli.main import tl

from click.testing import CliRunner  # isort: skip


def write_distribution(folder: Path, name: str, version: str, requires: str = "") -> None:
    information = folder / f"{name}-{version}.dist-info"
    information.mkdir()
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"
    (information / "METADATA").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("torch", "torchvision", "built_for", "verdict", "told"),
    [
        ("2.6.0", "0.21.0", "2.6.0", "ok", "torch 2.6.0, torchvision 0.21.0"),
        ("2.7.0", "0.21.0", "2.6.0", "problem", "torch 2.7.0, torchvision 0.21.0, which was built for torch 2.6.0"),
        ("2.6.0+cu124", "0.21.0+cpu", "2.6.0", "problem", "builds for different devices"),
    ],
)
def test_mismatched_builds_are_recognised_without_importing_them(
    torch: str, torchvision: str, built_for: str, verdict: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_distribution(tmp_path, "torch", torch)
    write_distribution(tmp_path, "torchvision", torchvision, f"Requires-Dist: torch (=={built_for})\n")
    monkeypatch.syspath_prepend(tmp_path)
    finding = diagnosis._pairing()
    assert finding.verdict == verdict
    assert told in finding.told


@pytest.mark.parametrize(
    ("error", "told", "remedy"),
    [
        (
            "RuntimeError: operator torchvision::nms does not exist",
            "builds that do not fit together",
            "install both together",
        ),
        ("OSError: libcudart.so.12: cannot open shared object file", "CUDA libraries cannot be loaded", "processor's build"),
        (
            "ModuleNotFoundError: No module named 'torch'",
            "No module named 'torch'",
            "serving an exported model needs no torch",
        ),
        ("OSError: [WinError 126] DLL load failed", "do not fit this system", "made for this system"),
    ],
)
def test_errors_of_torch_are_explained(error: str, told: str, remedy: str) -> None:
    explained, advice = diagnosis.explain_torch_error(error)
    assert told in explained
    assert remedy in advice


def test_a_torchvision_that_does_not_load_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('operator torchvision::nms does not exist')", encoding="utf-8")
    (tmp_path / "onnxruntime.py").write_text("raise OSError('libgomp.so.1 is missing')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "openvino.py").write_text("raise ImportError('libtbb.so.12 is missing')", encoding="utf-8")
    torch, onnxruntime, openvino = diagnosis._engines()
    assert (torch.verdict, onnxruntime.verdict) == ("problem", "problem")
    assert torch.told.startswith("torch and torchvision are of builds that do not fit together")
    assert onnxruntime.told == "OSError: libgomp.so.1 is missing"
    told = "ImportError: libtbb.so.12 is missing" if has_openvino() else "not installed, or too old"
    assert openvino.told.startswith(told)


def test_an_engine_that_kills_the_process_is_contained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("import os; os._exit(11)", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (finding,) = diagnosis._engines()
    assert finding.told == "importing torch, onnxruntime and openvino ended the process with exit code 11"


def test_a_configuration_that_cannot_be_read_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLCORE_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text("[plugins", encoding="utf-8")
    finding = diagnosis._configuration()
    assert finding.verdict == "problem"
    assert "not a readable TOML file" in finding.told


def test_the_report_is_json_and_hides_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLCORE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    (tmp_path / "torch.py").write_text("raise ImportError('none')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    result = CliRunner().invoke(tl, ["doctor", "--json"], standalone_mode=False)
    report = json.loads(result.stdout)
    assert str(tmp_path) not in result.stdout
    assert {"tlcore", "packages", "processors", "cache", "network", "plugin tlcore"} <= {
        entry["subject"] for entry in report
    }
    assert result.return_value == 1
