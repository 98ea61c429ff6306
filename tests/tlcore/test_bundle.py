from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tlcore import Registry, TrainResult, load_bundle
from tlcore.bundle import _document_digest, check_target
from tlcore.errors import BundleError
from tlcore.machine.atomic import new_directory


@pytest.fixture
def copy(trained: TrainResult, tmp_path: Path) -> Path:
    """A bundle a test may damage."""
    return Path(shutil.copytree(trained.bundle.path, tmp_path / "copy"))


def edit(bundle: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change the record and sign it anew, as a newer tlcore, not as an accident would."""
    document = json.loads((bundle / "tlcore.json").read_text())
    change(document)
    document["digest"] = _document_digest(document)
    (bundle / "tlcore.json").write_text(json.dumps(document))


def test_it_holds_no_pickle_and_every_file_it_promises(trained: TrainResult) -> None:
    files = {path.name: path.read_bytes() for path in trained.bundle.path.iterdir()}
    assert set(files) == {"tlcore.json", "model.safetensors", "config.json", "head.safetensors", "split.json", "README.md"}
    assert not any(data.startswith((b"\x80\x02", b"\x80\x04", b"PK")) for data in files.values())


def test_the_record_says_where_everything_comes_from(trained: TrainResult) -> None:
    document = json.loads((trained.bundle.path / "tlcore.json").read_text())
    assert document["classes"] == ["bar", "circle", "square"]
    assert document["plugins"].keys() == {"tlcore:datasets", "tlcore:mini", "tlcore:heads"}
    assert document["dataset"]["counts"] == {"train": 24, "validation": 6, "test": 6}
    assert document["backbone"]["pretrained"] is True
    assert document["seed"] == 0
    assert {"python", "tlcore", "torch", "timm"} <= document["versions"].keys()


PLAIN_TIMM = """
import json, sys, numpy, timm, torch
network = timm.create_model("local-dir:" + sys.argv[1], pretrained=True).eval()
with torch.inference_mode():
    logits = network(torch.from_numpy(numpy.load(sys.argv[2]))).numpy()
assert not [name for name in sys.modules if name.startswith("tlcore")]
numpy.save(sys.argv[3], logits)
print(json.dumps(network.pretrained_cfg.get("label_names")))
"""


def test_plain_timm_gives_the_same_logits_in_a_process_without_tlcore(trained: TrainResult, tmp_path: Path) -> None:
    bundle = trained.bundle
    pixels = np.random.default_rng(0).integers(0, 256, (5, 128, 128, 3), dtype=np.uint8)
    np.save(tmp_path / "inputs.npy", bundle.record.preprocess.normalise(pixels))
    paths = [str(bundle.path), str(tmp_path / "inputs.npy"), str(tmp_path / "logits.npy")]
    done = subprocess.run([sys.executable, "-c", PLAIN_TIMM, *paths], capture_output=True, text=True, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), bundle.logits(pixels), rtol=1e-3, atol=1e-3)
    assert json.loads(done.stdout) == ["bar", "circle", "square"]


def test_timm_would_preprocess_alike(trained: TrainResult) -> None:
    config = json.loads((trained.bundle.path / "config.json").read_text())
    preprocess = trained.bundle.record.preprocess
    assert tuple(config["pretrained_cfg"]["input_size"]) == (3, *preprocess.image_size)
    assert config["pretrained_cfg"]["crop_pct"] == preprocess.crop_fraction
    assert config["pretrained_cfg"]["interpolation"] == preprocess.interpolation


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "head.safetensors", "split.json", "README.md"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "altered"])
def test_damage_is_told_by_file(copy: Path, registry: Registry, name: str, damage: str) -> None:
    content = (copy / name).read_bytes()
    if damage == "missing":
        (copy / name).unlink()
        told = f"{copy / name}: is missing; restore or train the bundle again"
    else:
        (copy / name).write_bytes(content[:-9] if damage == "truncated" else content[:-1] + bytes([content[-1] ^ 1]))
        told = f"{copy / name}: is not the file that was saved (wrong SHA-256)"
    with pytest.raises(BundleError) as error:
        load_bundle(copy, registry)
    assert str(error.value).startswith(told)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"{", "tlcore.json: damaged"), (b"[]", "tlcore.json: is not a bundle's record"), (b"\xff\xfe", "tlcore.json: damaged")],
)  # fmt: skip
def test_a_damaged_record_is_told(copy: Path, registry: Registry, content: bytes, told: str) -> None:
    (copy / "tlcore.json").write_bytes(content)
    with pytest.raises(BundleError, match=told):
        load_bundle(copy, registry)


def test_an_altered_record_is_told(copy: Path, registry: Registry) -> None:
    text = (copy / "tlcore.json").read_text()
    (copy / "tlcore.json").write_text(text.replace('"circle"', '"triangle"', 1))
    with pytest.raises(BundleError, match=r"tlcore\.json: was altered after it was saved"):
        load_bundle(copy, registry)


def test_a_newer_format_is_told(copy: Path, registry: Registry) -> None:
    edit(copy, lambda document: document.update(format_version=2))
    with pytest.raises(BundleError, match="bundle format version 2, this tlcore reads up to 1; upgrade tlcore"):
        load_bundle(copy, registry)


def test_a_record_that_names_files_outside_is_refused(copy: Path, registry: Registry) -> None:
    edit(copy, lambda document: document["files"].update({"../secret": "0" * 64}))  # type: ignore[attr-defined]
    with pytest.raises(BundleError, match="names a file outside the bundle"):
        load_bundle(copy, registry)


def test_a_record_without_a_field_is_told(copy: Path, registry: Registry) -> None:
    edit(copy, lambda document: document.pop("preprocess"))  # type: ignore[arg-type,return-value]
    with pytest.raises(BundleError, match=r"tlcore\.json: malformed: 'preprocess'"):
        load_bundle(copy, registry)


def test_no_bundle_is_told(tmp_path: Path, registry: Registry) -> None:
    with pytest.raises(BundleError, match="there is no such bundle"):
        load_bundle(tmp_path / "nowhere", registry)
    with pytest.raises(BundleError, match=r"is not a bundle \(it has no tlcore\.json\)"):
        load_bundle(tmp_path, registry)


def test_targets_that_hold_something_else_are_refused(tmp_path: Path, copy: Path) -> None:
    check_target(tmp_path / "new")
    check_target(copy)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BundleError, match="is a file"):
        check_target(tmp_path / "file")
    with pytest.raises(BundleError, match="is a directory with other things in it"):
        check_target(tmp_path)


WRITE_FOREVER = """
import sys
from pathlib import Path
from tlcore.machine.atomic import new_directory
for number in range(10**9):
    with new_directory(Path(sys.argv[1])) as directory:
        for name in "abcdef":
            (directory / name).write_text(str(number))
    print(number, flush=True)
"""


def test_a_kill_at_any_moment_leaves_one_whole_directory(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    for rounds in range(6):
        writer = subprocess.Popen([sys.executable, "-c", WRITE_FOREVER, str(target)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for _ in range(3 + 5 * rounds):
            writer.stdout.readline()
        writer.kill()
        writer.wait()
        writer.stdout.close()
        assert len({(target / name).read_text() for name in "abcdef"}) == 1


def test_an_error_while_writing_keeps_the_old_directory(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    with new_directory(target) as directory:
        (directory / "a").write_text("old")
    with pytest.raises(RuntimeError), new_directory(target) as directory:
        (directory / "a").write_text("new")
        raise RuntimeError
    assert (target / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
