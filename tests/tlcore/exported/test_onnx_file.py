"""The exported file: read without onnx, verified byte by byte."""

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest

from tlcore.errors import ModelFileError
from tlcore.exported.onnx_file import DIGEST_KEY, ModelRecord, read_model_file, seal, weights_sha256
from tlcore.exported.onnx_wire import metadata_entries, read_graph


def test_reads_what_onnx_reads(exported: Path) -> None:
    model = onnx.load_model(exported)
    graph = read_model_file(exported).graph
    assert graph.opset == model.opset_import[0].version == 20
    assert graph.parameters == sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer)
    assert sum(graph.operations.values()) == len(model.graph.node)
    assert graph.metadata == {entry.key: entry.value for entry in model.metadata_props}
    assert [entry.name for entry in graph.inputs] == ["images"]
    assert graph.inputs[0].shape == ("batch", 128, 128, 3)
    assert [entry.name for entry in graph.outputs] == ["probabilities", "logits", "features", "activation_map"]


def test_the_file_is_valid_onnx_and_carries_its_record(exported: Path, trained: object) -> None:
    onnx.checker.check_model(str(exported), full_check=True)
    file = read_model_file(exported)
    record = trained.bundle.record  # type: ignore[attr-defined]
    assert file.record is not None
    assert file.record.labels == record.classes
    assert file.record.preprocess == record.preprocess
    assert file.record.temperature == record.temperature
    assert file.record.provenance["dataset"]["digest"] == record.dataset["digest"]
    assert file.record.checks["gate"]["pixel_levels"] == 0


def test_no_path_of_this_machine_is_in_the_file(exported: Path) -> None:
    data = exported.read_bytes()
    assert str(exported.parents[1]).encode() not in data
    assert b"site-packages" not in data and b"/tlcore/" not in data and b"stack_trace" not in data


def _wrong_weight(data: bytes) -> bytes:
    model = onnx.load_model_from_string(data)
    tensor = max(model.graph.initializer, key=lambda entry: len(entry.raw_data))
    tensor.raw_data = bytes([tensor.raw_data[0] ^ 1]) + tensor.raw_data[1:]
    return model.SerializeToString()


def _wrong_label(data: bytes) -> bytes:
    return data.replace(b'["bar", "circle"', b'["bar", "square"')


def _appended(data: bytes) -> bytes:
    model = onnx.ModelProto()
    model.metadata_props.add(key="tlcore.labels", value='["a", "b", "c"]')
    return data + model.SerializeToString()


@pytest.mark.parametrize("alter", [_wrong_weight, _wrong_label, _appended], ids=["weight", "label", "appended"])
def test_an_altered_file_is_refused(exported: Path, tmp_path: Path, alter: object) -> None:
    altered = alter(exported.read_bytes())  # type: ignore[operator]
    assert altered != exported.read_bytes()
    (tmp_path / "m.onnx").write_bytes(altered)
    with pytest.raises(ModelFileError, match=r"m\.onnx: (was altered or damaged|states 'tlcore.labels' twice)"):
        read_model_file(tmp_path / "m.onnx")


@pytest.mark.parametrize("keep", [0, 1, 10, 1000, 0.5, 0.999])
def test_a_file_cut_short_is_refused(exported: Path, tmp_path: Path, keep: float) -> None:
    data = exported.read_bytes()
    (tmp_path / "m.onnx").write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(ModelFileError, match=r"m\.onnx: .*'tl export' makes such files"):
        read_model_file(tmp_path / "m.onnx")


def test_random_bytes_and_text_are_refused(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(60):
        (tmp_path / "m.onnx").write_bytes(random.bytes(int(random.integers(1, 4000))) if number else b"not a model\n" * 9)
        with pytest.raises(ModelFileError):
            read_model_file(tmp_path / "m.onnx")


def test_a_missing_file_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="there is no such file; 'tl export' makes one"):
        read_model_file(tmp_path / "none.onnx")


def test_a_newer_format_says_upgrade(exported: Path, tmp_path: Path) -> None:
    data = exported.read_bytes().replace(b"tlcore.format_version\x12\x011", b"tlcore.format_version\x12\x019")
    (tmp_path / "m.onnx").write_bytes(data)
    with pytest.raises(ModelFileError, match="has format version 9, this tlcore reads up to 1; upgrade tlcore"):
        read_model_file(tmp_path / "m.onnx")


def test_labels_that_do_not_fit_the_network_are_refused(exported: Path, tmp_path: Path) -> None:
    model = onnx.load_model(exported)
    record = read_model_file(exported).record
    assert record is not None
    model.ClearField("metadata_props")
    wrong = dataclasses.replace(record, labels=("only", "two"))
    (tmp_path / "m.onnx").write_bytes(seal(model.SerializeToString(), wrong))
    with pytest.raises(ModelFileError, match="its outputs do not fit its 2 labels"):
        read_model_file(tmp_path / "m.onnx")


def test_weights_in_another_file_are_refused(exported: Path, tmp_path: Path) -> None:
    model = onnx.load_model(exported)
    onnx.save_model(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    with pytest.raises(ModelFileError, match="keeps its weights in another file, which tlcore does not open"):
        read_model_file(tmp_path / "m.onnx")


def test_digest_covers_everything_but_itself(exported: Path) -> None:
    data = exported.read_bytes()
    keys = [key for key, _, _, _ in metadata_entries(memoryview(data))]
    assert keys[-1] == DIGEST_KEY and len(keys) == len(set(keys))
    file = read_model_file(exported)
    assert file.record is not None
    assert file.record.weights_sha256 == weights_sha256(data)


def test_odd_labels_survive(exported: Path, tmp_path: Path) -> None:
    model = onnx.load_model(exported)
    record = read_model_file(exported).record
    model.ClearField("metadata_props")
    labels = ('Käse "x"', "猫\n", "\udc80lone")
    assert record is not None
    (tmp_path / "m.onnx").write_bytes(seal(model.SerializeToString(), dataclasses.replace(record, labels=labels)))
    found = read_model_file(tmp_path / "m.onnx").record
    assert isinstance(found, ModelRecord) and found.labels == labels


def test_wire_reader_refuses_an_empty_network() -> None:
    with pytest.raises(ModelFileError, match="holds no network"):
        read_graph(memoryview(onnx.ModelProto(ir_version=8).SerializeToString()))
