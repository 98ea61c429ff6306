from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import write_distribution, write_shapes
from tlcore import TrainResult, __version__

Run = Callable[..., subprocess.CompletedProcess[str]]
IN_THE_BOX = ("--backbone", "mini")


def test_the_whole_way(run_tl: Run, shapes: Path, tmp_path: Path) -> None:
    trained = run_tl("train", str(shapes), *IN_THE_BOX, "--output", "mine", "--class-weight", "balanced")
    assert trained.returncode == 0, trained.stderr
    assert "3 classes, 24 train, 6 validation, 6 test; mini + tlcore:linear" in trained.stdout
    assert "saved to mine in" in trained.stdout
    assert "untrained" not in trained.stderr
    evaluated = run_tl("evaluate", "mine", str(shapes), "--json")
    assert json.loads(evaluated.stdout)["seen"] == 30
    shown = run_tl("evaluate", "mine", str(shapes))
    assert "6 images; 30 were trained on and are passed over" in shown.stdout
    predicted = run_tl("predict", "mine", str(shapes / "circle" / "000.png"))
    assert "circle" in predicted.stdout


def test_train_json_is_alone_on_stdout(run_tl: Run, shapes: Path) -> None:
    done = run_tl("train", str(shapes), *IN_THE_BOX, "--json", "--seed", "3")
    document = json.loads(done.stdout)
    assert document["bundle"] == "shapes-mini"
    assert set(document["metrics"]) == {"validation", "test"}


def test_predict_in_every_layout(run_tl: Run, trained: TrainResult, shapes: Path, tmp_path: Path) -> None:
    bundle = str(trained.bundle.path)
    (tmp_path / "cwd").mkdir()
    write_shapes(tmp_path / "cwd" / "p q", 2)
    (tmp_path / "cwd" / "text.jpg").write_text("text")
    lines = run_tl("predict", bundle, "p q", "text.jpg", "--json", "--top", "1").stdout.splitlines()
    documents = [json.loads(line) for line in lines]
    assert [document["image"] for document in documents] == [
        "p q/bar/000.png", "p q/bar/001.png", "p q/circle/000.png", "p q/circle/001.png", "p q/square/000.png",
        "p q/square/001.png", "text.jpg",
    ]  # fmt: skip
    assert documents[-1]["error"] == "text.jpg: not an image that can be read"
    assert [len(document["classes"]) for document in documents] == [1] * 6 + [0]
    rows = list(csv.reader(io.StringIO(run_tl("predict", bundle, "p q/*/000.png", "--csv", "--top", "2").stdout)))
    assert rows[0] == ["image", "class_1", "probability_1", "class_2", "probability_2", "error"]
    assert len(rows) == 4
    listed = run_tl("predict", bundle, "-", "--json", input="p q/bar/000.png\n\np q/circle/000.png\r\n")
    assert len(listed.stdout.splitlines()) == 2
    table = run_tl("predict", bundle, "text.jpg", "p q/bar/000.png")
    assert (table.returncode, "left out: 1" in table.stderr) == (0, True)


