"""The plugins of strangers, installed from wheels, used by the command line and the library."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tlcore import Registry, load_bundle
from tlcore.errors import BundleError

HERE = Path(__file__).parent
Run = Callable[..., subprocess.CompletedProcess[str]]

TRAIN = """
import sys
from pathlib import Path
from tlcore import Registry, TrainOptions, load_bundle, predict, train

photos, output = map(Path, sys.argv[1:])
options = TrainOptions(backbone="hog", head="boosted", head_options={"trees": 20}, backbone_options={"cell": 16})
result = train(str(photos), output, options, registry=Registry())
bundle = load_bundle(output, Registry())
(prediction,) = predict(bundle, [photos / "disc" / "00.png"])
print(result.metrics["test"].top1.value, prediction.classes[0][0])
"""


@pytest.fixture(scope="module")
def bundle(run: Run, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("bundles") / "shapes"
    arguments = ["train", str(photos), "--backbone", "hog", "--head", "boosted", "--set", "head.trees=20"]
    done = run("-m", "tlcore_cli", *arguments, "--output", str(output), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["test"]["top1"]["value"] >= 0.8
    return output


def test_they_pass_the_conformance_kit_in_their_own_suites(run: Run, tmp_path: Path) -> None:
    suites = [str(path) for path in sorted(HERE.glob("tlcore-*/tests"))]
    done = run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "--noconftest", "--rootdir", str(tmp_path), "-c", os.devnull, *suites
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_the_command_line_lists_them(run: Run) -> None:
    listed = {entry["distribution"]: entry for entry in json.loads(run("-m", "tlcore_cli", "plugins", "--json").stdout)}
    assert listed["tlcore-hog"]["offers"] == {"backbone": ["hog"]}
    assert listed["tlcore-boosted"]["offers"] == {"head": ["boosted"]}
    assert {entry["status"] for entry in listed.values()} == {"ok"}


def test_help_names_the_command_without_importing_it(run: Run) -> None:
    assert "hello-report  from tlcore-hello-report 0.1.0" in run("-m", "tlcore_cli", "--help").stdout


def test_the_command_line_trains_and_predicts_with_them(run: Run, bundle: Path, photos: Path) -> None:
    done = run("-m", "tlcore_cli", "predict", str(bundle), str(photos / "bar" / "00.png"), "--json")
    assert done.returncode == 0, done.stderr
    assert '"class": "bar"' in done.stdout


def test_a_command_of_theirs_runs(run: Run, bundle: Path) -> None:
    done = run("-m", "tlcore_cli", "hello-report", str(bundle))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == [
        "Hello from shapes: hog with the head tlcore-boosted:boosted",
        "It tells apart bar, disc",
    ]


def test_the_library_trains_and_predicts_with_them(run: Run, photos: Path, tmp_path: Path) -> None:
    done = run("-c", TRAIN, str(photos), str(tmp_path / "bundle"))
    assert done.returncode == 0, done.stderr
    accuracy, predicted = done.stdout.split()
    assert float(accuracy) >= 0.8
    assert predicted == "disc"


def test_check_runs_on_an_installed_command(run: Run) -> None:
    done = run("-m", "tlcore_cli", "plugins", "check", "tlcore-hello-report")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "5 passed, 0 failed, 0 skipped"


def test_a_bundle_says_which_plugin_it_lacks(bundle: Path) -> None:
    with pytest.raises(BundleError) as raised:
        load_bundle(bundle, Registry())
    assert str(raised.value) == (
        f"{bundle}: was made with tlcore-hog:hog 0.1.0, tlcore-boosted:boosted 0.1.0, not installed here or switched off: "
        f"unknown head 'tlcore-boosted:boosted'; 'tl heads' lists them; "
        f"'tl plugins install tlcore-hog tlcore-boosted' installs it"
    )


def test_a_bundle_says_which_plugin_is_switched_off(run: Run, bundle: Path, photos: Path) -> None:
    done = run("-m", "tlcore_cli", "--disable-plugin", "boosted", "predict", str(bundle), str(photos / "bar"))
    assert done.returncode == 2
    assert "was made with tlcore-boosted:boosted 0.1.0, not installed here or switched off" in done.stderr
    assert done.stderr.rstrip().endswith("'tl plugins enable tlcore-boosted:boosted' switches it on")


def test_a_switched_off_plugin_is_switched_off_for_added_commands_too(run: Run, bundle: Path) -> None:
    done = run("-m", "tlcore_cli", "--disable-plugin", "boosted", "hello-report", str(bundle))
    assert done.returncode == 2, done.stdout
    assert "was made with tlcore-boosted:boosted 0.1.0, not installed here or switched off" in done.stderr


SERVE = """
import json, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from starlette.testclient import TestClient
from tlcore.server.app import make_server
from tlcore.server.settings import ServerSettings, parse_models

model, photo = map(Path, sys.argv[1:])
server = make_server(ServerSettings(models=parse_models([f"shapes={model}"])), lambda *arguments, **values: None)
with TestClient(server.app) as client:
    print(json.dumps(client.post("/v1/predict", content=photo.read_bytes()).json()))
assert "torch" not in sys.modules and "sklearn" not in sys.modules
"""


def test_a_head_of_theirs_is_exported_and_served_without_torch(run: Run, photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("tlcore.export", reason="exporting is not part of this tlcore")
    pytest.importorskip("starlette", reason="the server needs starlette")
    pytest.importorskip("onnxscript", reason="exporting needs onnxscript")
    arguments = ["train", str(photos), "--backbone", "mini", "--head", "boosted", "--set", "head.trees=10"]
    trained = run("-m", "tlcore_cli", *arguments, "--output", str(tmp_path / "shapes"))
    assert trained.returncode == 0, trained.stderr
    exported = run("-m", "tlcore_cli", "export", str(tmp_path / "shapes"), "-o", str(tmp_path / "shapes.onnx"))
    assert exported.returncode == 0, exported.stderr
    photo = str(photos / "disc" / "03.png")
    served = run("-c", SERVE, str(tmp_path / "shapes.onnx"), photo)
    assert served.returncode == 0, served.stderr
    assert {"bar", "disc"} & set(served.stdout.split('"'))


def test_a_backbone_that_is_no_network_is_honestly_refused(run: Run, bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("tlcore.export", reason="exporting is not part of this tlcore")
    refused = run("-m", "tlcore_cli", "export", str(bundle), "-o", str(tmp_path / "shapes.onnx"))
    assert refused.returncode == 2
    assert refused.stderr == "tl: backbone hog is not a torch network\n"