def test_predict_with_nothing_readable_or_strict_is_exit_code_two(run_tl: Run, trained: TrainResult, tmp_path: Path) -> None:
    (tmp_path / "cwd").mkdir()
    (tmp_path / "cwd" / "text.jpg").write_text("text")
    assert run_tl("predict", str(trained.bundle.path), "text.jpg").returncode == 2
    strict = run_tl("predict", str(trained.bundle.path), "text.jpg", "--strict")
    assert (strict.returncode, strict.stderr) == (2, "tl: text.jpg: not an image that can be read\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(("trian",), "tl: there is no command 'trian'; did you mean 'train'?"),
     (("train",), "tl: name a dataset to train on, or a run to go on with: --resume RUN"),
     (("train", "nowhere/"), "tl: nowhere: there is no such folder"),
     (("train", "digits", "--set", "head.max_iterations"), "tl: --set takes KIND.NAME=VALUE"),
     (("train", "digits", "--set", "haed.x=1"), "tl: --set haed.x=1: there is no 'haed' here; did you mean 'head'?"),
     (("train", "digits", "--set", "head.max_iterations=lots"), "tl: head linear: option 'max_iterations' must be a whole number, got 'lots'"),
     (("train", "digits", "--test", "0.9", "--validation", "0.3"), "tl: validation and test shares must be at least 0"),
     (("train", "digits", "--seed", "-1"), "tl: Invalid value for '--seed'"),
     (("train", "digits", "--bakbone", "x"), "tl: No such option '--bakbone'"),
     (("predict", "nowhere", __file__), "tl: nowhere: there is no such bundle"),
     (("predict", "nowhere", "gone.jpg"), "tl: gone.jpg: there is no such image, folder or match"),
     (("evaluate", os.path.dirname(__file__), "digits"), "is not a bundle (it has no tlcore.json)"),
     (("heads", "linera"), "tl: unknown head 'linera'; did you mean 'linear'?"),
     (("backbones", "--search", "zzzz"), "tl: no backbone's name holds 'zzzz'"),
     (("plugins", "disable", "tim"), "tl: no plugin 'tim' is installed; did you mean 'timm'?")],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_what_cannot_be_done_is_told_in_one_line(run_tl: Run, arguments: tuple[str, ...], told: str) -> None:
    done = run_tl(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_version_help_and_listings(run_tl: Run) -> None:
    assert run_tl("--version").stdout == f"tl {__version__}\n"
    assert "Start here:" in run_tl("--help").stdout
    assert "resnet50.a1_in1k" in run_tl("backbones").stdout
    assert "timm/vgg16_bn.tv_in1k" in run_tl("backbones", "--search", "vgg16*").stdout.splitlines()
    assert len(json.loads(run_tl("backbones", "--all", "--json").stdout)) > 2000
    described = run_tl("heads", "linear").stdout
    assert "head.class_weight" in described
    assert "none|balanced" in described
    linear = next(head for head in json.loads(run_tl("heads", "--json").stdout) if head["name"] == "linear")
    asked = {"name": "max_iterations", "type": "int", "default": 1000, "help": "of L-BFGS for each strength"}
    assert asked in linear["options"]


def test_plugins_are_switched_off_and_on(run_tl: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("# mine\n[plugins]\nother = 1\n")
    monkeypatch.setenv("TLCORE_HOME", str(tmp_path))
    assert run_tl("plugins", "disable", "tlcore:heads").returncode == 0
    status = {entry["entry_point"]: entry["status"] for entry in json.loads(run_tl("plugins", "--json").stdout)}
    assert status.pop("heads") == "disabled"
    assert set(status.values()) == {"ok"}
    told = run_tl("train", "digits").stderr
    assert "unknown head 'linear'" in told
    assert "(heads) is switched off" in told
    assert run_tl("plugins", "enable", "tlcore:heads").returncode == 0
    assert "linear" in run_tl("heads").stdout
    assert (tmp_path / "config.toml").read_text().startswith("# mine\n[plugins]\nother = 1\n")


def test_a_plugins_command_is_listed_without_importing_and_run(run_tl: Run, tmp_path: Path) -> None:
    site = tmp_path / "site"
    source = "import click\n@click.command()\ndef hello():\n    click.echo('hello from a plugin')\n"
    write_distribution(
        site, "tlcore-hello", "cli_hello", source, group="tlcore.commands", entry_point="hello", target="cli_hello:hello"
    )
    write_distribution(
        site, "tlcore-sad", "cli_sad", "1 / 0", group="tlcore.commands", entry_point="sad", target="cli_sad:sad"
    )
    environment = {"PYTHONPATH": str(site)}
    assert "from tlcore-sad 1.0" in run_tl("--help", env=environment).stdout
    assert run_tl("hello", env=environment).stdout == "hello from a plugin\n"
    broken = run_tl("sad", env=environment)
    assert (broken.returncode, "command 'sad' of tlcore-sad 1.0 is broken: ZeroDivisionError" in broken.stderr) == (2, True)


def test_debug_shows_where(run_tl: Run) -> None:
    assert "Traceback" in run_tl("train", "nowhere/", "--debug").stderr
    assert "Traceback" in run_tl("--debug", "train", "nowhere/").stderr


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
@pytest.mark.parametrize("seconds", [0.6, 2.5, 5.0])
def test_ctrl_c_stops_without_a_traceback_and_leaves_nothing(tmp_path: Path, seconds: float) -> None:
    command = [sys.executable, "-m", "tlcore_cli", "train", "digits", "--backbone", "timm/vgg11", "--set", "backbone.pretrained=false",
               "--set", "backbone.image_size=64", "--output", "out"]  # fmt: skip
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()
    _, told = process.communicate(timeout=30)
    assert time.monotonic() - sent < 10, "a bound for a loaded machine; the benchmark measures the two seconds"
    assert process.returncode == 130
    assert told.splitlines()[-1] == "tl: interrupted; nothing was left half-made"
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


def test_demo_goes_the_whole_way_offline(run_tl: Run, tmp_path: Path) -> None:
    done = run_tl("demo")
    assert done.returncode == 0, done.stderr
    assert "a few held-out digits" in done.stdout
    assert "contact sheet: digits-demo.png" in done.stdout
    assert (tmp_path / "cwd" / "digits-demo" / "model.safetensors").is_file()
    accuracy = float(next(line for line in done.stdout.splitlines() if line.startswith("test ")).split()[2])
    assert accuracy > 97
    with Image.open(tmp_path / "cwd" / "digits-demo.png") as sheet:
        assert sheet.width > 4 * 224, "an answer, feature maps, an ideal image and an adversarial one stand side by side"


def test_demo_without_visualizers_says_what_is_missing(run_tl: Run, tmp_path: Path) -> None:
    done = run_tl("--disable-plugin", "tlcore:visualizers", "demo", "--sheet", "looks/sheet.png")
    assert done.returncode == 0, done.stderr
    assert "note: left out of it: features (unknown visualizer 'features'); ideal" in done.stderr
    assert (tmp_path / "cwd" / "looks" / "sheet.png").is_file()


@pytest.mark.parametrize("name", ["x" * 5000, "a\nb", "[red]x", "\udcff"], ids=["long", "newline", "markup", "not-utf8"])
@pytest.mark.parametrize("command", ["train", "predict", "evaluate"])
def test_strange_names_are_told_in_one_line(run_tl: Run, trained: TrainResult, command: str, name: str) -> None:
    arguments = {"train": (name,), "predict": (str(trained.bundle.path), name), "evaluate": (name, "digits")}[command]
    done = run_tl(command, *arguments)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("tl: ")
    assert "bug" not in done.stderr


def test_a_cache_that_cannot_be_written_is_told(
    run_tl: Run, shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("a file")
    monkeypatch.setenv("TLCORE_HOME", str(tmp_path / "home"))
    done = run_tl("train", str(shapes), *IN_THE_BOX)
    assert done.returncode == 2
    assert "cannot be kept: Not a directory; TLCORE_HOME names another place, --no-cache does without" in done.stderr
    unaudited = run_tl("train", str(shapes), *IN_THE_BOX, "--no-audit")
    assert "features cannot be kept: Not a directory; TLCORE_HOME names another place" in unaudited.stderr
    assert run_tl("train", str(shapes), *IN_THE_BOX, "--no-cache").returncode == 0


def test_no_share_held_out_measures_nothing_and_says_so(run_tl: Run, shapes: Path) -> None:
    done = run_tl("train", str(shapes), *IN_THE_BOX, "--test", "0", "--validation", "0")
    assert done.returncode == 0, done.stderr
    assert "no test images: accuracy on new photos was not measured" in done.stderr
